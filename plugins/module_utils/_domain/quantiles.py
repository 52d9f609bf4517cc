# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Percentiles of samples: one definition for all, how far each can be trusted, and how many samples it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.proportions import binomial_at_least

__all__ = ["quantile", "quantile_interval", "samples_needed"]


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the quantile of samples in ascending order, at least one, by linear interpolation.

    That is type 7 of Hyndman and Fan (1996), what numpy, ``vllm bench serve``, AIPerf and inference-perf compute.
    """
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def samples_needed(share: float, confidence: float = 0.95) -> int:
    """Return how many samples bound a quantile from above: the largest of them does, with this confidence.

    All of n samples are below the true quantile with probability share^n (Wilks, 1941: setting tolerance limits). So
    the p99 takes 299, the p95 59, the p90 29, the p50 5 samples; with fewer, nothing is known of what lies above it.
    """
    return math.ceil(math.log(1 - confidence) / math.log(share))


def quantile_interval(
    ordered: Sequence[float], share: float, confidence: float = 0.95
) -> tuple[float | None, float | None]:
    """Return two of the samples between which the true quantile lies with the confidence, None where too few bound it.

    Whatever the distribution: the number of samples below the quantile is binomial (Conover, Practical Nonparametric
    Statistics, section 3.2). The samples must be independent of each other and in ascending order.
    """
    tail = (1 - confidence) / 2
    count = len(ordered)
    # The k-th smallest is at most the quantile when k or more are below it, and at least when fewer than k are.
    low, high = _last_rank(count, share, 1 - tail), _last_rank(count, share, tail) + 1
    return (ordered[low - 1] if low >= 1 else None, ordered[high - 1] if high <= count else None)


def _last_rank(count: int, share: float, probability: float) -> int:
    """Return the largest k so that k samples or more are below the quantile with this probability; 0 if none is."""
    low, high = 0, count
    while low < high:
        middle = (low + high + 1) // 2
        if binomial_at_least(middle, count, share) >= probability:
            low = middle
        else:
            high = middle - 1
    return low
