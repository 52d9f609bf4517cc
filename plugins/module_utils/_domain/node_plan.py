# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a node's labels, annotations and taints is ours, and the one patch that makes it what its pool wants.

The API keeps ``spec.taints`` as one atomic list: whoever applies it server-side owns all of it. So a patch carries the
whole list, computed from the one that was read and guarded by its resource version. What is ours is remembered in one
annotation of the node, with the values that we have set: a label or taint that has another value now was taken over by
somebody else. ``managedFields`` would not do: they know one owner of all taints, and anybody may empty them. They serve
to name that somebody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Taint
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_pool import NodePool
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import parse_quantity

__all__ = ["RECORD", "Conflict", "LiveNode", "NodePlan", "Record", "parse_live_node", "plan_node"]

RECORD = "llmops.dev/node-pool-applied"


@dataclass(frozen=True)
class LiveNode:
    """A node as it was read; ``taints`` as the API writes them, ``allocatable`` as text."""

    name: str
    version: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Mapping[str, Any]] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)
    managed_fields: Sequence[Mapping[str, Any]] = ()

    @property
    def record(self) -> Record | None:
        """What we have set on the node; None when the annotation cannot be read."""
        text = self.annotations.get(RECORD)
        return Record() if text is None else _parse_record(text)

    def count(self, resource: str | None) -> int:
        """Return how many pieces of a resource pods may have on the node."""
        return int(parse_quantity(self.allocatable.get(resource or "", "0")))


