# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command and tell what it took: seconds, processor, memory, and when it took the processor."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.known import build

__all__ = ["Taken", "run_metered"]

_SAMPLE_SECONDS = 0.5
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Taken:
    """What a run took. ``course`` holds moments of the monotonic clock, and the CPU seconds up to each of them."""

    code: int
    start_seconds: float
    wall_seconds: float
    cpu_seconds: float
    memory_mib: float
    course: Sequence[tuple[float, float]]
    output: str

    def cpu_between(self, begin: float, end: float) -> float:
        """Return the CPU seconds between two moments, linear between the samples."""
        return self._cpu_at(end) - self._cpu_at(begin)

    def _cpu_at(self, moment: float) -> float:
        before, after = (self.start_seconds, 0.0), (self.start_seconds + self.wall_seconds, self.cpu_seconds)
        for sample in self.course:
            if sample[0] <= moment:
                before = sample
            else:
                after = sample
                break
        if after[0] <= before[0]:
            return before[1]
        share = min(max((moment - before[0]) / (after[0] - before[0]), 0.0), 1.0)
        return before[1] + share * (after[1] - before[1])


def run_metered(
    command: Sequence[str], folder: Path, seconds_max: int, variables: Mapping[str, str] | None = None
) -> Taken:
    """Run a command in a folder until it ends or its time is over; its output goes to a file there."""
    meter, log = folder / "meter", folder / "output"
    course: list[tuple[float, float]] = []
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [build("meter"), str(meter), str(seconds_max), *command],
            cwd=folder,
            env={**os.environ, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            while True:
                try:
                    process.wait(_SAMPLE_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    course.append((time.monotonic(), _cpu_of_descendants(process.pid)))
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    start, wall, user, system, peak, code = (int(word) for word in meter.read_text().split())
    return Taken(
        code=code,
        start_seconds=start / 1e9,
        wall_seconds=wall / 1e9,
        cpu_seconds=(user + system) / 1e6,
        memory_mib=peak / 1024,
        course=_rising(course),
        output=log.read_text(errors="replace"),
    )


def _cpu_of_descendants(pid: int) -> float:
    """Return the CPU seconds of all processes below one, with those of children that they have waited for."""
    ticks, left = 0, _children(pid)
    while left:
        each = left.pop()
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(int(field) for field in fields[11:15])
        left += _children(each)
    return ticks / _TICKS_PER_SECOND


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(word) for word in file.read_text().split()]
    return found


def _rising(course: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the samples without a fall: what a process has used is forgotten until its parent waits for it."""
    rising: list[tuple[float, float]] = []
    for moment, cpu in course:
        rising.append((moment, max(cpu, rising[-1][1] if rising else 0.0)))
    return rising
