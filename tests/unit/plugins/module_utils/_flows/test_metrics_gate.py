# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging a release by its metrics, over a cluster in memory and a Prometheus that says what a test wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.metrics_gate import MetricsRequest, judge_metrics
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome

from tests.unit.plugins.module_utils._flows.two_slots import TwoSlots

LABELS = {"namespace": "ns", "instance": "release", "slot": "slot", "revision": "revision"}
TTFT = {"name": "ttft_p95_ms", "limit": 500}
SAFE = {"name": "ttft_p95_ms", "tolerance_ratio": 0.2}
VALUE, SAMPLES = "histogram_quantile", "sum(increase(vllm:time_to_first_token_seconds_count"


class Saying:
    """Implements ``MetricSource``: the longest known part of a query gives its value; ``event`` happens first."""

    url = "http://prometheus:9090"

    def __init__(
        self, answers: Mapping[str, float | None] | None = None, event: Callable[[], Any] | None = None
    ) -> None:
        usual = {
            "time()": 1000.0,
            "max(time()": 3.0,
            "count(vllm:num_requests_running": 1.0,
            "sum(increase(vllm:request_success_total": 40.0,
            "count(vllm:request_success_total": 5.0,
            "finished_reason": 0.0,
            VALUE: 200.0,
            SAMPLES: 80.0,
            "count(vllm:time_to_first_token_seconds_count": 1.0,
        }
        self.answers, self.event = {**usual, **(answers or {})}, event
        self.asked: list[tuple[str, float | None]] = []

    def query(self, text: str, at: float | None = None) -> float | None:
        self.asked.append((text, at))
        if self.event is not None:
            self.event()
        return self.answers[max((part for part in self.answers if part in text), key=len)]


class Release(TwoSlots):
    """A release with both slots rolled out, blue the stable one, and its gate."""

    def gate(self, source: Any = None, *metrics: Mapping[str, Any], **change: Any) -> Outcome:
        """Run the gate."""
        request = MetricsRequest("chat", "llm", metrics or [TTFT], **{"label_names": LABELS, **change})
        return judge_metrics(request, self.cluster, Saying() if source is None else source, self.clock)


@pytest.fixture
def release() -> Release:
    """Return a release that is well."""
    return Release()


def test_a_good_value_passes_with_everything_that_a_verdict_needs(release):
    outcome = release.gate()
    result = outcome.result
    assert (outcome.changed, outcome.failure, outcome.warnings) == (False, None, [])
    assert {key: result[key] for key in ("verdict", "reasons", "samples")} == {
        "verdict": "pass",
        "reasons": [],
        "samples": 1,
    }
    (slot,) = result["observed"]["slots"]
    assert (slot["slot"], slot["engines"], slot["age_seconds"], slot["requests_per_engine"]) == ("blue", 1.0, 3.0, 40.0)
    (metric,) = result["observed"]["metrics"]
    assert (metric["name"], metric["value"], metric["samples"], metric["worst_allowed"]) == (
        "ttft_p95_ms",
        200,
        80,
        500,
    )
    assert result["started_at"] == result["finished_at"] == "2026-01-01T12:00:00+00:00"
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_every_query_is_about_the_slots_revision_at_one_and_the_same_time(release):
    source = Saying()
    release.gate(source, selector='cluster="eu"')
    revision = release.deployment("blue")["spec"]["template"]["metadata"]["labels"]["llmops.dev/revision"]
    matchers = f'{{ns="llm",release="chat",slot="blue",revision="{revision}",cluster="eu"}}'
    first, *others = source.asked
    assert first == ("time()", None)
    assert others
    assert {at for _text, at in others} == {1000.0}
    assert all(matchers in text for text, _at in others)


def test_a_label_that_the_series_do_not_have_is_left_out(release):
    source = Saying()
    release.gate(source, label_names={**LABELS, "revision": ""})
    assert '{ns="llm",release="chat",slot="blue"}' in source.asked[-1][0]


def test_a_bad_value_fails_and_the_words_name_release_cluster_and_metric(release):
    outcome = release.gate(Saying({VALUE: 600.0}))
    assert outcome.result["verdict"] == "fail"
    assert outcome.failure == (
        "The metrics gate of llm/chat on https://memory failed: ttft_p95_ms of slot blue is 600, at most 500 is allowed"
    )
    assert release.gate(Saying({VALUE: 600.0}), fail_on=[]).failure is None


def test_a_tolerance_compares_the_other_slot_with_the_stable_one(release):
    outcome = release.gate(Saying(), SAFE)
    (metric,) = outcome.result["observed"]["metrics"]
    assert [each["slot"] for each in outcome.result["observed"]["slots"]] == ["green", "blue"]
    assert (metric["value"], metric["baseline"], metric["worst_allowed"]) == (200, 200, 240)
    busier = Saying({'sum(increase(vllm:request_success_total{ns="llm",release="chat",slot="green"': 4.0})
    assert "slot green had 4 requests for each engine, slot blue 40" in inconclusive(release.gate(busier, SAFE))


