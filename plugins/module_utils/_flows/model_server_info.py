# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the releases of a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.inventory import describe_slot, render_table
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import anchor_name
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi, Outcome

__all__ = ["inspect_releases"]


def inspect_releases(namespaces: Sequence[str], api: ClusterApi) -> Outcome:
    """Return every slot of every release in the namespaces (all of the cluster when there are none)."""
    selector = f"{labels.MANAGED_BY}={labels.FIELD_MANAGER},{labels.COMPONENT}={labels.MODEL_SERVER}"
    places: list[str | None] = list(namespaces) or [None]
    pairs = [(kind, place) for kind in ("Deployment", "ConfigMap", "Service") for place in places]
    lists = api.side_by_side([partial(_list, api, *pair, selector) for pair in pairs])
    found = {
        (kind, item["metadata"]["namespace"], item["metadata"]["name"]): item
        for (kind, _place), items in zip(pairs, lists)
        for item in items
    }
    slots = []
    for (kind, namespace, _name), item in found.items():
        if kind == "Deployment":
            release = (item["metadata"].get("labels") or {}).get(labels.INSTANCE, "")
            anchor = found.get(("ConfigMap", namespace, anchor_name(release)))
            slots.append(describe_slot(item, anchor, found.get(("Service", namespace, release))))
    slots.sort(key=lambda slot: (slot["namespace"], slot["name"], slot["slot"]))
    return Outcome(False, {"model_servers": slots, "table": render_table(slots), "cluster": api.cluster})


def _list(api: ClusterApi, kind: str, namespace: str | None, selector: str) -> Sequence[Mapping[str, Any]]:
    try:
        return api.list_objects(kind, namespace, selector)
    except ClusterError as error:
        if kind == "Service" and error.details.get("status") == 403:
            return []  # only the address is unknown then
        raise
