# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the GPU Operator has done its work: everything is ready, and the GPUs can be allocated.

A ClusterPolicy says ``ready`` in a cluster without a single GPU, speaks of an older spec for a while, and flutters
during upgrades of drivers; so its word is needed, but never enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator import (
    GpuNode,
    GpuPod,
    Policy,
    Snapshot,
)

__all__ = [
    "Expectation",
    "GateState",
    "at_rest",
    "evaluate_operator",
    "find_blockers",
    "find_differences",
    "judge_node",
]

# The state machine of driver upgrades: at rest, or ended badly; every other word is a step on the way.
_AT_REST, _FAILED = ("", "upgrade-done"), "upgrade-failed"
_MIG_FAILED, _MIG_WORKS = "failed", ("pending", "rebooting")
_NAMED_MAX = 5


@dataclass(frozen=True)
class Expectation:
    """What must be: so many usable nodes at least, GPUs by node (all resources of NVIDIA together), a ClusterPolicy."""

    nodes_min: int = 1
    gpus: Mapping[str, int] = field(default_factory=dict)
    policy: str | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GateState:
    """``ready``, ``waiting`` or ``failed`` (waiting is useless), with what is still wrong, and a line of progress."""

    state: str
    reasons: tuple[str, ...] = ()
    summary: str = ""


def at_rest(node: GpuNode) -> bool:
    """Whether no driver upgrade of a node is under way, or has failed."""
    return node.upgrade in _AT_REST


def find_blockers(node: str, pods: tuple[GpuPod, ...]) -> list[str]:
    """Return the pods that hold GPUs of a node, as ``namespace/name``."""
    return [f"{each.namespace}/{each.name}" for each in pods if each.node == node and not each.refused]


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return ", ".join(names[:_NAMED_MAX]) + more


def _judge_policy(snapshot: Snapshot, expected: Expectation, failed: list[str], waiting: list[str]) -> None:
    policies = {each.name: each for each in snapshot.policies}
    if not policies:
        failed.append("there is no ClusterPolicy, so the operator has nothing to do. Check clusterPolicy.deployCR")
        return
    if expected.policy is not None and expected.policy not in policies:
        failed.append(f"there is no ClusterPolicy {expected.policy}; there is {_named(sorted(policies))}")
        return
    active = [each for each in snapshot.policies if each.state != "ignored"]
    policy = policies[expected.policy] if expected.policy else (active or list(snapshot.policies))[0]
    if policy.state == "ignored":
        others = _named(sorted(set(policies) - {policy.name})) or "none that is visible"
        failed.append(f"ClusterPolicy {policy.name} is ignored, because another one rules ({others}). Delete one")
        return
    failed.extend(
        f"ClusterPolicy {policy.name}: {path} was set to {wanted!r} and is {live!r}: the CustomResourceDefinition "
        "does not know the field (or another writer has changed it). Apply the chart's crds/"
        for path, wanted, live in find_differences(expected.spec, policy.spec)
    )
    if policy.state != "ready":
        waiting.append(_describe(policy))


def _describe(policy: Policy) -> str:
    said = ": ".join(part for part in (policy.reason, policy.words) if part)
    return f"ClusterPolicy {policy.name} is {policy.state or 'without a state'}" + (f" ({said})" if said else "")


def find_differences(wanted: Any, live: Any, path: str = "spec") -> list[tuple[str, Any, Any]]:
    """Return where ``live`` lacks a field of ``wanted`` or has another value: path, wanted, live (None: not there).

    Empty lists and mappings that are not there are no difference: the API leaves them out as it likes.
    """
    if isinstance(wanted, Mapping):
        if not isinstance(live, Mapping):
            return [(path, wanted, live)] if wanted else []
        return [
            each for key, value in wanted.items() for each in find_differences(value, live.get(key), f"{path}.{key}")
        ]
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        pairs = enumerate(zip(wanted, live))
        return [each for n, (one, other) in pairs for each in find_differences(one, other, f"{path}[{n}]")]
    if wanted == live or (wanted in ([], None) and live is None):
        return []
    return [(path, wanted, live)]


