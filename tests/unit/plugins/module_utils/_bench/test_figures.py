# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures: their definitions, what is missing, and what a client that was too slow does to them."""

from __future__ import annotations

import math
import random
import statistics
from array import array
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench import spec
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.distribution import Distribution
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.doubts import find_doubts
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.metrics import (
    is_good,
    samples_of,
    series_of,
    summarize,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.phase import is_narrow
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.record import Record
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.settings import parse_settings
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.sweep import Step, find_misses, next_rate
from hypothesis import given
from hypothesis import strategies as st

NO_SLO = spec.RequestSlo()


def record(number: int = 0, kind: str = "ok", **change: Any) -> Record:
    """Return a request due at its number, TTFT 100 ms, gaps 20 ms, three tokens."""
    due = float(number)
    base: dict[str, Any] = {
        "number": number,
        "kind": kind,
        "due": due,
        "sent": due + 0.001,
        "end": due + 0.145,
        "connect": 0.0,
        "first": due + 0.101,
        "last": due + 0.141,
        "gaps": array("f", [0.02, 0.02]),
        "merged": 0,
        "prompt_tokens": 10,
        "completion_tokens": 3,
    }
    if kind != "ok":
        base.update(first=None, last=None, gaps=array("f"), prompt_tokens=None, completion_tokens=None, text="words")
    return Record(**{**base, **change})


def figures(records: list[Record], **change: Any) -> dict[str, Any]:
    wanted = {"begin": 0.0, "issued": len(records), "slo": NO_SLO, "accelerators": 0, **change}
    return summarize(records, **wanted)


# Distributions


@given(st.lists(st.integers(0, 5_000_000), min_size=2, max_size=200), st.integers(1, 99))
def test_quantiles_are_those_of_the_standard_library_by_the_same_definition(values: list[int], percent: int) -> None:
    found = Distribution(value / 1e6 for value in values).quantile(percent / 100)
    # method="inclusive" is definition 7 of Hyndman and Fan, which is numpy's "linear".
    assert found == pytest.approx(statistics.quantiles(values, n=100, method="inclusive")[percent - 1] / 1e6, abs=1e-9)


def test_the_ends_of_a_distribution_are_its_least_and_greatest() -> None:
    found = Distribution([0.3, 0.1, 0.2])
    assert (found.quantile(0.0), found.quantile(1.0)) == (0.1, 0.3)
    assert found.summary_ms() == {
        "mean": 200.0, "p50": 200.0, "p90": 280.0, "p95": 290.0, "p99": 298.0, "min": 100.0, "max": 300.0, "count": 3
    }  # fmt: skip


def test_nothing_has_no_figures() -> None:
    assert Distribution().summary_ms() is None
    assert (Distribution().quantile(0.5), Distribution().mean(), Distribution().interval(0.5, 0.95)) == (
        None,
        None,
        None,
    )


def test_long_times_are_kept_to_a_hundredth_of_a_millisecond() -> None:
    assert Distribution([12.3456789]).quantile(0.5) == pytest.approx(12.34568)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_interval_of_a_quantile_holds_the_truth_as_often_as_it_says(share: float) -> None:
    source, held = random.Random(1), 0
    truth = -math.log(1 - share)
    for _number in range(400):
        interval = Distribution(source.expovariate(1) for _each in range(200)).interval(share, 0.95)
        assert interval is not None
        held += interval[0] <= truth <= interval[1]
    assert 0.92 <= held / 400 <= 1.0


def test_the_interval_of_the_mean_is_the_normal_one() -> None:
    low, high = Distribution([0.1, 0.2, 0.3]).interval(None, 0.95) or (0, 0)
    half = 1.959964 * statistics.stdev([0.1, 0.2, 0.3]) / math.sqrt(3)
    assert (low, high) == (pytest.approx(0.2 - half, abs=1e-6), pytest.approx(0.2 + half, abs=1e-6))


def test_too_few_values_bound_no_tail() -> None:
    assert Distribution([0.1] * 20).interval(0.99, 0.95) is None


@pytest.mark.parametrize(
    ("statistic", "count", "narrow"), [("mean", 400, True), ("p50", 400, True), ("p50", 50, False)]
)
def test_a_phase_may_end_when_the_interval_is_narrow(statistic: str, count: int, narrow: bool) -> None:
    source = random.Random(1)
    values = Distribution(source.uniform(0.09, 0.11) for _number in range(count))
    assert is_narrow(values, spec.Confidence("ttft", statistic, 0.1, 0.95, 100)) is narrow
    assert not is_narrow(values, spec.Confidence("ttft", statistic, 0.0001, 0.95, 2))


# Summaries


def test_figures_of_a_clean_run() -> None:
    found = figures([record(0), record(1), record(2)], accelerators=2)
    assert found["requests"] == {"issued": 3, "ok": 3, "without_usage": 0, "failed": 0, "lost": 0}
    assert found["error_ratio"] == 0.0
    assert (found["ttft_ms"]["p50"], found["ttft_from_schedule_ms"]["p50"]) == (100.0, 101.0)
    assert (found["itl_ms"]["mean"], found["itl_ms"]["count"]) == (pytest.approx(20.0, abs=1e-3), 6)
    assert (found["tpot_ms"]["p99"], found["e2e_ms"]["p50"]) == (20.0, 144.0)
    assert found["tokens"] == {"prompt": 30, "output": 9}
    assert found["duration_seconds"] == 2.145
    assert found["throughput"]["output_tokens_per_second"] == pytest.approx(9 / 2.145, abs=1e-3)
    assert found["throughput"]["output_tokens_per_second_per_gpu"] == pytest.approx(9 / 2.145 / 2, abs=1e-3)
    assert (found["lateness_ms"]["max"], found["connect_ms"]) == (1.0, None)
    assert "goodput" not in found


def test_a_run_in_which_all_failed_has_no_latency_and_no_throughput() -> None:
    found = figures([record(number, "http_500") for number in range(4)], slo=spec.RequestSlo(ttft_ms_max=500))
    assert (found["error_ratio"], found["classes"], found["examples"]) == (1.0, {"http_500": 4}, {"http_500": "words"})
    assert [found[f"{name}_ms"] for name in ("ttft", "ttft_from_schedule", "itl", "tpot", "e2e")] == [None] * 5
    assert (found["tokens"], found["throughput"]) == (None, {"requests_per_second": None})
    assert found["goodput"] == {"good": 0, "ratio": 0.0, "requests_per_second": 0.0}


def test_failures_enter_no_figure_but_the_error_ratio_and_the_goodput() -> None:
    cut = record(1, "truncated", first=1.0, last=1.1, gaps=array("f", [9.0]))
    found = figures([record(0), cut], slo=spec.RequestSlo(ttft_ms_max=500))
    assert (found["requests"]["failed"], found["error_ratio"]) == (1, 0.5)
    assert (found["ttft_ms"]["count"], found["itl_ms"]["max"]) == (1, pytest.approx(20.0, abs=1e-3))
    assert found["goodput"]["ratio"] == 0.5
    assert found["tokens"]["output"] == 3


def test_unknown_tokens_of_one_answer_leave_no_figure_of_tokens() -> None:
    found = figures([record(0), record(1, "missing_usage", first=1.1, last=1.14)])
    assert (found["requests"]["without_usage"], found["requests"]["ok"], found["error_ratio"]) == (1, 1, 0.0)
    assert (found["tokens"], found["ttft_ms"]["count"]) == (None, 2)
    assert "output_tokens_per_second" not in found["throughput"]
    assert found["classes"] == {"missing_usage": 1}


def test_a_request_without_a_record_is_lost_and_an_error() -> None:
    found = figures([record(0)], issued=2)
    assert (found["requests"]["lost"], found["error_ratio"]) == (1, 0.5)


def test_nothing_issued_has_no_error_ratio() -> None:
    assert (figures([])["error_ratio"], figures([])["duration_seconds"]) == (None, 0)


def test_merged_reads_are_a_share_of_the_gaps() -> None:
    assert figures([record(0, merged=1)])["merged_reads_ratio"] == 0.5


@pytest.mark.parametrize(
    ("limit", "change", "good"),
    [
        ({"ttft_ms_max": 100.5}, {}, True),
        ({"ttft_ms_max": 99}, {}, False),
        ({"itl_ms_max": 21}, {}, True),
        ({"itl_ms_max": 19}, {}, False),
        ({"tpot_ms_max": 19}, {}, False),
        ({"e2e_ms_max": 143}, {}, False),
        ({"ttft_ms_max": 500}, {"first": None}, False),
        ({"tpot_ms_max": 1, "itl_ms_max": 1}, {"completion_tokens": 1, "gaps": array("f")}, True),
        ({"itl_ms_max": 1}, {"gaps": array("f")}, False),
        ({"ttft_ms_max": 500}, {"kind": "missing_usage"}, False),
    ],
)
def test_a_good_request_is_ok_and_within_every_limit(limit: dict[str, float], change: Any, good: bool) -> None:
    assert is_good(record(**change), spec.RequestSlo(**limit)) is good


def test_lateness_leaves_out_the_networks_time_of_connecting() -> None:
    late = record(0, sent=0.5, connect=0.4)
    assert late.lateness_seconds == pytest.approx(0.1)
    assert record(0, "connect_failed", sent=None).lateness_seconds is None


def test_a_request_without_a_stream_has_only_its_whole_time() -> None:
    plain = record(0, first=None, last=None, gaps=array("f"))
    assert (plain.ttft_seconds, plain.ttft_from_schedule_seconds, plain.tpot_seconds) == (None, None, None)
    assert plain.e2e_seconds == pytest.approx(0.144)


def test_the_course_shows_a_stall_where_its_requests_were_due() -> None:
    slow = record(1, first=4.0, last=4.0, end=4.1)
    steps = series_of([record(0), slow, record(2, "reset")], begin=0.0, step_seconds=1.0)
    assert [(step["start_seconds"], step["due"], step["ok"], step["failed"]) for step in steps] == [
        (0.0, 1, 1, 0),
        (1.0, 1, 0, 0),
        (2.0, 1, 0, 1),
        (4.0, 0, 1, 0),
    ]
    assert [step["ttft_p50_ms"] for step in steps] == [100.0, 2999.0, None, None]
    assert steps[3]["output_tokens"] == 3


def test_samples_are_columns_in_the_order_of_their_due_times() -> None:
    found = samples_of([record(1, "reset"), record(0)], begin=0.0)
    assert {len(column) for column in found.values()} == {2}
    assert {name: column[0] for name, column in found.items()} == {
        "number": 0,
        "due_us": 0,
        "class": "ok",
        "ttft_us": 100000,
        "itl_mean_us": 20000,
        "tpot_us": 20000,
        "e2e_us": 144000,
        "output_tokens": 3,
    }
    assert {name: column[1] for name, column in found.items() if column[1] is not None} == {
        "number": 1,
        "due_us": 1000000,
        "class": "reset",
    }


# The client as the bottleneck

TARGET = {"url": "http://a:1", "model": "m"}
PHASE = {"load": {"kind": "closed"}, "stop": {"requests": 1}}


def doubts(
    client: dict[str, Any] | None = None, *, due_times: bool = True, capped: bool = False, **change: Any
) -> list[str]:
    settings = parse_settings({"targets": [TARGET], "phases": [PHASE], **change.pop("settings", {})})
    seen = {"busy_ratio": 0.1, "lag_ms": {"p99": 0.5}, **(client or {})}
    return find_doubts(settings, seen, {"stable": figures([record(0)], **change)}, due_times=due_times, capped=capped)


def test_a_client_that_kept_up_raises_no_doubt() -> None:
    assert doubts() == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"client": {"busy_ratio": 0.8}}, "busy for 0.80 of the time, limit 0.7"),
        ({"client": {"lag_ms": {"p99": 11.0}}}, "lagged by 11 ms at p99, limit 10 ms"),
        ({"client": {"lag_ms": {"p99": 3.0}}, "settings": {"client": {"lag_p99_ms_max": 2}}}, "limit 2 ms"),
        (
            {
                "capped": True,
                "settings": {
                    "limits": {"max_in_flight": 4},
                    "phases": [{**PHASE, "load": {"kind": "constant", "rate_per_second": 1}}],
                },
            },
            "max_in_flight (4)",
        ),
        ({"issued": 3}, "2 requests were sent and are in no record"),
        (
            {"settings": {"client": {"lateness_p99_ms_max": 0.5}}},
            "requests to stable were sent 1 ms late at p99, limit 0.5 ms",
        ),
    ],
)
def test_every_doubt_says_what_was_seen_and_the_limit(arguments: dict[str, Any], words: str) -> None:
    (doubt,) = doubts(**arguments)
    assert words in doubt


