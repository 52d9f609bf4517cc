# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proving a split: requests are sent through the route, or others' are watched, and the pods' own counters tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pod_state import is_ready
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic import Pin
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_parse import Verification
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_verdict import (
    Counted,
    judge_split,
    requests_needed,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Clock, ClusterApi
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.slots import engine_url

__all__ = ["Proof", "TrafficCounter", "check_verification", "find_ready_pods", "prove_split"]

_PAUSE_SECONDS = 0.5


class TrafficCounter(Protocol):
    """What asks through a route and reads pods' counters, from here or from a Job."""

    def count(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the observation of ``_engine/count.py``."""


@dataclass(frozen=True)
class Proof:
    """The verdict with what was counted; nothing where nothing was to be proved."""

    verdict: Verdict
    observed: Mapping[str, Any] = field(default_factory=dict)


def find_ready_pods(api: ClusterApi, namespace: str, name: str) -> dict[str, list[dict[str, Any]]]:
    """Return the ready pods of each slot."""
    pods: dict[str, list[dict[str, Any]]] = {}
    for slot in labels.SLOTS:
        selector = ",".join(f"{k}={v}" for k, v in labels.slot_selector(name, slot).items())
        pods[slot] = [pod for pod in api.list_objects("Pod", namespace, selector) if is_ready(pod)]
    return pods


def check_verification(wanted: Verification, pins: Sequence[Pin], url: str | None) -> tuple[str | None, Pin | None]:
    """Return the address to ask and the pin to use; InputError where requests could not be sent like that."""
    problems = []
    address = wanted.url or url
    if wanted.requests != 0 and address is None:
        hint = "The address of the router, such as http://gateway.example.com; or set verify.requests: 0 to watch."
        problems.append(Problem("verify.url", "is needed to send requests through the route", hint=hint))
    pin = next((each for each in pins if each.slot == wanted.slot), None)
    if wanted.slot is not None and pin is None:
        known = ", ".join(f"{each.slot} by {each.header}: {each.value}" for each in pins) or "none"
        problems.append(Problem("verify.slot", "cannot be asked alone by this route", wanted.slot, known))
    if problems:
        raise InputError(problems)
    return address, pin


def prove_split(
    wanted: Verification,
    weights: Mapping[str, int],
    place: tuple[str, str],
    pods: Mapping[str, Sequence[Mapping[str, Any]]],
    way: tuple[str | None, Pin | None, str | None],
    counter: TrafficCounter,
    api: ClusterApi,
    clock: Clock,
    *,
    with_foreign: bool,
    settle_seconds: float,
) -> Proof:
    """Return what the counters say; ``place`` is namespace and name, ``way`` the address, a pin and a host.

    A router says that it has taken a route a moment before it shares by it: a count that fails is repeated as long as
    ``settle_seconds`` are not over, and the last one counts.
    """
    namespace, name = place
    url, pin, host = way
    deployments = {slot: api.get("Deployment", namespace, f"{name}-{slot}") for slot in labels.SLOTS}
    asked = next((each for each in deployments.values() if each is not None), None)
    if asked is None:
        text = f"there is no Deployment {namespace}/{name}-blue or -green on {api.cluster}"
        return Proof(Verdict(Result.INCONCLUSIVE, (text,)))
    if pin is not None:
        weights = {slot: 100 if slot == pin.slot else 0 for slot in labels.SLOTS}
    headers = {**({"Host": host} if host else {}), **({pin.header: pin.value} if pin else {})}
    targets = [
        {"name": pod["metadata"]["name"], "url": engine_url(deployments[slot] or asked, pod["status"]["podIP"])}
        for slot, found in pods.items()
        for pod in found
    ]
    number = requests_needed(weights) if wanted.requests is None else wanted.requests
    request = {
        "pods": targets,
        "target": {"url": url or "", "headers": headers, "verify": wanted.verify_certificate},
        "model": asked["metadata"].get("annotations", {}).get(labels.SERVED_NAME, name),
        "endpoint": wanted.endpoint,
        "requests": number,
        "concurrency": wanted.concurrency,
        "timeout_seconds": wanted.timeout_seconds,
        "seconds_max": wanted.seconds,
        "watch_seconds": wanted.seconds,
    }
    end, rounds = clock.monotonic() + settle_seconds, 0
    while True:
        rounds += 1
        try:
            counted = _read(counter.count(asked, request), pods)
        except ClusterError as error:
            return Proof(Verdict(Result.INCONCLUSIVE, (error.message,)))
        verdict = judge_split(weights, counted, with_foreign=with_foreign)
        if verdict.result is not Result.FAIL or clock.monotonic() >= end:
            break
        clock.sleep(_PAUSE_SECONDS)
    observed = {
        "rounds": rounds,
        "requests_by_slot": dict(counted.by_slot),
        "sent": counted.sent,
        "answered": counted.answered,
        "failures": dict(counted.failures or {}),
        "requests_needed": requests_needed(weights),
        "expected_percent": dict(weights),
    }
    return Proof(verdict, observed)


def _read(seen: Mapping[str, Any], pods: Mapping[str, Sequence[Mapping[str, Any]]]) -> Counted:
    """Return the counts by slot; a pod that was not read twice, or has begun anew, leaves its slot without any."""
    by_slot: dict[str, int | None] = {}
    unread = []
    for slot, found in pods.items():
        total: int | None = 0
        for pod in found:
            name = pod["metadata"]["name"]
            before, after = seen["before"].get(name), seen["after"].get(name)
            if before is None or after is None or after < before:
                unread.append(f"pod {name} " + ("has restarted" if None not in (before, after) else "shows no counter"))
                total = None
            elif total is not None:
                total += round(after - before)
        by_slot[slot] = total
    return Counted(by_slot, seen["sent"], seen["answered"], seen["failures"], tuple(unread))
