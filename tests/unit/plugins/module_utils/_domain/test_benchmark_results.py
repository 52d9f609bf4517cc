# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result files of each tool and version, read into one form; each trap that they hold is a test."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_results import (
    parse_document,
    parse_runs,
    select_run,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_run import BenchmarkRun
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError

from tests.support.benchmarks import DATA, own_result, own_target

FILES = sorted(path.stem for path in DATA.glob("*.json"))


def read_all(name: str) -> list[BenchmarkRun]:
    return parse_runs(parse_document((DATA / f"{name}.json").read_text(), name), name)


def read(name: str) -> BenchmarkRun:
    return read_all(name)[0]


def change(name: str, **keys: Any) -> BenchmarkRun:
    """Return the run of a file some of whose top keys are other ones; None removes a key."""
    document = {**json.loads((DATA / f"{name}.json").read_text()), **keys}
    return parse_runs([{key: value for key, value in document.items() if value is not None}], name)[0]


def problems(document: Any) -> str:
    with pytest.raises(InputError) as caught:
        parse_runs([document], "r.json")
    return str(caught.value)


@pytest.mark.parametrize("name", [each for each in FILES if each.endswith(("-ok", "-stage_0"))])
def test_a_clean_run_of_any_tool_has_the_same_figures_by_the_same_names(name: str) -> None:
    run = read(name)
    assert (run.requested, run.completed, run.failed, dict(run.errors)) == (24, 24, 0, {})
    # 0.3.1 of guidellm is 10 ms slower at c = 4 on this machine than all others.
    assert run.metrics["ttft_mean_ms"] == pytest.approx(106, abs=6)
    assert run.metrics["ttft_p95_ms"] == pytest.approx(109, abs=7)
    assert run.metrics["tpot_mean_ms"] == pytest.approx(20.0, abs=0.1)
    assert run.metrics["e2e_p50_ms"] == pytest.approx(406, abs=6)
    assert run.metrics["throughput_tokens_per_second"] == pytest.approx(155, abs=6)
    assert run.duration_seconds == pytest.approx(2.5, abs=0.1)
    assert run.samples_behind["ttft"] == run.samples_behind["tpot"] == 24
    assert not run.partial


@pytest.mark.parametrize("name", [each for each in FILES if "faults" in each])
def test_failed_requests_are_counted_whatever_the_version_writes(name: str) -> None:
    run = read(name)
    assert run.completed is not None
    assert run.failed is not None
    assert run.completed + run.failed == run.requested == 24
    assert 6 <= run.failed <= 9


@pytest.mark.parametrize("name", [each for each in FILES if "all-failed" in each])
def test_no_figure_is_left_when_every_request_has_failed(name: str) -> None:
    run = read(name)
    assert (run.completed, run.failed) == (0, 8)
    assert dict(run.metrics) == {}
    assert run.missing["ttft_mean_ms"] == "no request has succeeded" or "count is 0" in run.missing["ttft_mean_ms"]


def test_only_percentiles_that_the_file_has_are_read() -> None:
    assert "ttft_p99_ms" in read("vllm-0.33.0-detailed-goodput").metrics
    assert read("vllm-0.33.0-detailed-goodput").metrics["ttft_p99_9_ms"] == pytest.approx(106.339, abs=1e-3)
    assert "ttft_p90_ms" not in read("inference-perf-0.7.0-ok-summary").metrics
    assert read("guidellm-0.8.1-ok").metrics["ttft_p99_9_ms"] > 0


def test_vllm_before_0_11_1_writes_no_failed_and_it_is_what_was_wanted_but_not_completed() -> None:
    assert read("vllm-0.10.1-faults").failed == 8


def test_vllm_without_a_count_of_what_completed_is_read_and_has_none() -> None:
    run = change("vllm-0.10.1-faults", completed=None)
    assert (run.completed, run.failed, dict(run.metrics)) == (None, None, {})


def test_a_null_count_of_vllm_is_not_computed() -> None:
    document = {**json.loads((DATA / "vllm-0.33.0-all-failed.json").read_text()), "failed": None}
    assert parse_runs([document], "x")[0].failed is None


def test_goodput_of_vllm_becomes_a_share_of_all_requests_and_null_is_missing() -> None:
    assert read("vllm-0.33.0-detailed-goodput").metrics["goodput_ratio"] == pytest.approx(9 / 12)
    run = read("vllm-0.11.0-ok")
    assert "goodput_ratio" not in run.metrics
    assert "--goodput" in run.missing["goodput_ratio"]


def test_details_of_vllm_are_samples_in_ms_without_the_zeros_of_failed_requests() -> None:
    run = read("vllm-0.33.0-detailed-goodput")
    ttft = [each for each in run.samples["ttft"] if each is not None]
    assert len(run.samples["ttft"]) == 12
    assert len(ttft) == 9
    assert min(ttft) > 100
    assert sum(run.errors.values()) == 3
    assert "Internal Server Error" in run.errors


