# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes part: our client, with and without uvloop, and the floor; the peers are in ``peers``."""

from __future__ import annotations

import json
import shutil
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.llmops.kubernetes.plugins.module_utils._bench import wire

from benchmarks.load.known import Condition, build, percentiles_ms
from tests.support.playbooks import ROOT

__all__ = ["Contender", "Floor", "Ours", "Said", "ours_settings"]

_PACKAGE = ROOT / "plugins" / "module_utils" / "_bench"


@dataclass(frozen=True)
class Said:
    """What a client has said of the requests that count: percentiles in milliseconds, None where it says none."""

    requests: int
    ttft_ms: dict[str, float] | None
    gap_ms: dict[str, float] | None
    lateness_p99_ms: float | None = None
    remarks: Sequence[str] = ()


class Contender(Protocol):
    """A load client; ``few`` is set for those that answer few requests per second."""

    name: str
    few: bool

    def prepare(self) -> None:
        """Make it ready to run; raises ``UnavailableError`` with the reason where it cannot."""

    def version(self) -> str:
        """Return its version."""

    def command(self, condition: Condition, url: str, folder: Path, requests: int) -> list[str]:
        """Return the words that run it; it may write files to the folder."""

    def variables(self) -> Mapping[str, str]:
        """Return what its environment has besides."""

    def read(self, folder: Path, condition: Condition) -> Said:
        """Return what it has said, without the warm-up; ValueError, OSError or LookupError where it has not."""


def ours_settings(condition: Condition, url: str, requests: int) -> dict[str, Any]:
    """Return the settings of our client for a condition."""
    load: dict[str, Any] = {"kind": "closed", "concurrency": condition.concurrency}
    if condition.rate_per_second:
        load = {"kind": "poisson", "rate_per_second": condition.rate_per_second}
    return {
        "targets": [{"name": "known", "url": url, "model": "tiny"}],
        "workload": {"input": {"mean_tokens": 32}, "output": {"mean_tokens": condition.tokens}},
        "request": {"ignore_eos": True},
        "warmup_requests": condition.warmup,
        "phases": [{"name": "one", "load": load, "stop": {"requests": requests}}],
        **({"limits": {"max_in_flight": condition.cap}} if condition.cap else {}),
    }


class Ours:
    """The client of the collection, started as ``serving_benchmark`` starts it: from flat files, nothing compiled."""

    few = False

    def __init__(self, name: str, python: str = sys.executable) -> None:
        self.name, self._python = name, python

    def prepare(self) -> None:
        """Nothing is needed."""

    def version(self) -> str:
        """It is this checkout's."""
        return "this checkout"

    def variables(self) -> Mapping[str, str]:
        """As ``serving_benchmark`` sets it."""
        return {"PYTHONDONTWRITEBYTECODE": "1"}

    def command(self, condition: Condition, url: str, folder: Path, requests: int) -> list[str]:
        """See ``Contender``."""
        shutil.copytree(_PACKAGE, folder / "llmops_bench", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "settings.json").write_text(json.dumps(ours_settings(condition, url, requests)))
        return [self._python, "-m", "llmops_bench.command", "settings.json"]

    def read(self, folder: Path, condition: Condition) -> Said:
        """See ``Contender``."""
        output = (folder / "output").read_text(errors="replace")
        result = wire.decode_result(output.splitlines())
        if result is None:
            raise ValueError(f"no result: {wire.decode_error(output.splitlines())}")
        phase = result["phases"][0]
        found = phase["targets"]["known"]
        late = found["lateness_ms"]
        busy = f"busy for {phase['client']['busy_ratio']:.2f} of the time ({result['client']['event_loop']})"
        return Said(
            requests=found["requests"]["ok"],
            ttft_ms=found["ttft_ms"],
            gap_ms=found["itl_ms"],
            lateness_p99_ms=late["p99"] if condition.rate_per_second and late else None,
            remarks=[busy, f"merged reads {found['merged_reads_ratio']}", *phase["inconclusive"]],
        )


class Floor:
    """The client in C that keeps the times of its reads and nothing else: no client can be better than it."""

    few = False
    name = "floor (C)"

    def prepare(self) -> None:
        """Compile it."""
        build("floor")

    def version(self) -> str:
        """It is this checkout's."""
        return "this checkout"

    def variables(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def command(self, condition: Condition, url: str, folder: Path, requests: int) -> list[str]:
        """See ``Contender``."""
        port = url.rpartition(":")[2]
        numbers = (condition.warmup, requests, condition.concurrency, condition.rate_per_second)
        return [build("floor"), str(folder / "floor.log"), port, *map(str, numbers)]

    def read(self, folder: Path, condition: Condition) -> Said:
        """See ``Contender``; a read counts as one token."""
        cells = array("q")
        cells.frombytes((folder / "floor.log").read_bytes())
        at, ttfts, gaps, late = 1, [], [], []
        for _request in range(cells[0]):
            due, sent, count = cells[at : at + 3]
            reads = cells[at + 3 : at + 3 + count]
            at += 3 + count
            late.append((sent - due) / 1e6)
            ttfts.append((reads[0] - sent) / 1e6)
            gaps += [(after - before) / 1e6 for before, after in zip(reads, reads[1:])]
        lateness = (percentiles_ms(late) or {}).get("p99") if condition.rate_per_second else None
        return Said(cells[0], percentiles_ms(ttfts), percentiles_ms(gaps), lateness)
