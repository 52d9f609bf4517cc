# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.arms import Arm, Measure
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_judge import ArmJudgement, judge_arms
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_verdict import (
    LATENCY,
    Evidence,
    StepVerdict,
    evaluate_step,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.load_equality import Load
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict
from hypothesis import given
from hypothesis import strategies as st

PASS = Verdict(Result.PASS)
EQUAL = Load(True, "latency is judged: alike", 1.0)
UNEQUAL = Load(False, "latency is not judged: idle", 0.2)
RESULTS = st.none() | st.sampled_from(Result)


def fail(reason: str = "broken") -> Verdict:
    return Verdict(Result.FAIL, (reason,))


def unsure(reason: str = "no series") -> Verdict:
    return Verdict(Result.INCONCLUSIVE, (reason,))


def arms(canary: Sequence[float]) -> ArmJudgement:
    return judge_arms(Arm({"ttft": [1.0, 2.0] * 50}), Arm({"ttft": canary}), [Measure("ttft")])


ALIKE, SLOWER, FEW = arms([1.0, 2.0] * 50), arms([3.0, 6.0] * 50), arms([1.0])


def step(*evidence: Evidence, wanted: Sequence[str] = ("health",)) -> StepVerdict:
    return evaluate_step(evidence, wanted, UNEQUAL)


def verdict_of(result: Result | None) -> Verdict | None:
    return None if result is None else Verdict(result, (result.value,))


def test_what_was_asked_for_and_is_fine_passes() -> None:
    found = step(Evidence("health", PASS), Evidence("errors", None, None, PASS), wanted=("health", "errors"))
    assert (found.verdict, found.latency_judged) == (PASS, False)


@pytest.mark.parametrize(
    ("canary", "stable", "compared", "expected"),
    [
        (fail(), PASS, PASS, Result.FAIL),
        (fail(), None, None, Result.FAIL),
        (fail(), unsure(), PASS, Result.FAIL),
        (fail(), fail("the same"), PASS, Result.INCONCLUSIVE),
        (fail(), fail("the same"), None, Result.INCONCLUSIVE),
        # Both are bad, and the canary is worse.
        (fail(), fail("the same"), fail("worse"), Result.FAIL),
        (PASS, fail("the same"), PASS, Result.PASS),
        (PASS, PASS, fail("worse"), Result.FAIL),
        (PASS, PASS, unsure(), Result.INCONCLUSIVE),
        (unsure(), PASS, PASS, Result.INCONCLUSIVE),
        (None, PASS, None, Result.INCONCLUSIVE),
        (None, None, None, Result.INCONCLUSIVE),
    ],
)
def test_a_part_joins_what_the_slots_show_alone_and_together(
    canary: Verdict | None, stable: Verdict | None, compared: Verdict | None, expected: Result
) -> None:
    assert step(Evidence("health", canary, stable, compared)).verdict.result is expected


def test_a_stable_slot_that_is_as_bad_is_named_as_the_reason_to_stay() -> None:
    reasons = step(Evidence("health", fail("canary crashes"), fail("stable crashes"))).verdict.reasons
    assert reasons == (
        "health: both slots degrade together, so that going back would not help",
        "canary crashes",
        "stable crashes",
    )


def test_what_was_asked_for_and_not_looked_at_never_passes() -> None:
    found = step(Evidence("health", PASS), wanted=("health", "metrics", "quality", "metrics"))
    assert found.verdict == Verdict(Result.INCONCLUSIVE, ("metrics was not observed", "quality was not observed"))


def test_nothing_at_all_never_passes() -> None:
    assert step(wanted=()).verdict.result is Result.INCONCLUSIVE
    assert evaluate_step([], [LATENCY], UNEQUAL).verdict.result is Result.INCONCLUSIVE


def test_at_unequal_load_the_other_parts_decide_and_the_report_says_so() -> None:
    for latencies in (ALIKE, SLOWER, None):
        found = evaluate_step([Evidence("health", PASS)], ["health", LATENCY], UNEQUAL, latencies)
        assert (found.verdict.result, found.latency_judged) == (Result.PASS, False)
        assert (found.parts[-1].result, found.parts[-1].reasons) == (None, ("latency is not judged: idle",))


def test_where_latency_is_required_nothing_passes_without_it() -> None:
    found = evaluate_step([Evidence("health", PASS)], [LATENCY], UNEQUAL, ALIKE, latency_required=True)
    assert found.verdict == unsure("latency is not judged: idle")


def test_at_equal_load_latency_decides_too() -> None:
    health = [Evidence("health", PASS)]
    assert evaluate_step(health, [LATENCY], EQUAL, ALIKE) == StepVerdict(
        PASS, evaluate_step(health, [LATENCY], EQUAL, ALIKE).parts, True
    )
    slower = evaluate_step(health, [LATENCY], EQUAL, SLOWER)
    assert (slower.verdict.result, slower.latency_judged) == (Result.FAIL, True)
    few = evaluate_step(health, [LATENCY], EQUAL, FEW)
    assert (few.verdict.result, few.latency_judged) == (Result.INCONCLUSIVE, False)
    assert evaluate_step(health, [LATENCY], EQUAL).verdict == unsure("latency was not observed")


def test_latency_that_was_measured_without_being_asked_for_counts() -> None:
    assert evaluate_step([Evidence("health", PASS)], ["health"], EQUAL, SLOWER).verdict.result is Result.FAIL


@given(st.lists(st.tuples(RESULTS, RESULTS, RESULTS), max_size=4), st.booleans())
def test_a_step_passes_only_where_every_part_of_the_canary_does(
    rows: list[tuple[Result | None, Result | None, Result | None]], required: bool
) -> None:
    evidence = [Evidence(f"part{place}", *map(verdict_of, row)) for place, row in enumerate(rows)]
    found = evaluate_step(evidence, [each.name for each in evidence], UNEQUAL, latency_required=required)
    fine = bool(rows) and all(
        {canary, compared} <= {None, Result.PASS} and Result.PASS in (canary, compared)
        for canary, _stable, compared in rows
    )
    assert (found.verdict.result is Result.PASS) == fine
    if any(compared is Result.FAIL for _canary, _stable, compared in rows):
        assert found.verdict.result is Result.FAIL
