# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the releases of a cluster."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.inventory import describe_slot, render_table
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import anchor_name
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi, Outcome

__all__ = ["inspect_releases"]


def inspect_releases(namespaces: Sequence[str], api: ClusterApi) -> Outcome:
    """Return every slot of every release in the namespaces (all of the cluster when there are none)."""
    selector = f"{labels.MANAGED_BY}={labels.FIELD_MANAGER},{labels.COMPONENT}={labels.MODEL_SERVER}"
    places: list[str | None] = list(namespaces) or [None]
    pairs = [(kind, place) for place in places for kind in ("Deployment", "ConfigMap")]
    lists = api.side_by_side([lambda p=pair: api.list_objects(p[0], p[1], selector) for pair in pairs])  # type: ignore[misc]
    deployments = [item for (kind, _rest), items in zip(pairs, lists) if kind == "Deployment" for item in items]
    anchors = {
        (item["metadata"]["namespace"], item["metadata"]["name"]): item
        for (kind, _rest), items in zip(pairs, lists)
        if kind == "ConfigMap"
        for item in items
    }
    slots = []
    for item in deployments:
        release = (item["metadata"].get("labels") or {}).get(labels.INSTANCE, "")
        slots.append(describe_slot(item, anchors.get((item["metadata"]["namespace"], anchor_name(release)))))
    slots.sort(key=lambda slot: (slot["namespace"], slot["name"], slot["slot"]))
    return Outcome(False, {"model_servers": slots, "table": render_table(slots), "cluster": api.cluster})
