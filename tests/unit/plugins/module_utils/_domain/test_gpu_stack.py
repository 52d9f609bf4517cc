# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What new taints would do to the GPU stack, to pods and to accelerators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Taint
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_stack import (
    Evicted,
    find_blocked,
    find_evicted,
    find_lost,
    parse_operands,
    stays_seconds,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_plan import LiveNode, NodePlan
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_pool import NodePool
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.placement import REQUIRED

NO_SCHEDULE, NO_EXECUTE = Taint("a", "NoSchedule", "x"), Taint("a", "NoExecute", "x")
TOLERATED = {"key": "a", "operator": "Exists"}


def daemonset(name: str, labels: Mapping[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": labels or {}}, "spec": spec}
    return {"metadata": {"name": name, "namespace": "gpu"}, "spec": {"template": template}}


def plan(name: str, *added: Taint, **labels: str) -> NodePlan:
    return NodePlan(LiveNode(name, labels=labels), "p", added=added)


def blocked(item: dict[str, Any], *plans: NodePlan) -> list[list[str]]:
    return list(find_blocked(parse_operands([item]), plans or (plan("n", NO_SCHEDULE),)).values())


@pytest.mark.parametrize(
    ("toleration", "stays"),
    [
        ({"operator": "Exists"}, True),
        ({}, False),
        ({"key": "a", "operator": "Exists"}, True),
        ({"key": "a", "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": "a", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "a", "value": "x"}, True),
        ({"key": "a", "operator": "Equal", "value": "x", "effect": ""}, True),
        ({"key": "a", "value": "y"}, False),
        ({"key": "a"}, False),
        ({"key": "b", "operator": "Exists"}, False),
        ({"key": "a", "operator": "Gt", "value": "x"}, False),
    ],
)
def test_a_toleration_is_for_the_taints_that_kubernetes_says(toleration: dict[str, str], stays: bool) -> None:
    assert (stays_seconds([toleration], NO_SCHEDULE) == float("inf")) is stays
    assert (stays_seconds([{"key": "z"}, toleration], NO_SCHEDULE) > 0) is stays


def test_a_limited_toleration_counts_for_eviction_alone() -> None:
    limited = {**TOLERATED, "tolerationSeconds": 30}
    assert stays_seconds([limited], NO_EXECUTE) == 30
    assert stays_seconds([limited, {**TOLERATED, "tolerationSeconds": -5}], NO_EXECUTE) == 0
    assert stays_seconds([limited], NO_SCHEDULE) == float("inf")


@pytest.mark.parametrize(
    "item",
    [
        daemonset("whatever", {"app.kubernetes.io/managed-by": "gpu-operator"}),
        daemonset("nvidia-device-plugin-daemonset"),
        daemonset("gpu-feature-discovery"),
        daemonset("x", {"app": "nvidia-driver-daemonset"}),
        daemonset("x", {"app.kubernetes.io/name": "node-feature-discovery"}),
        daemonset("x", {"k8s-app": "nvidia-gpu-device-plugin"}),
        daemonset("x", volumes=[{"hostPath": {"path": "/var/lib/kubelet/device-plugins/"}}]),
    ],
)
def test_daemonsets_of_the_gpu_stack_are_known_by_label_name_or_the_folder_of_device_plugins(item: Any) -> None:
    assert blocked(item) == [["n"]]


def test_other_daemonsets_are_none_of_our_business() -> None:
    volumes = [{"hostPath": {"path": "/var/log"}}, {"emptyDir": {}}, {"hostPath": None}]
    others = [daemonset("kube-proxy", volumes=volumes), daemonset("x", {"app": "logs"})]
    bare = {"metadata": {"name": "y"}, "spec": {"template": {}}}
    assert parse_operands([*others, bare]) == ()


def test_the_label_of_the_daemonset_itself_counts_as_well() -> None:
    item = daemonset("x")
    item["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "gpu-operator"}
    assert [each.name for each in parse_operands([item])] == ["x"]


def test_an_operand_that_tolerates_the_taint_is_not_kept_away() -> None:
    assert blocked(daemonset("nvidia-x", tolerations=[TOLERATED])) == []
    assert blocked(daemonset("nvidia-x", tolerations=[{**TOLERATED, "tolerationSeconds": 30}])) == []
    late = daemonset("nvidia-x", tolerations=[{**TOLERATED, "tolerationSeconds": 30}])
    assert blocked(late, plan("n", NO_EXECUTE)) == [["n"]]


def test_a_taint_that_only_prefers_keeps_nobody_away() -> None:
    assert blocked(daemonset("nvidia-x"), plan("n", Taint("a", "PreferNoSchedule"))) == []


def test_each_node_and_each_taint_is_told() -> None:
    item = daemonset("nvidia-x", tolerations=[{**TOLERATED, "effect": "NoSchedule"}])
    plans = (plan("m", NO_SCHEDULE, Taint("b", "NoSchedule")), plan("n", Taint("b", "NoSchedule"), NO_EXECUTE))
    found = find_blocked(parse_operands([item]), plans)
    assert {taint: names for (_operand, taint), names in found.items()} == {
        Taint("b", "NoSchedule"): ["m", "n"],
        NO_EXECUTE: ["n"],
    }


def test_an_operand_that_does_not_run_on_a_node_is_not_kept_from_it() -> None:
    item = daemonset("nvidia-x", nodeSelector={"zone": "a"})
    assert blocked(item, plan("m", NO_SCHEDULE, zone="a"), plan("n", NO_SCHEDULE, zone="b")) == [["m"]]
    opted_out = plan("n", NO_SCHEDULE, **{"nvidia.com/gpu.deploy.driver": "false"})
    assert blocked(daemonset("nvidia-x", nodeSelector={"nvidia.com/gpu.deploy.driver": "true"}), opted_out) == []


def test_an_operand_counts_where_its_label_is_yet_to_come() -> None:
    assert blocked(daemonset("nvidia-x", nodeSelector={"nvidia.com/gpu.deploy.driver": "true"})) == [["n"]]


def test_any_term_of_an_affinity_is_enough() -> None:
    later = "feature.node.kubernetes.io/pci-10de.present"
    terms = [
        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]},
        {"matchExpressions": [{"key": later, "operator": "In", "values": ["true"]}]},
        {},
    ]
    for count, expected in ((1, []), (2, [["n"]]), (3, [["n"]])):
        affinity = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms[:count]}}}
        assert blocked(daemonset("nvidia-x", affinity=affinity), plan("n", NO_SCHEDULE, zone="b")) == expected


