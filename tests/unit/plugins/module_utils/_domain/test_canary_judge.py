# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary judge on made-up servers with fixed seeds; the whole simulation is benchmarks/canary_judge.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.arms import SAMPLES_MIN, Arm, Measure
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.bursts import longest_burst
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_judge import (
    ArmJudgement,
    find_detectable,
    judge_arms,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.looks import (
    HISTORY_LOOKS,
    LOOK_FIRST,
    nominal_error,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result
from numpy.random import default_rng

from tests.support.latencies import BURST_WORLDS, CALM_WORLDS, WORLDS, Release, draw_arms, draw_release

TTFT = (Measure("ttft"),)
HISTORY = HISTORY_LOOKS * LOOK_FIRST
THREE = (Measure("ttft"), Measure("itl"), Measure("e2e"))


def judge(stable: Sequence[float | None], canary: Sequence[float | None], margin: float = 0.05) -> ArmJudgement:
    return judge_arms(Arm({"ttft": stable}), Arm({"ttft": canary}), (Measure("ttft", margin),))


def judge_release(release: Release, *, history: bool = True) -> ArmJudgement:
    measures = tuple(Measure(name) for name in release.canary)
    past = Arm(release.history) if history else None
    return judge_arms(Arm(release.stable), Arm(release.canary), measures, history=past)


def results(world: str, requests: int, runs: int, ratio: int = 1, *, several: bool = False) -> list[Result]:
    random = default_rng(1)
    drawn = (
        draw_release(world, requests, random, ratio=ratio, history=HISTORY, several=several) for _run in range(runs)
    )
    return [judge_release(each).verdict.result for each in drawn]


@pytest.mark.parametrize("ratio", [1, 3, 9])
@pytest.mark.parametrize("world", CALM_WORLDS)
def test_slots_that_are_alike_pass_whatever_the_time_does_to_both(world: str, ratio: int) -> None:
    # With the highest rate that is allowed, 1 %, four of 50 fail with a probability of 0.2 %.
    assert results(world, 600, 50, ratio).count(Result.PASS) >= 47


@pytest.mark.parametrize("world", CALM_WORLDS)
def test_three_metrics_share_one_error(world: str) -> None:
    assert results(world, 600, 40, several=True).count(Result.PASS) >= 37


@pytest.mark.parametrize("ratio", [1, 3])
@pytest.mark.parametrize("world", BURST_WORLDS)
def test_bursts_of_one_slot_are_not_taken_for_a_regression(world: str, ratio: int) -> None:
    found = results(world, 600, 50, ratio)
    assert found.count(Result.FAIL) <= 2
    assert found.count(Result.INCONCLUSIVE) <= 13


@pytest.mark.parametrize(
    ("regression", "requests", "ratio", "at_least"),
    [("+50", 600, 1, 20), ("+20", 600, 1, 15), ("tail+50", 600, 1, 15), ("+20", 600, 9, 18), ("tail+50", 2000, 1, 19)],
)
def test_regressions_of_body_and_tail_are_found(regression: str, requests: int, ratio: int, at_least: int) -> None:
    assert results(regression, requests, 20, ratio).count(Result.FAIL) >= at_least


def test_half_as_slow_again_is_found_at_the_first_look_where_the_past_is_known() -> None:
    random = default_rng(1)
    found = [judge_release(draw_release("+50", 600, random, history=HISTORY)) for _run in range(30)]
    assert sorted(each.requests for each in found)[15] == LOOK_FIRST
    assert {each.verdict.result for each in found} == {Result.FAIL}
    assert next(each.limit for each in found if each.looks == 1) == pytest.approx(0.05 * nominal_error(600))


def test_without_a_past_a_burst_from_the_beginning_is_not_rolled_back_at_once() -> None:
    stable, canary = draw_arms("iid", 1200, default_rng(3))
    canary[:300] = [each * 2.5 for each in canary[:300]]
    found = judge(stable, canary)
    assert (found.verdict.result, found.requests) == (Result.INCONCLUSIVE, 1200)
    assert found.seen.burst_requests == pytest.approx(300, abs=15)


def test_a_past_with_such_bursts_makes_the_first_look_wait() -> None:
    stable, canary = draw_arms("iid", 600, default_rng(3))
    canary[:150] = [each * 2.5 for each in canary[:150]]
    calm, _other = draw_arms("iid", HISTORY, default_rng(4))
    restless = list(calm)
    restless[1000:1150] = [each * 2.5 for each in restless[1000:1150]]
    arms = Arm({"ttft": stable}), Arm({"ttft": canary})
    assert judge_arms(*arms, TTFT, history=Arm({"ttft": calm})).requests == LOOK_FIRST
    assert judge_arms(*arms, TTFT, history=Arm({"ttft": restless})).requests == 600


def test_a_past_of_another_metric_knows_nothing() -> None:
    release = draw_release("+50", 600, default_rng(1), history=HISTORY)
    other = Arm({"itl": list(release.history["ttft"])})
    assert judge_arms(Arm(release.stable), Arm(release.canary), TTFT, history=other).requests == 600


def test_before_the_end_nothing_passes() -> None:
    stable, canary = draw_arms("iid", 300, default_rng(1))
    arms = Arm({"ttft": stable}), Arm({"ttft": canary})
    found = judge_arms(*arms, TTFT, planned=2000)
    assert (found.verdict.result, found.waiting, found.looks) == (Result.INCONCLUSIVE, True, 0)
    assert "the first look is later" in found.verdict.reasons[0]
    past = Arm({"ttft": draw_arms("iid", HISTORY, default_rng(4))[0]})
    found = judge_arms(*arms, TTFT, planned=2000, history=past)
    assert (found.verdict.result, found.waiting, found.looks) == (Result.INCONCLUSIVE, True, 1)
    assert "nothing found so far" in found.verdict.reasons[0]


def test_a_judge_that_starts_again_with_more_requests_says_the_same_of_the_looks_before() -> None:
    release = draw_release("+50", 600, default_rng(1), history=HISTORY)
    past = Arm(release.history)
    early = [Arm({"ttft": arm["ttft"][:200]}) for arm in (release.stable, release.canary)]
    first = judge_arms(*early, TTFT, planned=600, history=past)
    whole = judge_arms(Arm(release.stable), Arm(release.canary), TTFT, planned=600, history=past)
    assert first.verdict.result is Result.FAIL
    assert first.verdict == whole.verdict


def test_more_requests_than_were_planned_are_judged_too() -> None:
    stable, canary = draw_arms("+20", 2000, default_rng(1))
    found = judge_arms(Arm({"ttft": stable}), Arm({"ttft": canary}), TTFT, planned=600)
    assert (found.requests, found.looks, found.verdict.result) == (2000, 1, Result.FAIL)


def test_requests_are_compared_with_those_of_their_own_time() -> None:
    # Both slots are slow in the last tenth of the time, in which the stable slot has nine tenths of its requests.
    stable, canary = draw_arms("iid", 1000, default_rng(3))
    stable[100:] = [each * 3 for each in stable[100:]]
    canary[900:] = [each * 3 for each in canary[900:]]
    times = [*range(0, 900, 9), *(900 + place / 9 for place in range(900))]
    in_time = judge_arms(Arm({"ttft": stable}, times), Arm({"ttft": canary}, range(1000)), TTFT)
    assert in_time.verdict.result is Result.PASS
    swapped = judge_arms(Arm({"ttft": canary}, range(1000)), Arm({"ttft": stable}, times), TTFT, planned=3000)
    assert (swapped.requests, swapped.waiting) == (960, True)


def test_throughput_is_worse_when_it_is_lower() -> None:
    slow, fast = draw_arms("+50", 600, default_rng(3))
    measures = (Measure("tokens_per_second", 0.05, higher_is_better=True),)
    arms = [Arm({"tokens_per_second": [1 / each for each in arm]}) for arm in (slow, fast)]
    assert judge_arms(*arms, measures).verdict.result is Result.FAIL
    assert judge_arms(*reversed(arms), measures).verdict.result is Result.PASS


def test_only_the_metric_that_is_worse_is_blamed() -> None:
    release = draw_release("iid", 600, default_rng(2), several=True)
    release.canary["itl"] = [each * 1.5 for each in release.canary["itl"]]
    found = judge_arms(Arm(release.stable), Arm(release.canary), THREE[:2])
    assert [each.result for each in found.metrics] == [Result.PASS, Result.FAIL]
    assert len(found.verdict.reasons) == 1
    assert found.verdict.reasons[0].startswith("itl: the canary is worse than the stable slot beside it (p = ")


def test_a_judgement_shows_what_was_seen() -> None:
    found = judge([1.0, 2.0, 3.0] * 67, [2.0, 4.0, 6.0] * 67)
    (metric,) = found.metrics
    assert metric.stable == {0.5: 2.0, 0.95: 3.0}
    assert metric.canary == {0.5: 4.0, 0.95: 6.0}
    assert (metric.stable_samples, metric.canary_samples, found.stable_requests) == (201, 201, 201)
    assert metric.p_value is not None
    assert found.limit is not None
    assert metric.p_value <= found.limit


def test_a_wide_margin_forgives_what_a_narrow_one_does_not() -> None:
    arms = draw_arms("+20", 2000, default_rng(3))
    assert judge(*arms).verdict.result is Result.FAIL
    assert judge(*arms, margin=0.3).verdict.result is Result.PASS


def test_a_burst_that_fills_half_of_one_arm_is_inconclusive_and_says_how_many_requests_would_tell() -> None:
    stable, canary = draw_arms("iid", 400, default_rng(3))
    canary[100:300] = [each * 4 for each in canary[100:300]]
    found = judge(stable, canary)
    assert found.verdict.result is Result.INCONCLUSIVE
    assert (found.seen.burst_requests or 0) >= 190
    assert f"{12 * (found.seen.burst_requests or 0)} requests of the canary would tell" in found.verdict.reasons[0]


def test_shorter_bursts_make_blocks_longer() -> None:
    stable, canary = draw_arms("+10", 900, default_rng(5))
    stable[300:350] = [each * 5 for each in stable[300:350]]
    found = judge(stable, canary)
    assert (found.seen.burst_requests or 0) >= 45
    assert 900 / found.seen.blocks >= 1.5 * (found.seen.burst_requests or 0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
@pytest.mark.parametrize("slot", ["stable", "canary"])
def test_a_value_that_is_no_measurement_is_inconclusive(slot: str, bad: float) -> None:
    arms = dict(zip(("stable", "canary"), draw_arms("iid", 100, default_rng(3))))
    arms[slot][7] = bad
    found = judge(arms["stable"], arms["canary"])
    assert found.verdict.result is Result.INCONCLUSIVE
    assert f"ttft has 1 samples of {slot} that are no measurement, such as {bad}" in found.verdict.reasons[0]


@pytest.mark.parametrize(
    ("stable", "canary"),
    [
        ([], []),
        ([], [1.0] * 100),
        ([1.0] * 100, []),
        ([1.0] * 100, [9.0] * (SAMPLES_MIN - 1)),
        ([1.0] * (SAMPLES_MIN - 1), [9.0] * 100),
        ([1.0] * 100, [None] * 100),
        ([None] * 100, [1.0] * 100),
    ],
)
def test_missing_and_few_samples_never_pass(stable: list[float | None], canary: list[float | None]) -> None:
    found = judge(stable, canary)
    assert found.verdict.result is Result.INCONCLUSIVE
    assert f"at least {SAMPLES_MIN} are needed" in found.verdict.reasons[0]
    assert found.metrics[0].p_value is None


def test_a_metric_that_is_missing_leaves_the_others_judged_and_nothing_passes() -> None:
    stable, canary = draw_arms("iid", 600, default_rng(1))
    arms = Arm({"ttft": stable}), Arm({"ttft": canary})
    found = judge_arms(*arms, THREE[:2])
    assert [each.result for each in found.metrics] == [Result.PASS, Result.INCONCLUSIVE]
    assert found.verdict.result is Result.INCONCLUSIVE
    assert judge_arms(*arms, ()).verdict.result is Result.INCONCLUSIVE


def test_a_first_look_at_which_nobody_has_answered_yet_finds_nothing() -> None:
    release = draw_release("iid", 600, default_rng(1), history=HISTORY)
    stable, canary = ({"ttft": [None] * 130 + arm["ttft"][130:]} for arm in (release.stable, release.canary))
    found = judge_arms(Arm(stable), Arm(canary), TTFT, history=Arm(release.history))
    assert (found.verdict.result, found.looks) == (Result.PASS, 2)


def test_equal_values_are_no_difference() -> None:
    assert judge([1.0] * 600, [1.0] * 600).verdict.result is Result.PASS
    assert judge([0] * 600, [0] * 600).verdict.result is Result.PASS


def test_lists_of_different_length_are_no_arm() -> None:
    with pytest.raises(ValueError, match=r"different lengths: \[1, 2\]"):
        Arm({"ttft": [1.0], "itl": [1.0, 2.0]})
    with pytest.raises(ValueError, match="different lengths"):
        Arm({"ttft": [1.0]}, times=(1.0, 2.0))


def test_a_pass_names_the_smallest_slowdown_that_it_would_have_seen() -> None:
    stable, canary = (Arm({"ttft": arm}) for arm in draw_arms("iid", 600, default_rng(3)))
    found = judge_arms(stable, canary, TTFT)
    assert find_detectable(found, stable, canary, TTFT[0]) == 1.2
    assert find_detectable(found, stable, canary, Measure("ttft", 0.1)) == 1.26
    few = [Arm({"ttft": arm.samples["ttft"][:80]}) for arm in (stable, canary)]
    assert find_detectable(judge_arms(*few, TTFT), *few, TTFT[0]) is None
    burst = replace(found, seen=replace(found.seen, burst_requests=50))
    assert find_detectable(burst, stable, canary, TTFT[0]) is None


def test_a_slower_slot_without_bursts_has_none() -> None:
    stable, canary = draw_arms("+50", 2000, default_rng(3))
    assert longest_burst(stable) == longest_burst(canary) == 0


@pytest.mark.parametrize(("factor", "share"), [(2.5, 0.3), (2.5, 0.7)])
def test_a_burst_is_found_whether_it_fills_the_smaller_or_the_larger_part_of_a_run(factor: float, share: float) -> None:
    latencies, _other = draw_arms("iid", 600, default_rng(3))
    count = int(600 * share)
    latencies[:count] = [each * factor for each in latencies[:count]]
    assert longest_burst(latencies) >= min(count, 600 - count) * 0.9


def test_equal_values_make_no_bursts() -> None:
    assert longest_burst([3.0, 6.0] * 500) == longest_burst([1.0, 2.0, 3.0] * 300) == longest_burst([1.0] * 500) == 0
    assert longest_burst([]) == longest_burst([1.0]) == 0


def test_a_share_of_the_error_is_a_stricter_limit() -> None:
    stable, canary = (Arm({"ttft": arm}) for arm in draw_arms("iid", 600, default_rng(3)))
    assert judge_arms(stable, canary, TTFT, error_share=0.25).limit == pytest.approx(nominal_error(600) / 4)


def test_false_alarms_of_all_worlds_together_stay_within_their_bound() -> None:
    # Three worlds with 1 % and two with 2 % fail 5.6 of 400 releases in the mean: 13 with a probability of 0.5 %.
    failed = sum(results(world, 240, 80).count(Result.FAIL) for world in WORLDS)
    assert failed <= 12