def test_requests_that_waited_in_the_client_are_a_doubt_in_open_loop_only() -> None:
    (doubt,) = read("vllm-0.33.0-detailed-goodput").doubts
    assert "requests waited 632 ms in the client (queue_times), more than 10% of the mean request of 402 ms" in doubt
    assert read("vllm-0.30.0-ok").doubts == ()
    assert "load_summary.schedule_delay.mean" in read("inference-perf-0.7.0-ok-summary").doubts[0]
    assert read("inference-perf-0.7.0-ok-stage_0").doubts == ()
    late = change("aiperf-0.13.0-ok", credit_to_start_latency={"unit": "ms", "avg": 300.0})
    assert "credit_to_start_latency" in late.doubts[0]
    assert read("aiperf-0.13.0-ok").doubts == ()


def test_lines_of_one_file_are_runs_and_none_is_judged_by_accident() -> None:
    runs = read_all("vllm-0.33.0-append-result")
    assert [run.completed for run in runs] == [24, 15]
    with pytest.raises(
        InputError, match=r"target: r.json holds 2 runs; allowed: 0 \(mock\), 1 \(mock\)\. Say which one"
    ):
        select_run(runs, None, "r.json", "target")
    assert select_run(runs, "1", "r.json", "target") == (1, runs[1])
    with pytest.raises(InputError, match=r"2 of them are 'mock'"):
        select_run(runs, "mock", "r.json", "target")


def test_a_target_that_is_misspelt_is_told_the_nearest() -> None:
    runs = parse_runs([own_result(targets={"stable": own_target(), "canary": own_target()})], "r.json")
    assert select_run(runs, "canary", "r.json", "target")[0] == 1
    with pytest.raises(InputError, match=r"0 of them are 'canray' \(got canray\).*Did you mean canary\?"):
        select_run(runs, "canray", "r.json", "target")
    with pytest.raises(InputError, match="none: it holds no run"):
        select_run([], None, "r.json", "target")


def test_the_inter_token_latency_of_guidellm_and_aiperf_is_tpot_and_no_gap() -> None:
    assert "itl_mean_ms" not in read("guidellm-0.8.1-ok").metrics
    # Its own "time per output token" is 25 ms for gaps of 20 ms.
    assert read("guidellm-0.8.1-ok").metrics["tpot_p50_ms"] == pytest.approx(20, abs=0.1)
    aiperf = read("aiperf-0.13.0-ok")
    assert aiperf.samples_behind["itl"] == 360
    assert aiperf.metrics["itl_p95_ms"] > aiperf.metrics["tpot_p95_ms"]


def test_requests_of_guidellm_without_an_end_are_failed_ones() -> None:
    document = json.loads((DATA / "guidellm-0.8.1-faults.json").read_text())
    document["benchmarks"][0]["metrics"]["request_totals"] = {
        "successful": 17,
        "errored": 3,
        "incomplete": 4,
        "total": 24,
    }
    run = parse_runs([document], "x")[0]
    assert (run.failed, dict(run.errors)) == (7, {"errored": 3, "incomplete": 4})


def test_warnings_of_guidellm_about_itself_are_doubts() -> None:
    assert "likely bottlenecked by the data generation" in read("guidellm-0.8.1-ok").doubts[0]


def test_requests_of_guidellm_are_samples_only_when_all_of_them_are_there() -> None:
    assert read("guidellm-0.8.1-ok").samples == {}
    document = json.loads((DATA / "guidellm-0.8.1-ok.json").read_text())
    benchmark = document["benchmarks"][0]
    benchmark["metrics"]["request_totals"]["successful"] = 3
    benchmark["requests"]["successful"] = [
        {"request_start_time": start, "time_to_first_token_ms": ttft, "request_latency": 0.4}
        for start, ttft in ((2.0, 102.0), (1.0, 101.0), (3.0, None))
    ]
    run = parse_runs([document], "x")[0]
    assert run.samples["ttft"] == (101.0, 102.0, None)
    assert run.samples["e2e"] == (400.0, 400.0, 400.0)


def test_the_first_version_of_guidellm_says_its_duration_by_its_ends_alone() -> None:
    document = json.loads((DATA / "guidellm-0.3.1-ok.json").read_text())
    document["benchmarks"][0].pop("duration")
    assert parse_runs([document], "x")[0].duration_seconds == pytest.approx(2.539, abs=1e-3)
    document["benchmarks"][0].pop("end_time")
    assert parse_runs([document], "x")[0].duration_seconds is None


