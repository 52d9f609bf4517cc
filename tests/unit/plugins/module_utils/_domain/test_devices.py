# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.accelerators import DRIVERS
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import parse_node
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.devices import (
    DeviceGroup,
    evaluate_devices,
    parse_allocated,
    parse_slice,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import parse_needs

from tests.unit.plugins.module_utils._domain.accelerator_nodes import claim, gpu_device, node, resource_slice


def groups(
    slices: Sequence[Mapping[str, Any]],
    claims: Sequence[Mapping[str, Any]] | None = (),
    nodes: Sequence[Mapping[str, Any]] = (node("dra"),),
) -> tuple[DeviceGroup, ...]:
    taken = None if claims is None else {key for each in claims for key in parse_allocated(each)}
    by_name = {each["metadata"]["name"]: parse_node(each) for each in nodes}
    return evaluate_devices([*map(parse_slice, slices)], taken, DRIVERS, by_name, parse_needs("llm", {}))


def amounts(group: DeviceGroup) -> tuple[int, int | None, int | None, int | None]:
    return group.capacity, group.allocated, group.free, group.blocked


def partition(name: str, profile: str, chip: str, **counters: str) -> dict[str, Any]:
    """Return a device that is cut from a chip."""
    return {
        "name": name,
        "attributes": {
            "type": {"string": "mig"},
            "productName": {"string": "NVIDIA H100 80GB HBM3"},
            "gpu.nvidia.com/profile": {"string": profile},
        },
        "consumesCounters": [{"counterSet": chip, "counters": {key: {"value": v} for key, v in counters.items()}}],
    }


CHIP = [{"name": "chip-0", "counters": {"memory": {"value": "80Gi"}, "slices": {"value": "7"}}}]
WHOLE = [{"counterSet": "chip-0", "counters": {"memory": {"value": "80Gi"}, "slices": {"value": "7"}}}]


def test_devices_are_read_with_their_attributes_and_counted_with_what_claims_have_taken() -> None:
    devices = [gpu_device(f"gpu-{i}") for i in range(4)]
    (group,) = groups([resource_slice("dra", *devices)], [claim("a", "gpu-0", "gpu-1"), claim("waits")])
    device = group.device
    assert (group.driver, group.node, group.reach) == ("gpu.nvidia.com", "dra", "dra")
    assert (device.kind, device.product, device.memory_mib) == ("gpu", "NVIDIA H100 80GB HBM3", 81559)
    assert (device.compute_capability, device.driver_version) == ("9.0.0", "570.86.15")
    assert (amounts(group), group.notes) == ((4, 2, 2, 0), ())


def test_the_first_beta_of_the_api_has_the_content_of_a_device_one_level_deeper() -> None:
    name, body = "gpu-0", {key: value for key, value in gpu_device("x").items() if key != "name"}
    (group,) = groups([resource_slice("dra", {"name": name, "basic": {**body, "capacity": {"memory": "40Gi"}}})])
    assert (group.device.product, group.device.memory_mib) == ("NVIDIA H100 80GB HBM3", 40 * 1024)


def test_a_device_of_which_nothing_is_said_is_counted_all_the_same() -> None:
    (group,) = groups([resource_slice("dra", {"name": "x"})])
    assert (group.device.product, group.device.memory_mib, amounts(group)) == (None, None, (1, 0, 1, 0))


def test_devices_of_other_kinds_of_drivers_are_no_accelerators() -> None:
    assert groups([resource_slice("dra", {"name": "channel-0"}, driver="compute-domain.nvidia.com")]) == ()


def test_without_sight_of_claims_nothing_is_said_of_what_is_free() -> None:
    (group,) = groups([resource_slice("dra", gpu_device("gpu-0"))], None)
    assert amounts(group) == (1, None, None, None)


def test_access_for_administrators_takes_no_device() -> None:
    (group,) = groups([resource_slice("dra", gpu_device("gpu-0"))], [claim("a", "gpu-0", adminAccess=True)])
    assert amounts(group) == (1, 0, 1, 0)


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [((node("dra", cordoned=True),), "cordoned"), ((), "the node is gone"), ((node("dra", ready=False),), "not ready")],
)
def test_devices_of_a_node_that_cannot_be_used_are_blocked(nodes: tuple[dict[str, Any], ...], reason: str) -> None:
    (group,) = groups([resource_slice("dra", gpu_device("gpu-0"))], nodes=nodes)
    assert (amounts(group), group.obstacle, group.notes) == ((1, 0, 0, 1), reason, ())


