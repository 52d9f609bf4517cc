# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts over runs: what may pass, what fails and what nobody can say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.baseline import (
    Baseline,
    compare,
    find_incomparable,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_results import (
    parse_document,
    parse_runs,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_run import BenchmarkRun
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_verdict import (
    Judgement,
    Source,
    evaluate_benchmark,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.criteria import (
    Criterion,
    parse_criteria,
    parse_slo,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result
from numpy.random import default_rng

from tests.support.benchmarks import DATA, own_result, own_target
from tests.support.latencies import draw_arms

EASY = {"ttft_p95_ms_max": 10_000}


def own(**target: Any) -> BenchmarkRun:
    return parse_runs([own_result(targets={"chat": own_target(**target)})], "r.json")[0]


def slo(**limits: float) -> list[Criterion]:
    return parse_slo(limits, [])


def relative(metric: str = "ttft_p95_ms", percent: float = 5.0, operator: str = "<=") -> list[Criterion]:
    item = {"metric": metric, "operator": operator, "value": percent, "unit": "percent", "relative": True}
    return parse_criteria([item], [])


def judge(
    run: BenchmarkRun,
    criteria: Sequence[Criterion],
    baseline: BenchmarkRun | None = None,
    beside: bool = False,
    gpus: int | None = None,
    **expressions: Any,
) -> Judgement:
    other = Source(baseline, expressions.pop("before", {}), gpus) if baseline is not None else None
    compared = Baseline(baseline, beside) if baseline is not None else None
    return evaluate_benchmark(Source(run, expressions, gpus), criteria, compared, other)


def verdict(*args: Any, **more: Any) -> tuple[Result, str]:
    found = judge(*args, **more).verdict
    return found.result, "; ".join(found.reasons)


def with_two_families(seconds: Sequence[float]) -> BenchmarkRun:
    run = with_samples(seconds)
    latencies = {"e2e_p95_ms": run.metrics["ttft_p95_ms"]}
    return replace(run, samples={**run.samples, "e2e": run.samples["ttft"]}, metrics={**run.metrics, **latencies})


def with_samples(seconds: Sequence[float | None], **target: Any) -> BenchmarkRun:
    values = [None if each is None else each * 1000 for each in seconds]
    ordered = sorted(each for each in values if each is not None)
    run = own(samples=values, completed=len(ordered), failed=len(values) - len(ordered), **target)
    place = int(0.95 * (len(ordered) - 1))
    return replace(run, metrics={**run.metrics, "ttft_p95_ms": ordered[place]})


def test_a_run_within_its_limits_passes_without_a_word() -> None:
    found = judge(own(), slo(ttft_p95_ms_max=500, goodput_ratio_min=0.9, error_ratio_max=0))
    assert found.verdict.result is Result.PASS
    assert found.verdict.reasons == ()
    assert found.remarks == ()
    assert [row.observed for row in found.rows] == [150.0, 0.99, 0.0]


def test_a_value_outside_its_limit_fails_with_value_limit_and_place() -> None:
    result, reasons = verdict(own(), slo(ttft_p95_ms_max=100))
    assert (result, reasons) == (Result.FAIL, "ttft_p95_ms is 150 ms, limit <= 100 ms (slo.ttft_p95_ms_max)")


def test_how_far_a_failing_percentile_can_be_trusted_is_told_when_samples_are_there() -> None:
    run = with_samples([float(each) for each in range(1, 101)])
    assert "; with 95 % confidence it is 90000 to 100000 ms" in verdict(run, slo(ttft_p95_ms_max=1))[1]
    few = with_samples([float(each) for each in range(1, 61)])
    assert "to unbounded ms" in verdict(few, slo(ttft_p95_ms_max=1))[1]


@pytest.mark.parametrize("name", [path.stem for path in sorted(DATA.glob("*all-failed*"))])
def test_a_run_of_which_every_request_failed_fails_whatever_the_latency_limit(name: str) -> None:
    (run,) = parse_runs(parse_document((DATA / f"{name}.json").read_text(), name), name)
    result, reasons = verdict(run, slo(**EASY))
    assert result is Result.FAIL
    assert reasons.startswith("none of 8 requests has succeeded")
    assert "ttft" not in reasons


def test_survivors_do_not_pass_by_being_fast() -> None:
    (run,) = parse_runs(parse_document((DATA / "vllm-0.11.1-faults.json").read_text(), "v"), "v")
    result, reasons = verdict(run, slo(tpot_mean_ms_max=100))
    assert result is Result.FAIL
    assert "error_ratio is 0.291667, limit <= 0 (the default (no criterion says how many may fail))" in reasons


def test_a_percentile_that_falls_on_a_failed_request_fails() -> None:
    result, reasons = verdict(own(completed=360, failed=40), slo(ttft_p95_ms_max=10_000, error_ratio_max=0.2))
    assert (result, reasons) == (
        Result.FAIL,
        "ttft_p95_ms: 10.0% of the requests failed, so that it falls on a failed one",
    )
    assert verdict(own(completed=360, failed=40), slo(ttft_p50_ms_max=10_000, error_ratio_max=0.2))[0] is Result.PASS


def test_failed_requests_are_told_by_their_kind() -> None:
    assert (
        "error_ratio is 0.1, limit <= 0.05 (slo.error_ratio_max): 40 x http_500"
        in verdict(own(completed=360, failed=40), slo(error_ratio_max=0.05))[1]
    )


def test_an_error_ratio_that_so_few_requests_cannot_show_is_remarked() -> None:
    found = judge(own(completed=100), slo(error_ratio_max=0.001))
    assert found.verdict.result is Result.PASS
    (remark,) = found.remarks
    assert "0 of 100 requests failed, which is within <= 0.001, but with 95 % confidence" in remark
    assert "the true ratio may be up to 0.036: only more requests could show less" in remark
    assert judge(own(completed=5000), slo(error_ratio_max=0.001)).remarks == ()


@pytest.mark.parametrize(("key", "words"), [("completed", "completed"), ("failed", "failed")])
def test_counts_that_are_missing_fail(key: str, words: str) -> None:
    run = replace(own(), **{key: None})
    result, reasons = verdict(run, slo(requests_failed_max=0))
    assert result is Result.FAIL
    assert f"the result does not say how many requests have {words}" in reasons


def test_requests_that_nobody_counted_fail() -> None:
    result, reasons = verdict(replace(own(), requested=403), slo(**EASY))
    assert (result, reasons) == (Result.FAIL, "403 requests were wanted, 400 completed and 0 failed: 400 in all")


def test_an_interrupted_run_never_passes_and_keeps_its_figures() -> None:
    found = judge(replace(own(), partial=True, requested=900), slo(**EASY))
    assert found.verdict.result is Result.INCONCLUSIVE
    assert "interrupted" in found.verdict.reasons[0]
    assert "900 requests were wanted" in found.verdict.reasons[1]
    assert found.rows[1].observed == 150.0


def test_a_client_that_was_too_slow_is_inconclusive() -> None:
    assert verdict(replace(own(), doubts=("the client was too slow",)), slo(**EASY)) == (
        Result.INCONCLUSIVE,
        "the client was too slow",
    )


@pytest.mark.parametrize("value", [0.0, None, float("nan")])
def test_a_missing_value_fails_with_the_reason(value: float | None) -> None:
    run = own(metrics={"ttft_p95_ms": value})
    result, reasons = verdict(run, slo(ttft_p95_ms_max=500))
    assert result is Result.FAIL
    assert "ttft_p95_ms is missing: phases[0].targets.chat.ttft_ms.p95 is" in reasons


def test_a_metric_that_the_tool_does_not_measure_fails() -> None:
    (run,) = parse_runs(parse_document((DATA / "guidellm-0.6.1-faults.json").read_text(), "g"), "g")
    assert "itl_p95_ms is missing: guidellm has not measured it" in verdict(run, slo(itl_p95_ms_max=5))[1]


def test_tokens_of_a_server_that_sends_no_usage_are_unknown_and_no_failure() -> None:
    run = own(tokens=None, metrics={"ttft_p95_ms": 1.0})
    assert verdict(run, slo(tpot_mean_ms_max=50))[0] is Result.INCONCLUSIVE
    assert verdict(run, slo(throughput_tokens_per_second_min=1))[0] is Result.INCONCLUSIVE
    assert verdict(run, slo(goodput_ratio_min=0.5))[0] is Result.FAIL


@pytest.mark.parametrize(
    ("metric", "completed", "result"),
    [
        ("ttft_p95_ms", 58, "inconclusive"),
        ("ttft_p95_ms", 59, "pass"),
        ("ttft_p99_ms", 298, "inconclusive"),
        ("ttft_p99_ms", 299, "pass"),
        ("ttft_mean_ms", 1, "pass"),
    ],
)
def test_a_percentile_of_too_few_samples_is_inconclusive(metric: str, completed: int, result: str) -> None:
    found, reasons = verdict(own(completed=completed), slo(**{f"{metric}_max": 500}))
    assert found.value == result
    if found is not Result.PASS:
        assert f"but of {completed} samples; a p" in reasons


def test_throughput_is_divided_by_the_gpus_that_are_known() -> None:
    criteria = slo(throughput_tokens_per_second_per_gpu_min=900)
    assert verdict(own(), criteria, gpus=2)[0] is Result.PASS
    assert "is 450 tokens/s, limit >= 900 tokens/s" in verdict(own(), criteria, gpus=4)[1]
    assert "the number of GPUs is unknown: set gpus" in verdict(own(), criteria)[1]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, ""),
        (70, "a is 70 watt, limit < 10 watt (criteria[0])"),
        (None, "a is missing: the expression finds nothing (null or absent)"),
        ("7", "a is missing: the expression finds '7'"),
        (True, "a is missing: the expression finds True"),
        (float("nan"), "a is missing: the expression finds nan"),
        (float("inf"), "a is missing: the expression finds inf"),
    ],
)
def test_an_expression_is_judged_by_the_number_that_it_finds(value: Any, expected: str) -> None:
    criteria = parse_criteria([{"expression": "a", "operator": "<", "value": 10, "unit": "watt"}], [])
    result, reasons = verdict(own(), criteria, a=value)
    assert (result is Result.PASS) is not bool(expected)
    assert reasons == expected


