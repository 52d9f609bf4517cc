# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case over files, expressions and a cluster in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.expressions import JmesPath
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.benchmark_gate import (
    RELEASE_KEY,
    BenchmarkGateRequest,
    judge_benchmark,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome

from tests.support.benchmarks import DATA, METRICS, own_result, own_target
from tests.unit.plugins.module_utils._flows.memory import MemoryClock, MemoryCluster

SLOWER = {"metric": "ttft_p95_ms", "operator": "<=", "value": 10, "unit": "percent", "relative": True}
RELEASE = {"name": "chat", "namespace": "llm"}


class MemoryFiles:
    """Implements ``Files`` over a mapping of paths to texts."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts

    def read(self, path: str, option: str) -> str:
        if path not in self.texts:
            raise InputError([Problem(option, f"cannot read {path}: No such file or directory")])
        return self.texts[path]


def judge(texts: Mapping[str, str] | None = None, api: MemoryCluster | None = None, **request: Any) -> Outcome:
    return judge_benchmark(
        BenchmarkGateRequest(**request),
        MemoryFiles(**(texts or {})),
        JmesPath(),
        MemoryClock(),
        lambda: api or MemoryCluster(),
    ).outcome


def refused(**request: Any) -> str:
    with pytest.raises(InputError) as caught:
        judge(**{"result": own_result(), **request})
    return str(caught.value)


def verdict(**more: Any) -> dict[str, Any]:
    return dict(judge(result=own_result(), slo={"ttft_p95_ms_max": 500}, **more).result)


def kept(data: str | None) -> MemoryCluster:
    """Return a cluster whose release keeps this text as its last verdict; None keeps nothing."""
    api = MemoryCluster("llm")
    content = {} if data is None else {RELEASE_KEY: data}
    api.put({"kind": "ConfigMap", "metadata": {"name": "chat-release", "namespace": "llm"}, "data": content})
    return api


def test_the_verdict_is_data_with_what_was_observed_and_the_limits() -> None:
    outcome = judge(result=own_result(), slo={"ttft_p95_ms_max": 500, "itl_p95_ms_max": 50})
    result = outcome.result
    assert not outcome.changed
    assert outcome.failure is None
    assert (result["verdict"], result["reasons"], result["samples"]) == ("pass", [], 400)
    assert result["observed"]["requests"] == {"requested": 400, "completed": 400, "failed": 0}
    assert result["observed"]["metrics"]["error_ratio"] == 0.0
    assert result["limits"][1] == {
        "criterion": "ttft_p95_ms",
        "path": "slo.ttft_p95_ms_max",
        "operator": "<=",
        "value": 500.0,
        "unit": "ms",
    }
    assert result["criteria"][1]["observed"] == 150.0
    assert result["table"] == [
        "CRITERION    OBSERVED  LIMIT      BASELINE  RESULT",
        "error_ratio  0         <= 0                 pass",
        "ttft_p95_ms  150       <= 500 ms            pass",
        "itl_p95_ms   21        <= 50 ms             pass",
    ]
    assert result["started_at"] <= result["finished_at"]
    json.dumps(result)


def test_fail_on_decides_what_fails_the_task_and_the_data_is_the_same() -> None:
    strict = judge(result=own_result(), slo={"ttft_p95_ms_max": 5})
    lenient = judge(result=own_result(), slo={"ttft_p95_ms_max": 5}, fail_on=["inconclusive"])
    assert strict.failure == (
        "The benchmark gate of result failed: ttft_p95_ms is 150 ms, limit <= 5 ms (slo.ttft_p95_ms_max)"
    )
    assert lenient.failure is None
    assert strict.result == lenient.result
    partial = judge(result=own_result(partial=True), slo={"ttft_p95_ms_max": 500})
    assert "The benchmark gate of result is inconclusive: the run was interrupted" in str(partial.failure)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, "path: cannot read r.json: No such file or directory"),
        ({"r.json": ""}, "r.json: is empty"),
        ({"r.json": '{"a": '}, "r.json: ends in the middle at line 1, column 7, after the key 'a'"),
        ({"r.json": '{"a": 1}'}, "r.json: is no known result; its keys are: a"),
    ],
)
def test_a_result_that_is_absent_empty_or_broken_is_a_failed_benchmark(texts: dict[str, str], expected: str) -> None:
    outcome = judge(texts, path="r.json", slo={"ttft_p95_ms_max": 5}, fail_on=[])
    assert outcome.failure is None
    assert outcome.result["verdict"] == "fail"
    assert expected in outcome.result["reasons"][0]
    assert outcome.result["observed"] == {}
    assert outcome.result["limits"][0]["criterion"] == "ttft_p95_ms"


def test_data_without_anything_is_a_failed_benchmark() -> None:
    assert "result: is empty" in judge(result={}, slo={"ttft_p95_ms_max": 5}).result["reasons"][0]


def test_every_wrong_criterion_is_told_before_a_file_is_read() -> None:
    text = refused(
        path="no.json",
        result=None,
        slo={"tfft_p95_ms_max": 5},
        criteria=[
            {"expression": "a..b", "operator": "<", "value": 1},
            SLOWER,
            {"metric": "e2e_p50_ms", "operator": ">", "value": 5},
            {"metric": "e2e_p50_ms", "operator": "<", "value": 5},
        ],
    )
    assert text.startswith("4 problems in the input; nothing was changed")
    assert "criteria[0].expression: cannot be evaluated" in text
    assert "criteria[1]: is relative, and there is no baseline" in text
    assert "criteria[2]: e2e_p50_ms > 5 ms contradicts criteria[3]" in text
    assert "Did you mean ttft_p95_ms?" in text


def test_nothing_to_judge_by_is_refused() -> None:
    assert "criteria: there is nothing to judge by" in refused()


def test_a_baseline_that_no_criterion_asks_for_is_refused() -> None:
    text = refused(slo={"ttft_p95_ms_max": 5}, baseline=own_result())
    assert "baseline: no criterion is relative to the baseline" in text


def test_an_expression_looks_into_the_file_as_its_tool_wrote_it() -> None:
    text = (DATA / "vllm-0.33.0-detailed-goodput.json").read_text()
    criterion = {"expression": '"p99.9_ttft_ms"', "operator": "<=", "value": 200, "unit": "ms"}
    result = judge({"v.json": text}, path="v.json", criteria=[criterion], slo={"error_ratio_max": 0.5}).result
    assert result["criteria"][0]["observed"] == pytest.approx(106.34, abs=0.01)
    assert result["criteria"][0]["result"] == "pass"


def test_lines_of_one_file_are_judged_each_by_its_own_document() -> None:
    text = (DATA / "vllm-0.33.0-append-result.json").read_text()
    criterion = {"expression": "completed", "operator": ">", "value": 20}
    limits = {"criteria": [criterion], "slo": {"error_ratio_max": 0.5}}
    observed = [
        judge({"v.json": text}, path="v.json", target=line, **limits).result["criteria"][0]["observed"]
        for line in ("0", "1")
    ]
    assert observed == [24, 15]


def test_two_targets_of_one_run_are_judged_beside_each_other() -> None:
    stable = own_target(samples=[100.0 + place % 7 for place in range(400)])
    canary = own_target(samples=[200.0 + place % 7 for place in range(400)])
    outcome = judge(
        result=own_result(targets={"stable": stable, "canary": canary}),
        target="canary",
        baseline_target="stable",
        criteria=[SLOWER],
    )
    assert outcome.result["verdict"] == "fail"
    assert "the canary is worse than the stable slot beside it" in outcome.result["reasons"][0]


def test_lines_of_one_file_were_not_taken_beside_each_other() -> None:
    text = "\n".join(json.dumps(own_result(targets={name: own_target(samples=[100.0] * 400)})) for name in "ab")
    outcome = judge({"r.json": text}, path="r.json", target="b", baseline_target="a", criteria=[SLOWER])
    assert outcome.result["verdict"] == "pass"
    assert "400 samples against 400 stored ones" in outcome.result["criteria"][1]["reason"]


def test_a_run_is_no_baseline_of_itself() -> None:
    text = refused(target="chat", baseline_target="chat", criteria=[SLOWER])
    assert text == "baseline_target: is the run that is judged (got chat)"


def test_a_baseline_from_a_file_or_from_data_is_the_same() -> None:
    slower = own_result(targets={"chat": own_target(metrics={"ttft_p95_ms": 180.0})})
    as_data = judge(result=slower, baseline=own_result(), criteria=[SLOWER]).result
    as_file = judge({"b.json": json.dumps(own_result())}, result=slower, baseline_path="b.json", criteria=[SLOWER])
    assert as_data["verdict"] == "fail"
    assert "ttft_p95_ms is 180 ms, 1.200 times the baseline of 150 ms" in as_data["reasons"][0]
    assert as_file.result["reasons"] == as_data["reasons"]


def test_a_baseline_with_several_runs_is_that_of_the_same_target() -> None:
    stored = own_result(targets={"other": own_target(), "chat": own_target(metrics={"ttft_p95_ms": 140.0})})
    outcome = judge(result=own_result(), target="chat", baseline=stored, criteria=[SLOWER])
    assert outcome.result["criteria"][1]["baseline"] == 140.0


def test_an_earlier_verdict_is_a_baseline_with_its_metrics_and_expressions() -> None:
    criteria = [
        SLOWER,
        {
            "expression": "phases[0].targets.chat.duration_seconds",
            "operator": "<=",
            "value": 1.1,
            "unit": "ratio",
            "relative": True,
        },
    ]
    expression = {"expression": "phases[0].targets.chat.duration_seconds", "operator": "<", "value": 100}
    earlier = dict(judge(result=own_result(), criteria=[expression]).result)
    for source in ({"baseline": earlier}, {"baseline_path": "v.json"}):
        outcome = judge({"v.json": json.dumps(earlier)}, result=own_result(), criteria=criteria, **source)
        assert outcome.result["verdict"] == "pass", outcome.result["reasons"]
        assert [row["baseline"] for row in outcome.result["criteria"]] == [None, 150.0, 60.0]


def test_an_earlier_verdict_that_did_not_pass_is_no_baseline() -> None:
    text = refused(baseline={**verdict(), "verdict": "fail"}, criteria=[SLOWER])
    assert text == "baseline.verdict: is no baseline (got 'fail'); allowed: pass. A baseline is a run that has passed."


def test_an_earlier_verdict_with_wrong_types_is_refused() -> None:
    data = {**verdict(), "observed": {"metrics": {"ttft_p95_ms": "fast"}}}
    assert "baseline.observed.metrics.ttft_p95_ms: expected a number or null (got 'fast')" in refused(
        baseline=data, criteria=[SLOWER]
    )


def test_the_releases_last_passed_verdict_is_a_baseline() -> None:
    api = kept(json.dumps(verdict()))
    outcome = judge(api=api, result=own_result(), baseline_release=RELEASE, criteria=[SLOWER])
    assert outcome.result["verdict"] == "pass"
    assert outcome.result["criteria"][1]["baseline"] == 150.0
    assert api.writes == []


@pytest.mark.parametrize(
    ("api", "expected"),
    [
        (kept(None), "keeps no passed verdict (benchmark_verdict)"),
        (MemoryCluster("llm"), "does not exist"),
    ],
)
def test_a_release_without_a_verdict_yet_is_inconclusive(api: MemoryCluster, expected: str) -> None:
    outcome = judge(api=api, result=own_result(), baseline_release=RELEASE, criteria=[SLOWER])
    assert outcome.result["verdict"] == "inconclusive"
    assert (
        f"there is no baseline yet: ConfigMap llm/chat-release on {api.cluster} {expected}" in outcome.result["reasons"]
    )


@pytest.mark.parametrize(("text", "expected"), [("{", "is no JSON"), ("[]", "is no baseline (got None)")])
def test_a_broken_verdict_of_a_release_is_told_with_its_place(text: str, expected: str) -> None:
    with pytest.raises(InputError, match=r"ConfigMap llm/chat-release on .*benchmark_verdict") as caught:
        judge(api=kept(text), result=own_result(), baseline_release=RELEASE, criteria=[SLOWER])
    assert expected in str(caught.value)


def test_gpus_of_the_task_win_over_those_of_the_result() -> None:
    limits = {"throughput_tokens_per_second_per_gpu_min": 1}
    assert judge(result=own_result(), slo=limits).result["criteria"][1]["observed"] == 900.0
    assert judge(result=own_result(), slo=limits, gpus=4).result["criteria"][1]["observed"] == 450.0


# Every run at once


def two_targets() -> dict[str, Any]:
    slow = own_target(metrics={**METRICS, "ttft_p95_ms": 600.0})
    return own_result(targets={"blue": own_target(), "green": slow})


def test_every_run_is_judged_by_the_same_criteria_and_the_worst_counts() -> None:
    result = judge(result=two_targets(), every_run=True, slo={"ttft_p95_ms_max": 500}).result
    assert (result["verdict"], [run["verdict"] for run in result["runs"]]) == ("fail", ["pass", "fail"])
    assert result["reasons"] == ["green: ttft_p95_ms is 600 ms, limit <= 500 ms (slo.ttft_p95_ms_max)"]
    assert [run["target"] for run in result["runs"]] == ["blue", "green"]
    assert result["runs"][1]["observed"]["metrics"]["ttft_p95_ms"] == 600
    assert (result["observed"], result["samples"], len(result["limits"])) == ({}, 800, 2)
    assert [line.split()[0] for line in result["table"]] == ["RUN", "blue", "blue", "green", "green"]


def test_what_is_true_of_every_run_is_said_once() -> None:
    result = judge(result={**two_targets(), "partial": True}, every_run=True, slo={"ttft_p95_ms_max": 900}).result
    assert result["verdict"] == "inconclusive"
    assert result["reasons"] == ["blue, green: the run was interrupted: its figures are kept, but cannot pass"]


def test_one_run_alone_is_told_as_ever() -> None:
    request = {"result": own_result(), "slo": {"ttft_p95_ms_max": 100}}
    alone, every = judge(**request).result, judge(**request, every_run=True).result
    assert {name: value for name, value in every.items() if name != "runs"} == alone


def test_of_a_search_only_the_best_rate_counts() -> None:
    document = own_result()
    fast, slow = (
        document["phases"][0],
        {"name": "rate1", "targets": {"chat": own_target(metrics={})}, "inconclusive": []},
    )
    steps = [{"rate_per_second": 2.0, "meets": True}, {"rate_per_second": 4.0, "meets": False}]
    found = {**document, "phases": [fast, slow], "sweep": {"rate_per_second_max": 2.0, "steps": steps}}
    result = judge(result=found, every_run=True, slo={"ttft_p95_ms_max": 500}).result
    assert (result["verdict"], [run["target"] for run in result["runs"]]) == ("pass", ["load/chat"])
    # Where none met the limits it is the first, which is the lowest.
    none = {**found, "phases": [slow, fast], "sweep": {"rate_per_second_max": None, "steps": steps}}
    assert judge(result=none, every_run=True, slo={"ttft_p95_ms_max": 500}).result["verdict"] == "fail"


def test_every_run_goes_with_no_choice_of_one() -> None:
    words = refused(every_run=True, target="chat", baseline_target="chat", criteria=[SLOWER])
    assert "target: does not go together with every_run" in words
    assert "baseline_target: does not go together with every_run" in words


def test_a_verdict_of_several_runs_is_no_baseline() -> None:
    passed = judge(result=two_targets(), every_run=True, slo={"ttft_p95_ms_max": 900}).result
    assert passed["verdict"] == "pass"
    assert "several runs were judged at once" in refused(criteria=[SLOWER], baseline=passed)


def test_the_page_shows_what_the_result_says_also_where_nothing_could_be_read() -> None:
    def page(**request: Any) -> str:
        files = MemoryFiles(broken="{")
        slo = {"ttft_p95_ms_max": 500}
        judged = judge_benchmark(
            BenchmarkGateRequest(slo=slo, **request), files, JmesPath(), MemoryClock(), MemoryCluster
        )
        return judged.render_page()

    assert "Benchmark: <span class='pass'>pass</span>" in page(result=own_result())
    assert "600 ms" in page(result=two_targets(), every_run=True)
    broken = page(path="broken")
    assert "Benchmark: <span class='fail'>fail</span>" in broken
    assert "broken: ends in the middle" in broken
