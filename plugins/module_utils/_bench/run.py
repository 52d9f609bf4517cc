# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole run: warm-up, phases or a sweep, and the result as plain data."""

from __future__ import annotations

import asyncio
import math
import os
import platform
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from .doubts import find_doubts
from .loop import Meter, run_loop
from .metrics import DEFINITIONS, count_classes, find_examples, samples_of, series_of, summarize
from .phase import PhaseRun
from .spec import Closed, Constant, Entry, Phase, Poisson, Settings, Stop, Sweep, Trace
from .sweep import Step, find_misses, next_rate
from .transport import Pool
from .workload import Prompts, read_entries

__all__ = ["SCHEMA", "run_benchmark"]

SCHEMA = 1
_FILE_BYTES_MAX = 256 * 1024 * 1024
# An open load needs no full round to be warm, only code, caches and some connections.
_OPEN_WARMUP_REQUESTS = 8
_OPEN_WARMUP_CONCURRENCY = 64
# Slices of a run follow each other within seconds; a controller that is busy may take a little longer.
_ABANDONED_SECONDS = 120.0

Report = Callable[[dict[str, Any]], None]


def run_benchmark(settings: Settings, report: Report, *, signals: Sequence[signal.Signals] = ()) -> dict[str, Any]:
    """Run it and return the result; ``report`` gets progress. ValueError for what only shows at the start.

    ``signals`` end the run early, with a result that says that it is partial.
    """
    entries = _read_file(settings.workload.file) if settings.workload.file else ()
    _check_trace(settings, entries)

    async def main(loop: asyncio.AbstractEventLoop, name: str) -> dict[str, Any]:
        run = _Run(settings, entries, report, loop, name)
        for each in signals:
            loop.add_signal_handler(each, run.interrupt, f"it got {each.name}")
        return await run.run()

    return run_loop(settings, main)


def _read_file(path: str) -> tuple[Entry, ...]:
    try:
        if os.path.getsize(path) > _FILE_BYTES_MAX:
            raise ValueError(f"workload.file: {path} is larger than {_FILE_BYTES_MAX} bytes")
        with open(path, encoding="utf-8") as file:
            return read_entries(file.read())
    except (OSError, ValueError) as error:
        raise ValueError(f"workload.file: {path}: {error}") from None


def _check_trace(settings: Settings, entries: Sequence[Entry]) -> None:
    timed = bool(entries) and entries[0].time_seconds is not None
    if any(isinstance(phase.load, Trace) for phase in settings.phases) and not timed:
        raise ValueError(f"workload.file: the entries of {settings.workload.file} have no times, which a trace needs")


