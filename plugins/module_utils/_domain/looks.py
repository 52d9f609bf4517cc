# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the canary judge looks at the data, and how much of its error each look may spend.

The looks are planned before the data are seen. Each one before the last may spend a twentieth of the error, and the
last one what is left. The sum of what they spend bounds the error, whatever the dependence between them (Bonferroni; so
do all plans of alpha spending, Lan and DeMets, 1983). A twentieth finds what is slower by half early; what is slower by
a few percent shows at the end, where the error is worth more.

An early look cannot tell a slower release from a burst that began before it and outlasts it. Nothing of the run itself
can: the canary is slower all the time. What can is the stable slot's own past, if it is long: when k stretches as long
as the look had no such burst, then one that has it, and none of the k before, comes with a probability of
p (1 - p)^k <= 1 / (e k), whatever the share p of such stretches is; 0.9 % for k = 40. So a look is planned where the
stable slot has a history of 40 times its length, or where it is longer than bursts usually are.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HISTORY_LOOKS", "LOOK_FIRST", "LOOK_FREE", "Look", "nominal_error", "plan_looks"]

# The nominal error by the number of pairs. The true one is below it, as what differs by less than the margin is hardly
# ever rejected: 0.1 to 0.6 % without bursts (benchmarks/canary_judge.py). That helps less where few pairs leave noise.
_ERRORS = ((1000, 0.03), (600, 0.022), (0, 0.015))
# Requests of the canary at the first look; each further one has twice as many.
LOOK_FIRST = 120
# Looks of so many requests and more need no history.
LOOK_FREE = 600
HISTORY_LOOKS = 40
# The last look has at least so many times the requests of the one before.
_LAST_STEP = 1.5
_EARLY_SHARE = 0.05


@dataclass(frozen=True)
class Look:
    """A look after ``requests`` of the canary, with the error that it may spend; ``needs_history`` if it is early."""

    requests: int
    error: float
    needs_history: bool = False


def nominal_error(pairs: float) -> float:
    """Return the probability with which a test of so many pairs may be wrong about a canary at the margin."""
    return next(error for least, error in _ERRORS if pairs >= least)


def plan_looks(requests: int, error: float, history: float = 0.0) -> tuple[Look, ...]:
    """Return the looks of a run of so many requests of the canary, the last one at its end; they spend ``error``.

    ``history`` is how many requests the canary would have had in the time of the stable slot's history.
    """
    wanted, look = [], LOOK_FIRST
    while look * _LAST_STEP <= requests:
        if look >= LOOK_FREE or history >= HISTORY_LOOKS * look:
            wanted.append(look)
        look *= 2
    early = error * _EARLY_SHARE
    last = Look(requests, error - early * len(wanted))
    return (*(Look(each, early, needs_history=each < LOOK_FREE) for each in wanted), last)
