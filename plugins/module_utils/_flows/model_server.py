# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploying and removing model servers: everything is checked for all releases before anything is written.

Order: parse, look what is there, check what is referred to, plan, ask for the permissions that the plan needs, write.
With nothing to change that is one list per kind and namespace, and no write at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.changes import (
    MANAGED_KINDS,
    Live,
    identity,
    is_unchanged,
    plan_prune,
    references,
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
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_warnings
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probes import plan_start
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi, Outcome

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
    return Outcome(False, {"model_servers": releases}, warnings=parse_warnings(request.servers))


def deploy(request: Request, api: ClusterApi) -> Outcome:
    """Make the cluster hold these releases, and nothing else of ours under their names."""
    present = _read_namespaces(request, api)
    live = _read_live(request.servers, present, api)
    _check_references(request.servers, present, api)
    plans = [_Plan(server, live[server.namespace, server.name], request, api) for server in request.servers]
    for plan in plans:
        plan.check_foreign(present)
    _check_permissions([plan for plan in plans if plan.server.namespace in present], api)
    releases, diff, changed = [], [], False
    made: set[str] = set()
    for plan in plans:
        changes = plan.carry_out(present, made)
        made.add(plan.server.namespace)
        changed = changed or any(change.action != "unchanged" for change in changes)
        diff += _render_diff(plan.server, changes)
        releases.append(_describe(plan.server, plan.objects, plan.stable_slot, changes))
    result = {"model_servers": releases, "cluster": api.cluster}
    return Outcome(changed, result, diff, parse_warnings(request.servers))


def remove(request: Request, api: ClusterApi) -> Outcome:
    """Remove everything of ours that belongs to these releases; volumes and namespaces stay."""
    present = _read_namespaces(
        replace(request, servers=[_without_creation(each) for each in request.servers]), api, strict=False
    )
    live = _read_live(request.servers, present, api)
    _refuse(sorted({(place[0], "delete", kind) for place, found in live.items() for kind, _name in found}), api)
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
        for item in self._marked(self._uid()):
            live = self.live.get(identity(item))
            if not is_unchanged(item, live):
                # Server-side apply is a patch, and a create as well where there is nothing yet.
                wanted |= {("patch", item["kind"])} | ({("create", item["kind"])} if live is None else set())
        return wanted | {("delete", kind) for kind, _name in self.leftovers}

    def check_foreign(self, present: frozenset[str]) -> None:
        """Refuse to write over objects of these names that somebody else has made."""
        if self.request.adopt or self.server.namespace not in present:
            return
        missing = [identity(each) for each in self.objects if identity(each) not in self.live]
        place = self.server.namespace
        found = self.api.side_by_side(
            [lambda key=key: self.api.get(key[0], place, key[1], metadata_only=True) for key in missing]  # type: ignore[misc]
        )
        for (kind, name), foreign in zip(missing, found):
            if foreign is not None:
                raise ClusterError(
                    f"{kind} {self.server.namespace}/{name} on {self.api.cluster} exists and is not of this collection "
                    f"(no label {labels.MANAGED_BY}={labels.FIELD_MANAGER}); nothing was changed. Rename the release, "
                    "remove the object, or set adopt: true to take it over",
                    {"kind": kind, "namespace": self.server.namespace, "name": name},
                )

    def carry_out(self, present: frozenset[str], made: Set[str]) -> list[_Change]:
        """Write the plan, or in check mode let the server try it; return what happened to each object.

        ``present`` are the namespaces that were there, ``made`` those that releases before this one have made.
        """
        changes = []
        if self.server.namespace not in present:
            if self.server.namespace not in made:
                changes = [self._write(item, None) for item in self.namespace_objects]
            if self.request.check_mode:
                # Nothing can be tried inside of a namespace that is not there: all of it would be made.
                return changes + [_Change("created", *identity(each), after=each) for each in self.objects]
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


def _without_creation(server: ModelServer) -> ModelServer:
    return replace(server, create_namespace=False)


def _read_namespaces(request: Request, api: ClusterApi, *, strict: bool = True) -> frozenset[str]:
    """Return the namespaces that are there; a missing one that is not to be made is an error."""
    names = sorted({server.namespace for server in request.servers})
    found = api.side_by_side([lambda name=name: _namespace_exists(api, name) for name in names])  # type: ignore[misc]
    present = frozenset(name for name, there in zip(names, found) if there)
    missing = [each for each in request.servers if each.namespace not in present and not each.create_namespace]
    if missing and strict:
        raise InputError(
            [
                Problem(
                    f"model_servers[{server.name}].namespace",
                    f"there is no namespace {server.namespace} on {api.cluster}",
                    hint="Create it, or set create_namespace: true.",
                )
                for server in missing
            ]
        )
    return present


def _namespace_exists(api: ClusterApi, name: str) -> bool:
    try:
        return api.get("Namespace", None, name, metadata_only=True) is not None
    except ClusterError as error:
        if error.details.get("status") == 403:
            return True  # who may work only inside of a namespace cannot look at it; writing will tell
        raise


def _read_live(
    servers: Sequence[ModelServer], present: frozenset[str], api: ClusterApi
) -> dict[tuple[str, str], dict[tuple[str, str], dict[str, Any]]]:
    """Return our live objects by release: one list per kind and namespace, whatever the number of releases."""
    namespaces = sorted({server.namespace for server in servers} & present)
    selector = f"{labels.MANAGED_BY}={labels.FIELD_MANAGER}"
    if len({server.name for server in servers}) == 1:
        selector = labels.release_selector(servers[0].name)
    pairs = [(kind, namespace) for namespace in namespaces for kind in MANAGED_KINDS]
    try:
        lists = api.side_by_side([lambda p=pair: api.list_objects(p[0], p[1], selector) for pair in pairs])  # type: ignore[misc]
    except ClusterError as error:
        if error.details.get("status") == 403:
            _refuse([(namespace, "list", kind) for kind, namespace in pairs], api)
        raise
    live: dict[tuple[str, str], dict[tuple[str, str], dict[str, Any]]] = {
        (server.namespace, server.name): {} for server in servers
    }
    for (kind, namespace), items in zip(pairs, lists):
        for item in items:
            instance = (item["metadata"].get("labels") or {}).get(labels.INSTANCE, "")
            if (namespace, instance) in live:
                live[namespace, instance][kind, item["metadata"]["name"]] = item
    return live


def _check_references(servers: Sequence[ModelServer], present: frozenset[str], api: ClusterApi) -> None:
    """Report every object that a specification refers to and that is not there."""
    wanted = sorted(
        {
            (server.namespace, kind, name)
            for server in servers
            if server.namespace in present
            for kind, name, _path in references(server)
        }
    )
    found = api.side_by_side([lambda w=each: _exists(api, *w) for each in wanted])  # type: ignore[misc]
    missing = {key for key, there in zip(wanted, found) if not there}
    problems = [
        Problem(
            f"model_servers[{server.name}].{path}",
            f"there is no {kind} {server.namespace}/{name} on {api.cluster}",
            hint="Create it first, or correct the name.",
        )
        for server in servers
        for kind, name, path in references(server)
        if (server.namespace, kind, name) in missing
    ]
    if problems:
        raise InputError(problems)


def _exists(api: ClusterApi, namespace: str, kind: str, name: str) -> bool:
    try:
        return api.get(kind, namespace, name, metadata_only=True) is not None
    except ClusterError as error:
        if error.details.get("status") == 403:
            return True  # not ours to see; the kubelet will tell, and the gate repeats its words
        raise


def _check_permissions(plans: Sequence[_Plan], api: ClusterApi) -> None:
    """Refuse before the first write when the plan needs permissions that we do not have."""
    _refuse(sorted({(plan.server.namespace, verb, kind) for plan in plans for verb, kind in plan.writes()}), api)


def _refuse(needed: Sequence[tuple[str, str, str]], api: ClusterApi) -> None:
    """Raise an error that names every missing permission; return when none is missing."""
    allowed = api.side_by_side([lambda n=each: api.may(n[1], n[2], n[0]) for each in needed])  # type: ignore[misc]
    missing = [each for each, is_allowed in zip(needed, allowed) if not is_allowed]
    if missing:
        lines = "\n".join(f"- {verb} {kind} in namespace {namespace}" for namespace, verb, kind in missing)
        raise ClusterError(
            f"The credentials for {api.cluster} lack permissions; nothing was changed. Missing:\n{lines}\n"
            "roles/model_server/files/rbac-deployer.yml holds a Role that is enough",
            {"missing": [{"namespace": n, "verb": v, "kind": k} for n, v, k in missing]},
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
