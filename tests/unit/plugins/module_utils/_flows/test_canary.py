# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A canary is carried to its next rest, whatever kills a run on the way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary import IllegalMoveError
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_data import parse_canary, render_canary
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_events import (
    Abort,
    AwaitGate,
    Event,
    Judge,
    Measure,
    Promote,
    Report,
    Retire,
    Step,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_state import (
    CanaryState,
    Identity,
    Judged,
    Phase,
    Replicas,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.canary import (
    Driven,
    GateView,
    carry_on,
    send,
)

from tests.unit.plugins.module_utils._domain.canaries import LIVE, start_event
from tests.unit.plugins.module_utils._flows.memory import MemoryClock


class KilledError(BaseException):
    """The run is dead; nothing after it is carried out."""


class World:
    """Keeps a state as text and does what is intended; ``left`` is how many writes are survived, None all of them."""

    place = "the canary of llm/chat on https://memory"

    def __init__(self, left: int | None = None) -> None:
        self.text, self.left = render_canary(CanaryState(replicas=Replicas(4, 0))), left
        self.writes: list[str] = []
        self.weights, self.replicas, self.frozen, self.stable = (100, 0), Replicas(4, 0), False, "blue"
        self.views: list[GateView] = []
        self.gates: list[AwaitGate] = []

    def _write(self, what: str) -> None:
        if self.left is not None:
            if self.left == 0:
                raise KilledError
            self.left -= 1
        self.writes.append(what)

    def load(self) -> CanaryState:
        return parse_canary(self.text)

    def save(self, state: CanaryState) -> None:
        self._write("state")
        self.text = render_canary(state)

    def freeze(self, frozen: bool) -> None:
        self._write(f"freeze {frozen}")
        self.frozen = frozen

    def render(self, slot: str, replicas: int) -> Identity:
        self._write(f"render {slot} {replicas}")
        self.replicas = self.replicas.having(slot, replicas)
        return LIVE

    def scale(self, slot: str, replicas: int) -> None:
        self._write(f"scale {slot} {replicas}")
        self.replicas = self.replicas.having(slot, replicas)

    def set_weights(self, blue: int, green: int) -> None:
        self._write(f"weights {blue} {green}")
        self.weights = (blue, green)

    def flip(self, slot: str) -> None:
        self._write(f"flip {slot}")
        self.stable = slot

    def gate(self, wanted: AwaitGate) -> GateView:
        self.gates.append(wanted)
        return self.views.pop(0) if self.views else GateView()

    @property
    def acts(self) -> list[str]:
        """What was done, without the writes of the state."""
        return [each for each in self.writes if each != "state"]


def clock() -> MemoryClock:
    return MemoryClock()


def judged(world: World, time: Any, result: Result = Result.PASS) -> Judge:
    state = world.load()
    assert state.since is not None
    end = max(time.now(), state.since)
    return Judge(end, Judged(result, LIVE, state.step, state.since, end), LIVE)


def begin(world: World, capacity: str = "extra", steps: tuple[int, ...] = (25, 100)) -> Driven:
    return send(start_event(steps, capacity), world, world, clock())


def test_a_start_brings_the_canary_to_its_first_weight_and_asks_for_a_verdict() -> None:
    world = World()
    driven = begin(world)
    assert world.acts == ["freeze True", "render green 1", "weights 75 25"]
    assert world.gates == [AwaitGate("green", 1, LIVE.revision)]
    assert (driven.state.phase, driven.effects) == (Phase.MEASURING, (Measure("green", 0, 25),))
    assert driven.story == [
        "keep autoscaling away",
        "start revision 2222222222 in green with 1 replicas",
        "send 75 % of the traffic to blue and 25 % to green",
    ]


def test_every_intent_is_kept_before_it_is_carried_out() -> None:
    world = World()
    begin(world)
    assert world.writes[0] == "state"
    assert all(one == "state" or other == "state" for one, other in zip(world.writes, world.writes[1:]))


def test_the_wait_for_pods_ends_with_the_slice_and_goes_on_with_the_next_run() -> None:
    world = World()
    world.views = [GateView("1 pod is loading its model"), GateView("still loading")]
    assert begin(world).waiting == "1 pod is loading its model"
    assert carry_on(world, world, clock()).waiting == "still loading"
    driven = carry_on(world, world, clock())
    assert (driven.waiting, driven.state.phase) == ("", Phase.MEASURING)
    assert world.weights == (75, 25)


def test_a_canary_whose_pods_do_not_come_is_aborted_with_their_words() -> None:
    world = World()
    world.views = [GateView(reasons=["no such image"], is_dead=True)]
    driven = begin(world)
    assert driven.state.phase is Phase.ABORTED
    assert "the pods of the canary do not serve: no such image" in driven.state.reason
    assert driven.effects == (Report(Phase.ABORTED, driven.state.reason),)
    assert (world.weights, world.replicas, world.frozen) == ((100, 0), Replicas(4, 0), False)
    assert driven.story[1].endswith("with 1 replicas: no such image")


def test_pods_of_the_stable_slot_that_do_not_come_stop_the_run_where_it_is() -> None:
    world = World()
    begin(world, "shift", (50, 100))
    world.views = [GateView(reasons=["no node"])]
    before = world.weights
    with pytest.raises(
        ClusterError, match=r"is aborting, and stays so: while it was to scale blue to \d replicas"
    ) as no:
        send(Abort(clock().now(), "enough"), world, world, clock())
    assert "no node" in no.value.message
    assert world.weights == before
    assert carry_on(world, world, clock()).state.phase is Phase.ABORTED
    assert (world.weights, world.replicas) == ((100, 0), Replicas(4, 0))


def test_what_cannot_happen_now_changes_nothing() -> None:
    world = World()
    with pytest.raises(IllegalMoveError, match="promote is not possible while the canary is idle"):
        send(Promote(clock().now(), LIVE), world, world, clock())
    assert world.writes == []


def test_without_anything_under_way_a_run_does_nothing() -> None:
    world = World()
    begin(world)
    writes = list(world.writes)
    assert carry_on(world, world, clock()).effects == (Measure("green", 0, 25),)
    assert world.writes == writes


def next_event(world: World, time: MemoryClock) -> Event | None:
    """Return what a run that wants the canary promoted and the old slot gone would say now."""
    state, now = world.load(), time.now() + timedelta(days=1)
    if state.phase is Phase.IDLE and state.stable_slot == "blue":
        return start_event((25, 100), "shift")
    if state.phase is Phase.MEASURING:
        return judged(world, time)
    if state.phase is Phase.PASSED:
        assert state.plan is not None
        assert state.verdict is not None
        last = state.step + 1 == len(state.plan.steps)
        return (Promote if last else Step)(state.verdict.finished_at, LIVE)
    return Retire(now) if state.phase is Phase.PROMOTED else None


def promote_all_the_way(world: World) -> None:
    time = clock()
    carry_on(world, world, time)
    while (event := next_event(world, time)) is not None:
        send(event, world, world, time)


def test_a_run_that_is_killed_at_any_write_is_brought_to_the_same_end_by_the_next_one() -> None:
    whole = World()
    promote_all_the_way(whole)
    assert (whole.weights, whole.replicas, whole.stable) == ((0, 100), Replicas(0, 4), "green")
    end = whole.load()
    for left in range(len(whole.writes)):
        world = World(left)
        with pytest.raises(KilledError):
            promote_all_the_way(world)
        world.left = None
        promote_all_the_way(world)
        assert (world.weights, world.replicas, world.frozen, world.stable) == ((0, 100), Replicas(0, 4), False, "green")
        now = world.load()
        assert (now.phase, now.stable_slot, now.weights) == (end.phase, end.stable_slot, end.weights)


def test_a_run_that_is_killed_twice_never_shows_weights_that_were_not_intended() -> None:
    intended = World()
    promote_all_the_way(intended)
    allowed = {(100, 0), *(tuple(map(int, act.split()[1:])) for act in intended.acts if act.startswith("weights"))}
    for left in range(len(intended.writes)):
        world = World(left)
        for more in (3, None):
            try:
                promote_all_the_way(world)
            except KilledError:
                assert world.weights in allowed
            world.left = more
        promote_all_the_way(world)
        assert world.weights == (0, 100)
