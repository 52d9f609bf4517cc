# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs in C, compiled when they are needed, and the server whose send times are the truth."""

from __future__ import annotations

import os
import shutil
import subprocess
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quantiles import quantile

from tests.support.playbooks import ROOT

__all__ = ["Condition", "Known", "Truth", "build", "known_server", "percentiles_ms"]

_NS = 1e9
_STOP_SECONDS_MAX = 20


@dataclass(frozen=True)
class Condition:
    """What the server does and what is asked of it; an open loop where there is a rate, else a closed one."""

    name: str
    ttft_ms: float
    itl_ms: float
    tokens: int
    concurrency: int
    requests: int
    rate_per_second: float = 0.0
    # Clients that answer fewer requests per second are asked for less, or a run would take minutes.
    requests_few: int = 0
    warm: bool = True
    # Answers that the server writes at once, and requests that a client of an open loop may have in flight; 0: any.
    slots: int = 0
    cap: int = 0

    @property
    def warmup(self) -> int:
        """Requests before those that count: one round of a closed loop, some connections of an open one."""
        if not self.warm:
            return 0
        return 64 if self.rate_per_second else self.concurrency


def build(name: str) -> str:
    """Compile ``benchmarks/load/NAME.c`` where it is newer than its program; return the program's path."""
    source, program = Path(__file__).with_name(f"{name}.c"), ROOT / "build" / "benchmarks" / "programs" / name
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("no C compiler (cc) was found, which the known server needs: install gcc")
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        program.parent.mkdir(parents=True, exist_ok=True)
        partial = program.with_name(f"{name}.{os.getpid()}")
        subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", str(partial), str(source), "-lm"], check=True)
        partial.rename(program)
    return str(program)


def percentiles_ms(values_ms: Sequence[float]) -> dict[str, float] | None:
    """Return p50 and p99, or None where there are no values."""
    if not values_ms:
        return None
    ordered = sorted(values_ms)
    return {"p50": quantile(ordered, 0.5), "p99": quantile(ordered, 0.99)}


@dataclass(frozen=True)
class Truth:
    """The requests that count, as the server has seen them: percentiles in milliseconds, and how much it handed over.

    ``first_seconds`` is when the very first request had been read, ``begin_seconds`` when the first that counts,
    ``end_seconds`` when the last token was handed over, all on the monotonic clock.
    """

    ttft_ms: dict[str, float]
    gap_ms: dict[str, float] | None
    requests: int
    tokens: int
    first_seconds: float
    begin_seconds: float
    end_seconds: float
    incomplete: int

    @property
    def seconds(self) -> float:
        """How long the requests that count took."""
        return self.end_seconds - self.begin_seconds


class Known:
    """A running server; ``url`` is where it listens, ``truth`` is there after it has ended."""

    def __init__(self, url: str, log: Path) -> None:
        self.url, self._log = url, log

    def truth(self, requests: int) -> Truth | None:
        """Return what it did for its last requests, so many; None where it was never asked."""
        cells = array("q")
        cells.frombytes(self._log.read_bytes())
        total, tokens, _accepted = cells[:3]
        width = tokens + 2
        rows = [cells[3 + at * width : 3 + (at + 1) * width] for at in range(total)]
        counted = [row for row in rows[max(total - requests, 0) :] if row[-1]]
        if not counted:
            return None
        gaps = [(after - before) / 1e6 for row in counted for before, after in zip(row[2:], row[3:])]
        return Truth(
            ttft_ms=percentiles_ms([(row[2] - row[1]) / 1e6 for row in counted]) or {},
            gap_ms=percentiles_ms(gaps),
            requests=len(counted),
            tokens=len(counted) * tokens,
            first_seconds=rows[0][1] / _NS,
            begin_seconds=counted[0][1] / _NS,
            end_seconds=max(row[-1] for row in counted) / _NS,
            incomplete=sum(not row[-1] for row in rows),
        )


@contextmanager
def known_server(condition: Condition, folder: Path) -> Iterator[Known]:
    """Run the server for a condition; its log is whole when the block has ended."""
    log = folder / "server.log"
    times = [str(round(ms * 1000)) for ms in (condition.ttft_ms, condition.itl_ms)]
    command = [build("server"), str(log), *times, str(condition.tokens), str(condition.slots)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Known(f"http://127.0.0.1:{int(process.stdout.readline())}", log)
        finally:
            process.terminate()
            if process.wait(_STOP_SECONDS_MAX):
                raise SystemExit(f"the known server ended with {process.returncode}")
