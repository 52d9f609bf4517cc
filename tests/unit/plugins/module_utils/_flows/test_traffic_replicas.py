# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sharing traffic by replicas, over a cluster in memory: the order of the writes, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import INSTANCE, SLOT
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_parse import Verification
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.traffic_replicas import split_replicas
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.traffic_split import TrafficRequest

from tests.unit.plugins.module_utils._flows.memory import MemoryClock, MemoryCluster
from tests.unit.plugins.module_utils._flows.traffic import Counter, make_release, put_deployment, put_pods

BOTH = {INSTANCE: "chat"}
BLUE = {INSTANCE: "chat", SLOT: "blue"}
SCALER = {"scaleTargetRef": {"kind": "Deployment", "name": "chat-blue"}}


def follow(cluster: MemoryCluster) -> None:
    """Let pods follow the replicas of their Deployments, as the cluster's controller does."""
    for slot in ("blue", "green"):
        put_pods(cluster, slot, cluster.find("Deployment", "llm", f"chat-{slot}")["spec"]["replicas"])


def split(
    cluster: MemoryCluster, blue: int = 75, counter: Counter | None = None, follows: bool = True, **options: Any
) -> Outcome:
    clock = MemoryClock()
    if follows:
        for second in range(1, 4):
            clock.at(second, lambda: follow(cluster))
    request = TrafficRequest("chat", "llm", {"blue": blue, "green": 100 - blue}, "chat", **options)
    return split_replicas(request, cluster, counter or Counter(), clock)


def state(cluster: MemoryCluster) -> tuple[int, int, dict[str, str]]:
    replicas = [cluster.find("Deployment", "llm", f"chat-{slot}")["spec"]["replicas"] for slot in ("blue", "green")]
    return replicas[0], replicas[1], cluster.find("Service", "llm", "chat")["spec"]["selector"]


def test_the_growing_slot_comes_first_and_a_second_run_changes_nothing() -> None:
    cluster = make_release(4, 0)
    outcome = split(cluster)
    assert (outcome.changed, outcome.failure, state(cluster)) == (True, None, (3, 1, BOTH))
    assert cluster.writes == ["patch Deployment chat-green", "patch Service chat", "patch Deployment chat-blue"]
    assert outcome.result["weights_before"] == [{"rule": "ready pods", "blue": 100.0, "green": 0.0}]
    assert outcome.result["reachable"] == [0, 25, 50, 75, 100]
    assert [each["after"] for each in outcome.diff[1:]] == ["1\n", "3\n"]
    follow(cluster)
    assert (split(cluster).changed, len(cluster.writes)) == (False, 3)
    back = split(cluster, blue=100)
    assert (back.failure, state(cluster)) == (None, (4, 0, BLUE))


def test_check_mode_writes_nothing() -> None:
    cluster = make_release(4, 0)
    outcome = split(cluster, check_mode=True)
    assert (outcome.changed, outcome.failure, cluster.writes) == (True, None, [])
    cluster.denied.add(("patch", "Deployment"))
    with pytest.raises(ClusterError, match="patch Deployment is forbidden"):
        split(cluster, check_mode=True)


def test_nothing_shrinks_before_the_other_slot_is_ready() -> None:
    cluster = make_release(4, 0)
    outcome = split(cluster, follows=False, confirm_seconds=3.0)
    assert "slot green of llm/chat has 0 of 1 ready pods after 3 s" in str(outcome.failure)
    assert state(cluster) == (4, 1, BLUE)
    follow(cluster)
    assert (split(cluster, replicas=4).failure, state(cluster)) == (None, (3, 1, BOTH))


