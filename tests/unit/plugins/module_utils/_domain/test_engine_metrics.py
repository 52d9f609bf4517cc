# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which series and queries a metric is by version, how limits are written, and what the values mean."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.engine_args import parse_version
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.engine_metrics import (
    Definition,
    find_definition,
    known_names,
    render,
    render_selector,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.metrics_parse import Criterion, parse_criteria
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.metrics_verdict import (
    Freshness,
    Judgement,
    Seen,
    Track,
    describe,
    describe_freshness,
    evaluate_metrics,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Verdict
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError

NAN = float("nan")
NEWEST = parse_version("0.32.0")


def definition(name: str, version: str = "0.32.0") -> Definition:
    found = find_definition(name, parse_version(version))
    assert found is not None, name
    return found


# Series and queries


@pytest.mark.parametrize(
    ("name", "version", "series", "other"),
    [
        ("kv_cache_usage_ratio", "0.9.1", "vllm:gpu_cache_usage_perc", "vllm:kv_cache_usage_perc"),
        ("kv_cache_usage_ratio", "0.9.2", "vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        (
            "itl_p95_ms",
            "0.10.1",
            "vllm:time_per_output_token_seconds_count",
            "vllm:inter_token_latency_seconds_count",
        ),
        (
            "itl_p95_ms",
            "0.10.2",
            "vllm:inter_token_latency_seconds_count",
            "vllm:time_per_output_token_seconds_count",
        ),
        ("ttft_p50_ms", "0.8.5", "vllm:time_to_first_token_seconds_count", None),
        ("requests_waiting", "0.32.0", "vllm:num_requests_waiting", None),
    ],
)
def test_a_metric_has_the_series_of_its_version(name: str, version: str, series: str, other: str | None) -> None:
    found = definition(name, version)
    assert (found.series, found.other) == (series, other)


@pytest.mark.parametrize("name", known_names())
def test_every_known_metric_says_what_it_needs_and_whose_series_it_means(name: str) -> None:
    found = definition(name)
    for text in (found.query, found.samples):
        assert text.count("$selector") == text.count("{") >= 1
        assert "$window" in text
    assert found.direction == ("higher" if name.startswith("throughput") else "lower")


@pytest.mark.parametrize(
    ("name", "quantile"), [("ttft_p50_ms", "0.5"), ("e2e_p99_ms", "0.99"), ("queue_p99_9_ms", "0.999")]
)
def test_a_latency_is_a_quantile_in_milliseconds(name: str, quantile: str) -> None:
    assert definition(name).query.startswith(f"1000 * histogram_quantile({quantile}, sum by (le) (rate(vllm:")


@pytest.mark.parametrize("name", ["ttft_p95", "tpot_p95_ms", "ttft_p5_ms", "ttft_p100_ms", "error_rate"])
def test_other_names_are_no_metrics(name: str) -> None:
    assert find_definition(name, NEWEST) is None


def test_queries_are_rendered_for_one_slot() -> None:
    queries = render(definition("itl_p95_ms"), render_selector({"namespace": "llm"}, 'cluster="a"'), 300)
    selector = '{namespace="llm",cluster="a"}'
    assert queries.exists == f"count(vllm:inter_token_latency_seconds_count{selector})"
    assert queries.samples == f"sum(increase(vllm:inter_token_latency_seconds_count{selector}[300s]))"
    assert f"rate(vllm:inter_token_latency_seconds_bucket{selector}[300s])" in queries.value
    assert queries.anywhere == "count(vllm:inter_token_latency_seconds_count)"
    assert queries.other == f"count(vllm:time_per_output_token_seconds_count{selector})"


def test_values_of_labels_are_quoted_and_dollars_of_the_users_own_stay() -> None:
    assert render_selector({"a": 'x"y\\z', "b": "c"}) == 'a="x\\"y\\\\z",b="c"'
    own = Definition("my", 'sum(my{$selector,path=~"a$"})', "1")
    assert render(own, 'a="b"', 60).value == 'sum(my{a="b",path=~"a$"})'


# Limits


def parse(*items: Any) -> tuple[Criterion, ...]:
    return parse_criteria(items, NEWEST)


def test_a_criterion_is_read_with_what_is_usual() -> None:
    (criterion,) = parse({"name": "ttft_p95_ms", "limit": "500"})
    assert criterion == Criterion("ttft_p95_ms", definition("ttft_p95_ms"), limit=500.0)
    assert (criterion.samples_min, criterion.nan, criterion.critical) == (10, "inconclusive", True)


OWN = {"name": "mine", "query": "sum(my{$selector})", "series": "my", "direction": "higher", "limit": 1}


def test_a_query_of_ones_own_is_read() -> None:
    (criterion,) = parse({**OWN, "samples_min": 0, "nan": "skip", "critical": False})
    assert criterion.definition == Definition(
        "my", "sum(my{$selector})", "min(count_over_time(my{$selector}[$window]))", "higher"
    )
    assert (criterion.samples_min, criterion.nan, criterion.critical) == (0, "skip", False)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"name": "ttft_p95", "limit": 1}, "metrics[0].name: no such metric (got 'ttft_p95')"),
        ({"name": "ttft_p95", "limit": 1}, "Did you mean ttft_p95_ms?"),
        ({"name": "zzzzz", "limit": 1}, "Or give query and series."),
        ({"limit": 1}, "metrics[0].name: is required. Known are e2e_p95_ms"),
        (
            {"name": "error_ratio"},
            "metrics[0]: has no limit (got 'error_ratio'). Give limit, tolerance_ratio or tolerance",
        ),
        ({"name": "error_ratio", "limits": 1}, "metrics[0].limits: unknown key"),
        ({"name": "error_ratio", "tolerance": -1}, "metrics[0].tolerance: is below zero"),
        ({"name": "error_ratio", "limit": 1, "nan": "pass"}, "metrics[0].nan: no such choice (got 'pass')"),
        ({"name": "error_ratio", "limit": 1, "direction": "higher"}, "direction: is not how this metric is better"),
        ({**OWN, "series": None}, "metrics[0].series: is required for a query of your own"),
        ({**OWN, "query": None}, "metrics[0].query: is required for a query of your own"),
        ({**OWN, "direction": None}, "metrics[0].direction: is required for a query of your own"),
        ({**OWN, "query": "sum(my)"}, "metrics[0].query: does not say whose series it means"),
    ],
)
def test_a_criterion_that_cannot_be_judged_is_refused(item: Any, words: str) -> None:
    with pytest.raises(InputError) as raised:
        parse(item)
    assert words in raised.value.message