def test_an_expression_is_compared_with_that_of_the_baseline_by_the_limit_alone() -> None:
    criteria = parse_criteria(
        [{"expression": "a", "operator": "<=", "value": 1.1, "unit": "ratio", "relative": True}], []
    )
    assert verdict(own(), criteria, own(), a=11, before={"a": 10})[0] is Result.PASS
    assert (
        "a is 12, 1.200 times the baseline of 10, limit <= 1.1 x baseline"
        in verdict(own(), criteria, own(), a=12, before={"a": 10})[1]
    )
    assert "a has no baseline: the expression finds nothing" in verdict(own(), criteria, own(), a=12)[1]
    assert "a has no baseline: it is 0" in verdict(own(), criteria, own(), a=12, before={"a": 0})[1]


def test_without_samples_only_the_limit_is_left_and_the_reason_says_so() -> None:
    slower = replace(own(), metrics={**own().metrics, "ttft_p95_ms": 160.0})
    assert "judged by the limit alone: no raw samples on both sides" in verdict(slower, relative(), own())[1]
    found = judge(slower, relative(percent=10), own())
    assert found.verdict.result is Result.PASS
    assert "1.067 times the baseline of 150 ms" in found.rows[-1].reason


def test_a_floor_for_throughput_relative_to_the_baseline() -> None:
    criteria = relative("throughput_tokens_per_second", -5, ">=")
    assert verdict(own(), criteria, own())[0] is Result.PASS
    less = replace(own(), metrics={**own().metrics, "throughput_tokens_per_second": 1600.0})
    assert "0.889 times the baseline of 1800 tokens/s, limit >= 0.95 x baseline" in verdict(less, criteria, own())[1]


