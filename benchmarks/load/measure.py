# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of one client against the known server: what it said beside what was, and what it took."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from benchmarks.load.contenders import Contender
from benchmarks.load.known import Condition, known_server
from benchmarks.load.metering import run_metered

__all__ = ["Figures", "RunError", "measure", "median"]

_RUN_SECONDS_MAX = 180


class RunError(Exception):
    """A client has ended without figures; the words are its own."""


@dataclass(frozen=True)
class Figures:
    """What was measured; an error is what was said minus what was, None where a client does not say it.

    ``cpu_ms_per_1000_tokens`` is of the time in which the requests that count were answered, ``cpu_seconds`` of the
    whole run. TTFTs without ``error`` are what was said. ``first_request_seconds`` is from the start of the process
    until the server had read a request.
    """

    ttft_p50_ms: float | None
    ttft_p99_ms: float | None
    ttft_p50_error_ms: float | None
    ttft_p99_error_ms: float | None
    gap_p99_error_ms: float | None
    lateness_p99_ms: float | None
    cpu_ms_per_1000_tokens: float
    cpu_seconds: float
    wall_seconds: float
    first_request_seconds: float
    tokens_per_second: float
    requests_per_second: float
    memory_mib: float
    requests: float
    load: float

    def data(self) -> dict[str, float | None]:
        """Return the figures as plain data."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: None if value is None else round(value, 3) for name, value in values.items()}


def median(rounds: Sequence[Figures]) -> Figures:
    """Return the median of each figure; None where a round has none."""
    found: dict[str, Any] = {}
    for field in fields(Figures):
        values = [getattr(each, field.name) for each in rounds]
        found[field.name] = None if None in values else statistics.median(values)
    return Figures(**found)


def _error(said: Mapping[str, float] | None, was: Mapping[str, float] | None, share: str) -> float | None:
    return said[share] - was[share] if said and was else None


def measure(contender: Contender, condition: Condition) -> tuple[Figures, Sequence[str]]:
    """Run a client once; return its figures and remarks. RunError where it has none."""
    requests = condition.requests_few if contender.few and condition.requests_few else condition.requests
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="llmops-client-") as name:
        folder = Path(name)
        with known_server(condition, folder) as known:
            command = contender.command(condition, known.url, folder, requests)
            taken = run_metered(command, folder, _RUN_SECONDS_MAX, contender.variables())
        try:
            said = contender.read(folder, condition)
            truth = known.truth(said.requests)
            if truth is None:
                raise ValueError("the server was not asked for anything")
        except (ValueError, OSError, LookupError, TypeError) as error:
            last = taken.output.strip()[-1500:]
            raise RunError(f"{error!r}; it ended with {taken.code} after {taken.wall_seconds:.0f} s:\n{last}") from None
    remarks = list(said.remarks)
    if said.requests != requests:
        remarks.append(f"{said.requests} of {requests} requests are in its figures")

    cpu = taken.cpu_between(truth.begin_seconds, truth.end_seconds)
    figures = Figures(
        ttft_p50_ms=said.ttft_ms["p50"] if said.ttft_ms else None,
        ttft_p99_ms=said.ttft_ms["p99"] if said.ttft_ms else None,
        ttft_p50_error_ms=_error(said.ttft_ms, truth.ttft_ms, "p50"),
        ttft_p99_error_ms=_error(said.ttft_ms, truth.ttft_ms, "p99"),
        gap_p99_error_ms=_error(said.gap_ms, truth.gap_ms, "p99"),
        lateness_p99_ms=said.lateness_p99_ms,
        cpu_ms_per_1000_tokens=cpu * 1e6 / truth.tokens,
        cpu_seconds=taken.cpu_seconds,
        wall_seconds=taken.wall_seconds,
        first_request_seconds=truth.first_seconds - taken.start_seconds,
        tokens_per_second=truth.tokens / truth.seconds,
        requests_per_second=truth.requests / truth.seconds,
        memory_mib=taken.memory_mib,
        requests=said.requests,
        load=load,
    )
    return figures, remarks
