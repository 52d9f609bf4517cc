# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a judged benchmark: what it must say, what it must never let through, and how large it may become."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from html import unescape
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_charts import (
    BINS_MAX,
    POINTS_MAX,
    draw_phase,
    thin_ecdf,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_page import (
    JudgedRun,
    render_benchmark_page,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_record import join_judgements
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_results import (
    parse_runs,
    select_judged,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_verdict import (
    Judgement,
    Row,
    Source,
    evaluate_benchmark,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.criteria import parse_criteria, parse_slo
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict
from hypothesis import given
from hypothesis import strategies as st

from tests.support.benchmarks import DATA, client_result, own_result, record
from tests.unit.plugins.module_utils._domain.test_page import EVIL, Balance

SLO = {"ttft_p95_ms_max": 150, "error_ratio_max": 0.5, "throughput_tokens_per_second_per_gpu_min": 1}
PAIR = {"blue": [record(n) for n in range(80)], "green": [record(n, 200) for n in range(80)]}


def page(document: Mapping[str, Any], slo: Mapping[str, float] | None = None) -> str:
    """Return the page of a result whose every run is judged by limits."""
    criteria = parse_slo(slo or SLO, [])
    runs = select_judged([(run, document) for run in parse_runs([document], "r.json")])
    judged = [JudgedRun(run, evaluate_benchmark(Source(run, {}, run.gpus), criteria)) for run, _document in runs]
    whole = join_judgements([(each.name, each.judgement) for each in judged])
    return render_benchmark_page(whole, judged, document, "r.json", "2026-01-31T12:02:00+00:00")


def text_of(html: str) -> str:
    """Return the words of a page as one line."""
    plain = re.sub(r"<style>.*?</style>|<[^>]+>", " ", html.replace("<wbr>", ""), flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(plain))


def test_the_verdict_and_its_reasons_stand_above_everything_else() -> None:
    html = page(client_result(PAIR))
    Balance(html)
    words = text_of(html)
    assert words.index("Benchmark: fail") < words.index("Why") < words.index("Limits and what was observed")
    assert "green: ttft_p95_ms is 200 ms, limit <= 150 ms (slo.ttft_p95_ms_max)" in words
    assert "fail green ttft_p95_ms 200 ms <= 150 ms 80" in words
    assert "pass blue ttft_p95_ms 100 ms <= 150 ms 80" in words
    assert "r.json, judged 2026-01-31 12:02:00 UTC" in words
    assert "Measured by serving_benchmark, 2026-01-31 12:00:00 UTC to 2026-01-31 12:01:00 UTC" in words


def test_both_targets_are_in_every_picture_told_apart_by_colour_and_dash() -> None:
    html = page(client_result(PAIR))
    charts = re.findall(r"<svg class=\"chart\".*?</svg>", html)
    assert len(charts) == 6
    for chart in charts:
        assert re.search(r'class="s0 curve', chart)
        assert re.search(r'class="s1 curve dashed', chart)
    for mark in ("blue p50: 100 ms", "blue p99: 100 ms", "green p95: 200 ms"):
        assert mark in html


def test_what_was_not_measured_is_said_in_words() -> None:
    failed = client_result({"chat": [record(n, kind="http_500", text="Out of memory") for n in range(9)]})
    words = text_of(page(failed))
    assert "none of 9 requests has succeeded: 9 x http_500" in words
    assert "ttft_p95_ms not measured <= 150 ms 0 not judged: no request has succeeded" in words
    assert "Time to first token (TTFT) chat: nothing was measured." in words
    assert "Throughput over time chat: nothing was measured." in words
    assert "chat http_500 9 100.00% Out of memory" in words
    assert "TTFT chat not measured" in words
    assert "nan" not in words.lower()


def test_errors_are_told_by_class_and_what_is_lost_is_one() -> None:
    records = [record(n, kind="http_500" if n % 4 == 0 else "ok") for n in range(80)]
    document = client_result({"chat": records})
    assert "chat http_500 20 25.00%" in text_of(page(document))
    document["phases"][0]["targets"]["chat"]["requests"]["lost"] = 8
    assert "chat lost 8 10.00%" in text_of(page(document))
    assert "Every request was answered, with its tokens counted." in page(client_result(PAIR))


def test_without_samples_the_percentiles_are_drawn_and_the_rest_is_told() -> None:
    words = text_of(page(client_result(PAIR, samples_max=3)))
    assert "Straight lines between the percentiles that were kept." in words
    assert "blue: not known, as its requests were not kept one by one." in words


def test_unknown_tokens_and_missing_facts_are_told() -> None:
    document = client_result({"chat": [record(n, kind="missing_usage") for n in range(80)]}, slo={"ttft_p95_ms_max": 1})
    document["phases"][0]["client"] = {"wall_seconds": 1, "cpu_seconds": 1, "busy_ratio": None, "lag_ms": None}
    document["client"]["cpu_count"] = None
    document["warmup"] = None
    document["phases"][0]["load"] = {"kind": "trace"}
    words = text_of(page(document))
    assert "chat tokens not known" in words
    assert "chat misses ttft_p95_ms_max 1: 100 was measured" in words
    assert "busy unknown of the time, lag unknown" in words
    assert "cores of its machine unknown" in words
    assert "warm-up, in no figure none" in words
    assert "trace load; ended by requests." in words


def test_an_interrupted_run_is_shown_and_says_so() -> None:
    words = text_of(page({**client_result(PAIR), "partial": True}, {"error_ratio_max": 0.5}))
    assert "Benchmark: inconclusive" in words
    assert "The run was interrupted." in words


def test_a_client_that_was_too_slow_is_told_at_the_top_once_and_at_its_phase() -> None:
    document = client_result(PAIR)
    document["phases"][0]["inconclusive"] = ["client too slow: it was busy"]
    words = text_of(page(document, {"error_ratio_max": 0.5}))
    assert words.count("blue, green: client too slow: it was busy") == 1
    assert "Doubts about this phase client too slow: it was busy" in words


def sweep(best: float | None) -> dict[str, Any]:
    document = client_result({"chat": [record(n) for n in range(80)]})
    phases = [{**copy.deepcopy(document["phases"][0]), "name": f"rate{number}"} for number in range(3)]
    phases[1]["targets"]["chat"]["slo_misses"] = ["ttft_p95_ms_max 50: 100 was measured"]
    steps = [
        {"rate_per_second": 2.0, "meets": best is not None},
        {"rate_per_second": 4.0, "meets": False},
        {"rate_per_second": 2.8, "meets": None},
    ]
    return {**document, "phases": phases, "sweep": {"rate_per_second_max": best, "ended": "it was", "steps": steps}}


def test_a_search_shows_its_steps_and_the_rate_that_counts_and_folds_the_others() -> None:
    html = page(sweep(2.0))
    words = text_of(html)
    assert "2 requests/s meet the limits; the search ended because it was." in words
    assert "rate0 2 requests/s meets the limits" in words
    assert "rate1 4 requests/s misses them chat: ttft_p95_ms_max 50: 100 was measured" in words
    assert "TTFT p95 by rate" in words
    assert "rate2 2.8 requests/s the client was the bottleneck" in words
    assert html.count("not judged</summary>") == 2
    assert "<h2>Phase rate0</h2>" in html
    none = sweep(None)
    assert "No rate that was tried meets the limits" in page(none)
    for phase in none["phases"]:
        phase["targets"]["chat"]["ttft_ms"] = None
    assert "TTFT p95 by rate Nothing was measured." in text_of(page(none))


def test_nothing_that_a_server_or_an_inventory_says_becomes_markup() -> None:
    document = client_result({EVIL: [record(n, kind=EVIL, text=EVIL) for n in range(9)], "b": [record(1)]})
    document.update({"started_at": EVIL, "definitions": {EVIL: EVIL}})
    phase = document["phases"][0]
    phase.update({"name": EVIL, "stopped_by": EVIL, "inconclusive": [EVIL], "load": {"kind": EVIL, EVIL: EVIL}})
    phase["targets"][EVIL]["slo_misses"] = [EVIL]
    phase["targets"][EVIL]["throughput"][EVIL] = 1
    document["client"].update({"python": EVIL, "event_loop": EVIL})
    document["sweep"] = {"rate_per_second_max": None, "ended": EVIL, "steps": []}
    document["settings"]["targets"][0].update({"name": EVIL, "url": EVIL})
    html = page(document)
    seen = Balance(html).seen
    assert not {"script", "img", "link", "iframe", "a"} & set(seen)
    # The words are there, as words.
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 15


def test_a_result_that_could_not_be_read_or_deviates_has_a_verdict_and_no_pictures() -> None:
    failed = Judgement(Verdict(Result.FAIL, ("r.json: is empty",)), ())
    html = render_benchmark_page(failed, [], None, "r.json", "now")
    assert "Benchmark: <span class='fail'>fail</span>" in html
    assert "No pictures: there is no result that could be read" in html
    assert "No pictures: $: lacks partial" in page(own_result())


def test_nothing_measured_still_shows_the_client_and_the_settings() -> None:
    failed = Judgement(Verdict(Result.FAIL, ("nothing was measured",)), ())
    words = text_of(render_benchmark_page(failed, [], client_result({}), "r.json", "now"))
    assert "The client" in words
    assert "Settings" in words


def test_results_of_other_tools_are_shown_without_pictures() -> None:
    vllm = json.loads((DATA / "vllm-0.11.0-ok.json").read_text())
    words = text_of(page(vllm, {"ttft_p95_ms_max": 10_000}))
    assert "pictures are drawn of results of serving_benchmark only, not of vllm bench serve" in words
    assert re.search(r"inconclusive ttft_p95_ms [\d.]+ ms <= 10000 ms 24", words)


@given(st.lists(st.integers(min_value=1, max_value=50), min_size=1, max_size=900))
def test_every_drawn_point_of_a_distribution_is_exact_and_the_ends_are_kept(values: list[int]) -> None:
    points = thin_ecdf(values)
    assert len(points) <= POINTS_MAX
    for value, percent in points:
        assert percent == pytest.approx(100 * sum(each <= value for each in values) / len(values))
    assert (points[0][0], points[-1]) == (min(values), (max(values), 100.0))


def test_the_tail_of_many_values_is_kept_whole() -> None:
    values = [float(number) for number in range(20_000)]
    points = [value for value, _percent in thin_ecdf(values)]
    assert points[-20:] == values[-20:]
    assert POINTS_MAX - 25 <= len(points) <= POINTS_MAX


def test_more_answers_than_are_drawn_are_said_to_be_thinned() -> None:
    said = f"At most {POINTS_MAX} values of each are drawn, each with its exact share."
    for count, is_thinned in ((POINTS_MAX, False), (POINTS_MAX + 1, True)):
        html = page(client_result({"chat": [record(number) for number in range(count)]}))
        assert (said in html) is is_thinned


def test_a_long_run_makes_no_large_page() -> None:
    def long(ttft_ms: float) -> Sequence[Any]:
        return [record(number, ttft_ms + number % 97) for number in range(20_000)]

    document = client_result({"blue": long(100), "green": long(140)})
    assert len(document["phases"][0]["targets"]["blue"]["series"]) > 5 * BINS_MAX
    html = page(document)
    assert len(html) < 100_000
    assert f"At most {POINTS_MAX} values of each are drawn, each with its exact share." in html


def test_throughput_counts_steps_without_answers_as_none() -> None:
    document = client_result({"chat": [record(0), record(200)]})
    phase = document["phases"][0]
    starts = [step["start_seconds"] for step in phase["targets"]["chat"]["series"]]
    assert starts == [0.0, 10.0]
    chart = re.findall(r"<svg class=\"chart\".*?</svg>", draw_phase(phase, 1.0))[4]
    path = re.findall(r'd="(M[^"]+)"', chart)[0]
    heights = [float(part.split()[1]) for part in re.split("[ML]", path)[1:]]
    # Nine steps in between lie on the axis.
    assert len(heights) == 11
    assert (heights[0], set(heights[1:10]), heights[10]) == (heights[10], {194.0}, heights[0])


def test_a_baseline_is_shown_and_what_only_an_expression_finds_has_no_count() -> None:
    document = client_result({"chat": [record(n) for n in range(80)]})
    (run,) = parse_runs([document], "r.json")
    criteria = parse_criteria(
        [
            {"metric": "ttft_p95_ms", "operator": "<=", "value": 10, "unit": "percent", "relative": True},
            {"expression": "schema", "operator": "<=", "value": 1},
        ],
        [],
    )
    rows = (Row(criteria[0], Result.PASS, 100.0, 98.0, "few samples"), Row(criteria[1], Result.PASS, 1.0))
    judgement = Judgement(Verdict(Result.PASS), rows)
    html = render_benchmark_page(judgement, [JudgedRun(run, judgement)], document, "r.json", "now")
    assert "pass ttft_p95_ms 100 ms (baseline 98 ms) <= 1.1 x baseline 80 few samples" in text_of(html)
    assert "pass schema 1 <= 1 unknown" in text_of(html)
