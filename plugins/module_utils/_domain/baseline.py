# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run compares with a baseline, on one metric: beside it in one run, stored with samples, or stored without.

Beside it (interleaved, at one time) the canary judge decides, for all metrics that are compared at once. A stored
baseline with samples is compared by its quantile and by a test, so that noise is not taken for a regression: outside
the limit but not beyond doubt is inconclusive. Without samples only the limit is left. No test sees that the machine
itself is slower today than when the baseline was stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.arms import Arm, Measure
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_run import BenchmarkRun
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.bursts import longest_burst
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_judge import (
    find_detectable,
    judge_arms,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.criteria import Criterion
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.exceedance import compare_exceedances
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.looks import nominal_error
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.metrics import Metric
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result

__all__ = ["Baseline", "Comparison", "compare", "find_incomparable"]


@dataclass(frozen=True)
class Baseline:
    """A run to compare with; ``beside`` when it was interleaved with the judged one, request by request."""

    run: BenchmarkRun
    beside: bool = False


@dataclass(frozen=True)
class Comparison:
    """The result of comparing one metric; ``note`` says how far it can be trusted."""

    result: Result
    note: str


def find_incomparable(run: BenchmarkRun, baseline: Baseline) -> str | None:
    """Return why nothing of the two runs may be compared, None when it may."""
    other = baseline.run
    if other.tool != run.tool:
        return (
            f"the baseline was measured by {other.tool}, this run by {run.tool}: they define their figures differently"
        )
    if other.partial:
        return "the baseline was interrupted"
    if other.doubts and not baseline.beside:
        # Beside each other both suffer alike, and the run has said so itself.
        return f"the baseline cannot be trusted: {'; '.join(other.doubts)}"
    if not other.completed:
        return "no request of the baseline has succeeded"
    return None


def compare(
    run: BenchmarkRun, baseline: Baseline, criterion: Criterion, ratio: float, sharing: Sequence[Criterion] = ()
) -> Comparison:
    """Judge the ratio of observed and baseline by a relative criterion; all of ``sharing`` share one error with it."""
    inside = criterion.holds(ratio)
    judged = [each for each in sharing if each.is_upper and _arms(run, baseline, each.metric) is not None]
    if (arms := _arms(run, baseline, criterion.metric)) is None or not criterion.is_upper:
        why = "no raw samples on both sides" if arms is None else "no test for this direction"
        return Comparison(Result.PASS if inside else Result.FAIL, f"judged by the limit alone: {why}")
    if baseline.beside:
        return _compare_beside(run, baseline.run, criterion, judged)
    before, now = ([each for each in arm if each is not None] for arm in arms)
    error_share = 1 / max(1, len({each.metric.family for each in judged if each.metric is not None}))
    return _compare_stored(before, now, criterion, inside, error_share)


_Values = Sequence[Optional[float]]


def _arms(run: BenchmarkRun, baseline: Baseline, metric: Metric | None) -> tuple[_Values, _Values] | None:
    """Return the samples of baseline and run, None for a failed request; None when one of them has no samples."""
    if metric is None or metric.family is None or metric.share is None:
        return None
    before, now = baseline.run.samples.get(metric.family), run.samples.get(metric.family)
    return (before, now) if before and now else None


def _measure(criterion: Criterion) -> Measure:
    family = str(criterion.metric.family) if criterion.metric is not None else ""
    return Measure(f"{family} {criterion.words()}", margin=criterion.limit - 1, samples=family)


def _compare_beside(
    run: BenchmarkRun, other: BenchmarkRun, criterion: Criterion, judged: Sequence[Criterion]
) -> Comparison:
    # A failed request has no latency; failures are judged by their own limit. Percentiles of one family with one limit
    # are one measure.
    measures = list(dict.fromkeys(map(_measure, [criterion, *judged])))
    families = {measure.key for measure in measures}
    stable, canary = (Arm({name: each.samples[name] for name in families}) for each in (other, run))
    judgement = judge_arms(stable, canary, measures)
    metric = judgement.metrics[0]
    factor = find_detectable(judgement, stable, canary, measures[0]) if metric.result is Result.PASS else None
    power = f"; a slowdown to {factor:.2f} times would have been seen with 80 % power" if factor else ""
    return Comparison(metric.result, metric.reason + power)


def _compare_stored(
    before: Sequence[float], now: Sequence[float], criterion: Criterion, inside: bool, error_share: float
) -> Comparison:
    if inside:
        return Comparison(Result.PASS, f"{len(now)} samples against {len(before)} stored ones")
    share = criterion.metric.share if criterion.metric is not None else None
    if not before or not now or share is None:
        return Comparison(Result.INCONCLUSIVE, "no request of one side has samples")
    if burst := max(longest_burst(before), longest_burst(now)):
        note = f"slow requests come together, {burst} in a row: it may be chance; measure both side by side"
        return Comparison(Result.INCONCLUSIVE, note)
    alpha = nominal_error(min(len(before), len(now))) * error_share
    test = compare_exceedances(before, [each / criterion.limit for each in now], share)
    seen = f"p = {test.p_value:.2g} of {len(now)} samples against {len(before)} stored ones, limit {alpha:g}"
    if test.p_value <= alpha:
        return Comparison(Result.FAIL, f"beyond doubt ({seen})")
    return Comparison(Result.INCONCLUSIVE, f"but within noise ({seen}): take more samples")
