# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to the slots of a release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import anchor_name
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probe_job import (
    find_http_port,
    join_address,
    uses_tls,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi

__all__ = ["engine_url", "find_service", "find_stable_slot"]


def find_stable_slot(api: ClusterApi, namespace: str, name: str) -> str:
    """Return the slot of a release that its clients reach."""
    anchor = api.get("ConfigMap", namespace, anchor_name(name))
    return str(((anchor or {}).get("data") or {}).get("stable_slot", labels.SLOTS[0]))


def engine_url(deployment: Mapping[str, Any], address: str) -> str:
    """Return where an address of a Service or pod of the Deployment is asked."""
    scheme = "https" if uses_tls(deployment) else "http"
    return f"{scheme}://{join_address(address, find_http_port(deployment))}"


def find_service(
    api: ClusterApi, deployment: Mapping[str, Any], namespace: str, name: str, slot: str
) -> tuple[dict[str, Any], str | None]:
    """Return a Service as a place to ask, and what is wrong with it where it does not lead to the slot."""
    service = api.get("Service", namespace, name) or {}
    selected = ((service.get("spec") or {}).get("selector") or {}).get(labels.SLOT)
    if not service:
        return {}, f"there is no Service {namespace}/{name}: deploy again"
    if selected != slot:
        return {}, f"Service {namespace}/{name} leads to slot {selected}, not {slot}: deploy again"
    return {"name": f"service {name}", "url": engine_url(deployment, service["spec"]["clusterIP"])}, None
