# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary as a state machine: a table of moves, guards as pure functions, effects as data.

``advance(state, event)`` returns the next state and what is to be done. Who carries that out writes the state first
(which holds the intent), acts, and answers with ``Done``; so a run that is killed at any point leaves what was
intended, and ``resume(state)`` returns the same effects again. An event that the table or a guard does not allow raises
``IllegalMoveError``, and nothing has changed.

               start             done               judge: pass          step (not the last)
    idle ------------> starting -----> stepping -----> measuring -----> passed ----> stepping
    aborted ---^                                         |  ^--judge--'   | promote (the last)
                                 judge: fail, abort      |                v
    aborted <---- aborting <-----------------------------'            promoting ----> promoted
       ^----------- reverting <------------- roll back ---------------------------------'  | retire
                                                                      idle <---- retiring <'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Callable, Union

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_events import (
    EVENT_NAMES,
    Abort,
    AwaitGate,
    Done,
    Effect,
    Event,
    Judge,
    Measure,
    Promote,
    Report,
    Retire,
    RollBack,
    Start,
    Step,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_guards import (
    check_fresh,
    check_last_step,
    check_live,
    check_more_steps,
    check_not_flipping,
    check_of_this_step,
    check_rendered,
    check_startable,
    check_under_way,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_state import (
    CanaryState,
    Flip,
    Freeze,
    Phase,
    Render,
    Replicas,
    Scale,
    SetWeights,
    Weights,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_work import WORK
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import LlmopsError

__all__ = ["TABLE", "IllegalMoveError", "Move", "advance", "resume"]


class IllegalMoveError(LlmopsError):
    """An event that the state does not allow; nothing has changed. ``allowed`` names what it does allow."""

    def __init__(self, state: CanaryState, event: Event, reasons: Sequence[str]) -> None:
        self.phase, self.event = state.phase, EVENT_NAMES[type(event)]
        self.allowed = tuple(EVENT_NAMES[each] for each in TABLE[state.phase])
        self.reasons = tuple(reasons)
        super().__init__(
            f"{self.event} is not possible while the canary is {self.phase.value}: {'; '.join(reasons)}. Nothing was "
            f"changed. Possible now: {', '.join(self.allowed)}",
            {
                "phase": self.phase.value,
                "event": self.event,
                "reasons": list(reasons),
                "allowed": list(self.allowed),
            },
        )


# Each takes the event that the table names it for.
Guard = Callable[[CanaryState, Any], Union[str, None]]


@dataclass(frozen=True)
class Move:
    """What an event does in a phase: ``act`` once every guard has no objection."""

    act: Callable[[CanaryState, Any], CanaryState]
    guards: tuple[Guard, ...] = ()


def _start(_state: CanaryState, event: Start) -> CanaryState:
    plan, slot = event.plan, event.stable_slot
    return CanaryState(
        Phase.STARTING,
        slot,
        Weights.giving(slot, 100),
        Replicas().having(slot, plan.replicas),
        plan,
        event.canary,
        since=event.at,
    )


def _judge(state: CanaryState, event: Judge) -> CanaryState:
    result = event.verdict.result
    judged = replace(state, verdict=event.verdict)
    if result is Result.FAIL:
        return _abort(judged, Abort(event.at, f"the verdict of step {state.step + 1} is fail", event.is_dead))
    # `since` stays: it is when the step got its weight, and a further verdict is measured from there too.
    return replace(judged, phase=Phase.PASSED if result is Result.PASS else Phase.MEASURING)


def _step(state: CanaryState, event: Event) -> CanaryState:
    return replace(state, phase=Phase.STEPPING, step=state.step + 1, since=event.at)


def _promote(state: CanaryState, event: Event) -> CanaryState:
    return replace(state, phase=Phase.PROMOTING, since=event.at)


def _retire(state: CanaryState, event: Event) -> CanaryState:
    return replace(state, phase=Phase.RETIRING, since=event.at)


def _abort(state: CanaryState, event: Abort) -> CanaryState:
    return replace(
        _assume(state),
        phase=Phase.ABORTING,
        since=event.at,
        reason=event.reason,
        is_dead=event.is_dead or state.is_dead,
    )


def _roll_back(state: CanaryState, event: RollBack) -> CanaryState:
    return replace(state, phase=Phase.REVERTING, since=event.at, reason=event.reason, is_dead=event.is_dead)


def _assume(state: CanaryState) -> CanaryState:
    """Take what is under way for done or not done, whichever leaves more to undo; it is written anew either way."""
    pending, idle = state.pending, state.idle_slot
    weights, replicas = state.weights, state.replicas
    if isinstance(pending, SetWeights) and pending.weights.of(idle) > weights.of(idle):
        weights = pending.weights
    if isinstance(pending, (Render, Scale)):
        before = replicas.of(pending.slot)
        count = max(before, pending.replicas) if pending.slot == idle else min(before, pending.replicas)
        replicas = replicas.having(pending.slot, count)
    frozen = state.is_frozen or isinstance(pending, Freeze)
    return replace(state, weights=weights, replicas=replicas, is_frozen=frozen, pending=None)


def _done(state: CanaryState, event: Done) -> CanaryState:
    """Take over what was confirmed."""
    intent, state = event.intent, replace(state, pending=None)
    if isinstance(intent, Freeze):
        return replace(state, is_frozen=intent.frozen)
    if isinstance(intent, SetWeights):
        return replace(state, weights=intent.weights)
    if isinstance(intent, Flip):
        # What is left after a reversal is what is left after an abort: a canary without traffic.
        phase = Phase.PROMOTED if state.phase is Phase.PROMOTING else Phase.ABORTING
        return replace(state, stable_slot=intent.slot, phase=phase, since=event.at)
    # From here on the canary is what the cluster holds, with the defaults that the server has filled in.
    canary = event.live if isinstance(intent, Render) else state.canary
    return replace(state, replicas=state.replicas.having(intent.slot, intent.replicas), canary=canary)


def _settle(state: CanaryState, at: datetime) -> CanaryState:
    """Give a working phase its next intent, or let it end in the phase that follows."""
    while state.phase in WORK:
        intend, following = WORK[state.phase]
        pending = intend(state)
        if pending is not None:
            return replace(state, pending=pending)
        state = replace(state, phase=following, since=at)
    return state


_WORKING: Mapping[type, Move] = {
    Done: Move(_done, (check_under_way, check_rendered)),
    Abort: Move(_abort, (check_not_flipping,)),
}
_ENDING: Mapping[type, Move] = {Done: Move(_done, (check_under_way,))}
_RESTING: Mapping[type, Move] = {Start: Move(_start, (check_startable,))}
_JUDGE = Move(_judge, (check_live, check_of_this_step))

TABLE: Mapping[Phase, Mapping[type, Move]] = {
    Phase.IDLE: _RESTING,
    Phase.STARTING: _WORKING,
    Phase.STEPPING: _WORKING,
    Phase.MEASURING: {Judge: _JUDGE, Abort: Move(_abort)},
    Phase.PASSED: {
        Judge: _JUDGE,
        Step: Move(_step, (check_live, check_fresh, check_more_steps)),
        Promote: Move(_promote, (check_live, check_fresh, check_last_step)),
        Abort: Move(_abort),
    },
    Phase.PROMOTING: _WORKING,
    Phase.PROMOTED: {Retire: Move(_retire), RollBack: Move(_roll_back)},
    Phase.RETIRING: _ENDING,
    Phase.ABORTING: _ENDING,
    Phase.ABORTED: _RESTING,
    Phase.REVERTING: _ENDING,
}


def resume(state: CanaryState) -> tuple[Effect, ...]:
    """Return what is to be done in a state, first things first; the same as when the state was entered."""
    pending = state.pending
    if isinstance(pending, Render):
        return pending, AwaitGate(pending.slot, pending.replicas, pending.canary.revision)
    if isinstance(pending, Scale) and pending.replicas > state.replicas.of(pending.slot):
        return pending, AwaitGate(pending.slot, pending.replicas, _revision_in(state, pending.slot))
    if pending is not None:
        return (pending,)
    if state.phase is Phase.MEASURING:
        return (Measure(state.idle_slot, state.step, state.weights.of(state.idle_slot)),)
    return (Report(state.phase, state.reason),) if state.phase in (Phase.PROMOTED, Phase.ABORTED) else ()


def _revision_in(state: CanaryState, slot: str) -> str | None:
    if state.phase is Phase.REVERTING or slot != state.idle_slot or state.canary is None:
        return None
    return state.canary.revision


def advance(state: CanaryState, event: Event) -> tuple[CanaryState, tuple[Effect, ...]]:
    """Return the state after an event, and what is to be done then; IllegalMoveError where the event is not allowed."""
    move = TABLE[state.phase].get(type(event))
    if move is None:
        raise IllegalMoveError(state, event, ["there is no such move"])
    if objections := [text for guard in move.guards if (text := guard(state, event)) is not None]:
        raise IllegalMoveError(state, event, objections)
    after = _settle(move.act(state, event), event.at)
    return after, resume(after)
