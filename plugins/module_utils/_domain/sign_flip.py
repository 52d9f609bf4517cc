# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block sign-flip test: is the candidate slower than its concurrent baseline, in body or tail?

Requests to both arms are interleaved one to one, so that whatever happens at a time happens to both. Time is cut into
blocks. For each of several quantiles a block counts how many more of the candidate's requests than of the baseline's
exceed the pooled threshold. When the arms are alike, each block could as well have had its arms swapped: all signs of
all blocks' differences are equally likely, whatever happens inside of a block (bursts, drift, queues). The p-value is
the share of the 2^blocks sign patterns whose statistic is at least the observed one, exactly.

The statistic is the maximum over the quantiles of sum(d) / sqrt(sum(d^2)). One pattern flips a block for all quantiles
at once, so the quantiles' correlation costs no power (Westfall and Young, 1993: the maximum as one statistic).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import isqrt
from typing import Callable

__all__ = ["BLOCKS_MAX", "QUANTILES", "count_differences", "sign_flip_p_value"]

QUANTILES = (0.5, 0.9, 0.95, 0.99)
# Time and memory grow with 2^(blocks / 2): 24 blocks take some 10 ms and 8 MiB.
BLOCKS_MAX = 24
# int.bit_count came with Python 3.10.
_count_bits: Callable[[int], int] = getattr(int, "bit_count", lambda value: bin(value).count("1"))


def count_differences(
    baseline: Sequence[float], candidate: Sequence[float], blocks: int, shares: Sequence[float] = QUANTILES
) -> tuple[tuple[int, ...], ...]:
    """Return for each quantile the blocks' exceedances of the candidate minus those of the baseline.

    Both arms have the same number of samples, in the order of time, the i-th of one sent together with that of the
    other; at least one for each block.
    """
    count = len(baseline)
    pooled = sorted([*baseline, *candidate])
    edges = [round(block * count / blocks) for block in range(blocks + 1)]
    rows = []
    for share in shares:
        threshold = pooled[len(pooled) - 1 - round((1 - share) * len(pooled))]
        pairs = [(slow > threshold) - (fast > threshold) for fast, slow in zip(baseline, candidate)]
        rows.append(tuple(sum(pairs[start:end]) for start, end in zip(edges, edges[1:])))
    return tuple(rows)


def sign_flip_p_value(rows: Sequence[Sequence[int]]) -> float:
    """Return the share of all sign patterns of the blocks (columns) whose maximum over the rows is that large.

    It is exact, in whole numbers. Without any excess of the candidate it is 1. All 2^B patterns are counted by halves:
    a pattern of the first half and one of the second reach a row's limit when their sums do. For each pattern of the
    first half, those of the second that do are the top of a sorted list, kept as bits of one number; a union over the
    rows is then an "or", and a count of bits the number of patterns.
    """
    limits = _limits(rows)
    if limits is None:
        return 1.0
    blocks = len(rows[0])
    half = blocks // 2
    reaching = [0] * (1 << half)
    for row, limit in zip(rows, limits):
        first, second = _signed_sums(row[:half]), _signed_sums(row[half:])
        order = sorted(range(len(second)), key=second.__getitem__, reverse=True)
        falling = [-second[pattern] for pattern in order]
        tops = [0]
        for pattern in order:
            tops.append(tops[-1] | 1 << pattern)
        for pattern, total in enumerate(first):
            reaching[pattern] |= tops[bisect_right(falling, total - limit)]
    return sum(map(_count_bits, reaching)) / (1 << blocks)


def _limits(rows: Sequence[Sequence[int]]) -> list[int] | None:
    """Return the sum that each row must reach for its statistic to be as large as the observed maximum.

    T = S / sqrt(Q), and Q = sum(d^2) is the same for all patterns. So S / sqrt(Q) >= S* / sqrt(Q*) asks for the
    smallest whole S with S^2 Q* >= S*^2 Q. None when no row has a positive sum. A row without differences asks for 1,
    which it never reaches.
    """
    squares = [sum(d * d for d in row) for row in rows]
    best_sum, best_square = 0, 1
    for total, square in zip(map(sum, rows), squares):
        if total > 0 and total * total * best_square > best_sum * best_sum * square:
            best_sum, best_square = total, square
    if best_sum == 0:
        return None
    limits = []
    for square in squares:
        needed = -(-best_sum * best_sum * square // best_square)
        root = isqrt(needed)
        limits.append(max(1, root + (root * root < needed)))
    return limits


def _signed_sums(values: Sequence[int]) -> list[int]:
    """Return the sums of the values under all sign patterns."""
    sums = [0]
    for value in values:
        sums = [total + value for total in sums] + [total - value for total in sums]
    return sums
