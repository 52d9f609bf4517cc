# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often the canary judge is wrong, beside rules that are in use: made-up servers, no cluster, no load.

Each release draws latencies of two slots (tests/support/latencies.py) that are alike, drift together, differ by 3
percent or have bursts of their own, and of a canary that is slower in body or tail; the slots' requests are one to one,
or the stable slot has three or nine times as many. The judge is the one that the collection runs, with its looks. The
other rules are written here after their documentation and sources; they are not those programs. ``--quick`` takes a
few minutes on one core; of its 400 releases a share of 1 percent is known to +-1 point. ``python3 -m
benchmarks.canary_judge --help`` names the options.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import NormalDist, median

import numpy as np
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.arms import MARGIN, Arm, Measure
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_judge import judge_arms
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.looks import (
    HISTORY_LOOKS,
    LOOK_FIRST,
    nominal_error,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quantiles import quantile
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.table import align
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result

from benchmarks.common import Goal, print_goals, save
from tests.support.latencies import BURST_WORLDS, CALM_WORLDS, REGRESSIONS, WORLDS, Release, draw_release

Said = tuple[str, int]
Rule = Callable[[Release], Said]
# A long-run p95 in seconds without drift or bursts, what a fixed limit would be set by.
LONG_RUN_P95 = 0.418
CHECKS = 10
# Percent of releases in which a regression must be found, by the canary's requests.
POWER = {
    600: {"+20": 85.0, "tail+50": 62.0, "+50": 99.0},
    2000: {"+10": 45.0, "+20": 99.0, "tail+20": 50.0, "tail+50": 99.0},
}
EARLY_REQUESTS = 120
# Releases that are drawn by one call of a process.
BATCH = 50


@dataclass(frozen=True)
class Cell:
    """One kind of releases: so many requests of the canary, ``ratio`` times as many of the stable slot.

    ``several``: three metrics that share one error. ``history``: the stable slot's past is known, in requests of the
    canary. ``others``: the other rules judge the same releases.
    """

    requests: int
    ratio: int = 1
    several: bool = False
    history: int = HISTORY_LOOKS * LOOK_FIRST
    others: bool = False

    @property
    def name(self) -> str:
        """The cell in words."""
        words = [f"{self.requests} requests, 1:{self.ratio}"]
        words += ["three metrics"] * self.several + ["no history"] * (not self.history) + ["other rules"] * self.others
        return ", ".join(words)

    @property
    def worlds(self) -> tuple[str, ...]:
        """The worlds that are drawn; bursts of single replicas are shown, and no goal."""
        return (*WORLDS, *(["replicas"] if self.ratio > 1 else []), *REGRESSIONS)


CELLS = (
    Cell(600),
    Cell(2000),
    Cell(600, ratio=3),
    Cell(600, ratio=9),
    Cell(600, several=True),
    Cell(2000, ratio=3),
    Cell(2000, ratio=9),
)
# With fewer releases: what the table shows, and no goal is of.
MORE_CELLS = (Cell(600, history=0), Cell(2000, history=0), Cell(600, others=True), Cell(2000, others=True))


def judge(cell: Cell, release: Release) -> Said:
    """Our rule, as the collection runs it, with its looks and all metrics that there are."""
    history = Arm(release.history) if cell.history else None
    measures = [Measure(name) for name in release.canary]
    found = judge_arms(Arm(release.stable), Arm(release.canary), measures, history=history)
    return found.verdict.result.value, found.requests


def fixed_limit(release: Release, failures_max: int = 3) -> Said:
    """A p95 above 1.2 times the long-run one in more than so many of 10 checks, at the check that is one too many.

    Argo Rollouts: a metric with ``count: 10`` and ``failureLimit: 3`` fails when more measurements fail; Flagger rolls
    back when failed checks reach its ``threshold``.
    """
    canary = release.canary["ttft"]
    size, bad = len(canary) // CHECKS, 0
    for end in range(size, size * CHECKS + 1, size):
        bad += quantile(sorted(canary[end - size : end]), 0.95) > 1.2 * LONG_RUN_P95
        if bad > failures_max:
            return Result.FAIL.value, end
    return Result.PASS.value, len(canary)


def kayenta(release: Release) -> Said:
    """Kayenta's default classifier on the p95 of 10 points of 600 requests, of 50 points of 2,000.

    A metric is high when the lower end of the 98 percent interval of Hodges and Lehmann's shift (Mann and Whitney's
    test, normal approximation) is above a quarter of the estimated shift. A canary with a high metric of weight 100
    fails.
    """
    stable, canary = release.stable["ttft"], release.canary["ttft"]
    points = 10 if len(canary) < 2000 else 50
    size = len(canary) // points
    old, new = (
        [quantile(sorted(arm[start : start + size]), 0.95) for start in range(0, size * points, size)]
        for arm in (stable, canary)
    )
    shifts = sorted(one - other for one in new for other in old)
    spread = NormalDist().inv_cdf(0.99) * (points * points * (2 * points + 1) / 12) ** 0.5
    low = shifts[max(0, round(points * points / 2 - spread))]
    return _said(low > 0.25 * abs(median(shifts)), release)


def ratio_of_p95(release: Release) -> Said:
    """The p95 is more than 1.1 times that of the stable slot beside it."""
    stable, canary = (quantile(sorted(arm["ttft"]), 0.95) for arm in (release.stable, release.canary))
    return _said(canary > 1.1 * stable, release)


def _said(rejected: bool, release: Release) -> Said:
    return (Result.FAIL if rejected else Result.PASS).value, len(release.canary["ttft"])


OTHERS: Mapping[str, Rule] = {
    "fixed limit, > 3 of 10 checks (Argo Rollouts, Flagger)": fixed_limit,
    "fixed limit, any of 10 checks": partial(fixed_limit, failures_max=0),
    "Kayenta's default": kayenta,
    "p95 more than 1.1 times": ratio_of_p95,
}


@dataclass(frozen=True)
class Shares:
    """What one rule said in one world: percent of all releases, and the median requests of those that failed."""

    failed: float
    inconclusive: float
    requests: float
    releases: int


def simulate(cell: Cell, world: str, runs: range) -> dict[str, list[Said]]:
    """Return what every rule said of each release; each has its own seed, so that any of them can be repeated."""
    rules: dict[str, Rule] = dict(OTHERS) if cell.others else {"judge": partial(judge, cell)}
    said: dict[str, list[Said]] = {name: [] for name in rules}
    for run in runs:
        random = np.random.default_rng([*world.encode(), cell.requests, cell.ratio, cell.several, run])
        drawn = draw_release(world, cell.requests, random, ratio=cell.ratio, history=cell.history, several=cell.several)
        for name, rule in rules.items():
            said[name].append(rule(drawn))
    return said


def count(said: Sequence[Said]) -> Shares:
    """Return the shares of what one rule said."""
    results = Counter(result for result, _requests in said)
    used = [requests for result, requests in said if result == Result.FAIL.value]
    percent = 100 / len(said)
    return Shares(results["fail"] * percent, results["inconclusive"] * percent, median(used) if used else 0, len(said))


Found = dict[Cell, dict[str, dict[str, Shares]]]


def measure(cells: Sequence[Cell], nulls: int, regressions: int, pool: ProcessPoolExecutor) -> Found:
    """Return the shares by cell, rule and world."""
    found: Found = {}
    for cell in cells:
        began = time.monotonic()
        rows: dict[str, dict[str, Shares]] = {}
        for world in cell.worlds:
            runs = regressions if world in REGRESSIONS else nulls
            parts = [range(start, min(start + BATCH, runs)) for start in range(0, runs, BATCH)]
            said: dict[str, list[Said]] = {}
            for part in pool.map(partial(simulate, cell, world), parts):
                for name, words in part.items():
                    said.setdefault(name, []).extend(words)
            for name, words in said.items():
                rows.setdefault(name, {})[world] = count(words)
        found[cell] = rows
        _print(cell, rows, time.monotonic() - began)
    return found


def _print(cell: Cell, rows: Mapping[str, Mapping[str, Shares]], seconds: float) -> None:
    print(f"\n{cell.name}: percent failed (+ inconclusive) @ median requests, {seconds:.0f} s")
    lines = [["rule", *cell.worlds]]
    for name, worlds in rows.items():
        lines.append([name, *(_cell_text(worlds[world]) for world in cell.worlds)])
    print("\n".join(align(lines)), flush=True)


def _cell_text(shares: Shares) -> str:
    unsure = f" + {shares.inconclusive:.2f}" if shares.inconclusive else ""
    early = f" @{shares.requests:.0f}" if shares.failed else ""
    return f"{shares.failed:.2f}{unsure}{early}"


def goals(found: Found) -> Iterator[Goal]:
    """Yield the goals of the judge."""
    for cell, rows in found.items():
        if cell.others or not cell.history:
            continue
        ours = rows["judge"]
        for world in WORLDS:
            limit = 1.0 if world in CALM_WORLDS else 2.0
            yield Goal(f"{cell.name}, {world}: false alarms", ours[world].failed, limit, "%")
            if world in BURST_WORLDS:
                yield Goal(f"{cell.name}, {world}: inconclusive", ours[world].inconclusive, 20.0, "%")
        if cell.several:
            continue
        for world, found_at_least in POWER[cell.requests].items():
            yield Goal(f"{cell.name}, {world}: missed", 100 - ours[world].failed, 100 - found_at_least, "%")
        yield Goal(f"{cell.name}, +50: found after (median)", ours["+50"].requests, EARLY_REQUESTS, "requests")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the simulation and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nulls", type=int, default=20000, help="releases of each world without a regression")
    parser.add_argument("--regressions", type=int, default=2000, help="releases of each regression")
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the former, a tenth of the latter")
    parser.add_argument("--cells", default="", help="only those whose name has this text, such as 1:3")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args(arguments)
    nulls, regressions = options.nulls, options.regressions
    if options.quick:
        nulls, regressions = nulls // 50, regressions // 10
    with ProcessPoolExecutor(options.processes) as pool:
        cells, more = ([each for each in some if options.cells in each.name] for some in (CELLS, MORE_CELLS))
        found = measure(cells, nulls, regressions, pool)
        found.update(measure(more, max(BATCH, nulls // 5), max(BATCH, regressions // 5), pool))
    errors = ", ".join(f"{nominal_error(pairs)} of {pairs} pairs" for pairs in (600, 2000))
    print(f"\n{nulls} releases of each world, {regressions} of each regression; error {errors}, margin {MARGIN}")
    reached = list(goals(found))
    print_goals(reached)
    figures = {
        cell.name: {name: {world: asdict(shares) for world, shares in worlds.items()} for name, worlds in rows.items()}
        for cell, rows in found.items()
    }
    save(options.json, {"figures": figures, "goals": [goal.data() for goal in reached]})
    return 0 if all(goal.met for goal in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
