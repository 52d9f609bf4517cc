# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences of the plan: risks, and what volumes forbid."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.board import Board, selects
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.roll import Finding
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_data import Change

__all__ = [
    "amount",
    "few",
    "figure",
    "growth",
    "lonely",
    "luck",
    "single_node_claim",
    "single_pod_claim",
]

_FEW = 4
_GIB = 1024**3


def few(names: Sequence[str], limit: int = _FEW) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")


def amount(resource: str, number: int) -> str:
    """Return an amount of a resource with its unit: ``1500m cpu``, ``16.0 GiB memory``, ``2 nvidia.com/gpu``."""
    return f"{figure(resource, number)} {resource}"


def figure(resource: str, number: int) -> str:
    """Return an amount without the resource's name."""
    if resource == "cpu":
        return f"{number}m"
    return f"{number / _GIB:.1f} GiB" if resource in ("memory", "ephemeral-storage") else str(number)


def luck(strategy: str, finding: Finding) -> str:
    """Return why a course may hang although it can work."""
    return (
        f"{strategy} may hang: whether it goes on depends on which old pods Kubernetes removes first (with "
        f"{finding.left} of them left {finding.need} new pods must find a node, and it can be that {finding.have} do)"
    )


def growth(change: Change, finding: Finding) -> str:
    """Return that a plan counts on nodes that are not there yet."""
    return (
        f"there is no room now: {finding.have} of {max(finding.need, 1)} new pods find a node, for "
        f"{change.replicas} replicas an autoscaler has to add nodes (nodes_may_grow)"
    )


def lonely(change: Change, board: Board) -> list[str]:
    """Return a word about anti-affinity that keeps nothing apart, as its labels are nobody's."""
    needs = change.needs
    found = []
    for term in needs.apart:
        if term.selector and not selects(term, needs.namespace, needs.labels) and not any(board.select(term)):
            wanted = ", ".join(map(str, term.selector))
            found.append(
                f"its pod anti-affinity means pods with {wanted}, and there is none: the release's own pods carry "
                "other labels (placement.anti_affinity keeps them apart)"
            )
    return found


def single_pod_claim(change: Change, claim: str, users: Sequence[str]) -> str:
    """Return why a volume of one pod is not enough."""
    used = f", and {few(users)} uses it" if users else ""
    return (
        f"PersistentVolumeClaim {change.namespace}/{claim} is ReadWriteOncePod: one pod of the cluster may use it, "
        f"{change.replicas} replicas are wanted{used}"
    )


def single_node_claim(change: Change, claim: str, nodes: Sequence[str]) -> str:
    """Return why a volume of one node is not enough."""
    return (
        f"PersistentVolumeClaim {change.namespace}/{claim} is ReadWriteOnce, which one node at a time can use, and its "
        f"pods may come to {len(nodes)} nodes ({few(nodes)}): one on another node waits for the volume for ever"
    )
