# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploying and removing model servers: everything is checked for all releases before anything is written.

Order: parse, look what is there, check what is referred to, plan, ask for the permissions that the plan needs, let the
server try every write of every release, write. With nothing to change that is one list per kind and namespace, and
neither a trial nor a write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.changes import (
    MANAGED_KINDS,
    Live,
    identity,
    is_unchanged,
    plan_prune,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.diff import same_content, show, with_hash
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.drain import plan_drain
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import (
    anchor_name,
    plan_strategy,
    render_objects,
    with_owner,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.notices import find_notices
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probes import plan_start
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi, Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.preconditions import (
    check_permissions,
    check_references,
    read_live,
    read_namespaces,
)

__all__ = ["Request", "deploy", "remove", "render"]

# Stands for the uid of an anchor that check mode has not made.
_UNKNOWN_UID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Request:
    """What to do; ``drain_middleware`` is the text of the file that pods get."""

    servers: Sequence[ModelServer]
    drain_middleware: str
    check_mode: bool = False
    adopt: bool = False
    force_conflicts: bool = False


@dataclass(frozen=True)
class _Change:
    """One object's way (``created``, ``changed``, ``unchanged``, ``deleted``), with both sides for the diff."""

    action: str
    kind: str
    name: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


def render(request: Request) -> Outcome:
    """Return the manifests of all releases; no cluster is asked."""
    releases = []
    for server in request.servers:
        objects = list(render_objects(server, request.drain_middleware))
        releases.append({**_describe(server, objects, labels.SLOTS[0], ()), "manifests": objects})
    return Outcome(False, {"model_servers": releases}, warnings=find_notices(request.servers))


def deploy(request: Request, api: ClusterApi) -> Outcome:
    """Make the cluster hold these releases, and nothing else of ours under their names."""
    present = read_namespaces(request.servers, api)
    live = read_live(request.servers, present, api)
    check_references(request.servers, present, api)
    plans = [_Plan(server, live[server.namespace, server.name], request, api) for server in request.servers]
    for plan in plans:
        plan.check_foreign(present)
    _check_writes([plan for plan in plans if plan.is_in(present)], api)
    releases, diff, changed = [], [], False
    for plan, changes in zip(plans, _carry_out(plans, present, request, api)):
        changed = changed or any(change.action != "unchanged" for change in changes)
        diff += _render_diff(plan.server, changes)
        releases.append(_describe(plan.server, plan.objects, plan.stable_slot, changes))
    result = {"model_servers": releases, "cluster": api.cluster}
    return Outcome(changed, result, diff, find_notices(request.servers))


def remove(request: Request, api: ClusterApi) -> Outcome:
    """Remove everything of ours that belongs to these releases; volumes and namespaces stay."""
    present = read_namespaces(request.servers, api, strict=False)
    live = read_live(request.servers, present, api)
    check_permissions(
        sorted({(place[0], "delete", kind) for place, found in live.items() for kind, _name in found}), api
    )
    releases, diff, changed = [], [], False
    for server in request.servers:
        changes = []
        objects = live[server.namespace, server.name]
        # The anchor goes last: as long as it is there, an interrupted removal can be found and finished.
        last = ("ConfigMap", anchor_name(server.name))
        for kind, name in sorted(objects, key=lambda key: (key == last, MANAGED_KINDS.index(key[0]), key[1])):
            item = objects[kind, name]
            api.delete(kind, server.namespace, name, item["metadata"]["uid"], dry_run=request.check_mode)
            changes.append(_Change("deleted", kind, name, before={"kind": kind, **item}))
        changed = changed or bool(changes)
        diff += _render_diff(server, changes)
        listed = [{"kind": each.kind, "name": each.name, "action": each.action} for each in changes]
        releases.append({"name": server.name, "namespace": server.namespace, "objects": listed})
    return Outcome(changed, {"model_servers": releases, "cluster": api.cluster}, diff)


class _Plan:
    """What one release needs, decided before anything is written."""

    def __init__(self, server: ModelServer, live: Live, request: Request, api: ClusterApi) -> None:
        self.server, self.live, self.request, self.api = server, live, request, api
        self.anchor = live.get(("ConfigMap", anchor_name(server.name)))
        data = (self.anchor or {}).get("data") or {}
        self.stable_slot = str(data.get("stable_slot", labels.SLOTS[0]))
        objects = render_objects(server, request.drain_middleware, slot=self.stable_slot, stable_slot=self.stable_slot)
        self.namespace_objects = [each for each in objects if each["kind"] == "Namespace"]
        self.objects = [each for each in objects if each["kind"] != "Namespace"]
        self.leftovers = plan_prune(server.name, [identity(each) for each in self.objects], live)
        # What is not there as it was rendered; of a new release as far as that is known without its anchor's uid.
        marked = self._marked(self._uid())
        self.pending = [item for item in marked if not is_unchanged(item, live.get(identity(item)))]

    def is_in(self, namespaces: Set[str]) -> bool:
        """Whether the release's namespace is one of these."""
        return self.server.namespace in namespaces

    def _uid(self) -> str:
        return str(self.anchor["metadata"]["uid"]) if self.anchor else _UNKNOWN_UID

    def _marked(self, uid: str) -> list[dict[str, Any]]:
        marked = []
        for item in with_owner(self.objects, self.server, uid):
            text = json.dumps(item, sort_keys=True)
            marked.append(with_hash(item, hashlib.sha256(text.encode()).hexdigest()[:16]))
        return marked

    def writes(self) -> set[tuple[str, str]]:
        """Return verbs and kinds of the writes to come, as far as they can be known beforehand."""
        wanted = set()
        for item in self.pending:
            # Server-side apply is a patch, and a create as well where there is nothing yet.
            wanted |= {("patch", item["kind"])}
            wanted |= {("create", item["kind"])} if identity(item) not in self.live else set()
        return wanted | {("delete", kind) for kind, _name in self.leftovers}

    def check_foreign(self, present: frozenset[str]) -> None:
        """Refuse to write over objects of these names that somebody else has made."""
        if self.request.adopt or not self.is_in(present):
            return
        missing = [identity(each) for each in self.objects if identity(each) not in self.live]
        place = self.server.namespace
        found = self.api.side_by_side(
            [partial(self.api.get, kind, place, name, metadata_only=True) for kind, name in missing]
        )
        for (kind, name), foreign in zip(missing, found):
            if foreign is not None:
                raise ClusterError(
                    f"{kind} {self.server.namespace}/{name} on {self.api.cluster} exists and is not of this collection "
                    f"(no label {labels.MANAGED_BY}={labels.FIELD_MANAGER}); nothing was changed. Rename the release, "
                    "remove the object, or set adopt: true to take it over",
                    {"kind": kind, "namespace": self.server.namespace, "name": name},
                )

    def make_namespace(self) -> list[_Change]:
        """Write the namespace, or in check mode let the server try it."""
        return [self._write(item, None) for item in self.namespace_objects]

    def carry_out(self, *, can_be_tried: bool) -> list[_Change]:
        """Write the plan, or in check mode let the server try it; return what happened to each object.

        Nothing can be tried inside of a namespace that check mode has not made: all of it would be made.
        """
        if not can_be_tried:
            return [_Change("created", *identity(each), after=each) for each in self.objects]
        changes = []
        uid = self._uid()
        anchor = self._write(self._marked(uid)[0], self.anchor)
        if self.anchor is None and not self.request.check_mode and anchor.after is not None:
            uid = anchor.after["metadata"]["uid"]
        changes.append(anchor)
        changes += [self._write(item, self.live.get(identity(item))) for item in self._marked(uid)[1:]]
        for kind, name in self.leftovers:
            item = self.live[kind, name]
            self.api.delete(kind, self.server.namespace, name, item["metadata"]["uid"], dry_run=self.request.check_mode)
            changes.append(_Change("deleted", kind, name, before={"kind": kind, **item}))
        return changes

    def _write(self, item: Mapping[str, Any], live: Mapping[str, Any] | None) -> _Change:
        kind, name = identity(item)
        if item["kind"] != "Namespace" and is_unchanged(item, live):
            return _Change("unchanged", kind, name)
        before = {"apiVersion": item["apiVersion"], "kind": kind, **live} if live is not None else None
        after = self.api.apply(item, dry_run=self.request.check_mode, force=self.request.force_conflicts)
        if before is None:
            return _Change("created", kind, name, after=after)
        return _Change("unchanged" if same_content(before, after) else "changed", kind, name, before, after)


def _carry_out(
    plans: Sequence[_Plan], present: frozenset[str], request: Request, api: ClusterApi
) -> list[list[_Change]]:
    """Carry out all plans and return each one's changes; a namespace counts to the first release that needs it."""
    if not request.check_mode:
        trials = [(plan, plan.pending if plan.is_in(present) else plan.namespace_objects) for plan in plans]
        _try(trials, "Nothing was changed", request, api)
    changes: list[list[_Change]] = []
    made: set[str] = set()
    for plan in plans:
        changes.append([] if plan.is_in(present | made) else plan.make_namespace())
        made |= {plan.server.namespace} - present
    if made and not request.check_mode:
        # Only now can the server say what it thinks of their content; an empty namespace does no harm.
        trials = [(plan, plan.pending) for plan in plans if plan.is_in(made)]
        _try(trials, f"Nothing was changed but for the new namespace {', '.join(sorted(made))}", request, api)
    for plan, own in zip(plans, changes):
        own += plan.carry_out(can_be_tried=plan.is_in(present) or not request.check_mode)
    return changes


def _try(
    trials: Sequence[tuple[_Plan, Sequence[Mapping[str, Any]]]], so_far: str, request: Request, api: ClusterApi
) -> None:
    """Let the server try writes without keeping them, so that what only it can refuse is refused before the first."""

    def attempt(plan: _Plan, item: Mapping[str, Any]) -> None:
        try:
            api.apply(item, dry_run=True, force=request.force_conflicts)
        except ClusterError as error:
            text = f"model_servers[{plan.server.name}]: {error.message}. {so_far}"
            raise ClusterError(text, error.details) from error

    api.side_by_side([partial(attempt, plan, item) for plan, items in trials for item in items])


def _check_writes(plans: Sequence[_Plan], api: ClusterApi) -> None:
    """Refuse before the first write when the plan needs permissions that we do not have."""
    check_permissions(
        sorted({(plan.server.namespace, verb, kind) for plan in plans for verb, kind in plan.writes()}), api
    )


def _render_diff(server: ModelServer, changes: Sequence[_Change]) -> list[dict[str, str]]:
    diff = []
    for change in changes:
        if change.action != "unchanged":
            header = f"{change.kind} {server.namespace}/{change.name}"
            before, after = show(change.before), show(change.after)
            diff.append({"before_header": header, "after_header": header, "before": before, "after": after})
    return diff


def _describe(
    server: ModelServer, objects: Sequence[Mapping[str, Any]], slot: str, changes: Sequence[_Change]
) -> dict[str, Any]:
    """Return what the module's result says of a release."""
    deployment = next(each for each in objects if each["kind"] == "Deployment")
    drain, start = plan_drain(server.drain, server.engine.version), plan_start(server)
    return {
        "name": server.name,
        "namespace": server.namespace,
        "slot": slot,
        "revision": deployment["metadata"]["labels"][labels.REVISION],
        "strategy": plan_strategy(server),
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
