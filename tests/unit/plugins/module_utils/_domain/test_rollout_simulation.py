# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plan accepts never hangs, what it refuses never works: against a simulation that tries every choice."""

from __future__ import annotations

import itertools
from collections import Counter

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout import plan_rollout
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plugins.module_utils._domain.simulation import (
    DONE,
    HOST,
    STUCK,
    ZONE,
    Box,
    Scene,
    Simulation,
    capacity,
    change,
)

FORCED = ("surge", "in_place", "recreate")


def check(scene: Scene, wish: str) -> Result:
    """Compare the plan of a scene with all of its possible courses; return the verdict."""
    plan = plan_rollout([change(scene, wish)], capacity(scene)).releases[0]
    ends = Simulation(scene, plan.strategy).ends()
    about = f"{scene} {wish} -> {plan.strategy} {plan.verdict} {plan.reasons} {plan.risks}, but {sorted(ends)}"
    if plan.verdict is Result.PASS:
        assert ends == {DONE}, about
    elif plan.verdict is Result.FAIL:
        several = min(scene.wanted_now, scene.replicas) > 1
        candidates = [plan.strategy] if wish != "auto" else ["surge", "in_place"] if several else ["surge"]
        assert all(DONE not in Simulation(scene, each).ends() for each in candidates), about
        assert plan.reasons
        assert plan.remedies
    else:
        assert plan.risks, about
        # How much room grown old pods of another size take is a bound, on the safe side.
        is_bound = scene.replicas > scene.wanted_now > 0 and scene.old_gpus != scene.new_gpus
        if any("may hang" in risk for risk in plan.risks) and not is_bound:
            assert STUCK in ends, about
    return plan.verdict


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    boxes = []
    for _number in range(draw(st.integers(1, 4))):
        gpus = draw(st.integers(0, 4))
        others = draw(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 1)), max_size=2))
        kept = others if sum(amount for amount, _priority in others) <= gpus else []
        boxes.append(Box(gpus, draw(st.sampled_from("ab")), draw(st.integers(0, 5)) > 0, tuple(kept)))
    old_gpus, new_gpus = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    apart = draw(st.sampled_from([None, None, None, HOST, ZONE]))
    skew = draw(st.sampled_from([None, None, 1, 2])) if apart is None else None
    room = [box.gpus - sum(amount for amount, _p in box.others) for box in boxes]
    old: list[int | None] = []
    for number in draw(st.lists(st.integers(0, len(boxes) - 1), max_size=4)):
        same = {boxes[i].zone for i in old if i is not None} if apart == ZONE else set()
        if room[number] >= old_gpus and not (apart == HOST and number in old) and boxes[number].zone not in same:
            room[number] -= old_gpus
            old.append(number)
    waiting = draw(st.integers(0, 1)) if max(room) < old_gpus else 0
    replicas = draw(st.integers(1, 4))
    quota = draw(st.sampled_from([None, None, None, len(old) * old_gpus, len(old) * old_gpus + 1, 6]))
    if quota is not None and quota < (len(old) + waiting) * old_gpus:
        quota = None
    return Scene(
        boxes=tuple(boxes),
        old=(*old, *[None] * waiting),
        replicas=replicas,
        old_gpus=old_gpus,
        new_gpus=new_gpus,
        apart=apart,
        skew=skew,
        spread_by=draw(st.sampled_from([ZONE, HOST])),
        quota=quota,
        priority=draw(st.sampled_from([0, 0, 1])),
    )


@settings(max_examples=300, deadline=None)
@given(scenes(), st.sampled_from(["auto", *FORCED]))
def test_what_is_accepted_never_hangs_and_what_is_refused_never_works(scene: Scene, wish: str) -> None:
    check(scene, wish)


def test_every_small_cluster_is_judged_as_it_is() -> None:
    """All clusters of up to two nodes with up to two GPUs, all old pods on them, one to three new ones."""
    verdicts: Counter[Result] = Counter()
    sizes = [(0,), (1,), (2,), *itertools.product((0, 1, 2), repeat=2)]
    for gpus, new_gpus, apart, replicas in itertools.product(sizes, (1, 2), (None, HOST), (1, 2, 3)):
        boxes = tuple(Box(each) for each in gpus)
        for counts in itertools.product(*(range(each + 1) for each in gpus)):
            if apart == HOST and max(counts) > 1:
                continue
            old = tuple(i for i, count in enumerate(counts) for _pod in range(count))
            scene = Scene(boxes, old, replicas, new_gpus=new_gpus, apart=apart)
            for wish in FORCED:
                verdicts[check(scene, wish)] += 1
    assert verdicts[Result.PASS] > 100
    assert verdicts[Result.FAIL] > 100
