# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shares of a whole, such as failed of all requests, and how far a count of them can be trusted."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Callable

__all__ = ["beta_share", "binomial_at_least", "clopper_pearson", "tries_needed", "wilson_bounds"]

# Lentz's method stops at this relative change; a double holds about 16 digits.
_PRECISION = 1e-15
_TINY = 1e-300
# Each halving of the interval 0 to 1 gains one binary digit; a double holds 53.
_HALVINGS = 60


def beta_share(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), for ``a`` and ``b`` above zero and ``x`` in 0 to 1.

    By its continued fraction (Numerical Recipes, third edition, section 6.4; DLMF 8.17.22).
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        # The fraction converges fast on this side of the mean only; I_x(a, b) = 1 - I_(1-x)(b, a).
        return 1 - beta_share(b, a, 1 - x)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(front) / (a * _fraction(a, b, x))


def _fraction(a: float, b: float, x: float) -> float:
    """Return 1 + d1/(1 + d2/(1 + ...)), the continued fraction of I_x(a, b), by Lentz's method."""
    value, c, d, change, step = 1.0, 1.0, 0.0, 0.0, 0
    while abs(change - 1) > _PRECISION:
        step += 1
        half = step // 2
        if step % 2:
            numerator = -(a + half) * (a + b + half) * x / ((a + step - 1) * (a + step))
        else:
            numerator = half * (b - half) * x / ((a + step - 1) * (a + step))
        d = 1 / _not_zero(1 + numerator * d)
        c = _not_zero(1 + numerator / c)
        change = c * d
        value *= change
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def binomial_at_least(hits: int, tries: int, share: float) -> float:
    """Return the probability of ``hits`` or more among ``tries`` that each hit with probability ``share``."""
    if hits <= 0:
        return 1.0
    if hits > tries:
        return 0.0
    return beta_share(hits, tries - hits + 1, share)


def clopper_pearson(hits: int, tries: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share (Clopper and Pearson, 1934); it covers with at least ``confidence``.

    Without a try nothing is known: the interval is 0 to 1.
    """
    tail = (1 - confidence) / 2
    low, high = 0.0, 1.0
    if hits > 0:
        low = _solve(lambda share: beta_share(hits, tries - hits + 1, share), tail)
    if hits < tries:
        high = _solve(lambda share: beta_share(hits + 1, tries - hits, share), 1 - tail)
    return low, high


def _solve(growing: Callable[[float], float], wanted: float) -> float:
    """Return where a function that grows from 0 at 0 to 1 at 1 reaches ``wanted``."""
    low, high = 0.0, 1.0
    for _halving in range(_HALVINGS):
        middle = (low + high) / 2
        if growing(middle) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def wilson_bounds(hits: int, tries: int, confidence: float) -> tuple[float, float]:
    """Return the lower and the upper bound of the true share; each alone holds with ``confidence`` (one-sided).

    E. B. Wilson, Probable inference, the law of succession, and statistical inference (1927), formula of the score
    interval without continuity correction. Unlike the normal approximation it stays useful at 0 of n and n of n. No
    tries say nothing: 0 to 1.
    """
    if tries == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(confidence)
    share = hits / tries
    middle = share + z * z / (2 * tries)
    reach = z * math.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))
    scale = 1 + z * z / tries
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def tries_needed(share: float, minimum: float, confidence: float) -> int | None:
    """Return how many tries with ``share`` it takes until the lower bound reaches ``minimum``; None: never.

    The lower bound reaches it exactly when share >= minimum + z sqrt(minimum (1 - minimum) / n).
    """
    if share <= minimum or minimum >= 1:
        return None
    return max(1, math.ceil(minimum * (1 - minimum) * (NormalDist().inv_cdf(confidence) / (share - minimum)) ** 2))
