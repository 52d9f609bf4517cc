# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verdict means for a canary that soaks at its weight: stay, go on, or go back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict

__all__ = ["Decision", "Move", "OnInconclusive", "SoakPolicy", "decide_soak"]


class OnInconclusive(str, Enum):
    """What an inconclusive verdict counts as, once waiting longer is over."""

    ROLL_BACK = "roll_back"
    PAUSE = "pause"
    PROMOTE = "promote"


class Move(str, Enum):
    """What the canary does next; ``hold`` keeps the weight and judges again."""

    HOLD = "hold"
    ADVANCE = "advance"
    PAUSE = "pause"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True)
class SoakPolicy:
    """A step soaks for ``soak_seconds``, and up to ``prolong_seconds_max`` longer while nothing is certain."""

    soak_seconds: float
    prolong_seconds_max: float = 0.0
    inconclusive: OnInconclusive = OnInconclusive.ROLL_BACK

    def __post_init__(self) -> None:
        """Refuse times that never end, or are before their beginning."""
        for name in ("soak_seconds", "prolong_seconds_max"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}, expected 0 or more")


@dataclass(frozen=True)
class Decision:
    """The next move with its reason; of ``hold``, how long it may take at most until the next decision is another."""

    move: Move
    reason: str
    seconds_left: float = 0.0


_AT_THE_END = {
    OnInconclusive.ROLL_BACK: Move.ROLL_BACK,
    OnInconclusive.PAUSE: Move.PAUSE,
    OnInconclusive.PROMOTE: Move.ADVANCE,
}


def decide_soak(verdict: Verdict, soaked_seconds: float, policy: SoakPolicy) -> Decision:
    """Return the move after so many seconds at the weight. A failure waits for nothing, a pass for the soak's end.

    A time that is not known (NaN, below zero) is no time that has passed.
    """
    soaked = soaked_seconds if soaked_seconds >= 0 else 0.0
    if verdict.result is Result.FAIL:
        return Decision(Move.ROLL_BACK, "the verdict is fail")
    left = policy.soak_seconds - soaked
    if left > 0:
        return Decision(Move.HOLD, f"{left:g} s of the soak of {policy.soak_seconds:g} s are left", left)
    if verdict.result is Result.PASS:
        return Decision(Move.ADVANCE, f"the verdict is pass after {soaked:g} s")
    left += policy.prolong_seconds_max
    if left > 0:
        text = f"the verdict is inconclusive: the soak goes on for up to {left:g} s"
        return Decision(Move.HOLD, text, left)
    limit = f"{policy.soak_seconds:g} s and {policy.prolong_seconds_max:g} s more"
    waited = f"still inconclusive after {soaked:g} s (limit {limit})"
    return Decision(_AT_THE_END[policy.inconclusive], f"{waited}: the policy says {policy.inconclusive.value}")
