# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging a split by what the pods have counted: which slot has answered how many requests.

For n requests and a share p, n p requests are expected, give or take 4 sqrt(n p (1 - p)): four standard deviations,
which chance exceeds once in 16,000 times. Where n p is small that formula does not hold, so the binomial distribution
itself is asked. A count can be right and still say nothing: a pass needs as many requests as tell the share from half
and double.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import SLOTS
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.proportions import binomial_at_least
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict, worst

__all__ = ["Counted", "expected_range", "judge_split", "requests_needed"]

_SIGMAS = 4.0
# Of four standard deviations, on one side: 1 - Phi(4).
_TAIL = 3.167e-5
# A slot that must get nothing: more than this share of the requests would have shown.
_STRAY_SHARE_MAX = 0.05


@dataclass(frozen=True)
class Counted:
    """What happened between two readings of the pods' counters.

    ``by_slot`` are requests that pods have finished; None for a slot whose pods could not all be read. ``sent`` and
    ``answered`` are ours, 0 where only others' traffic was watched; ``failures`` counts ours that failed, by what came.
    """

    by_slot: Mapping[str, int | None]
    sent: int = 0
    answered: int = 0
    failures: Mapping[str, int] | None = None
    unread: tuple[str, ...] = ()


def requests_needed(weights: Mapping[str, int]) -> int:
    """Return how many requests tell the smaller share from half and double, or no traffic from 5 % of it."""
    share = min(weights.values()) / 100
    if share == 0:
        return math.ceil(math.log(_TAIL) / math.log(1 - _STRAY_SHARE_MAX))
    return math.ceil(4 * _SIGMAS**2 * (1 - share) / share)


def expected_range(requests: int, percent: int) -> tuple[int, int]:
    """Return the fewest and the most requests that chance explains, both within 0 to all."""
    share = percent / 100
    spread = _SIGMAS * math.sqrt(requests * share * (1 - share))
    return max(0, math.ceil(requests * share - spread)), min(requests, math.floor(requests * share + spread))


def judge_split(
    weights: Mapping[str, int], counted: Counted, *, with_foreign: bool, enough: int | None = None
) -> Verdict:
    """Judge the counts by the wanted percentages; ``with_foreign`` where others' backends take part of the traffic.

    ``enough`` is how many requests suffice for a pass, by default those of ``requests_needed``.
    """
    verdicts = [*_judge_answers(counted, with_foreign=with_foreign)]
    missing = [slot for slot in SLOTS if counted.by_slot.get(slot) is None]
    if missing:
        text = f"the counters of slot {' and '.join(missing)} could not be read: {'; '.join(counted.unread)}"
        return worst([*verdicts, Verdict(Result.INCONCLUSIVE, (text,))])
    counts = {slot: counted.by_slot[slot] or 0 for slot in SLOTS}
    return worst([*verdicts, _judge_counts(weights, counts, enough or requests_needed(weights))])


def _judge_answers(counted: Counted, *, with_foreign: bool) -> list[Verdict]:
    verdicts = []
    if counted.failures:
        number = sum(counted.failures.values())
        kinds = ", ".join(f"{count} of {kind}" for kind, count in sorted(counted.failures.items()))
        text = f"{number} of {counted.sent} requests failed: {kinds}"
        verdicts.append(Verdict(Result.FAIL, (text,)))
    total = sum(count or 0 for count in counted.by_slot.values())
    known = all(counted.by_slot.get(slot) is not None for slot in SLOTS)
    if known and not with_foreign and total < counted.answered:
        text = (
            f"{counted.answered - total} of {counted.answered} answers came from no pod of the release: is it this "
            "route that was asked?"
        )
        verdicts.append(Verdict(Result.FAIL, (text,)))
    return verdicts


def _judge_counts(weights: Mapping[str, int], counts: Mapping[str, int], enough: int) -> Verdict:
    total = sum(counts.values())
    if total == 0:
        return Verdict(Result.INCONCLUSIVE, ("no request was counted",))
    slot = min(SLOTS, key=lambda each: weights[each])
    percent, hits = weights[slot], counts[slot]
    low, high = expected_range(total, percent)
    share = percent / 100
    seen = f"slot {slot} answered {hits} of {total} requests ({100 * hits / total:.1f} %) with a weight of {percent} %"
    chance = min(binomial_at_least(hits, total, share), binomial_at_least(total - hits, total, 1 - share))
    if (percent == 0 and hits > 0) or chance < _TAIL:
        return Verdict(Result.FAIL, (f"{seen}; {low} to {high} were expected: the weights are not in force",))
    if total < enough:
        return Verdict(Result.INCONCLUSIVE, (f"{seen}; {enough} requests are needed to tell",))
    return Verdict(Result.PASS, (f"{seen}; {low} to {high} were expected",))