def judge_node(node: GpuNode, expected: Expectation, pods: tuple[GpuPod, ...]) -> tuple[list[str], list[str]]:
    """Return what has failed on a node, and what it still waits for."""
    failed, waiting = [], []
    holders = find_blockers(node.name, pods)
    held = f"; pods with GPUs on it: {_named(holders)}" if holders else ""
    if node.upgrade == _FAILED:
        failed.append(
            f"node {node.name}: its driver upgrade is in upgrade-failed{held}. Remove the cause, then label the node "
            "nvidia.com/gpu-driver-upgrade-state=upgrade-required"
        )
    elif not at_rest(node) and not node.held:
        waiting.append(f"node {node.name}: its driver upgrade is in {node.upgrade}{held}")
    if node.mig_state == _MIG_FAILED:
        failed.append(
            f"node {node.name}: MIG profile {node.mig} could not be set (nvidia.com/mig.config.state=failed){held}"
        )
    elif node.mig_state in _MIG_WORKS:
        waiting.append(f"node {node.name}: MIG profile {node.mig} is {node.mig_state}")
    if not node.ready:
        waiting.append(f"node {node.name} is not ready")
    if node.paused:
        waiting.append(f"node {node.name}: operands are paused ({', '.join(node.paused)})")
    offered, has = sum(node.allocatable.values()), sum(node.capacity.values())
    wanted = expected.gpus.get(node.name)
    if wanted is not None and offered != wanted:
        waiting.append(f"node {node.name} has {offered} allocatable GPUs, {wanted} expected")
    elif offered == 0:
        waiting.append(f"node {node.name} has no allocatable GPU")
    elif offered < has and wanted is None:
        waiting.append(f"node {node.name} has {offered} allocatable GPUs of {has}: the others are not healthy")
    return failed, waiting


def evaluate_operator(snapshot: Snapshot, expected: Expectation, namespace: str) -> GateState:
    """Judge one look; ``failed`` as soon as waiting is useless."""
    failed: list[str] = []
    waiting: list[str] = []
    _judge_policy(snapshot, expected, failed, waiting)
    operator = snapshot.operator
    if not operator.found:
        failed.append(f"namespace {namespace} has no Deployment of the operator (pods labelled app=gpu-operator)")
    elif operator.ready < operator.wanted:
        waiting.append(f"the operator has {operator.ready} of {operator.wanted} pods ready")
    failed.extend(
        f"pod {pod.namespace}/{pod.name} of {pod.owner or 'no owner'} on node {pod.node or 'none yet'}: {pod.trouble}"
        for pod in snapshot.pods
        if pod.trouble is not None
    )
    for operand in snapshot.operands:
        if not operand.ready:
            stale = "" if operand.observed else ", and its controller has not seen its newest form"
            waiting.append(
                f"DaemonSet {operand.namespace}/{operand.name} is available on {operand.available} and up to date on "
                f"{operand.updated} of {operand.desired} nodes{stale}"
            )
    nodes = [each for each in snapshot.nodes if each.present and each.operands]
    known = {each.name for each in nodes}
    for node in nodes:
        its_failed, its_waiting = judge_node(node, expected, snapshot.gpu_pods)
        failed += its_failed
        waiting += its_waiting
    missing = sorted(set(expected.gpus) - known)
    waiting.extend(
        f"node {name} has no GPU that Node Feature Discovery sees, {expected.gpus[name]} expected"
        for name in missing
        if expected.gpus[name] > 0
    )
    usable = [each for each in nodes if sum(each.allocatable.values()) > 0]
    if len(usable) < expected.nodes_min:
        waiting.append(
            f"{len(usable)} of {len(nodes)} nodes with GPUs have any to allocate, {expected.nodes_min} expected: "
            "taints that Node Feature Discovery or the operands do not tolerate keep them away without an error"
        )
    ready = sum(each.ready for each in snapshot.operands)
    gpus = sum(sum(each.allocatable.values()) for each in nodes)
    summary = f"{ready}/{len(snapshot.operands)} DaemonSets ready, {len(usable)}/{len(nodes)} nodes with {gpus} GPUs"
    if failed:
        return GateState("failed", (*failed, *waiting), summary)
    return (
        GateState("waiting", tuple(waiting), f"{summary}; {waiting[0]}") if waiting else GateState("ready", (), summary)
    )
