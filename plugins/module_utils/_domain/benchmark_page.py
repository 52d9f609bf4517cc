# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A judged benchmark as one HTML page: the verdict on top, limits beside what was observed, then figures and pictures.

Verdict and limits are shown of every tool's result; the rest only of our own, and only where it fits its schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_details import render_details
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_run import BenchmarkRun
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_schema import find_deviation
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_verdict import (
    Judgement,
    Row,
    observed_values,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.page import (
    Html,
    breakable,
    bullets,
    join,
    moment,
    render_frame,
    result_word,
    table,
)

__all__ = ["JudgedRun", "render_benchmark_page"]

_NOT_MEASURED = "not measured"
# What an overview shows: metric, head, format.
_OVERVIEW = (
    ("error_ratio", "Failed", "{:.2%}"),
    ("ttft_p50_ms", "TTFT p50", "{:.4g} ms"),
    ("ttft_p95_ms", "TTFT p95", "{:.4g} ms"),
    ("itl_p95_ms", "ITL p95", "{:.4g} ms"),
    ("e2e_p95_ms", "E2E p95", "{:.4g} ms"),
    ("throughput_tokens_per_second", "Output", "{:.4g} tokens/s"),
    ("goodput_ratio", "Goodput", "{:.2%}"),
)


@dataclass(frozen=True)
class JudgedRun:
    """One run (a target in a phase) and what was concluded about it."""

    run: BenchmarkRun
    judgement: Judgement

    @property
    def name(self) -> str:
        """What people call the run."""
        return self.run.target or self.run.tool


def render_benchmark_page(
    judgement: Judgement, judged: Sequence[JudgedRun], document: Mapping[str, Any] | None, place: str, created_at: str
) -> str:
    """Return the page of runs and of what was concluded of all of them.

    ``document`` is the result as its tool wrote it, None where it could not be read.
    ``place`` says where it was read from. None of the arguments is trusted to be free of markup.
    """
    first = judged[0].run if judged else None
    below = [f"{place}, judged {moment(created_at)}"]
    if first is not None:
        below.append(f"Measured by {first.tool}, {moment(first.started_at)} to {moment(first.finished_at)}")
    body: list[str] = [bullets("Why", judgement.verdict.reasons)]
    if any(each.run.partial for each in judged):
        body.append(
            Html("<p><b>The run was interrupted.</b> What was measured until then is shown; it cannot pass.</p>")
        )
    if judged:
        body += [Html("<h2>Limits and what was observed</h2>"), _limits(judged)]
        body += [bullets("Remarks", judgement.remarks)]
        body += [Html("<h2>Overview</h2>"), _overview(judged)]
    deviation = "there is no result that could be read" if document is None else find_deviation(document)
    if deviation is None and document is not None:
        body.append(render_details(document, {each.run.phase for each in judged}))
    else:
        foreign = first is not None and first.tool != "serving_benchmark"
        why = (
            f"pictures are drawn of results of serving_benchmark only, not of {first.tool}"
            if foreign and first
            else deviation
        )
        body.append(join((Html("<p>No pictures: "), str(why), Html("</p>"))))
    return render_frame("Benchmark", judgement.verdict.result.value, below, body)


def _limits(judged: Sequence[JudgedRun]) -> Html:
    several = len(judged) > 1
    heads = ("Result", *(["Run"] if several else []), "What", "Observed", "Limit", "Samples", "Why")
    rows = [row for each in judged for row in _limit_rows(each, named=several)]
    if not any(row[-1] for row in rows):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    return table("Limits and observed values", heads, rows)


def _limit_rows(judged: JudgedRun, *, named: bool) -> Iterator[tuple[str, ...]]:
    for row in judged.judgement.rows:
        criterion = row.criterion
        observed = criterion.show(row.observed) if row.observed is not None else _NOT_MEASURED
        if row.baseline is not None:
            observed += f" (baseline {criterion.show(row.baseline)})"
        samples = _count_samples(judged.run, row)
        what = (breakable(criterion.name), observed, criterion.words(), samples, row.reason)
        yield (result_word(row.result.value), *([judged.name] if named else []), *what)


def _count_samples(run: BenchmarkRun, row: Row) -> str:
    """Return how many values are behind an observed one: those of the latency's family, else all requests."""
    metric = row.criterion.metric
    if metric is not None and metric.family is not None:
        return str(run.samples_behind.get(metric.family, run.completed or 0))
    if metric is None or run.completed is None or run.failed is None:
        return "unknown"
    return str(run.completed + run.failed)


def _overview(judged: Sequence[JudgedRun]) -> Html:
    heads = ("Run", "Verdict", "Answered", "Not answered", *(head for _metric, head, _form in _OVERVIEW))

    def row(each: JudgedRun) -> tuple[str, ...]:
        values = observed_values(each.run)
        counts = ["unknown" if count is None else str(count) for count in (each.run.completed, each.run.failed)]
        figures = [form.format(values[name]) if name in values else _NOT_MEASURED for name, _head, form in _OVERVIEW]
        return (each.name, result_word(each.judgement.verdict.result.value), *counts, *figures)

    return table("Overview of the runs", heads, map(row, judged))
