# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.accelerators import RESOURCES
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.capacity import (
    Block,
    Holder,
    Room,
    Supply,
    describe_free,
    evaluate_supply,
    find_largest,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import parse_node, parse_pod
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import parse_needs

from tests.unit.plugins.module_utils._domain.accelerator_nodes import A100, MIXED, SHARED, node, pod

GPU = "nvidia.com/gpu"
OWN = {"key": GPU, "effect": "NoSchedule", "value": "present"}
DEDICATED = {"key": "dedicated", "effect": "NoSchedule", "value": "training"}


def supply(
    nodes: Sequence[Mapping[str, Any]],
    pods: Sequence[Mapping[str, Any]] = (),
    *more: str,
    **spec: Any,
) -> Supply:
    """Return the supply for pods with this spec."""
    needs = parse_needs("llm", {"spec": spec})
    return evaluate_supply([*map(parse_node, nodes)], map(parse_pod, pods), (*RESOURCES, *more), needs)


def test_free_is_what_is_allocatable_without_what_pods_of_the_node_ask_for() -> None:
    pods = [pod("a", "n", amount=2), pod("b", "n", phase="Pending"), pod("c", "other")]
    (offer,) = supply([node("n", A100, has={GPU: 8})], pods).offers
    assert (offer.capacity, offer.allocatable, offer.requested, offer.free, offer.blocked) == (8, 8, 3, 5, 0)
    assert offer.holders == (Holder("llm", "a", 2, False), Holder("llm", "b", 1, False))
    assert (offer.devices, offer.notes) == (8, ())


@pytest.mark.parametrize(
    ("phase", "reason"), [("Failed", "UnexpectedAdmissionError"), ("Failed", "Evicted"), ("Succeeded", "")]
)
def test_pods_that_have_ended_hold_nothing(phase: str, reason: str) -> None:
    (offer,) = supply([node("n", A100, has={GPU: 8})], [pod("a", "n", phase=phase, reason=reason, amount=8)]).offers
    assert (offer.requested, offer.free) == (0, 8)


def test_a_pod_that_is_leaving_still_holds_its_units_and_they_are_told_apart() -> None:
    (offer,) = supply([node("n", A100, has={GPU: 8})], [pod("a", "n", amount=3, leaving=True), pod("b", "n")]).offers
    assert (offer.requested, offer.leaving, offer.free) == (4, 3, 4)


def test_units_that_the_scheduler_keeps_for_a_pod_that_has_preempted_others_are_not_free() -> None:
    pods = [pod("a", None, amount=6, phase="Pending", nominated="n")]
    found = supply([node("n", A100, has={GPU: 8})], pods)
    (offer,) = found.offers
    assert (offer.requested, offer.nominated, offer.free) == (0, 6, 2)
    assert [each.name for each in found.waiting] == ["a"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"ready": False}, "not ready"),
        ({"cordoned": True}, "cordoned"),
        ({"taints": (DEDICATED,)}, "taint dedicated=training:NoSchedule is not tolerated"),
    ],
)
def test_what_is_left_on_a_node_that_cannot_be_used_is_blocked_with_the_reason(
    state: dict[str, Any], reason: str
) -> None:
    found = supply([node("n", A100, **state, has={GPU: 8})], [pod("a", "n", amount=3)])
    (offer,) = found.offers
    assert (offer.free, offer.blocked, offer.obstacle) == (0, 5, reason)
    assert (found.free(GPU), find_largest(found.offers)) == (0, None)


def test_tolerations_and_labels_of_a_model_server_decide_what_is_free_for_it() -> None:
    nodes = [
        node("a", A100, taints=(DEDICATED,), has={GPU: 8}),
        node("b", SHARED, has={GPU: 16}),
    ]
    assert supply(nodes).free(GPU) == 16
    tolerations = [{"key": "dedicated", "operator": "Exists"}]
    chosen = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}
    found = supply(nodes, tolerations=tolerations, nodeSelector=chosen)
    assert [(offer.free, offer.obstacle) for offer in found.offers] == [
        (8, None),
        (0, "no label nvidia.com/gpu.product=NVIDIA-A100-SXM4-80GB"),
    ]


def test_a_taint_with_the_resources_own_name_keeps_no_model_server_away() -> None:
    nodes = [node("n", taints=(OWN,), has={GPU: 2, "amd.com/gpu": 2})]
    assert {offer.resource: offer.free for offer in supply(nodes).offers} == {GPU: 2, "amd.com/gpu": 0}


def test_resources_are_counted_apart_and_those_that_are_no_accelerators_are_named() -> None:
    amounts = {GPU: 2, "nvidia.com/mig-1g.5gb": 14, "rdma/hca": 4, "example.com/chip": 3}
    pods = [pod("a", "n", "nvidia.com/mig-1g.5gb", 5)]
    found = supply([node("n", MIXED, has=amounts)], pods)
    assert {offer.resource: offer.free for offer in found.offers} == {GPU: 2, "nvidia.com/mig-1g.5gb": 9}
    assert found.uncounted == ("example.com/chip", "rdma/hca")
    assert supply([node("n", has=amounts)], pods, "example.com/*").free("example.com/chip") == 3


