# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the GPU Operator's state, and waiting until its GPUs are really usable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator import (
    Snapshot,
    parse_gpu_node,
    parse_gpu_pods,
    parse_operand,
    parse_operand_pod,
    parse_policy,
    parse_state,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator_report import (
    describe_snapshot,
    render_snapshot,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator_verdict import (
    Expectation,
    GateState,
    evaluate_operator,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Clock, ClusterApi, Outcome

__all__ = ["OperatorRequest", "inspect_operator", "judge_operator", "read_policies", "read_snapshot"]

_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class OperatorRequest:
    """What to wait for, and how long it must hold without a break."""

    namespace: str
    policy: str | None = None
    nodes_min: int = 1
    expected_gpus: Mapping[str, Any] = field(default_factory=dict)
    expected_spec: Mapping[str, Any] = field(default_factory=dict)
    stable_seconds: float = 30.0
    timeout_seconds: float = 1800.0
    fail_on: Sequence[str] = ("fail", "inconclusive")


def read_policies(api: ClusterApi) -> tuple[Any, ...] | None:
    """Return the ClusterPolicies; None where the cluster does not know the kind."""
    try:
        return tuple(api.list_parsed("ClusterPolicy", None, parse_policy))
    except ClusterError as error:
        if error.details.get("status") == 404:
            return None
        raise


def read_snapshot(api: ClusterApi, namespace: str) -> Snapshot | None:
    """Return one look at the operator and all that hangs on it; None where there is no CustomResourceDefinition."""
    policies, deployments, sets, own_pods, nodes, pods = api.side_by_side(
        [
            partial(read_policies, api),
            partial(api.list_objects, "Deployment", namespace),
            partial(api.list_parsed, "DaemonSet", namespace, parse_operand),
            partial(api.list_parsed, "Pod", namespace, parse_operand_pod),
            partial(api.list_parsed, "Node", None, parse_gpu_node),
            partial(api.list_objects, "Pod", None),
        ]
    )
    if policies is None:
        return None
    return Snapshot(
        policies,
        parse_state(deployments),
        tuple(each for each in sets if each is not None),
        tuple(own_pods),
        tuple(each for each in nodes if each is not None),
        parse_gpu_pods(pods),
    )


def inspect_operator(namespace: str, api: ClusterApi) -> Outcome:
    """Return what there is of the operator, as data and as lines for people."""
    snapshot = read_snapshot(api, namespace)
    data = describe_snapshot(snapshot or Snapshot())
    lines = ["no CustomResourceDefinition clusterpolicies.nvidia.com"] if snapshot is None else render_snapshot(data)
    result = {"installed": snapshot is not None and snapshot.operator.found, **data, "table": lines}
    return Outcome(False, {**result, "cluster": api.cluster})


def judge_operator(request: OperatorRequest, api: ClusterApi, clock: Clock) -> Outcome:
    """Return the verdict: ``pass`` after everything has held for ``stable_seconds`` without a break."""
    return _Gate(request, api, clock).run()


class _Gate:
    def __init__(self, request: OperatorRequest, api: ClusterApi, clock: Clock) -> None:
        self.request, self.api, self.clock = request, api, clock
        gpus = _parse_gpus(request.expected_gpus)
        self.expected = Expectation(request.nodes_min, gpus, request.policy, request.expected_spec)
        self.started = clock.now()
        self.begin = clock.monotonic()
        self.samples = self.breaks = 0

    def run(self) -> Outcome:
        held_since: float | None = None
        held: object = None
        while True:
            snapshot, state = self._look()
            now = self.clock.monotonic()
            if state.state == "failed":
                return self._end(Verdict(Result.FAIL, state.reasons), snapshot, state)
            if state.state == "ready":
                # A DaemonSet or a driver pod that is replaced in between begins a new count.
                marks = _marks(snapshot)
                if held_since is None or marks != held:
                    held_since, held = now, marks
                if now - held_since >= self.request.stable_seconds:
                    return self._end(Verdict(Result.PASS), snapshot, state)
            else:
                self.breaks += held_since is not None
                held_since = None
            if now - self.begin >= self.request.timeout_seconds:
                return self._end(Verdict(Result.FAIL, self._late(state)), snapshot, state)
            self.clock.sleep(_POLL_SECONDS)

    def _late(self, state: GateState) -> tuple[str, ...]:
        limit = f"after {self.request.timeout_seconds:g} s (timeout_seconds)"
        if state.state == "ready":
            words = f"ready, but not for {self.request.stable_seconds:g} s without a break (stable_seconds)"
            return (f"{words} {limit}; it was lost {self.breaks} times",)
        return tuple(f"{each} {limit}" if number == 0 else each for number, each in enumerate(state.reasons))

    def _look(self) -> tuple[Snapshot, GateState]:
        self.samples += 1
        snapshot = read_snapshot(self.api, self.request.namespace)
        if snapshot is None:
            words = (
                "the cluster has no CustomResourceDefinition clusterpolicies.nvidia.com: the operator is not installed"
            )
            return Snapshot(), GateState("failed", (words,), "not installed")
        return snapshot, evaluate_operator(snapshot, self.expected, self.request.namespace)

    def _end(self, verdict: Verdict, snapshot: Snapshot, state: GateState) -> Outcome:
        finished: datetime = self.clock.now()
        result: dict[str, Any] = {
            "verdict": verdict.result.value,
            "reasons": list(verdict.reasons),
            "observed": {"summary": state.summary, "breaks": self.breaks, **describe_snapshot(snapshot)},
            "limits": {
                "timeout_seconds": self.request.timeout_seconds,
                "stable_seconds": self.request.stable_seconds,
                "nodes_min": self.request.nodes_min,
            },
            "samples": self.samples,
            "started_at": self.started.isoformat(),
            "finished_at": finished.isoformat(),
        }
        failure = None
        if verdict.result.value in self.request.fail_on:
            seconds = (finished - self.started).total_seconds()
            place = f"namespace {self.request.namespace} on {self.api.cluster}"
            failure = f"The GPU Operator's gate of {place} failed after {seconds:.0f} s: " + "; ".join(verdict.reasons)
        warnings = [
            f"node {node.name} is held ({node.upgrade}): it keeps its driver until the label is gone"
            for node in snapshot.nodes
            if node.held and node.upgrade not in ("", "upgrade-done")
        ]
        return Outcome(False, result, warnings=warnings, failure=failure)


def _marks(snapshot: Snapshot) -> object:
    return (
        tuple((each.namespace, each.name, each.generation) for each in snapshot.operands),
        tuple(each.name for each in snapshot.pods),
        tuple((each.name, each.upgrade, tuple(sorted(each.allocatable.items()))) for each in snapshot.nodes),
    )


def _parse_gpus(written: Mapping[str, Any]) -> dict[str, int]:
    """Return GPUs by node; raise InputError for what is no whole number."""
    problems, gpus = [], {}
    for name, value in written.items():
        text = str(value)
        if isinstance(value, bool) or not text.isdigit():
            problems.append(Problem(f"expected_gpus.{name}", "is no number of GPUs", repr(value), "a whole number"))
        else:
            gpus[str(name)] = int(text)
    if problems:
        raise InputError(problems)
    return gpus
