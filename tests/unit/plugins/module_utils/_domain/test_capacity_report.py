# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.accelerators import DRIVERS, RESOURCES
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.capacity import evaluate_supply
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.capacity_report import Stock, describe_stock
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.capacity_table import render_table
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import parse_node, parse_pod
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.devices import (
    evaluate_devices,
    parse_allocated,
    parse_slice,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quota import parse_quota
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import parse_needs

from tests.unit.plugins.module_utils._domain.accelerator_nodes import (
    A100,
    H100_SLICES,
    MI300X,
    SHARED,
    claim,
    gpu_device,
    node,
    pod,
    resource_slice,
)

GPU = "nvidia.com/gpu"
Items = Sequence[Mapping[str, Any]]


def stock(
    nodes: Items, pods: Items = (), slices: Items | None = (), claims: Items | None = (), quotas: Items = ()
) -> dict[str, Any]:
    needs, by_name = parse_needs("llm", {}), {each["metadata"]["name"]: parse_node(each) for each in nodes}
    taken = None if claims is None else {key for each in claims for key in parse_allocated(each)}
    groups = None
    if slices is not None:
        groups = evaluate_devices(map(parse_slice, slices), taken, DRIVERS, by_name, needs)
    supply = evaluate_supply([*by_name.values()], map(parse_pod, pods), RESOURCES, needs)
    return describe_stock(Stock(supply, by_name, groups, "resource.k8s.io/v1", [*map(parse_quota, quotas)], RESOURCES))


def quota(name: str, hard: dict[str, str], used: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "llm"}, "spec": spec, "status": {"hard": hard, "used": used}}


def fleet() -> list[dict[str, Any]]:
    return [
        node("a", A100, has={GPU: 8}),
        node("b", A100, has={GPU: 8}),
        node("c", A100, has={GPU: 8}, cordoned=True),
        node("d", A100, has={GPU: 8}, ready=False),
        node("t4", SHARED, has={GPU: 16}),
        node("amd", MI300X, has={"amd.com/gpu": 8}, taints=({"key": "x", "value": "y", "effect": "NoSchedule"},)),
        node("slices", H100_SLICES, has={GPU: 56}),
        node("odd", has={GPU: 1}),
        node("plain", taints=({"key": "k", "effect": "NoExecute"},)),
    ]


BUSY = [pod("p", "a", amount=2), pod("q", "b", amount=7, leaving=True), pod("r", "c", amount=3), pod("s", "t4")]


def test_products_are_added_up_over_nodes_with_their_largest_block_and_what_is_out_of_reach() -> None:
    products = {each["product"]: each for each in stock(fleet(), BUSY)["products"]}
    assert products["NVIDIA-A100-SXM4-80GB"] == {
        "resource": GPU,
        "product": "NVIDIA-A100-SXM4-80GB",
        "product_reason": None,
        "memory_mib": 81920,
        "compute_capability": "8.0",
        "mig_profile": None,
        "sharing": "none",
        "replicas_per_device": 1,
        "nodes": 4,
        "device_count": 32,
        "capacity": 32,
        "allocatable": 32,
        "requested": 12,
        "leaving": 7,
        "nominated": 0,
        "free": 7,
        "blocked": 13,
        "largest_free_block": {"node": "a", "free": 6},
        "free_blocks": [{"free": 6, "nodes": 1}, {"free": 1, "nodes": 1}],
        "blocked_by": [
            {"reason": "cordoned", "nodes": 1, "blocked": 5},
            {"reason": "not ready", "nodes": 1, "blocked": 8},
        ],
    }
    shared = products["Tesla-T4-SHARED"]
    assert (shared["device_count"], shared["capacity"], shared["replicas_per_device"], shared["free"]) == (4, 16, 4, 15)
    assert products["unknown"]["product_reason"].startswith("the node has no label nvidia.com/gpu.product or ")
    assert products["AMD_Instinct_MI300X_OAM"]["largest_free_block"] == {"node": None, "free": 0}


def test_what_is_free_and_the_largest_block_are_told_by_resource() -> None:
    data = stock(fleet(), BUSY)
    assert data["free"] == {"amd.com/gpu": 0, GPU: 6 + 1 + 15 + 56 + 1}
    assert data["largest_free_block"] == {
        "amd.com/gpu": {"node": None, "product": None, "free": 0},
        GPU: {"node": "slices", "product": "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb", "free": 56},
    }
    odd = stock([node("odd", has={GPU: 1})])
    assert odd["largest_free_block"][GPU]["product"] == "unknown"


def test_devices_behind_replicas_are_unknown_where_one_node_does_not_tell() -> None:
    labels = {key: value for key, value in SHARED.items() if not key.endswith("replicas")}
    (product,) = stock([node("t4", labels, has={GPU: 16})])["products"]
    assert (product["device_count"], product["replicas_per_device"]) == (None, None)


