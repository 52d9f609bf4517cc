# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of OpenShift (``route.openshift.io/v1``): one main backend and up to three others.

A weight without a value is 100, and none is above 256 (its ``route/v1/types.go``). It matches no headers, so nothing
can be pinned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import SLOTS
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic import (
    Entry,
    Pin,
    RouteSpec,
    Rule,
    Timeout,
    backend_name,
    find_slot,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict, worst

__all__ = ["OpenShiftRoute"]

_ANNOTATIONS = "haproxy.router.openshift.io"
TIMEOUT = f"{_ANNOTATIONS}/timeout"
BALANCE = f"{_ANNOTATIONS}/balance"
COOKIES = f"{_ANNOTATIONS}/disable_cookies"
_WEIGHT = 100
_TIMEOUT_ADVICE = "Annotate the Route with 30m: without it the router ends an answer after 30 s of silence"
_COOKIE_ADVICE = 'Annotate the Route with "true": a client with the router\'s cookie stays with its slot'
_BALANCE_ADVICE = "Annotate the Route with roundrobin: with others the weights do not hold"
_WANTED = (
    (TIMEOUT, "30m", _TIMEOUT_ADVICE),
    (COOKIES, "true", _COOKIE_ADVICE),
    (BALANCE, "roundrobin", _BALANCE_ADVICE),
)


class OpenShiftRoute:
    """Knows Routes; see ``Provider``."""

    name = "openshift_route"
    kind = "Route"
    fields = ("alternateBackends", "to")

    def parse(self, item: Mapping[str, Any], release: str) -> tuple[Rule, ...]:
        """Return the one rule, where it names a backend of ours."""
        entries = []
        for pointer, backend in _backends(item):
            name = str(backend.get("name"))
            slot = find_slot(release, name) if backend.get("kind", "Service") == "Service" else None
            weight = backend.get("weight")
            entries.append(Entry(pointer, f"{pointer}/name", name, slot, _WEIGHT if weight is None else int(weight)))
        rule = Rule("to and alternateBackends", tuple(entries))
        return (rule,) if rule.weights else ()

    def timeouts(self, item: Mapping[str, Any], _release: str) -> tuple[Timeout, ...]:
        """Return the router's limit of silence, and what keeps clients in a slot."""
        annotations = (item.get("metadata") or {}).get("annotations") or {}
        found = []
        for name, good, advice in _WANTED:
            value = annotations.get(name)
            # How long a silence may be is for the user to say; the others have one good value.
            if value == good or (name == TIMEOUT and value is not None):
                found.append(Timeout(f"annotation {name}", value, None))
                continue
            first = not annotations and not any(each.patch for each in found)
            found.append(Timeout(f"annotation {name}", value, advice, _annotate(name, good, first=first)))
        return tuple(found)

    def pins(self, _item: Mapping[str, Any], _release: str) -> tuple[Pin, ...]:
        """There are none: a Route matches host and path only."""
        return ()

    def confirm(self, item: Mapping[str, Any]) -> Verdict:
        """Every router must have admitted the Route; it does not say which version of it."""
        routers = (item.get("status") or {}).get("ingress") or ()
        if not routers:
            return Verdict(Result.INCONCLUSIVE, ("no router has admitted the Route",))
        return worst(_confirm_router(router) for router in routers)

    def render(self, spec: RouteSpec, weights: Mapping[str, int]) -> tuple[dict[str, Any], ...]:
        """Return a Route with a long limit of silence, without cookies."""
        first, second = (
            {"kind": "Service", "name": backend_name(spec.release, s), "weight": weights[s]} for s in SLOTS
        )
        notes = {name: good for name, good, _advice in _WANTED}
        meta = {"name": spec.name, "namespace": spec.namespace, "annotations": notes}
        content: dict[str, Any] = {"to": first, "alternateBackends": [second], "port": {"targetPort": "http"}}
        content.update({"host": spec.hosts[0]} if spec.hosts else {})
        return ({"apiVersion": "route.openshift.io/v1", "kind": self.kind, "metadata": meta, "spec": content},)


def _annotate(name: str, value: str, *, first: bool) -> tuple[Mapping[str, Any], ...]:
    """Return the patch that adds an annotation; a Route without any lacks the place for them."""
    pointer = "/metadata/annotations"
    escaped = name.replace("~", "~0").replace("/", "~1")
    place = ({"op": "add", "path": pointer, "value": {}},) if first else ()
    return (*place, {"op": "add", "path": f"{pointer}/{escaped}", "value": value})


def _backends(item: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    spec = item.get("spec") or {}
    yield "/spec/to", spec.get("to") or {}
    for place, backend in enumerate(spec.get("alternateBackends") or ()):
        yield f"/spec/alternateBackends/{place}", backend


def _confirm_router(router: Mapping[str, Any]) -> Verdict:
    name = f"router {router.get('routerName')}"
    admitted = next((each for each in router.get("conditions") or () if each.get("type") == "Admitted"), None)
    if admitted is None:
        return Verdict(Result.INCONCLUSIVE, (f"{name} has not said whether it admits the Route",))
    if admitted.get("status") != "True":
        return Verdict(Result.FAIL, (f"{name} does not admit it: {admitted.get('reason')}, {admitted.get('message')}",))
    return Verdict(Result.PASS)
