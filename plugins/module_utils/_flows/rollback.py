# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back to a revision that is kept: its objects come from its record, and go the way of any deployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.changes import Live
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import release_selector
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import anchor_name
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.release_record import Record, find_previous
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.release_state import ReleaseState, parse_release
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_server import deploy
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Clock, ClusterApi, Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.recording import (
    Recording,
    read_records,
    record_releases,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.release import Request

__all__ = ["record_restored", "restore_release"]


def restore_release(namespace: str, name: str, to_revision: int | None, request: Request, api: ClusterApi) -> Outcome:
    """Bring a kept revision back into the stable slot; ``to_revision`` None for the last one before what runs.

    ``request`` holds everything but the release itself. A roll-back that was not brought to its end goes on.
    """
    state, records = _read(namespace, name, api)
    number = _choose(state, records, to_revision, f"release {namespace}/{name} on {api.cluster}")
    outcome = deploy(_with(request, namespace, name, records[number]), api)
    return replace(outcome, result={**outcome.result, "to_revision": number})


def record_restored(namespace: str, name: str, recording: Recording, api: ClusterApi, clock: Clock) -> Outcome:
    """Record what a roll-back has brought back, as a revision of its own."""
    state, records = _read(namespace, name, api)
    number = state.restored_from
    if number is None or number not in records:
        what = "its last deployment was no roll-back" if number is None else f"revision {number} is not kept any more"
        raise ClusterError(
            f"Nothing of release {namespace}/{name} on {api.cluster} was recorded: {what}. Name its specification in "
            "model_servers",
            {"restored_from": number},
        )
    request = _with(recording.request, namespace, name, records[number])
    specs = {(namespace, name): records[number].spec}
    return record_releases(replace(recording, request=request, specs=specs), api, clock)


def _with(request: Request, namespace: str, name: str, record: Record) -> Request:
    return replace(request, servers=parse_model_servers([record.spec]), kept={(namespace, name): record})


def _read(namespace: str, name: str, api: ClusterApi) -> tuple[ReleaseState, Mapping[int, Record]]:
    place = f"ConfigMap {namespace}/{anchor_name(name)} on {api.cluster}"
    items: Live = {
        ("ConfigMap", item["metadata"]["name"]): item
        for item in api.list_objects("ConfigMap", namespace, release_selector(name))
    }
    state = parse_release(items.get(("ConfigMap", anchor_name(name))), place)
    if state is None:
        raise ClusterError(
            f"There is no release {namespace}/{name} on {api.cluster}: {place} does not exist. Check the name and the "
            "namespace; playbooks/status.yml shows what there is",
            {"namespace": namespace, "name": name},
        )
    found = read_records(name, list(items.values()), place)
    return state, {number: record for number, (record, _uid) in found.items()}


def _stands_for(records: Mapping[int, Record], number: int | None, origin: int) -> bool:
    return number == origin or (number is not None and number in records and records[number].copy_of == origin)


def _choose(state: ReleaseState, records: Mapping[int, Record], wanted: int | None, place: str) -> int:
    kept = ", ".join(str(number) for number in sorted(records)) or "none"
    details = {"kept": sorted(records), "to_revision": wanted}
    if wanted is not None:
        if wanted in records:
            return wanted
        raise ClusterError(
            f"Revision {wanted} of {place} is not kept; kept are: {kept}. Nothing was changed. Name one of them, or "
            "deploy its specification",
            details,
        )
    current, started = state.stable_number, state.restored_from
    if started is not None and started in records and not _stands_for(records, current, started):
        return started
    if (
        current is not None
        and current in records
        and state.revisions.get(state.stable_slot) != records[current].revision
    ):
        # What was deployed since has never passed its gate: the last record is what ran before it.
        return current
    previous = find_previous(records, current) if current is not None else None
    if previous is None:
        before = f"before revision {current}" if current is not None else "as nothing was recorded yet"
        raise ClusterError(
            f"There is nothing to roll {place} back to: no revision {before} is kept; kept are: {kept}. Nothing was "
            "changed. Deploy the specification that is wanted",
            details,
        )
    return previous