def test_none_at_all_and_one_twice_are_refused() -> None:
    with pytest.raises(InputError, match="metrics: there is none"):
        parse()
    with pytest.raises(InputError, match=r"metrics\[1\].name: is used twice \(got error_ratio\)"):
        parse(*[{"name": "error_ratio", "limit": 1}] * 2)


# Values


def track(name: str = "slot green", pods: int = 2, requests: float | None = 100.0, **seen: Any) -> Track:
    values = {key: value if isinstance(value, Seen) else Seen(value, 50.0) for key, value in seen.items()}
    return Track(name, pods, Freshness(2.0, 5.0, requests), values)


def lower(**change: Any) -> Criterion:
    return replace(Criterion("m", Definition("m", "q", "s")), **change)


HIGHER = Definition("m", "q", "s", "higher")


def judge(*criteria: Criterion, ours: Track, theirs: Track | None = None) -> tuple[Verdict, tuple[Judgement, ...]]:
    return evaluate_metrics(criteria, ours, theirs, age_max_seconds=60, load_drift_ratio_max=0.5)


def verdict(criterion: Criterion, ours: Any, theirs: Any = None) -> str:
    baseline = None if theirs is None else track("slot blue", m=theirs)
    return judge(criterion, ours=track(m=ours), theirs=baseline)[0].result.value


@pytest.mark.parametrize(
    ("criterion", "value", "expected"),
    [
        (lower(limit=10), 10, "pass"),
        (lower(limit=10), 10.1, "fail"),
        (lower(limit=10, definition=HIGHER), 10, "pass"),
        (lower(limit=10, definition=HIGHER), 9.9, "fail"),
    ],
)
def test_a_limit_is_the_worst_value_that_is_allowed(criterion: Criterion, value: float, expected: str) -> None:
    assert verdict(criterion, value) == expected


@pytest.mark.parametrize(
    ("criterion", "value", "expected"),
    [
        (lower(tolerance_ratio=0.2), 120, "pass"),
        (lower(tolerance_ratio=0.2), 121, "fail"),
        (lower(tolerance=5), 105, "pass"),
        (lower(tolerance=5), 106, "fail"),
        (lower(tolerance_ratio=0.2, tolerance=5), 125, "pass"),
        (lower(tolerance_ratio=0.2, definition=HIGHER), 80, "pass"),
        (lower(tolerance_ratio=0.2, definition=HIGHER), 79, "fail"),
        (lower(tolerance_ratio=0.2, limit=110), 115, "fail"),
        (lower(tolerance_ratio=0.2, limit=110), 105, "pass"),
    ],
)
def test_a_tolerance_is_how_much_worse_than_the_other_slots_it_may_be(
    criterion: Criterion, value: float, expected: str
) -> None:
    assert verdict(criterion, value, 100) == expected