def test_an_autoscaler_is_a_refusal_with_its_name_unless_forced() -> None:
    cluster = make_release(4, 0)
    meta = {"name": "chat", "namespace": "llm"}
    cluster.put({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": SCALER})
    with pytest.raises(ClusterError, match="HorizontalPodAutoscaler chat of chat-blue in llm") as error:
        split(cluster)
    assert (error.value.details["autoscalers"], cluster.writes) == (["HorizontalPodAutoscaler chat of chat-blue"], [])
    assert split(cluster, force=True).failure is None


def test_a_cluster_without_keda_has_no_scaled_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = make_release(4, 0)
    original = cluster.list_objects
    status = {"ScaledObject": 404}

    def listed(kind: str, *args: Any, **options: Any) -> list[dict[str, Any]]:
        if kind in status:
            raise ClusterError(f"{kind} cannot be listed", {"status": status[kind]})
        return original(kind, *args, **options)

    monkeypatch.setattr(cluster, "list_objects", listed)
    assert split(cluster).failure is None
    status["HorizontalPodAutoscaler"] = 403
    with pytest.raises(ClusterError, match="HorizontalPodAutoscaler cannot be listed"):
        split(cluster, blue=100)


def test_a_service_of_others_or_none_is_refused() -> None:
    cluster = make_release(4, 0)
    cluster.find("Service", "llm", "chat")["spec"]["selector"] = {"app": "mine"}
    with pytest.raises(ClusterError, match=r"selects \{'app': 'mine'\}, which are not the pods of release chat"):
        split(cluster)
    del cluster.objects["Service", "llm", "chat"]
    with pytest.raises(ClusterError, match="There is no Service llm/chat on"):
        split(cluster)


def test_a_slot_without_a_deployment_cannot_grow() -> None:
    cluster = make_release(4, 0)
    del cluster.objects["Deployment", "llm", "chat-green"]
    with pytest.raises(ClusterError, match="There is no Deployment llm/chat-green on"):
        split(cluster)
    put_deployment(cluster, "green", None)  # one by Kubernetes' default
    assert split(cluster, blue=80, check_mode=True).result["replicas"] == {"blue": 4, "green": 1}


def change(cluster: MemoryCluster, kind: str, name: str, times: int, replicas: int | None = None) -> None:
    """Let somebody change an object so many times just before our patches."""

    def event() -> None:
        item = cluster.find(kind, "llm", name)
        if replicas is not None:
            item["spec"]["replicas"] = replicas
        cluster.put(item)
        change(cluster, kind, name, times - 1, replicas)

    if times:
        cluster.before_patch[name] = event


def test_conflicts_are_tried_again_and_fights_end() -> None:
    cluster = make_release(4, 0)
    change(cluster, "Deployment", "chat-green", 2)
    change(cluster, "Service", "chat", 2)
    assert (split(cluster).failure, state(cluster)) == (None, (3, 1, BOTH))
    for kind, name in (("Deployment", "chat-green"), ("Service", "chat")):
        cluster = make_release(4, 0)
        change(cluster, kind, name, 9)
        with pytest.raises(ClusterError, match=f"{kind} llm/{name} on .* was changed by others 5 times"):
            split(cluster)
    cluster = make_release(4, 0)
    change(cluster, "Deployment", "chat-green", 1, replicas=7)
    with pytest.raises(ClusterError, match="from 0 to 1 replicas, and now has 7: somebody else scales it"):
        split(cluster)
    cluster = make_release(4, 0)
    cluster.refused.add("Deployment chat-green")
    with pytest.raises(ClusterError, match="HTTP 403 is forbidden"):
        split(cluster)


def test_the_clients_service_is_asked_and_its_affinity_is_warned_of() -> None:
    cluster = make_release(3, 1)
    cluster.find("Service", "llm", "chat")["spec"].update(sessionAffinity="ClientIP", selector=BOTH)
    counter = Counter(blue=75, green=25)
    outcome = split(cluster, counter=counter, verify=Verification())
    assert (outcome.changed, outcome.result["verdict"]) == (False, "pass")
    assert counter.requests[0]["target"]["url"] == "http://192.0.2.100:8000"
    assert "sessionAffinity of Service llm/chat" in outcome.warnings[0]
    wrong = split(cluster, counter=Counter(blue=100), verify=Verification())
    assert "the weights are not in force" in str(wrong.failure)
