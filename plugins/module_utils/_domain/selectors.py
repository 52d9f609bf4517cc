# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selectors of labels, as pods, nodes and affinity terms use them.

See https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ and
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#NodeSelectorRequirement
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.label_selector import (
    Requirement,
    fits,
    parse_expressions,
)

__all__ = ["NodeTerm", "Selector", "matches", "parse_node_terms", "parse_selector", "term_matches"]


Selector = tuple[Requirement, ...]


@dataclass(frozen=True)
class NodeTerm:
    """Conditions on a node's labels and its name that all must hold; a term without any matches no node."""

    labels: Selector = ()
    fields: Selector = ()

    def __str__(self) -> str:
        return " and ".join(map(str, (*self.labels, *self.fields))) or "nothing"


def parse_selector(item: Mapping[str, Any] | None) -> Selector | None:
    """Return a label selector; None (which selects nothing) where there is none, an empty one selects everything."""
    if item is None:
        return None
    pairs = tuple(Requirement(key, "In", (str(value),)) for key, value in (item.get("matchLabels") or {}).items())
    return (*pairs, *parse_expressions(item.get("matchExpressions")))


def matches(selector: Selector | None, labels: Mapping[str, str]) -> bool:
    """Whether labels are selected."""
    return selector is not None and fits(selector, labels)


def parse_node_terms(item: Mapping[str, Any] | None) -> tuple[NodeTerm, ...] | None:
    """Return the alternatives of a node selector, or None where any node will do."""
    if item is None:
        return None
    return tuple(
        NodeTerm(parse_expressions(term.get("matchExpressions")), parse_expressions(term.get("matchFields")))
        for term in item.get("nodeSelectorTerms") or ()
    )


def term_matches(term: NodeTerm, name: str, labels: Mapping[str, str]) -> bool:
    """Whether a node of this name and these labels fulfils a term."""
    if not term.labels and not term.fields:
        return False
    return fits(term.labels, labels) and fits(term.fields, {"metadata.name": name})
