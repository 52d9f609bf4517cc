# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TraefikServices of Traefik (``traefik.io/v1alpha1``), which IngressRoutes name as their service.

Weights are shares of their sum, not percentages. The pins stand in the IngressRoute, whose rules match headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import SLOTS
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic import (
    PIN_HEADER,
    Entry,
    Pin,
    RouteSpec,
    Rule,
    Timeout,
    backend_name,
    find_slot,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict

__all__ = ["Traefik"]

_VERSION = "traefik.io/v1alpha1"
_FIELD = "weighted.services"
_ADVICE = "A sticky client stays with its slot whatever the weights say: remove it for the time of a canary"


class Traefik:
    """Knows TraefikServices; see ``Provider``."""

    name = "traefik"
    kind = "TraefikService"
    fields = ("weighted",)

    def parse(self, item: Mapping[str, Any], release: str) -> tuple[Rule, ...]:
        """Return the one rule, where it names a backend of ours."""
        entries = []
        for place, service in enumerate(_weighted(item).get("services") or ()):
            pointer = f"/spec/weighted/services/{place}"
            ours = service.get("kind", "Service") == "Service" and service.get("namespace") in (
                None,
                (item.get("metadata") or {}).get("namespace"),
            )
            name = str(service.get("name"))
            slot = find_slot(release, name) if ours else None
            # Without a weight Traefik takes one (pkg/provider/kubernetes/crd/kubernetes_http.go).
            entries.append(Entry(pointer, f"{pointer}/name", name, slot, int(service.get("weight", 1))))
        rule = Rule(_FIELD, tuple(entries))
        return (rule,) if rule.weights else ()

    def timeouts(self, item: Mapping[str, Any], _release: str) -> tuple[Timeout, ...]:
        """Traefik cuts no answer that flows; what holds clients in a slot is named instead."""
        sticky = _weighted(item).get("sticky")
        patch = {"op": "remove", "path": "/spec/weighted/sticky"}
        return (Timeout("weighted.sticky", "cookie", _ADVICE, (patch,)),) if sticky else ()

    def pins(self, _item: Mapping[str, Any], _release: str) -> tuple[Pin, ...]:
        """The object has no rules that could match a header: its IngressRoute has."""
        return ()

    def confirm(self, _item: Mapping[str, Any]) -> Verdict:
        """Nothing in the object tells: only requests do."""
        return Verdict(Result.PASS, ("Traefik does not say whether a TraefikService is in force: count requests",))

    def render(self, spec: RouteSpec, weights: Mapping[str, int]) -> tuple[dict[str, Any], ...]:
        """Return a TraefikService, and the IngressRoute that leads to it and has the pins."""
        services = [{**_service(spec, slot), "weight": weights[slot]} for slot in SLOTS]
        meta = {"name": spec.name, "namespace": spec.namespace}
        hosts = " || ".join(f"Host(`{host}`)" for host in spec.hosts)
        match = f"({hosts})" if hosts else "PathPrefix(`/`)"
        routes: list[dict[str, Any]] = [
            {
                "kind": "Rule",
                "match": f"{match} && Header(`{PIN_HEADER}`, `{slot}`)",
                "services": [_service(spec, slot)],
            }
            for slot in (SLOTS if spec.pin else ())
        ]
        routes.append({"kind": "Rule", "match": match, "services": [{"kind": "TraefikService", "name": spec.name}]})
        ingress: dict[str, Any] = {"routes": routes}
        ingress.update({"entryPoints": list(spec.entry_points)} if spec.entry_points else {})
        return (
            {"apiVersion": _VERSION, "kind": self.kind, "metadata": meta, "spec": {"weighted": {"services": services}}},
            {"apiVersion": _VERSION, "kind": "IngressRoute", "metadata": dict(meta), "spec": ingress},
        )


def _service(spec: RouteSpec, slot: str) -> dict[str, Any]:
    return {"kind": "Service", "name": backend_name(spec.release, slot), "port": spec.port}


def _weighted(item: Mapping[str, Any]) -> Mapping[str, Any]:
    weighted: Mapping[str, Any] = (item.get("spec") or {}).get("weighted") or {}
    return weighted
