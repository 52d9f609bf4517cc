# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's own end: arguments in, exit JSON out, on files as the load tools write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.benchmarks import DATA, own_result, own_target
from tests.support.playbooks import run_module

EASY = {"ttft_p95_ms_max": 10_000, "e2e_mean_ms_max": 10_000}


def gate(check: bool = False, **arguments: Any) -> dict[str, Any]:
    return run_module("benchmark_gate", arguments, check=check)


@pytest.mark.parametrize("path", sorted(DATA.glob("*all-failed*")), ids=lambda path: path.stem)
def test_a_run_without_a_success_fails_for_every_tool_however_wide_the_limits(path: Path) -> None:
    result = gate(path=str(path), slo={**EASY, "error_ratio_max": 1})
    assert result["failed"]
    assert result["verdict"] == "fail"
    assert "none of 8 requests has succeeded" in result["msg"]
    assert [row["observed"] for row in result["criteria"] if row["criterion"] != "error_ratio"] == [None, None]


@pytest.mark.parametrize("path", sorted(DATA.glob("*faults*")), ids=lambda path: path.stem)
def test_failed_requests_fail_for_every_tool_unless_a_criterion_allows_them(path: Path) -> None:
    result = gate(path=str(path), slo={"e2e_mean_ms_max": 10_000})
    assert result["verdict"] == "fail"
    assert "no criterion says how many may fail" in result["msg"]
    allowed = gate(path=str(path), slo={"e2e_mean_ms_max": 10_000, "error_ratio_max": 0.5})
    assert allowed["verdict"] in ("pass", "inconclusive")
    assert allowed["observed"]["metrics"]["error_ratio"] == pytest.approx(0.31, abs=0.07)


@pytest.mark.parametrize(
    "name",
    [
        "vllm-0.10.1-faults",
        "vllm-0.11.0-ok",
        "vllm-0.30.0-ok",
        "guidellm-0.3.1-ok",
        "guidellm-0.6.1-faults",
        "aiperf-0.5.0-faults",
        "aiperf-0.13.0-ok",
        "inference-perf-0.7.0-ok-stage_0",
    ],
)
def test_a_result_of_any_tool_passes_limits_that_it_keeps(name: str) -> None:
    result = gate(
        path=str(DATA / f"{name}.json"), slo={"e2e_mean_ms_max": 450, "tpot_mean_ms_max": 25, "error_ratio_max": 0.5}
    )
    assert result["verdict"] == "pass", result["reasons"]
    assert not result["changed"]
    assert len(result["table"]) == 4


def test_check_mode_judges_too() -> None:
    arguments = {"result": own_result(), "slo": {"ttft_p95_ms_max": 100}}
    real, checked = gate(**arguments), gate(check=True, **arguments)
    assert real["reasons"] == checked["reasons"] == ["ttft_p95_ms is 150 ms, limit <= 100 ms (slo.ttft_p95_ms_max)"]
    assert checked["failed"]


def test_what_ansible_makes_of_criteria_is_understood(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps(own_result()))
    criteria = [
        {"metric": "ttft_p95_ms", "operator": "<=", "value": "0.5", "unit": "s"},
        {"metric": "throughput_tokens_per_second", "operator": ">=", "value": 900, "per_gpu": "yes"},
        {"expression": "tool", "operator": ">=", "value": 0},
    ]
    result = gate(path=str(tmp_path / "r.json"), criteria=criteria)
    assert [row["result"] for row in result["criteria"]] == ["pass", "pass", "pass", "fail"]
    assert "tool is missing: the expression finds 'llmops.kubernetes serving_benchmark'" in result["msg"]


def test_a_remark_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    result = gate(result=own_result(targets={"chat": own_target(completed=100)}), slo={"error_ratio_max": 0.001})
    assert result["verdict"] == "pass"
    assert "only more requests could show less" in capsys.readouterr().err


def test_wrong_criteria_end_the_task_with_all_problems_as_data() -> None:
    result = gate(result=own_result(), slo={"tfft_p95_ms_max": 5, "ttft_p95_ms": 5})
    assert result["failed"]
    assert "verdict" not in result
    assert [problem["path"] for problem in result["details"]["problems"]] == ["slo.tfft_p95_ms_max", "slo.ttft_p95_ms"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "one of the following is required: path, result"),
        ({"path": "/a", "result": {}}, "parameters are mutually exclusive: path|result"),
        (
            {"path": "/a", "baseline_path": "/b", "baseline": {}},
            "parameters are mutually exclusive: baseline_path|baseline",
        ),
        ({"path": "/a", "gpus": 0}, "gpus: is out of range (got 0)"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: dict[str, Any], expected: str) -> None:
    assert expected in gate(slo=EASY, **arguments)["msg"]


def test_a_kept_baseline_is_asked_of_the_cluster_of_the_options() -> None:
    result = gate(
        result=own_result(),
        criteria=[{"metric": "ttft_p95_ms", "operator": "<=", "value": 1.1, "unit": "ratio", "relative": True}],
        baseline_release={"name": "chat", "namespace": "llm"},
        host="https://127.0.0.1:1",
        api_key="none",
        deadline_seconds=0.2,
    )
    assert result["failed"]
    assert "chat-release" in result["msg"]
    assert "127.0.0.1:1" in result["msg"]


def test_a_page_and_the_verdict_are_written_in_check_mode_too_and_the_verdict_is_a_baseline(tmp_path: Path) -> None:
    page, arguments = tmp_path / "r.html", {"result": own_result(), "slo": {"ttft_p95_ms_max": 500}}
    result = gate(check=True, report_path=str(page), **arguments)
    assert (result["verdict"], result["changed"], result["report_path"]) == ("pass", False, str(page))
    assert "Benchmark: <span class='pass'>pass</span>" in page.read_text()
    written = json.loads((tmp_path / "r-verdict.json").read_text())
    assert written["schema"] == result["schema"] == "llmops.dev/benchmark-verdict/v1"
    assert written["observed"] == result["observed"]
    criterion = {"metric": "ttft_p95_ms", "operator": "<=", "value": 1.1, "unit": "ratio", "relative": True}
    again = gate(result=own_result(), criteria=[criterion], baseline_path=str(tmp_path / "r-verdict.json"), fail_on=[])
    assert again["criteria"][-1]["baseline"] == 150


def test_a_page_goes_to_an_html_file_in_a_folder_that_exists(tmp_path: Path) -> None:
    arguments = {"result": own_result(), "slo": {"ttft_p95_ms_max": 500}}
    result = gate(report_path=str(tmp_path / "page"), **arguments)
    assert "a name that ends in .html" in result["msg"]
    result = gate(report_path=str(tmp_path / "none" / "page.html"), **arguments)
    assert "Failed writing the report" in result["msg"]
