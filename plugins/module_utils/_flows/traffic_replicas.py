# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sharing the traffic of a release by replicas: one Service over both slots, and no router.

A slot that grows is ready before anything else happens, then the Service selects what it must, then the other slot
shrinks. A run that was ended in between is finished by the next one, where it is told the sum of the replicas: then
both are larger together than they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.diff import show
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import INSTANCE, SLOT, SLOTS
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_owner import find_autoscalers
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_replicas import (
    ReplicaPlan,
    find_selected,
    plan_replicas,
    reachable_percents,
    replica_shares,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Clock, ClusterApi, Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.slots import engine_url
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.traffic_count import (
    TrafficCounter,
    check_verification,
    find_ready_pods,
    prove_split,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.traffic_split import (
    TrafficRequest,
    describe_outcome,
)

__all__ = ["split_replicas"]

_PERIOD_SECONDS = 0.5
_TRIES_MAX = 5


def split_replicas(request: TrafficRequest, api: ClusterApi, counter: TrafficCounter, clock: Clock) -> Outcome:
    """Make replicas and the clients' Service share traffic as wanted; raises before the first write."""
    return _Replicas(request, api, counter, clock).run()


class _Replicas:
    def __init__(self, request: TrafficRequest, api: ClusterApi, counter: TrafficCounter, clock: Clock) -> None:
        self.request, self.api, self.counter, self.clock = request, api, counter, clock
        self.place = f"Service {request.namespace}/{request.route} on {api.cluster}"

    def run(self) -> Outcome:
        request = self.request
        service = self._service()
        deployments = self._deployments()
        replicas = {slot: _replicas(deployments[slot]) for slot in SLOTS}
        plan = plan_replicas(request.name, service, replicas, request.weights, request.replicas)
        self._check(plan, deployments)
        asked = next(each for each in deployments.values() if each is not None)
        url = engine_url(asked, service["spec"]["clusterIP"])
        way = check_verification(request.verify, (), url) if request.verify is not None else None
        before = self._shares(service)
        if failure := self._carry_out(plan):
            return self._end(plan, service, before, Verdict(Result.FAIL, (failure,)), {}, failed=True)
        if request.check_mode:
            return self._end(plan, service, before, Verdict(Result.INCONCLUSIVE, ("check mode sends nothing",)), {})
        if way is None or request.verify is None:
            return self._end(plan, service, before, Verdict(Result.INCONCLUSIVE, ("no requests were counted",)), {})
        pods = find_ready_pods(self.api, request.namespace, request.name)
        proof = prove_split(
            request.verify,
            request.weights,
            (request.namespace, request.name),
            pods,
            (*way, request.verify.host),
            self.counter,
            self.api,
            self.clock,
            with_foreign=False,
            settle_seconds=0.0 if plan.is_done else request.confirm_seconds,
        )
        failed = proof.verdict.result.value in request.fail_on
        return self._end(plan, service, before, proof.verdict, proof.observed, failed=failed)

    def _service(self) -> dict[str, Any]:
        service = self.api.get("Service", self.request.namespace, self.request.route)
        if service is None:
            raise ClusterError(f"There is no {self.place}; nothing was changed. Deploy the release first")
        if find_selected(service, self.request.name) is None:
            selector = (service.get("spec") or {}).get("selector")
            raise ClusterError(
                f"{self.place} selects {selector}, which are not the pods of release {self.request.name} alone; "
                f"nothing was changed. Its selector must be {INSTANCE}={self.request.name}, with or without {SLOT}"
            )
        return service

    def _deployments(self) -> dict[str, dict[str, Any] | None]:
        request = self.request
        return {slot: self.api.get("Deployment", request.namespace, f"{request.name}-{slot}") for slot in SLOTS}

    def _check(self, plan: ReplicaPlan, deployments: Mapping[str, Any]) -> None:
        """Refuse before the first write what cannot last."""
        request = self.request
        for slot in plan.growing:
            if deployments[slot] is None:
                raise ClusterError(
                    f"There is no Deployment {request.namespace}/{request.name}-{slot} on {self.api.cluster} to give "
                    f"{request.weights[slot]} % of the traffic to; nothing was changed"
                )
        if not plan.growing and not plan.shrinking:
            return
        names = [f"{request.name}-{slot}" for slot in SLOTS]
        scalers = find_autoscalers(names, self._list("HorizontalPodAutoscaler"), self._list("ScaledObject"))
        if scalers and not request.force:
            raise ClusterError(
                f"{' and '.join(scalers)} in {request.namespace} on {self.api.cluster} would change the replicas "
                "that are the shares here; nothing was changed. Freeze it while traffic is shared, share by a "
                "router, or set force: true",
                {"autoscalers": list(scalers)},
            )

    def _list(self, kind: str) -> list[dict[str, Any]]:
        """Return the objects of a kind; a cluster that does not know it has none."""
        try:
            return self.api.list_objects(kind, self.request.namespace)
        except ClusterError as error:
            if error.details.get("status") == 404:
                return []
            raise

    def _carry_out(self, plan: ReplicaPlan) -> str | None:
        """Make the plan true, growing slots first; return why not. In check mode the server tries each patch."""
        for slot in plan.growing:
            self._scale(slot, plan.before[slot], plan.wanted[slot])
        awaited = plan.growing if plan.selector is None else SLOTS
        for slot in () if self.request.check_mode else awaited:
            if failure := self._wait(slot, plan.wanted[slot]):
                return failure
        if plan.selector is not None:
            self._select(plan.selector)
        for slot in plan.shrinking:
            self._scale(slot, plan.before[slot], plan.wanted[slot])
        return None

    def _scale(self, slot: str, now: int, wanted: int) -> None:
        name = f"{self.request.name}-{slot}"
        for _attempt in range(_TRIES_MAX):
            found = self.api.get("Deployment", self.request.namespace, name)
            if found is None or _replicas(found) not in (now, wanted):
                raise ClusterError(
                    f"Deployment {self.request.namespace}/{name} on {self.api.cluster} was to go from {now} to "
                    f"{wanted} replicas, and now has {_replicas(found)}: somebody else scales it. Run again "
                    "when that has ended"
                )
            if self._merge("Deployment", name, found, {"spec": {"replicas": wanted}}):
                return
        raise self._fight(f"Deployment {self.request.namespace}/{name}")

    def _select(self, selector: Mapping[str, str]) -> None:
        change = {"spec": {"selector": {SLOT: selector.get(SLOT), INSTANCE: selector[INSTANCE]}}}
        for _attempt in range(_TRIES_MAX):
            if self._merge("Service", self.request.route, self._service(), change):
                return
        raise self._fight(f"Service {self.request.namespace}/{self.request.route}")

    def _merge(self, kind: str, name: str, found: Mapping[str, Any], change: Mapping[str, Any]) -> bool:
        """Merge a change into what was read; False where it has changed since."""
        version = {"resourceVersion": found["metadata"]["resourceVersion"]}
        change = {"metadata": version, **change}
        try:
            self.api.patch(kind, self.request.namespace, name, change, dry_run=self.request.check_mode)
        except ClusterError as error:
            if error.details.get("status") != 409:
                raise
            return False
        return True

    def _fight(self, what: str) -> ClusterError:
        return ClusterError(
            f"{what} on {self.api.cluster} was changed by others {_TRIES_MAX} times between reading and writing. Run "
            "again"
        )

    def _wait(self, slot: str, wanted: int) -> str | None:
        """Wait until a slot has so many ready pods; return why not."""
        request = self.request
        end = self.clock.monotonic() + request.confirm_seconds
        while True:
            ready = len(find_ready_pods(self.api, request.namespace, request.name)[slot])
            if ready >= wanted:
                return None
            if self.clock.monotonic() >= end:
                return (
                    f"slot {slot} of {request.namespace}/{request.name} has {ready} of {wanted} ready pods after "
                    f"{request.confirm_seconds:g} s (confirm_seconds); the other slot was not made smaller. "
                    "health_gate tells why; then run again"
                )
            self.clock.sleep(_PERIOD_SECONDS)

    def _shares(self, service: Mapping[str, Any]) -> dict[str, float]:
        """Return what the Service gives to each slot now, by its ready pods."""
        selected = find_selected(service, self.request.name) or ()
        pods = find_ready_pods(self.api, self.request.namespace, self.request.name)
        return replica_shares({slot: len(pods[slot]) if slot in selected else 0 for slot in SLOTS})

    def _end(
        self,
        plan: ReplicaPlan,
        service: Mapping[str, Any],
        before: Mapping[str, float],
        verdict: Verdict,
        observed: Mapping[str, Any],
        *,
        failed: bool = False,
    ) -> Outcome:
        request = self.request
        after = replica_shares(plan.wanted)
        result = {
            "provider": "replicas",
            "route": {"kind": "Service", "namespace": request.namespace, "name": request.route},
            "weights_before": [{"rule": "ready pods", **before}],
            "weights_after": [{"rule": "replicas", **after}],
            "replicas": dict(plan.wanted),
            "reachable": list(reachable_percents(sum(plan.wanted.values()))),
            "timeouts": [],
            "pins": [],
            "cluster": self.api.cluster,
        }
        spec = service.get("spec") or {}
        warnings = []
        if spec.get("sessionAffinity") == "ClientIP":
            warnings.append(
                f"sessionAffinity of {self.place} is ClientIP: a client stays with its pod whatever the shares"
            )
        then = {**service, "spec": {**spec, "selector": plan.selector or spec.get("selector")}}
        diff = [{"before_header": self.place, "after_header": self.place, "before": show(service), "after": show(then)}]
        for slot in (*plan.growing, *plan.shrinking):
            name = f"replicas of Deployment {request.namespace}/{request.name}-{slot}"
            texts = {"before": f"{plan.before[slot]}\n", "after": f"{plan.wanted[slot]}\n"}
            diff.append({"before_header": name, "after_header": name, **texts})
        changed = not plan.is_done
        return describe_outcome(changed, result, diff, warnings, verdict, observed, self.place, failed=failed)


def _replicas(deployment: Mapping[str, Any] | None) -> int:
    if deployment is None:
        return 0
    wanted = (deployment.get("spec") or {}).get("replicas")
    return 1 if wanted is None else int(wanted)
