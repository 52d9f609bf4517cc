# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened to nodes, as data and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Taint
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_stack import Evicted
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_membership import some
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_plan import NodePlan, describe_side
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.table import align

__all__ = [
    "ACTIONS",
    "NodeResult",
    "describe_blocked",
    "describe_conflicts",
    "describe_evicted",
    "describe_failures",
    "describe_lost",
    "render_diff",
    "render_nodes",
    "render_table",
]

ACTIONS = ("changed", "unchanged", "failed", "vanished", "not_tried")
_PODS_SHOWN_MAX = 20


@dataclass(frozen=True)
class NodeResult:
    """What happened to one node: an action of ``ACTIONS``, and why where it failed."""

    plan: NodePlan
    action: str
    error: str = ""


def _show(taint: Taint) -> str:
    return f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"


def render_nodes(results: Sequence[NodeResult]) -> list[dict[str, Any]]:
    """Return one item per node, with only what there is to say."""
    nodes = []
    for each in results:
        plan = each.plan
        item: dict[str, Any] = {"name": plan.node.name, "pool": plan.pool, "action": each.action}
        if each.action != "unchanged":
            details = {
                "labels": dict(plan.labels),
                "annotations": dict(plan.annotations),
                "taints_added": [_show(taint) for taint in plan.added],
                "taints_removed": [_show(taint) for taint in plan.removed],
                "error": each.error,
            }
            item.update({name: value for name, value in details.items() if value})
        nodes.append(item)
    return nodes


def render_diff(results: Sequence[NodeResult]) -> list[dict[str, str]]:
    """Return both sides of each node that changes: the labels and annotations concerned, and all taints."""
    diff = []
    for each in results:
        if each.action == "changed":
            header = f"Node {each.plan.node.name}"
            before, after = ("".join(f"{line}\n" for line in describe_side(each.plan, after=a)) for a in (False, True))
            diff.append({"before_header": header, "after_header": header, "before": before, "after": after})
    return diff


def render_table(pools: Sequence[str], results: Sequence[NodeResult]) -> list[str]:
    """Return a line per pool with the number of its nodes by what happened to them."""
    rows = [("POOL", "NODES", *(action.upper().replace("_", " ") for action in ACTIONS))]
    names = [*pools, *sorted({each.plan.pool for each in results} - set(pools))]
    for name in names:
        actions = [each.action for each in results if each.plan.pool == name]
        rows.append((name, str(len(actions)), *(str(actions.count(action)) for action in ACTIONS)))
    return align(rows)


def describe_conflicts(plans: Sequence[NodePlan], cluster: str) -> str:
    """Return the words for fields that others have set, nodes with the same conflict together."""
    groups: dict[str, list[str]] = {}
    for plan in plans:
        for each in plan.conflicts:
            by = f", set by {' and '.join(each.managers)}" if each.managers else ""
            words = f"{each.field} is {each.live!r}{by}; pool {plan.pool} wants {each.wanted!r}"
            groups.setdefault(words, []).append(plan.node.name)
    lines = "\n".join(f"- {words} (nodes: {some(names)})" for words, names in groups.items())
    return (
        f"Others have set what the pools want otherwise, on {len(plans)} nodes of {cluster}; nothing was changed:\n"
        f"{lines}\n"
        "Change the pool, stop the other tool, or set force_conflicts: true to take the fields over"
    )


def describe_blocked(blocked: Mapping[tuple[str, Taint], Sequence[str]], cluster: str) -> str:
    """Return the words for taints that the GPU stack does not tolerate."""
    lines = "\n".join(
        f"- DaemonSet {daemonset} does not tolerate {_show(taint)} (nodes: {some(names)})"
        for (daemonset, taint), names in blocked.items()
    )
    return (
        f"New taints would keep the GPU stack away from its nodes on {cluster}, and with the next restart of its pods "
        f"their GPUs would be gone; nothing was changed:\n{lines}\n"
        "Add the toleration first (in the GPU Operator's values: daemonsets.tolerations and "
        "node-feature-discovery.worker.tolerations), or choose a taint that they tolerate, such as "
        "nvidia.com/gpu:NoSchedule"
    )


def describe_evicted(evicted: Sequence[Evicted], cluster: str) -> str:
    """Return the words for pods that a taint would evict without consent."""
    pods = [
        f"{each.namespace}/{each.name} on {each.node}"
        + (f" after {each.after_seconds:g} s" if each.after_seconds else "")
        for each in evicted
    ]
    listed = some(pods, at_most=_PODS_SHOWN_MAX) or "no pod as of now"
    return (
        f"New NoExecute taints on {cluster} evict what does not tolerate them, {len(evicted)} pods: {listed}. Nothing "
        "was changed. Set allow_eviction: true to go on, or use NoSchedule, which moves no pod"
    )


def describe_lost(lost: Mapping[str, tuple[str, int, int]], seconds: float, cluster: str) -> str:
    """Return the words for accelerators that cannot be allocated since the taints are on."""
    nodes = some(f"{name} ({resource}: {had} before, {has} now)" for name, (resource, had, has) in lost.items())
    return (
        f"The taints are on, and {len(lost)} nodes of {cluster} have lost their accelerators, as seen {seconds:.1f} s "
        f"later: {nodes}. Look at the device plugin's pods on them; taking the taint out of the pool and running again "
        "removes it"
    )


def describe_failures(results: Sequence[NodeResult], cluster: str) -> str | None:
    """Return the words for what was not done, and what was; None when all was."""
    failed = [each for each in results if each.action == "failed"]
    waiting = [each.plan.node.name for each in results if each.action == "not_tried"]
    if not failed and not waiting:
        return None
    reasons: dict[str, list[str]] = {}
    for each in failed:
        # Messages differ by the node's name alone: told once for all nodes with the same reason.
        reasons.setdefault(each.error.replace(each.plan.node.name, "NODE"), []).append(each.plan.node.name)
    lines = [f"- {some(names)}: {reason}" for reason, names in reasons.items()]
    lines += [f"- not tried after that: {some(waiting)}"] if waiting else []
    done = sum(each.action == "changed" for each in results)
    return (
        f"{len(failed) + len(waiting)} of {len(results)} nodes of {cluster} were not changed, {done} were:\n"
        + "\n".join(lines)
        + "\nRun again to finish: what is done is not done twice"
    )
