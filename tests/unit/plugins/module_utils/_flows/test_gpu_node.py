# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of nodes, over a cluster in memory: what is checked first, what is written, what a failure leaves."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_pool import parse_node_pools
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.gpu_node import Request, apply_pools
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome

from tests.unit.plugins.module_utils._flows.memory import MemoryClock, MemoryCluster

GPU = "nvidia.com/gpu"
NO_SCHEDULE = {"key": GPU, "value": "present", "effect": "NoSchedule"}
NO_EXECUTE = {"key": "llm-only", "effect": "NoExecute"}
POOL = {"name": "inference", "selector": {"label_selector": "accelerated"}, "labels": {"team": "search"}}
TAINTED = {**POOL, "taints": [NO_SCHEDULE]}
EVICTING = {**POOL, "taints": [NO_EXECUTE]}
PATCHES = ["patch Node gpu-1", "patch Node gpu-2", "patch Node gpu-3"]


def node(name: str, gpus: int = 8, **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"accelerated": "yes", **labels}}
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    status = {"allocatable": {"cpu": "8", GPU: str(gpus)}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [taint]}, "status": status}


@pytest.fixture(name="cluster")
def _cluster() -> MemoryCluster:
    """Return a cluster with three nodes that have GPUs and one that has none."""
    cluster = MemoryCluster("llm")
    for name in ("gpu-1", "gpu-2", "gpu-3"):
        cluster.put(node(name))
    cluster.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "cpu-1"}})
    return cluster


def run(cluster: MemoryCluster, *pools: Any, clock: MemoryClock | None = None, **options: Any) -> Outcome:
    return apply_pools(Request(parse_node_pools(pools or (TAINTED,)), **options), cluster, clock or MemoryClock())


def actions(outcome: Outcome) -> dict[str, str]:
    return {each["name"]: each["action"] for each in outcome.result["nodes"]}


def taints(cluster: MemoryCluster, name: str) -> list[str]:
    return [each["key"] for each in cluster.find("Node", "", name)["spec"]["taints"]]


def labels(cluster: MemoryCluster, name: str) -> dict[str, str]:
    found: dict[str, str] = cluster.find("Node", "", name)["metadata"]["labels"]
    return found


def put_operand(cluster: MemoryCluster, **spec: Any) -> None:
    meta = {"name": "nvidia-device-plugin-daemonset", "namespace": "gpu-operator"}
    template = {"metadata": {"labels": {}}, "spec": spec}
    cluster.put({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta, "spec": {"template": template}})


def put_pod(cluster: MemoryCluster, name: str, on: str) -> None:
    meta = {"name": name, "namespace": "llm"}
    cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"nodeName": on}})


def failure_of(cluster: MemoryCluster, *pools: Any, **options: Any) -> str:
    """Return the words of an error that came before any write."""
    before = copy.deepcopy(cluster.objects)
    with pytest.raises((ClusterError, InputError)) as caught:
        run(cluster, *pools, **options)
    assert cluster.objects == before
    return caught.value.message


def test_the_nodes_of_a_pool_get_one_patch_each_and_others_none(cluster):
    outcome = run(cluster)
    assert outcome.changed
    assert outcome.failure is None
    assert cluster.writes == PATCHES
    assert actions(outcome) == dict.fromkeys(("gpu-1", "gpu-2", "gpu-3"), "changed")
    assert taints(cluster, "gpu-1") == ["node.kubernetes.io/not-ready", GPU]
    assert labels(cluster, "gpu-1") == {"accelerated": "yes", "team": "search", "llmops.dev/node-pool": "inference"}
    assert outcome.result["nodes"][0] == {
        "name": "gpu-1",
        "pool": "inference",
        "action": "changed",
        "labels": {"team": "search", "llmops.dev/node-pool": "inference"},
        "annotations": outcome.result["nodes"][0]["annotations"],
        "taints_added": ["nvidia.com/gpu=present:NoSchedule"],
    }
    assert outcome.result["table"] == [
        "POOL       NODES  CHANGED  UNCHANGED  FAILED  VANISHED  NOT TRIED",
        "inference  3      3        0          0       0         0",
    ]