def test_percentiles_of_aiperf_that_fall_on_a_failed_request_are_missing() -> None:
    run = read("aiperf-0.13.0-faults")
    assert run.metrics["ttft_p50_ms"] == pytest.approx(102.91, abs=0.01)
    assert "ttft_p95_ms" not in run.metrics
    assert run.missing["ttft_p95_ms"] == "it falls on a failed request: adj_time_to_first_token has none"
    assert run.errors == {"500 Internal Server Error": 5, "ClientPayloadError": 2}


def test_errors_of_aiperf_are_zero_only_when_all_that_were_wanted_completed() -> None:
    counted = {"request_count": {"unit": "requests", "avg": 20.0}, "error_request_count": None}
    assert change("aiperf-0.13.0-ok", **counted).failed == 4
    assert change("aiperf-0.13.0-ok", **counted, completed_request_count=None).failed == 0
    assert change("aiperf-0.13.0-ok", request_count=None).completed is None


def test_the_unit_of_aiperf_counts() -> None:
    seconds = {"unit": "sec", "avg": 0.1, "p95": 0.12, "count": 24}
    run = change("aiperf-0.13.0-ok", time_to_first_token=seconds, adj_time_to_first_token=None)
    assert run.metrics["ttft_p95_ms"] == pytest.approx(120)
    with pytest.raises(InputError, match=r"time_to_first_token\.unit: expected ns, us, ms, sec, s \(got 'h'\)"):
        change("aiperf-0.13.0-ok", time_to_first_token={**seconds, "unit": "h"})
    with pytest.raises(InputError, match=r"request_throughput\.unit: expected requests/sec"):
        change("aiperf-0.13.0-ok", request_throughput={"unit": "requests/h", "avg": 3.0})


@pytest.mark.parametrize("key", ["was_cancelled", "is_complete"])
def test_a_run_of_aiperf_that_was_cancelled_is_partial(key: str) -> None:
    assert change("aiperf-0.13.0-ok", **{key: key == "was_cancelled"}).partial


def test_inference_perf_names_its_errors_and_what_was_judged() -> None:
    run = read("inference-perf-0.7.0-faults-summary")
    assert run.errors == {"500 - Internal Server Error": 5, "clientpayloaderror": 3}
    assert run.target == "summary of all stages"
    assert read("inference-perf-0.7.0-ok-stage_0").target == "stage"
    assert run.samples_behind["itl"] == 240


def test_gaps_of_inference_perf_without_a_count_of_tokens_are_as_many_as_requests() -> None:
    document = json.loads((DATA / "inference-perf-0.7.0-ok-summary.json").read_text())
    document["successes"].pop("output_tokens")
    assert parse_runs([document], "x")[0].samples_behind["itl"] == 24


def test_vllm_without_a_count_of_tokens_has_no_count_of_gaps() -> None:
    assert "itl" not in change("vllm-0.11.0-ok", total_output_tokens=None).samples_behind


def own(**target: Any) -> BenchmarkRun:
    return parse_runs([own_result(targets={"chat": own_target(**target)})], "r.json")[0]


@pytest.mark.parametrize("value", [0.0, None, float("nan"), float("inf")])
def test_a_latency_of_zero_null_or_no_number_is_missing(value: float | None) -> None:
    run = own(metrics={"ttft_p95_ms": value, "goodput_ratio": 0.0})
    assert dict(run.metrics) == {"goodput_ratio": 0.0}
    assert "phases[0].targets.chat.ttft_ms.p95 is" in run.missing["ttft_p95_ms"]


def test_our_own_result_is_read_whole() -> None:
    run = own(samples=[100.0, None, 120.0], completed=2, failed=1, connect_ms={"mean": 0.0, "count": 2})
    assert (run.tool, run.target, run.phase, run.gpus) == ("serving_benchmark", "chat", "load", 2)
    assert (run.requested, run.completed, run.failed, run.errors) == (3, 2, 1, {"http_500": 1})
    assert run.samples == {"ttft": (100.0, None, 120.0)}
    assert run.samples_behind["itl"] == 30
    assert run.output_tokens == 32
    assert run.duration_seconds == 60
    assert run.metrics["connect_mean_ms"] == 0.0
    assert not run.doubts
    assert not run.partial


def test_answers_without_usage_are_completed_and_have_no_tokens() -> None:
    run = own(requests={"issued": 5, "ok": 3, "without_usage": 2, "failed": 0, "lost": 0}, tokens=None)
    assert (run.requested, run.completed, run.failed, run.output_tokens) == (5, 5, 0, None)
    assert own(requests={"issued": 5}).completed is None


def test_further_keys_of_our_own_result_are_no_matter() -> None:
    assert own(samples=[1.0], extra=1).samples == {"ttft": (1.0,)}
    assert parse_runs([own_result(schema="llmops.dev/benchmark-result/v1", extra={"a": 1})], "x")[0].completed == 400