def pod(name: str, node: str | None = "n", phase: str = "Running", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "llm", **more.pop("metadata", {})}
    return {"metadata": metadata, "spec": {"nodeName": node, **more}, "status": {"phase": phase}}


def test_pods_that_do_not_tolerate_eviction_are_named_with_the_time_that_they_have() -> None:
    pods = [
        pod("goes"),
        pod("goes-later", tolerations=[{**TOLERATED, "tolerationSeconds": 30}]),
        pod("stays", tolerations=[TOLERATED]),
        pod("elsewhere", "m"),
        pod("waits", None),
        pod("has-ended", phase="Succeeded"),
        pod("leaves-already", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
    ]
    found = find_evicted(pods, [plan("n", NO_EXECUTE, NO_SCHEDULE), plan("m", NO_SCHEDULE)])
    assert found == (Evicted("llm", "goes", "n", 0), Evicted("llm", "goes-later", "n", 30))


def test_accelerators_are_lost_where_there_were_some_and_none_can_be_allocated_now() -> None:
    pool = NodePool("p", accelerator="nvidia.com/gpu")

    def with_gpus(name: str, count: int) -> LiveNode:
        return LiveNode(name, allocatable={"nvidia.com/gpu": str(count)})

    before = {name: (with_gpus(name, count), pool) for name, count in (("a", 8), ("b", 8), ("c", 0), ("gone", 8))}
    after = [with_gpus("a", 0), with_gpus("b", 4), with_gpus("c", 0), with_gpus("new", 0)]
    assert find_lost(before, after) == {"a": ("nvidia.com/gpu", 8, 0)}
