# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at two arms: which blocks of time to compare, and how sure the difference of each metric is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.arms import (
    Arm,
    Measure,
    known,
    stable_before,
    stable_edges,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.block_counts import (
    cut_evenly,
    differences,
    find_thresholds,
    is_worse_anywhere,
    mark,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.bursts import longest_burst
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.sign_flip import (
    CLEAR,
    is_clear,
    sign_flip_p_value,
)

__all__ = ["BLOCKS", "Seen", "burst_of", "look_at", "requests_for_burst"]

# Many short blocks have the power, few long ones stand long bursts. Fewer than 8 cannot reach a small p-value: 1/2^8.
BLOCKS = (24, 20, 16, 12, 10, 8)
# A block of fewer requests of the canary decides by the accident of single ones.
_BLOCK_REQUESTS_MIN = 5
# A burst that lies across the edge of two blocks counts in both; blocks this much longer keep most of it in one.
_BLOCK_BURSTS_MIN = 1.5


@dataclass(frozen=True)
class Seen:
    """What a look saw: a p-value of each metric over so many blocks; 0.05 stands for 0.05 and more.

    ``burst_requests`` is the longest burst in requests of the canary, 0 for none, and None where no difference asked
    for it. Where no blocks are ``long_enough`` for it, the smallest p-values over all that were tried are told.
    """

    p_values: Mapping[str, float] = field(default_factory=dict)
    blocks: int = 0
    burst_requests: int | None = None
    long_enough: bool = True


def requests_for_burst(burst_requests: float) -> int:
    """Return how many requests of the canary it takes to tell a regression from bursts of this length."""
    return -int(-BLOCKS[-1] * burst_requests * _BLOCK_BURSTS_MIN // 1)


def burst_of(measures: Sequence[Measure], arm: Arm, count: int, requests: int) -> float:
    """Return the longest burst among the first ``count`` requests of an arm, as ``requests`` of the canary count it."""
    values = [known(measure.costs(arm.samples.get(measure.key, ())[:count])) for measure in measures]
    return max(map(longest_burst, values)) * requests / max(count, 1)


def look_at(measures: Sequence[Measure], stable: Arm, canary: Arm, requests: int, past_burst: float = 0.0) -> Seen:
    """Compare the arms up to so many requests of the canary, ``SAMPLES_MIN`` at least.

    ``past_burst`` is the length of bursts that are known from before, in requests of the canary. Where the canary is
    not worse on the whole, at any of the quantiles of any metric, there is nothing to test.
    """
    before = stable_before(stable, canary, requests)
    costs = [
        (
            measure.costs(stable.samples[measure.key][:before]),
            measure.costs(canary.samples[measure.key][:requests], forgiving=True),
        )
        for measure in measures
    ]
    ordered = [(sorted(known(usual)), sorted(known(new))) for usual, new in costs]
    thresholds = [find_thresholds(usual, new) for usual, new in ordered]
    fitting = [blocks for blocks in BLOCKS if requests / blocks >= _BLOCK_REQUESTS_MIN]
    clear = Seen({measure.name: CLEAR for measure in measures}, fitting[0])
    if not any(is_worse_anywhere(usual, new, places) for (usual, new), places in zip(ordered, thresholds)):
        return clear
    marks = [(mark(usual, places), mark(new, places)) for (usual, new), places in zip(costs, thresholds)]

    def cut(blocks: int) -> list[list[tuple[int, ...]]]:
        edges = cut_evenly(requests, blocks)
        other = stable_edges(stable, canary, requests, edges)
        return [differences(usual, new, other, edges) for usual, new in marks]

    tables = {blocks: cut(blocks) for blocks in fitting}
    if all(is_clear([row for rows in table for row in rows]) for table in tables.values()):
        # Whatever bursts there are, no cut shows a difference.
        return clear
    burst = max(
        burst_of(measures, stable, before, requests), burst_of(measures, canary, requests, requests), past_burst
    )
    long_enough = [blocks for blocks in fitting if requests >= blocks * burst * _BLOCK_BURSTS_MIN]
    # Where no block is long enough, the most suspicious cut tells whether there is anything to be uncertain about.
    found = {blocks: _p_values(tables[blocks]) for blocks in long_enough[:1] or fitting}
    blocks = min(found, key=lambda each: min(found[each]))
    smallest = [min(values) for values in zip(*found.values())]
    names = (measure.name for measure in measures)
    return Seen(dict(zip(names, smallest)), blocks, round(burst), bool(long_enough))


def _p_values(table: Sequence[Sequence[tuple[int, ...]]]) -> list[float]:
    """Return each metric's p-value, in which all of them are counted."""
    everything = [row for rows in table for row in rows]
    return [min(CLEAR, sign_flip_p_value(everything, rows)) for rows in table]
