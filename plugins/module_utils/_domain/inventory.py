# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a release from its objects in the cluster alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probe_job import (
    find_engine,
    find_http_port,
    join_address,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.table import align

__all__ = ["describe_slot", "render_table"]

_COLUMNS = (
    ("NAMESPACE", "namespace"),
    ("RELEASE", "name"),
    ("SLOT", "slot"),
    ("STABLE", "stable"),
    ("READY", "ready"),
    ("REVISION", "revision"),
    ("VLLM", "engine_version"),
    ("MODEL", "served_name"),
    ("SERVICE", "service"),
)


def describe_slot(
    deployment: Mapping[str, Any], anchor: Mapping[str, Any] | None, service: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return one slot of a release from its Deployment, the release's anchor and the clients' Service."""
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


def render_table(slots: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the slots as aligned lines of text with a head line."""
    rows = [[head for head, _key in _COLUMNS]]
    for slot in slots:
        cells = {
            **slot,
            "ready": f"{slot['ready_replicas']}/{slot['replicas']}",
            "stable": "yes" if slot["stable"] else "no",
        }
        rows.append([str(cells[key]) for _head, key in _COLUMNS])
    return align(rows)
