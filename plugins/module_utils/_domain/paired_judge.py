# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary judge: is the candidate slower than the baseline beside it, by more than a margin?

Both arms got the same load at the same time, interleaved one to one. The test is that of ``sign_flip``; how it was
chosen, its false alarms and its power are measured by ``benchmarks/judge.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.bursts import longest_burst
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.sign_flip import (
    count_differences,
    sign_flip_p_value,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result

__all__ = ["BLOCKS", "MARGIN", "PAIRS_MIN", "ArmComparison", "compare_arms", "nominal_error", "spend_error"]

# What is slower by less is no regression: nodes and pods differ by a few percent.
MARGIN = 0.05
# The nominal error by the number of pairs. The true one is below it, as what differs by less than the margin is hardly
# ever rejected: 0.1 to 0.6 % without bursts (benchmarks/judge.py). That helps less where few pairs leave much noise.
_ERRORS = ((1000, 0.025), (0, 0.02))
# Many short blocks have the power, few long ones stand long bursts. Fewer than 8 cannot reach a small p-value: 1/2^8.
BLOCKS = (24, 20, 16, 12, 10, 8)
# A burst that lies across the edge of two blocks counts in both; blocks this much longer keep most of it in one.
_BLOCK_BURSTS_MIN = 1.5
# A block of fewer pairs decides by the accident of single requests.
_BLOCK_PAIRS_MIN = 5
PAIRS_MIN = BLOCKS[-1] * _BLOCK_PAIRS_MIN
# The smallest slowdown of all requests that is found with 80 % power, by pairs: simulated, 50 to 200 runs each.
_DETECTABLE = ((6000, 1.10), (2000, 1.14), (600, 1.20), (240, 1.30), (120, 1.40))


@dataclass(frozen=True)
class ArmComparison:
    """What two arms of ``pairs`` requests each have shown.

    ``p_value`` is None without enough pairs. ``burst_pairs`` is the longest burst seen in either arm, 0 for none.
    ``detectable_factor`` is the smallest slowdown that would have been seen with 80 % power, None when it is unknown.
    """

    result: Result
    reason: str
    pairs: int
    blocks: int
    p_value: float | None
    burst_pairs: int
    detectable_factor: float | None


def nominal_error(pairs: int) -> float:
    """Return the probability with which a test of so many pairs may be wrong about a candidate at the margin."""
    return next(error for least, error in _ERRORS if pairs >= least)


def compare_arms(
    baseline: Sequence[float], candidate: Sequence[float], *, margin: float = MARGIN, error_share: float = 1.0
) -> ArmComparison:
    """Judge latencies (any unit, smaller is better) of two arms, the i-th of one sent together with that of the other.

    ``error_share`` is this comparison's part of the error, where there are several metrics or looks. A pass says that
    no slowdown beyond the margin was seen; ``detectable_factor`` says which one would have been.
    """
    pairs = len(candidate)
    if len(baseline) != pairs:
        reason = f"the arms are not paired: {len(baseline)} requests of the baseline, {pairs} of the candidate"
        return ArmComparison(Result.INCONCLUSIVE, reason, min(pairs, len(baseline)), 0, None, 0, None)
    if pairs < PAIRS_MIN:
        reason = f"{pairs} pairs of requests are too few to compare, at least {PAIRS_MIN} are needed"
        return ArmComparison(Result.INCONCLUSIVE, reason, pairs, 0, None, 0, None)
    alpha = nominal_error(pairs) * error_share
    shifted = [each / (1 + margin) for each in candidate]
    burst = max(longest_burst(baseline), longest_burst(candidate))
    fitting = [blocks for blocks in BLOCKS if pairs / blocks >= _BLOCK_PAIRS_MIN]
    long_enough = [blocks for blocks in fitting if pairs / blocks >= burst * _BLOCK_BURSTS_MIN]
    # Where no block is long enough, the most suspicious cut tells whether there is anything to be uncertain about.
    tried = long_enough[:1] or fitting
    p_value, blocks = min((sign_flip_p_value(count_differences(baseline, shifted, each)), each) for each in tried)
    seen = f"p = {p_value:.2g} over {blocks} blocks of {pairs} pairs, margin {margin:.0%}"
    if p_value > alpha:
        result, reason = Result.PASS, f"no slowdown beyond the margin was seen ({seen}, limit {alpha:g})"
    elif long_enough:
        result, reason = Result.FAIL, f"the candidate is slower than the baseline beside it ({seen}, limit {alpha:g})"
    else:
        result = Result.INCONCLUSIVE
        enough = math.ceil(BLOCKS[-1] * burst * _BLOCK_BURSTS_MIN)
        reason = (
            f"the candidate looks slower ({seen}), but slow requests come together, {burst} in a row, which chance"
            f" gives to one arm or the other: {enough} pairs would tell"
        )
    return ArmComparison(result, reason, pairs, blocks, p_value, burst, _detectable(pairs, margin, burst))


def _detectable(pairs: int, margin: float, burst: int) -> float | None:
    """Return the slowdown that is found with 80 % power; with bursts, or few pairs, none that is known."""
    factors = [factor for least, factor in _DETECTABLE if pairs >= least]
    return round(factors[0] * (1 + margin) / (1 + MARGIN), 2) if factors and not burst else None


def spend_error(done: Sequence[float]) -> tuple[float, ...]:
    """Return each look's share of the error, when looks come at these shares of the planned samples.

    Up to the share t the looks spend t^1.5 of it together (the power family of Kim and DeMets, 1987). The sum of what
    they spend bounds the error whatever the dependence between them. Shares are above zero, rising, the last one 1.

    An early look cannot tell a slow release from a burst that fills all of it: where bursts last longer than the first
    look, only the last one holds what it says.
    """
    spent = [share**1.5 for share in done]
    return tuple(now - before for before, now in zip([0.0, *spent], spent))
