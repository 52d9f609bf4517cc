# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What many answers mean together: the share that passes, and how like another slot's they are."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality import Prompt
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality_checks import SearchTimeError
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality_limits import (
    Comparison,
    Limits,
    find_problems,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality_verdict import (
    Judged,
    Share,
    evaluate_checks,
    evaluate_comparison,
    judge_prompts,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict
from hypothesis import given
from hypothesis import strategies as st

REFUSED = {"error": "ConnectionRefusedError: [Errno 111]"}
BUSY = {"status": 503, "error": "overloaded"}
DEAD = {"status": 500, "error": "EngineCore encountered an issue"}


def answer(text: str = "yes", **change: Any) -> dict[str, Any]:
    digest = hashlib.sha256(text.encode()).hexdigest()
    whole = {"status": 200, "model": "chat", "finish_reason": "stop", "completion_tokens": 10}
    return {**whole, "text": text, "digest": digest, **change}


def prompts(count: int, **checks: Any) -> list[Prompt]:
    return [Prompt(f"p{index}", ({"content": "?"},), **(checks or {"exact": ("yes",)})) for index in range(count)]


def search(_pattern: str, _text: str, _ignore_case: bool) -> bool:
    raise SearchTimeError("regex: 'x' was searched for more than 1 s")


def judge(answers: list[dict[str, Any]], **limits: Any) -> tuple[Verdict, dict[str, Any]]:
    judged = judge_prompts(prompts(len(answers)), answers, search, "chat")
    return evaluate_checks(judged, Limits(**limits))


def compare(
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]], limits: Limits | None = None, **comparison: Any
) -> tuple[Verdict, dict[str, Any]]:
    return evaluate_comparison(
        prompts(len(ours)), ours, theirs, Comparison(**comparison), limits or Limits(samples_min=1)
    )


# One prompt


@pytest.mark.parametrize(
    ("seen", "state", "reason"),
    [
        (answer(), "passed", None),
        (answer("no"), "failed", "exact: is another text"),
        (DEAD, "failed", "was answered with HTTP 500: EngineCore encountered an issue"),
        (BUSY, "unanswered", "was answered with HTTP 503: overloaded"),
        ({"status": 401, "error": "Unauthorized"}, "unanswered", "was answered with HTTP 401: Unauthorized"),
        (REFUSED, "unanswered", "ConnectionRefusedError: [Errno 111]"),
        ({}, "unanswered", "was answered with HTTP None: None"),
    ],
)
def test_an_answer_passes_fails_or_is_none(seen: dict[str, Any], state: str, reason: str | None) -> None:
    (judged,) = judge_prompts(prompts(1), [seen], search, "chat")
    assert judged == Judged("p0", state, () if reason is None else (reason,))


def test_a_search_without_end_leaves_the_answer_unjudged() -> None:
    (judged,) = judge_prompts(prompts(1, regex="x"), [answer()], search, "chat")
    assert judged == Judged("p0", "unanswered", ("regex: 'x' was searched for more than 1 s",))


def test_a_prompt_without_a_check_is_not_judged() -> None:
    assert judge_prompts([Prompt("p", ())], [REFUSED], search, "chat") == (Judged("p", "unchecked"),)


# The share that passes


def test_all_prompts_that_pass_are_a_pass_with_its_figures() -> None:
    verdict, figures = judge([answer()] * 5)
    assert verdict == Verdict(Result.PASS)
    assert figures == {
        "passed": 5,
        "failed": 0,
        "unanswered": 0,
        "pass_ratio": 1.0,
        "pass_ratio_low": 1.0,
        "pass_ratio_high": 1.0,
    }


def test_too_few_that_pass_are_a_failure_that_names_the_first_prompts() -> None:
    verdict, _figures = judge([answer()] * 3 + [answer("no")] * 7, pass_ratio_min=0.9)
    share, named = verdict.reasons
    assert verdict.result is Result.FAIL
    assert share == "3 of 10 prompts pass (30 %), at least 90 % must"
    assert named.startswith("p3: exact: is another text; p4: ")
    assert named.endswith("; and 2 more")


def test_what_was_not_answered_never_helps_to_pass() -> None:
    verdict, figures = judge([answer()] * 9 + [REFUSED], pass_ratio_min=0.95)
    assert verdict.result is Result.INCONCLUSIVE
    assert verdict.reasons[0] == "9 of 10 prompts pass (90 % to 100 %), at least 95 % must"
    assert verdict.reasons[1] == "p9: ConnectionRefusedError: [Errno 111]"
    assert (figures["pass_ratio"], figures["pass_ratio_low"], figures["pass_ratio_high"]) == (1.0, 0.9, 1.0)


def test_what_was_not_answered_does_not_save_what_fails_without_it() -> None:
    assert judge([answer()] * 5 + [answer("no")] * 4 + [BUSY], pass_ratio_min=0.9)[0].result is Result.FAIL


