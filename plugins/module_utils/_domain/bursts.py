# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bursts: times in which an arm was slower, or calmer, than in the rest of its own run.

A test that takes requests for independent gives false alarms where slow requests come together: with bursts of 40
requests a nominal 1 % becomes about 27 %. Each arm is looked at against its own quantiles, so that what is found does
not depend on which arm is the slower one: a candidate that is slower all the time has no bursts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["longest_burst"]

# Share of samples that are marked in a run without bursts, the share that is marked inside of one, and whether marked
# are the slow ones (above the quantile) or the fast ones (a calm between bursts that fill most of a run).
_SIGNS = ((0.5, 0.8, True), (0.25, 0.6, True), (0.05, 0.25, True), (0.25, 0.6, False))
# Log likelihood ratio of "burst" against "no burst" that counts as one. In 2,000 independent samples about one run of
# 200 reaches it, in a run that drifts by 30 % about one of 30 (benchmarks/canary_judge.py).
_SCORE_MIN = 11.0


def longest_burst(samples: Sequence[float]) -> int:
    """Return the length of the longest burst or calm in samples of one arm in the order of time; 0 when there is none.

    The stretch with the largest log likelihood ratio is found by its running sum (Page, 1954; as the best local
    alignment of sequences is, Karlin and Altschul, 1990).
    """
    ordered = sorted(samples)
    longest = 0
    for usual, inside, slow in _SIGNS if ordered else ():
        # Equal samples at the edge are none of them marked: more than the usual share would look like a burst.
        edge = ordered[_place(usual, len(ordered), slow=slow)]
        places = [at for at, each in enumerate(samples) if (each > edge if slow else each < edge)]
        gain, loss = math.log(inside / usual), math.log((1 - inside) / (1 - usual))
        longest = max(longest, _best_stretch(places, gain, loss))
    return longest


def _place(usual: float, count: int, *, slow: bool) -> int:
    """Return the place, in ascending order, of the sample above or below which the usual share is."""
    place = math.ceil((1 - usual) * count) - 1 if slow else math.ceil(usual * count)
    return min(max(place, 0), count - 1)


def _best_stretch(places: Sequence[int], gain: float, loss: float) -> int:
    """Return the length of the stretch with the largest sum; 0 when that sum does not count.

    Each of the places gains, each one between them loses (``loss`` is below zero): it begins and ends with a gain.
    """
    best, length, total, start, last = 0.0, 0, 0.0, 0, -1
    for place in places:
        total += loss * (place - last - 1)
        if total <= 0:
            total, start = 0.0, place
        total, last = total + gain, place
        if total > best:
            best, length = total, place + 1 - start
    return length if best > _SCORE_MIN else 0
