# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying a canary to where it next waits for a decision.

Each intent is kept in the cluster before it is carried out, and its end after it was read back, so a run that is killed
leaves what it was about to do and the next one does it again: what is carried out is absolute. The wait for pods comes
in slices, and a slice keeps nothing: the state in the cluster is all that the next one needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary import advance, resume
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_events import (
    Abort,
    AwaitGate,
    Done,
    Effect,
    Event,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_state import (
    CanaryState,
    Flip,
    Freeze,
    Identity,
    Intent,
    Render,
    Scale,
    SetWeights,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Clock

__all__ = ["Driven", "GateView", "Hands", "Keeper", "carry_on", "describe_intent", "send"]


@dataclass(frozen=True)
class GateView:
    """What the health gate saw of a slot: ``waiting`` says for what, ``reasons`` why it never will; both empty: ready.

    ``is_dead``: nothing in the slot answers.
    """

    waiting: str = ""
    reasons: Sequence[str] = ()
    is_dead: bool = False


class Keeper(Protocol):
    """Where the state is kept; a write counts only for the state that was read before."""

    place: str

    def load(self) -> CanaryState:
        """Return the state."""

    def save(self, state: CanaryState) -> None:
        """Keep a state; ClusterError where somebody else has written in between."""


class Hands(Protocol):
    """Does what is intended. Everything may be done twice; each returns once it was read back."""

    def freeze(self, frozen: bool) -> None:
        """Keep autoscaling away from both slots, or give it back."""

    def render(self, slot: str, replicas: int) -> Identity:
        """Write the canary's objects into a slot; return what runs there as the cluster holds it."""

    def scale(self, slot: str, replicas: int) -> None:
        """Set a slot's replicas."""

    def set_weights(self, blue: int, green: int) -> None:
        """Set the traffic of both slots in percent."""

    def flip(self, slot: str) -> None:
        """Make a slot the stable one for clients and for the release."""

    def gate(self, wanted: AwaitGate) -> GateView:
        """Look how far a slot's pods are, for a slice of time at most."""


@dataclass(frozen=True)
class Driven:
    """Where a canary is now, what was done on the way, and for which pods it waits (empty: for a decision)."""

    state: CanaryState
    effects: Sequence[Effect]
    story: Sequence[str] = ()
    waiting: str = ""


def send(event: Event, keeper: Keeper, hands: Hands, clock: Clock) -> Driven:
    """Tell the canary what happens, and carry it to its next rest; IllegalMoveError where that cannot happen now."""
    state, _effects = advance(keeper.load(), event)
    keeper.save(state)
    return _drive(state, keeper, hands, clock)


def carry_on(keeper: Keeper, hands: Hands, clock: Clock) -> Driven:
    """Carry on what a run before has left, or do nothing where nothing is under way."""
    return _drive(keeper.load(), keeper, hands, clock)


def _drive(state: CanaryState, keeper: Keeper, hands: Hands, clock: Clock) -> Driven:
    story: list[str] = []
    while (intent := state.pending) is not None:
        live = _carry_out(intent, hands)
        gate = next((effect for effect in resume(state) if isinstance(effect, AwaitGate)), None)
        view = hands.gate(gate) if gate is not None else GateView()
        if view.waiting:
            return Driven(state, (), story, view.waiting)
        if view.reasons:
            event: Event = _give_up(state, intent, view, keeper, clock)
            story.append(f"{describe_intent(intent)}: {'; '.join(view.reasons)}")
        else:
            event = Done(clock.now(), intent, live)
            story.append(describe_intent(intent))
        state, _effects = advance(state, event)
        keeper.save(state)
    return Driven(state, resume(state), story)


def _carry_out(intent: Intent, hands: Hands) -> Identity | None:
    if isinstance(intent, Render):
        return hands.render(intent.slot, intent.replicas)
    if isinstance(intent, Scale):
        hands.scale(intent.slot, intent.replicas)
    elif isinstance(intent, SetWeights):
        hands.set_weights(intent.weights.blue, intent.weights.green)
    elif isinstance(intent, Freeze):
        hands.freeze(intent.frozen)
    else:
        hands.flip(intent.slot)
    return None


def _give_up(state: CanaryState, intent: Intent, view: GateView, keeper: Keeper, clock: Clock) -> Abort:
    """Return the end of a canary whose pods do not come; ClusterError where it is the stable slot's pods."""
    reasons = "; ".join(view.reasons)
    if isinstance(intent, (Render, Scale)) and intent.slot == state.idle_slot:
        return Abort(clock.now(), f"the pods of the canary do not serve: {reasons}", view.is_dead)
    raise ClusterError(
        f"{keeper.place} is {state.phase.value}, and stays so: while it was to {describe_intent(intent)}, the health "
        f"gate failed: {reasons}. The traffic is as it was last written ({state.weights.blue} % blue, "
        f"{state.weights.green} % green). See to these pods, then run this again: it goes on from here",
        {"phase": state.phase.value, "reasons": list(view.reasons)},
    )


def describe_intent(intent: Intent) -> str:
    """Return what an intent does, for people."""
    if isinstance(intent, Render):
        return f"start revision {intent.canary.revision} in {intent.slot} with {intent.replicas} replicas"
    if isinstance(intent, Scale):
        return f"scale {intent.slot} to {intent.replicas} replicas"
    if isinstance(intent, SetWeights):
        return f"send {intent.weights.blue} % of the traffic to blue and {intent.weights.green} % to green"
    if isinstance(intent, Flip):
        return f"make {intent.slot} the stable slot"
    return "keep autoscaling away" if intent.frozen else "give autoscaling back"
