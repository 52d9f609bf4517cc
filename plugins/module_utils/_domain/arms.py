# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two slots' requests side by side: what is measured of each, what cannot be compared, and what stands at one time."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.block_counts import cut_evenly

__all__ = ["MARGIN", "SAMPLES_MIN", "Arm", "Measure", "find_obstacle", "known", "stable_before", "stable_edges"]

# What is worse by less is no regression: nodes and pods differ by a few percent.
MARGIN = 0.05
# Eight blocks of five requests: fewer blocks reach no small p-value, and smaller ones decide by single requests.
SAMPLES_MIN = 40


@dataclass(frozen=True)
class Measure:
    """A metric of a request: a canary that is worse by up to ``margin`` (ratio) is as good as the stable slot.

    ``samples`` is the name of its values, by default its own.
    """

    name: str
    margin: float = MARGIN
    higher_is_better: bool = False
    samples_min: int = SAMPLES_MIN
    samples: str = ""

    @property
    def key(self) -> str:
        """The name of its values."""
        return self.samples or self.name

    def costs(self, values: Sequence[float | None], *, forgiving: bool = False) -> Sequence[float | None]:
        """Return the values so that more is worse; ``forgiving`` lets the canary be worse by the margin."""
        factor = -1.0 if self.higher_is_better else 1.0
        if forgiving:
            factor /= 1 - self.margin if self.higher_is_better else 1 + self.margin
        if factor == 1:
            return values
        return [None if value is None else value * factor for value in values]


@dataclass(frozen=True)
class Arm:
    """One slot's requests in the order of sending: a value of each metric, 0 or more, or None where it has none.

    ``times`` are when they were sent, never falling, in a unit and from an origin that both arms share. Without them
    the requests of both arms are taken for evenly spread over the same time.
    """

    samples: Mapping[str, Sequence[float | None]]
    times: Sequence[float] = ()

    def __post_init__(self) -> None:
        """Refuse lists that cannot be of the same requests."""
        lengths = {len(values) for values in self.samples.values()} | ({len(self.times)} if self.times else set())
        if len(lengths) > 1:
            raise ValueError(f"the lists of one arm have different lengths: {sorted(lengths)}")

    @property
    def requests(self) -> int:
        """How many there are."""
        return max((len(values) for values in self.samples.values()), default=0)


def known(values: Sequence[float | None]) -> list[float]:
    """Return the values that there are."""
    return [value for value in values if value is not None]


def find_obstacle(measure: Measure, stable: Arm, canary: Arm) -> str | None:
    """Return why a metric of two arms cannot be compared, None where it can."""
    for name, arm in (("stable", stable), ("canary", canary)):
        values = known(arm.samples.get(measure.key, ()))
        needed = max(measure.samples_min, SAMPLES_MIN)
        if len(values) < needed:
            return f"{measure.name} has {len(values)} samples of {name}, at least {needed} are needed"
        # One that is not finite makes the sum so; looking at each takes ten times as long.
        if not math.isfinite(sum(values)) or min(values) < 0:
            wrong = [value for value in values if not (math.isfinite(value) and value >= 0)]
            return f"{measure.name} has {len(wrong)} samples of {name} that are no measurement, such as {wrong[0]}"
    return None


def stable_before(stable: Arm, canary: Arm, requests: int) -> int:
    """Return how many requests the stable slot had by the time when the canary had so many."""
    if requests >= canary.requests:
        return stable.requests
    if stable.times and canary.times:
        return bisect_left(stable.times, canary.times[requests])
    return round(requests * stable.requests / canary.requests)


def stable_edges(stable: Arm, canary: Arm, requests: int, canary_edges: Sequence[int]) -> list[int]:
    """Return the edges of the stable slot's blocks for those of the canary's, up to so many requests of the canary."""
    count = stable_before(stable, canary, requests)
    if stable.times and canary.times:
        inner = [bisect_left(stable.times, canary.times[edge]) for edge in canary_edges[1:-1]]
        return [0, *inner, count]
    return cut_evenly(count, len(canary_edges) - 1)
