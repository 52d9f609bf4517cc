# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures over many times: mean, quantiles, and how sure a quantile is.

Quantiles are linear between neighbours, as ``numpy.percentile`` has them by default (method ``linear``, definition 7 of
Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996). Times are kept as counts of whole microseconds, so
that the gaps of millions of tokens need memory for their different values only; the mean is exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import NormalDist

__all__ = ["Distribution"]

QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))
_MICROSECONDS = 1_000_000
# Beyond this a step of a microsecond says nothing any more: a hundredth of a millisecond is kept.
_COARSE_MICROSECONDS = 10 * _MICROSECONDS


class Distribution:
    """A multiset of times in seconds."""

    def __init__(self, values_seconds: Iterable[float] = ()) -> None:
        self._counts: dict[int, int] = {}
        self._keys: list[int] | None = None
        self.count = 0
        self._sum = 0.0
        self._squares = 0.0
        for value in values_seconds:
            self.add(value)

    def add(self, seconds: float) -> None:
        """Add one time."""
        key = round(seconds * _MICROSECONDS)
        if key > _COARSE_MICROSECONDS:
            key = round(key, -1)
        counts = self._counts
        if key in counts:
            counts[key] += 1
        else:
            counts[key] = 1
            self._keys = None
        self.count += 1
        self._sum += seconds
        self._squares += seconds * seconds

    def quantile(self, share: float) -> float | None:
        """Return a quantile in seconds; None without values."""
        if not self.count:
            return None
        rank = (self.count - 1) * share
        low, high = self._ranked(math.floor(rank), math.ceil(rank))
        return (low + (rank - math.floor(rank)) * (high - low)) / _MICROSECONDS

    def mean(self) -> float | None:
        """Return the mean in seconds; None without values."""
        return self._sum / self.count if self.count else None

    def summary_ms(self) -> dict[str, float | int] | None:
        """Return mean, quantiles, least and greatest in milliseconds, and the count; None without values.

        None and not zeros: a zero passes every upper limit.
        """
        mean = self.mean()
        if mean is None:
            return None
        result: dict[str, float | int] = {"mean": _ms(mean)}
        for name, share in QUANTILES:
            result[name] = _ms(self.quantile(share) or 0.0)
        low, high = self._ranked(0, self.count - 1)
        return {**result, "min": _ms(low / _MICROSECONDS), "max": _ms(high / _MICROSECONDS), "count": self.count}

    def interval(self, share: float | None, confidence: float) -> tuple[float, float] | None:
        """Return a confidence interval in seconds of a quantile, or of the mean where ``share`` is None.

        A quantile's comes from order statistics and supposes no shape (normal approximation of the binomial ranks with
        continuity correction; David and Nagaraja, "Order Statistics", 2003, 7.1). Both suppose independent requests:
        under bursts the truth is wider. None where the values are too few to bound it on both sides.
        """
        if self.count < 2:
            return None
        z = NormalDist().inv_cdf(0.5 + confidence / 2)
        if share is None:
            mean = self._sum / self.count
            variance = max(self._squares / self.count - mean * mean, 0.0) * self.count / (self.count - 1)
            half = z * math.sqrt(variance / self.count)
            return mean - half, mean + half
        spread = z * math.sqrt(self.count * share * (1 - share)) + 0.5
        low, high = math.floor(self.count * share - spread), math.ceil(self.count * share + spread)
        if low < 1 or high > self.count:
            return None
        first, last = self._ranked(low - 1, high - 1)
        return first / _MICROSECONDS, last / _MICROSECONDS

    def _ranked(self, low: int, high: int) -> tuple[int, int]:
        """Return the values of two ranks (from zero, the lower one first) in microseconds."""
        if self._keys is None:
            self._keys = sorted(self._counts)
        passed, first = 0, -1
        for key in self._keys:
            passed += self._counts[key]
            if first < 0 and passed > low:
                first = key
            if passed > high:
                return first, key
        raise IndexError(f"rank {high} of {self.count}")


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 4)
