# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster and a clock in memory: they implement the flows' ports and keep real objects.

The cluster does what a use case can notice of an API server: uids, resource versions, which fields were applied, dry
runs, preconditions, permissions, and failures at a chosen write.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Callable

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.json_patch import apply_patches
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError

Key = tuple[str, str, str]
_CLUSTER_WIDE = (
    "ClusterPolicy",
    "CustomResourceDefinition",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "ResourceSlice",
    "RuntimeClass",
)


def node(name: str = "roomy", **amounts: str) -> dict[str, Any]:
    """Return a ready node as the API shows it; by default nothing that a test deploys fills it."""
    has = {"cpu": "512", "memory": "4Ti", "ephemeral-storage": "8Ti", "pods": "500", "nvidia.com/gpu": "64", **amounts}
    conditions = [{"type": "Ready", "status": "True"}]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"conditions": conditions, "capacity": has, "allocatable": has},
    }


def remove_fields(value: dict[str, Any], applied: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Take out of ``value`` what was applied before and is not wanted any more."""
    for key, old in applied.items():
        if key not in wanted:
            value.pop(key, None)
        elif isinstance(old, Mapping) and isinstance(wanted[key], Mapping):
            remove_fields(value[key], old, wanted[key])


def merge_fields(value: dict[str, Any], wanted: Mapping[str, Any]) -> None:
    """Set every wanted field; lists are replaced as a whole."""
    for key, new in wanted.items():
        if isinstance(new, Mapping) and isinstance(value.get(key), dict):
            merge_fields(value[key], new)
        else:
            value[key] = copy.deepcopy(new)


def merge_patch(value: dict[str, Any], change: Mapping[str, Any]) -> None:
    """Merge a JSON merge patch (RFC 7396): null takes a key away, lists are replaced as a whole."""
    for key, new in change.items():
        if new is None:
            value.pop(key, None)
        elif isinstance(new, Mapping):
            merge_patch(value.setdefault(key, {}), new)
        else:
            value[key] = copy.deepcopy(new)


class MemoryCluster:
    """Implements ``ClusterApi``."""

    def __init__(self, *namespaces: str) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.writes: list[str] = []
        self.requests: list[str] = []
        self.denied: set[tuple[str, str]] = set()
        self.broken: set[tuple[str, str]] = set()
        self.refused: set[str] = set()
        self.before_patch: dict[str, Callable[[], Any]] = {}
        self.before_create: dict[str, Callable[[], Any]] = {}
        self.unserved: set[str] = {"ResourceSlice.v1beta1", "ResourceSlice.v1beta2"}
        self.pod_logs: dict[str, str] = {}
        self.fail_at_write: int | None = None
        self._applied: dict[Key, dict[str, Any]] = {}
        self._numbers = itertools.count(1)
        for name in namespaces:
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.put(node())

    # For tests

    def put(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Store an object as somebody else would, and return it."""
        stored = copy.deepcopy(dict(item))
        stored["metadata"].setdefault("uid", f"uid-{next(self._numbers)}")
        stored["metadata"]["resourceVersion"] = str(next(self._numbers))
        stored["metadata"].setdefault("creationTimestamp", f"2026-01-01T00:00:{len(self.objects):02d}Z")
        self.objects[self._key(stored["kind"], stored["metadata"].get("namespace"), stored["metadata"]["name"])] = (
            stored
        )
        return stored

    def find(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        """Return the stored object itself, to look at it or to change it."""
        return self.objects[kind, namespace, name]

    def names(self) -> set[str]:
        """Return ``Kind name`` of everything but namespaces and nodes."""
        return {f"{kind} {name}" for kind, _namespace, name in self.objects if kind not in ("Namespace", "Node")}

    def content(self) -> dict[Key, dict[str, Any]]:
        """Return all objects without what differs between two clusters that hold the same."""
        plain = copy.deepcopy(self.objects)
        for item in plain.values():
            for field in ("uid", "resourceVersion", "creationTimestamp", "ownerReferences", "annotations"):
                item["metadata"].pop(field, None)
        return plain

    # The port

    @property
    def cluster(self) -> str:
        return "https://memory"

    def get(self, kind: str, namespace: str | None, name: str, *, metadata_only: bool = False) -> dict[str, Any] | None:
        self._check("get", kind)
        found = self.objects.get(self._key(kind, namespace, name))
        return copy.deepcopy({"metadata": found["metadata"]} if found and metadata_only else found)

    def list_objects(
        self, kind: str, namespace: str | None, selector: str = "", fields: str = ""
    ) -> list[dict[str, Any]]:
        self._check("list", kind)
        wanted = dict(pair.split("=", 1) for pair in selector.split(",") if pair)
        found = []
        for (its_kind, its_namespace, _name), item in sorted(self.objects.items()):
            labels = item["metadata"].get("labels") or {}
            if its_kind == kind and namespace in (None, its_namespace) and wanted.items() <= labels.items():
                # Items of lists say neither kind nor version.
                found.append(copy.deepcopy({k: v for k, v in item.items() if k not in ("kind", "apiVersion")}))
        return found

    def list_parsed(
        self, kind: str, namespace: str | None, parse: Callable[[Mapping[str, Any]], Any], *, fields: str = ""
    ) -> list[Any]:
        if kind in self.unserved:
            self._check("list", kind)
            raise ClusterError(f"{kind} is not served", {"status": 404})
        return [parse(item) for item in self.list_objects(kind, namespace, fields=fields)]

    def apply(self, item: Mapping[str, Any], *, dry_run: bool = False, force: bool = False) -> dict[str, Any]:
        self._check("patch", item["kind"])
        key = self._key(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"])
        if key[1] and ("Namespace", "", key[1]) not in self.objects:
            raise ClusterError(f"namespace {key[1]} not found", {"status": 404})
        if f"{key[0]} {key[2]}" in self.refused:
            raise ClusterError(f"Failed applying {key[0]} {key[2]}: HTTP 422 is invalid", {"status": 422})
        before = self.objects.get(key)
        after = (
            copy.deepcopy(before)
            if before
            else {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": {}}
        )
        remove_fields(after, self._applied.get(key, {}), item)
        merge_fields(after, item)
        if dry_run:
            return after
        if after != before:
            self._write(f"apply {key[0]} {key[2]}")
            after = self.put(after)
        self._applied[key] = copy.deepcopy(dict(item))
        return copy.deepcopy(after)

    def patch(
        self, kind: str, namespace: str | None, name: str, change: Mapping[str, Any], *, dry_run: bool = False
    ) -> dict[str, Any]:
        self._check("patch", kind)
        if event := self.before_patch.pop(name, None):
            event()
        found = self.objects.get(self._key(kind, namespace, name))
        if found is None:
            raise ClusterError(f"{kind} {name} not found", {"status": 404})
        if change["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            raise ClusterError(f"{kind} {name}: the object has been modified", {"status": 409})
        if f"{kind} {name}" in self.refused:
            raise ClusterError(f"Failed patching {kind} {name}: HTTP 403 is forbidden", {"status": 403})
        after = copy.deepcopy(found)
        merge_patch(after, change)
        if not dry_run:
            self._write(f"patch {kind} {name}")
            after = self.put(after)
        return copy.deepcopy({"metadata": after["metadata"]})

    def patch_json(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        self._check("patch", kind)
        if event := self.before_patch.pop(name, None):
            event()
        found = self.objects.get(self._key(kind, namespace, name))
        if found is None:
            raise ClusterError(f"{kind} {name} not found", {"status": 404})
        try:
            after = apply_patches(found, operations)
        except ValueError as error:
            raise ClusterError(f"Failed patching {kind} {name}: HTTP 422: {error}", {"status": 422}) from error
        if f"{kind} {name}" in self.refused:
            raise ClusterError(f"Failed patching {kind} {name}: HTTP 422 is invalid", {"status": 422})
        if not dry_run:
            self._write(f"patch {kind} {name}")
            if "generation" in after["metadata"]:
                after["metadata"]["generation"] += after.get("spec") != found.get("spec")
            after = self.put(after)
        return copy.deepcopy(after)

    def create(self, item: Mapping[str, Any]) -> dict[str, Any]:
        self._check("create", item["kind"])
        if event := self.before_create.pop(item["metadata"]["name"], None):
            event()
        if self._key(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) in self.objects:
            raise ClusterError(f"{item['kind']} {item['metadata']['name']} already exists", {"status": 409})
        self._write(f"create {item['kind']} {item['metadata']['name']}")
        return self.put(item)

    def delete(self, kind: str, namespace: str | None, name: str, uid: str, *, dry_run: bool = False) -> None:
        self._check("delete", kind)
        found = self.objects.get(self._key(kind, namespace, name))
        if found is not None and found["metadata"]["uid"] == uid and not dry_run:
            self._write(f"delete {kind} {name}")
            del self.objects[self._key(kind, namespace, name)]

    def logs(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        lines: int,
        previous: bool = False,
        bytes_max: int = 20_000,
    ) -> str:
        self._check("get", "Pod")
        log = self.pod_logs.get(f"{pod} previous" if previous else pod, "")
        return "\n".join(log.split("\n")[-lines - 1 :])[:bytes_max]

    def may(self, verb: str, kind: str, namespace: str | None, subresource: str = "") -> bool:
        return (verb, kind) not in self.denied

    def side_by_side(self, calls: Sequence[Callable[[], Any]]) -> Sequence[Any]:
        return [call() for call in calls]

    def _key(self, kind: str, namespace: str | None, name: str) -> Key:
        return kind, "" if kind in _CLUSTER_WIDE else namespace or "", name

    def _check(self, verb: str, kind: str) -> None:
        self.requests.append(f"{verb} {kind}")
        if (verb, kind) in self.denied:
            raise ClusterError(f"{verb} {kind} is forbidden", {"status": 403})
        if (verb, kind) in self.broken:
            raise ClusterError(f"{verb} {kind} was answered with HTTP 500", {"status": 500})

    def _write(self, words: str) -> None:
        if self.fail_at_write == len(self.writes):
            raise ClusterError("the connection was lost", {"failure": "broken"})
        self.writes.append(words)


class MemoryClock:
    """Implements ``Clock``: sleeping makes the time go on, and lets the world change at set moments."""

    def __init__(self) -> None:
        self.begin = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
        self.seconds = 0.0
        self._events: list[tuple[float, Callable[[], Any]]] = []

    def at(self, seconds: float, event: Callable[[], Any]) -> None:
        """Let something happen."""
        self._events.append((seconds, event))

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self.begin + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        due = [event for moment, event in self._events if moment <= self.seconds]
        self._events = [each for each in self._events if each[0] > self.seconds]
        for event in due:
            event()