def test_enough_passes_even_if_the_unanswered_had_failed_are_a_pass() -> None:
    assert judge([answer()] * 9 + [REFUSED], pass_ratio_min=0.9)[0].result is Result.PASS


def test_too_few_judged_answers_are_no_verdict() -> None:
    verdict, _figures = judge([answer()] * 4 + [REFUSED] * 6, pass_ratio_min=0.1)
    assert verdict.result is Result.INCONCLUSIVE
    assert verdict.reasons[0] == "4 answers could be judged, at least 5 are wanted (samples_min)"
    assert judge([REFUSED] * 9)[0].result is Result.INCONCLUSIVE
    assert judge([answer("no")] * 4)[0].result is Result.INCONCLUSIVE


def test_an_engine_that_is_dead_fails() -> None:
    assert judge([DEAD] * 9)[0].result is Result.FAIL


def test_with_confidence_a_few_right_answers_are_no_proof_and_the_words_say_how_many_are() -> None:
    verdict, _figures = judge([answer()] * 20, pass_ratio_min=0.9, confidence=0.95)
    assert verdict.result is Result.INCONCLUSIVE
    (reason,) = verdict.reasons
    assert reason.startswith(
        "20 of 20 prompts pass (88.1 % to 100 % with confidence 0.95), at least 90 % must; it takes 25"
    )
    assert judge([answer()] * 25, pass_ratio_min=0.9, confidence=0.95)[0].result is Result.PASS


def test_with_confidence_a_failure_is_certain_and_no_number_of_prompts_helps() -> None:
    verdict, _figures = judge([answer()] * 12 + [answer("no")] * 13, pass_ratio_min=0.9, confidence=0.95)
    assert verdict.result is Result.FAIL
    assert "it takes" not in verdict.reasons[0]
    doubtful, _figures = judge([answer()] * 17 + [answer("no")] * 3, pass_ratio_min=0.9, confidence=0.95)
    assert doubtful.result is Result.INCONCLUSIVE
    assert "it takes" not in doubtful.reasons[0]


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.floats(0.01, 1), st.sampled_from([None, 0.9]))
def test_unanswered_questions_make_no_verdict_certain_that_their_answers_could_turn(
    good: int, bad: int, unknown: int, minimum: float, confidence: float | None
) -> None:
    result = Share(good, bad, unknown).judge(minimum, confidence)
    if result is not Result.INCONCLUSIVE:
        assert Share(good + unknown, bad).judge(minimum, confidence) is result
        assert Share(good, bad + unknown).judge(minimum, confidence) is result


def test_nothing_at_all_is_no_verdict() -> None:
    assert Share(0, 0).judge(0.5, None) is Result.INCONCLUSIVE
    assert evaluate_checks([], Limits())[0].result is Result.INCONCLUSIVE


# Beside another slot


def test_equal_answers_pass_with_the_figures() -> None:
    verdict, figures = compare([answer()] * 5, [answer()] * 5)
    assert verdict == Verdict(Result.PASS)
    assert figures == {
        "pairs": 5,
        "exact_match_ratio": 1.0,
        "exact_match_ratio_low": 1.0,
        "exact_match_ratio_high": 1.0,
        "differing": [],
        "emptied": [],
        "completion_tokens_median": 10,
        "baseline_completion_tokens_median": 10,
    }


def test_too_many_other_answers_fail_and_are_named() -> None:
    verdict, figures = compare([answer()] * 8 + [answer("no")] * 2, [answer()] * 10)
    assert verdict.result is Result.FAIL
    assert verdict.reasons == ("8 of 10 answers equal the baseline's (80 %), at least 90 % must",)
    assert figures["differing"] == ["p8", "p9"]
    assert compare([answer()] * 9 + [answer("no")], [answer()] * 10)[0].result is Result.PASS


def test_texts_that_differ_after_what_is_kept_differ() -> None:
    assert compare([answer(digest="a")] * 3, [answer(digest="b")] * 3)[0].result is Result.FAIL


