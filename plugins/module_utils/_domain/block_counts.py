# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often the arms exceed common thresholds, by block of time: what the sign-flip test is made of.

Requests go to both arms at one time, so that whatever happens at a time happens to both. For each quantile of the
pooled values a block compares the shares of either arm's values above it: d = canary's number above * stable's number -
stable's number above * canary's number. That is the numerator of Mantel and Haenszel (1959) for blocks of about one
size. For arms of one size, swapping a block's arms turns its sign, and nothing else. For arms of different sizes the
differences of a good canary are only nearly symmetric; that the test still holds is shown by simulation
(benchmarks/canary_judge.py).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["QUANTILES", "Marks", "cut_evenly", "differences", "find_thresholds", "is_worse_anywhere", "mark"]

# The body, and two places of the tail. A place at 0.95 instead of 0.97 finds a quarter fewer of the regressions of the
# tail that were simulated (600 requests, +50 %: 66 instead of 88 %), and a fourth one at 0.99 no more of them.
QUANTILES = (0.5, 0.9, 0.97)


@dataclass(frozen=True)
class Marks:
    """Of one arm, a byte for each request: 1 where it has a value, and for each threshold 1 where that is above it."""

    known: bytes
    above: tuple[bytes, ...]


def find_thresholds(
    stable: Sequence[float], canary: Sequence[float], shares: Sequence[float] = QUANTILES
) -> list[float]:
    """Return the quantiles of all values of both arms, each in ascending order; none where there is no value."""
    pooled = sorted([*stable, *canary])
    if not pooled:
        return []
    return [float(pooled[len(pooled) - 1 - round((1 - share) * len(pooled))]) for share in shares]


def is_worse_anywhere(stable: Sequence[float], canary: Sequence[float], thresholds: Sequence[float]) -> bool:
    """Whether a larger share of the canary's values than of the stable slot's is above any of the thresholds.

    Both are in ascending order.
    """
    return any(
        bisect_right(canary, threshold) * len(stable) < bisect_right(stable, threshold) * len(canary)
        for threshold in thresholds
    )


def mark(values: Sequence[float | None], thresholds: Sequence[float]) -> Marks:
    """Return the marks of one arm's values in the order of time, None where there is none."""
    filled = [value for value in values if value is not None]
    known = b"\1" * len(values)
    if len(filled) < len(values):
        known = bytes(value is not None for value in values)
        filled = [float("-inf") if value is None else value for value in values]
    return Marks(known, tuple(bytes(map(threshold.__lt__, filled)) for threshold in thresholds))


def cut_evenly(count: int, blocks: int) -> list[int]:
    """Return the first request of each block, and the end of the last one, for blocks of equal size."""
    return [round(block * count / blocks) for block in range(blocks + 1)]


def differences(
    stable: Marks, canary: Marks, stable_edges: Sequence[int], canary_edges: Sequence[int]
) -> list[tuple[int, ...]]:
    """Return for each threshold the differences of the blocks between the edges.

    A block in which one arm has no value says nothing: its difference is 0.
    """
    stable_known, canary_known = _count(stable.known, stable_edges), _count(canary.known, canary_edges)
    return [
        tuple(
            new * usual_known - usual * new_known
            for new, usual, new_known, usual_known in zip(
                _count(slow, canary_edges), _count(fast, stable_edges), canary_known, stable_known
            )
        )
        for fast, slow in zip(stable.above, canary.above)
    ]


def _count(marks: bytes, edges: Sequence[int]) -> list[int]:
    return [marks.count(1, start, end) for start, end in zip(edges, edges[1:])]
