# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When requests are due: arrival times in seconds from the start of a phase, from a seed.

All times are absolute and known before the phase begins: waiting gap by gap would add up every lateness. Open load has
no cap on what is in flight, because a cap turns it into a closed loop that hides the server's queue.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

from .spec import Bursts, Constant, OpenLoad, Poisson, Ramp, Trace

__all__ = ["arrival_times", "highest_rate", "rate_at"]


def arrival_times(load: OpenLoad, seed: str, trace_seconds: Sequence[float] = ()) -> Iterator[float]:
    """Yield the due times of an open load in seconds; endless, but for a trace. Seeded, so that they can be repeated.

    Loads whose rate changes are drawn by thinning (Lewis and Shedler 1979): candidates come at the highest rate, and
    each is kept with the share that the rate of its moment is of the highest one.
    """
    if isinstance(load, Trace):
        yield from (time / load.speed for time in trace_seconds)
        return
    if isinstance(load, Constant):
        number = 0
        while True:
            yield number / load.rate_per_second
            number += 1
    draw = random.Random(f"{seed}/arrivals")  # noqa: S311 - repeatable, no secret
    highest = highest_rate(load)
    now = 0.0
    while True:
        # 1 - random() is never zero, so the logarithm is finite.
        now -= math.log(1.0 - draw.random()) / highest
        if isinstance(load, Poisson) or draw.random() * highest < rate_at(load, now):
            yield now


def highest_rate(load: OpenLoad) -> float:
    """Return the highest rate per second that a load with a rate can have."""
    if isinstance(load, Ramp):
        return max(load.from_per_second, load.to_per_second)
    if isinstance(load, Bursts):
        return max(load.rate_per_second, load.burst_per_second)
    if isinstance(load, Trace):
        raise TypeError("a trace has times and no rate")
    return load.rate_per_second


def rate_at(load: OpenLoad, seconds: float) -> float:
    """Return the rate per second that is asked for at a moment of the phase."""
    if isinstance(load, Ramp):
        share = min(seconds / load.ramp_seconds, 1.0)
        return load.from_per_second + share * (load.to_per_second - load.from_per_second)
    if isinstance(load, Bursts):
        return load.burst_per_second if seconds % load.period_seconds < load.burst_seconds else load.rate_per_second
    return highest_rate(load)
