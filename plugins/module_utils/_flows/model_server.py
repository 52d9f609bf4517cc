# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploying and removing model servers: everything is checked for all releases before anything is written.

Order: parse, look what is there, check what is referred to, plan the roll-outs of what changes, ask for the permissions
that the writes need, let the server try every write of every release, write. With nothing to change that is one list
per kind and namespace, and neither a plan, a trial nor a write.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.changes import (
    MANAGED_KINDS,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.diff import show
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.drain import plan_drain
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import (
    anchor_name,
    plan_strategy,
    render_objects,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.notices import find_notices
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probes import plan_start
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, LlmopsError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.planning import Outlook, plan_releases
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi, Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.preconditions import (
    check_permissions,
    read_live,
    read_namespaces,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.release import (
    ReleaseWork,
    Request,
    Written,
    prepare,
)

__all__ = ["Request", "deploy", "remove", "render"]


def render(request: Request) -> Outcome:
    """Return the manifests of all releases; no cluster is asked."""
    releases = []
    for server in request.servers:
        objects = list(render_objects(server, request.drain_middleware))
        described = _describe(server, objects, labels.SLOTS[0], (), plan_strategy(server))
        measured = {"slo": dict(server.slo), "benchmark": dict(server.benchmark)}
        releases.append({**described, **measured, "manifests": objects})
    return Outcome(False, {"model_servers": releases}, warnings=find_notices(request.servers))


def deploy(request: Request, api: ClusterApi) -> Outcome:
    """Make the cluster hold these releases, and nothing else of ours under their names."""
    present, plans, outlook = _plan(request, api)
    _check_writes([plan for plan in plans if plan.is_in(present)], api)
    try:
        if request.locks is not None and any(plan.has_changes for plan in plans):
            for plan in plans:
                if plan.is_in(present):
                    plan.lock()
            if not request.check_mode:
                # What others did until the lock was ours counts.
                present, plans, outlook = _plan(request, api)
        carried_out = _carry_out(plans, present, request, api)
    except LlmopsError:
        _unlock(request)
        raise
    releases, diff, changed = [], [], False
    for plan, changes in zip(plans, carried_out):
        changed = changed or any(change.action != "unchanged" for change in changes)
        diff += _render_diff(plan.server, changes)
        described = _describe(plan.server, plan.objects, plan.stable_slot, changes, plan.strategy)
        locked = request.locks is not None and plan.has_changes
        releases.append({**described, "plan": outlook.describe(plan.server), "locked": locked})
    result = {"model_servers": releases, "cluster": api.cluster}
    notices = find_notices(request.servers, outlook.strategies)
    return Outcome(changed, result, diff, (*notices, *outlook.warnings))


def _unlock(request: Request) -> None:
    """Let go of the locks of a run that has failed; where that fails too they expire, and the first error counts."""
    if request.locks is None or request.check_mode:
        return
    for server in request.servers:
        with contextlib.suppress(ClusterError):
            request.locks.release(server.namespace, server.name)


def _plan(request: Request, api: ClusterApi) -> tuple[frozenset[str], list[ReleaseWork], Outlook]:
    """Return the namespaces that are there, and each release's work by the strategy that its plan has chosen."""
    present, plans = prepare(request, api)
    outlook = plan_releases([plan.subject for plan in plans], present, api, request.planning)
    for plan in plans:
        plan.take_strategy(outlook)
    return present, plans, outlook


def remove(request: Request, api: ClusterApi) -> Outcome:
    """Remove everything of ours that belongs to these releases; volumes and namespaces stay."""
    present = read_namespaces(request.servers, api, strict=False)
    live = read_live(request.servers, present, api)
    needed = {(place[0], "delete", kind) for place, found in live.items() for kind, _name in found}
    if request.locks is not None:
        needed |= {(namespace, "delete", "Lease") for namespace, _verb, _kind in needed}
    check_permissions(sorted(needed), api)
    _lock_for_removal(request, live)
    releases, diff, changed = [], [], False
    for server in request.servers:
        changes = []
        objects = live[server.namespace, server.name]
        # The anchor goes last: as long as it is there, an interrupted removal can be found and finished.
        last = ("ConfigMap", anchor_name(server.name))
        for kind, name in sorted(objects, key=lambda key: (key == last, MANAGED_KINDS.index(key[0]), key[1])):
            item = objects[kind, name]
            api.delete(kind, server.namespace, name, item["metadata"]["uid"], dry_run=request.check_mode)
            changes.append(Written("deleted", kind, name, before={"kind": kind, **item}))
        if request.locks is not None and server.namespace in present:
            changes += _remove_lock(request, server, api)
        changed = changed or bool(changes)
        diff += _render_diff(server, changes)
        listed = [{"kind": each.kind, "name": each.name, "action": each.action} for each in changes]
        releases.append({"name": server.name, "namespace": server.namespace, "objects": listed})
    return Outcome(changed, {"model_servers": releases, "cluster": api.cluster}, diff)


def _lock_for_removal(request: Request, live: Mapping[tuple[str, str], Mapping[tuple[str, str], Any]]) -> None:
    for place, found in live.items():
        if request.locks is not None and found:
            act = request.locks.check if request.check_mode else request.locks.take
            act(*place)


def _remove_lock(request: Request, server: ModelServer, api: ClusterApi) -> list[Written]:
    """Remove a release's Lease, the very last of it: until then nobody else begins with what is half gone."""
    lease = api.get("Lease", server.namespace, anchor_name(server.name))
    if lease is None:
        return []
    name = lease["metadata"]["name"]
    api.delete("Lease", server.namespace, name, lease["metadata"]["uid"], dry_run=request.check_mode)
    return [Written("deleted", "Lease", name, before={"kind": "Lease", **lease})]


def _carry_out(
    plans: Sequence[ReleaseWork], present: frozenset[str], request: Request, api: ClusterApi
) -> list[list[Written]]:
    """Carry out all plans and return each one's changes; a namespace counts to the first release that needs it."""
    if not request.check_mode:
        trials = [(plan, plan.pending if plan.is_in(present) else plan.namespace_objects) for plan in plans]
        _try(trials, "Nothing was changed", request, api)
    changes: list[list[Written]] = []
    made: set[str] = set()
    for plan in plans:
        changes.append([] if plan.is_in(present | made) else plan.make_namespace())
        made |= {plan.server.namespace} - present
    if made and not request.check_mode:
        # Only now can the server say what it thinks of their content; an empty namespace does no harm.
        fresh = [plan for plan in plans if plan.is_in(made)]
        for plan in fresh:
            plan.lock()
        trials = [(plan, plan.pending) for plan in fresh]
        _try(trials, f"Nothing was changed but for the new namespace {', '.join(sorted(made))}", request, api)
    for plan, own in zip(plans, changes):
        own += plan.carry_out(can_be_tried=plan.is_in(present) or not request.check_mode)
    return changes


def _try(
    trials: Sequence[tuple[ReleaseWork, Sequence[Mapping[str, Any]]]], so_far: str, request: Request, api: ClusterApi
) -> None:
    """Let the server try writes without keeping them, so that what only it can refuse is refused before the first."""

    def attempt(plan: ReleaseWork, item: Mapping[str, Any]) -> None:
        try:
            api.apply(item, dry_run=True, force=request.force_conflicts)
        except ClusterError as error:
            text = f"model_servers[{plan.server.name}]: {error.message}. {so_far}"
            raise ClusterError(text, error.details) from error

    api.side_by_side([partial(attempt, plan, item) for plan, items in trials for item in items])


def _check_writes(plans: Sequence[ReleaseWork], api: ClusterApi) -> None:
    """Refuse before the first write when the plan needs permissions that we do not have."""
    check_permissions(
        sorted({(plan.server.namespace, verb, kind) for plan in plans for verb, kind in plan.writes()}), api
    )


def _render_diff(server: ModelServer, changes: Sequence[Written]) -> list[dict[str, str]]:
    diff = []
    for change in changes:
        if change.action != "unchanged":
            header = f"{change.kind} {server.namespace}/{change.name}"
            before, after = show(change.before), show(change.after)
            diff.append({"before_header": header, "after_header": header, "before": before, "after": after})
    return diff


def _describe(
    server: ModelServer, objects: Sequence[Mapping[str, Any]], slot: str, changes: Sequence[Written], strategy: str
) -> dict[str, Any]:
    """Return what the module's result says of a release."""
    deployment = next(each for each in objects if each["kind"] == "Deployment")
    drain, start = plan_drain(server.drain, server.engine.version), plan_start(server)
    return {
        "name": server.name,
        "namespace": server.namespace,
        "slot": slot,
        "revision": deployment["metadata"]["labels"][labels.REVISION],
        "strategy": strategy,
        "replicas": server.replicas,
        "gpus_per_replica": server.parallel.gpus if server.resources.accelerator else 0,
        "served_name": server.model.served_names[0],
        "service": f"{server.name}.{server.namespace}.svc:{server.engine.port}",
        "start_seconds_max": start.seconds,
        "start_computed_from": start.computed_from,
        "grace_seconds": drain.grace_seconds,
        "drain_middleware": drain.middleware,
        "objects": [{"kind": each.kind, "name": each.name, "action": each.action} for each in changes],
    }
