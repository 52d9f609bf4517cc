# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of dynamic resource allocation as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.accelerators import UNKNOWN
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.devices import DeviceGroup

__all__ = ["describe_blocked", "describe_device_group", "describe_device_products"]


def describe_blocked(pairs: Iterable[tuple[str | None, int]]) -> list[dict[str, Any]]:
    """Return what is out of reach by its reason, from the reason and the amount of each node."""
    found: dict[str, list[int]] = {}
    for reason, blocked in pairs:
        if reason is not None:
            found.setdefault(reason, []).append(blocked)
    return [{"reason": reason, "nodes": len(each), "blocked": sum(each)} for reason, each in sorted(found.items())]


def _sum(amounts: Iterable[int | None]) -> int | None:
    known = list(amounts)
    return None if None in known else sum(each for each in known if each is not None)


def _device(group: DeviceGroup) -> dict[str, Any]:
    device = group.device
    return {
        "driver": group.driver,
        "kind": device.kind,
        "product": device.product or UNKNOWN,
        "profile": device.profile,
        "memory_mib": device.memory_mib,
        "compute_capability": device.compute_capability,
    }


def describe_device_group(group: DeviceGroup) -> dict[str, Any]:
    """Return devices of one node that are alike."""
    return {
        **_device(group),
        "driver_version": group.device.driver_version,
        "capacity": group.capacity,
        "allocated": group.allocated,
        "free": group.free,
        "blocked": group.blocked,
        "reason": group.obstacle,
        "notes": list(group.notes),
    }


def describe_device_products(groups: Sequence[DeviceGroup]) -> list[dict[str, Any]]:
    """Return devices that are alike over all nodes."""
    alike: dict[tuple[Any, ...], list[DeviceGroup]] = {}
    for group in groups:
        alike.setdefault((*_device(group).values(), group.reach if group.node is None else ""), []).append(group)
    found = []
    for same in alike.values():
        best = max((each for each in same if each.free), key=lambda each: each.free or 0, default=None)
        found.append(
            {
                **_device(same[0]),
                "reach": same[0].reach if same[0].node is None else "one node each",
                "nodes": len({each.node for each in same if each.node is not None}),
                "capacity": sum(each.capacity for each in same),
                "allocated": _sum(each.allocated for each in same),
                "free": _sum(each.free for each in same),
                "blocked": _sum(each.blocked for each in same),
                "largest_free_block": {"node": best.node if best else None, "free": best.free if best else 0}
                if all(each.free is not None for each in same)
                else None,
                "blocked_by": describe_blocked((each.obstacle, each.blocked or 0) for each in same),
                "notes": sorted({note for each in same for note in each.notes}),
            }
        )
    return found
