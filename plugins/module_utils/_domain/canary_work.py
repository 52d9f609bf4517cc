# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each working phase of a canary intends next, None where it is at its end, and which phase that leads to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_capacity import (
    Share,
    find_need,
    next_share,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_state import (
    CanaryState,
    Flip,
    Freeze,
    Intent,
    Phase,
    Render,
    Scale,
    SetWeights,
    Weights,
    other_slot,
)

__all__ = ["WORK"]


def _move_traffic(state: CanaryState, slot: str, percent: int) -> Intent | None:
    """Return the next change on the way to a slot's weight."""
    giving = other_slot(slot)
    now = Share(state.replicas.of(giving), state.replicas.of(slot), state.weights.of(slot))
    gives_way = state.is_dead and state.phase in (Phase.ABORTING, Phase.REVERTING)
    following = next_share(now, percent, state.plan.replicas, state.plan.capacity, gives_way=gives_way)
    if following.weight_percent != now.weight_percent:
        return SetWeights(Weights.giving(slot, following.weight_percent))
    if following.taking != now.taking:
        return Scale(slot, following.taking)
    return Scale(giving, following.giving) if following.giving != now.giving else None


def _empty(state: CanaryState) -> Intent | None:
    """Return what ends it once the stable slot has all of the traffic."""
    if state.replicas.of(state.idle_slot):
        return Scale(state.idle_slot, 0)
    return Freeze(False) if state.is_frozen else None


def _intend_start(state: CanaryState) -> Intent | None:
    if not state.is_frozen:
        return Freeze(True)
    if state.canary is None or state.replicas.of(state.idle_slot):
        return None
    count = find_need(state.plan.steps[0], state.plan.replicas) if state.plan.capacity == "extra" else 1
    return Render(state.idle_slot, state.canary, count)


def _intend_step(state: CanaryState) -> Intent | None:
    return _move_traffic(state, state.idle_slot, state.plan.steps[state.step])


def _intend_flip(state: CanaryState) -> Intent | None:
    return _move_traffic(state, state.idle_slot, 100) or Flip(state.idle_slot)


def _intend_abort(state: CanaryState) -> Intent | None:
    return _move_traffic(state, state.stable_slot, 100) or _empty(state)


WORK: Mapping[Phase, tuple[Callable[[CanaryState], Intent | None], Phase]] = {
    Phase.STARTING: (_intend_start, Phase.STEPPING),
    Phase.STEPPING: (_intend_step, Phase.MEASURING),
    Phase.PROMOTING: (_intend_flip, Phase.PROMOTED),
    Phase.RETIRING: (_empty, Phase.IDLE),
    Phase.ABORTING: (_intend_abort, Phase.ABORTED),
    Phase.REVERTING: (_intend_flip, Phase.ABORTING),
}