def test_a_target_of_several_phases_is_named_with_its_phase() -> None:
    document = own_result()
    document["phases"].append({**document["phases"][0], "name": "more"})
    assert [run.target for run in parse_runs([document], "x")] == ["load/chat", "more/chat"]


def test_our_own_result_says_what_its_client_could_not() -> None:
    slow = "client too slow: its loop lagged by 12 ms at p99, limit 10 ms"
    assert parse_runs([own_result(doubts=[slow])], "x")[0].doubts == (slow,)
    assert "does not say whether the client kept up" in parse_runs([own_result(doubts=None)], "x")[0].doubts[0]
    assert parse_runs([own_result(partial=True)], "x")[0].partial


def test_gpus_that_nobody_named_are_unknown() -> None:
    assert parse_runs([own_result(gpus=0)], "x")[0].gpus is None
    assert parse_runs([own_result(settings={})], "x")[0].gpus is None


def test_our_own_result_of_another_version_is_refused_with_what_is_known() -> None:
    newer = own_result(schema="llmops.dev/benchmark-result/v2")
    assert "r.json: schema: expected 1 or llmops.dev/benchmark-result/v1 (got 'llmops.dev" in problems(newer)
    assert "r.json: schema: expected 1 or" in problems(own_result(schema=2))


def test_a_run_that_measured_nothing_says_why() -> None:
    nothing = own_result(phases=[], inconclusive=["no warm-up request was answered, so nothing was measured"])
    assert "phases: nothing was measured: no warm-up request was answered" in problems(nothing)
    assert "r.json: phases: nothing was measured (got None)" in problems(own_result(phases=None))


def test_every_wrong_type_is_told_with_its_key() -> None:
    target = own_target(metrics={"ttft_p95_ms": "fast"}, classes=3)
    target["requests"] = {"issued": 1.5, "ok": -1, "without_usage": 0, "failed": True}
    target["samples"] = {"ttft_us": 7}
    text = problems(own_result(targets={"chat": target}, partial="no", started_at=1))
    for expected in (
        "targets.chat.ttft_ms.p95: expected a number or null (got 'fast')",
        "targets.chat.requests.issued: expected a whole number, zero or more (got 1.5)",
        "targets.chat.requests.ok: expected a whole number, zero or more (got -1)",
        "targets.chat.requests.failed: expected a number or null (got True)",
        "targets.chat.classes: expected a mapping (got 3)",
        "targets.chat.samples.ttft_us: expected a list (got 7)",
        "started_at: expected a text or null (got 1)",
        "partial: expected true or false (got 'no')",
    ):
        assert expected in text


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_file_is_told_with_what_ends_so(text: str) -> None:
    with pytest.raises(InputError, match=r"r.json: is empty. The load tool ended before"):
        parse_document(text, "r.json")


def test_a_truncated_file_names_line_and_last_key() -> None:
    text = '{\n "num_prompts": 24,\n "completed": '
    with pytest.raises(
        InputError, match=r"ends in the middle at line 3, column 15, after the key 'completed'.*truncated"
    ):
        parse_document(text, "r.json")


def test_a_broken_file_names_line_column_and_key() -> None:
    text = '{\n "num_prompts": 24,\n "completed": oops\n}\n'
    with pytest.raises(
        InputError, match=r"is no JSON: Expecting value at line 3, column 15, after the key 'completed'"
    ):
        parse_document(text, "r.json")


def test_a_broken_line_of_several_names_its_number() -> None:
    with pytest.raises(InputError, match=r"at line 3, column 7, after the key 'b'"):
        parse_document('{"a": 1}\n\n{"b": }\n', "r.json")


def test_what_is_no_json_at_all_is_told() -> None:
    with pytest.raises(InputError, match=r"r.json: is no JSON: Expecting value at line 1, column 1$"):
        parse_document("version: '0.1'\n", "r.json")


@pytest.mark.parametrize(("text", "what"), [("[1]", "a list"), ("3", "a int")])
def test_a_file_without_an_object_is_no_result(text: str, what: str) -> None:
    with pytest.raises(InputError, match=f"holds {what}, not an object; allowed: a result of serving_benchmark"):
        parse_document(text, "r.json")


def test_an_unknown_result_names_its_keys_and_what_is_known() -> None:
    server_side = {"load_summary": {"requested_rate": 1}, "successes": {"count": 3}, "failures": {}}
    assert "is no known result; its keys are: load_summary, successes, failures" in problems(server_side)
    assert "its keys are: none" in problems({})


def test_problems_name_the_line_when_there_are_several() -> None:
    with pytest.raises(InputError, match=r"r.json line 2: schema: expected"):
        parse_runs([own_result(), own_result(schema=2)], "r.json")
