# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drivers node by node: who may leave when, what ends it, and what stays as it is."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.gpu_driver_upgrade import (
    WavesRequest,
    upgrade_drivers,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome

from tests.unit.plugins.module_utils._flows.gpu_stack import DRIVER, SPACE, GpuCluster

CHAT = {"app.kubernetes.io/instance": "chat", "app.kubernetes.io/component": "model-server"}
SKIP, STATE = "nvidia.com/gpu-driver-upgrade.skip", "nvidia.com/gpu-driver-upgrade-state"
NAMES = ("gpu-1", "gpu-2", "gpu-3")


class Pool(GpuCluster):
    """Three held nodes whose drivers are of the second form of three; an operator that works when a label goes."""

    def __init__(self) -> None:
        super().__init__()
        item = self.put_set(DRIVER, desired=3, updated=0, available=3, strategy="OnDelete")
        item["metadata"]["annotations"] = {"deprecated.daemonset.template.generation": "3"}
        for name in NAMES:
            self.put_node(name, gpu_driver_upgrade__skip="true", gpu_driver_upgrade_state="upgrade-required")
            self.put_driver(name, 2)
        self.begun: list[str] = []
        self.works = True

    def put_driver(self, node: str, template: int) -> None:
        """Store the driver's pod of a node, of this form of the template."""
        self.put_pod(f"driver-{node}", node=node, labels={"pod-template-generation": str(template)})

    def put_chat(self, number: int, node: str) -> None:
        """Store a replica of a model server."""
        self.put_pod(f"chat-{number}", "llm", gpus="1", labels=CHAT, node=node)

    def labels(self, name: str) -> dict[str, str]:
        """Return the labels of a node."""
        labels: dict[str, str] = self.api.find("Node", "", name)["metadata"]["labels"]
        return labels

    def operate(self) -> None:
        """Do what the operator does within a second."""
        for name in [each for each in NAMES if ("Node", "", each) in self.api.objects]:
            if SKIP not in self.labels(name) and name not in self.begun and self.works:
                self.begun.append(name)
                self.put_driver(name, 3)
                self.labels(name)[STATE] = "upgrade-done"

    def run(self, **more: Any) -> Outcome:
        """Upgrade, with the operator at work."""
        for second in range(1, 200):
            self.clock.at(second, self.operate)
        request = WavesRequest(SPACE, **{"timeout_seconds": 30.0, **more})
        return upgrade_drivers(request, lambda: self.api, self.clock)


@pytest.fixture
def pool() -> Pool:
    """Return the pool."""
    return Pool()


def results(outcome: Outcome) -> dict[str, str]:
    """Return the result of each node, in their order."""
    return {each["name"]: each["result"] for each in outcome.result["nodes"]}


def test_nodes_go_one_after_the_other_those_that_nobody_uses_first(pool):
    pool.put_chat(0, "gpu-1")
    pool.put_chat(1, "gpu-2")
    outcome = pool.run()
    assert (outcome.changed, outcome.failure) == (True, None)
    assert results(outcome) == dict.fromkeys(("gpu-3", "gpu-1", "gpu-2"), "upgraded")
    assert pool.begun == ["gpu-3", "gpu-1", "gpu-2"]
    assert pool.api.writes == ["patch Node gpu-3", "patch Node gpu-1", "patch Node gpu-2"]


def test_the_next_node_waits_until_the_last_one_is_back(pool):
    pool.works = False
    outcome = pool.run()
    assert results(outcome) == {"gpu-1": "failed", "gpu-2": "held", "gpu-3": "held"}
    assert "node gpu-1 has waited 30 s (timeout_seconds) for its driver upgrade" in outcome.failure
    assert "Nodes that keep their old driver, and stay held: gpu-2, gpu-3." in outcome.failure
    assert pool.api.writes == ["patch Node gpu-1"]


def test_a_run_that_goes_on_waits_for_the_node_that_the_last_one_has_let_go(pool):
    del pool.labels("gpu-3")[SKIP]
    outcome = pool.run()
    assert results(outcome) == dict.fromkeys(("gpu-1", "gpu-2"), "upgraded")
    assert pool.begun == ["gpu-3", "gpu-1", "gpu-2"]


def test_a_node_that_has_failed_before_stops_the_next_run_at_once(pool):
    del pool.labels("gpu-3")[SKIP]
    pool.labels("gpu-3")[STATE] = "upgrade-failed"
    pool.works = False
    outcome = pool.run()
    assert "node gpu-3: its driver upgrade is in upgrade-failed" in outcome.failure
    assert (pool.api.writes, pool.clock.seconds) == ([], 0.0)


def test_a_node_that_is_down_but_has_the_newest_driver_does_not_block(pool):
    del pool.labels("gpu-3")[SKIP]
    pool.labels("gpu-3")[STATE] = "upgrade-done"
    pool.begun.append("gpu-3")
    pool.put_driver("gpu-3", 3)
    pool.api.find("Node", "", "gpu-3")["status"]["conditions"][0]["status"] = "False"
    assert set(results(pool.run()).values()) == {"upgraded"}


def test_a_label_that_still_says_done_is_not_believed(pool):
    for name in NAMES:
        pool.labels(name)[STATE] = "upgrade-done"
    pool.works = False
    assert "node gpu-1 has no driver's pod of the newest form" in pool.run().failure


