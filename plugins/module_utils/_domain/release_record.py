# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One revision of a release, as an immutable ConfigMap NAME-revision-N keeps it: enough to bring it back.

The rendered objects are what is brought back, not what another version of the collection would make of the same
specification. The image counts as it ran: where it was asked for by a tag, a tag may mean something else by now.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import (
    COMPONENT,
    FIELD_MANAGER,
    INSTANCE,
    MANAGED_BY,
    MODEL_SERVER,
    REVISION,
    SLOT,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import RELEASE_FORMAT, with_owner
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pod import canonical
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.release_state import (
    check_size,
    find_format_problem,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError

__all__ = [
    "HISTORY_MAX",
    "Record",
    "find_digest",
    "find_files",
    "find_previous",
    "find_record_files",
    "is_record_name",
    "parse_record",
    "plan_history",
    "record_name",
    "render_record",
]

# As many as a Deployment keeps of its own by default.
HISTORY_MAX = 10
_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")
_TEXTS = ("revision", "slot", "recorded_at", "recorded_by", "image", "model")


@dataclass(frozen=True)
class Record:
    """What one revision was: ``spec`` as it was written with its defaults, ``objects`` as they were applied.

    ``image_digest`` is that of the running containers, None where the node knows none to pull by. ``copy_of`` is the
    number of the record that a roll-back has brought back by this one. ``files`` are ConfigMaps that its pods mount.
    """

    number: int
    revision: str
    slot: str
    recorded_at: str
    recorded_by: str
    image: str
    model: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    objects: Sequence[Mapping[str, Any]] = ()
    verdicts: Mapping[str, Any] = field(default_factory=dict)
    image_digest: str | None = None
    model_revision: str | None = None
    copy_of: int | None = None
    files: tuple[str, ...] = ()


def record_name(server_name: str, number: int) -> str:
    """Return the name of the ConfigMap of a record."""
    return f"{server_name}-revision-{number}"


def is_record_name(server_name: str, name: str) -> bool:
    """Whether a ConfigMap's name is that of a record of this release."""
    return re.fullmatch(rf"{re.escape(server_name)}-revision-[1-9][0-9]{{0,8}}", name) is not None


def find_digest(image_id: str) -> str | None:
    """Return the digest of a running container's ``imageID`` by which its image can be pulled, None where it has none.

    Of an image that was put on the node by hand the kubelet knows the digest of its configuration only, without ``@``.
    """
    found = _DIGEST.search(image_id)
    return found[1] if found else None


def find_files(objects: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the ConfigMaps among a release's objects that pods mount."""
    names = (each["metadata"]["name"] for each in objects if each["kind"] == "ConfigMap" and each.get("immutable"))
    return tuple(sorted(names))


def find_record_files(item: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ConfigMaps that pods of a record mount, without reading the rest of it."""
    return tuple((item.get("data") or {}).get("files", "").split())


def render_record(record: Record, namespace: str, server_name: str, owner_uid: str, place: str) -> dict[str, Any]:
    """Return the ConfigMap of a record; ClusterError where it would be too large (``place`` names it)."""
    written = {
        "format": RELEASE_FORMAT,
        "number": str(record.number),
        **{key: getattr(record, key) for key in _TEXTS},
        "image_digest": record.image_digest,
        "model_revision": record.model_revision,
        "copy_of": str(record.copy_of) if record.copy_of is not None else None,
        "files": " ".join(record.files) or None,
        "spec.json": canonical(record.spec),
        "objects.json": canonical(list(record.objects)),
        "verdicts.json": canonical(record.verdicts),
    }
    data = {key: text for key, text in written.items() if text is not None}
    check_size(data, place)
    marks = {
        INSTANCE: server_name,
        COMPONENT: MODEL_SERVER,
        MANAGED_BY: FIELD_MANAGER,
        REVISION: record.revision,
        SLOT: record.slot,
    }
    meta = {"name": record_name(server_name, record.number), "namespace": namespace, "labels": marks}
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "immutable": True, "data": data}
    return with_owner([item], server_name, owner_uid)[0]


def parse_record(item: Mapping[str, Any], place: str) -> Record:
    """Return the record of a ConfigMap; ClusterError where it cannot be read."""
    data: Mapping[str, str] = item.get("data") or {}
    if problem := find_format_problem(data):
        raise ClusterError(f"{place} {problem}", {"format": data.get("format")})
    try:
        return Record(
            number=int(data["number"]),
            **{key: data[key] for key in _TEXTS},
            spec=json.loads(data["spec.json"]),
            objects=json.loads(data["objects.json"]),
            verdicts=json.loads(data["verdicts.json"]),
            image_digest=data.get("image_digest"),
            model_revision=data.get("model_revision"),
            copy_of=int(data["copy_of"]) if "copy_of" in data else None,
            files=find_record_files(item),
        )
    except (KeyError, ValueError) as error:
        text = f"{place} is no record of a revision: {type(error).__name__} {error}. Nothing was done"
        raise ClusterError(text, {"error": str(error)}) from error


def find_previous(records: Mapping[int, Record], number: int) -> int | None:
    """Return the record to which a roll-back from ``number`` goes; None where there is none.

    A record that a roll-back made stands for the one that it brought back, so a further one goes further back and not
    to what was left behind.
    """
    while number in records and records[number].copy_of is not None:
        number = records[number].copy_of or 0
    return max((each for each in records if each < number and records[each].copy_of is None), default=None)


def plan_history(numbers: Sequence[int], in_use: Sequence[int], kept_max: int) -> tuple[int, ...]:
    """Return the numbers of the records to remove, oldest first: beyond the newest ``kept_max``, never one in use."""
    newest = sorted(set(numbers), reverse=True)[:kept_max]
    return tuple(sorted(each for each in set(numbers) if each not in newest and each not in in_use))