def test_only_the_newest_generation_of_a_pool_counts() -> None:
    old = resource_slice("dra", gpu_device("gpu-0"), gpu_device("gpu-1"), pool={"generation": 1})
    new = resource_slice("dra", gpu_device("gpu-0"), pool={"generation": 2})
    (group,) = groups([old, new])
    assert group.capacity == 1


def test_a_pool_of_which_slices_are_missing_gives_nothing() -> None:
    (group,) = groups([resource_slice("dra", gpu_device("gpu-0"), pool={"resourceSliceCount": 2})])
    words = "its driver has published 1 of 2 slices"
    assert (amounts(group), group.obstacle, group.notes) == ((1, 0, 0, 1), words, (words,))


def test_devices_that_no_single_node_has_are_told_by_their_reach() -> None:
    everywhere = resource_slice(None, gpu_device("gpu-0"))
    selected = resource_slice(None, gpu_device("gpu-0"), pool={"name": "rack"})
    selected["spec"].pop("allNodes")
    picked = resource_slice(None, gpu_device("gpu-0", nodeName="dra"), pool={"name": "picked"})
    assert [(each.node, each.reach) for each in groups([everywhere, selected, picked])] == [
        (None, "all nodes"),
        ("dra", "dra"),
        (None, "nodes by selector"),
    ]


def test_a_tainted_device_is_not_free_and_the_taint_is_told() -> None:
    taints = [{"key": "example.com/unhealthy", "effect": "NoSchedule"}, {"key": "x", "effect": "None"}]
    (group,) = groups([resource_slice("dra", gpu_device("gpu-0", taints=taints), gpu_device("gpu-1"))])
    assert (amounts(group), group.notes) == ((2, 0, 1, 0), ("device taint example.com/unhealthy:NoSchedule",))


def test_a_device_that_may_be_allocated_several_times_stays_free_and_that_is_said() -> None:
    many = gpu_device("gpu-0", allowMultipleAllocations=True)
    (group,) = groups([resource_slice("dra", many)], [claim("a", "gpu-0")])
    assert (amounts(group), "several times" in group.notes[0]) == ((1, 1, 1, 0), True)


def test_a_chip_of_which_a_part_is_taken_is_not_free_as_a_whole() -> None:
    item = resource_slice(
        "dra",
        gpu_device("gpu-0", consumesCounters=WHOLE),
        partition("mig-0", "3g.40gb", "chip-0", memory="40Gi", slices="3"),
        partition("mig-1", "3g.40gb", "chip-0", memory="40Gi", slices="3"),
        partition("mig-2", "4g.40gb", "chip-0", memory="40Gi", slices="5"),
    )
    item["spec"]["sharedCounters"] = CHIP
    by_profile = {each.device.profile: each for each in groups([item], [claim("a", "mig-0")])}
    assert {profile: amounts(each) for profile, each in by_profile.items()} == {
        None: (1, 0, 0, 0),
        "3g.40gb": (2, 1, 1, 0),
        "4g.40gb": (1, 0, 0, 0),
    }
    assert by_profile["3g.40gb"].notes == ("devices are cut from the same chips; fewer than free can be had together",)
    assert by_profile[None].notes == ()
    assert {each.device.profile: each.free for each in groups([item])} == {None: 1, "3g.40gb": 2, "4g.40gb": 1}
