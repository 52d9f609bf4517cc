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
    deployments = [(key[1], _release_of(item), item) for key, item in found.items() if key[0] == "Deployment"]
    releases = sorted({(namespace, release) for namespace, release, _item in deployments})
    leases = dict(zip(releases, api.side_by_side([partial(_find_lease, api, *each) for each in releases])))
    slots = []
    for namespace, release, item in deployments:
        anchor = found.get(("ConfigMap", namespace, anchor_name(release)))
        maps = [each for (kind, place, _name), each in found.items() if (kind, place) == ("ConfigMap", namespace)]
        service = found.get(("Service", namespace, release))
        slots.append(describe_slot(item, anchor, service, maps, leases[namespace, release]))
    slots.sort(key=lambda slot: (slot["namespace"], slot["name"], slot["slot"]))
    return Outcome(False, {"model_servers": slots, "table": render_table(slots), "cluster": api.cluster})


def _release_of(item: Mapping[str, Any]) -> str:
    return str((item["metadata"].get("labels") or {}).get(labels.INSTANCE, ""))


def _find_lease(api: ClusterApi, namespace: str, release: str) -> Mapping[str, Any] | None:
    try:
        return api.get("Lease", namespace, anchor_name(release))
    except ClusterError as error:
        if error.details.get("status") == 403:
            return None  # only the lock is unknown then
        raise


def _list(api: ClusterApi, kind: str, namespace: str | None, selector: str) -> Sequence[Mapping[str, Any]]:
    try:
        return api.list_objects(kind, namespace, selector)
    except ClusterError as error:
        if kind == "Service" and error.details.get("status") == 403:
            return []  # only the address is unknown then
        raise
