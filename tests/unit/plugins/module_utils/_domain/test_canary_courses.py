# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random courses of a canary in a small world: runs that are killed anywhere, people who do anything at any time.

The world carries out what is intended, once, twice, or only begun, and keeps what the promises are about: the traffic,
the replicas that are there, the pod template that runs in each slot.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary import (
    TABLE,
    IllegalMoveError,
    advance,
    resume,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_capacity import find_floor
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_events import (
    Abort,
    Done,
    Event,
    Judge,
    Promote,
    Retire,
    RollBack,
    Start,
    Step,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_state import (
    CanaryPlan,
    CanaryState,
    Flip,
    Freeze,
    Identity,
    Intent,
    Judged,
    Phase,
    Render,
    Replicas,
    Scale,
    SetWeights,
    Weights,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result

from tests.unit.plugins.module_utils._domain.canaries import BEGIN

MAX_AGE_SECONDS = 600


class World:
    """What really is there; the autoscaler may do as it likes unless it is frozen."""

    def __init__(self, replicas: int) -> None:
        self.weights, self.stable_slot, self.frozen = Weights(), "blue", False
        self.replicas = Replicas(replicas, 0)
        self.templates = {"blue": Identity("0000000000", "first"), "green": Identity("none", "none")}

    def carry_out(self, intent: Intent) -> None:
        if isinstance(intent, SetWeights):
            self.weights = intent.weights
        elif isinstance(intent, Freeze):
            self.frozen = intent.frozen
        elif isinstance(intent, Flip):
            self.stable_slot = intent.slot
        else:
            self.replicas = self.replicas.having(intent.slot, intent.replicas)
            if isinstance(intent, Render):
                self.templates[intent.slot] = Identity(intent.canary.revision, f"live of {intent.canary.revision}")


class Course:
    """A canary, its world and what may happen; ``dice`` decides how."""

    def __init__(self, replicas: int, capacity: str, dice: Random) -> None:
        self.dice = dice
        self.size, self.capacity, self.now, self.number = replicas, capacity, BEGIN, 0
        self.state, self.world = CanaryState(replicas=Replicas(replicas, 0)), World(replicas)

    def send(self, event: Event) -> bool:
        """Send an event; a refusal must leave everything as it is, and an accepted one be named by the table."""
        before, text = self.state, repr(self.state)
        try:
            self.state, effects = advance(self.state, event)
        except IllegalMoveError:
            assert repr(self.state) == text
            return False
        assert type(event) in TABLE[before.phase]
        assert effects == resume(self.state)
        assert resume(self.state) == resume(self.state)
        return True

    def tick(self, seconds: float = 1.0) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    @property
    def live(self) -> Identity:
        return self.world.templates[self.state.idle_slot]

    def start(self) -> None:
        self.number += 1
        steps = tuple(sorted(self.dice.sample(range(1, 101), self.dice.randint(1, 4))))
        plan = CanaryPlan(steps, self.size, self.capacity, 0, MAX_AGE_SECONDS)
        canary = Identity(f"{self.number:010d}", "as rendered")
        stable = self.world.templates[self.world.stable_slot]
        self.send(Start(self.tick(), canary, stable, plan, self.world.stable_slot))

    def _act(self, intent: Intent) -> None:
        # The promise about capacity: what is scaled down has no more traffic than what stays carries.
        if isinstance(intent, Scale) and intent.replicas < self.world.replicas.of(intent.slot):
            weight = self.world.weights.of(intent.slot)
            is_idle_extra = self.capacity == "extra" and weight > 0
            assert not is_idle_extra
            assert intent.replicas >= find_floor(weight, self.size)
        self.world.carry_out(intent)

    def is_killed_after_acting(self) -> None:
        for _time in range(self.dice.randint(0, 2)):
            if self.state.pending is not None:
                self._act(self.state.pending)

    def goes_on(self, intents_max: int | None = None) -> None:
        for _intent in range(self.dice.randint(1, 9) if intents_max is None else intents_max):
            if (intent := self.state.pending) is None:
                return
            self._act(intent)
            live = self.world.templates[intent.slot] if isinstance(intent, Render) else None
            assert self.send(Done(self.tick(), intent, live))

    def goes_well(self) -> None:
        """Take the moves that lead to a promotion, and leave the last one unfinished."""
        for _move in range(self.dice.randint(1, 4)):
            self.goes_on(200)
            if self.state.phase in (Phase.IDLE, Phase.ABORTED):
                self.start()
            elif self.state.phase is Phase.MEASURING:
                self.is_judged(Result.PASS)
            elif self.state.phase is Phase.PASSED:
                is_last = self.state.step + 1 == len(self.state.plan.steps)
                move = self.is_promoted if is_last else self.steps_on
                move()
        self.goes_on(self.dice.randint(0, 6))

    def another_run_confirms_what_it_has_done(self) -> None:
        intent = Scale(self.dice.choice(["blue", "green"]), self.dice.randint(0, 7))
        if intent != self.state.pending:
            assert not self.send(Done(self.tick(), intent))

    def is_judged(self, result: Result | None = None) -> None:
        end = self.tick()
        begin = end - timedelta(seconds=self.dice.choice([0, 0, 30]) if result is None else 0)
        verdict = Judged(result or self.dice.choice(list(Result)), self.live, self.state.step, begin, end)
        self.send(Judge(end, verdict, self.live, is_dead=self.dice.random() < 0.3))

    def steps_on(self) -> None:
        self.send(Step(self.tick(), self.live))

    def is_promoted(self) -> None:
        seconds = self.dice.choice([1, 1, 1, MAX_AGE_SECONDS + 1])
        live, canary, verdict, before = self.live, self.state.canary, self.state.verdict, self.state
        if self.send(Promote(self.tick(seconds), live)):
            assert verdict is not None
            assert verdict.result is Result.PASS
            assert verdict.canary == canary == live
            assert verdict.step == before.step == len(before.plan.steps) - 1
            assert (self.now - verdict.finished_at).total_seconds() <= MAX_AGE_SECONDS

    def is_aborted(self) -> None:
        self.send(Abort(self.tick(), "enough", is_dead=self.dice.random() < 0.3))

    def old_slot_is_retired(self) -> None:
        self.send(Retire(self.tick()))

    def is_rolled_back(self) -> None:
        self.send(RollBack(self.tick(), "enough", is_dead=self.dice.random() < 0.3))

    def somebody_edits_the_canary(self) -> None:
        slot = self.state.idle_slot
        self.world.templates[slot] = Identity(self.world.templates[slot].revision, f"edited at {self.tick()}")

    def is_brought_to_an_end(self) -> None:
        """From everywhere an end is near: all traffic on one slot that is whole, nothing left of the other one."""
        if self.state.phase in (Phase.MEASURING, Phase.PASSED, Phase.STARTING, Phase.STEPPING):
            assert self.send(Abort(self.tick(), "enough"))
        self.goes_on(200)
        if self.state.phase is Phase.PROMOTED:
            assert self.send(Retire(self.tick()))
            self.goes_on(200)
        assert self.state.phase in (Phase.IDLE, Phase.ABORTED)
        assert self.state.stable_slot == self.world.stable_slot
        assert self.world.weights.of(self.world.stable_slot) == 100
        assert self.world.replicas == Replicas().having(self.world.stable_slot, self.size)
        assert not self.world.frozen

    def traffic_makes_a_hundred(self) -> None:
        for weights in (self.world.weights, self.state.weights):
            assert weights.blue + weights.green == 100
            assert 0 <= weights.blue <= 100

    def no_slot_has_more_traffic_than_its_replicas_carry_unless_the_other_one_is_dead(self) -> None:
        if self.state.is_dead:
            return
        for slot in ("blue", "green"):
            assert self.world.replicas.of(slot) >= find_floor(self.world.weights.of(slot), self.size)
        if self.capacity == "extra" and self.state.phase not in (Phase.PROMOTED, Phase.RETIRING, Phase.REVERTING):
            assert self.world.replicas.of(self.world.stable_slot) == self.size

    def shifting_takes_one_replica_more_at_most(self) -> None:
        if self.capacity == "shift":
            assert self.world.replicas.blue + self.world.replicas.green <= self.size + 1

    def autoscaling_is_frozen_while_there_is_a_canary(self) -> None:
        if self.world.weights.of(self.world.stable_slot) != 100 or self.state.phase in (Phase.STEPPING, Phase.PASSED):
            assert self.world.frozen

    def what_works_has_an_intent_and_what_waits_has_none(self) -> None:
        works = self.state.phase.value.endswith("ing") and self.state.phase is not Phase.MEASURING
        assert (self.state.pending is not None) == works


INVARIANTS = (
    Course.traffic_makes_a_hundred,
    Course.no_slot_has_more_traffic_than_its_replicas_carry_unless_the_other_one_is_dead,
    Course.shifting_takes_one_replica_more_at_most,
    Course.autoscaling_is_frozen_while_there_is_a_canary,
    Course.what_works_has_an_intent_and_what_waits_has_none,
)
HAPPENINGS = (
    *(Course.goes_well,) * 4,
    *(Course.goes_on,) * 2,
    Course.start,
    *(Course.is_killed_after_acting,) * 2,
    Course.another_run_confirms_what_it_has_done,
    Course.is_judged,
    Course.steps_on,
    *(Course.is_promoted,) * 2,
    *(Course.is_aborted,) * 2,
    Course.old_slot_is_retired,
    Course.is_rolled_back,
    Course.somebody_edits_the_canary,
    Course.is_brought_to_an_end,
)


@pytest.mark.parametrize("capacity", ["extra", "shift"])
def test_whatever_happens_the_promises_of_a_canary_hold(capacity: str) -> None:
    # Seeds instead of drawn lists: those come out short, and promotions and the ways back from them lie deep.
    for seed in range(200):
        dice = Random(seed)
        course, story = Course(dice.randint(1, 6), capacity, dice), []
        for happening in (*dice.choices(HAPPENINGS, k=30), Course.is_brought_to_an_end):
            story.append(happening.__name__)
            try:
                happening(course)
                for invariant in INVARIANTS:
                    invariant(course)
            except AssertionError as error:
                raise AssertionError(
                    f"seed {seed}, {course.size} replicas: {', '.join(story)}; {course.state}"
                ) from error


def test_the_world_of_these_courses_does_notice_a_slot_that_is_scaled_down_too_far() -> None:
    with pytest.raises(AssertionError):
        Course(4, "shift", Random(1))._act(Scale("blue", 3))
