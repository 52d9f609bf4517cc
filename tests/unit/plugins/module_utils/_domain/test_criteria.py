# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Criteria as users write them, and everything that can be wrong in them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.criteria import (
    Criterion,
    find_contradictions,
    parse_criteria,
    parse_slo,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import Problem


def parse(*items: Any) -> list[Criterion]:
    problems: list[Problem] = []
    found = parse_criteria(items, problems)
    assert problems == []
    return found


def refuse(item: Any) -> str:
    problems: list[Problem] = []
    assert parse_criteria([item], problems) == []
    return "\n".join(problem.render() for problem in problems)


def limit(metric: str, operator: str, value: float, **more: Any) -> dict[str, Any]:
    return {"metric": metric, "operator": operator, "value": value, **more}


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (limit("ttft_p95_ms", "<=", 500), "ttft_p95_ms <= 500 ms"),
        (limit("ttft_p95_ms", "<=", 0.5, unit="s"), "ttft_p95_ms <= 500 ms"),
        (limit("ttft_p99_9_ms", "<", "2000"), "ttft_p99_9_ms < 2000 ms"),
        (limit("ttft_from_schedule_p95_ms", "<", 2), "ttft_from_schedule_p95_ms < 2 ms"),
        (limit("error_ratio", "<=", 0.1, unit="percent"), "error_ratio <= 0.001"),
        (limit("throughput_tokens_per_second", ">=", 900), "throughput_tokens_per_second >= 900 tokens/s"),
        (
            limit("throughput_tokens_per_second", ">", 9, per_gpu=True),
            "throughput_tokens_per_second_per_gpu > 9 tokens/s",
        ),
        (limit("ttft_p95_ms", "<=", 10, unit="percent", relative=True), "ttft_p95_ms <= 1.1 x baseline"),
        (limit("itl_mean_ms", "<=", 1.2, unit="ratio", relative=True), "itl_mean_ms <= 1.2 x baseline"),
        ({"expression": "a.b", "operator": ">", "value": -1}, "a.b > -1"),
        ({"expression": "a.b", "operator": ">", "value": 1, "unit": "watt"}, "a.b > 1 watt"),
    ],
)
def test_a_criterion_is_read_in_the_metrics_own_unit(item: dict[str, Any], words: str) -> None:
    (criterion,) = parse(item)
    assert f"{criterion.name} {criterion.words()}" == words


@pytest.mark.parametrize(
    ("sign", "below", "equal", "above"), [("<", 1, 0, 0), ("<=", 1, 1, 0), (">", 0, 0, 1), (">=", 0, 1, 1)]
)
def test_an_operator_holds_as_it_reads(sign: str, below: int, equal: int, above: int) -> None:
    (criterion,) = parse(limit("ttft_p95_ms", sign, 5))
    assert [criterion.holds(value) for value in (4, 5, 6)] == [bool(below), bool(equal), bool(above)]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            limit("tfft_p95_ms", "<", 5),
            "criteria[0].metric: there is no such metric (got 'tfft_p95_ms'). Did you mean ttft_p95_ms?",
        ),
        (limit("ttft_p95", "<", 5), "Did you mean ttft_p95_ms?"),
        (limit("ttft_p0_ms", "<", 5), "there is no such metric"),
        (limit("gpu_power", "<", 5), "Take an expression for what only one tool measures."),
        (limit("error_ratio_per_gpu", "<", 0.5), "there is no such metric"),
        (limit("ttft_p95_ms", "<", 5, per_gpu=True), "there is no such metric (got 'ttft_p95_ms_per_gpu')"),
        (limit("ttft_p95_ms", "=<", 5), "criteria[0].operator: no such choice (got '=<'); allowed: <, <=, >, >="),
        (
            limit("ttft_p95_ms", "<", "fast"),
            "criteria[0].value: expected a number (got 'fast'); allowed: a finite number",
        ),
        (limit("ttft_p95_ms", "<", float("nan")), "criteria[0].value: expected a number"),
        (limit("ttft_p95_ms", "<", -5), "is no possible ttft_p95_ms (got -5.0); allowed: 0 or more"),
        (limit("error_ratio", "<=", 5), "is no possible error_ratio (got 5.0); allowed: 0 to 1, or unit: percent"),
        (
            limit("ttft_p95_ms", "<", 5, unit="tokens/s"),
            "unit: does not fit ttft_p95_ms, which is in ms (got 'tokens/s'); allowed: ms, s, us",
        ),
        (limit("ttft_p95_ms", "<", 5, relative=True), "unit: a relative criterion needs one; allowed: ratio, percent"),
        (limit("ttft_p95_ms", "<", 5, relative=True, unit="ms"), "a relative criterion needs one (got 'ms')"),
        (limit("ttft_p95_ms", "<", -100, relative=True, unit="percent"), "is no possible part of the baseline"),
        ({"operator": "<", "value": 1}, "criteria[0]: needs either metric or expression"),
        (
            {"metric": "ttft_p95_ms", "expression": "a", "operator": "<", "value": 1},
            "needs either metric or expression",
        ),
        ({"metric": "ttft_p95_ms", "value": 1}, "criteria[0].operator: is required; allowed: <, <=, >, >="),
        ({"metric": "ttft_p95_ms", "operator": "<"}, "criteria[0].value: is required"),
        ({"expression": "a", "operator": "<", "value": 1, "per_gpu": True}, "goes with a metric only"),
        ("ttft < 5", "criteria[0]: expected a mapping"),
        (None, "criteria[0]: expected a mapping. Write metric, operator and value."),
    ],
)
def test_a_wrong_criterion_is_refused_with_its_path_and_what_is_allowed(item: Any, expected: str) -> None:
    problems: list[Problem] = []
    parse_criteria([item], problems)
    assert expected in "\n".join(problem.render() for problem in problems)


