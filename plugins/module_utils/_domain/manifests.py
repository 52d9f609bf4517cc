# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All objects of a release, in the order in which they are applied."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.drain import plan_drain
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pod import (
    name_revision,
    render_files,
    render_template,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probes import plan_start

__all__ = [
    "RELEASE_FORMAT",
    "anchor_name",
    "find_strategy",
    "plan_strategy",
    "render_objects",
    "render_strategy",
    "with_owner",
]

RELEASE_FORMAT = "1"
# Image pull, scheduling and volumes, on top of the start budget, before Kubernetes calls a roll-out stuck.
_PROGRESS_MARGIN_SECONDS = 120


def anchor_name(server_name: str) -> str:
    """Return the name of the ConfigMap that holds a release's state and owns its other objects."""
    return f"{server_name}-release"


def plan_strategy(server: ModelServer) -> str:
    """Return ``surge``, ``in_place`` or ``recreate`` for the slot's Deployment, where no roll-out plan has chosen.

    ``auto``: CPU servers surge; on GPUs two or more replicas are replaced in place, because a free GPU cannot be taken
    for granted, and a single one surges, because nobody would answer otherwise.
    """
    if server.rollout_strategy != "auto":
        return server.rollout_strategy
    return "in_place" if server.resources.accelerator is not None and server.replicas > 1 else "surge"


def find_strategy(deployment: Mapping[str, Any]) -> str | None:
    """Return the name of a Deployment's strategy; None for numbers that are none of ours."""
    strategy = (deployment.get("spec") or {}).get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return "recreate"
    numbers = strategy.get("rollingUpdate") or {}
    names: dict[tuple[Any, Any], str] = {(1, 0): "surge", (0, 1): "in_place"}
    return names.get((numbers.get("maxSurge"), numbers.get("maxUnavailable")))


def render_strategy(strategy: str) -> dict[str, Any]:
    """Return a strategy as a Deployment has it."""
    if strategy == "recreate":
        return {"type": "Recreate"}
    surge = 1 if strategy == "surge" else 0
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": 1 - surge}}


def _open_ports(server: ModelServer) -> list[tuple[int, str]]:
    """Return number and protocol of the ports that peers may reach: the engine's, and those that sidecars name."""
    extra = {
        (port["containerPort"], port.get("protocol") or "TCP")
        for container in (*server.sidecars, *server.init)
        for port in container.spec.get("ports") or ()
    }
    engine = (server.engine.port, "TCP")
    return [engine, *sorted(extra - {engine})]


class _Release:
    """Renders the objects of one server in one slot."""

    def __init__(
        self, server: ModelServer, slot: str, stable_slot: str, drain_middleware: str, strategy: str | None
    ) -> None:
        self.server, self.slot, self.stable_slot = server, slot, stable_slot
        self.strategy = strategy or plan_strategy(server)
        self.files = render_files(server, drain_middleware)
        self.files_name = self.files[0] if self.files else None
        self.revision = name_revision(render_template(server, labels.SLOTS[0], self.files_name))

    def _object(
        self, api_version: str, kind: str, name: str, extra: dict[str, str] | None = None, **content: Any
    ) -> dict[str, Any]:
        server = self.server
        metadata: dict[str, Any] = {
            "name": name,
            "namespace": server.namespace,
            "labels": {
                **dict(server.labels),
                labels.NAME: "vllm",
                labels.INSTANCE: server.name,
                labels.COMPONENT: labels.MODEL_SERVER,
                labels.PART_OF: "llmops",
                labels.MANAGED_BY: labels.FIELD_MANAGER,
                **(extra or {}),
            },
        }
        if server.annotations:
            metadata["annotations"] = dict(server.annotations)
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}

    def anchor(self) -> dict[str, Any]:
        data = {"format": RELEASE_FORMAT, "stable_slot": self.stable_slot, f"revision.{self.slot}": self.revision}
        return self._object("v1", "ConfigMap", anchor_name(self.server.name), data=data)

    def configuration(self) -> list[dict[str, Any]]:
        objects = []
        if self.files is not None:
            objects.append(self._object("v1", "ConfigMap", self.files[0], immutable=True, data=self.files[1]))
        if self.server.security.service_account is None:
            account = self._object("v1", "ServiceAccount", self.server.name, automountServiceAccountToken=False)
            objects.append(account)
        return objects

    def service(self, name: str, slot: str, extra: dict[str, str]) -> dict[str, Any]:
        port = {"name": "http", "port": self.server.engine.port, "targetPort": "http", "protocol": "TCP"}
        spec = {"type": "ClusterIP", "selector": labels.slot_selector(self.server.name, slot), "ports": [port]}
        return self._object("v1", "Service", name, extra, spec=spec)

    def services(self) -> list[dict[str, Any]]:
        name = self.server.name
        slots = [self.service(f"{name}-{slot}", slot, {labels.SLOT: slot}) for slot in labels.SLOTS]
        return [self.service(name, self.stable_slot, {}), *slots]

    def deployment(self) -> dict[str, Any]:
        server = self.server
        template = copy.deepcopy(render_template(server, self.slot, self.files_name))
        template["metadata"]["labels"][labels.REVISION] = self.revision
        start = plan_start(server).seconds
        grace = plan_drain(server.drain, server.engine.version).grace_seconds
        spec = {
            "replicas": server.replicas,
            "selector": {"matchLabels": labels.slot_selector(server.name, self.slot)},
            "strategy": render_strategy(self.strategy),
            "progressDeadlineSeconds": start + grace + _PROGRESS_MARGIN_SECONDS,
            "revisionHistoryLimit": 10,
            "template": template,
        }
        extra = {
            labels.SLOT: self.slot,
            labels.REVISION: self.revision,
            labels.VERSION: str(server.engine.version),
        }
        deployment = self._object("apps/v1", "Deployment", f"{server.name}-{self.slot}", extra, spec=spec)
        deployment["metadata"].setdefault("annotations", {}).update(
            {
                labels.SERVED_NAME: server.model.served_names[0],
                labels.STARTUP_SECONDS: str(start),
                labels.WARMUP_REQUESTS: str(server.warmup_requests),
            }
        )
        return deployment

    def disruption_budget(self) -> dict[str, Any]:
        # One at a time; a single replica may go too, because a budget that allows none blocks node drains for ever.
        selector = {"matchLabels": labels.slot_selector(self.server.name, self.stable_slot)}
        spec = {"maxUnavailable": 1, "selector": selector}
        return self._object("policy/v1", "PodDisruptionBudget", self.server.name, spec=spec)

    def network_policy(self) -> list[dict[str, Any]]:
        server = self.server
        if not server.network.enabled:
            return []
        # The API key does not guard all of vLLM's paths, so only those may knock who are named. Egress is left alone.
        spec = {
            "podSelector": {"matchLabels": {labels.INSTANCE: server.name, labels.COMPONENT: labels.MODEL_SERVER}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [{"podSelector": {}}, *copy.deepcopy(list(server.network.ingress_from))],
                    "ports": [{"port": port, "protocol": protocol} for port, protocol in _open_ports(server)],
                }
            ],
        }
        return [self._object("networking.k8s.io/v1", "NetworkPolicy", server.name, spec=spec)]


