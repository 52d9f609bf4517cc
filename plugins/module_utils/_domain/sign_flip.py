# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block sign-flip test: is the canary worse than the stable slot beside it, in body or tail, in any metric?

Time is cut into blocks, and each block has a difference between the arms for each of several rows, which are quantiles
of metrics (``block_counts``). When the arms are alike, each block could as well have had its arms swapped: all signs of
all blocks' differences are equally likely, whatever happens inside of a block (bursts, drift, queues). The p-value is
the share of the 2^blocks sign patterns whose statistic is at least the observed one, exactly.

The statistic is the maximum over the rows of sum(d) / sqrt(sum(d^2)). One pattern flips a block
for all rows at once, so that their correlation costs no power and several metrics share one error (Westfall and Young,
1993: the maximum as one statistic).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import isqrt
from typing import Callable

__all__ = ["BLOCKS_MAX", "CLEAR", "is_clear", "sign_flip_p_value"]

# Time and memory grow with 2^(blocks / 2): 24 blocks take some 10 ms and 8 MiB.
BLOCKS_MAX = 24
# What ``is_clear`` has a p-value above of.
CLEAR = 0.05
# int.bit_count came with Python 3.10.
_count_bits: Callable[[int], int] = getattr(int, "bit_count", lambda value: bin(value).count("1"))


def is_clear(rows: Sequence[Sequence[int]]) -> bool:
    """Whether it can be seen without counting that the p-value of all rows together is above 0.05.

    More than one of 20 sign patterns has sum(d) >= sqrt(sum(d^2)) (Oleszkiewicz, 1996: P(|S| >= sigma) > 1/10). So it
    is where no row's statistic is above 1.
    """
    return all(sum(row) <= 0 or sum(row) ** 2 <= sum(d * d for d in row) for row in rows)


def sign_flip_p_value(rows: Sequence[Sequence[int]], judged: Sequence[Sequence[int]] | None = None) -> float:
    """Return the share of all sign patterns of the blocks (columns) whose maximum over the rows is that large.

    ``judged`` are those of the rows whose maximum is meant, such as one metric's; by default all. Up to 0.05 it is
    exact, in whole numbers. Above, it may be less than the exact one, but is above 0.05 too.
    """
    strongest = _strongest(rows if judged is None else judged)
    if strongest is None or is_clear([strongest]):
        return 1.0
    half = len(strongest) // 2
    alone = _count_alone(strongest, half) / (1 << len(strongest))
    # Other rows only add patterns.
    return alone if alone > CLEAR or len(rows) == 1 else _count_any(rows, strongest, half) / (1 << len(strongest))


def _strongest(rows: Sequence[Sequence[int]]) -> Sequence[int] | None:
    """Return the row with the largest statistic, None when no row has a positive sum."""
    best, best_sum, best_square = None, 0, 1
    for row in rows:
        total, square = sum(row), sum(d * d for d in row)
        if total > 0 and total * total * best_square > best_sum * best_sum * square:
            best, best_sum, best_square = row, total, square
    return best


def _count_alone(row: Sequence[int], half: int) -> int:
    """Return how many patterns have at least the row's sum: for each pattern of one half, those of the other."""
    falling = sorted(-total for total in _signed_sums(row[half:]))
    wanted = sum(row)
    return sum(bisect_right(falling, total - wanted) for total in _signed_sums(row[:half]))


def _count_any(rows: Sequence[Sequence[int]], strongest: Sequence[int], half: int) -> int:
    """Return how many patterns have a statistic of any row that is at least that of the strongest one.

    All 2^B patterns are counted by halves: a pattern of the first half and one of the second reach a row's limit when
    their sums do. For each pattern of the first half, those of the second that do are the top of a sorted list, kept as
    bits of one number; a union over the rows is then an "or", and a count of bits the number of patterns.
    """
    reaching = [0] * (1 << half)
    for row in rows:
        limit = _limit(row, strongest)
        first, second = _signed_sums(row[:half]), _signed_sums(row[half:])
        order = sorted(range(len(second)), key=second.__getitem__, reverse=True)
        falling = [-second[pattern] for pattern in order]
        tops = [0]
        for pattern in order:
            tops.append(tops[-1] | 1 << pattern)
        for pattern, total in enumerate(first):
            reaching[pattern] |= tops[bisect_right(falling, total - limit)]
    return sum(map(_count_bits, reaching))


def _limit(row: Sequence[int], strongest: Sequence[int]) -> int:
    """Return the sum that a row must reach for its statistic to be as large as that of the strongest one.

    T = S / sqrt(Q), and Q = sum(d^2) is the same for all patterns. So S / sqrt(Q) >= S* / sqrt(Q*) asks for the
    smallest whole S with S^2 Q* >= S*^2 Q. A row without differences asks for 1, which it never reaches.
    """
    needed = -(-(sum(strongest) ** 2) * sum(d * d for d in row) // sum(d * d for d in strongest))
    root = isqrt(needed)
    return max(1, root + (root * root < needed))


def _signed_sums(values: Sequence[int]) -> list[int]:
    """Return the sums of the values under all sign patterns."""
    sums = [0]
    for value in values:
        sums = [total + value for total in sums] + [total - value for total in sums]
    return sums