def test_a_second_run_is_one_list_and_nothing_else(cluster):
    run(cluster)
    cluster.requests.clear()
    outcome = run(cluster)
    assert not outcome.changed
    assert cluster.requests == ["list Node"]
    assert outcome.diff == []
    assert outcome.result["nodes"][0] == {"name": "gpu-1", "pool": "inference", "action": "unchanged"}


def test_check_mode_predicts_what_a_run_does_and_writes_nothing(cluster):
    predicted = run(cluster, check_mode=True)
    assert cluster.writes == []
    assert "patch Node" in cluster.requests
    done = run(cluster)
    assert actions(predicted) == actions(done)
    assert predicted.diff == done.diff
    assert predicted.changed


def test_the_diff_shows_each_node_with_its_labels_and_taints(cluster):
    outcome = run(cluster)
    first = outcome.diff[0]
    assert first["after_header"] == "Node gpu-1"
    assert first["before"] == "taints:\n  node.kubernetes.io/not-ready=NoSchedule\n"
    assert "  team: search\n" in first["after"]
    assert first["after"].endswith("  node.kubernetes.io/not-ready=NoSchedule\n  nvidia.com/gpu=present:NoSchedule\n")


def test_labels_alone_ask_neither_for_daemonsets_nor_for_pods_and_need_no_proof(cluster):
    outcome = run(cluster, POOL)
    assert set(cluster.requests) == {"list Node", "patch Node"}
    assert outcome.result["verified"] == {"nodes": 0, "seconds": 0.0, "lost": []}


def test_an_absent_pool_gives_everything_back(cluster):
    before = cluster.content()
    run(cluster)
    outcome = run(cluster, {"name": "inference", "state": "absent"})
    assert set(actions(outcome).values()) == {"changed"}
    assert cluster.content() == before
    assert not run(cluster, {"name": "inference", "state": "absent"}).changed


def test_a_node_that_leaves_the_selector_loses_what_is_ours(cluster):
    run(cluster)
    del labels(cluster, "gpu-2")["accelerated"]
    outcome = run(cluster)
    assert actions(outcome)["gpu-2"] == "changed"
    assert labels(cluster, "gpu-2") == {}
    assert taints(cluster, "gpu-2") == ["node.kubernetes.io/not-ready"]


def test_a_pool_that_is_not_listed_is_left_alone_with_a_warning_unless_it_is_pruned(cluster):
    run(cluster)
    other = {"name": "cpus", "selector": {"names": ["cpu-1"]}, "accelerator": "none"}
    outcome = run(cluster, other)
    (warning,) = outcome.warnings
    assert warning.startswith("Pool inference is not in the list, and 3 nodes (gpu-1, gpu-2, gpu-3) carry")
    assert taints(cluster, "gpu-1")[-1] == GPU
    outcome = run(cluster, other, prune=True)
    assert outcome.warnings == []
    assert taints(cluster, "gpu-1") == ["node.kubernetes.io/not-ready"]
    assert outcome.result["table"][2].split() == ["inference", "3", "3", "0", "0", "0", "0"]


def test_derived_labels_come_from_the_provider_and_their_absence_is_an_error(cluster):
    product = "cloud.google.com/gke-accelerator"
    assert "no label of 3 nodes tells which GPU they have" in failure_of(cluster, derive_labels=True)
    for name in ("gpu-1", "gpu-2", "gpu-3"):
        labels(cluster, name)[product] = "nvidia-l4"
    cpus = {"name": "cpus", "selector": {"names": ["cpu-1"]}, "accelerator": "none"}
    run(cluster, TAINTED, cpus, derive_labels=True)
    assert labels(cluster, "gpu-1")["gpu-type"] == "L4"
    assert labels(cluster, "gpu-1")["node-type"] == "gpu-node"
    assert labels(cluster, "cpu-1") == {"llmops.dev/node-pool": "cpus"}


