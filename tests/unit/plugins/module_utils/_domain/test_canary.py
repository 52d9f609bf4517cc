# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary's moves, one by one. Random courses of them are in test_canary_courses.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary import (
    TABLE,
    IllegalMoveError,
    advance,
    resume,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_events import (
    EVENT_NAMES,
    Abort,
    AwaitGate,
    Done,
    Event,
    Measure,
    Promote,
    Report,
    Retire,
    RollBack,
    Step,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_state import (
    CanaryPlan,
    CanaryState,
    Flip,
    Freeze,
    Identity,
    Phase,
    Render,
    Replicas,
    Scale,
    SetWeights,
    Weights,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result

from tests.unit.plugins.module_utils._domain.canaries import (
    BEGIN,
    LIVE,
    OLD,
    at,
    course,
    finish,
    judge,
    passed_everything,
    start,
    start_event,
)

ANY_EVENT: tuple[Event, ...] = (
    start_event(),
    Done(BEGIN, Freeze(True)),
    judge(CanaryState(step=0, since=BEGIN)),
    Step(BEGIN, LIVE),
    Promote(BEGIN, LIVE),
    Abort(BEGIN, "enough"),
    Retire(BEGIN),
    RollBack(BEGIN, "enough"),
)


def refuse(state: CanaryState, event: Event) -> str:
    """Return the words of a refusal, which has changed nothing."""
    before = repr(state)
    with pytest.raises(IllegalMoveError) as caught:
        advance(state, event)
    assert repr(state) == before
    return caught.value.message


def test_a_start_freezes_autoscaling_first_and_then_renders_the_canary_without_traffic() -> None:
    state, effects = advance(CanaryState(), start_event())
    assert effects == (Freeze(True),)
    assert state.phase is Phase.STARTING
    state, effects = advance(state, Done(at(1), Freeze(True)))
    assert effects == (Render("green", LIVE, 1), AwaitGate("green", 1, LIVE.revision))
    assert (state.weights, state.replicas) == (Weights(100, 0), Replicas(4, 0))


def test_the_canary_is_what_the_cluster_holds_after_it_was_rendered() -> None:
    written = Identity(LIVE.revision, "as rendered")
    state, _effects = advance(CanaryState(), start_event(canary=written))
    state, _effects = advance(state, Done(at(1), Freeze(True)))
    render = Render("green", written, 1)
    text = refuse(state, Done(at(2), render, Identity("ffffffffff", "x")))
    assert f"not revision {LIVE.revision}" in text
    state, effects = advance(state, Done(at(2), render, LIVE))
    assert state.canary == LIVE
    assert effects == (SetWeights(Weights(95, 5)),)


def test_a_step_ends_in_a_measurement_at_its_weight() -> None:
    state, effects = start()
    assert state.phase is Phase.MEASURING
    assert effects == (Measure("green", 0, 5),)
    assert state.weights == Weights(95, 5)


def test_a_passing_verdict_waits_for_the_next_step_and_a_step_moves_capacity_and_traffic() -> None:
    state, effects = advance(start()[0], judge(start()[0]))
    assert (state.phase, effects) == (Phase.PASSED, ())
    _state, moves = course(state, Step(at(30), LIVE))
    assert moves == [
        SetWeights(Weights(75, 25)),
        Scale("blue", 3),
        Scale("green", 2),
        SetWeights(Weights(50, 50)),
        Scale("blue", 2),
    ]


def test_each_replica_that_comes_is_awaited_and_none_that_goes() -> None:
    state = passed_everything(steps=(5, 50))
    assert state.phase is Phase.PASSED
    state, effects = advance(state, Abort(at(100), "enough"))
    seen = [effects]
    while state.pending:
        state, effects = advance(state, Done(at(101), state.pending))
        seen.append(effects)
    grown = [each for each in seen if any(isinstance(effect, AwaitGate) for effect in each)]
    assert grown == [(Scale("blue", n), AwaitGate("blue", n)) for n in (3, 4)]


def test_with_extra_capacity_stable_stays_whole_and_keeps_warm_after_the_promotion() -> None:
    state = passed_everything(capacity="extra")
    state, moves = course(state, Promote(at(60), LIVE))
    assert moves == [Flip("green")]
    assert (state.phase, state.stable_slot, state.replicas) == (Phase.PROMOTED, "green", Replicas(4, 4))
    assert resume(state) == (Report(Phase.PROMOTED, ""),)
    back, moves = course(state, RollBack(at(70), "users complain"))
    assert moves == [SetWeights(Weights(100, 0)), Flip("blue"), Scale("green", 0), Freeze(False)]
    assert (back.phase, back.stable_slot, back.reason) == (Phase.ABORTED, "blue", "users complain")
    done, moves = course(state, Retire(at(70)))
    assert moves == [Scale("blue", 0), Freeze(False)]
    assert (done.phase, done.stable_slot) == (Phase.IDLE, "green")


def test_with_shifted_capacity_the_way_back_grows_the_old_slot_replica_by_replica() -> None:
    state, _moves = course(passed_everything(), Promote(at(60), LIVE))
    assert state.replicas == Replicas(0, 4)
    _back, moves = course(state, RollBack(at(70), "slow"))
    assert moves[:3] == [Scale("blue", 1), SetWeights(Weights(25, 75)), Scale("green", 3)]
    assert moves[-2:] == [Flip("blue"), Freeze(False)]
    # Which revision the old slot holds is not the canary's business.
    assert resume(advance(state, RollBack(at(70), "slow"))[0])[1] == AwaitGate("blue", 1)


def test_promotion_before_the_last_step_and_a_step_after_it_are_refused() -> None:
    state, _effects = start()
    state, _effects = advance(state, judge(state))
    assert "promote is not possible while the canary is passed: this is step 1 of 3" in refuse(
        state, Promote(at(30), LIVE)
    )
    assert "this is the last step: promote or abort" in refuse(passed_everything(), Step(at(60), LIVE))


def test_promotion_without_a_canary_names_what_is_possible() -> None:
    text = refuse(CanaryState(), Promote(BEGIN, LIVE))
    assert text.startswith("promote is not possible while the canary is idle: there is no such move. ")
    assert text.endswith("Nothing was changed. Possible now: start")


def test_promotion_is_refused_after_the_template_was_edited_by_hand() -> None:
    text = refuse(passed_everything(), Promote(at(60), replace(LIVE, template="edited")))
    assert "the pod template in slot green was changed by somebody since the canary was started" in text
    assert "(digest edited, not abc)" in text
    other = refuse(passed_everything(), Promote(at(60), Identity("ffffffffff", "abc")))
    assert "slot green holds revision ffffffffff, not the canary's 2222222222" in other
    unknown = refuse(replace(passed_everything(), canary=None), Promote(at(60), LIVE))
    assert "slot green holds revision 2222222222, not the canary's (none is known)" in unknown


def test_promotion_is_refused_when_the_verdict_is_old_or_of_something_else() -> None:
    state = passed_everything()
    assert state.verdict is not None
    late = state.verdict.finished_at + timedelta(seconds=601)
    assert "the verdict is 601 s old, allowed are 600 s: judge again" in refuse(state, Promote(late, LIVE))
    other = replace(state.verdict, canary=OLD)
    assert "no passing verdict of this canary" in refuse(replace(state, verdict=other), Promote(at(60), LIVE))
    assert "no passing verdict" in refuse(replace(state, verdict=None), Promote(at(60), LIVE))
    before = replace(state.verdict, step=1)
    assert "of step 2, not of step 3" in refuse(replace(state, verdict=before), Promote(at(60), LIVE))


def test_a_verdict_counts_only_for_this_canary_in_this_step_measured_at_its_weight() -> None:
    state, _effects = start(soak_seconds=60)
    assert state.since is not None
    event = judge(state)
    for changed, words in (
        ({"canary": OLD}, "not of this canary"),
        ({"step": 1}, "the verdict is of step 2, not of step 1"),
        ({"started_at": state.since - timedelta(seconds=1)}, "before the step"),
        ({"finished_at": state.since + timedelta(seconds=59)}, "59 s after the weight was set; soak_seconds is 60"),
    ):
        values: dict[str, Any] = changed
        assert words in refuse(state, replace(event, verdict=replace(event.verdict, **values)))
    edited = replace(event, live=replace(LIVE, template="edited"))
    assert "what was judged is not what runs" in refuse(state, edited)


def test_a_failing_verdict_needs_no_soak_and_brings_the_traffic_back() -> None:
    state, _effects = start(soak_seconds=600)
    state, moves = course(state, judge(state, Result.FAIL))
    assert moves == [SetWeights(Weights(100, 0)), Scale("green", 0), Freeze(False)]
    assert (state.phase, state.reason) == (Phase.ABORTED, "the verdict of step 1 is fail")
    assert resume(state) == (Report(Phase.ABORTED, "the verdict of step 1 is fail"),)


def test_an_inconclusive_verdict_holds_and_a_later_pass_goes_on() -> None:
    state, _effects = start()
    state, effects = advance(state, judge(state, Result.INCONCLUSIVE))
    assert (state.phase, effects) == (Phase.MEASURING, (Measure("green", 0, 5),))
    state, _effects = advance(state, judge(state))
    assert state.phase is Phase.PASSED
    assert advance(state, judge(state, Result.INCONCLUSIVE))[0].phase is Phase.MEASURING


def test_a_canary_that_answers_nothing_loses_all_traffic_at_once_even_where_stable_has_shrunk() -> None:
    state = passed_everything(steps=(5, 50))
    _state, effects = advance(state, Abort(at(60), "no pod is ready", is_dead=True))
    assert effects == (SetWeights(Weights(100, 0)),)
    _state, effects = advance(state, judge(state, Result.FAIL, is_dead=True))
    assert effects == (SetWeights(Weights(100, 0)),)


def test_an_abort_under_way_undoes_what_may_have_been_done() -> None:
    state = passed_everything(steps=(5, 50))
    state, _effects = advance(state, Promote(at(60), LIVE))
    assert state.pending == Scale("green", 3)
    state, _effects = advance(state, Done(at(61), state.pending))
    assert state.pending == SetWeights(Weights(25, 75))
    aborted, effects = advance(state, Abort(at(62), "enough"))
    assert effects == (SetWeights(Weights(50, 50)),)
    state, _effects = advance(state, Done(at(63), state.pending))
    assert state.pending == Scale("blue", 1)
    aborted, effects = advance(state, Abort(at(64), "enough"))
    # It may be 1 or 2 by now; 2 is written either way before it gets more traffic.
    assert aborted.replicas == Replicas(1, 3)
    assert effects == (Scale("blue", 2), AwaitGate("blue", 2))


def test_an_abort_of_a_start_gives_autoscaling_back_and_removes_what_may_have_come() -> None:
    state, _effects = advance(CanaryState(), start_event())
    assert advance(state, Abort(at(1), "enough"))[1] == (Freeze(False),)
    state, _effects = advance(state, Done(at(1), Freeze(True)))
    assert advance(state, Abort(at(2), "enough"))[1] == (Scale("green", 0),)


def test_an_abort_while_clients_are_led_to_the_canary_waits_for_the_end_of_it() -> None:
    state, _effects = advance(passed_everything(capacity="extra"), Promote(at(60), LIVE))
    assert state.pending == Flip("green")
    assert "it is becoming the stable slot: go on, then roll back" in refuse(state, Abort(at(61), "enough"))


def test_what_was_not_intended_cannot_be_confirmed() -> None:
    state, _effects = advance(CanaryState(), start_event())
    text = refuse(state, Done(at(1), Scale("green", 2)))
    assert "Scale(slot='green', replicas=2) was confirmed, but Freeze(frozen=True) is under way" in text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"plan": CanaryPlan((50, 25), 4)}, "the steps [50, 25] are no steps: 25 does not rise above 50 before it"),
        ({"plan": CanaryPlan((5,), 0)}, "the release has no replicas"),
        ({"canary": OLD}, "revision 1111111111 is the stable one already"),
    ],
)
def test_a_start_with_nothing_to_try_is_refused(changed: dict[str, Any], words: str) -> None:
    assert words in refuse(CanaryState(), replace(start_event(), **changed))


