# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.soak_policy import (
    Move,
    OnInconclusive,
    SoakPolicy,
    decide_soak,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict
from hypothesis import given
from hypothesis import strategies as st

POLICY = SoakPolicy(300, 600)
PASS, FAIL, UNSURE = Verdict(Result.PASS), Verdict(Result.FAIL), Verdict(Result.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("verdict", "soaked", "move", "left"),
    [
        (FAIL, 0, Move.ROLL_BACK, 0),
        (FAIL, 1000, Move.ROLL_BACK, 0),
        (PASS, 299, Move.HOLD, 1),
        (PASS, 300, Move.ADVANCE, 0),
        (UNSURE, 0, Move.HOLD, 300),
        (UNSURE, 300, Move.HOLD, 600),
        (UNSURE, 899, Move.HOLD, 1),
        (UNSURE, 900, Move.ROLL_BACK, 0),
        (PASS, float("nan"), Move.HOLD, 300),
        (PASS, -5, Move.HOLD, 300),
    ],
)
def test_each_verdict_at_each_time_has_one_move(verdict: Verdict, soaked: float, move: Move, left: float) -> None:
    decision = decide_soak(verdict, soaked, POLICY)
    assert (decision.move, decision.seconds_left) == (move, left)


@pytest.mark.parametrize(
    ("policy", "move"),
    [
        (OnInconclusive.ROLL_BACK, Move.ROLL_BACK),
        (OnInconclusive.PAUSE, Move.PAUSE),
        (OnInconclusive.PROMOTE, Move.ADVANCE),
    ],
)
def test_after_the_prolonged_soak_the_policy_decides_and_is_named(policy: OnInconclusive, move: Move) -> None:
    decision = decide_soak(UNSURE, 1000, SoakPolicy(300, 600, policy))
    assert decision.move is move
    assert decision.reason == (
        f"still inconclusive after 1000 s (limit 300 s and 600 s more): the policy says {policy.value}"
    )


@given(st.sampled_from([PASS, UNSURE]), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_hold_ends_when_it_says(verdict: Verdict, soaked: int, soak: int, more: int) -> None:
    policy = SoakPolicy(soak, more)
    for _turn in range(3):
        decision = decide_soak(verdict, soaked, policy)
        if decision.move is not Move.HOLD:
            break
        soaked += int(decision.seconds_left)
    assert decision.move in (Move.ADVANCE, Move.ROLL_BACK)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_a_time_that_never_ends_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="soak_seconds is"):
        SoakPolicy(seconds)
    with pytest.raises(ValueError, match="prolong_seconds_max is"):
        SoakPolicy(1, seconds)