def render_objects(
    server: ModelServer,
    drain_middleware: str,
    *,
    slot: str = "blue",
    stable_slot: str = "blue",
    strategy: str | None = None,
) -> tuple[dict[str, Any], ...]:
    """Return every object of a release, the anchor first, without owner references.

    ``drain_middleware`` is the text that pods get as a file; ``slot`` is the one that this specification goes to,
    ``stable_slot`` the one that clients reach; ``strategy`` is the planned one, None for that of ``plan_strategy``. A
    Namespace comes first where ``create_namespace`` is set.
    """
    release = _Release(server, slot, stable_slot, drain_middleware, strategy)
    namespace = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": server.namespace}}]
    return (
        *(namespace if server.create_namespace else ()),
        release.anchor(),
        *release.configuration(),
        *release.services(),
        release.disruption_budget(),
        *release.network_policy(),
        release.deployment(),
    )


def with_owner(objects: Sequence[dict[str, Any]], server_name: str, uid: str) -> tuple[dict[str, Any], ...]:
    """Return the objects with the anchor (whose ``uid`` only the cluster knows) as their owner."""
    anchor = anchor_name(server_name)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": anchor, "uid": uid}
    owned = []
    for item in objects:
        if item["kind"] != "Namespace" and not (item["kind"] == "ConfigMap" and item["metadata"]["name"] == anchor):
            item = copy.deepcopy(item)
            item["metadata"]["ownerReferences"] = [dict(reference)]
        owned.append(item)
    return tuple(owned)
