# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Giving nodes their new drivers, one after the other, while every model server keeps its floor.

The operator's own controller does the work on a node as soon as the label that holds it is gone: it evicts the pods
that hold GPUs, and begins the driver's pod anew. Whatever goes wrong leaves the nodes that are still held as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.driver_waves import (
    find_busy,
    find_wave,
    is_stale,
    judge_wave,
    order_nodes,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator import SKIP, Snapshot
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator_change import (
    find_floors,
    find_losses,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator_verdict import find_blockers
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.gpu_operator import read_snapshot
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Clock, ClusterApi, Outcome

__all__ = ["WavesRequest", "upgrade_drivers"]

_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class WavesRequest:
    """Which held nodes (all of them without names), and how long each may take.

    ``allow_interruption``: model servers may fall below their floor.
    """

    namespace: str
    nodes: Sequence[str] = ()
    timeout_seconds: float = 1800.0
    allow_interruption: bool = False
    check_mode: bool = False


class _Stop(Exception):  # noqa: N818 - no error of the program: the reason why the next wave must not begin
    """Why it does not go on."""


def upgrade_drivers(request: WavesRequest, connect: Callable[[], ClusterApi], clock: Clock) -> Outcome:
    """Go through the nodes; ``connect`` opens the cluster anew for each, as a connection has a deadline."""
    api = connect()
    snapshot = _read(api, request.namespace)
    order = order_nodes(snapshot, request.nodes)
    results = dict.fromkeys(order, "held")
    pods = {name: find_blockers(name, snapshot.gpu_pods) for name in order}
    reason = None
    if request.check_mode:
        results = dict.fromkeys(order, "would be begun")
    else:
        for name in order:
            wave = _Wave(request, connect(), clock, name)
            try:
                results[name] = wave.run()
            except _Stop as stop:
                reason = str(stop)
                results[name] = "held" if not wave.begun else "failed"
                break
    begun = [name for name, state in results.items() if state != "held"]
    after = _read(connect(), request.namespace)
    refused = [f"{each.namespace}/{each.name}" for each in after.gpu_pods if each.refused]
    result: dict[str, Any] = {
        "nodes": [{"name": name, "result": results[name], "pods": pods[name]} for name in order],
        "refused_pods": refused,
        "cluster": api.cluster,
    }
    failure = None
    if reason is not None:
        left = [name for name in order if results[name] == "held"]
        held = f" Nodes that keep their old driver, and stay held: {', '.join(left)}." if left else ""
        failure = f"Driver upgrade on {api.cluster} stopped: {reason}.{held}"
    warnings = [f"the kubelet has refused pods (UnexpectedAdmissionError): {', '.join(refused)}"] if refused else []
    return Outcome(bool(begun), result, warnings=warnings, failure=failure)


def _read(api: ClusterApi, namespace: str) -> Snapshot:
    snapshot = read_snapshot(api, namespace)
    if snapshot is None:
        raise ClusterError(f"{api.cluster} has no CustomResourceDefinition clusterpolicies.nvidia.com: no operator")
    return snapshot


class _Wave:
    """One node: wait until it may leave, let it go, wait until it is back."""

    def __init__(self, request: WavesRequest, api: ClusterApi, clock: Clock, name: str) -> None:
        self.request, self.api, self.clock, self.name = request, api, clock, name
        self.begun = False

    def run(self) -> str:
        """Return ``upgraded``, or ``released`` where the node had nothing to do; raise _Stop."""
        stale = self._wait("its turn", self._may_leave)
        self._release()
        self.begun = True
        self._wait("its driver upgrade", self._is_back)
        return "upgraded" if stale else "released"

    def _wait(self, what: str, look: Callable[[], tuple[bool, Any, list[str]]]) -> Any:
        end = self.clock.monotonic() + self.request.timeout_seconds
        while True:
            over, value, reasons = look()
            if over:
                return value
            if self.clock.monotonic() >= end:
                limit = f"{self.request.timeout_seconds:g} s (timeout_seconds)"
                raise _Stop(f"node {self.name} has waited {limit} for {what}: " + "; ".join(reasons))
            self.clock.sleep(_POLL_SECONDS)

    def _may_leave(self) -> tuple[bool, Any, list[str]]:
        ours = f"{labels.MANAGED_BY}={labels.FIELD_MANAGER}"
        snapshot, budgets = self.api.side_by_side(
            [
                partial(_read, self.api, self.request.namespace),
                partial(self.api.list_objects, "PodDisruptionBudget", None, ours),
            ]
        )
        node = find_wave(snapshot, self.name)
        if node is None:
            raise _Stop(f"node {self.name} is gone")
        failed, busy = find_busy(snapshot, self.name)
        if failed:
            raise _Stop("; ".join(failed))
        losses = {each.node: each for each in find_losses(snapshot, find_floors(budgets))}
        broken = list(losses[self.name].broken) if self.name in losses else []
        # A node whose driver is the newest already loses nobody.
        stale = is_stale(snapshot, self.name)
        fits = self.request.allow_interruption or not broken or not stale
        return fits and not busy, stale, [*busy, *broken]

    def _release(self) -> None:
        node = self.api.get("Node", None, self.name, metadata_only=True)
        if node is None:
            raise _Stop(f"node {self.name} is gone")
        version = node["metadata"]["resourceVersion"]
        self.api.patch("Node", None, self.name, {"metadata": {"resourceVersion": version, "labels": {SKIP: None}}})

    def _is_back(self) -> tuple[bool, Any, list[str]]:
        state, reasons = judge_wave(_read(self.api, self.request.namespace), self.name)
        if state == "failed":
            raise _Stop("; ".join(reasons))
        return state == "done", None, reasons
