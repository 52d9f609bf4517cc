# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sharing the traffic of a release by a route of a router: one patch, read back, accepted by the router, and proved.

Everything that can be wrong is found before the patch. It changes the weights of our own backends only, and the server
refuses it where somebody else has changed the route meanwhile; then the decision is made anew on what the route is now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.diff import show
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.json_patch import apply_patches
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import (
    FIELD_MANAGER,
    INSTANCE,
    MANAGED_BY,
    SLOTS,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic import (
    Pin,
    Provider,
    RoutePlan,
    RouteSpec,
    Rule,
    Timeout,
    backend_name,
    find_host,
    plan_weights,
    shares,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_owner import find_owners
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_parse import Verification
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Clock, ClusterApi, Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.traffic_count import (
    Proof,
    TrafficCounter,
    check_verification,
    find_ready_pods,
    prove_split,
)

__all__ = ["TrafficRequest", "describe_outcome", "split_route"]

# Five changes between reading and writing are a fight between two tools.
_TRIES_MAX = 5
_PERIOD_SECONDS = 0.25
# A test of the patch that does not hold is a 422, as other things are.
_CHANGED_MEANWHILE = (409, 422)


@dataclass(frozen=True)
class TrafficRequest:
    """What to do; ``create`` makes a route where there is none, ``force`` takes weights over from others.

    ``replicas`` is the sum of the slots' replicas where they are the shares, None for what it is now.
    """

    name: str
    namespace: str
    weights: Mapping[str, int]
    route: str
    create: RouteSpec | None = None
    check_mode: bool = False
    force: bool = False
    disable_timeouts: bool = False
    replicas: int | None = None
    confirm_seconds: float = 30.0
    verify: Verification | None = None
    fail_on: Sequence[str] = ("fail", "inconclusive")


@dataclass
class _Work:
    """What was found and done."""

    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] = field(default_factory=dict)
    made: Sequence[Mapping[str, Any]] = ()
    changed: bool = False


def split_route(
    request: TrafficRequest, provider: Provider, api: ClusterApi, counter: TrafficCounter, clock: Clock
) -> Outcome:
    """Make a route share traffic as wanted; raises before the write, returns a failure after it."""
    return _Split(request, provider, api, counter, clock).run()


class _Split:
    def __init__(
        self, request: TrafficRequest, provider: Provider, api: ClusterApi, counter: TrafficCounter, clock: Clock
    ) -> None:
        self.request, self.provider, self.api = request, provider, api
        self.counter, self.clock = counter, clock
        self.place = f"{provider.kind} {request.namespace}/{request.route} on {api.cluster}"

    def run(self) -> Outcome:
        request = self.request
        found = self._read()
        if found is None and request.create is None:
            raise ClusterError(
                f"There is no {self.place}, so nothing shares the traffic of {request.name}; nothing was changed. Name "
                "the route that does, or let the module make one (option create)"
            )
        pods = find_ready_pods(self.api, request.namespace, request.name)
        objects = self.provider.render(request.create, request.weights) if request.create and found is None else ()
        way = self._way(found or objects[0])
        work = self._create(objects, pods) if found is None else self._change(found, pods)
        if request.check_mode:
            return self._end(work, Verdict(Result.INCONCLUSIVE, ("check mode sends nothing",)), {})
        work.after = self._read() or {}
        if failure := self._not_as_written(work):
            return self._end(work, Verdict(Result.FAIL, (failure,)), {}, failed=True)
        confirmed = self._confirm(work)
        if confirmed.result is not Result.PASS:
            return self._end(work, confirmed, {}, failed=True)
        if request.verify is None or way is None:
            return self._end(work, Verdict(Result.INCONCLUSIVE, (*confirmed.reasons, "no requests were counted")), {})
        foreign = any(rule.foreign for rule in self._rules(work.after) if rule.is_split)
        place = (request.namespace, request.name)
        proof: Proof = prove_split(
            request.verify,
            request.weights,
            place,
            pods,
            way,
            self.counter,
            self.api,
            self.clock,
            with_foreign=foreign,
            settle_seconds=request.confirm_seconds if work.changed else 0.0,
        )
        failed = proof.verdict.result.value in request.fail_on
        return self._end(work, proof.verdict, proof.observed, failed=failed)

    def _way(self, item: Mapping[str, Any]) -> tuple[str | None, Pin | None, str | None] | None:
        """Return how the route is asked, None where it is not."""
        verify = self.request.verify
        if verify is None:
            return None
        url, pin = check_verification(verify, self.provider.pins(item, self.request.name), None)
        return url, pin, verify.host or find_host(item)

    def _read(self) -> dict[str, Any] | None:
        return self.api.get(self.provider.kind, self.request.namespace, self.request.route)

    def _rules(self, item: Mapping[str, Any]) -> tuple[Rule, ...]:
        return self.provider.parse(item, self.request.name)

    def _create(self, objects: Sequence[dict[str, Any]], pods: Mapping[str, Sequence[Mapping[str, Any]]]) -> _Work:
        request = self.request
        self._check_pods(dict.fromkeys(SLOTS, 0.0), pods)
        for item in objects:
            item["metadata"]["labels"] = {INSTANCE: request.name, MANAGED_BY: FIELD_MANAGER}
            self.api.apply(item, dry_run=request.check_mode)
        return _Work(None, objects[0], objects, changed=True)

    def _change(self, found: dict[str, Any], pods: Mapping[str, Sequence[Mapping[str, Any]]]) -> _Work:
        """Patch until the server takes it; each time it has changed meanwhile, everything is decided anew."""
        request, item = self.request, found
        for _attempt in range(_TRIES_MAX):
            patch = self._plan(item, pods)
            if not patch:
                # Unchanged, or the answer to our patch was lost: then what we have read at first differs.
                changed = item is not found and self._before(item) != self._before(found)
                return _Work(found, item, changed=changed)
            try:
                self.api.patch_json(
                    self.provider.kind, request.namespace, request.route, patch, dry_run=request.check_mode
                )
                return _Work(found, apply_patches(item, patch), changed=True)
            except ClusterError as error:
                if error.details.get("status") not in _CHANGED_MEANWHILE:
                    raise
                refusal = error
            newer = self._read()
            if newer is None:
                raise ClusterError(f"{self.place} was deleted while its weights were to be set; nothing was changed")
            if newer["metadata"].get("resourceVersion") == item["metadata"].get("resourceVersion"):
                raise refusal  # nobody has changed it: the server does not like the patch
            item = newer
        raise ClusterError(
            f"{self.place} was changed by others {_TRIES_MAX} times between reading and writing; nothing was changed. "
            f"Who writes it: {', '.join(find_owners(item, self.provider.fields)) or 'nobody that managedFields knows'}"
        )

    def _before(self, item: Mapping[str, Any]) -> list[dict[str, int]]:
        return [rule.weights for rule in self._rules(item)]

    def _plan(
        self, item: Mapping[str, Any], pods: Mapping[str, Sequence[Mapping[str, Any]]]
    ) -> tuple[Mapping[str, Any], ...]:
        """Return the patch, empty where all is as wanted; raises where it must not be."""
        request = self.request
        rules = self._rules(item)
        names = " and ".join(backend_name(request.name, slot) for slot in SLOTS)
        if not any(rule.is_split for rule in rules):
            seen = "; ".join(f"{rule.title} names {', '.join(e.name for e in rule.entries)}" for rule in rules)
            raise ClusterError(
                f"No rule of {self.place} names both {names}, so it shares nothing between them; nothing was changed. "
                f"Found: {seen or 'no backend of this release'}. Name both in one rule, one of them with weight 0"
            )
        plan = plan_weights(item, rules, request.weights, self.provider)
        patch = [*plan.patch]
        if request.disable_timeouts:
            patch += [operation for each in self._advised(item) for operation in each.patch]
        if patch:
            self._check_owner(item, plan)
            self._check_pods(_lowest(plan), pods)
        return tuple(patch)

    def _check_owner(self, item: Mapping[str, Any], plan: RoutePlan) -> None:
        owners = find_owners(item, self.provider.fields)
        if owners and not self.request.force:
            shown = [f"{before}" for before in plan.before]
            raise ClusterError(
                f"The weights of {self.place} are set by {' and '.join(owners)}, who may put them back; nothing was "
                f"changed ({'; '.join(shown)} now, {dict(self.request.weights)} wanted). Let that tool share the "
                "traffic, or take its hands off this route and set force: true once",
                {"owners": list(owners)},
            )

    def _check_pods(self, before: Mapping[str, float], pods: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Refuse to send more traffic to a slot that has no ready pod: its share would be answered with 503."""
        request = self.request
        for slot, percent in request.weights.items():
            if percent > before[slot] and not pods[slot]:
                raise ClusterError(
                    f"Slot {slot} of {request.namespace}/{request.name} on {self.api.cluster} has no ready pod, so "
                    f"{percent} % of the traffic would fail; nothing was changed. Start it, and wait with health_gate"
                )

    def _not_as_written(self, work: _Work) -> str | None:
        """Return who has undone the patch, or None where the route says what was written."""
        for rule in self._rules(work.after):
            if rule.is_split and shares(rule.weights) != shares(self.request.weights):
                owners = ", ".join(find_owners(work.after, self.provider.fields)) or "somebody"
                return (
                    f"{self.place} says {shares(rule.weights)} in {rule.title} after the change: {owners} has set that"
                )
        return None if self._rules(work.after) else f"{self.place} names no backend of ours any more"

    def _confirm(self, work: _Work) -> Verdict:
        """Wait until the router has taken the route as it is now."""
        end = self.clock.monotonic() + self.request.confirm_seconds
        while True:
            verdict = self.provider.confirm(work.after)
            if verdict.result is not Result.INCONCLUSIVE or self.clock.monotonic() >= end:
                return verdict
            self.clock.sleep(_PERIOD_SECONDS)
            work.after = self._read() or work.after

    def _advised(self, item: Mapping[str, Any]) -> list[Timeout]:
        return [each for each in self.provider.timeouts(item, self.request.name) if each.advice is not None]

    def _end(self, work: _Work, verdict: Verdict, observed: Mapping[str, Any], *, failed: bool = False) -> Outcome:
        request, after = self.request, work.after
        advised = self._advised(after)
        result = {
            "provider": self.provider.name,
            "route": {"kind": self.provider.kind, "namespace": request.namespace, "name": request.route},
            "weights_before": _percents(self._rules(work.before)) if work.before else None,
            "weights_after": _percents(self._rules(after)),
            "timeouts": [
                {"where": each.where, "value": each.value, "advice": each.advice}
                for each in self.provider.timeouts(after, request.name)
            ],
            "pins": [vars(each) for each in self.provider.pins(after, request.name)],
            "cluster": self.api.cluster,
        }
        warnings = [f"{each.where} of {self.place} is {each.value or 'not set'}. {each.advice}" for each in advised]
        diff = [
            {"before_header": self.place, "after_header": self.place, "before": show(work.before), "after": show(after)}
        ]
        if work.made:
            diff = [{"before": "", "after": show(item)} for item in work.made]
        return describe_outcome(work.changed, result, diff, warnings, verdict, observed, self.place, failed=failed)


def describe_outcome(
    changed: bool,
    result: Mapping[str, Any],
    diff: Sequence[Mapping[str, str]],
    warnings: Sequence[str],
    verdict: Verdict,
    observed: Mapping[str, Any],
    place: str,
    *,
    failed: bool,
) -> Outcome:
    """Return the outcome of a split with its verdict."""
    judged = {"verdict": verdict.result.value, "reasons": list(verdict.reasons), "observed": dict(observed)}
    failure = f"{place}: {verdict.result.value}: {'; '.join(verdict.reasons)}" if failed else None
    return Outcome(changed, {**result, **judged}, list(diff) if changed else (), list(warnings), failure, judged)


def _percents(rules: Sequence[Rule]) -> list[dict[str, Any]]:
    return [{"rule": rule.title, **shares(rule.weights)} for rule in rules if rule.is_split]


def _lowest(plan: RoutePlan) -> dict[str, float]:
    """Return the least percentage that each slot has in any rule."""
    return {slot: min(before[slot] for before in plan.before) for slot in SLOTS}
