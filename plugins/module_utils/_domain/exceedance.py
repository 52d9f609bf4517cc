# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether one arm exceeds a high quantile more often than another, for arms of any size that need not be paired."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Exceedance", "compare_exceedances", "hypergeometric_at_least"]


@dataclass(frozen=True)
class Exceedance:
    """Of ``above`` pooled samples over the threshold ``above_in_candidate`` are the candidate's; ``p_value``."""

    threshold: float
    above: int
    above_in_candidate: int
    p_value: float


def compare_exceedances(baseline: Sequence[float], candidate: Sequence[float], share: float) -> Exceedance:
    """Test whether the candidate has more than its part of the samples above the pooled quantile.

    When both arms have one distribution and samples are independent, that part is hypergeometric, whatever the
    distribution. A margin is had by dividing the candidate's samples by it first. Both arms have one sample at least.
    """
    pooled = sorted([*baseline, *candidate])
    threshold = pooled[len(pooled) - 1 - round((1 - share) * len(pooled))]
    above_in_candidate = sum(each > threshold for each in candidate)
    # Counted, not computed: equal samples at the threshold are none of them above it.
    above = above_in_candidate + sum(each > threshold for each in baseline)
    p_value = hypergeometric_at_least(above_in_candidate, above, len(candidate), len(pooled))
    return Exceedance(threshold, above, above_in_candidate, p_value)


def hypergeometric_at_least(hits: int, marked: int, drawn: int, total: int) -> float:
    """Return the probability of ``hits`` or more among ``drawn`` of ``total`` things of which ``marked`` are hits."""
    low, high = max(hits, marked + drawn - total, 0), min(marked, drawn)
    if low == max(marked + drawn - total, 0):
        return 1.0
    everything = _log_choose(total, drawn)
    terms = (_log_choose(marked, i) + _log_choose(total - marked, drawn - i) for i in range(low, high + 1))
    return min(1.0, math.fsum(math.exp(term - everything) for term in terms))


def _log_choose(of: int, chosen: int) -> float:
    return math.lgamma(of + 1) - math.lgamma(chosen + 1) - math.lgamma(of - chosen + 1)