def test_no_baseline_is_inconclusive() -> None:
    assert verdict(own(), relative()) == (Result.INCONCLUSIVE, "ttft_p95_ms has no baseline: none was given")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"tool": "guidellm"}, "was measured by guidellm, this run by serving_benchmark"),
        ({"partial": True}, "the baseline was interrupted"),
        ({"doubts": ("slow client",)}, "the baseline cannot be trusted: slow client"),
        ({"completed": 0}, "no request of the baseline has succeeded"),
    ],
)
def test_a_baseline_that_cannot_be_compared_is_inconclusive(change: dict[str, Any], expected: str) -> None:
    other = replace(own(), **change)
    result, reasons = verdict(own(), relative(), other)
    assert result is Result.INCONCLUSIVE
    assert expected in reasons
    assert find_incomparable(own(), Baseline(own())) is None


def test_a_doubt_about_a_client_is_told_once_when_it_asked_both_side_by_side() -> None:
    before, same = draw_arms("iid", 600, default_rng(1))
    doubts = ("client too slow",)
    run, other = (replace(with_samples(each), doubts=doubts) for each in (same, before))
    assert verdict(run, relative(), other, True) == (Result.INCONCLUSIVE, "client too slow")


def test_a_stored_baseline_with_samples_fails_only_beyond_doubt() -> None:
    before, same = draw_arms("iid", 600, default_rng(1))
    _same, slower = draw_arms("+50", 600, default_rng(2))
    stored = with_samples(before)
    result, reasons = verdict(with_samples(slower), relative(), stored)
    assert result is Result.FAIL
    assert "beyond doubt (p = " in reasons
    assert "of 600 samples against 600 stored ones" in reasons
    found = judge(with_samples(same), relative(percent=30), stored)
    assert found.verdict.result is Result.PASS
    assert "600 samples against 600 stored ones" in found.rows[-1].reason


