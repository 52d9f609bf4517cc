# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeping what runs: a record of each release's revision, the history within its limit, and an end to the lock.

Order for each release: the record, then the state that names it, then what the history has no room for, then the lock.
A run that is killed in between leaves a record that the next one finds and takes for its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.diff import show
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import anchor_name
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pod import canonical
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.release_record import (
    HISTORY_MAX,
    Record,
    find_digest,
    find_files,
    is_record_name,
    parse_record,
    plan_history,
    record_name,
    render_record,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.release_state import (
    ReleaseState,
    check_size,
    render_release_data,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.benchmark_gate import RELEASE_KEY
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.lock import unlock
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Clock, ClusterApi, Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.release import (
    ReleaseWork,
    Request,
    Written,
    prepare,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.slots import look_at_slot

__all__ = ["Recording", "read_records", "record_releases"]

# What gates return of their verdict. As they are registered, results also hold how the module was called, with whatever
# the connection was given as.
_OF_A_VERDICT = ("verdict", "reasons", "observed", "limits", "criteria", "samples", "started_at", "finished_at")
# Each time somebody else has changed what was read; more than that often is no race but a fight.
_ATTEMPTS_MAX = 5


@dataclass(frozen=True)
class Recording:
    """What to record: ``specs`` by namespace and name as they were written, ``verdicts`` by the name of a gate.

    ``holder`` is who records; ``history_max`` how many records are kept.
    """

    request: Request
    specs: Mapping[tuple[str, str], Mapping[str, Any]]
    holder: str
    verdicts: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    history_max: int = HISTORY_MAX


def read_records(name: str, items: Sequence[Mapping[str, Any]], place: str) -> dict[int, tuple[Record, str]]:
    """Return the records among ConfigMaps by number, with the uid of each."""
    found = {}
    for item in items:
        metadata = item["metadata"]
        if is_record_name(name, metadata["name"]):
            record = parse_record(item, f"ConfigMap {metadata['name']} beside {place}")
            found[record.number] = (record, str(metadata["uid"]))
    return found


def record_releases(recording: Recording, api: ClusterApi, clock: Clock) -> Outcome:
    """Record what was deployed and has passed its gate; with all of it recorded nothing is written.

    Where somebody changes the state meanwhile, it is read and decided anew.
    """
    for _attempt in range(_ATTEMPTS_MAX - 1):
        try:
            return _record(recording, api, clock)
        except ClusterError as error:
            if error.details.get("status") != 409:
                raise
    return _record(recording, api, clock)


def _record(recording: Recording, api: ClusterApi, clock: Clock) -> Outcome:
    _present, works = prepare(recording.request, api)
    verdicts = _assign(recording.verdicts, works)
    ends = [_Record(work, recording, verdicts[number], api, clock).run() for number, work in enumerate(works)]
    diff = [each for _result, changes in ends for each in _render_diff(changes)]
    result = {"releases": [result for result, _changes in ends], "cluster": api.cluster}
    return Outcome(any(changes for _result, changes in ends), result, diff)


def _revision(work: ReleaseWork) -> str:
    deployment = next(each for each in work.objects if each["kind"] == "Deployment")
    return str(deployment["metadata"]["labels"][labels.REVISION])


def _assign(
    verdicts: Mapping[str, Sequence[Mapping[str, Any]]], works: Sequence[ReleaseWork]
) -> list[dict[str, Mapping[str, Any]]]:
    """Return the verdicts of each release, by the revision that they say they are of."""
    found: list[dict[str, Mapping[str, Any]]] = [{} for _work in works]
    problems = []
    for gate, results in verdicts.items():
        for result in results:
            revision = (result.get("observed") or {}).get("revision")
            for own, work in zip(found, works):
                if revision == _revision(work) or (revision is None and len(works) == 1):
                    own[gate] = {key: result[key] for key in _OF_A_VERDICT if key in result}
            if revision is None and len(works) > 1:
                hint = "Narrow it to one release with only."
                problems.append(Problem(f"verdicts.{gate}", "does not say of which release it is", hint=hint))
    if problems:
        raise InputError(problems)
    return found


class _Record:
    """One release's way to being recorded."""

    def __init__(
        self,
        work: ReleaseWork,
        recording: Recording,
        verdicts: Mapping[str, Mapping[str, Any]],
        api: ClusterApi,
        clock: Clock,
    ) -> None:
        self.work, self.recording, self.verdicts, self.api, self.clock = work, recording, verdicts, api, clock
        self.name, self.namespace = work.server.name, work.server.namespace
        self.check_mode = recording.request.check_mode
        maps = [item for (kind, _name), item in work.live.items() if kind == "ConfigMap"]
        self.records = read_records(self.name, maps, work.place)
        self.slot, self.revision = work.stable_slot, _revision(work)
        self.kept = recording.request.kept.get((self.namespace, self.name))
        self.spec = self.kept.spec if self.kept else recording.specs[self.namespace, self.name]
        self.changes: list[Written] = []
        self.is_locked = False

    def run(self) -> tuple[dict[str, Any], list[Written]]:
        state, current = self.work.state, self._current()
        if current is None:
            if not self.check_mode:
                self._check_deployed()
            state = self._keep(state)
        number = state.numbers[self.slot]
        self._write_state(state)
        gone = plan_history([*self.records, number], list(state.numbers.values()), self.recording.history_max)
        for each in gone:
            self._remove(each)
        self._end_lock()
        action = "recorded" if current is None else "unchanged"
        result = {
            "name": self.name,
            "namespace": self.namespace,
            "slot": self.slot,
            "revision": self.revision,
            "number": number,
            "action": action,
            "kept": sorted({*self.records, number} - set(gone)),
            "removed": list(gone),
        }
        return result, self.changes

    def _is_same(self, record: Record) -> bool:
        """Whether a record says what is to be recorded; the release's state is about the record itself."""
        both = [
            [each for each in objects if each["metadata"]["name"] != anchor_name(self.name)]
            for objects in (record.objects, self.work.objects)
        ]
        return canonical(both[0]) == canonical(both[1]) and canonical(record.spec) == canonical(self.spec)

    def _current(self) -> int | None:
        """Return the record of what the slot runs, None where it has none."""
        number = self.work.state.stable_number
        is_there = number in self.records and self._is_same(self.records[number][0])
        return number if is_there and not self.work.pending else None

    def _check_deployed(self) -> None:
        """Refuse to record what is not there: only what runs can be brought back."""
        if self.work.pending:
            names = ", ".join(f"{each['kind']} {each['metadata']['name']}" for each in self.work.pending)
            raise ClusterError(
                f"Release {self.namespace}/{self.name} on {self.api.cluster} is not recorded: not as specified are "
                f"{names}. Deploy it, let it pass its gate, and record it then",
                {"pending": names},
            )

    def _keep(self, state: ReleaseState) -> ReleaseState:
        """Write the record of what runs, or find it where a killed run has left it; return the state that names it."""
        left = max(self.records, default=0)
        if left > state.last_number and self._is_same(self.records[left][0]):
            return replace(state, numbers={**state.numbers, self.slot: left}, last_number=left)
        number = max(left, state.last_number) + 1
        record = self._render(number)
        place = f"ConfigMap {self.namespace}/{record_name(self.name, number)} on {self.api.cluster}"
        uid = str((self.work.anchor or {"metadata": {"uid": ""}})["metadata"]["uid"])
        item = render_record(record, self.namespace, self.name, uid, place)
        if not self.check_mode:
            self._take_lock()
            self.api.create(item)
        self.changes.append(Written("created", "ConfigMap", record_name(self.name, number), after=item))
        return replace(state, numbers={**state.numbers, self.slot: number}, last_number=number)

    def _take_lock(self) -> None:
        if self.recording.request.locks is not None and not self.is_locked:
            self.recording.request.locks.take(self.namespace, self.name)
            self.is_locked = True

    def _render(self, number: int) -> Record:
        server = self.work.server
        source = server.model.source
        return Record(
            number=number,
            revision=self.revision,
            slot=self.slot,
            recorded_at=self.clock.now().isoformat(timespec="seconds"),
            recorded_by=self.recording.holder,
            image=server.engine.image,
            model=f"{source.scheme}://{source.root}" + (f"/{source.path}" if source.path else ""),
            spec=self.spec,
            objects=self.work.objects,
            verdicts=dict(self.verdicts),
            image_digest=self._image_digest(),
            model_revision=server.model.revision,
            copy_of=self.kept.number if self.kept else None,
            files=find_files(self.work.objects),
        )

    def _image_digest(self) -> str | None:
        """Return the digest of the image that the slot's pods run."""
        server = self.work.server
        if server.engine.digest is not None or self.check_mode or server.replicas == 0:
            return server.engine.digest
        view = look_at_slot(self.api, self.namespace, self.name, self.slot, self.revision, self.clock.now())
        if view.why_not is not None:
            raise ClusterError(f"Release {self.namespace}/{self.name} is not recorded: {view.why_not}", {})
        digests = {find_digest(each) for each in view.image_ids}
        if len(digests) > 1:
            seen = ", ".join(sorted(map(str, digests)))
            raise ClusterError(
                f"Release {self.namespace}/{self.name} on {self.api.cluster} is not recorded: its pods run different "
                f"images under {server.engine.image}: {seen}. Say which one by engine.digest, and deploy again",
                {"digests": sorted(map(str, digests))},
            )
        return digests.pop()

    def _write_state(self, state: ReleaseState) -> None:
        wanted = render_release_data(state)
        benchmark = self.verdicts.get("benchmark") or {}
        if benchmark.get("verdict") == Result.PASS.value:
            wanted[RELEASE_KEY] = canonical(benchmark)
        anchor = self.work.anchor or {"metadata": {}}
        data = anchor.get("data") or {}
        differing = {key: text for key, text in wanted.items() if data.get(key) != text}
        if not differing:
            return
        check_size({**data, **differing}, self.work.place)
        if not self.check_mode:
            self._take_lock()
            change = {"metadata": {"resourceVersion": anchor["metadata"]["resourceVersion"]}, "data": differing}
            self.api.patch("ConfigMap", self.namespace, anchor_name(self.name), change)
        after = {**anchor, "data": {key: text for key, text in {**data, **differing}.items() if text is not None}}
        self.changes.append(Written("changed", "ConfigMap", anchor_name(self.name), anchor, after))

    def _remove(self, number: int) -> None:
        name = record_name(self.name, number)
        record, uid = self.records[number]
        self.api.delete("ConfigMap", self.namespace, name, uid, dry_run=self.check_mode)
        before = {"kind": "ConfigMap", "metadata": {"name": name}, "data": {"revision": record.revision}}
        self.changes.append(Written("deleted", "ConfigMap", name, before=before))

    def _end_lock(self) -> None:
        if self.recording.request.locks is None or self.work.anchor is None:
            return
        uid = self.work.anchor["metadata"]["uid"]
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": anchor_name(self.name), "uid": uid}
        if unlock(self.recording.holder, self.namespace, self.name, self.api, owner, dry_run=self.check_mode):
            self.changes.append(Written("changed", "Lease", anchor_name(self.name)))


def _render_diff(changes: Sequence[Written]) -> list[dict[str, str]]:
    return [
        {"before_header": header, "after_header": header, "before": show(each.before), "after": show(each.after)}
        for each in changes
        if each.kind != "Lease"
        for header in [f"{each.kind} {each.name}"]
    ]
