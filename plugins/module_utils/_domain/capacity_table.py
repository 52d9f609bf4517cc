# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accelerators of a cluster as lines of text, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_words import few
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.table import align

__all__ = ["render_table"]

_PRODUCTS = (
    "RESOURCE",
    "PRODUCT",
    "MEMORY",
    "NODES",
    "CAPACITY",
    "ALLOCATABLE",
    "HELD",
    "FREE",
    "BLOCKED",
    "ON ONE NODE",
)
_NODES = ("NODES", "RESOURCE", "PRODUCT", "CAPACITY", "HELD", "FREE", "BLOCKED", "REASON")
_NONE, _UNSEEN = "-", "?"


def _memory(mib: int | None) -> str:
    return _UNSEEN if mib is None else f"{mib / 1024:.0f} GiB" if mib >= 1024 else f"{mib} MiB"


def _amount(value: int | None) -> str:
    return _UNSEEN if value is None else str(value)


def _name(item: Mapping[str, Any]) -> str:
    """Return a product with what kind of share of it is meant."""
    profile = item.get("mig_profile") or item.get("profile")
    text = str(item["product"]) if not profile or profile in item["product"] else f"{item['product']} {profile}"
    if item.get("sharing", "none") == "none":
        return text
    return f"{text} ({item['sharing']}, {_amount(item['replicas_per_device'])} of each)"


def _product_row(item: Mapping[str, Any]) -> tuple[str, ...]:
    largest = item["largest_free_block"]
    return (
        item.get("resource") or f"{item['driver']} (DRA)",
        _name(item),
        _memory(item["memory_mib"]),
        str(item["nodes"]),
        str(item["capacity"]),
        str(item.get("allocatable", _NONE)),
        _amount(item["requested"] if "requested" in item else item["allocated"]),
        _amount(item["free"]),
        _amount(item["blocked"]),
        _UNSEEN if largest is None else str(largest["free"]),
    )


def _node_row(item: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        item.get("resource") or f"{item['driver']} (DRA)",
        _name(item),
        str(item["capacity"]),
        _amount(item["requested"] if "requested" in item else item["allocated"]),
        _amount(item["free"]),
        _amount(item["blocked"]),
        item["reason"] or _NONE,
    )


def _node_rows(nodes: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return a row for each kind of node, with the names of the first: a cluster has hundreds that are alike."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for node in nodes:
        for item in (*node["resources"], *node["devices"]):
            alike.setdefault(_node_row(item), []).append(node["name"])
    return [(few(names), *row) for row, names in alike.items()]


def render_table(data: Mapping[str, Any]) -> list[str]:
    """Return the products, the nodes, the quotas, who waits, and the notes of ``describe_stock`` as lines."""
    rows = [_PRODUCTS, *map(_product_row, [*data["products"], *(data["devices"] or ())])]
    if len(rows) == 1:
        return ["no accelerators", *data["notes"]]
    lines = [*align(rows), "", *align([_NODES, *_node_rows(data["nodes"])])]
    lines += [
        f"quota {each['namespace']}/{each['name']}: {each['used']} of {each['hard']} {each['resource']} are used, "
        f"{each['effective_free']} can be had"
        for each in data["quotas"]
    ]
    lines += [_waiting(data["waiting_pods"])] if data["waiting_pods"] else []
    return [*lines, *data["notes"]]


def _waiting(pods: Sequence[Mapping[str, Any]]) -> str:
    wanted: dict[str, int] = {}
    for pod in pods:
        for resource, amount in pod["requests"].items():
            wanted[resource] = wanted.get(resource, 0) + amount
    amounts = ", ".join(f"{amount} {resource}" for resource, amount in sorted(wanted.items()))
    return f"{len(pods)} {'pod waits' if len(pods) == 1 else 'pods wait'} for {amounts}"
