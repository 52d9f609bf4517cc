# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else writes the weights of a route: controllers that own it, and managers of its backends.

Flagger, Argo Rollouts, KServe and self-healing GitOps put their own weights back within minutes, so that sharing
traffic beside them would be a fight. ``managedFields`` knows who has set a field; a list of backends has one owner as a
whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import FIELD_MANAGER

__all__ = ["find_autoscalers", "find_owners"]

# Put on by Argo Rollouts' plug-in while it shares the traffic.
_ROLLOUTS = "rollouts.argoproj.io/gatewayapi-canary"


def find_owners(item: Mapping[str, Any], fields: Sequence[str]) -> tuple[str, ...]:
    """Return who else writes the given fields below ``spec``, each as words for a message."""
    metadata = item.get("metadata") or {}
    found = [
        f"controller {reference.get('kind')} {reference.get('name')}"
        for reference in metadata.get("ownerReferences") or ()
        if reference.get("controller")
    ]
    if _ROLLOUTS in (metadata.get("labels") or {}):
        found.append(f"Argo Rollouts (label {_ROLLOUTS})")
    for entry in metadata.get("managedFields") or ():
        spec = (entry.get("fieldsV1") or {}).get("f:spec")
        owns = isinstance(spec, Mapping) and any(f"f:{field}" in spec for field in fields)
        if owns and entry.get("manager") != FIELD_MANAGER:
            found.append(f"field manager {entry.get('manager')}")
    return tuple(dict.fromkeys(found))


def find_autoscalers(
    deployments: Sequence[str], scalers: Sequence[Mapping[str, Any]], scaled_objects: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    """Return the autoscalers that set the replicas of these Deployments, as words for a message."""
    found = []
    for kind, items, default in (
        ("HorizontalPodAutoscaler", scalers, ""),
        # Without a kind KEDA means a Deployment.
        ("ScaledObject", scaled_objects, "Deployment"),
    ):
        for item in items:
            target = (item.get("spec") or {}).get("scaleTargetRef") or {}
            if target.get("kind", default) == "Deployment" and target.get("name") in deployments:
                found.append(f"{kind} {item['metadata']['name']} of {target['name']}")
    return tuple(found)