# What is refused before the first write


def test_a_selector_that_finds_nothing_changes_nothing(cluster):
    wrong = {**TAINTED, "selector": {"label_selector": "accelerate"}}
    assert "Did you mean accelerated?" in failure_of(cluster, wrong)


def test_a_conflict_names_field_manager_and_nodes(cluster):
    for name in ("gpu-1", "gpu-3"):
        stored = cluster.find("Node", "", name)["metadata"]
        stored["labels"]["team"] = "batch"
        stored["managedFields"] = [
            {"manager": "kubectl-label", "fieldsV1": {"f:metadata": {"f:labels": {"f:team": {}}}}}
        ]
    words = failure_of(cluster)
    assert "label team is 'batch', set by kubectl-label; pool inference wants 'search' (nodes: gpu-1, gpu-3)" in words
    assert "force_conflicts: true" in words
    assert run(cluster, force_conflicts=True).failure is None
    assert labels(cluster, "gpu-1")["team"] == "search"


def test_missing_permissions_are_named_before_the_first_write(cluster):
    cluster.denied = {("patch", "Node"), ("get", "Node")}
    words = failure_of(cluster)
    assert "Missing: patch Node, get Node. roles/gpu_node/files/rbac-nodes.yml" in words


def test_a_taint_that_the_device_plugin_does_not_tolerate_is_refused_with_its_name(cluster):
    put_operand(cluster)
    words = failure_of(cluster)
    assert (
        "- DaemonSet gpu-operator/nvidia-device-plugin-daemonset does not tolerate nvidia.com/gpu=present:NoSchedule "
        "(nodes: gpu-1, gpu-2, gpu-3)"
    ) in words
    put_operand(cluster, tolerations=[{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}])
    assert run(cluster).failure is None


def test_eviction_needs_consent_and_names_the_pods(cluster):
    put_pod(cluster, "train-0", "gpu-2")
    put_pod(cluster, "web-0", "cpu-1")
    words = failure_of(cluster, EVICTING)
    assert "evict what does not tolerate them, 1 pods: llm/train-0 on gpu-2. Nothing was changed" in words
    outcome = run(cluster, EVICTING, allow_eviction=True)
    assert outcome.failure is None
    assert outcome.result["evicted_pods"] == [
        {"namespace": "llm", "name": "train-0", "node": "gpu-2", "after_seconds": 0.0}
    ]


def test_eviction_needs_consent_also_when_no_pod_would_go_now(cluster):
    assert "0 pods: no pod as of now" in failure_of(cluster, EVICTING)
    put_pod(cluster, "slow-0", "gpu-1")
    tolerations = [{"key": "llm-only", "operator": "Exists", "tolerationSeconds": 30}]
    cluster.find("Pod", "llm", "slow-0")["spec"]["tolerations"] = tolerations
    assert "llm/slow-0 on gpu-1 after 30 s" in failure_of(cluster, EVICTING)


# What happens in the middle


def test_a_node_that_fails_does_not_stop_the_others_and_the_next_run_finishes(cluster):
    cluster.refused.add("Node gpu-2")
    outcome = run(cluster)
    assert actions(outcome) == {"gpu-1": "changed", "gpu-2": "failed", "gpu-3": "changed"}
    assert outcome.failure == (
        "1 of 3 nodes of https://memory were not changed, 2 were:\n"
        "- gpu-2: Failed patching Node NODE: HTTP 403 is forbidden\n"
        "Run again to finish: what is done is not done twice"
    )
    assert outcome.details == {"nodes": ["gpu-2"]}
    cluster.refused.clear()
    cluster.writes.clear()
    assert run(cluster).failure is None
    assert cluster.writes == ["patch Node gpu-2"]


