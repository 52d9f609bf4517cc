# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which node belongs to which pool, and what is wrong with that: nothing found, two pools for one node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import nearest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_labels import (
    GPU_TYPE,
    INSTANCE_TYPES,
    PRODUCTS,
    derive_labels,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.label_selector import Requirement, fits
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_plan import LiveNode
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_pool import PATH, NodePool
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import Problem

__all__ = ["Membership", "assign_nodes", "find_underivable", "matches", "some"]

_NAMES_SHOWN_MAX = 10


@dataclass(frozen=True)
class Membership:
    """The pool of each node by its name; ``leaving`` nodes lose what is ours, ``unlisted`` pools have nodes still."""

    pools: Mapping[str, NodePool] = field(default_factory=dict)
    leaving: frozenset[str] = frozenset()
    unlisted: Mapping[str, Sequence[str]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def some(names: Iterable[str], *, at_most: int = _NAMES_SHOWN_MAX) -> str:
    """Return names as text, and how many more there are beyond a limit."""
    listed = list(names)
    more = len(listed) - at_most
    return ", ".join(listed[:at_most]) + (f" and {more} more" if more > 0 else "")


def _values(node: LiveNode, keys: Sequence[str]) -> set[str]:
    return {node.labels[key] for key in keys if key in node.labels}


def _criteria(pool: NodePool, node: LiveNode) -> Iterator[tuple[str, bool]]:
    """Yield each criterion that the pool gives, and whether the node meets it."""
    selector = pool.selector
    if selector.names:
        yield "names", node.name in selector.names
    if selector.requirements:
        yield "label_selector", fits(selector.requirements, node.labels)
    if selector.gpu_products:
        yield "gpu_products", not _values(node, PRODUCTS).isdisjoint(selector.gpu_products)
    if selector.instance_types:
        yield "instance_types", not _values(node, INSTANCE_TYPES).isdisjoint(selector.instance_types)


def matches(pool: NodePool, node: LiveNode) -> bool:
    """Whether a node meets all criteria of a pool."""
    return all(met for _name, met in _criteria(pool, node))


def assign_nodes(pools: Sequence[NodePool], nodes: Sequence[LiveNode], *, prune: bool) -> Membership:
    """Return the membership of all nodes; ``prune`` lets nodes leave pools that are not listed any more."""
    found: dict[str, list[NodePool]] = {}
    problems: list[Problem] = []
    for pool in (each for each in pools if each.present):
        members = [node for node in nodes if matches(pool, node)]
        for node in members:
            found.setdefault(node.name, []).append(pool)
        problems += _find_missing_names(pool, nodes)
        if not members and not pool.allow_empty:
            problems.append(_nothing_found(pool, nodes))
    problems += _find_overlaps(found)
    listed = {pool.name for pool in pools}
    leaving: set[str] = set()
    unlisted: dict[str, list[str]] = {}
    for node in nodes:
        record = node.record
        left = record.pool if record is not None and node.name not in found else ""
        if left in listed or (left and prune):
            leaving.add(node.name)
        elif left:
            unlisted.setdefault(left, []).append(node.name)
    members_of = {name: candidates[0] for name, candidates in found.items()}
    return Membership(members_of, frozenset(leaving), unlisted, tuple(problems))


def _find_missing_names(pool: NodePool, nodes: Sequence[LiveNode]) -> list[Problem]:
    there = [node.name for node in nodes]
    missing = sorted(set(pool.selector.names) - set(there))
    return [
        Problem(
            f"{PATH}[{pool.name}].selector.names",
            "there is no such node",
            name,
            hint=f"Did you mean {guess}?" if guess else None,
        )
        for name in missing
        for guess in [nearest(name, there)]
    ]


def _find_overlaps(found: Mapping[str, Sequence[NodePool]]) -> list[Problem]:
    shared: dict[tuple[str, ...], list[str]] = {}
    for name, pools in sorted(found.items()):
        if len(pools) > 1:
            shared.setdefault(tuple(pool.name for pool in pools), []).append(name)
    return [
        Problem(
            f"{PATH}[{', '.join(pools)}].selector",
            "overlap",
            some(names),
            "one pool for each node",
            "Narrow one of the selectors.",
        )
        for pools, names in shared.items()
    ]


def _nothing_found(pool: NodePool, nodes: Sequence[LiveNode]) -> Problem:
    """Return a problem that says which criterion finds nothing, and what there is instead."""
    met: dict[str, int] = {}
    for node in nodes:
        for name, is_met in _criteria(pool, node):
            met[name] = met.get(name, 0) + is_met
    hints = []
    if met.get("label_selector") == 0:
        hints += [_explain(each, nodes) for each in pool.selector.requirements if not _met_by_any(each, nodes)]
    for criterion, keys in (("gpu_products", PRODUCTS), ("instance_types", INSTANCE_TYPES)):
        if met.get(criterion) == 0:
            wanted = getattr(pool.selector, criterion)
            hints.append(_alternatives(f"in {criterion}", wanted, {v for node in nodes for v in _values(node, keys)}))
    if not hints:
        counts = ", ".join(f"{name} {count}" for name, count in met.items())
        hints.append(f"Nodes that meet each criterion by itself: {counts or 'there is no node at all'}.")
    hints.append("For a pool that may have no nodes now set allow_empty: true.")
    message = f"matches none of the {len(nodes)} nodes"
    return Problem(f"{PATH}[{pool.name}].selector", message, hint=" ".join(hints))


def _met_by_any(requirement: Requirement, nodes: Sequence[LiveNode]) -> bool:
    return any(requirement.is_met(node.labels) for node in nodes)


def _explain(requirement: Requirement, nodes: Sequence[LiveNode]) -> str:
    values = {node.labels[requirement.key] for node in nodes if requirement.key in node.labels}
    if values:
        return _alternatives(f"with {requirement.key}", requirement.values, values)
    return _alternatives("with the label", (requirement.key,), {key for node in nodes for key in node.labels})


def _alternatives(where: str, wanted: Sequence[str], there: set[str]) -> str:
    guesses = [guess for each in wanted for guess in [nearest(each, sorted(there))] if guess]
    nearby = f" Did you mean {some(guesses)}?" if guesses else ""
    return f"No node {where} {some(wanted)}; there are {some(sorted(there)) or 'none'}.{nearby}"


def find_underivable(members: Mapping[str, NodePool], nodes: Sequence[LiveNode]) -> list[Problem]:
    """Return a problem for each pool with nodes of which no label tells the GPU."""
    unknown: dict[str, list[str]] = {}
    for node in nodes:
        pool = members.get(node.name)
        if pool is not None and pool.accelerator and GPU_TYPE not in node.labels and derive_labels(node.labels) is None:
            unknown.setdefault(pool.name, []).append(node.name)
    return [
        Problem(
            f"{PATH}[{name}]",
            f"no label of {len(names)} nodes tells which GPU they have",
            some(names),
            f"one of {', '.join(PRODUCTS)}, or an instance type of AWS or Azure that names it",
            f"Wait for GPU Feature Discovery, or set {GPU_TYPE} in the pool's labels with derive_labels: false.",
        )
        for name, names in unknown.items()
    ]