def test_a_node_is_told_with_its_state_its_room_and_who_holds_what() -> None:
    nodes = {each["name"]: each for each in stock(fleet(), BUSY)["nodes"]}
    assert sorted(nodes) == ["a", "amd", "b", "c", "d", "odd", "slices", "t4"]
    assert (nodes["c"]["cordoned"], nodes["d"]["ready"], nodes["amd"]["taints"]) == (True, False, ["x=y:NoSchedule"])
    first = nodes["a"]
    assert (first["free_cpu_millicores"], first["free_memory_mib"], first["free_pods"]) == (60000, 480 * 1024, 109)
    (resource,) = first["resources"]
    assert resource["pods"] == [{"namespace": "llm", "name": "p", "amount": 2, "leaving": False}]
    assert (resource["driver_version"], resource["cuda_version"], resource["reason"]) == ("570.86.15", "12.8", None)
    assert nodes["c"]["resources"][0]["reason"] == "cordoned"


def test_devices_are_told_by_node_and_over_all_nodes() -> None:
    slices = [
        resource_slice("dra", *(gpu_device(f"gpu-{i}") for i in range(4))),
        resource_slice("other", *(gpu_device(f"gpu-{i}") for i in range(2))),
        resource_slice(None, gpu_device("gpu-0")),
    ]
    nodes = [node("dra", A100, taints=({"key": "k", "effect": "NoExecute"},)), node("other")]
    data = stock(nodes, slices=slices, claims=[claim("c", "gpu-0", "gpu-1", "gpu-2")])
    everywhere, mine = sorted(data["devices"], key=lambda each: str(each["reach"]))
    assert (everywhere["reach"], everywhere["nodes"], everywhere["free"]) == ("all nodes", 0, 1)
    assert {key: mine[key] for key in ("reach", "nodes", "capacity", "allocated", "free", "blocked", "blocked_by")} == {
        "reach": "one node each",
        "nodes": 2,
        "capacity": 6,
        "allocated": 3,
        "free": 2,
        "blocked": 1,
        "blocked_by": [{"reason": "taint k:NoExecute is not tolerated", "nodes": 1, "blocked": 1}],
    }
    assert mine["largest_free_block"] == {"node": "other", "free": 2}
    by_name = {each["name"]: each for each in data["nodes"]}
    assert by_name["dra"]["taints"] == ["k:NoExecute"]
    assert by_name["dra"]["devices"][0]["driver_version"] == "570.86.15"
    assert (by_name["other"]["free_pods"], by_name["other"]["resources"]) == (None, [])
    assert data["notes"] == []


def test_without_sight_of_claims_or_slices_what_is_free_is_null_and_never_nought() -> None:
    data = stock([node("dra")], slices=[resource_slice("dra", gpu_device("gpu-0"))], claims=None)
    (devices,) = data["devices"]
    assert (devices["allocated"], devices["free"], devices["blocked"], devices["largest_free_block"]) == (None,) * 4
    assert "?" in render_table(data)[1]
    blind = stock([node("bare", A100)], slices=None)
    assert blind["devices"] is None
    assert "or they are ResourceSlices, which may not be read" in blind["notes"][0]


def test_accelerators_that_are_offered_twice_are_not_added_up_and_that_is_said() -> None:
    nodes = [node("dra", A100, has={GPU: 8}), node("amd", MI300X, has={"amd.com/gpu": 8})]
    slices = [
        resource_slice(name, *(gpu_device(f"gpu-{i}") for i in range(8))) for name in ("dra", "amd")
    ]  # an NVIDIA card beside those of AMD is no second offer of them
    data = stock(nodes, slices=slices)
    assert data["free"][GPU] == 8
    (note,) = data["notes"]
    assert note == (
        "node dra offers its accelerators twice, as nvidia.com/gpu and as devices of gpu.nvidia.com: they are not "
        "added up, and neither side knows what the other has given away"
    )


def test_quotas_are_told_with_the_least_of_all_that_narrows() -> None:
    quotas = [
        quota("wide", {f"requests.{GPU}": "10", "pods": "5"}, {f"requests.{GPU}": "2"}),
        quota("tight", {f"requests.{GPU}": "6", "requests.cpu": "10"}, {f"requests.{GPU}": "2"}),
        quota("urgent", {f"requests.{GPU}": "1"}, {}, scopes=["PriorityClass"]),
    ]
    found = {each["name"]: each for each in stock([node("a", A100, has={GPU: 8})], quotas=quotas)["quotas"]}
    assert {name: (each["free"], each["effective_free"]) for name, each in found.items()} == {
        "wide": (8, 4),
        "tight": (4, 4),
        "urgent": (1, 1),
    }
    assert found["urgent"]["scopes"] == ["PriorityClass Exists"]
    assert (found["tight"]["hard"], found["tight"]["used"], found["tight"]["resource"]) == (6, 2, GPU)
    full = [pod("p", "a", amount=7)]
    (least,) = stock([node("a", A100, has={GPU: 8})], full, quotas=quotas[:1])["quotas"]
    assert (least["free"], least["effective_free"]) == (8, 1)
    over = quota("over", {f"requests.{GPU}": "1"}, {f"requests.{GPU}": "3"})
    assert stock([node("a", A100, has={GPU: 8})], quotas=[over])["quotas"][0]["free"] == 0