def test_a_node_that_vanishes_is_told_and_no_failure(cluster):
    cluster.before_patch["gpu-2"] = lambda: cluster.objects.pop(("Node", "", "gpu-2"))
    outcome = run(cluster)
    assert actions(outcome)["gpu-2"] == "vanished"
    assert outcome.failure is None
    assert outcome.warnings == ["1 nodes are gone from https://memory since they were listed: gpu-2"]


def touch(cluster: MemoryCluster, name: str, **changed: str) -> None:
    stored = copy.deepcopy(cluster.find("Node", "", name))
    stored["metadata"]["labels"].update(changed)
    cluster.put(stored)


def test_a_node_that_changes_in_the_middle_is_read_again_and_keeps_what_the_other_has_set(cluster):
    cluster.before_patch["gpu-2"] = lambda: touch(cluster, "gpu-2", theirs="new")
    assert run(cluster).failure is None
    assert labels(cluster, "gpu-2")["theirs"] == "new"
    assert labels(cluster, "gpu-2")["team"] == "search"


def test_a_node_that_vanishes_between_two_tries_is_told(cluster):
    class Vanishing(MemoryCluster):
        def get(self, *words: Any, **more: Any) -> Any:
            return None

    cluster.__class__ = Vanishing
    cluster.before_patch["gpu-2"] = lambda: touch(cluster, "gpu-2")
    assert actions(run(cluster))["gpu-2"] == "vanished"


def test_a_patch_whose_answer_was_lost_counts_as_done(cluster):
    def apply_it_and_lose_the_answer() -> None:
        run(cluster, {**TAINTED, "selector": {"names": ["gpu-2"]}})

    cluster.before_patch["gpu-2"] = apply_it_and_lose_the_answer
    outcome = run(cluster)
    assert actions(outcome)["gpu-2"] == "changed"
    assert outcome.failure is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda stored: stored["metadata"]["labels"].update(team="batch"), "label team was set to 'batch' meanwhile"),
        (lambda stored: stored["metadata"]["labels"].pop("accelerated"), "does not match the pool's selector any more"),
        (lambda stored: stored["spec"].update(taints=[]), "has lost taints meanwhile that need to be checked again"),
    ],
)
def test_what_would_need_another_check_fails_the_node_instead_of_being_written(cluster, change, words):
    run(cluster)
    labels(cluster, "gpu-2")["team"] = "search"
    more = {**TAINTED, "labels": {"team": "search", "tier": "a"}}

    def change_it() -> None:
        stored = copy.deepcopy(cluster.find("Node", "", "gpu-2"))
        change(stored)
        cluster.put(stored)

    cluster.before_patch["gpu-2"] = change_it
    outcome = run(cluster, more)
    assert actions(outcome) == {"gpu-1": "changed", "gpu-2": "failed", "gpu-3": "changed"}
    assert words in outcome.result["nodes"][1]["error"]


def test_the_manager_that_was_faster_is_named(cluster):
    def take_it() -> None:
        stored = copy.deepcopy(cluster.find("Node", "", "gpu-2"))
        stored["metadata"]["labels"]["team"] = "batch"
        fields = {"f:metadata": {"f:labels": {"f:team": {}}}}
        stored["metadata"]["managedFields"] = [{"manager": "autoscaler", "fieldsV1": fields}]
        cluster.put(stored)

    cluster.before_patch["gpu-2"] = take_it
    assert "label team was set to 'batch' by autoscaler meanwhile" in str(run(cluster).failure)


def test_a_fight_over_a_node_ends_after_five_tries(cluster):
    def touch_again() -> None:
        touch(cluster, "gpu-2")
        cluster.before_patch["gpu-2"] = touch_again

    touch_again()
    outcome = run(cluster)
    assert "it was changed by others 5 times between reading and writing" in str(outcome.failure)
    assert cluster.requests.count("patch Node") == 7