def test_a_node_whose_removal_breaks_a_floor_is_waited_for_and_then_stays_held(pool):
    pool.put_chat(0, "gpu-1")
    outcome = pool.run()
    assert results(outcome) == {"gpu-2": "upgraded", "gpu-3": "upgraded", "gpu-1": "held"}
    assert "model server llm/chat would have 0 ready replicas without node gpu-1, and must keep 1" in outcome.failure
    assert SKIP in pool.labels("gpu-1")


def test_a_floor_that_holds_again_lets_the_node_go(pool):
    pool.put_chat(0, "gpu-1")
    pool.clock.at(20, lambda: pool.put_chat(1, "gpu-2"))
    assert set(results(pool.run()).values()) == {"upgraded"}
    assert pool.clock.seconds >= 20


def test_a_budget_is_the_floor(pool):
    pool.put_chat(0, "gpu-1")
    pool.put_chat(1, "gpu-2")
    meta = {"namespace": "llm", "name": "chat", "labels": {**CHAT, "app.kubernetes.io/managed-by": "llmops.kubernetes"}}
    pool.api.put({"kind": "PodDisruptionBudget", "metadata": meta, "status": {"desiredHealthy": 2}})
    assert "would have 1 ready replicas without node gpu-1, and must keep 2" in pool.run().failure


def test_who_is_told_to_may_interrupt(pool):
    pool.put_chat(0, "gpu-1")
    assert pool.run(allow_interruption=True).failure is None


def test_a_failed_upgrade_ends_it_with_the_pods_that_hold_the_gpus_and_the_drivers_words(pool):
    pool.put_pod("job", "llm", gpus="1", node="gpu-1")
    pool.put_pod("other", "llm", gpus="1", node="gpu-2")
    pool.put_pod("other-2", "llm", gpus="1", node="gpu-3")
    pool.works = False

    def fail() -> None:
        pool.labels("gpu-1")[STATE] = "upgrade-failed"
        waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
        status = {"phase": "Pending", "containerStatuses": [{"name": "driver", "state": {"waiting": waiting}}]}
        pool.put_pod("driver-gpu-1", status=status)

    pool.clock.at(3, fail)
    outcome = pool.run()
    assert results(outcome)["gpu-1"] == "failed"
    assert "its driver upgrade is in upgrade-failed; pods with GPUs on it: llm/job" in outcome.failure
    assert f"pod gpu-operator/driver-gpu-1 of {DRIVER} on node gpu-1: container driver is in" in outcome.failure


def test_a_node_that_goes_away_ends_it(pool):
    pool.clock.at(1, lambda: pool.api.objects.pop(("Node", "", "gpu-1")))
    pool.works = False
    assert "node gpu-1 is gone" in pool.run(nodes=["gpu-1"]).failure


def test_a_cordoned_node_is_not_back(pool):
    pool.api.find("Node", "", "gpu-1")["spec"] = {"unschedulable": True}
    assert "node gpu-1 is cordoned" in pool.run(nodes=["gpu-1"]).failure


def test_a_node_with_the_newest_driver_is_only_released(pool):
    pool.put_driver("gpu-2", 3)
    pool.labels("gpu-2")[STATE] = "upgrade-done"
    pool.put_chat(0, "gpu-2")
    assert results(pool.run(nodes=["gpu-2"])) == {"gpu-2": "released"}


def test_nothing_is_held_nothing_is_done(pool):
    for name in NAMES:
        del pool.labels(name)[SKIP]
    outcome = pool.run()
    assert (outcome.changed, outcome.result["nodes"], pool.api.writes) == (False, [], [])


def test_check_mode_tells_the_order_and_writes_nothing(pool):
    outcome = pool.run(check_mode=True)
    assert results(outcome) == dict.fromkeys(NAMES, "would be begun")
    assert (outcome.changed, pool.api.writes) == (True, [])


def test_unknown_nodes_and_a_missing_operator_are_refused(pool):
    with pytest.raises(InputError, match=r"nodes: gpu-9 is no node with the operator's driver; allowed: gpu-1"):
        pool.run(nodes=["gpu-9"])
    pool.api.objects = {key: item for key, item in pool.api.objects.items() if key[0] != "Node"}
    with pytest.raises(InputError, match="allowed: none"):
        pool.run(nodes=["gpu-9"])
    pool.api.unserved.add("ClusterPolicy")
    with pytest.raises(ClusterError, match="no operator"):
        pool.run()


def test_pods_that_the_kubelet_has_refused_are_told(pool):
    pool.put_pod("lost", "llm", gpus="1", status={"phase": "Failed", "reason": "UnexpectedAdmissionError"})
    outcome = pool.run()
    assert outcome.result["refused_pods"] == ["llm/lost"]
    assert "llm/lost" in outcome.warnings[0]


def test_a_node_that_vanishes_before_its_turn_ends_it(pool):
    pool.clock.at(1, lambda: pool.api.objects.pop(("Node", "", "gpu-2")))
    pool.put_chat(0, "gpu-2")
    pool.put_chat(1, "gpu-3")
    outcome = pool.run(nodes=["gpu-1", "gpu-2"])
    assert "node gpu-2 is gone" in outcome.failure
    assert results(outcome) == {"gpu-1": "upgraded", "gpu-2": "held"}


def test_a_node_that_vanishes_between_looking_and_writing_ends_it(pool):
    found = pool.api.get

    def get(kind: str, namespace: str | None, name: str, **more: Any) -> Any:
        return None if kind == "Node" else found(kind, namespace, name, **more)

    pool.api.get = get
    assert "node gpu-1 is gone" in pool.run().failure
    assert pool.api.writes == []