def test_pods_that_wait_and_pods_without_their_node_are_told_with_what_they_want() -> None:
    pods = [pod("w", None, amount=4, phase="Pending", priority=3), pod("lost", "gone", amount=2)]
    data = stock([node("a", A100, has={GPU: 8})], pods)
    assert data["waiting_pods"] == [
        {
            "namespace": "llm",
            "name": "w",
            "owner": None,
            "priority": 3,
            "nominated_node": None,
            "requests": {GPU: 4},
        }
    ]
    assert data["orphaned_pods"] == [{"namespace": "llm", "name": "lost", "node": "gone", "requests": {GPU: 2}}]
    assert data["notes"] == ["pod llm/lost holds accelerators of node gone, which is gone"]


def test_what_does_not_add_up_is_noted_with_its_node() -> None:
    nodes = [node("a", A100, has={GPU: 8}, allocatable={GPU: 7}), node("bare", A100)]
    broken, silent = stock(nodes)["notes"]
    assert broken == "node a: nvidia.com/gpu: 1 of 8 are not healthy"
    assert silent == (
        "node bare has the label nvidia.com/gpu.present=true, and nothing offers its accelerators: its driver or its "
        "device plugin does not run"
    )


def test_the_table_shows_products_nodes_quotas_and_who_waits() -> None:
    pods = [*BUSY, pod("w", None, amount=4, phase="Pending"), pod("v", None, "amd.com/gpu", phase="Pending")]
    quotas = [quota("gpus", {f"requests.{GPU}": "10"}, {f"requests.{GPU}": "2"})]
    data = stock(fleet(), pods, [resource_slice("plain", gpu_device("gpu-0"))], quotas=quotas)
    lines = render_table(data)
    rows = [line.split() for line in lines]
    assert rows[0][:2] == ["RESOURCE", "PRODUCT"]
    a100 = next(row for row in rows if row[1:2] == ["NVIDIA-A100-SXM4-80GB"])
    assert a100 == [GPU, "NVIDIA-A100-SXM4-80GB", "80", "GiB", "4", "32", "32", "12", "7", "13", "6"]
    assert any("Tesla-T4-SHARED (time-slicing, 4 of each)" in line for line in lines)
    assert any(line.startswith("gpu.nvidia.com (DRA)") and "-" in line.split() for line in lines)
    assert ["c", GPU, "NVIDIA-A100-SXM4-80GB", "8", "3", "0", "5", "cordoned"] in rows
    assert "quota llm/gpus: 2 of 10 nvidia.com/gpu are used, 8 can be had" in lines
    assert "2 pods wait for 1 amd.com/gpu, 4 nvidia.com/gpu" in lines
    assert lines.index("") > 3


def test_nodes_that_are_alike_share_a_line_of_the_table() -> None:
    nodes = [node(f"n{number:03d}", A100, has={GPU: 8}) for number in range(200)]
    lines = render_table(stock(nodes, [pod("p", "n007")]))
    assert len(lines) == 2 + 1 + 3
    assert lines[4].startswith("n000, n001, n002, n003 and 195 more  nvidia.com/gpu")
    assert lines[5].split()[:5] == ["n007", GPU, "NVIDIA-A100-SXM4-80GB", "8", "1"]


def test_the_table_of_a_cluster_without_accelerators_says_so_and_why() -> None:
    assert render_table(stock([node("plain")])) == ["no accelerators"]
    assert render_table(stock([node("bare", A100)]))[1].startswith("node bare has the label")


def test_the_table_names_slices_and_small_memory() -> None:
    slices = [
        resource_slice(
            "dra",
            {
                "name": "m",
                "attributes": {"productName": {"string": "H100"}, "profile": {"string": "1g.10gb"}},
                "capacity": {"memory": {"value": "512Mi"}},
            },
        )
    ]
    data = stock([node("dra")], [pod("w", None, phase="Pending")], slices)
    assert render_table(data)[1].split()[2:] == ["H100", "1g.10gb", "512", "MiB", "1", "1", "-", "0", "1", "0", "1"]
    assert "1 pod waits for 1 nvidia.com/gpu" in render_table(data)
