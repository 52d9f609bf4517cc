# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users write about a split: percentages, a route to make, and how to prove it; all problems are told at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.addresses import find_address_problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import SLOTS
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic import RouteSpec
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["Verification", "Wish", "parse_wish"]

_WHOLE = 100
_PORT_MAX = 65535
_WITH_GATEWAY = ("gateway_api",)
_ONE_HOST = ("openshift_route",)
_WITHOUT_ROUTE = ("replicas",)


@dataclass(frozen=True)
class Verification:
    """How to prove a split; ``requests`` None sends as many as tell the share, 0 watches the traffic of others.

    ``slot`` sends all of them pinned to one slot.
    """

    url: str | None = None
    host: str | None = None
    slot: str | None = None
    requests: int | None = None
    seconds: float = 60.0
    concurrency: int = 4
    timeout_seconds: float = 30.0
    endpoint: str = "completions"
    verify_certificate: bool = True


@dataclass(frozen=True)
class Wish:
    """The percentages by slot, the route to make where there is none, and how to prove the split."""

    weights: Mapping[str, int]
    create: RouteSpec | None = None
    verify: Verification | None = None


def parse_wish(
    place: tuple[str, str, str],
    provider: str,
    weights: Mapping[str, Any],
    create: Mapping[str, Any] | None,
    verify: Mapping[str, Any] | None,
) -> Wish:
    """Return what is wanted; InputError with every problem. ``place`` is namespace, release and the route's name."""
    problems: list[Problem] = []
    wish = Wish(
        _parse_weights(weights, problems),
        None if create is None else _parse_route(place, provider, create, problems),
        None if verify is None else _parse_verification(verify, problems),
    )
    if problems:
        raise InputError(problems)
    return wish


def _parse_weights(raw: Mapping[str, Any], problems: list[Problem]) -> dict[str, int]:
    allowed = " and ".join(SLOTS)
    found = [Problem(f"weights.{name}", "is no slot", str(raw[name]), allowed) for name in raw if name not in SLOTS]
    weights: dict[str, int] = {}
    for slot in SLOTS:
        number = _whole_number(raw.get(slot))
        if raw.get(slot) is None:
            found.append(Problem(f"weights.{slot}", "is missing", hint="Name both slots, 0 for one without traffic."))
        elif number is None or not 0 <= number <= _WHOLE:
            text = "a whole number from 0 to 100"
            found.append(Problem(f"weights.{slot}", "is no percentage", str(raw[slot]), text))
        else:
            weights[slot] = number
    if not found and sum(weights.values()) != _WHOLE:
        found.append(Problem("weights", "do not sum to 100", f"{sum(weights.values())}", "percentages of the traffic"))
    problems += found
    return weights


def _whole_number(value: object) -> int | None:
    """Return a whole number out of what Ansible gives: numbers come as text out of templates."""
    if isinstance(value, str) and value.strip().isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _parse_route(
    place: tuple[str, str, str], provider: str, raw: Mapping[str, Any], problems: list[Problem]
) -> RouteSpec:
    namespace, release, name = place
    hosts: Sequence[str] = raw.get("hosts") or ()
    port = int(raw.get("port") or 0)
    if provider in _WITHOUT_ROUTE:
        problems.append(Problem("create", "does not go with replicas, which need no route", hint="Leave it out."))
    if provider in _WITH_GATEWAY and not raw.get("gateway"):
        problems.append(Problem("create.gateway", "is missing", hint="Name the Gateway that the route hangs on."))
    if provider in _ONE_HOST and len(hosts) > 1:
        problems.append(Problem("create.hosts", "are too many for one Route", str(len(hosts)), "one"))
    if not 1 <= port <= _PORT_MAX:
        problems.append(Problem("create.port", "is no port", str(raw.get("port")), f"1 to {_PORT_MAX}"))
    return RouteSpec(
        name=name,
        namespace=namespace,
        release=release,
        port=port,
        hosts=tuple(hosts),
        gateway=raw.get("gateway"),
        gateway_namespace=raw.get("gateway_namespace"),
        section=raw.get("section"),
        entry_points=tuple(raw.get("entry_points") or ()),
        pin=bool(raw.get("pin", True)),
    )


def _parse_verification(raw: Mapping[str, Any], problems: list[Problem]) -> Verification:
    verification = Verification(**raw)
    if verification.url is not None and (problem := find_address_problem("verify.url", verification.url)):
        problems.append(problem)
    if (verification.requests or 0) < 0:
        problems.append(Problem("verify.requests", "is out of range", str(verification.requests), "zero or more"))
    for name in ("seconds", "concurrency", "timeout_seconds"):
        value = getattr(verification, name)
        if not isfinite(value) or value <= 0:
            problems.append(Problem(f"verify.{name}", "is out of range", f"{value:g}", "a number above zero"))
    return verification