def test_a_failure_names_metric_slots_values_and_what_was_allowed() -> None:
    ours, theirs = track(m=130), track("slot blue", m=100)
    found, (judgement,) = judge(lower(tolerance_ratio=0.2), ours=ours, theirs=theirs)
    assert found.reasons == ("m of slot green is 130, slot blue has 100: at most 120 is allowed",)
    assert (judgement.value, judgement.baseline, judgement.worst_allowed) == (130, 100, 120)
    found, _judgements = judge(lower(limit=10, definition=HIGHER), ours=track(m=1))
    assert found.reasons == ("m of slot green is 1, at least 10 is allowed",)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (Seen(missing="there is no series m"), "there is no series m"),
        (Seen(1.0, 9.0), "m of slot green has 9 samples in the window, at least 10 are wanted"),
        (Seen(1.0, None), "m of slot green has no samples in the window"),
        (Seen(1.0, NAN), "m of slot green has no samples in the window"),
        (Seen(None, 20.0), "m of slot green has no value, though its series are there"),
        (Seen(NAN, 20.0), "m of slot green is nan"),
        (Seen(float("inf"), 20.0), "m of slot green is inf"),
    ],
)
def test_data_that_is_missing_never_passes_in_either_slot(seen: Seen, words: str) -> None:
    found, _judgements = judge(lower(limit=10), ours=track(m=seen))
    assert (found.result.value, len(found.reasons)) == ("inconclusive", 1)
    assert words in found.reasons[0]
    relative, _judgements = judge(lower(tolerance=1), ours=track(m=1), theirs=track("slot green", m=seen))
    assert (relative.result.value, len(relative.reasons)) == ("inconclusive", 1)
    assert words in relative.reasons[0]


@pytest.mark.parametrize(
    ("policy", "seen", "expected"),
    [
        ("inconclusive", Seen(NAN, 20.0), "inconclusive"),
        ("fail", Seen(NAN, 20.0), "fail"),
        ("skip", Seen(NAN, 20.0), "inconclusive"),
        ("fail", Seen(NAN, 0.0), "fail"),
        ("fail", Seen(1.0, 0.0), "inconclusive"),
        ("fail", Seen(None, 0.0), "inconclusive"),
        ("fail", Seen(missing="gone"), "inconclusive"),
    ],
)
def test_what_a_value_that_is_no_number_means_is_chosen(policy: str, seen: Seen, expected: str) -> None:
    assert verdict(lower(limit=10, nan=policy), seen) == expected


def test_a_metric_that_is_left_out_decides_nothing_and_all_left_out_are_no_verdict() -> None:
    skipped, other = lower(limit=10, nan="skip"), lower(limit=10, name="other")
    found, judgements = judge(skipped, other, ours=track(m=NAN, other=1))
    assert (found.result.value, [describe(each)["verdict"] for each in judgements]) == ("pass", ["skipped", "pass"])
    assert judge(skipped, ours=track(m=NAN))[0].reasons == ("no critical metric has a value: nothing was judged",)


@pytest.mark.parametrize(("policy", "expected"), [("fail", "inconclusive"), ("skip", "inconclusive")])
def test_a_baseline_without_a_number_fails_nobody(policy: str, expected: str) -> None:
    assert verdict(lower(tolerance=1, nan=policy), 1, Seen(NAN, 20.0)) == expected


def test_metrics_that_are_not_critical_are_told_and_decide_nothing() -> None:
    found, judgements = judge(lower(limit=10, critical=False), lower(limit=10, name="other"), ours=track(m=99, other=1))
    assert (found.result.value, judgements[0].result) == ("pass", "fail")
    assert judge(lower(limit=10, critical=False), ours=track(m=1))[0].result.value == "inconclusive"


@pytest.mark.parametrize(
    ("fresh", "words"),
    [
        (Freshness(1.0, 5.0, 1.0), "slot green has 2 ready pods, and series of 1 are there: is every pod scraped"),
        (Freshness(None, None, None), "slot green has 2 ready pods, and series of none are there"),
        (Freshness(2.0, 61.0, 1.0), "the oldest last sample of slot green is 61 s old, at most 60 s are allowed"),
        (Freshness(2.0, None, 1.0), "the oldest last sample of slot green is of unknown age"),
    ],
)
def test_values_of_some_pods_or_of_the_past_are_no_verdict_whatever_they_say(fresh: Freshness, words: str) -> None:
    for value in (1, 99):
        found, _judgements = judge(lower(limit=10), ours=replace(track(m=value), fresh=fresh))
        assert found.result.value == "inconclusive"
        assert words in found.reasons[0]


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (100, 100, "pass"),
        (150, 100, "pass"),
        (50, 100, "pass"),
        (49, 100, "inconclusive"),
        (151, 100, "inconclusive"),
        (0, 0, "pass"),
        (None, 100, "inconclusive"),
        (100, None, "inconclusive"),
    ],
)
def test_slots_are_compared_only_when_about_equally_busy(ours: Any, theirs: Any, expected: str) -> None:
    blue = track("slot blue", requests=theirs, m=100)
    found, _judgements = judge(lower(tolerance=1), ours=track(requests=ours, m=100), theirs=blue)
    assert found.result.value == expected
    # Limits of their own do not ask for it.
    assert judge(lower(limit=1), ours=track(requests=ours, m=100), theirs=blue)[0].result.value == "fail"


def test_a_judgement_is_json_also_where_it_has_no_number() -> None:
    _found, (judgement,) = judge(lower(limit=10), ours=track(m=Seen(NAN, 20.0)))
    assert json.loads(json.dumps(describe(judgement), allow_nan=False))["value"] == "nan"
    assert describe_freshness(Freshness(1.0, None, NAN)) == {
        "engines": 1.0,
        "age_seconds": None,
        "requests_per_engine": "nan",
    }
