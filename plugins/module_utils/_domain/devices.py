# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of dynamic resource allocation: what drivers publish in ResourceSlices, and what claims have taken of it.

https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/ . The versions v1, v1beta2 and
v1beta1 of the API are read alike; v1beta1 has the content of a device one level deeper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.accelerators import is_accelerator
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Node
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import Needs, find_obstacle
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import MIB, parse_quantity

__all__ = ["Device", "DeviceGroup", "DeviceKey", "Slice", "evaluate_devices", "parse_allocated", "parse_slice"]

DeviceKey = tuple[str, str, str]  # driver, pool, name
_SELECTED = "nodes by selector"
_EVERYWHERE = "all nodes"
# Names of attributes that drivers use for the product, the kind and the slice, in order of preference.
_PRODUCT, _KIND, _PROFILE = ("productName", "model"), ("type",), ("profile", "migProfile")
_TAKING = ("NoSchedule", "NoExecute")


@dataclass(frozen=True)
class Device:
    """A device; None is what its driver does not say.

    ``consumes`` are the counters of its pool that it takes when it is allocated: (set, counter, amount in millis).
    ``repeatable`` devices may be allocated several times, ``taint`` keeps claims away that do not tolerate it.
    """

    name: str
    kind: str | None = None
    product: str | None = None
    profile: str | None = None
    memory_mib: int | None = None
    compute_capability: str | None = None
    driver_version: str | None = None
    consumes: tuple[tuple[str, str, int], ...] = ()
    repeatable: bool = False
    taint: str | None = None
    node: str | None = None


@dataclass(frozen=True)
class Slice:
    """A part of a pool of devices; ``node`` None and ``reach`` in words where it is not that of one node."""

    driver: str
    pool: str
    generation: int
    slices: int
    node: str | None
    reach: str
    devices: tuple[Device, ...]
    counters: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class DeviceGroup:
    """Devices of a driver that are alike, on one node (None: ``reach`` says which can use them).

    ``allocated``, ``free`` and ``blocked`` are None where claims may not be read. ``free`` counts each device that
    could be allocated now; where devices are cut from the same chip, fewer can be had together, and ``notes`` say so.
    """

    driver: str
    node: str | None
    reach: str
    device: Device
    capacity: int
    allocated: int | None
    free: int | None
    blocked: int | None
    obstacle: str | None
    notes: tuple[str, ...]


def _millis(quantity: Any) -> int:
    value = quantity.get("value") if isinstance(quantity, Mapping) else quantity
    return int(parse_quantity(str(value)) * 1000)


def _local(values: Mapping[str, Any], names: Iterable[str]) -> Any:
    """Return the first of these that is there; the driver's domain may stand before a name."""
    by_name = {key.rpartition("/")[2]: value for key, value in values.items()}
    return next((by_name[name] for name in names if name in by_name), None)


def _attribute(attributes: Mapping[str, Any], names: Iterable[str]) -> str | None:
    value = _local(attributes, names)
    return str(next(iter(value.values()))) if value else None


def _parse_device(item: Mapping[str, Any]) -> Device:
    body = item.get("basic") or item
    attributes, memory = body.get("attributes") or {}, _local(body.get("capacity") or {}, ("memory",))
    taints = [each for each in body.get("taints") or () if each.get("effect") in _TAKING]
    return Device(
        name=item["name"],
        kind=_attribute(attributes, _KIND),
        product=_attribute(attributes, _PRODUCT),
        profile=_attribute(attributes, _PROFILE),
        memory_mib=_millis(memory) // 1000 // MIB if memory is not None else None,
        compute_capability=_attribute(attributes, ("cudaComputeCapability",)),
        driver_version=_attribute(attributes, ("driverVersion",)),
        consumes=tuple(
            (each["counterSet"], name, _millis(counter))
            for each in body.get("consumesCounters") or ()
            for name, counter in sorted(each["counters"].items())
        ),
        repeatable=bool(body.get("allowMultipleAllocations")),
        taint=f"device taint {taints[0]['key']}:{taints[0]['effect']}" if taints else None,
        node=body.get("nodeName"),
    )


def parse_slice(item: Mapping[str, Any]) -> Slice:
    """Return a ResourceSlice from the API's object."""
    spec = item["spec"]
    pool, node = spec["pool"], spec.get("nodeName") or None
    return Slice(
        driver=spec["driver"],
        pool=pool["name"],
        generation=int(pool.get("generation") or 0),
        slices=int(pool.get("resourceSliceCount") or 1),
        node=node,
        reach=node or (_EVERYWHERE if spec.get("allNodes") else _SELECTED),
        devices=tuple(_parse_device(each) for each in spec.get("devices") or ()),
        counters={
            (each["name"], name): _millis(counter)
            for each in spec.get("sharedCounters") or ()
            for name, counter in each["counters"].items()
        },
    )


