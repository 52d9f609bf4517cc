# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which held node gets its new driver next, and how far it is with it."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator import GpuNode, Snapshot
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator_verdict import (
    Expectation,
    at_rest,
    find_blockers,
    judge_node,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["find_busy", "find_wave", "is_stale", "judge_wave", "order_nodes"]


def order_nodes(snapshot: Snapshot, names: Sequence[str]) -> list[str]:
    """Return the held nodes, those with the fewest pods with GPUs first: who is evicted later may move there.

    With ``names`` only these, of which each must be there; raise InputError otherwise.
    """
    known = {each.name: each for each in snapshot.nodes if each.present and each.operands and each.driver}
    problems = [
        Problem("nodes", f"{name} is no node with the operator's driver", allowed=", ".join(sorted(known)) or "none")
        for name in names
        if name not in known
    ]
    if problems:
        raise InputError(problems)
    held = [name for name, node in known.items() if node.held and (not names or name in names)]
    return sorted(held, key=lambda name: (len(find_blockers(name, snapshot.gpu_pods)), name))


def find_wave(snapshot: Snapshot, name: str) -> GpuNode | None:
    """Return a node as it is now; None where it is gone."""
    return next((each for each in snapshot.nodes if each.name == name), None)


def is_stale(snapshot: Snapshot, name: str) -> bool:
    """Whether a node lacks a driver's pod of the newest form; the label of its upgrade may not say so yet."""
    for operand in snapshot.operands:
        pods = [pod for pod in snapshot.pods if pod.node == name and pod.owner == operand.name]
        if operand.on_delete and not any(pod.template >= operand.template for pod in pods):
            return True
    return False


def judge_wave(snapshot: Snapshot, name: str) -> tuple[str, list[str]]:
    """Return ``done``, ``waiting`` or ``failed``, and why."""
    node = find_wave(snapshot, name)
    if node is None:
        return "failed", [f"node {name} is gone"]
    failed, waiting = judge_node(node, Expectation(), snapshot.gpu_pods)
    failed += [
        f"pod {pod.namespace}/{pod.name} of {pod.owner or 'no owner'} on node {name}: {pod.trouble}"
        for pod in snapshot.pods
        if pod.node == name and pod.trouble is not None
    ]
    if failed:
        return "failed", failed
    if is_stale(snapshot, name):
        waiting.append(f"node {name} has no driver's pod of the newest form")
    if node.cordoned:
        waiting.append(f"node {name} is cordoned")
    return ("waiting", waiting) if waiting else ("done", [])


def find_busy(snapshot: Snapshot, name: str) -> tuple[list[str], list[str]]:
    """Return what has failed, and what is not over, on other nodes that are let go: one wave ends before the next.

    A node whose driver is the newest and at rest does not count, whatever else it lacks.
    """
    failed: list[str] = []
    waiting: list[str] = []
    for node in snapshot.nodes:
        let_go = node.present and node.operands and node.driver and not node.held and node.name != name
        if let_go and (not at_rest(node) or is_stale(snapshot, node.name)):
            state, reasons = judge_wave(snapshot, node.name)
            (failed if state == "failed" else waiting).extend(reasons)
    return failed, waiting