@dataclass(frozen=True)
class Record:
    """What we have set on a node, for which pool."""

    pool: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()

    def render(self) -> str | None:
        """Return the text of the annotation; None when nothing is ours."""
        if not (self.labels or self.annotations or self.taints):
            return None
        taints = [[each.key, each.effect, each.value] for each in self.taints]
        content = {"annotations": self.annotations, "labels": self.labels, "pool": self.pool, "taints": taints}
        return json.dumps(content, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Conflict:
    """A field that somebody else has set to another value; ``managers`` are those that the API server knows."""

    field: str
    live: str
    wanted: str
    managers: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodePlan:
    """What changes on a node: None takes a label or an annotation away; ``taints`` None leaves the list as it is."""

    node: LiveNode
    pool: str
    labels: Mapping[str, str | None] = field(default_factory=dict)
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    taints: Sequence[Mapping[str, Any]] | None = None
    added: tuple[Taint, ...] = ()
    removed: tuple[Taint, ...] = ()
    conflicts: tuple[Conflict, ...] = ()

    @property
    def patch(self) -> dict[str, Any] | None:
        """Return the merge patch, which the server refuses when the node has changed since it was read."""
        if not self.labels and not self.annotations and self.taints is None:
            return None
        metadata: dict[str, Any] = {"resourceVersion": self.node.version}
        metadata.update({"labels": dict(self.labels)} if self.labels else {})
        metadata.update({"annotations": dict(self.annotations)} if self.annotations else {})
        return {"metadata": metadata, **({} if self.taints is None else {"spec": {"taints": list(self.taints)}})}

    @property
    def labels_after(self) -> dict[str, str]:
        """Return the labels that the node will have."""
        merged = {**self.node.labels, **self.labels}
        return {key: value for key, value in merged.items() if value is not None}


def parse_live_node(item: Mapping[str, Any]) -> LiveNode:
    """Return a node from the API's object."""
    metadata = item["metadata"]
    return LiveNode(
        metadata["name"],
        metadata.get("resourceVersion") or "",
        metadata.get("labels") or {},
        metadata.get("annotations") or {},
        (item.get("spec") or {}).get("taints") or (),
        (item.get("status") or {}).get("allocatable") or {},
        metadata.get("managedFields") or (),
    )


@lru_cache(maxsize=64)
def _parse_record(text: str) -> Record | None:
    """Return what an annotation says; the nodes of a pool mostly say the same."""
    try:
        content = json.loads(text)
        taints = tuple(Taint(key, effect, value) for key, effect, value in content["taints"])
        return Record(str(content["pool"]), dict(content["labels"]), dict(content["annotations"]), taints)
    except (ValueError, TypeError, KeyError):
        return None


def _managers(node: LiveNode, *path: str) -> tuple[str, ...]:
    """Return who has set a field, such as ``("f:metadata", "f:labels", "f:a")``."""
    found = []
    for entry in node.managed_fields:
        fields = entry.get("fieldsV1")
        for part in path:
            fields = fields.get(part) if isinstance(fields, Mapping) else None
        if fields is not None:
            found.append(str(entry.get("manager")))
    return tuple(sorted(set(found)))


class _Texts:
    """The labels or the annotations of a node: what changes, what is ours afterwards, what is in the way."""

    def __init__(self, node: LiveNode, kind: str, ours: Mapping[str, str]) -> None:
        self.node, self.kind = node, kind
        self.live: Mapping[str, str] = node.labels if kind == "label" else node.annotations
        self.ours = {key for key, value in ours.items() if self.live.get(key) == value}
        self.changes: dict[str, str | None] = {}
        self.kept: dict[str, str] = {}
        self.conflicts: list[Conflict] = []

    def want(self, wanted: Mapping[str, str], optional: Mapping[str, str], *, force: bool) -> _Texts:
        """Decide on every key; ``optional`` ones are set only where nobody else has set them."""
        for key, value in {**optional, **wanted}.items():
            live = self.live.get(key)
            if live == value and key not in self.ours:
                continue  # somebody else wants the same: it stays theirs
            if live is None or key in self.ours or (force and key in wanted):
                self.kept[key] = value
                self.changes.update({key: value} if live != value else {})
            elif key in wanted:
                managers = _managers(self.node, "f:metadata", f"f:{self.kind}s", f"f:{key}")
                self.conflicts.append(Conflict(f"{self.kind} {key}", live, value, managers))
        self.changes.update(dict.fromkeys(self.ours - set(self.kept)))
        return self


def _show(taint: Taint) -> str:
    return f"{taint.value}:{taint.effect}" if taint.value else taint.effect


def _taint(raw: Mapping[str, Any]) -> Taint:
    return Taint(raw["key"], raw["effect"], raw.get("value") or "")


def _raw(taint: Taint) -> dict[str, str]:
    return {"key": taint.key, **({"value": taint.value} if taint.value else {}), "effect": taint.effect}


class _Taints:
    """The taints of a node: the list afterwards, what of it is ours, what is in the way."""

    def __init__(self, node: LiveNode, ours: Sequence[Taint], wanted: Sequence[Taint], *, force: bool) -> None:
        self.conflicts: list[Conflict] = []
        live = [_taint(raw) for raw in node.taints]
        still_ours = set(ours) & set(live)
        missing = {(each.key, each.effect): each for each in wanted}
        after: list[Mapping[str, Any]] = []
        self.kept: list[Taint] = []
        for raw, taint in zip(node.taints, live):
            new = missing.pop((taint.key, taint.effect), None)
            if new == taint:
                after.append(raw)
                self.kept += [taint] if taint in still_ours else []
            elif new is not None and (taint in still_ours or force):
                after.append(_raw(new))
                self.kept.append(new)
            elif taint not in still_ours:
                after.append(raw)
                if new is not None:
                    managers = _managers(node, "f:spec", "f:taints")
                    self.conflicts.append(Conflict(f"taint {taint.key}", _show(taint), _show(new), managers))
        after += [_raw(each) for each in missing.values()]
        self.kept += missing.values()
        then = [_taint(raw) for raw in after]
        self.added = tuple(each for each in then if each not in live)
        self.removed = tuple(each for each in live if each not in then)
        self.after = after if self.added or self.removed else None


def plan_node(node: LiveNode, pool: NodePool | None, optional: Mapping[str, str], *, force: bool) -> NodePlan:
    """Return what makes a node what a pool wants; without a pool, what takes away all that is ours.

    ``optional`` are labels for a node on which nobody else has set them.
    """
    record = node.record
    unreadable = record is None
    record = record or Record()
    wanted = pool or NodePool("")
    labels = _Texts(node, "label", record.labels).want(wanted.labels, optional, force=force)
    annotations = _Texts(node, "annotation", record.annotations).want(wanted.annotations, {}, force=force)
    taints = _Taints(node, record.taints, wanted.taints, force=force)
    conflicts = [*labels.conflicts, *annotations.conflicts, *taints.conflicts]
    if unreadable and not force:
        managers = _managers(node, "f:metadata", "f:annotations", f"f:{RECORD}")
        conflicts.append(Conflict(f"annotation {RECORD}", "unreadable", "what this collection has set", managers))
    after = Record(wanted.name, labels.kept, annotations.kept, tuple(sorted(taints.kept, key=_order)))
    changes = dict(annotations.changes)
    if unreadable or (after != record and (after.render() is not None or RECORD in node.annotations)):
        changes[RECORD] = after.render()
    return NodePlan(
        node=node,
        pool=wanted.name or record.pool,
        labels=labels.changes,
        annotations={key: value for key, value in changes.items() if value is not None or key in node.annotations},
        taints=taints.after,
        added=taints.added,
        removed=taints.removed,
        conflicts=tuple(conflicts),
    )


def _order(taint: Taint) -> tuple[str, str]:
    return taint.key, taint.effect


def describe_side(plan: NodePlan, *, after: bool) -> Iterator[str]:
    """Yield lines with what a plan is about, before or after it: the labels and annotations it changes, all taints."""
    sections = (("labels", plan.node.labels, plan.labels), ("annotations", plan.node.annotations, plan.annotations))
    for title, live, changes in sections:
        shown = {key: changes[key] if after else live.get(key) for key in sorted(changes)}
        lines = [f"  {key}: {value}" for key, value in shown.items() if value is not None]
        yield from ([f"{title}:", *lines] if lines else [])
    if plan.taints is not None:
        lines = [f"  {each.key}={_show(each)}" for each in map(_taint, plan.taints if after else plan.node.taints)]
        yield from (["taints:", *lines] if lines else [])
