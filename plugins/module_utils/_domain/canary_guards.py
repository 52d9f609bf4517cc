# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold for a move of a canary: each guard returns its objection, or None."""

from __future__ import annotations

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_events import (
    Done,
    Event,
    Judge,
    Promote,
    Start,
    Step,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_state import CanaryState, Flip, Render
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_steps import find_step_problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result

__all__ = [
    "check_fresh",
    "check_last_step",
    "check_live",
    "check_more_steps",
    "check_not_flipping",
    "check_of_this_step",
    "check_rendered",
    "check_startable",
    "check_under_way",
]


def check_under_way(state: CanaryState, event: Done) -> str | None:
    """The confirmation must be of what is under way; anything else is of another run."""
    if event.intent == state.pending:
        return None
    return f"{event.intent} was confirmed, but {state.pending} is under way"


def check_rendered(_state: CanaryState, event: Done) -> str | None:
    """The canary's slot must hold the revision that was meant for it."""
    if not isinstance(event.intent, Render):
        return None
    if event.live is None or event.live.revision != event.intent.canary.revision:
        return f"the canary's slot holds {event.live}, not revision {event.intent.canary.revision}"
    return None


def check_startable(_state: CanaryState, event: Start) -> str | None:
    """A canary needs something new to try, steps that rise, and a release with replicas."""
    steps, replicas = event.plan.steps, event.plan.replicas
    if event.canary.revision == event.stable.revision:
        return f"revision {event.canary.revision} is the stable one already"
    if problem := find_step_problem(steps):
        return f"the steps {list(steps)} are no steps: {problem}"
    return None if replicas > 0 else "the release has no replicas"


def check_live(state: CanaryState, event: Judge | Step | Promote) -> str | None:
    """What runs in the canary's slot must be exactly the canary."""
    live, known = event.live, state.canary
    if live == known:
        return None
    if known is None or live.revision != known.revision:
        meant = known.revision if known is not None else "(none is known)"
        return f"slot {state.idle_slot} holds revision {live.revision}, not the canary's {meant}: start again"
    return (
        f"the pod template in slot {state.idle_slot} was changed by somebody since the canary was started (digest "
        f"{live.template}, not {known.template}): what was judged is not what runs. Abort, and start again"
    )


def check_of_this_step(state: CanaryState, event: Judge) -> str | None:
    """A verdict counts for this canary, in this step, measured since the step has its weight."""
    verdict = event.verdict
    if verdict.canary != state.canary:
        return f"the verdict is of {verdict.canary.revision} ({verdict.canary.template}), not of this canary"
    if verdict.step != state.step:
        return f"the verdict is of step {verdict.step + 1}, not of step {state.step + 1}"
    since = state.since
    if since is None or verdict.started_at < since:
        return f"its measurement began at {verdict.started_at.isoformat()}, before the step ({since})"
    soaked = (verdict.finished_at - since).total_seconds()
    if verdict.result is Result.PASS and soaked < state.plan.soak_seconds:
        return f"its measurement ended {soaked:g} s after the weight was set; soak_seconds is {state.plan.soak_seconds}"
    return None


def check_fresh(state: CanaryState, event: Event) -> str | None:
    """The last verdict must be a pass of this canary in this step, and not too old to act upon."""
    verdict, plan = state.verdict, state.plan
    if verdict is None or verdict.result is not Result.PASS or verdict.canary != state.canary:
        return "there is no passing verdict of this canary"
    if verdict.step != state.step:
        return f"the last verdict is of step {verdict.step + 1}, not of step {state.step + 1}"
    age = (event.at - verdict.finished_at).total_seconds()
    if age > plan.verdict_seconds_max:
        return f"the verdict is {age:g} s old, allowed are {plan.verdict_seconds_max} s: judge again"
    return None


def check_more_steps(state: CanaryState, _event: Event) -> str | None:
    """There must be a further step."""
    return None if state.step + 1 < len(state.plan.steps) else "this is the last step: promote or abort"


def check_last_step(state: CanaryState, _event: Event) -> str | None:
    """There must be no further step."""
    count = len(state.plan.steps)
    return None if state.step + 1 == count else f"this is step {state.step + 1} of {count}"


def check_not_flipping(state: CanaryState, _event: Event) -> str | None:
    """While clients are led to the canary nobody knows where they are: that is finished first."""
    return "it is becoming the stable slot: go on, then roll back" if isinstance(state.pending, Flip) else None