def test_a_difference_within_noise_is_inconclusive() -> None:
    before, _other = draw_arms("iid", 80, default_rng(1))
    _same, slower = draw_arms("+10", 80, default_rng(4))
    result, reasons = verdict(with_samples(slower), relative(), with_samples(before))
    assert result is Result.INCONCLUSIVE
    assert "but within noise" in reasons


def test_bursts_make_a_difference_to_a_stored_baseline_inconclusive() -> None:
    before, now = draw_arms("iid", 600, default_rng(1))
    now[100:200] = [each * 5 for each in now[100:200]]
    result, reasons = verdict(with_samples(now), relative(), with_samples(before))
    assert result is Result.INCONCLUSIVE
    assert "slow requests come together" in reasons


def test_samples_that_are_all_lost_are_inconclusive() -> None:
    run = replace(own(), samples={"ttft": (None, None)})
    stored = with_samples([0.01] * 400)
    assert "no request of one side has samples" in verdict(run, relative(), stored)[1]


def test_a_baseline_beside_it_is_judged_by_the_canary_judge() -> None:
    before, slower = draw_arms("+50", 600, default_rng(2))
    result, reasons = verdict(with_samples(slower), relative(), with_samples(before), True)
    assert result is Result.FAIL
    assert "the canary is worse than the stable slot beside it" in reasons
    before, same = draw_arms("iid", 600, default_rng(1))
    found = judge(with_samples(same), relative(), with_samples(before), True)
    assert found.verdict.result is Result.PASS
    assert "a slowdown to 1.20 times would have been seen with 80 % power" in found.rows[-1].reason


def test_a_pass_of_few_pairs_claims_no_power() -> None:
    before, same = draw_arms("iid", 80, default_rng(1))
    found = judge(with_samples(same), relative(), with_samples(before), True)
    assert found.verdict.result is Result.PASS
    assert "power" not in found.rows[-1].reason


def test_a_failed_request_has_no_latency_and_leaves_the_others_compared() -> None:
    before, now = draw_arms("iid", 100, default_rng(1))
    run, stored = with_samples([None, *now[1:]]), with_samples([*before[:-1], None])
    (criterion,) = relative()
    compared = compare(run, Baseline(stored, beside=True), criterion, 1.0, [criterion])
    assert compared.result is Result.PASS
    assert "not worse beyond the margin" in compared.note


def test_metrics_that_are_compared_side_by_side_share_one_error_in_one_test() -> None:
    before, slower = draw_arms("+50", 600, default_rng(2))
    run, stored = (with_two_families(arm) for arm in (slower, before))
    both = judge(run, [*relative("e2e_p95_ms"), *relative()], stored, True)
    assert [row.result for row in both.rows[-2:]] == [Result.FAIL, Result.FAIL]
    assert "ttft <= 1.05 x baseline: the canary is worse" in both.rows[-1].reason
    assert "limit 0.022)" in both.rows[-1].reason
    assert "limit 0.022)" in judge(run, relative(), stored, True).rows[-1].reason


def test_metrics_that_are_compared_with_a_stored_baseline_have_a_part_of_the_error_each() -> None:
    before, slower = draw_arms("+50", 600, default_rng(2))
    run, stored = (with_two_families(arm) for arm in (slower, before))
    both = judge(run, [*relative("e2e_p95_ms"), *relative()], stored)
    assert "limit 0.011)" in both.rows[-1].reason
    assert "limit 0.022)" in judge(run, relative(), stored).rows[-1].reason


def test_a_limit_from_below_on_a_latency_is_judged_by_the_limit_alone() -> None:
    before, same = draw_arms("iid", 600, default_rng(1))
    found = judge(with_samples(same), relative(percent=-50, operator=">="), with_samples(before))
    assert "no test for this direction" in found.rows[-1].reason