def test_an_unknown_key_is_told_the_nearest() -> None:
    problems: list[Problem] = []
    parse_criteria([{"metric": "ttft_p95_ms", "operater": "<", "value": 1}], problems)
    assert "Did you mean operator?" in problems[-1].render()


def test_everything_that_is_wrong_is_told_at_once() -> None:
    text = refuse({"metric": "tfft_p95_ms", "operator": "~", "value": "x"})
    assert text.count("criteria[0].") == 3


def test_the_slo_of_a_model_server_becomes_criteria() -> None:
    problems: list[Problem] = []
    slo = {"ttft_p95_ms_max": 500, "error_ratio_max": 0.001, "throughput_tokens_per_second_per_gpu_min": 900}
    found = parse_slo(slo, problems)
    assert problems == []
    assert [(each.path, each.name, each.words()) for each in found] == [
        ("slo.ttft_p95_ms_max", "ttft_p95_ms", "<= 500 ms"),
        ("slo.error_ratio_max", "error_ratio", "<= 0.001"),
        (
            "slo.throughput_tokens_per_second_per_gpu_min",
            "throughput_tokens_per_second_per_gpu",
            ">= 900 tokens/s",
        ),
    ]


def test_wrong_limits_of_an_slo_are_told_at_once() -> None:
    problems: list[Problem] = []
    assert (
        parse_slo({"ttft_p95_ms": 5, "tpt_p95_ms_max": 5, "itl_p95_ms_max": "x", "error_ratio_max": 7}, problems) == []
    )
    text = "\n".join(problem.render() for problem in problems)
    assert "slo.ttft_p95_ms: a limit ends with _max or _min. Did you mean ttft_p95_ms_max or ttft_p95_ms_min?" in text
    assert "slo.tpt_p95_ms_max: there is no such metric (got 'tpt_p95_ms')" in text
    assert "slo.itl_p95_ms_max: expected a number (got 'x')" in text
    assert "slo.error_ratio_max: is no possible error_ratio" in text


@pytest.mark.parametrize(
    ("first", "second", "contradicts"),
    [
        (limit("ttft_p95_ms", ">=", 600), limit("ttft_p95_ms", "<=", 500), True),
        (limit("ttft_p95_ms", ">=", 1, unit="s"), limit("ttft_p95_ms", "<=", 500), True),
        (limit("ttft_p95_ms", ">=", 500), limit("ttft_p95_ms", "<=", 500), False),
        (limit("ttft_p95_ms", ">", 500), limit("ttft_p95_ms", "<=", 500), True),
        (limit("ttft_p95_ms", ">=", 500), limit("ttft_p95_ms", "<", 500), True),
        (limit("ttft_p95_ms", ">=", 600), limit("ttft_p99_ms", "<=", 500), False),
        (limit("ttft_p95_ms", ">=", 600), limit("ttft_p95_ms", "<=", 1.1, relative=True, unit="ratio"), False),
    ],
)
def test_limits_that_no_value_keeps_are_a_contradiction(first: Any, second: Any, contradicts: bool) -> None:
    found = find_contradictions(parse(first, second))
    assert bool(found) is contradicts
    if found:
        assert found[0].path == "criteria[0]"
        assert "contradicts criteria[1]: ttft_p95_ms" in found[0].message