def test_a_canary_can_be_started_again_after_an_abort() -> None:
    state, _moves = course(start()[0], Abort(at(30), "enough"))
    assert state.phase is Phase.ABORTED
    state, effects = advance(state, start_event())
    assert (effects, state.reason, state.verdict) == ((Freeze(True),), "", None)


@pytest.mark.parametrize("phase", list(Phase))
def test_every_event_that_the_table_does_not_name_is_refused_and_changes_nothing(phase: Phase) -> None:
    state = replace(passed_everything(), phase=phase)
    unnamed = [each for each in ANY_EVENT if type(each) not in TABLE[phase]]
    assert len(unnamed) + len(TABLE[phase]) == len(EVENT_NAMES)
    for event in unnamed:
        text = refuse(state, event)
        assert text.startswith(f"{EVENT_NAMES[type(event)]} is not possible while the canary is {phase.value}")
        assert all(EVENT_NAMES[each] in text for each in TABLE[phase])


def test_every_phase_leads_to_an_end() -> None:
    assert finish(start()[0]).phase is Phase.PROMOTED
    assert set(TABLE) == set(Phase)


@pytest.mark.parametrize("blue", [-1, 101])
def test_weights_that_do_not_make_a_hundred_cannot_be_made(blue: int) -> None:
    with pytest.raises(ValueError, match="do not make 100 percent"):
        Weights(blue, 100 - blue)
    with pytest.raises(ValueError, match="do not make 100 percent"):
        Weights(50, 49)
