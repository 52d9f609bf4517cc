# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which node belongs to which pool; what finds nothing says what there is instead."""

from __future__ import annotations

from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.label_selector import parse_label_selector
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_membership import (
    Membership,
    assign_nodes,
    find_underivable,
    some,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_plan import RECORD, LiveNode, Record
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_pool import NodePool, NodeSelector

PRODUCT, GKE = "nvidia.com/gpu.product", "cloud.google.com/gke-accelerator"
A100, INSTANCE = "NVIDIA-A100-SXM4-80GB", "node.kubernetes.io/instance-type"
NODES = (
    LiveNode("gpu-1", labels={PRODUCT: A100, "zone": "a", INSTANCE: "p4d.24xlarge"}),
    LiveNode("gpu-2", labels={PRODUCT: A100, "zone": "b"}),
    LiveNode("gke-1", labels={GKE: "nvidia-l4", "zone": "a"}),
    LiveNode("cpu-1", labels={"zone": "b"}),
)


def pool(name: str = "inference", text: str = "", **selector: Any) -> NodePool:
    requirements = parse_label_selector(text) if text else ()
    names = frozenset(selector.pop("names", ()))
    return NodePool(name, NodeSelector(names, requirements, **selector), accelerator="nvidia.com/gpu")


def assign(*pools: NodePool, nodes: tuple[LiveNode, ...] = NODES, prune: bool = False) -> Membership:
    return assign_nodes(pools, nodes, prune=prune)


def members(each: NodePool) -> list[str]:
    return list(assign(each).pools)


def problem(each: NodePool) -> str:
    (told,) = assign(each).problems
    return told.render()


def carrying(name: str, pool_name: str) -> LiveNode:
    return LiveNode(name, annotations={RECORD: str(Record(pool_name, {"a": "b"}).render())})


def test_each_criterion_finds_its_nodes_and_all_that_are_given_must_be_met() -> None:
    assert members(pool(names=["gpu-1", "cpu-1"])) == ["gpu-1", "cpu-1"]
    assert members(pool(text="zone=a")) == ["gpu-1", "gke-1"]
    assert members(pool(gpu_products=(A100, "nvidia-l4"))) == ["gpu-1", "gpu-2", "gke-1"]
    assert members(pool(instance_types=("p4d.24xlarge",))) == ["gpu-1"]
    assert members(pool(text="zone=b", gpu_products=(A100,))) == ["gpu-2"]


def test_pools_that_share_nodes_are_an_error_that_names_them() -> None:
    (told,) = assign(pool("a", text="zone=a"), pool("b", text="zone"), pool("c", names=["cpu-1"])).problems[:1]
    assert told.render() == (
        "pools[b, c].selector: overlap (got cpu-1); allowed: one pool for each node. Narrow one of the selectors."
    )
    assert assign(pool("a", text="zone=a"), pool("b", text="zone")).problems[0].value == "gke-1, gpu-1"


def test_an_absent_pool_takes_no_node() -> None:
    gone = NodePool("gone", NodeSelector(names=frozenset(("gpu-1",))), present=False)
    assert assign(gone, pool("a", names=["gpu-1"])).problems == ()


def test_a_name_that_no_node_has_is_told_with_the_nearest_one_also_when_others_are_there() -> None:
    assert problem(pool(names=["gpu-1", "gpu-3"])) == (
        "pools[inference].selector.names: there is no such node (got gpu-3). Did you mean gpu-2?"
    )
    told = [each.render() for each in assign(pool(names=["zzz"])).problems]
    assert told[0] == "pools[inference].selector.names: there is no such node (got zzz)"
    assert "Nodes that meet each criterion by itself: names 0." in told[1]


def test_a_selector_that_finds_nothing_says_which_part_and_what_there_is() -> None:
    begin = "pools[inference].selector: matches none of the 4 nodes. "
    end = " For a pool that may have no nodes now set allow_empty: true."
    assert problem(pool(text="zone=c")) == f"{begin}No node with zone c; there are a, b.{end}"
    assert problem(pool(text="zone=a,zon")) == (
        f"{begin}No node with the label zon; there are {GKE}, {INSTANCE}, {PRODUCT}, zone. Did you mean zone?{end}"
    )
    assert problem(pool(gpu_products=("NVIDIA-A100-SXM4-40GB",))) == (
        f"{begin}No node in gpu_products NVIDIA-A100-SXM4-40GB; there are {A100}, nvidia-l4. Did you mean {A100}?{end}"
    )
    assert problem(pool(instance_types=("m5",))) == f"{begin}No node in instance_types m5; there are p4d.24xlarge.{end}"
    assert problem(pool(text="zone=b", instance_types=("p4d.24xlarge",))) == (
        f"{begin}Nodes that meet each criterion by itself: label_selector 2, instance_types 1.{end}"
    )
    assert problem(pool(text="zone=a,zone=b")) == (
        f"{begin}Nodes that meet each criterion by itself: label_selector 0.{end}"
    )


def test_a_cluster_without_nodes_says_so() -> None:
    (told,) = assign(pool(text="a=b"), nodes=()).problems
    assert "there is no node at all" in told.render()
    (told,) = assign(pool(text="a=b"), nodes=(LiveNode("x"),)).problems
    assert "No node with the label a; there are none." in told.render()


def test_a_pool_may_be_empty_when_it_says_so() -> None:
    empty = NodePool("spare", NodeSelector(gpu_products=("none",)), allow_empty=True)
    assert assign(empty) == Membership()


def test_nodes_leave_pools_that_do_not_match_them_any_more_or_are_absent() -> None:
    nodes = (*NODES, carrying("old-1", "inference"), carrying("old-2", "gone"), carrying("old-3", "foreign"))
    found = assign(pool(text="zone=a"), NodePool("gone", present=False), nodes=nodes)
    assert found.leaving == {"old-1", "old-2"}
    assert found.unlisted == {"foreign": ["old-3"]}


def test_pools_that_are_not_listed_lose_their_nodes_only_when_asked() -> None:
    nodes = (*NODES, carrying("old-3", "foreign"))
    found = assign(pool(text="zone=a"), nodes=nodes, prune=True)
    assert (found.leaving, found.unlisted) == ({"old-3"}, {})


def test_a_node_whose_record_cannot_be_read_does_not_leave_by_itself() -> None:
    assert assign(pool(text="zone=a"), nodes=(*NODES, LiveNode("x", annotations={RECORD: "?"}))).leaving == frozenset()


def test_nodes_whose_gpu_no_label_tells_are_named_unless_somebody_has_set_the_type() -> None:
    nodes = (*NODES, LiveNode("gpu-9"), LiveNode("gpu-8", labels={"gpu-type": "A100"}), LiveNode("cpu-9"))
    cpus = NodePool("cpus", accelerator=None)
    by_name = {"gpu-1": pool(), "gke-1": pool(), "gpu-9": pool(), "gpu-8": pool(), "cpu-9": cpus}
    (told,) = find_underivable(by_name, nodes)
    assert told.path == "pools[inference]"
    assert told.value == "gpu-9"
    assert GKE in str(told.allowed)


def test_many_names_are_shortened_with_how_many_more_there_are() -> None:
    assert some(f"n{i}" for i in range(12)) == "n0, n1, n2, n3, n4, n5, n6, n7, n8, n9 and 2 more"
    assert some([]) == ""
