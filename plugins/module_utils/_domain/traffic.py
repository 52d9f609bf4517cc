# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sharing the traffic of a release among its slots: what is wanted, what a route says, and the one patch between them.

A route has rules, and a rule is a list of backends with weights. Rules that name both of our backends share traffic;
those that name one lead somewhere on purpose (a pin) and stay as they are. A weight is a share of the sum of its rule.
Where a backend of somebody else is in the rule, ours keep their sum, so that its share stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import SLOTS
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Verdict
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = [
    "PIN_HEADER",
    "Entry",
    "Pin",
    "Provider",
    "RoutePlan",
    "RouteSpec",
    "Rule",
    "Timeout",
    "backend_name",
    "find_host",
    "find_slot",
    "plan_weights",
    "shares",
]

# A request with this header and the name of a slot goes to that slot, where the provider can match headers.
PIN_HEADER = "x-llmops-slot"
_WHOLE = 100


@dataclass(frozen=True)
class Entry:
    """A backend of a rule: where it stands (JSON pointer), its name as written, our slot or None, and its weight."""

    pointer: str
    name_pointer: str
    name: str
    slot: str | None
    weight: int


@dataclass(frozen=True)
class Rule:
    """The weighted backends of one rule; ``title`` names it in texts."""

    title: str
    entries: tuple[Entry, ...]

    @property
    def weights(self) -> dict[str, int]:
        """Return the weights of our slots, as written."""
        return {entry.slot: entry.weight for entry in self.entries if entry.slot is not None}

    @property
    def is_split(self) -> bool:
        """Whether it names both slots."""
        return set(self.weights) == set(SLOTS)

    @property
    def foreign(self) -> tuple[Entry, ...]:
        """Return the backends that are not ours."""
        return tuple(entry for entry in self.entries if entry.slot is None)


@dataclass(frozen=True)
class Timeout:
    """A setting of a route that ends answers, repeats requests or holds clients: where it stands and its value.

    ``value`` None is the router's own default. ``advice`` is None where the setting does no harm, else ``patch`` (JSON
    patch) is what follows it.
    """

    where: str
    value: str | None
    advice: str | None
    patch: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Pin:
    """A way to reach one slot on purpose: send this header with this value."""

    slot: str
    header: str
    value: str


@dataclass(frozen=True)
class RouteSpec:
    """What a route is made of, for who has none: hosts, the router it hangs on, and the port of our Services."""

    name: str
    namespace: str
    release: str
    port: int
    hosts: tuple[str, ...] = ()
    gateway: str | None = None
    gateway_namespace: str | None = None
    section: str | None = None
    entry_points: tuple[str, ...] = ()
    pin: bool = True


@dataclass(frozen=True)
class RoutePlan:
    """The patch that makes a route share traffic as wanted, empty where it does; ``before`` are percentages."""

    patch: tuple[Mapping[str, Any], ...]
    before: tuple[Mapping[str, float], ...]


class Provider(Protocol):
    """What is to know about one kind of route; everything in here is pure."""

    @property
    def name(self) -> str:
        """Its name in the options."""

    @property
    def kind(self) -> str:
        """The kind of the object that holds the weights."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields below ``spec`` that hold backends, for whom ``managedFields`` tells who has set them."""

    def parse(self, item: Mapping[str, Any], release: str) -> tuple[Rule, ...]:
        """Return the rules that name a backend of ours."""

    def timeouts(self, item: Mapping[str, Any], release: str) -> tuple[Timeout, ...]:
        """Return the time limits of those rules, and what else keeps weights or answers from being whole."""

    def pins(self, item: Mapping[str, Any], release: str) -> tuple[Pin, ...]:
        """Return the ways to reach one slot."""

    def confirm(self, item: Mapping[str, Any]) -> Verdict:
        """Whether the router says that it has taken the route as it is now."""

    def render(self, spec: RouteSpec, weights: Mapping[str, int]) -> tuple[dict[str, Any], ...]:
        """Return the objects of a route, the one with the weights first."""


def backend_name(release: str, slot: str) -> str:
    """Return the name of a slot's Service."""
    return f"{release}-{slot}"


def find_slot(release: str, service: str) -> str | None:
    """Return the slot that a Service leads to, or None where it is not ours."""
    return next((slot for slot in SLOTS if service == backend_name(release, slot)), None)


def find_host(item: Mapping[str, Any]) -> str | None:
    """Return the first host that a route is for and that can be asked, whichever kind of route it is."""
    spec = item.get("spec") or {}
    hosts = [*(spec.get("hostnames") or ()), *(spec.get("hosts") or ()), spec.get("host")]
    return next((str(host) for host in hosts if host and "*" not in host), None)


def shares(weights: Mapping[str, int]) -> dict[str, float]:
    """Return each slot's percentage of the traffic that our slots get; 0 for all where all weights are 0."""
    total = sum(weights.values())
    return {slot: round(_WHOLE * weight / total, 2) if total else 0.0 for slot, weight in weights.items()}


def _scaled(rule: Rule, wanted: Mapping[str, int], provider: Provider) -> tuple[dict[str, int], Problem | None]:
    """Return the weights that give the wanted shares in a rule, or why there are none."""
    if not rule.foreign:
        return dict(wanted), None
    total = sum(rule.weights.values())
    scaled = {slot: total * percent / _WHOLE for slot, percent in wanted.items()}
    if total and all(value == int(value) for value in scaled.values()):
        return {slot: int(value) for slot, value in scaled.items()}, None
    others = ", ".join(f"{entry.name} (weight {entry.weight})" for entry in rule.foreign)
    able = ", ".join(str(p) for p in range(_WHOLE + 1) if total and total * p % _WHOLE == 0) or "none"
    return {}, Problem(
        f"weights in {rule.title}",
        f"cannot be shared like that without a change of what others get there: {others}",
        f"{wanted} of a sum of {total}",
        f"for one slot {able}",
        f"Give our two backends weights with a sum of {_WHOLE} first, or a rule of their own ({provider.name}).",
    )


def plan_weights(
    item: Mapping[str, Any], rules: Sequence[Rule], wanted: Mapping[str, int], provider: Provider
) -> RoutePlan:
    """Return one patch for all rules that name both slots; InputError where it cannot be.

    It tests the name of every backend in those rules, and the route's generation, which counts changes of its ``spec``
    and none of its status: where somebody has changed one since, the server refuses the whole patch.
    """
    generation = (item.get("metadata") or {}).get("generation")
    guard = [] if generation is None else [{"op": "test", "path": "/metadata/generation", "value": generation}]
    split = [rule for rule in rules if rule.is_split]
    problems: list[Problem] = []
    patch: list[Mapping[str, Any]] = []
    for rule in split:
        weights, problem = _scaled(rule, wanted, provider)
        problems += [problem] if problem else []
        ours = [entry for entry in rule.entries if entry.slot is not None and entry.slot in weights]
        # Shares count, not numbers: 1 and 1 are 50 and 50.
        if not ours or shares(rule.weights) == shares(weights):
            continue
        patch += [{"op": "test", "path": e.name_pointer, "value": e.name} for e in rule.entries]
        for entry in ours:
            patch.append({"op": "add", "path": f"{entry.pointer}/weight", "value": weights[str(entry.slot)]})
    if problems:
        raise InputError(problems)
    return RoutePlan(tuple([*guard, *patch] if patch else ()), tuple(shares(rule.weights) for rule in split))