@pytest.mark.parametrize("lost_at", ["patch", "get"])
def test_a_server_that_is_out_of_reach_ends_the_run_with_what_was_done(cluster, lost_at):
    class Lost(MemoryCluster):
        def get(self, *words: Any, **more: Any) -> Any:
            raise ClusterError("The API server did not answer", {"failure": "broken"})

    if lost_at == "get":
        cluster.__class__ = Lost
        cluster.before_patch["gpu-2"] = lambda: touch(cluster, "gpu-2")
    else:
        cluster.fail_at_write = 1
    outcome = run(cluster, POOL)
    assert actions(outcome) == {"gpu-1": "changed", "gpu-2": "failed", "gpu-3": "not_tried"}
    assert "2 of 3 nodes of https://memory were not changed, 1 were" in str(outcome.failure)
    assert "- not tried after that: gpu-3" in str(outcome.failure)


def test_a_node_that_may_not_be_read_again_fails_alone(cluster):
    class Hidden(MemoryCluster):
        def get(self, *words: Any, **more: Any) -> Any:
            raise ClusterError("HTTP 403 is forbidden", {"status": 403})

    cluster.__class__ = Hidden
    cluster.before_patch["gpu-2"] = lambda: touch(cluster, "gpu-2")
    assert actions(run(cluster)) == {"gpu-1": "changed", "gpu-2": "failed", "gpu-3": "changed"}


# That GPUs stay allocatable


def lose_gpus(cluster: MemoryCluster, name: str, count: int = 0) -> None:
    cluster.find("Node", "", name)["status"]["allocatable"][GPU] = str(count)


def test_after_a_taint_that_moves_no_pod_one_look_is_enough(cluster):
    clock = MemoryClock()
    outcome = run(cluster, clock=clock, verify_seconds=5.0)
    assert clock.seconds == 0
    assert cluster.requests.count("list Node") == 2
    assert outcome.result["verified"] == {"nodes": 3, "seconds": 0.0, "lost": []}


def test_gpus_that_are_gone_after_an_eviction_fail_the_run_with_the_names(cluster):
    clock = MemoryClock()
    clock.at(3.0, lambda: lose_gpus(cluster, "gpu-2"))
    outcome = run(cluster, EVICTING, clock=clock, verify_seconds=5.0, allow_eviction=True)
    assert clock.seconds == 5
    assert outcome.changed
    assert "1 nodes of https://memory have lost their accelerators, as seen 5.0 s later: gpu-2" in str(outcome.failure)
    assert "(nvidia.com/gpu: 8 before, 0 now)" in str(outcome.failure)
    assert outcome.result["verified"] == {"nodes": 3, "seconds": 5.0, "lost": ["gpu-2"]}


def test_gpus_that_come_back_within_the_time_are_no_failure(cluster):
    clock = MemoryClock()
    clock.at(1.0, lambda: lose_gpus(cluster, "gpu-2"))
    clock.at(3.0, lambda: lose_gpus(cluster, "gpu-2", 8))
    assert run(cluster, EVICTING, clock=clock, verify_seconds=5.0, allow_eviction=True).failure is None


def test_nodes_without_anything_to_allocate_prove_nothing_and_are_named(cluster):
    lose_gpus(cluster, "gpu-2")
    outcome = run(cluster)
    assert outcome.warnings == [
        "1 nodes with new taints had no accelerator to allocate before, so nothing is proved of them: gpu-2"
    ]
    assert outcome.result["verified"]["nodes"] == 2


def test_what_cannot_be_seen_afterwards_is_a_failure_with_all_that_was_done(cluster):
    for name in ("gpu-1", "gpu-2", "gpu-3"):
        cluster.before_patch[name] = lambda: cluster.broken.add(("list", "Node"))
    outcome = run(cluster)
    assert set(actions(outcome).values()) == {"changed"}
    assert "whether GPUs stay allocatable could not be seen: list Node was answered with HTTP 500" in str(
        outcome.failure
    )


def test_the_result_is_plain_data(cluster):
    put_pod(cluster, "train-0", "gpu-2")
    result = dict(run(cluster, EVICTING, allow_eviction=True).result)
    assert json.loads(json.dumps(result)) == result