class _Run:
    def __init__(
        self, settings: Settings, entries: Sequence[Entry], report: Report, loop: asyncio.AbstractEventLoop, name: str
    ) -> None:
        self._settings, self._report, self._loop, self._loop_name = settings, report, loop, name
        self._prompts = Prompts(settings.workload, chat=settings.endpoint == "chat", entries=entries)
        self._pools = [Pool(target, settings, loop) for target in settings.targets]
        self._results: list[dict[str, Any]] = []
        self._flags: list[str] = []
        self._interrupted: str | None = None
        self._phase: PhaseRun | None = None
        self._touched_ns, self._touched_at = 0, time.monotonic()
        self._trace = [entry.time_seconds for entry in entries if entry.time_seconds is not None]

    async def run(self) -> dict[str, Any]:
        """Return the result, marked as partial where the run was interrupted."""
        limit = self._settings.run_seconds_max
        if limit is not None:
            self._loop.call_later(limit, self.interrupt, f"limits.run_seconds_max, {limit:g} s, was over")
        try:
            return await self._run()
        finally:
            for pool in self._pools:
                await pool.close()

    def interrupt(self, reason: str) -> None:
        """End at once, and keep what was measured."""
        if self._interrupted is None:
            self._interrupted = reason
            if self._phase is not None:
                self._phase.interrupt()

    async def _run(self) -> dict[str, Any]:
        started = datetime.now(timezone.utc)
        begin, cpu = time.monotonic(), time.process_time()
        warmup = await self._warm_up()
        swept = None
        if warmup is not None and warmup["ok"] == 0 and self._interrupted is None:
            self._flags.append(await self._describe_refusal(warmup))
        elif self._settings.sweep is not None:
            swept = await self._sweep(self._settings.sweep)
        else:
            for phase in self._settings.phases:
                if self._interrupted is None:
                    await self._measure(phase)
        if self._interrupted is not None:
            self._flags.append(f"the run was interrupted: {self._interrupted}")
        return {
            "schema": SCHEMA,
            "tool": "llmops.kubernetes serving_benchmark",
            "started_at": started.isoformat(),
            "finished_at": datetime.now(timezone.utc).isoformat(),
            "partial": self._interrupted is not None,
            "settings": _plain(asdict(self._settings)),
            "definitions": DEFINITIONS,
            "warmup": warmup,
            "phases": self._results,
            **({"sweep": swept} if swept is not None else {}),
            "inconclusive": self._flags,
            "client": {
                "event_loop": self._loop_name,
                "python": platform.python_version(),
                "cpu_count": os.cpu_count(),
                "wall_seconds": round(time.monotonic() - begin, 3),
                "cpu_seconds": round(time.process_time() - cpu, 3),
                "connections": [pool.connections for pool in self._pools],
            },
        }

    async def _warm_up(self) -> dict[str, Any] | None:
        """Send one round that is in no figure: connections, caches and compiled kernels are not what is measured."""
        closed = [phase.load.concurrency for phase in self._settings.phases if isinstance(phase.load, Closed)]
        wanted = self._settings.warmup_requests
        count = max(closed, default=_OPEN_WARMUP_REQUESTS) if wanted is None else wanted
        if not count:
            return None
        phase = Phase("warmup", Closed(min(count, max(closed, default=_OPEN_WARMUP_CONCURRENCY))), Stop(requests=count))
        run = await self._run_phase(phase)
        records = [record for of_target in run.records for record in of_target]
        return {
            "requests": run.done,
            "ok": sum(record.answered for record in records),
            "classes": count_classes(records),
            "examples": find_examples(records),
        }

    async def _describe_refusal(self, warmup: dict[str, Any]) -> str:
        """Return in words that nothing was answered, and where a model was not found those that there are."""
        words = [
            f"{kind} {count} times" + (f" ({warmup['examples'][kind]})" if kind in warmup["examples"] else "")
            for kind, count in warmup["classes"].items()
        ]
        for pool in self._pools if "http_404" in warmup["classes"] else ():
            served = await pool.ask_models()
            if served and pool.target.model not in served:
                words.append(f"{pool.target.name} serves {', '.join(served)} and not {pool.target.model}")
        return f"no warm-up request was answered, so nothing was measured: {'; '.join(words)}"

    async def _run_phase(self, phase: Phase) -> PhaseRun:
        run = self._phase = PhaseRun(phase, self._settings, self._pools, self._loop)
        reporter = self._loop.create_task(self._report_often(run))
        try:
            await run.run(self._prompts.items(phase.name), self._trace)
        finally:
            reporter.cancel()
            self._phase = None
        self._report(run.progress())
        return run

    async def _report_often(self, run: PhaseRun) -> None:
        while True:
            await asyncio.sleep(self._settings.progress_seconds)
            if self._is_abandoned():
                self.interrupt(f"nobody has waited for the result for {_ABANDONED_SECONDS:g} s")
            self._report(run.progress())

    def _is_abandoned(self) -> bool:
        """Whether the file that tells of life is gone, or has not been touched for long; no clock's jump says so."""
        path, now = self._settings.alive_file, time.monotonic()
        if path is None:
            return False
        try:
            touched_ns = os.stat(path).st_mtime_ns
        except OSError:
            return True
        if touched_ns != self._touched_ns:
            self._touched_ns, self._touched_at = touched_ns, now
        return now - self._touched_at > _ABANDONED_SECONDS

    async def _measure(self, phase: Phase) -> dict[str, Any]:
        """Run a phase, and keep its figures."""
        meter = Meter(self._loop)
        meter.start()
        run = await self._run_phase(phase)
        client = meter.stop()
        targets = {
            target.name: self._figures(run, number, target.accelerators)
            for number, target in enumerate(self._settings.targets)
        }
        load = {"kind": type(phase.load).__name__.lower(), **asdict(phase.load)}
        result: dict[str, Any] = {
            "name": phase.name,
            "load": load,
            "stopped_by": run.stopped_by,
            "closed_loop": isinstance(phase.load, Closed) or run.capped,
            "targets": targets,
            "client": client,
            "inconclusive": find_doubts(
                self._settings, client, targets, due_times=not isinstance(phase.load, Closed), capped=run.capped
            ),
        }
        self._results.append(result)
        if run.interrupted:
            result["inconclusive"].append("it was interrupted")
        self._flags += [f"phase {phase.name}: {doubt}" for doubt in result["inconclusive"]]
        return result

    def _figures(self, run: PhaseRun, number: int, accelerators: int) -> dict[str, Any]:
        records, settings = run.records[number], self._settings
        figures = summarize(
            records, begin=run.begin, issued=run.issued[number], slo=settings.request_slo, accelerators=accelerators
        )
        figures["series"] = series_of(records, begin=run.begin, step_seconds=settings.series_step_seconds)
        if settings.slo:
            figures["slo_misses"] = find_misses(figures, settings.slo)
        fits = len(records) <= settings.samples_max
        figures["samples"] = samples_of(records, begin=run.begin) if fits else None
        return figures

    async def _sweep(self, sweep: Sweep) -> dict[str, Any]:
        """Look for the highest rate; every rate is a phase of the result."""
        steps: list[Step] = []
        while True:
            rate, ended = next_rate(sweep, steps)
            if rate is None:
                break
            load = Poisson(rate) if sweep.process == "poisson" else Constant(rate)
            phase = Phase(f"rate{len(steps)}", load, sweep.stop)
            result = await self._measure(phase)
            if self._interrupted is not None:
                ended = "the run was interrupted"
                break
            meets = not any(figures["slo_misses"] for figures in result["targets"].values())
            steps.append(Step(rate, None if result["inconclusive"] else meets))
        failed = min((step.rate_per_second for step in steps if step.meets is False), default=math.inf)
        passed = [step.rate_per_second for step in steps if step.meets and step.rate_per_second < failed]
        return {
            "rate_per_second_max": max(passed, default=None),
            "ended": ended,
            "steps": [step._asdict() for step in steps],
        }


def _plain(value: Any) -> Any:
    """Return dataclasses' content as JSON has it."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
