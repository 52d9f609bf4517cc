# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run compares with a baseline, on one metric: beside it in one run, stored with samples, or stored without.

Beside it (interleaved, at one time) the canary judge decides. A stored baseline with samples is compared by its
quantile and by a test, so that noise is not taken for a regression: outside the limit but not beyond doubt is
inconclusive. Without samples only the limit is left. No test sees that the machine itself is slower today than when
the baseline was stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_run import BenchmarkRun
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.bursts import longest_burst
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.criteria import Criterion
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.exceedance import compare_exceedances
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.metrics import Metric
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.paired_judge import compare_arms, nominal_error
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
    run: BenchmarkRun, baseline: Baseline, criterion: Criterion, ratio: float, error_share: float = 1.0
) -> Comparison:
    """Judge the ratio of observed and baseline by a relative criterion that has this share of the error."""
    inside = criterion.holds(ratio)
    arms = _arms(run, baseline, criterion.metric)
    if arms is None or not criterion.is_upper:
        why = "no raw samples on both sides" if arms is None else "no test for this direction"
        return Comparison(Result.PASS if inside else Result.FAIL, f"judged by the limit alone: {why}")
    before, now = arms
    if baseline.beside:
        judged = compare_arms(before, now, margin=criterion.limit - 1, error_share=error_share)
        factor = judged.detectable_factor
        power = f"; a slowdown to {factor:.2f} times would have been seen with 80 % power" if factor else ""
        return Comparison(judged.result, judged.reason + (power if judged.result is Result.PASS else ""))
    return _compare_stored(before, now, criterion, inside, error_share)


def _arms(run: BenchmarkRun, baseline: Baseline, metric: Metric | None) -> tuple[list[float], list[float]] | None:
    """Return the samples of baseline and run, paired where they were taken side by side; None when one has none."""
    if metric is None or metric.family is None or metric.share is None:
        return None
    before, now = baseline.run.samples.get(metric.family), run.samples.get(metric.family)
    if not before or not now:
        return None
    if baseline.beside:
        # A pair of which one has failed is left out of both; failures are judged by their own limit.
        pairs = [(old, new) for old, new in zip(before, now) if old is not None and new is not None]
        return [old for old, _new in pairs], [new for _old, new in pairs]
    return [each for each in before if each is not None], [each for each in now if each is not None]


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