def test_a_resource_that_a_kubelet_remembers_with_nothing_of_it_is_no_offer() -> None:
    labels = {**SHARED, "nvidia.com/gpu.product": "Tesla-T4"}
    found = supply([node("n", labels, has={GPU: 0, "nvidia.com/gpu.shared": 16})])
    assert found.resources == ("nvidia.com/gpu.shared",)
    assert found.offers[0].devices == 4


def test_units_that_are_not_healthy_and_pods_that_hold_more_than_is_left_are_noted() -> None:
    (offer,) = supply([node("n", A100, allocatable={GPU: 6}, has={GPU: 8})], [pod("a", "n", amount=8)]).offers
    assert (offer.free, offer.requested) == (0, 8)
    assert offer.notes == ("2 of 8 are not healthy", "pods hold 8, more than the 6 that are allocatable")


@pytest.mark.parametrize(
    ("labels", "units", "notes"),
    [
        (A100, 7, ("labels count 8 devices, the kubelet offers 7",)),
        (A100, 10, ("labels count 8 devices of 10: they describe one product, there may be others",)),
        (SHARED, 16, ()),
        (SHARED, 12, ("labels count 4 devices, the kubelet offers 3",)),
        ({"nvidia.com/gpu.product": "Tesla-T4-SHARED", "nvidia.com/gpu.count": "4"}, 12, ()),
    ],
)
def test_labels_that_count_other_devices_than_the_kubelet_are_noted(
    labels: dict[str, str], units: int, notes: tuple[str, ...]
) -> None:
    assert supply([node("n", labels, has={GPU: units})]).offers[0].notes == notes


def test_pods_of_a_node_that_is_gone_and_pods_that_wait_are_told_by_priority() -> None:
    pods = [
        pod("lost", "gone"),
        pod("low", None, phase="Pending"),
        pod("high", None, phase="Pending", priority=9, amount=4),
        pod("plain", None, "cpu", phase="Pending"),
        pod("plain-lost", "gone", "cpu"),
        pod("deleted", None, phase="Pending", leaving=True),
        pod("promised", None, phase="Pending", nominated="gone"),
    ]
    found = supply([node("n", A100, has={GPU: 8})], pods)
    assert [each.name for each in found.waiting] == ["high", "low", "promised"]
    assert [each.name for each in found.orphaned] == ["lost"]
    assert found.free(GPU) == 8


def test_a_node_with_an_accelerator_that_nothing_offers_is_named_with_its_label() -> None:
    found = supply([node("bare", A100), node("plain"), node("n", A100, has={GPU: 8})])
    assert found.silent == {"bare": "nvidia.com/gpu.present=true"}
    assert sorted(found.room) == ["bare", "n"]


def test_the_room_beside_the_accelerators_is_told_because_they_are_of_no_use_without() -> None:
    pods = [pod(f"p{i}", "n") for i in range(3)] + [pod("huge", "n", "cpu", 100)]
    found = supply([node("n", A100, has={GPU: 8})], pods)
    assert found.room == {"n": Room(0, (512 - 4 * 32) * 2**30, 106)}


def test_the_largest_block_is_on_one_node_and_the_first_of_equals() -> None:
    nodes = [node(name, A100, has={GPU: 8}) for name in ("c", "b", "a")]
    pods = [pod("x", "a", amount=5), pod("y", "b", amount=2), pod("z", "c", amount=2)]
    assert find_largest(supply(nodes, pods).offers) == Block("b", 6)


def test_what_is_free_is_told_in_words_with_blocks_and_what_is_out_of_reach() -> None:
    nodes = [node(name, A100, has={GPU: 8}) for name in ("a", "b")]
    pods = [pod("x", "a", amount=6), pod("y", "b", amount=5)]
    words = "nvidia.com/gpu: 5 of 16 in the cluster are free, each pod needs"
    assert describe_free(supply(nodes, pods), GPU, 2) == f"{words} 2"
    assert describe_free(supply(nodes, pods), GPU, 4) == f"{words} 4; no node has more than 3 free"
    assert describe_free(supply(nodes, pods), GPU, 6) == f"{words} 6"
    nodes[1]["spec"]["unschedulable"] = True
    assert describe_free(supply(nodes, pods), GPU, 2) == (
        "nvidia.com/gpu: 2 of 16 in the cluster are free, each pod needs 2; out of reach: 3 on node b (cordoned)"
    )
    assert describe_free(supply([]), GPU, 1) == "nvidia.com/gpu: 0 of 0 in the cluster are free, each pod needs 1"