@pytest.mark.parametrize("seen", [DEAD, answer(finish_reason="abort")])
def test_a_whole_answer_of_the_baseline_without_an_equal_is_a_difference(seen: dict[str, Any]) -> None:
    verdict, figures = compare([answer()] * 3 + [seen], [answer()] * 4)
    assert (verdict.result, figures["differing"]) == (Result.FAIL, ["p3"])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(REFUSED, answer()), (answer(), BUSY), (answer(), DEAD), (answer(), answer(finish_reason="abort"))],
)
def test_a_pair_that_was_not_seen_is_no_match(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    verdict, figures = compare([answer()] * 4 + [ours], [answer()] * 4 + [theirs])
    assert verdict.result is Result.INCONCLUSIVE
    assert figures["pairs"] == 4
    assert verdict.reasons[0] == "4 of 5 answers equal the baseline's (80 % to 100 %), at least 90 % must"
    assert verdict.reasons[1].startswith("0 answers are empty where the baseline's are not, 1 are unknown")


def test_too_few_pairs_are_no_verdict() -> None:
    verdict, _figures = compare([answer()] * 4, [answer()] * 4, Limits())
    assert verdict == Verdict(
        Result.INCONCLUSIVE, ("4 pairs of answers can be compared, at least 5 are wanted (samples_min)",)
    )


def test_answers_that_became_empty_fail_even_where_answers_may_differ() -> None:
    ours = [answer()] * 9 + [answer("")]
    verdict, figures = compare(ours, [answer()] * 10, exact_match_ratio_min=0)
    assert verdict.result is Result.FAIL
    assert verdict.reasons == ("1 answers are empty where the baseline's are not: p9; at most 0 % may",)
    assert figures["emptied"] == ["p9"]
    assert compare(ours, [answer()] * 10, exact_match_ratio_min=0, empty_ratio_max=0.1)[0].result is Result.PASS
    assert compare([answer("")] * 5, [answer("")] * 5)[0].result is Result.PASS


@pytest.mark.parametrize(("ours", "result"), [(13, Result.FAIL), (12, Result.PASS), (8, Result.PASS), (7, Result.FAIL)])
def test_lengths_may_drift_within_the_limit_to_both_sides(ours: int, result: Result) -> None:
    verdict, _figures = compare([answer(completion_tokens=ours)] * 5, [answer()] * 5)
    assert verdict.result is result


def test_a_drift_is_told_with_both_lengths() -> None:
    verdict, _figures = compare([answer(completion_tokens=20)] * 5, [answer()] * 5)
    assert verdict.reasons == (
        "the answers have 20 tokens, the baseline's 10 (medians): 100 % apart, at most 25 % may be",
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(None, 10), (10, None), (True, 10), (-1, 10), ("10", 10), (0, 0)],
)
def test_lengths_that_are_not_known_do_not_pass(ours: Any, theirs: Any) -> None:
    verdict, _figures = compare([answer(completion_tokens=ours)] * 5, [answer(completion_tokens=theirs)] * 5)
    assert verdict.result is Result.INCONCLUSIVE
    assert "(usage)" in verdict.reasons[0]


def test_confidence_counts_for_equal_answers_too() -> None:
    limits = Limits(confidence=0.95)
    assert compare([answer()] * 24, [answer()] * 24, limits)[0].result is Result.INCONCLUSIVE
    assert compare([answer()] * 25, [answer()] * 25, limits)[0].result is Result.PASS


# Limits


def complaints(count: int, comparison: Comparison | None = None, checked: bool = True, **limits: Any) -> list[str]:
    some = prompts(count) if checked else [Prompt("p", ())] * count
    return [problem.render() for problem in find_problems(some, Limits(**limits), comparison)]


def test_sound_limits_have_no_problems() -> None:
    assert complaints(5) == []
    assert complaints(25, Comparison(), pass_ratio_min=0.9, confidence=0.95) == []
    assert complaints(5, Comparison(exact_match_ratio_min=0), pass_ratio_min=0, confidence=0.9) == []
    assert complaints(5, Comparison(), checked=False) == []


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (complaints(5, pass_ratio_min=1.5), "pass_ratio_min: is no ratio (got 1.5); allowed: 0 to 1"),
        (complaints(5, Comparison(exact_match_ratio_min=-1)), "comparison.exact_match_ratio_min: is no ratio (got -1)"),
        (complaints(5, Comparison(empty_ratio_max=2)), "comparison.empty_ratio_max: is no ratio (got 2)"),
        (complaints(5, Comparison(length_drift_ratio_max=-1)), "comparison.length_drift_ratio_max: is out of range"),
        (complaints(5, samples_min=0), "samples_min: is out of range (got 0); allowed: 1 or more"),
        (complaints(5, confidence=95), "confidence: is out of range (got 95); allowed: above 0.5 and below 1"),
        (complaints(4), "prompts: there are too few prompts with a check (got 4); allowed: 5 or more"),
        (complaints(5, checked=False), "prompts: there are too few prompts with a check (got 0)"),
        (complaints(4, Comparison(), checked=False), "prompts: there are too few prompts (got 4)"),
        (complaints(9, confidence=0.9), "pass_ratio_min: can be shown with confidence by no number of prompts (got 1)"),
        (
            complaints(24, pass_ratio_min=0.9, confidence=0.95),
            "pass_ratio_min: cannot be shown by 24 prompts with a check (got 0.9); allowed: 25 or more of them",
        ),
        (
            complaints(24, Comparison(), checked=False, confidence=0.95),
            "comparison.exact_match_ratio_min: cannot be shown by 24 prompts (got 0.9); allowed: 25 or more of them",
        ),
    ],
)
def test_limits_that_nothing_can_meet_are_told_before_anything_is_asked(found: list[str], words: str) -> None:
    assert [text for text in found if text.startswith(words)], found
