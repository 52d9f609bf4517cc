# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often the canary judge is wrong, beside rules that are in use: made-up servers, no cluster, no load.

Each run draws latencies of two arms (tests/support/latencies.py) that are alike, drift together, differ by 3 percent or
have bursts of their own, and of a candidate that is slower in body or tail. All rules see the same arms. The other
rules are written here after their descriptions; they are not those programs. A share of 2,000 runs is known to +-0.4
points at 1 percent, one of 400 to +-5 points at 50. ``python3 -m benchmarks.judge --help`` names the options.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from statistics import NormalDist, median

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.exceedance import compare_exceedances
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.paired_judge import (
    MARGIN,
    compare_arms,
    nominal_error,
    spend_error,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quantiles import quantile
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result

from benchmarks.common import Goal, print_goals, save
from tests.support.latencies import CALM_WORLDS, REGRESSIONS, WORLDS, draw_arms

Rule = Callable[[Sequence[float], Sequence[float]], tuple[Result, int]]
# A long-run p95 in seconds without drift or bursts, what a fixed limit would be set by.
LONG_RUN_P95 = 0.418
CHECKS = 10
EARLY_PAIRS = (120, 240, 600)
# Percent of runs in which a regression must be found, by pairs.
POWER = {
    120: {"+50": 50.0},
    600: {"+20": 85.0, "tail+50": 62.0, "+50": 99.0},
    2000: {"+10": 45.0, "+20": 99.0, "tail+20": 50.0, "tail+50": 99.0, "+50": 99.0},
}


def judge(baseline: Sequence[float], candidate: Sequence[float]) -> tuple[Result, int]:
    """Our rule, one look at the end."""
    return compare_arms(baseline, candidate).result, len(candidate)


def judge_early(baseline: Sequence[float], candidate: Sequence[float]) -> tuple[Result, int]:
    """Our rule with looks before the end that share the error."""
    pairs = len(candidate)
    looks = [*(each for each in EARLY_PAIRS if each < pairs), pairs]
    for look, share in zip(looks, spend_error([look / pairs for look in looks])):
        result = compare_arms(baseline[:look], candidate[:look], error_share=share).result
        if result is Result.FAIL or look == pairs:
            return result, look
    raise AssertionError("the last look is at the end")


def exceedance(baseline: Sequence[float], candidate: Sequence[float]) -> tuple[Result, int]:
    """Exceedances of the p95, margin 5 percent, error 1 percent, requests taken for independent."""
    test = compare_exceedances(baseline, [each / (1 + MARGIN) for each in candidate], 0.95)
    return _result(test.p_value <= 0.01), len(candidate)


def mann_whitney(baseline: Sequence[float], candidate: Sequence[float]) -> tuple[Result, int]:
    """The rank test of Kayenta, one-sided, error 1 percent, without its other conditions; latencies have no ties."""
    pairs = len(candidate)
    ranked = sorted([*((each, 0) for each in baseline), *((each, 1) for each in candidate)])
    above = sum(rank for rank, (_latency, arm) in enumerate(ranked) if arm) - pairs * (pairs - 1) / 2
    z = (above - pairs * pairs / 2) / (pairs * pairs * (2 * pairs + 1) / 12) ** 0.5
    return _result(1 - NormalDist().cdf(z) <= 0.01), pairs


def ratio(baseline: Sequence[float], candidate: Sequence[float]) -> tuple[Result, int]:
    """The p95 is more than 1.1 times that of the baseline beside it."""
    return _result(quantile(sorted(candidate), 0.95) > 1.1 * quantile(sorted(baseline), 0.95)), len(candidate)


def fixed_limit(_baseline: Sequence[float], candidate: Sequence[float]) -> tuple[Result, int]:
    """More than 3 of 10 checks find a p95 above 1.2 times the long-run one, as Flagger and Argo are set up."""
    size = len(candidate) // CHECKS
    checks = [sorted(candidate[start : start + size]) for start in range(0, size * CHECKS, size)]
    return _result(sum(quantile(check, 0.95) > 1.2 * LONG_RUN_P95 for check in checks) > 3), len(candidate)


def _result(rejected: bool) -> Result:
    return Result.FAIL if rejected else Result.PASS


RULES: Mapping[str, Rule] = {
    "fixed limit, > 3 of 10 checks": fixed_limit,
    "p95 ratio > 1.1": ratio,
    "Mann-Whitney": mann_whitney,
    "exceedances of p95, margin": exceedance,
    "judge": judge,
    "judge, early looks": judge_early,
}


@dataclass(frozen=True)
class Shares:
    """What one rule said in one world: shares of all runs in percent, and the median pairs of those that failed."""

    failed: float
    inconclusive: float
    pairs: float

    def data(self) -> dict[str, float]:
        """Return the shares as plain data."""
        return {
            "failed_percent": round(self.failed, 2),
            "inconclusive_percent": round(self.inconclusive, 2),
            "median_pairs": self.pairs,
        }


def simulate(world: str, pairs: int, runs: range) -> dict[str, list[tuple[str, int]]]:
    """Return what every rule said in each run; a run has its own seed, so that any of them can be repeated."""
    said: dict[str, list[tuple[str, int]]] = {name: [] for name in RULES}
    for run in runs:
        arms = draw_arms(world, pairs, Random(f"{world} {pairs} {run}"))
        for name, rule in RULES.items():
            result, used = rule(*arms)
            said[name].append((result.value, used))
    return said


def count(said: Sequence[tuple[str, int]]) -> Shares:
    """Return the shares of what one rule said."""
    results = Counter(result for result, _pairs in said)
    used = [pairs for result, pairs in said if result == Result.FAIL.value]
    percent = 100 / len(said)
    return Shares(results["fail"] * percent, results["inconclusive"] * percent, median(used) if used else 0)


def measure(
    sizes: Sequence[int], nulls: int, regressions: int, processes: int
) -> dict[int, dict[str, dict[str, Shares]]]:
    """Return the shares by pairs, world and rule."""
    found: dict[int, dict[str, dict[str, Shares]]] = {}
    with ProcessPoolExecutor(processes) as pool:
        for pairs in sizes:
            for world in (*WORLDS, *REGRESSIONS):
                runs = nulls if world in WORLDS else regressions
                parts = [range(start, min(start + 50, runs)) for start in range(0, runs, 50)]
                said: dict[str, list[tuple[str, int]]] = {name: [] for name in RULES}
                for part in pool.map(partial(simulate, world, pairs), parts):
                    for name, words in part.items():
                        said[name] += words
                found.setdefault(pairs, {})[world] = {name: count(words) for name, words in said.items()}
                ours = found[pairs][world]["judge"]
                print(
                    f"{pairs} pairs, {world}: {ours.failed:.1f} % failed, {ours.inconclusive:.1f} % inconclusive",
                    flush=True,
                )
    return found


def goals(found: Mapping[int, Mapping[str, Mapping[str, Shares]]]) -> Iterator[Goal]:
    """Yield the goals of the judge for the sizes that were measured.

    A burst that fills all of a run cannot be told from a slower release. Of 120 pairs many do, so that false alarms are
    a goal from 600 pairs on; the table shows them all.
    """
    for pairs, worlds in found.items():
        ours = {world: rules["judge"] for world, rules in worlds.items()}
        for world in WORLDS if pairs >= 600 else ():
            limit = 1.0 if world in CALM_WORLDS else 2.0
            yield Goal(f"{pairs} pairs, {world}: false alarms", ours[world].failed, limit, "%")
            if world not in CALM_WORLDS:
                yield Goal(f"{pairs} pairs, {world}: inconclusive", ours[world].inconclusive, 20.0, "%")
        for world, found_at_least in POWER.get(pairs, {}).items():
            yield Goal(f"{pairs} pairs, {world}: missed", 100 - ours[world].failed, 100 - found_at_least, "%")


def print_table(found: Mapping[int, Mapping[str, Mapping[str, Shares]]]) -> None:
    """Print the percent that each rule fails, in each world; behind a plus what is inconclusive."""
    for pairs, worlds in found.items():
        print(f"\n{pairs} pairs, % failed (+ % inconclusive)")
        print("rule".ljust(32) + "".join(world.rjust(14) for world in worlds))
        for name in RULES:
            cells = [worlds[world][name] for world in worlds]
            texts = [f"{c.failed:.1f}" + (f" + {c.inconclusive:.1f}" if c.inconclusive else "") for c in cells]
            print(name.ljust(32) + "".join(text.rjust(14) for text in texts))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the simulation and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nulls", type=int, default=2000, help="runs of each world without a regression")
    parser.add_argument("--regressions", type=int, default=400, help="runs of each regression")
    parser.add_argument("--pairs", type=int, nargs="+", default=[120, 600, 2000], help="requests of each arm")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args(arguments)
    found = measure(options.pairs, options.nulls, options.regressions, options.processes)
    print_table(found)
    print(f"\n{options.nulls} runs of each world, {options.regressions} of each regression;", end=" ")
    print(
        ", ".join(f"error {nominal_error(pairs)} of {pairs} pairs" for pairs in options.pairs),
        f"margin {MARGIN}",
        sep=", ",
    )
    reached = list(goals(found))
    print_goals(reached)
    figures = {
        pairs: {world: {name: shares.data() for name, shares in rules.items()} for world, rules in worlds.items()}
        for pairs, worlds in found.items()
    }
    runs = {"nulls": options.nulls, "regressions": options.regressions}
    save(options.json, {**runs, "figures": figures, "goals": [goal.data() for goal in reached]})
    return 0 if all(goal.met for goal in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
