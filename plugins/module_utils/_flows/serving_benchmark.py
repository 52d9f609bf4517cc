# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Driving a model server with load, from here or from a Job in the cluster, and bringing the figures back.

The run comes in slices, so that progress reaches the screen. What goes on between them is a Job, or a process, that
the returned ``waiting`` names; nothing else is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.wire import (
    decode_error,
    decode_progress,
    decode_result,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_spec import (
    BenchmarkSpec,
    KeyReference,
    TargetSpec,
    describe_load,
    key_variable,
    resolve_target,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, LlmopsError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Clock, ClusterApi, Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.slots import find_service, find_stable_slot

__all__ = ["BenchmarkRequest", "Load", "LoadRunner", "Look", "benchmark"]

_POLL_SECONDS = 0.5
# A Job ends by itself only where nobody has ended it in time: then its pod is gone, and with it what it has to say.
_JOB_SECONDS_MORE = 120
# Until a Job has started, and a run that ends itself in time has told its result.
_END_SECONDS = 60
_INTERRUPT_SECONDS_MAX = 10.0
_INTERRUPT_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Look:
    """What a run shows: its lines, and whether it has ended."""

    lines: Sequence[str]
    ended: bool


@dataclass(frozen=True)
class Load:
    """What to run: the client's settings, and the Secrets of API keys by environment variable.

    ``deployment`` lends a Job its image; ``seconds_max`` is when a Job is ended whatever happens.
    """

    deployment: Mapping[str, Any] | None
    settings: Mapping[str, Any]
    keys: Mapping[str, KeyReference]
    seconds_max: int


class LoadRunner(Protocol):
    """Runs the load client; a handle is plain data, by which another process finds the run again."""

    place: str

    def start(self, load: Load) -> dict[str, Any]:
        """Start the client; return the handle."""

    def look(self, handle: Mapping[str, Any]) -> Look:
        """Return what the run shows; ClusterError where it cannot come to a result."""

    def interrupt(self, handle: Mapping[str, Any]) -> None:
        """Ask the run to end now, with what it has."""

    def remove(self, handle: Mapping[str, Any]) -> None:
        """End the run and remove what it left."""


@dataclass(frozen=True)
class BenchmarkRequest:
    """What to run for which release; ``resume`` is what the slice before has returned as ``waiting``."""

    spec: BenchmarkSpec
    name: str | None = None
    namespace: str | None = None
    timeout_seconds: int = 3600
    slice_seconds: float | None = None
    resume: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The release, for texts."""
        return f"{self.namespace}/{self.name}" if self.name else ", ".join(str(t.url) for t in self.spec.targets)


def benchmark(
    request: BenchmarkRequest, api: ClusterApi | None, runner: LoadRunner, clock: Clock, *, check_mode: bool
) -> Outcome:
    """Return the figures, or after a slice what is waited for; in check mode what would be sent."""
    if request.resume:
        return _follow(request, runner, clock, dict(request.resume))
    resolved = [_resolve(request, api, target, number) for number, target in enumerate(request.spec.targets)]
    targets = [target for target, _reference, _deployment in resolved]
    if check_mode:
        lines = [f"{target['name']}: {target['url']}, model {target['model']}" for target in targets]
        load = describe_load(request.spec.settings)
        return Outcome(False, {"planned": {"from": runner.place, "targets": lines, "load": load}})
    keys = {key_variable(number): key for number, (_target, key, _deployment) in enumerate(resolved) if key is not None}
    host = next((found for _target, _key, found in resolved if found is not None), None)
    if host is None and request.name is not None:
        host = _deployment(request, api, None)
    settings = {**request.spec.settings, "targets": targets, "limits": _limits(request)}
    handle = runner.start(Load(host, settings, keys, request.timeout_seconds + _JOB_SECONDS_MORE))
    waiting = {"handle": handle, "started_at": clock.now().isoformat(), "waited_seconds": 0.0}
    return _follow(request, runner, clock, waiting)


def _limits(request: BenchmarkRequest) -> dict[str, Any]:
    """Return the client's limits; it ends by itself in time, and keeps what it has measured."""
    limits = dict(request.spec.settings.get("limits") or {})
    seconds = float(request.timeout_seconds)
    return {**limits, "run_seconds_max": min(limits.get("run_seconds_max") or seconds, seconds)}


def _resolve(
    request: BenchmarkRequest, api: ClusterApi | None, target: TargetSpec, number: int
) -> tuple[dict[str, Any], KeyReference | None, Mapping[str, Any] | None]:
    """Return a target for the client, its key, and the Deployment behind it."""
    if target.url is not None:
        if target.model is None:
            served = (_deployment(request, api, None)["metadata"].get("annotations") or {}).get(labels.SERVED_NAME)
            resolved, key = resolve_target(target, number, None, None)
            return {**resolved, "model": served}, key, None
        return (*resolve_target(target, number, None, None), None)
    deployment = _deployment(request, api, target.slot)
    if api is None or request.namespace is None:
        raise LlmopsError(f"Target {target.name} is a Service: name the release and its namespace")
    name = f"{request.name}-{target.slot}" if target.slot else str(request.name)
    slot = deployment["spec"]["selector"]["matchLabels"][labels.SLOT]
    service, wrong = find_service(api, deployment, request.namespace, name, slot)
    if wrong is not None:
        raise ClusterError(f"No load can be sent to {name} on {api.cluster}: {wrong}")
    return (*resolve_target(target, number, deployment, service["url"]), deployment)


def _deployment(request: BenchmarkRequest, api: ClusterApi | None, slot: str | None) -> Mapping[str, Any]:
    """Return the Deployment of a slot, or of the stable one."""
    if api is None or request.namespace is None or request.name is None:
        raise LlmopsError("Without a release there is no Deployment: every target needs url and model")
    wanted = slot or find_stable_slot(api, request.namespace, request.name)
    found = api.get("Deployment", request.namespace, f"{request.name}-{wanted}")
    if found is None:
        place = f"{request.namespace}/{request.name}-{wanted} on {api.cluster}"
        raise ClusterError(f"There is no Deployment {place} to send load to: deploy it first")
    return found


def _follow(request: BenchmarkRequest, runner: LoadRunner, clock: Clock, waiting: dict[str, Any]) -> Outcome:
    """Watch the run until its end, or until a slice is over; whatever goes wrong, the run is removed."""
    handle, begin = waiting["handle"], clock.monotonic()
    before = float(waiting["waited_seconds"])
    keep = False
    try:
        while True:
            passed = clock.monotonic() - begin
            look = runner.look(handle)
            if look.ended:
                return _end(request, runner, clock, look, str(waiting["started_at"]))
            if before + passed > request.timeout_seconds + _END_SECONDS:
                raise ClusterError(
                    f"The benchmark of {request.place} from {runner.place} has not ended {before + passed:.0f} s after "
                    f"its start, though it was to end itself after {request.timeout_seconds} s (timeout_seconds). It "
                    "was killed, and there is no result"
                )
            progress = decode_progress(look.lines)
            if request.slice_seconds is not None and passed >= request.slice_seconds:
                keep = True
                state = {**waiting, "waited_seconds": before + passed, "progress": progress}
                return Outcome(False, {"waiting": state})
            clock.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        return _interrupt(request, runner, clock, waiting)
    finally:
        if not keep:
            runner.remove(handle)


def _interrupt(request: BenchmarkRequest, runner: LoadRunner, clock: Clock, waiting: Mapping[str, Any]) -> Outcome:
    """Return what the run has measured so far; KeyboardInterrupt where it does not tell in time."""
    runner.interrupt(waiting["handle"])
    begin = clock.monotonic()
    while clock.monotonic() - begin < _INTERRUPT_SECONDS_MAX:
        look = runner.look(waiting["handle"])
        if look.ended:
            return _end(request, runner, clock, look, str(waiting["started_at"]))
        clock.sleep(_INTERRUPT_POLL_SECONDS)
    raise KeyboardInterrupt


def _end(request: BenchmarkRequest, runner: LoadRunner, clock: Clock, look: Look, started_at: str) -> Outcome:
    result = decode_result(look.lines)
    if result is None:
        words = decode_error(look.lines)
        reason = "; ".join(words) if words else "its last words: " + "\n".join(look.lines)[-500:]
        raise ClusterError(
            f"The benchmark of {request.place} from {runner.place} ended without a whole result: {reason}"
        )
    doubts = [str(each) for each in result.get("inconclusive") or ()]
    return Outcome(
        False,
        {
            "benchmark": result,
            "inconclusive": doubts,
            "started_at": started_at,
            "finished_at": clock.now().isoformat(),
        },
        warnings=[f"the figures say nothing about the server: {doubt}" for doubt in doubts],
    )
