# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accelerators of a cluster as plain data: by node, by product, by quota."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.accelerators import UNKNOWN, is_accelerator
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.capacity import Offer, Supply, find_largest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Amounts, Node
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.device_report import (
    describe_blocked,
    describe_device_group,
    describe_device_products,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.devices import DeviceGroup
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quota import Quota
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import MIB

__all__ = ["Stock", "describe_stock"]

_REQUESTS = "requests."


@dataclass(frozen=True)
class Stock:
    """All that was read; ``groups`` None where ResourceSlices may not be read, ``api`` is their version.

    ``accelerators`` are the names by which resources are taken for accelerators.
    """

    supply: Supply
    nodes: Mapping[str, Node]
    groups: Sequence[DeviceGroup] | None
    api: str
    quotas: Sequence[Quota] = ()
    accelerators: Sequence[str] = ()


def describe_stock(stock: Stock) -> dict[str, Any]:
    """Return everything as plain data; amounts are units of a resource, as the kubelet offers them."""
    supply = stock.supply
    return {
        "nodes": _nodes(stock),
        "products": _products(supply),
        "devices": describe_device_products(stock.groups) if stock.groups is not None else None,
        "devices_api": stock.api,
        "free": {resource: supply.free(resource) for resource in supply.resources},
        "largest_free_block": {resource: _largest(supply.of(resource)) for resource in supply.resources},
        "quotas": _quotas(stock),
        "waiting_pods": [
            {
                "namespace": pod.namespace,
                "name": pod.name,
                "owner": pod.owner or None,
                "priority": pod.priority,
                "nominated_node": pod.nominated_node,
                "requests": _accelerators(pod.requests, stock),
            }
            for pod in supply.waiting
        ],
        "orphaned_pods": [
            {
                "namespace": pod.namespace,
                "name": pod.name,
                "node": pod.node,
                "requests": _accelerators(pod.requests, stock),
            }
            for pod in supply.orphaned
        ],
        "uncounted_resources": list(supply.uncounted),
        "notes": _notes(stock),
    }


def _accelerators(requests: Amounts, stock: Stock) -> dict[str, int]:
    return {
        name: amount
        for name, amount in sorted(requests.items())
        if amount > 0 and is_accelerator(name, stock.accelerators)
    }


def _largest(offers: Iterable[Offer]) -> dict[str, Any]:
    offers = tuple(offers)
    best = find_largest(offers)
    if best is None:
        return {"node": None, "product": None, "free": 0}
    product = next(offer.product.name for offer in offers if offer.node.name == best.node)
    return {"node": best.node, "product": product or UNKNOWN, "free": best.free}


def _product(offer: Offer) -> dict[str, Any]:
    product = offer.product
    return {
        "resource": offer.resource,
        "product": product.name or UNKNOWN,
        "product_reason": product.reason,
        "memory_mib": product.memory_mib,
        "compute_capability": product.compute_capability,
        "mig_profile": product.mig_profile,
        "sharing": product.sharing,
        "replicas_per_device": product.replicas,
    }


def _resource(offer: Offer) -> dict[str, Any]:
    return {
        **_product(offer),
        "driver_version": offer.product.driver_version,
        "cuda_version": offer.product.cuda_version,
        "device_count": offer.devices,
        "capacity": offer.capacity,
        "allocatable": offer.allocatable,
        "requested": offer.requested,
        "leaving": offer.leaving,
        "nominated": offer.nominated,
        "free": offer.free,
        "blocked": offer.blocked,
        "reason": offer.obstacle,
        "pods": [vars(holder) for holder in offer.holders],
        "notes": list(offer.notes),
    }


def _nodes(stock: Stock) -> list[dict[str, Any]]:
    groups: dict[str, list[DeviceGroup]] = {}
    for group in stock.groups or ():
        groups.setdefault(group.node or "", []).append(group)
    offers: dict[str, list[Offer]] = {}
    for offer in stock.supply.offers:
        offers.setdefault(offer.node.name, []).append(offer)
    found = []
    for name, node in sorted(stock.nodes.items()):
        room = stock.supply.room.get(name)
        if room is None and name not in groups:
            continue
        found.append(
            {
                "name": name,
                "ready": node.ready,
                "cordoned": node.cordoned,
                "taints": [
                    f"{each.key}={each.value}:{each.effect}" if each.value else f"{each.key}:{each.effect}"
                    for each in node.taints
                ],
                "free_cpu_millicores": room.cpu_millicores if room else None,
                "free_memory_mib": room.memory_bytes // MIB if room else None,
                "free_pods": room.pods if room else None,
                "resources": [_resource(offer) for offer in offers.get(name, ())],
                "devices": [describe_device_group(group) for group in groups.get(name, ())],
            }
        )
    return found


def _products(supply: Supply) -> list[dict[str, Any]]:
    alike: dict[tuple[Any, ...], list[Offer]] = {}
    for offer in supply.offers:
        alike.setdefault(tuple(_product(offer).values()), []).append(offer)
    found = []
    for offers in alike.values():
        blocks = Counter(offer.free for offer in offers if offer.free)
        devices = [offer.devices for offer in offers if offer.devices is not None]
        found.append(
            {
                **_product(offers[0]),
                "nodes": len(offers),
                "device_count": sum(devices) if len(devices) == len(offers) else None,
                **{
                    name: sum(getattr(offer, name) for offer in offers)
                    for name in (
                        "capacity",
                        "allocatable",
                        "requested",
                        "leaving",
                        "nominated",
                        "free",
                        "blocked",
                    )
                },
                "largest_free_block": {key: value for key, value in _largest(offers).items() if key != "product"},
                "free_blocks": [{"free": free, "nodes": blocks[free]} for free in sorted(blocks, reverse=True)],
                "blocked_by": describe_blocked((offer.obstacle, offer.blocked) for offer in offers),
            }
        )
    return sorted(found, key=lambda each: (each["resource"], each["product"], -each["capacity"]))


def _quotas(stock: Stock) -> list[dict[str, Any]]:
    """Return each limit of an accelerator; a quota that counts only some pods does not narrow what others can have."""
    limits = [
        (quota, key[len(_REQUESTS) :], max(0, quota.hard[key] - quota.used.get(key, 0)))
        for quota in stock.quotas
        for key in sorted(quota.hard)
        if key.startswith(_REQUESTS) and is_accelerator(key[len(_REQUESTS) :], stock.accelerators)
    ]
    found = []
    for quota, resource, free in limits:
        others = [
            rest
            for other, name, rest in limits
            if (other.namespace, name) == (quota.namespace, resource) and not other.scopes
        ]
        found.append(
            {
                "namespace": quota.namespace,
                "name": quota.name,
                "resource": resource,
                "scopes": [" ".join((each.name, each.operator, *each.values)) for each in quota.scopes],
                "hard": quota.hard[_REQUESTS + resource],
                "used": quota.used.get(_REQUESTS + resource, 0),
                "free": free,
                "effective_free": min([free, *others, stock.supply.free(resource)]),
            }
        )
    return found


def _is_same_vendor(resource: str, driver: str) -> bool:
    domain = resource.partition("/")[0]
    return driver == domain or driver.endswith(f".{domain}")


def _notes(stock: Stock) -> list[str]:
    groups = [group for group in stock.groups or () if group.node is not None]
    found = [
        f"node {offer.node.name}: {offer.resource}: {note}" for offer in stock.supply.offers for note in offer.notes
    ]
    known = {group.node for group in groups}
    cause = "its driver or its device plugin does not run"
    if stock.groups is None:
        cause = "its driver or its device plugin does not run, or they are ResourceSlices, which may not be read"
    found += [
        f"node {name} has the label {hint}, and nothing offers its accelerators: {cause}"
        for name, hint in stock.supply.silent.items()
        if name not in known
    ]
    twice = {
        (offer.node.name, offer.resource, group.driver)
        for offer in stock.supply.offers
        for group in groups
        if group.node == offer.node.name and _is_same_vendor(offer.resource, group.driver)
    }
    found += [
        f"node {name} offers its accelerators twice, as {resource} and as devices of {driver}: they are not added up, "
        "and neither side knows what the other has given away"
        for name, resource, driver in sorted(twice)
    ]
    found += [
        f"pod {pod.namespace}/{pod.name} holds accelerators of node {pod.node}, which is gone"
        for pod in stock.supply.orphaned
    ]
    return found