def late(settings: dict[str, Any]) -> list[str]:
    parsed = parse_settings({"targets": [TARGET], "phases": [PHASE], **settings})
    seen = {"busy_ratio": 0.1, "lag_ms": None}
    return find_doubts(parsed, seen, {"a": figures([record(0, sent=0.002)])}, due_times=True, capped=False)


def test_lateness_may_be_a_hundredth_of_the_limit_of_the_ttft() -> None:
    assert "limit 1 ms" in late({})[0]
    assert "limit 1.5 ms" in late({"slo": {"ttft_p95_ms_max": 150}})[0]
    assert late({"request_slo": {"ttft_ms_max": 300}}) == []
    assert "limit 1.5 ms" in late({"request_slo": {"ttft_ms_max": 300}, "slo": {"ttft_p95_ms_max": 150}})[0]


def test_lateness_is_no_matter_where_nothing_was_due() -> None:
    assert doubts(due_times=False, settings={"client": {"lateness_p99_ms_max": 0.5}}) == []


# The search for the highest rate


def search(capacity: float, **change: Any) -> tuple[list[Step], str]:
    values: dict[str, Any] = {"rate_min_per_second": 1, "rate_max_per_second": 1000, "precision_ratio": 0.05}
    sweep = spec.Sweep(**{**values, "process": "poisson", "stop": spec.Stop(requests=1), **change})
    steps: list[Step] = []
    while True:
        rate, ended = next_rate(sweep, steps)
        if rate is None:
            return steps, ended
        steps.append(Step(rate, rate <= capacity))


