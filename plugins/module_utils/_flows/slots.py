# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The slots of a release: which is the stable one, what runs there, and the ways to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import anchor_name
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pod_state import Wait
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probe_job import (
    find_http_port,
    join_address,
    uses_tls,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.readiness import (
    Snapshot,
    evaluate_rollout,
    find_revision,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi

__all__ = ["SlotView", "choose_slots", "engine_url", "find_service", "find_stable_slot", "look_at_slot"]


@dataclass(frozen=True)
class SlotView:
    """A slot at one moment; ``why_not`` tells why it is not rolled out, and nothing else counts then."""

    slot: str
    deployment: Mapping[str, Any] = field(default_factory=dict)
    revision: str | None = None
    pods: tuple[str, ...] = ()
    uids: frozenset[str] = frozenset()
    image_ids: frozenset[str] = frozenset()
    why_not: str | None = None

    def is_as(self, other: SlotView) -> bool:
        """Whether the same revision runs in the same pods, rolled out both times."""
        rolled_out = self.why_not is None and other.why_not is None
        return rolled_out and (self.revision, self.uids) == (other.revision, other.uids)


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


def choose_slots(api: ClusterApi, namespace: str, name: str, wanted: str | None, *, compared: bool) -> list[str]:
    """Return the slot to judge and, where it is ``compared``, the stable one; InputError where both are the same."""
    stable = find_stable_slot(api, namespace, name)
    if not compared:
        return [wanted or stable]
    other = next(slot for slot in labels.SLOTS if slot != stable)
    if wanted == stable:
        text = "is the stable one, with which it would be compared"
        raise InputError([Problem("slot", text, wanted, hint=f"Leave it out, or name {other}.")])
    return [wanted or other, stable]


def look_at_slot(
    api: ClusterApi, namespace: str, name: str, slot: str, revision: str | None, now: datetime
) -> SlotView:
    """Return what runs in a slot, where it is rolled out; ``revision`` None takes the one that is wanted."""
    selector = ",".join(f"{k}={v}" for k, v in labels.slot_selector(name, slot).items())
    deployments = api.list_objects("Deployment", namespace, selector)
    pods = api.list_objects("Pod", namespace, selector)
    snapshot = Snapshot(deployments[0] if deployments else None, pods=pods)
    # Only whether it is rolled out counts here; why it is not is for the health gate to find out.
    state = evaluate_rollout(snapshot, revision, Wait(now, unschedulable_seconds=0.0))
    if snapshot.deployment is None or state.state != "ready":
        place = f"slot {slot} of {namespace}/{name} on {api.cluster}"
        return SlotView(slot, why_not=f"{place} is not rolled out: {state.summary}. Run health_gate first")
    counted = [pod for pod in pods if pod["metadata"]["name"] in state.pods]
    uids = frozenset(pod["metadata"]["uid"] for pod in counted)
    return SlotView(
        slot, snapshot.deployment, find_revision(snapshot), state.pods, uids, frozenset(map(_image_id, counted))
    )


def _image_id(pod: Mapping[str, Any]) -> str:
    """Return what the node says that the engine's container runs; empty where it does not say."""
    running = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((str(each.get("imageID") or "") for each in running if each["name"] == "engine"), "")
