# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canaries at points of their way, for tests: four replicas, stable in blue."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary import advance
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_events import (
    Done,
    Effect,
    Event,
    Judge,
    Promote,
    Start,
    Step,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_state import (
    CanaryPlan,
    CanaryState,
    Identity,
    Intent,
    Judged,
    Phase,
    Render,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result

BEGIN = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
OLD = Identity("1111111111", "old")
LIVE = Identity("2222222222", "abc")


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def start_event(
    steps: tuple[int, ...] = (5, 50, 100),
    capacity: str = "shift",
    soak_seconds: int = 0,
    canary: Identity = LIVE,
) -> Start:
    return Start(BEGIN, canary, OLD, CanaryPlan(steps, 4, capacity, soak_seconds, 600), "blue")


def confirm(intent: Intent, seconds: float) -> Done:
    return Done(at(seconds), intent, LIVE if isinstance(intent, Render) else None)


def course(state: CanaryState, event: Event) -> tuple[CanaryState, list[Intent]]:
    """Return the state after an event when everything that is intended is carried out, and all of that."""
    moves = []
    state, _effects = advance(state, event)
    while state.pending is not None:
        moves.append(state.pending)
        state, _effects = advance(state, Done(event.at, state.pending, LIVE))
    return state, moves


def start(
    steps: tuple[int, ...] = (5, 50, 100), capacity: str = "shift", soak_seconds: int = 0
) -> tuple[CanaryState, tuple[Effect, ...]]:
    """Return a canary that is measured in its first step, ten seconds after it has got its weight."""
    state, effects = advance(CanaryState(), start_event(steps, capacity, soak_seconds))
    while state.pending is not None:
        state, effects = advance(state, confirm(state.pending, 10))
    return state, effects


def judge(state: CanaryState, result: Result = Result.PASS, *, is_dead: bool = False) -> Judge:
    """Return a verdict of this step that counts, as late as its soak wants it."""
    assert state.since is not None
    soak_seconds = state.plan.soak_seconds
    end = state.since + timedelta(seconds=soak_seconds)
    return Judge(end, Judged(result, LIVE, state.step, state.since, end), LIVE, is_dead)


def passed_everything(steps: tuple[int, ...] = (5, 50, 100), capacity: str = "shift") -> CanaryState:
    """Return a canary whose last step has passed."""
    state, _effects = start(steps, capacity)
    while True:
        state, _effects = advance(state, judge(state))
        if state.step + 1 == len(steps):
            return state
        state, _moves = course(state, Step(judge(state).at, LIVE))


def finish(state: CanaryState) -> CanaryState:
    """Return the state after all steps and the promotion."""
    while state.phase is not Phase.PROMOTED:
        event: Event = judge(state)
        if state.phase is Phase.PASSED:
            is_last = state.step + 1 == len(state.plan.steps)
            event = Promote(event.at, LIVE) if is_last else Step(event.at, LIVE)
        state, _moves = course(state, event)
    return state
