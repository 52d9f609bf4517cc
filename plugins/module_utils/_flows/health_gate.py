# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until a release really answers, or until it is known that it cannot.

The wait comes in slices: a call returns at the next change of state, so that progress reaches the screen, and is called
again with what it returned. Everything is read anew each time, so nothing is lost between slices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Protocol

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.accelerators import is_extended
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.capacity import describe_free
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pod_state import Wait, find_ended, parse_time
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probe_verdict import evaluate_probe
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.readiness import (
    RolloutState,
    Snapshot,
    evaluate_rollout,
    find_revision,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import parse_needs
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Clock, ClusterApi, Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.slots import (
    engine_url,
    find_service,
    find_stable_slot,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.supply import read_supply

__all__ = ["GateRequest", "Prober", "judge_health"]

_POLL_SECONDS = 0.5
_LOG_LINES = 20
_GPU_WORDS = "Insufficient "


class Prober(Protocol):
    """Asks the questions of ``_engine/probe.py``."""

    def probe(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the observation."""


@dataclass(frozen=True)
class GateRequest:
    """What to wait for; ``resume`` is what the slice before has returned as ``waiting``."""

    name: str
    namespace: str
    slot: str | None = None
    revision: str | None = None
    served_name: str | None = None
    url: str | None = None
    since: str | None = None
    timeout_seconds: int = 0
    probe_timeout_seconds: float = 60.0
    unschedulable_seconds: float = 2.0
    warmup_requests: int | None = None
    fail_on: Sequence[str] = ("fail", "inconclusive")
    slice_seconds: float | None = None
    resume: Mapping[str, Any] | None = None


def judge_health(request: GateRequest, api: ClusterApi, prober: Prober | None, clock: Clock) -> Outcome:
    """Return the verdict, or after a slice what it is waiting for; ``prober`` None asks nothing (check mode)."""
    return _Gate(request, api, prober, clock).run()


class _Gate:
    def __init__(self, request: GateRequest, api: ClusterApi, prober: Prober | None, clock: Clock) -> None:
        self.request, self.api, self.prober, self.clock = request, api, prober, clock
        resume = request.resume or {}
        self.seen = str(resume.get("summary", ""))
        self.started = parse_time(resume.get("started_at")) or clock.now()
        self.since = _parse_since(request.since) or self.started
        self.ready = int(resume.get("ready", 0))
        self.progressed = parse_time(resume.get("progressed_at")) or self.started
        self.room_seen = parse_time(resume.get("room_seen_at"))
        self.slot = request.slot or str(resume.get("slot") or "") or self._stable_slot()

    def run(self) -> Outcome:
        begin = self.clock.monotonic()
        while True:
            snapshot, state = self._look()
            if state.state == "failed":
                return self._end(Verdict(Result.FAIL, self._with_logs(snapshot, state)), snapshot, state)
            if state.state == "ready":
                return self._ask(snapshot, state)
            if late := self._find_lateness(snapshot):
                return self._end(Verdict(Result.FAIL, (f"{late}: {state.summary}",)), snapshot, state)
            sliced = self.request.slice_seconds
            if sliced is not None and (state.summary != self.seen or self.clock.monotonic() - begin > sliced):
                return Outcome(False, {"waiting": self._waiting(state), "verdict": Result.INCONCLUSIVE.value})
            self.clock.sleep(_POLL_SECONDS)

    def _waiting(self, state: RolloutState) -> dict[str, Any]:
        """Return what the next slice has to know."""
        return {
            "summary": state.summary,
            "slot": self.slot,
            "ready": self.ready,
            "started_at": self.started.isoformat(),
            "progressed_at": self.progressed.isoformat(),
            "room_seen_at": self.room_seen.isoformat() if self.room_seen is not None else None,
        }

    def _stable_slot(self) -> str:
        return find_stable_slot(self.api, self.request.namespace, self.request.name)

    def _limit_seconds(self, snapshot: Snapshot) -> int:
        if self.request.timeout_seconds > 0:
            return self.request.timeout_seconds
        return int(((snapshot.deployment or {}).get("spec") or {}).get("progressDeadlineSeconds") or 600)

    def _find_lateness(self, snapshot: Snapshot) -> str | None:
        """Return which time is over; the Deployment's own deadline counts, as Kubernetes has it, from pod to pod."""
        limit, now = self._limit_seconds(snapshot), self.clock.now()
        if self.request.timeout_seconds > 0:
            late = (now - self.started).total_seconds() > limit
            return f"not ready after {limit} s (timeout_seconds)" if late else None
        late = (now - self.progressed).total_seconds() > limit
        return f"no further pod got ready within {limit} s (the Deployment's progressDeadlineSeconds)" if late else None

    def _look(self) -> tuple[Snapshot, RolloutState]:
        namespace = self.request.namespace
        selector = ",".join(f"{k}={v}" for k, v in labels.slot_selector(self.request.name, self.slot).items())
        deployments, replica_sets, pods, events = self.api.side_by_side(
            [
                lambda: self.api.list_objects("Deployment", namespace, selector),
                lambda: self.api.list_objects("ReplicaSet", namespace, selector),
                lambda: self.api.list_objects("Pod", namespace, selector),
                lambda: self.api.list_objects("Event", namespace, fields="involvedObject.kind=Pod"),
            ]
        )
        snapshot = Snapshot(deployments[0] if deployments else None, replica_sets, pods, events)
        snapshot = replace(snapshot, logs=self._logs(pods))
        now = self.clock.now().astimezone(timezone.utc)
        wait = Wait(now, self.request.unschedulable_seconds, self.since, self.room_seen)
        state = evaluate_rollout(snapshot, self.request.revision, wait)
        if state.room_is_made:
            self.room_seen = now
        if len(state.pods) > self.ready:
            self.ready, self.progressed = len(state.pods), now
        return snapshot, state

    def _logs(self, pods: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Return the last words of what has ended with an error, by pod."""
        logs = {}
        for pod in pods:
            if ended := find_ended(pod):
                container, previous = ended
                name = pod["metadata"]["name"]
                logs[name] = self.api.logs(self.request.namespace, name, container, lines=_LOG_LINES, previous=previous)
        return logs

    def _with_logs(self, snapshot: Snapshot, state: RolloutState) -> tuple[str, ...]:
        reasons = list(state.reasons)
        if any(_GPU_WORDS in reason for reason in reasons):
            reasons.append(self._free_gpus(snapshot))
        for name in state.failed_pods:
            if log := snapshot.logs.get(name, "").strip():
                reasons.append(f"last log lines of pod {name}:\n{log}")
        return tuple(reasons)

    def _free_gpus(self, snapshot: Snapshot) -> str:
        """Return how many of the wanted accelerators these pods could have, as far as we may see."""
        template = ((snapshot.deployment or {}).get("spec") or {}).get("template") or {}
        needs = parse_needs(self.request.namespace, template)
        wanted = {name: amount for name, amount in needs.requests.items() if is_extended(name)}
        if not wanted:
            return "see resources.requests and placement"
        try:
            supply = read_supply(self.api, tuple(wanted), needs)
        except ClusterError as error:
            return f"free accelerators are unknown: {error.message}"
        return "; ".join(describe_free(supply, name, amount) for name, amount in wanted.items())

    def _ask(self, snapshot: Snapshot, state: RolloutState) -> Outcome:
        deployment = snapshot.deployment or {}
        notes = deployment["metadata"].get("annotations") or {}
        if self.prober is None:
            reason = "the model was not asked: check mode makes no Job (run_from: controller asks in check mode too)"
            return self._end(Verdict(Result.INCONCLUSIVE, (reason,)), snapshot, state)
        model = self.request.served_name or notes.get(labels.SERVED_NAME, self.request.name)
        warmup = self.request.warmup_requests
        services, wrong = self._services(deployment)
        if wrong:
            return self._end(Verdict(Result.FAIL, tuple(wrong)), snapshot, state)
        pods = self._pods(deployment, snapshot, state)
        questions = {
            "targets": [*services, *pods],
            "model": model,
            "max_tokens": 8,
            "warmup_requests": int(notes.get(labels.WARMUP_REQUESTS, 0)) if warmup is None else warmup,
            "timeout_seconds": self.request.probe_timeout_seconds,
        }
        try:
            observation = self.prober.probe(deployment, questions)
        except ClusterError as error:
            return self._end(Verdict(Result.INCONCLUSIVE, (error.message,)), snapshot, state)
        version = (deployment["metadata"].get("labels") or {}).get(labels.VERSION)
        verdict = evaluate_probe(
            observation,
            model=model,
            version=version,
            services=[each["name"] for each in services],
            pods=[each["name"] for each in pods],
        )
        after, state_after = self._look()
        if verdict.result is Result.PASS and state_after.state != "ready":
            verdict = Verdict(Result.FAIL, (f"no longer ready after it was asked: {state_after.summary}",))
        if verdict.result is Result.FAIL:
            verdict = replace(verdict, reasons=verdict.reasons + self._with_logs(after, state_after))
        return self._end(verdict, after, state, observation)

    def _services(self, deployment: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the ways to the slot, and what is wrong with those that lead nowhere or elsewhere.

        They are the slot's own Service, and the clients' where the slot is the stable one: the data path learns of each
        by itself. An address of the user's own takes the place of both.
        """
        if self.request.url is not None:
            return [{"name": f"url {self.request.url}", "url": self.request.url, "verify": True}], []
        names = [f"{self.request.name}-{self.slot}"]
        if self.slot == self._stable_slot():
            names.insert(0, self.request.name)
        found, wrong = [], []
        for name in names:
            target, problem = find_service(self.api, deployment, self.request.namespace, name, self.slot)
            if problem is None:
                found.append(target)
            else:
                wrong.append(problem)
        return found, wrong

    def _pods(self, deployment: Mapping[str, Any], snapshot: Snapshot, state: RolloutState) -> list[dict[str, str]]:
        """Return every ready pod as a place to ask."""
        return [
            {"name": f"pod {pod['metadata']['name']}", "url": engine_url(deployment, pod["status"]["podIP"])}
            for pod in snapshot.pods
            if pod["metadata"]["name"] in state.pods
        ]

    def _end(
        self, verdict: Verdict, snapshot: Snapshot, state: RolloutState, observation: Mapping[str, Any] | None = None
    ) -> Outcome:
        finished = self.clock.now()
        place = f"{self.request.namespace}/{self.request.name}"
        result: dict[str, Any] = {
            "verdict": verdict.result.value,
            "reasons": list(verdict.reasons),
            "observed": {
                "slot": self.slot,
                "revision": self.request.revision or find_revision(snapshot),
                "rollout": state.summary,
                "pods": list(state.pods),
                "targets": list((observation or {}).get("targets") or ()),
            },
            "limits": {
                "timeout_seconds": self._limit_seconds(snapshot),
                "probe_timeout_seconds": self.request.probe_timeout_seconds,
                "unschedulable_seconds": self.request.unschedulable_seconds,
            },
            "samples": sum(len(each.get("answers") or ()) for each in (observation or {}).get("targets") or ()),
            "started_at": self.started.isoformat(),
            "finished_at": finished.isoformat(),
        }
        seconds = (finished - self.started).total_seconds()
        failure = None
        if verdict.result.value in self.request.fail_on:
            word = "failed" if verdict.result is Result.FAIL else "is inconclusive"
            failure = f"The health gate of {place} on {self.api.cluster} {word} after {seconds:.0f} s: " + "; ".join(
                verdict.reasons
            )
        plain = [each["name"] for each in result["observed"]["targets"] if each.get("endpoint") == "completions"]
        warnings = [f"{name} refuses chat (no chat template?) and was asked for plain completions" for name in plain]
        return Outcome(False, result, warnings=warnings, failure=failure)


def _parse_since(text: str | None) -> datetime | None:
    try:
        since = parse_time(text)
    except ValueError:
        since = None
    if text and (since is None or since.tzinfo is None):
        allowed = "ISO 8601 such as 2026-01-31T12:00:00+00:00"
        raise InputError([Problem("since", "is no time with a zone", repr(text), allowed)])
    return since
