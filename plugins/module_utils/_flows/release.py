# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One release's way into the cluster: what is there, what is wanted, and the writes between the two."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.changes import (
    Live,
    identity,
    is_unchanged,
    plan_prune,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.diff import same_content, with_hash
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import (
    anchor_name,
    plan_strategy,
    render_objects,
    with_owner,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.release_record import Record
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.release_restore import restore_objects
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.release_state import (
    ReleaseState,
    parse_release,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_need import find_kept_strategy
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.lock import Locks
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.planning import Draft, Outlook, Planning
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.preconditions import (
    check_references,
    read_live,
    read_namespaces,
)

__all__ = ["ReleaseWork", "Request", "Written", "prepare"]

# Stands for the uid of an anchor that check mode has not made.
_UNKNOWN_UID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Request:
    """What to do; ``drain_middleware`` is the text of the file that pods get.

    ``kept`` are records by namespace and name: a release that has one gets its objects instead of rendered ones.
    ``locks`` None looks at no lock.
    """

    servers: Sequence[ModelServer]
    drain_middleware: str
    check_mode: bool = False
    adopt: bool = False
    force_conflicts: bool = False
    planning: Planning = field(default_factory=Planning)
    kept: Mapping[tuple[str, str], Record] = field(default_factory=dict)
    locks: Locks | None = None


@dataclass(frozen=True)
class Written:
    """One object's way (``created``, ``changed``, ``unchanged``, ``deleted``), with both sides for the diff."""

    action: str
    kind: str
    name: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


class ReleaseWork:
    """What one release needs, decided before anything is written."""

    def __init__(self, server: ModelServer, live: Live, request: Request, api: ClusterApi) -> None:
        self.server, self.live, self.request, self.api = server, live, request, api
        self.anchor = live.get(("ConfigMap", anchor_name(server.name)))
        self.state = parse_release(self.anchor, self.place) or ReleaseState()
        self.stable_slot = self.state.stable_slot
        deployment = live.get(("Deployment", f"{server.name}-{self.stable_slot}"))
        self._render(find_kept_strategy(server, deployment) or plan_strategy(server))
        wanted = next(each for each in self.objects if each["kind"] == "Deployment")
        self.subject = Draft(server, wanted, deployment)

    def _render(self, strategy: str) -> None:
        """Render the objects with a strategy, and find out which of them are not there like that."""
        server, slot, self.strategy = self.server, self.stable_slot, strategy
        middleware = self.request.drain_middleware
        record = self.request.kept.get((server.namespace, server.name))
        objects = (
            render_objects(server, middleware, slot=slot, stable_slot=slot, strategy=strategy)
            if record is None
            else restore_objects(record, server.name, slot, strategy)
        )
        self.namespace_objects = [each for each in objects if each["kind"] == "Namespace"]
        self.objects = [each for each in objects if each["kind"] != "Namespace"]
        self.leftovers = plan_prune(server.name, [identity(each) for each in self.objects], self.live)
        # Of a new release as far as that is known without its anchor's uid.
        marked = self._marked(self._uid())
        self.pending = [item for item in marked if not is_unchanged(item, self.live.get(identity(item)))]

    def take_strategy(self, outlook: Outlook) -> None:
        """Render anew where the roll-out plan has chosen another strategy."""
        strategy = outlook.strategies.get((self.server.namespace, self.server.name))
        if strategy is not None and strategy != self.strategy:
            self._render(strategy)

    @property
    def place(self) -> str:
        """What holds the release's state, for texts."""
        return f"ConfigMap {self.server.namespace}/{anchor_name(self.server.name)} on {self.api.cluster}"

    @property
    def has_changes(self) -> bool:
        """Whether anything is to be written or removed."""
        return bool(self.pending or self.leftovers)

    def lock(self) -> None:
        """Take the release's lock where something is to be written; in check mode look whether it could be taken."""
        locks = self.request.locks
        if locks is not None and self.has_changes:
            act = locks.check if self.request.check_mode else locks.take
            act(self.server.namespace, self.server.name)

    def is_in(self, namespaces: Set[str]) -> bool:
        """Whether the release's namespace is one of these."""
        return self.server.namespace in namespaces

    def _uid(self) -> str:
        return str(self.anchor["metadata"]["uid"]) if self.anchor else _UNKNOWN_UID

    def _marked(self, uid: str) -> list[dict[str, Any]]:
        marked = []
        for item in with_owner(self.objects, self.server.name, uid):
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
        if self.request.locks is not None and self.has_changes:
            wanted |= {("create", "Lease"), ("patch", "Lease")}
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

    def make_namespace(self) -> list[Written]:
        """Write the namespace, or in check mode let the server try it."""
        return [self._write(item, None) for item in self.namespace_objects]

    def carry_out(self, *, can_be_tried: bool) -> list[Written]:
        """Write the plan, or in check mode let the server try it; return what happened to each object.

        Nothing can be tried inside of a namespace that check mode has not made: all of it would be made.
        """
        if not can_be_tried:
            return [Written("created", *identity(each), after=each) for each in self.objects]
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
            changes.append(Written("deleted", kind, name, before={"kind": kind, **item}))
        return changes

    def _write(self, item: Mapping[str, Any], live: Mapping[str, Any] | None) -> Written:
        kind, name = identity(item)
        if item["kind"] != "Namespace" and is_unchanged(item, live):
            return Written("unchanged", kind, name)
        before = {"apiVersion": item["apiVersion"], "kind": kind, **live} if live is not None else None
        after = self.api.apply(item, dry_run=self.request.check_mode, force=self.request.force_conflicts)
        if before is None:
            return Written("created", kind, name, after=after)
        return Written("unchanged" if same_content(before, after) else "changed", kind, name, before, after)


def prepare(request: Request, api: ClusterApi) -> tuple[frozenset[str], list[ReleaseWork]]:
    """Return the namespaces that are there and the work on each release; nothing is planned or written yet."""
    present = read_namespaces(request.servers, api)
    live = read_live(request.servers, present, api)
    check_references(request.servers, present, api)
    works = [ReleaseWork(server, live[server.namespace, server.name], request, api) for server in request.servers]
    for work in works:
        work.check_foreign(present)
    return present, works
