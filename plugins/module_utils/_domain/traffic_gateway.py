# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPRoutes of the Gateway API (``gateway.networking.k8s.io/v1``).

Defaults and limits are those of its ``apis/v1/httproute_types.go``. ``backendRefs`` is an atomic list: whoever applies
it server-side owns all of it, so single weights are changed by a JSON patch.
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
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict, worst

__all__ = ["GatewayApi"]

GROUP = "gateway.networking.k8s.io"
_NEEDED = ("Accepted", "ResolvedRefs")
_UNLIMITED = "0s"
_ADVICE = (
    "Set timeouts.request: 0s. Left to the gateway it is 15 s in those made of Envoy, and an answer that lasts longer "
    "ends in its middle with HTTP 200"
)


class GatewayApi:
    """Knows HTTPRoutes; see ``Provider``."""

    name = "gateway_api"
    kind = "HTTPRoute"
    fields = ("rules",)

    def parse(self, item: Mapping[str, Any], release: str) -> tuple[Rule, ...]:
        """Return the rules that name a backend of ours."""
        return tuple(rule for _index, _raw, rule in _rules(item, release))

    def timeouts(self, item: Mapping[str, Any], release: str) -> tuple[Timeout, ...]:
        """Return the limit of whole requests in those rules; ``0s`` is none."""
        found = []
        for index, raw, _rule in _rules(item, release):
            limits = raw.get("timeouts") or {}
            value = limits.get("request")
            where, pointer = f"rules[{index}].timeouts.request", f"/spec/rules/{index}/timeouts"
            if value is not None and _is_zero(value):
                found.append(Timeout(where, value, None))
            else:
                patch = {"op": "add", "path": pointer, "value": {**limits, "request": _UNLIMITED}}
                found.append(Timeout(where, value, _ADVICE, (patch,)))
        return tuple(found)

    def pins(self, item: Mapping[str, Any], release: str) -> tuple[Pin, ...]:
        """Return the headers that lead to one slot alone."""
        found = []
        for _index, raw, rule in _rules(item, release):
            slots = [entry.slot for entry in rule.entries if entry.weight > 0]
            for match in raw.get("matches") or ():
                headers = match.get("headers") or ()
                exact = [header for header in headers if header.get("type", "Exact") == "Exact"]
                if len(slots) == 1 and slots[0] is not None and len(headers) == len(exact) == 1:
                    found.append(Pin(slots[0], exact[0]["name"], exact[0]["value"]))
        return tuple(found)

    def confirm(self, item: Mapping[str, Any]) -> Verdict:
        """Each parent must have accepted exactly this generation."""
        generation = (item.get("metadata") or {}).get("generation")
        parents = (item.get("status") or {}).get("parents") or ()
        if not parents:
            text = (
                "no controller has claimed the route: is its Gateway there, and does a listener allow this namespace?"
            )
            return Verdict(Result.INCONCLUSIVE, (text,))
        return worst(_confirm_parent(parent, generation) for parent in parents)

    def render(self, spec: RouteSpec, weights: Mapping[str, int]) -> tuple[dict[str, Any], ...]:
        """Return an HTTPRoute with the defaults written out that the server fills in, and a rule for each pin."""
        parent: dict[str, Any] = {"group": GROUP, "kind": "Gateway", "name": spec.gateway}
        parent["namespace"] = spec.gateway_namespace or spec.namespace
        parent.update({"sectionName": spec.section} if spec.section else {})
        path = {"path": {"type": "PathPrefix", "value": "/"}}
        rules = []
        for slot in SLOTS if spec.pin else ():
            header = {"type": "Exact", "name": PIN_HEADER, "value": slot}
            rules.append(
                {
                    "matches": [{**path, "headers": [header]}],
                    "backendRefs": [_reference(spec, slot, 1)],
                    "timeouts": {"request": _UNLIMITED},
                }
            )
        references = [_reference(spec, slot, weights[slot]) for slot in SLOTS]
        rules.append({"matches": [path], "backendRefs": references, "timeouts": {"request": _UNLIMITED}})
        content: dict[str, Any] = {"parentRefs": [parent], "rules": rules}
        content.update({"hostnames": list(spec.hosts)} if spec.hosts else {})
        meta = {"name": spec.name, "namespace": spec.namespace}
        return ({"apiVersion": f"{GROUP}/v1", "kind": self.kind, "metadata": meta, "spec": content},)


def _reference(spec: RouteSpec, slot: str, weight: int) -> dict[str, Any]:
    name = backend_name(spec.release, slot)
    return {"group": "", "kind": "Service", "name": name, "port": spec.port, "weight": weight}


def _is_zero(duration: str) -> bool:
    """Whether a duration (GEP-2257: numbers with h, m, s, ms) is none at all."""
    return not any(character in "123456789" for character in duration)


def _rules(item: Mapping[str, Any], release: str) -> Iterator[tuple[int, Mapping[str, Any], Rule]]:
    """Yield the rules that name a backend of ours, with their place and as they are written."""
    metadata = item.get("metadata") or {}
    for index, raw in enumerate((item.get("spec") or {}).get("rules") or ()):
        entries = []
        for place, reference in enumerate(raw.get("backendRefs") or ()):
            pointer = f"/spec/rules/{index}/backendRefs/{place}"
            ours = (
                reference.get("group", "") == ""
                and reference.get("kind", "Service") == "Service"
                and reference.get("namespace") in (None, metadata.get("namespace"))
            )
            name = str(reference.get("name"))
            slot = find_slot(release, name) if ours else None
            entries.append(Entry(pointer, f"{pointer}/name", name, slot, int(reference.get("weight", 1))))
        rule = Rule(f"rules[{index}]" + (f" ({raw['name']})" if raw.get("name") else ""), tuple(entries))
        if rule.weights:
            yield index, raw, rule


def _confirm_parent(parent: Mapping[str, Any], generation: int | None) -> Verdict:
    reference = parent.get("parentRef") or {}
    who = f"{reference.get('kind', 'Gateway')} {reference.get('name')} ({parent.get('controllerName')})"
    conditions = {each.get("type"): each for each in parent.get("conditions") or ()}
    verdicts = []
    for name in _NEEDED:
        condition = conditions.get(name)
        if condition is None or (condition.get("observedGeneration") or 0) < (generation or 0):
            verdicts.append(
                Verdict(Result.INCONCLUSIVE, (f"{who} has not looked at this generation: no {name} of it",))
            )
        elif condition.get("status") != "True":
            text = f"{who} says {name}={condition.get('status')}: {condition.get('reason')}, {condition.get('message')}"
            verdicts.append(Verdict(Result.FAIL, (text,)))
        else:
            verdicts.append(Verdict(Result.PASS))
    return worst(verdicts)