def parse_allocated(item: Mapping[str, Any]) -> frozenset[DeviceKey]:
    """Return the devices that a ResourceClaim has taken; access for administrators takes none."""
    allocation = (item.get("status") or {}).get("allocation") or {}
    results = (allocation.get("devices") or {}).get("results") or ()
    return frozenset((each["driver"], each["pool"], each["device"]) for each in results if not each.get("adminAccess"))


class _Pool:
    """The newest generation of a pool; what older slices said does not count any more."""

    def __init__(self, slices: Sequence[Slice], taken: Collection[DeviceKey]) -> None:
        newest = max(each.generation for each in slices)
        self.slices = [each for each in slices if each.generation == newest]
        self.wanted = self.slices[0].slices
        self.left: Counter[tuple[str, str]] = Counter()
        for each in self.slices:
            self.left.update(each.counters)
            for device in each.devices:
                if (each.driver, each.pool, device.name) in taken:
                    self.left.subtract({(kind, name): amount for kind, name, amount in device.consumes})

    @property
    def obstacle(self) -> str | None:
        """Why the scheduler does not allocate from the pool."""
        if len(self.slices) < self.wanted:
            return f"its driver has published {len(self.slices)} of {self.wanted} slices"
        return None

    def has_counters(self, device: Device) -> bool:
        """Whether what the device is cut from is left."""
        return all(self.left[kind, name] >= amount for kind, name, amount in device.consumes)


def _kind_of(driver: str, where: str, device: Device) -> tuple[Any, ...]:
    return driver, where, device.kind, device.product, device.profile, device.memory_mib


def _notes(devices: Sequence[Device], pool: _Pool, obstacle: str | None) -> tuple[str, ...]:
    found = [obstacle] if obstacle is not None and obstacle == pool.obstacle else []
    found += sorted({each.taint for each in devices if each.taint is not None})
    if any(each.repeatable for each in devices):
        found.append("devices may be allocated several times; what is left of their capacity is not counted")
    sets = Counter(kind for each in devices for kind in {kind for kind, _name, _amount in each.consumes})
    if any(count > 1 for count in sets.values()):
        found.append("devices are cut from the same chips; fewer than free can be had together")
    return tuple(found)


def _group(
    slice_: Slice, devices: Sequence[Device], pool: _Pool, taken: Collection[DeviceKey] | None, obstacle: str | None
) -> DeviceGroup:
    known = taken if taken is not None else ()
    allocated = [each for each in devices if (slice_.driver, slice_.pool, each.name) in known]
    rest = [
        each
        for each in devices
        if (each.repeatable or each not in allocated) and each.taint is None and pool.has_counters(each)
    ]
    node = devices[0].node or slice_.node
    return DeviceGroup(
        driver=slice_.driver,
        node=node,
        reach=node or slice_.reach,
        device=devices[0],
        capacity=len(devices),
        allocated=len(allocated) if taken is not None else None,
        free=None if taken is None else 0 if obstacle else len(rest),
        blocked=None if taken is None else len(rest) if obstacle else 0,
        obstacle=obstacle,
        notes=_notes(devices, pool, obstacle),
    )


def _obstacle(name: str | None, nodes: Mapping[str, Node], needs: Needs) -> str | None:
    if name is None:
        return None
    node = nodes.get(name)
    return find_obstacle(node, needs) if node is not None else "the node is gone"


def evaluate_devices(
    slices: Iterable[Slice],
    taken: Collection[DeviceKey] | None,
    drivers: Sequence[str],
    nodes: Mapping[str, Node],
    needs: Needs,
) -> tuple[DeviceGroup, ...]:
    """Return the accelerators among the devices, alike ones together; ``taken`` None where it is not known."""
    pools: dict[tuple[str, str], list[Slice]] = {}
    for each in slices:
        if is_accelerator(each.driver, drivers):
            pools.setdefault((each.driver, each.pool), []).append(each)
    groups = []
    for parts in pools.values():
        pool = _Pool(parts, taken if taken is not None else ())
        alike: dict[tuple[Any, ...], tuple[Slice, list[Device]]] = {}
        for part in pool.slices:
            for device in part.devices:
                where = device.node or part.reach
                alike.setdefault(_kind_of(part.driver, where, device), (part, []))[1].append(device)
        for part, devices in alike.values():
            obstacle = _obstacle(devices[0].node or part.node, nodes, needs) or pool.obstacle
            groups.append(_group(part, devices, pool, taken, obstacle))
    return tuple(
        sorted(groups, key=lambda g: (g.reach, g.driver, g.device.product or "", g.device.kind or "", g.capacity))
    )
