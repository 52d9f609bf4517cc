# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Giving nodes the labels, annotations and taints of their pools, and proving that their GPUs stay allocatable.

One list of all nodes; with nothing to change that is all. Else every check comes first (who else has set a field, does
the GPU stack tolerate new taints, which pods would go), then one guarded patch for each node that differs, in parallel.
A node that fails does not stop the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Taint
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_labels import derive_labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_stack import (
    SOFT,
    Evicted,
    find_blocked,
    find_evicted,
    find_lost,
    parse_operands,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_membership import (
    Membership,
    assign_nodes,
    find_underivable,
    matches,
    some,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_plan import (
    LiveNode,
    NodePlan,
    parse_live_node,
    plan_node,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_pool import NO_EXECUTE, NodePool
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_report import (
    NodeResult,
    describe_blocked,
    describe_conflicts,
    describe_evicted,
    describe_failures,
    describe_lost,
    render_diff,
    render_nodes,
    render_table,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Clock, ClusterApi, Outcome

__all__ = ["Request", "apply_pools"]

# A node's status changes its version every few seconds at most; five changes in a row are a fight between two tools.
_TRIES_MAX = 5
_LOOK_PERIOD_SECONDS = 1.0


@dataclass(frozen=True)
class Request:
    """What to do; ``verify_seconds`` is how long accelerators are watched after taints that evict pods."""

    pools: Sequence[NodePool]
    check_mode: bool = False
    force_conflicts: bool = False
    allow_eviction: bool = False
    derive_labels: bool = False
    prune: bool = False
    verify_seconds: float = 0.0


def apply_pools(request: Request, api: ClusterApi, clock: Clock) -> Outcome:
    """Make the nodes what their pools say; raises before the first write, returns a failure after it."""
    nodes = [parse_live_node(item) for item in api.list_objects("Node", None)]
    membership = assign_nodes(request.pools, nodes, prune=request.prune)
    problems = [*membership.problems]
    if request.derive_labels:
        problems += find_underivable(membership.pools, nodes)
    if problems:
        raise InputError(problems)
    concerned = sorted({*membership.pools, *membership.leaving})
    by_name = {node.name: node for node in nodes}
    plans = [_plan(by_name[name], membership.pools.get(name), request) for name in concerned]
    if in_conflict := [plan for plan in plans if plan.conflicts]:
        names = [plan.node.name for plan in in_conflict]
        raise ClusterError(describe_conflicts(in_conflict, api.cluster), {"nodes": names})
    pending = [plan for plan in plans if plan.patch is not None]
    evicted = _check(pending, request, api) if pending else ()
    stopped: list[str] = []
    calls = [partial(_write, plan, membership.pools.get(plan.node.name), request, api, stopped) for plan in pending]
    written = {result.plan.node.name: result for result in api.side_by_side(calls)}
    results = [written.get(plan.node.name) or NodeResult(plan, "unchanged") for plan in plans]
    proof = _Proof([] if request.check_mode else results, membership.pools)
    proof.watch(request.verify_seconds, api, clock)
    return _outcome(request, membership, results, evicted, proof, api.cluster)


def _plan(node: LiveNode, pool: NodePool | None, request: Request) -> NodePlan:
    derived = None
    if request.derive_labels and pool is not None and pool.accelerator is not None:
        derived = derive_labels(node.labels)
    return plan_node(node, pool, derived or {}, force=request.force_conflicts)


def _has(plans: Sequence[NodePlan], *effects: str) -> bool:
    return any(taint.effect in effects for plan in plans for taint in plan.added)


def _binding(taints: Sequence[Taint]) -> bool:
    """Whether any of the taints keeps pods away, not just prefers to."""
    return any(taint.effect != SOFT for taint in taints)


def _check(plans: Sequence[NodePlan], request: Request, api: ClusterApi) -> Sequence[Evicted]:
    """Refuse before the first write what must not be done; return the pods that new taints evict."""
    needed = (("patch", "Node"), ("get", "Node"))
    kinds = ["DaemonSet"] if any(_binding(plan.added) for plan in plans) else []
    kinds += ["Pod"] if _has(plans, NO_EXECUTE) else []
    answers = api.side_by_side(
        [
            *(partial(api.may, verb, kind, None) for verb, kind in needed),
            *(partial(api.list_objects, kind, None) for kind in kinds),
        ]
    )
    missing = [f"{verb} {kind}" for (verb, kind), allowed in zip(needed, answers) if not allowed]
    if missing:
        raise ClusterError(
            f"The credentials for {api.cluster} lack permissions; nothing was changed. Missing: {', '.join(missing)}. "
            "roles/gpu_node/files/rbac-nodes.yml holds a ClusterRole that is enough",
            {"missing": missing},
        )
    lists = dict(zip(kinds, answers[len(needed) :]))
    if blocked := find_blocked(parse_operands(lists.get("DaemonSet", ())), plans):
        daemonsets = sorted({daemonset for daemonset, _taint in blocked})
        raise ClusterError(describe_blocked(blocked, api.cluster), {"daemonsets": daemonsets})
    if "Pod" not in lists:
        return ()
    evicted = find_evicted(lists["Pod"], plans)
    if not request.allow_eviction:
        pods = [f"{each.namespace}/{each.name}" for each in evicted]
        raise ClusterError(describe_evicted(evicted, api.cluster), {"pods": pods})
    return evicted


def _write(plan: NodePlan, pool: NodePool | None, request: Request, api: ClusterApi, stopped: list[str]) -> NodeResult:
    """Patch one node; when it has changed since it was read, decide anew on what it is now.

    ``stopped`` gets the name of a node for which the server could not be reached: the others need not wait as long.
    """
    first = plan
    for _attempt in range(_TRIES_MAX):
        if stopped:
            return NodeResult(first, "not_tried")
        if plan.patch is None:
            # The answer to our patch was lost, or another run of ours was faster: the node is what it should be.
            return NodeResult(first, "changed")
        try:
            api.patch("Node", None, plan.node.name, plan.patch, dry_run=request.check_mode)
            return NodeResult(plan, "changed")
        except ClusterError as error:
            status = error.details.get("status")
            if status == 404:
                return NodeResult(first, "vanished")
            if status != 409:
                stopped += [] if status else [plan.node.name]
                return NodeResult(first, "failed", error.message)
        try:
            item = api.get("Node", None, plan.node.name)
        except ClusterError as error:
            stopped += [] if error.details.get("status") else [plan.node.name]
            return NodeResult(first, "failed", error.message)
        if item is None:
            return NodeResult(first, "vanished")
        node = parse_live_node(item)
        plan = _plan(node, pool, request)
        if reason := _why_not(plan, first, pool):
            return NodeResult(first, "failed", reason)
    return NodeResult(first, "failed", f"it was changed by others {_TRIES_MAX} times between reading and writing")


def _why_not(plan: NodePlan, first: NodePlan, pool: NodePool | None) -> str:
    """Return why a plan that was made anew must not be carried out without the checks of a whole run."""
    if plan.conflicts:
        each = plan.conflicts[0]
        by = f" by {' and '.join(each.managers)}" if each.managers else ""
        return f"{each.field} was set to {each.live!r}{by} meanwhile"
    if pool is not None and not matches(pool, plan.node):
        return "it does not match the pool's selector any more"
    if not set(plan.added) <= set(first.added):
        return "it has lost taints meanwhile that need to be checked again"
    return ""


class _Proof:
    """That accelerators can still be allocated on the nodes that got new taints."""

    def __init__(self, results: Sequence[NodeResult], pools: Mapping[str, NodePool]) -> None:
        tainted = [each.plan for each in results if each.action == "changed" and _binding(each.plan.added)]
        with_pool = [(plan.node, pools[plan.node.name]) for plan in tainted if plan.node.name in pools]
        self.before = {node.name: (node, pool) for node, pool in with_pool if node.count(pool.accelerator) > 0}
        self.without = [node.name for node, pool in with_pool if pool.accelerator and node.name not in self.before]
        # NoSchedule moves no pod: what the device plugin has offered stays, so that one look is enough.
        self.moves_pods = _has(tainted, NO_EXECUTE)
        self.lost: Mapping[str, tuple[str, int, int]] = {}
        self.seconds = 0.0
        self.failure: str | None = None

    def watch(self, verify_seconds: float, api: ClusterApi, clock: Clock) -> None:
        """Look at the nodes once, and until the time is over where pods may go."""
        if not self.before:
            return
        begin = clock.monotonic()
        end = begin + (verify_seconds if self.moves_pods else 0.0)
        try:
            while True:
                nodes = [parse_live_node(item) for item in api.list_objects("Node", None)]
                self.lost, self.seconds = find_lost(self.before, nodes), clock.monotonic() - begin
                left = end - clock.monotonic()
                if left <= 0:
                    break
                clock.sleep(min(_LOOK_PERIOD_SECONDS, left))
        except ClusterError as error:
            self.failure = f"The taints are on, but whether GPUs stay allocatable could not be seen: {error.message}"
            return
        if self.lost:
            self.failure = describe_lost(self.lost, self.seconds, api.cluster)


def _outcome(
    request: Request,
    membership: Membership,
    results: Sequence[NodeResult],
    evicted: Sequence[Evicted],
    proof: _Proof,
    cluster: str,
) -> Outcome:
    warnings = [
        f"Pool {pool} is not in the list, and {len(names)} nodes ({some(names)}) carry what it has set. List it with "
        "state: absent to remove that, or set prune: true"
        for pool, names in membership.unlisted.items()
    ]
    if vanished := [each.plan.node.name for each in results if each.action == "vanished"]:
        warnings.append(f"{len(vanished)} nodes are gone from {cluster} since they were listed: {some(vanished)}")
    if proof.without:
        warnings.append(
            f"{len(proof.without)} nodes with new taints had no accelerator to allocate before, so nothing is proved "
            f"of them: {some(proof.without)}"
        )
    failures = [each for each in (describe_failures(results, cluster), proof.failure) if each is not None]
    result = {
        "nodes": render_nodes(results),
        "table": render_table([pool.name for pool in request.pools], results),
        "evicted_pods": [vars(each) for each in evicted],
        "verified": {"nodes": len(proof.before), "seconds": round(proof.seconds, 1), "lost": sorted(proof.lost)},
        "cluster": cluster,
    }
    return Outcome(
        any(each.action == "changed" for each in results),
        result,
        render_diff(results),
        warnings,
        "\n".join(failures) or None,
        {"nodes": [each.plan.node.name for each in results if each.action in ("failed", "not_tried")]},
    )
