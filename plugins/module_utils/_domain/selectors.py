# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selectors of labels, as pods, nodes and affinity terms use them.

See https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ and
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#NodeSelectorRequirement
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import label_selector

__all__ = ["NodeTerm", "Requirement", "Selector", "matches", "parse_node_terms", "parse_selector", "term_matches"]


@dataclass(frozen=True)
class Requirement(label_selector.Requirement):
    """One requirement on a label, which can be told to people."""

    def __str__(self) -> str:
        if self.operator == "In" and len(self.values) == 1:
            return f"{self.key}={self.values[0]}"
        if self.operator in ("Exists", "DoesNotExist"):
            return self.key if self.operator == "Exists" else f"no {self.key}"
        return f"{self.key} {self.operator} {', '.join(self.values)}"


Selector = tuple[Requirement, ...]


@dataclass(frozen=True)
class NodeTerm:
    """Conditions on a node's labels and its name that all must hold; a term without any matches no node."""

    labels: Selector = ()
    fields: Selector = ()

    def __str__(self) -> str:
        return " and ".join(map(str, (*self.labels, *self.fields))) or "nothing"


def _requirements(items: Sequence[Mapping[str, Any]] | None) -> Selector:
    return tuple(
        Requirement(str(each.get("key")), str(each.get("operator")), tuple(map(str, each.get("values") or ())))
        for each in items or ()
    )


def parse_selector(item: Mapping[str, Any] | None) -> Selector | None:
    """Return a label selector; None (which selects nothing) where there is none, an empty one selects everything."""
    if item is None:
        return None
    pairs = tuple(Requirement(key, "In", (str(value),)) for key, value in (item.get("matchLabels") or {}).items())
    return (*pairs, *_requirements(item.get("matchExpressions")))


def matches(selector: Selector | None, labels: Mapping[str, str]) -> bool:
    """Whether labels are selected."""
    return selector is not None and all(each.is_met(labels) for each in selector)


def parse_node_terms(item: Mapping[str, Any] | None) -> tuple[NodeTerm, ...] | None:
    """Return the alternatives of a node selector, or None where any node will do."""
    if item is None:
        return None
    return tuple(
        NodeTerm(_requirements(term.get("matchExpressions")), _requirements(term.get("matchFields")))
        for term in item.get("nodeSelectorTerms") or ()
    )


def term_matches(term: NodeTerm, name: str, labels: Mapping[str, str]) -> bool:
    """Whether a node of this name and these labels fulfils a term."""
    if not term.labels and not term.fields:
        return False
    return all(each.is_met(labels) for each in term.labels) and all(
        each.is_met({"metadata.name": name}) for each in term.fields
    )