def test_the_stable_slot_is_not_compared_with_itself(release):
    with pytest.raises(InputError, match="slot: is the stable one"):
        release.gate(None, SAFE, slot="blue")


def test_a_metric_that_is_not_critical_is_a_warning(release):
    outcome = release.gate(Saying({VALUE: 600.0}), {**TTFT, "critical": False}, {"name": "error_ratio", "limit": 99})
    assert outcome.result["verdict"] == "pass"
    (warning,) = outcome.warnings
    assert warning.startswith("ttft_p95_ms is not critical: ttft_p95_ms of slot blue is 600")


def test_the_version_of_the_engine_names_the_series(release):
    source = Saying({"count(vllm:inter_token": 1.0, "increase(vllm:inter_token": 80.0})
    release.gate(source, {"name": "itl_p95_ms", "limit": 500})
    assert any("vllm:inter_token_latency_seconds_bucket" in text for text, _at in source.asked)
    older = Saying({"count(vllm:time_per": 1.0, "increase(vllm:time_per": 80.0})
    release.gate(older, {"name": "itl_p95_ms", "limit": 500}, engine_version="0.9.0")
    assert any("vllm:time_per_output_token_seconds_bucket" in text for text, _at in older.asked)


# No verdict


def inconclusive(outcome: Outcome) -> str:
    assert outcome.result["verdict"] == "inconclusive"
    return "; ".join(outcome.result["reasons"])


ITL = {"name": "itl_p95_ms", "limit": 500}
GONE = {"count(vllm:inter_token_latency_seconds_count": None, "count(vllm:time_per": None}


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (GONE, "nor with any other labels: are the pods scraped?"),
        ({"count(vllm:inter_token_latency_seconds_count)": 4.0, **GONE}, "but with other labels: see label_names"),
        (
            {**GONE, "count(vllm:time_per": 1.0},
            "but vllm:time_per_output_token_seconds_count: is engine_version right?",
        ),
    ],
)
def test_series_that_are_not_there_are_told_with_why_that_may_be(release, answers, words):
    reason = inconclusive(release.gate(Saying(answers), ITL))
    assert "has no series vllm:inter_token_latency_seconds_count{ns=" in reason
    assert words in reason


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"count(vllm:num_requests_running": None}, "slot blue has 1 ready pods, and series of none are there"),
        ({"max(time()": 300.0}, "the oldest last sample of slot blue is 300 s old"),
        ({SAMPLES: 3.0}, "has 3 samples in the window, at least 10 are wanted"),
        ({VALUE: float("nan")}, "ttft_p95_ms of slot blue is nan"),
    ],
)
def test_data_that_is_missing_or_old_gives_no_verdict(release, answers, words):
    assert words in inconclusive(release.gate(Saying(answers)))


def test_a_prometheus_that_does_not_answer_gives_no_verdict_and_its_words(release):
    class Silent:
        url = "http://prometheus:9090"

        def query(self, text: str, at: float | None = None) -> float | None:
            raise ClusterError("Prometheus does not answer")

    assert inconclusive(release.gate(Silent())) == "Prometheus does not answer"


def test_a_slot_that_is_not_rolled_out_is_not_judged(release):
    del release.cluster.objects["Pod", "llm", "blue-1"]
    source = Saying()
    assert "is not rolled out: 0/1 ready" in inconclusive(release.gate(source))
    assert source.asked == []


def test_pods_that_change_meanwhile_give_no_verdict(release):
    def change() -> None:
        if ("Pod", "llm", "blue-1") in release.cluster.objects:
            release.replace_pod("blue")

    source = Saying(event=change)
    assert "have changed while it was judged" in inconclusive(release.gate(source))


# Refused


def test_what_cannot_be_judged_is_refused(release):
    with pytest.raises(InputError, match=r"metrics\[0\].name: no such metric"):
        release.gate(None, {"name": "ttft", "limit": 1})
    with pytest.raises(InputError, match="engine_version: 'latest' is not a version of vLLM"):
        release.gate(None, TTFT, engine_version="latest")
    source = Saying()
    source.url = "prometheus:9090"
    with pytest.raises(InputError, match="prometheus_url: is no address"):
        release.gate(source)
    assert source.asked == []


def test_a_release_that_is_not_there_is_no_reason_not_to_check_the_metrics(release):
    del release.cluster.objects["Deployment", "llm", "chat-blue"]
    assert "there is no such Deployment" in inconclusive(release.gate())
    with pytest.raises(InputError, match="no such metric"):
        release.gate(None, {"name": "ttft", "limit": 1})
