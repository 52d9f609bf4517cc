# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualServices of Istio (``networking.istio.io/v1``).

``spec.http`` is an ordered list: the first rule that matches takes the request, so pins come first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

__all__ = ["Istio"]

# 0s was none, too, until the schema took 1 ms at least.
_TIMEOUT = "Remove it: without, an answer may take as long as it does"
_RETRIES = "Set retries.attempts: 0, else a request may be answered twice, and by the other slot"
_CLUSTER_DOMAIN = ".svc.cluster.local"


class Istio:
    """Knows VirtualServices; see ``Provider``."""

    name = "istio"
    kind = "VirtualService"
    fields = ("http",)

    def parse(self, item: Mapping[str, Any], release: str) -> tuple[Rule, ...]:
        """Return the rules that name a backend of ours."""
        return tuple(rule for _index, _raw, rule in _rules(item, release))

    def timeouts(self, item: Mapping[str, Any], release: str) -> tuple[Timeout, ...]:
        """Return the limits of requests, by default none, and retries, by default two: a POST may then run twice."""
        found = []
        for index, raw, _rule in _rules(item, release):
            value, retries = raw.get("timeout"), raw.get("retries") or {}
            where, pointer = f"http[{index}]", f"/spec/http/{index}"
            if value is None or not any(character in "123456789" for character in value):
                found.append(Timeout(f"{where}.timeout", value, None))
            else:
                patch = {"op": "remove", "path": f"{pointer}/timeout"}
                found.append(Timeout(f"{where}.timeout", value, _TIMEOUT, (patch,)))
            if retries.get("attempts") == 0:
                found.append(Timeout(f"{where}.retries.attempts", "0", None))
            else:
                shown = str(retries["attempts"]) if "attempts" in retries else None
                retry = {"op": "add", "path": f"{pointer}/retries", "value": {"attempts": 0}}
                found.append(Timeout(f"{where}.retries.attempts", shown, _RETRIES, (retry,)))
        return tuple(found)

    def pins(self, item: Mapping[str, Any], release: str) -> tuple[Pin, ...]:
        """Return the headers that lead to one slot alone."""
        found = []
        for _index, raw, rule in _rules(item, release):
            slots = {entry.slot for entry in rule.entries if entry.weight > 0 or len(rule.entries) == 1}
            slot = slots.pop() if len(slots) == 1 else None
            for match in raw.get("match") or ():
                headers = match.get("headers") or {}
                exact = {name: value["exact"] for name, value in headers.items() if "exact" in value}
                if slot is not None and len(headers) == len(exact) == 1:
                    found += [Pin(slot, name, value) for name, value in exact.items()]
        return tuple(found)

    def confirm(self, _item: Mapping[str, Any]) -> Verdict:
        """Nothing in the object tells: only requests do."""
        return Verdict(Result.PASS, ("Istio does not say whether a VirtualService is in force: count requests",))

    def render(self, spec: RouteSpec, weights: Mapping[str, int]) -> tuple[dict[str, Any], ...]:
        """Return a VirtualService without a time-out and without retries."""
        common = {"retries": {"attempts": 0}}
        rules: list[dict[str, Any]] = []
        for slot in SLOTS if spec.pin else ():
            match = [{"headers": {PIN_HEADER: {"exact": slot}}}]
            rules.append({"name": f"pin-{slot}", "match": match, "route": [_route(spec, slot, 100)], **common})
        routes = [_route(spec, slot, weights[slot]) for slot in SLOTS]
        rules.append({"name": "split", "route": routes, **common})
        content: dict[str, Any] = {"hosts": list(spec.hosts) or [spec.release], "http": rules}
        if spec.gateway:
            content["gateways"] = [f"{spec.gateway_namespace or spec.namespace}/{spec.gateway}"]
        meta = {"name": spec.name, "namespace": spec.namespace}
        return ({"apiVersion": "networking.istio.io/v1", "kind": self.kind, "metadata": meta, "spec": content},)


def _route(spec: RouteSpec, slot: str, weight: int) -> dict[str, Any]:
    host = f"{backend_name(spec.release, slot)}.{spec.namespace}{_CLUSTER_DOMAIN}"
    return {"destination": {"host": host, "port": {"number": spec.port}}, "weight": weight}


def _service(host: str, namespace: str) -> str:
    """Return the name of a Service of the route's namespace out of a host; an empty one for other namespaces."""
    name, _dot, rest = host.partition(".")
    own = f"{namespace}{_CLUSTER_DOMAIN}"
    return name if not rest or (rest.startswith(namespace) and own.startswith(rest)) else ""


def _rules(item: Mapping[str, Any], release: str) -> Iterator[tuple[int, Mapping[str, Any], Rule]]:
    namespace = str((item.get("metadata") or {}).get("namespace"))
    for index, raw in enumerate((item.get("spec") or {}).get("http") or ()):
        entries = []
        for place, route in enumerate(raw.get("route") or ()):
            pointer = f"/spec/http/{index}/route/{place}"
            host = str((route.get("destination") or {}).get("host"))
            slot = find_slot(release, _service(host, namespace))
            weight = int(route.get("weight", 0))
            entries.append(Entry(pointer, f"{pointer}/destination/host", host, slot, weight))
        rule = Rule(f"http[{index}]" + (f" ({raw['name']})" if raw.get("name") else ""), tuple(entries))
        if rule.weights:
            yield index, raw, rule
