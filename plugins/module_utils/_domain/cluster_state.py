# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes and pods as far as planning goes: what is there, what it has, what it asks for.

Amounts of resources are whole numbers: ``cpu`` in millicores, everything else in its own unit (bytes, pieces), requests
rounded up and what a node has rounded down, so that nothing fits by rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import parse_quantity

__all__ = [
    "ALIVE_FIELDS",
    "Amounts",
    "Node",
    "Pod",
    "Taint",
    "parse_node",
    "parse_pod",
    "pod_limits",
    "pod_requests",
]

Amounts = Mapping[str, int]
_ENDED = ("Succeeded", "Failed")
# Field selector of the pods that can hold something: those that have ended do not, and there can be thousands of them.
ALIVE_FIELDS = ",".join(f"status.phase!={phase}" for phase in _ENDED)


@dataclass(frozen=True)
class Taint:
    """A taint of a node; ``effect`` is ``NoSchedule``, ``PreferNoSchedule`` or ``NoExecute``."""

    key: str
    effect: str
    value: str = ""


@dataclass(frozen=True)
class Node:
    """A node; ``ready`` is its Ready condition, ``cordoned`` that nothing new is scheduled to it."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    capacity: Amounts = field(default_factory=dict)
    allocatable: Amounts = field(default_factory=dict)
    ready: bool = True
    cordoned: bool = False


@dataclass(frozen=True)
class Pod:
    """A pod; ``node`` None while it waits for one, ``reason`` why it has failed, ``leaving`` that it was deleted.

    ``owner`` is kind and name of its controller, such as ``ReplicaSet/chat-blue-5d9c``; ``nominated_node`` is where the
    scheduler has made room for it by preemption while it waits.
    """

    namespace: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    node: str | None = None
    requests: Amounts = field(default_factory=dict)
    phase: str = "Running"
    reason: str = ""
    priority: int = 0
    leaving: bool = False
    owner: str = ""
    nominated_node: str | None = None

    @property
    def holds_resources(self) -> bool:
        """Whether it takes room on its node: it is bound to one and has not ended."""
        return self.node is not None and self.phase not in _ENDED


def _amounts(quantities: Mapping[str, Any] | None, rounding: str) -> dict[str, int]:
    amounts = {}
    for name, quantity in (quantities or {}).items():
        value = parse_quantity(str(quantity)) * (Decimal(1000) if name == "cpu" else Decimal(1))
        amounts[name] = int(value.to_integral_value(rounding))
    return amounts


def _add(parts: Iterable[Amounts]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, 0) + amount
    return total


def _container_requests(container: Mapping[str, Any]) -> dict[str, int]:
    """Return what a container asks for; a limit without a request is a request too."""
    resources = container.get("resources") or {}
    wanted = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return _amounts(wanted, ROUND_CEILING)


def pod_requests(spec: Mapping[str, Any]) -> dict[str, int]:
    """Return what a pod's spec asks its node for, as the scheduler counts.

    The containers and native sidecars together, or an init container with the sidecars that were started before it if
    that is more; and the runtime class's overhead. See
    https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers
    """
    peak: dict[str, int] = {}
    sidecars: dict[str, int] = {}
    for container in spec.get("initContainers") or ():
        wanted = _container_requests(container)
        if container.get("restartPolicy") == "Always":
            sidecars = _add([sidecars, wanted])
            wanted = {}
        for name, amount in _add([sidecars, wanted]).items():
            peak[name] = max(peak.get(name, 0), amount)
    for name, amount in _add([sidecars, *map(_container_requests, spec.get("containers") or ())]).items():
        peak[name] = max(peak.get(name, 0), amount)
    return _add([peak, _amounts(spec.get("overhead"), ROUND_CEILING)])


def pod_limits(spec: Mapping[str, Any]) -> dict[str, int]:
    """Return the limits of a pod as a quota counts them, by the same rule as ``pod_requests``."""

    def limits(containers: Iterable[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
        return [
            {**each, "resources": {"requests": (each.get("resources") or {}).get("limits")}}
            for each in containers or ()
        ]

    plain = {"containers": limits(spec.get("containers")), "initContainers": limits(spec.get("initContainers"))}
    return pod_requests({**plain, "overhead": spec.get("overhead")})


def parse_node(item: Mapping[str, Any]) -> Node:
    """Return a node from the API's object."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or ()}
    return Node(
        name=metadata["name"],
        labels=dict(metadata.get("labels") or {}),
        taints=tuple(Taint(each["key"], each["effect"], each.get("value") or "") for each in spec.get("taints") or ()),
        capacity=_amounts(status.get("capacity"), ROUND_FLOOR),
        allocatable=_amounts(status.get("allocatable"), ROUND_FLOOR),
        ready=conditions.get("Ready") == "True",
        cordoned=bool(spec.get("unschedulable")),
    )


def parse_pod(item: Mapping[str, Any]) -> Pod:
    """Return a pod from the API's object."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    owners = [each for each in metadata.get("ownerReferences") or () if each.get("controller")]
    return Pod(
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        labels=dict(metadata.get("labels") or {}),
        node=spec.get("nodeName") or None,
        requests=pod_requests(spec),
        phase=str(status.get("phase") or "Pending"),
        reason=str(status.get("reason") or ""),
        priority=int(spec.get("priority") or 0),
        leaving=bool(metadata.get("deletionTimestamp")),
        owner=f"{owners[0]['kind']}/{owners[0]['name']}" if owners else "",
        nominated_node=status.get("nominatedNodeName") or None,
    )