@given(st.floats(1.0, 900.0))
def test_the_search_ends_within_the_precision_below_the_capacity(capacity: float) -> None:
    steps, ended = search(capacity)
    best = max(step.rate_per_second for step in steps if step.meets)
    assert best <= capacity < best * 1.05 * 1.0001
    assert ended == "precision_ratio is reached"
    assert len(steps) <= 17


@pytest.mark.parametrize(
    ("capacity", "change", "rates", "ended"),
    [
        (0.5, {}, [1], "the lowest rate already misses the SLO"),
        (9999, {"rate_max_per_second": 5}, [1, 2, 4, 5], "the highest rate that was to be tried meets the SLO"),
        (700, {"steps_max": 3}, [1, 2, 4], "3 rates were tried"),
    ],
)
def test_the_search_says_why_it_ended(capacity: float, change: Any, rates: list[float], ended: str) -> None:
    steps, reason = search(capacity, **change)
    assert ([step.rate_per_second for step in steps], reason) == (rates, ended)


def test_a_client_that_was_the_bottleneck_ends_the_search() -> None:
    sweep = spec.Sweep(1, 9, 0.1, "poisson", spec.Stop(requests=1))
    assert next_rate(sweep, [Step(1, True), Step(2, None)]) == (None, "the client was the bottleneck")


