# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a release from its objects in the cluster alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_data import parse_canary
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.lock import Lock, parse_lease
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probe_job import (
    find_engine,
    find_http_port,
    join_address,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.release_record import is_record_name
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.table import align

__all__ = ["describe_slot", "render_table"]

_COLUMNS = (
    ("NAMESPACE", "namespace"),
    ("RELEASE", "name"),
    ("SLOT", "slot"),
    ("STABLE", "stable"),
    ("READY", "ready"),
    ("REVISION", "revision"),
    ("RECORD", "record"),
    ("VERDICT", "verdict"),
    ("LOCK", "locked_by"),
    ("VLLM", "engine_version"),
    ("MODEL", "served_name"),
    ("SERVICE", "service"),
)


def describe_slot(
    deployment: Mapping[str, Any],
    anchor: Mapping[str, Any] | None,
    service: Mapping[str, Any] | None,
    configmaps: Sequence[Mapping[str, Any]] = (),
    lease: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return one slot of a release from its Deployment, the release's anchor and the clients' Service.

    Of ``configmaps`` in its namespace its records count; ``lease`` is its lock.
    """
    metadata, spec, status = deployment["metadata"], deployment["spec"], deployment.get("status") or {}
    marks, notes = metadata.get("labels") or {}, metadata.get("annotations") or {}
    name, namespace = marks.get(labels.INSTANCE, ""), metadata["namespace"]
    stable = ((anchor or {}).get("data") or {}).get("stable_slot", labels.SLOTS[0])
    port, address = find_http_port(deployment), ((service or {}).get("spec") or {}).get("clusterIP")
    return {
        "name": name,
        "namespace": namespace,
        "slot": marks.get(labels.SLOT, ""),
        "stable": marks.get(labels.SLOT) == stable,
        "revision": marks.get(labels.REVISION, ""),
        **_describe_history((anchor or {}).get("data") or {}, marks, name, configmaps),
        "lock": _describe_lock(parse_lease(lease)),
        "replicas": int(spec.get("replicas", 1)),
        "updated_replicas": int(status.get("updatedReplicas") or 0),
        "ready_replicas": int(status.get("readyReplicas") or 0),
        "image": find_engine(deployment)["image"],
        "engine_version": marks.get(labels.VERSION, ""),
        "served_name": notes.get(labels.SERVED_NAME, name),
        "service": f"{name}.{namespace}.svc:{port}",
        "address": join_address(address, port) if address else None,
        "created": metadata.get("creationTimestamp", ""),
    }


def _describe_history(
    data: Mapping[str, str], marks: Mapping[str, str], name: str, configmaps: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what is recorded of a slot; a state that another version has written must not keep the rest from view."""
    records = [item["data"] for item in configmaps if is_record_name(name, item["metadata"]["name"])]
    history = sorted(map(_describe_record, records), key=lambda each: int(each["number"]))
    return {
        "number": _number(data.get(f"number.{marks.get(labels.SLOT)}")),
        "history": history,
        "restored_from": _number(data.get("restored_from")),
        "canary": _phase(data.get("canary")),
    }


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _describe_record(data: Mapping[str, str]) -> dict[str, Any]:
    verdicts = json.loads(data.get("verdicts.json") or "{}")
    return {
        "number": int(data["number"]),
        **{key: data.get(key) for key in ("revision", "recorded_at", "recorded_by", "image", "image_digest")},
        "copy_of": _number(data.get("copy_of")),
        "verdicts": {gate: result.get("verdict") for gate, result in verdicts.items()},
    }


def _phase(text: str | None) -> str | None:
    try:
        return parse_canary(text).phase.value if text is not None else None
    except ValueError:
        return "unknown"


def _describe_lock(lock: Lock | None) -> dict[str, Any] | None:
    if lock is None or not lock.holder:
        return None
    times = {"taken_at": lock.taken_at, "ends_at": lock.ends_at}
    return {"holder": lock.holder, **{key: time.isoformat() if time else None for key, time in times.items()}}


def _record_cells(slot: Mapping[str, Any]) -> dict[str, str]:
    """Return which record the slot runs and how many are kept, its verdicts, and who holds the lock until when."""
    own = next((each for each in slot["history"] if each["number"] == slot["number"]), None)
    is_it = own is not None and own["revision"] == slot["revision"]
    lock = slot["lock"]
    return {
        "record": f"{slot['number']} of {len(slot['history'])}" if is_it else "none",
        "verdict": " ".join(f"{gate}:{word}" for gate, word in (own or {}).get("verdicts", {}).items() if is_it) or "-",
        "locked_by": f"{lock['holder']} until {lock['ends_at']}" if lock else "-",
    }


def render_table(slots: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the slots as aligned lines of text with a head line."""
    rows = [[head for head, _key in _COLUMNS]]
    for slot in slots:
        cells = {
            **slot,
            **_record_cells(slot),
            "ready": f"{slot['ready_replicas']}/{slot['replicas']}",
            "stable": "yes" if slot["stable"] else "no",
        }
        rows.append([str(cells[key]) for _head, key in _COLUMNS])
    return align(rows)