def test_limits_are_compared_with_the_figures_that_they_name() -> None:
    found = figures([record(0), record(1)], accelerators=1, slo=spec.RequestSlo(ttft_ms_max=1))
    limits = {
        "ttft_p95_ms_max": 100.0,
        "ttft_from_schedule_p99_ms_max": 100.0,
        "itl_mean_ms_max": 19.0,
        "error_ratio_max": 0.0,
        "goodput_ratio_min": 0.5,
        "throughput_tokens_per_second_min": 1.0,
        "throughput_tokens_per_second_per_gpu_min": 900.0,
        "throughput_requests_per_second_min": 1.0,
    }
    assert [miss.split(":")[0] for miss in find_misses(found, limits)] == [
        "goodput_ratio_min 0.5",
        "itl_mean_ms_max 19",
        "throughput_tokens_per_second_per_gpu_min 900",
        "ttft_from_schedule_p99_ms_max 100",
    ]


@pytest.mark.parametrize(
    "limit", ["ttft_p95_ms_max", "goodput_ratio_min", "throughput_tokens_per_second_min", "error_ratio_max"]
)
def test_what_was_not_measured_meets_no_limit(limit: str) -> None:
    assert find_misses(figures([]), {limit: 9e9}) == [f"{limit} 9e+09: nothing was measured"]
