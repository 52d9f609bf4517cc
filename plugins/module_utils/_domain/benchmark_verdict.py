# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges one run by its criteria: whether it can be judged at all, what succeeded, then each limit.

Counts come before any latency: when every request fails, two of the tools report 0.0 ms and end with success. What is
missing never passes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.baseline import (
    Baseline,
    compare,
    find_incomparable,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_llmops import OUR_TOOL
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_run import BenchmarkRun
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.criteria import Criterion
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.metrics import Metric, find_metric
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.proportions import clopper_pearson
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quantiles import (
    quantile_interval,
    samples_needed,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict, worst

__all__ = ["Judgement", "Row", "Source", "evaluate_benchmark", "observed_values"]

_COUNTS = ("error_ratio", "requests_failed", "requests_completed")


@dataclass(frozen=True)
class Row:
    """One criterion with what was observed, None where it is missing.

    ``reason`` is empty for a plain pass; of a passed comparison it says how far it can be trusted.
    """

    criterion: Criterion
    result: Result
    observed: float | None
    baseline: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Judgement:
    """The verdict, each criterion, and remarks that change nothing of the verdict."""

    verdict: Verdict
    rows: tuple[Row, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A run with the values of the expressions, by their text, and the number of GPUs, None where it is unknown."""

    run: BenchmarkRun
    expressions: Mapping[str, Any]
    gpus: int | None = None


def observed_values(run: BenchmarkRun) -> dict[str, float]:
    """Return all metrics of a run, with those that are computed of its counts."""
    values = dict(run.metrics)
    if run.completed is not None and run.failed is not None and run.completed + run.failed:
        values["error_ratio"] = run.failed / (run.completed + run.failed)
    counts = {
        "requests_completed": run.completed,
        "requests_failed": run.failed,
        "output_tokens": run.output_tokens,
        "duration_seconds": run.duration_seconds,
    }
    values.update({name: float(count) for name, count in counts.items() if count is not None})
    return values


def evaluate_benchmark(
    source: Source, criteria: Sequence[Criterion], baseline: Baseline | None = None, other: Source | None = None
) -> Judgement:
    """Judge a run; ``baseline`` and ``other`` (the same run with its expressions) are for relative criteria."""
    run = source.run
    wanted = list(criteria)
    if not any(each.metric is not None and each.metric.name in _COUNTS for each in criteria):
        # Survivors look fast: nothing is known of a run some of whose requests failed, unless one says how many may.
        metric = find_metric("error_ratio")
        wanted.insert(
            0, Criterion("the default (no criterion says how many may fail)", "<=", 0.0, metric, unit="ratio")
        )
    verdicts = list(_judge_run(run))
    sharing = [each for each in wanted if each.relative]
    rows = []
    for criterion in wanted:
        if not run.completed and (criterion.metric is None or criterion.metric.name not in _COUNTS):
            # The counts have failed it already; a latency, or what an expression finds, is that of no request.
            rows.append(Row(criterion, Result.FAIL, None, reason="not judged: no request has succeeded"))
            continue
        row = _judge(source, criterion, baseline, other, sharing)
        rows.append(row)
        verdicts.append(Verdict(row.result, (row.reason,) if row.result is not Result.PASS else ()))
    return Judgement(worst(verdicts), tuple(rows), tuple(_remark(run, wanted)))


def _judge_run(run: BenchmarkRun) -> Iterator[Verdict]:
    """Judge what no limit is needed for."""
    if run.partial:
        yield Verdict(Result.INCONCLUSIVE, ("the run was interrupted: its figures are kept, but cannot pass",))
    if run.completed is None or run.failed is None:
        lacking = " and ".join(name for name in ("completed", "failed") if getattr(run, name) is None)
        yield Verdict(Result.FAIL, (f"the result does not say how many requests have {lacking}",))
        return
    total = run.completed + run.failed
    if run.completed == 0:
        errors = f": {_describe(run.errors)}" if run.errors else ""
        yield Verdict(Result.FAIL, (f"none of {total} requests has succeeded{errors}",))
    if run.requested is not None and run.requested != total:
        reason = (
            f"{run.requested} requests were wanted, {run.completed} completed and {run.failed} failed: {total} in all"
        )
        yield Verdict(Result.INCONCLUSIVE if run.partial else Result.FAIL, (reason,))
    for doubt in run.doubts:
        yield Verdict(Result.INCONCLUSIVE, (doubt,))
    yield Verdict(Result.PASS)


def _judge(
    source: Source,
    criterion: Criterion,
    baseline: Baseline | None,
    other: Source | None,
    sharing: Sequence[Criterion],
) -> Row:
    observed, why = _observe(source, criterion)
    if observed is None:
        return Row(criterion, _missing(source.run, criterion), None, reason=f"{criterion.name} is missing: {why}")
    if lack := _find_lack(source.run, criterion.metric):
        return Row(
            criterion, Result.INCONCLUSIVE, observed, reason=f"{criterion.name} is {criterion.show(observed)}, {lack}"
        )
    if survivors := _find_survivors(source.run, criterion):
        return Row(criterion, Result.FAIL, observed, reason=survivors)
    if not criterion.relative:
        if criterion.holds(observed):
            return Row(criterion, Result.PASS, observed)
        return Row(criterion, Result.FAIL, observed, reason=_outside(source.run, criterion, observed))
    return _judge_relative(source, criterion, observed, baseline, other, sharing)


def _judge_relative(
    source: Source,
    criterion: Criterion,
    observed: float,
    baseline: Baseline | None,
    other: Source | None,
    sharing: Sequence[Criterion],
) -> Row:
    before, why = _observe(other, criterion) if other is not None else (None, "none was given")
    obstacle = find_incomparable(source.run, baseline) if baseline is not None else None
    if baseline is None or obstacle is not None or before is None or before <= 0:
        reason = f"{criterion.name} has no baseline: {obstacle or why or f'it is {before:g}'}"
        return Row(criterion, Result.INCONCLUSIVE, observed, before, reason)
    ratio = observed / before
    compared = compare(source.run, baseline, criterion, ratio, sharing)
    shown = f"{criterion.show(observed)}, {ratio:.3f} times the baseline of {criterion.show(before)}"
    reason = f"{criterion.name} is {shown}, limit {criterion.words()}; {compared.note}"
    return Row(criterion, compared.result, observed, before, reason)


def _observe(source: Source, criterion: Criterion) -> tuple[float | None, str]:
    """Return the value of what is judged, or None and why it is missing."""
    run, metric = source.run, criterion.metric
    if metric is None:
        return _number(source.expressions.get(str(criterion.expression)))
    value = observed_values(run).get(metric.name)
    if value is None:
        return None, run.missing.get(metric.name) or f"{run.tool} has not measured it"
    if not metric.per_gpu:
        return value, ""
    if not source.gpus:
        return None, "the number of GPUs is unknown: set gpus"
    return value / source.gpus, ""


def _number(value: Any) -> tuple[float | None, str]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None, f"the expression finds {'nothing (null or absent)' if value is None else repr(value)[:80]}"
    if not math.isfinite(value):
        return None, f"the expression finds {value}"
    return float(value), ""


def _missing(run: BenchmarkRun, criterion: Criterion) -> Result:
    """Missing fails. Only a server that sends no usage is no failure of the release: its tokens are unknown."""
    metric = criterion.metric
    tokens = metric is not None and (metric.family == "tpot" or "token" in metric.name)
    if tokens and run.completed and run.output_tokens is None and run.tool == OUR_TOOL:
        return Result.INCONCLUSIVE
    return Result.FAIL


def _find_lack(run: BenchmarkRun, metric: Metric | None) -> str | None:
    """Return why a percentile is of too few samples."""
    if metric is None or metric.family is None or metric.share is None:
        return None
    behind = run.samples_behind.get(metric.family, run.completed or 0)
    needed = samples_needed(metric.share)
    if behind >= needed:
        return None
    return f"but of {behind} samples; a p{metric.share * 100:g} takes {needed} to be bounded with 95 % confidence"


def _find_survivors(run: BenchmarkRun, criterion: Criterion) -> str | None:
    """Return that a percentile over all requests falls on a failed one: a failure is a latency without end."""
    metric = criterion.metric
    ratio = observed_values(run).get("error_ratio", 0.0)
    if metric is None or metric.share is None or not criterion.is_upper or ratio <= 1 - metric.share:
        return None
    return f"{criterion.name}: {ratio:.1%} of the requests failed, so that it falls on a failed one"


def _outside(run: BenchmarkRun, criterion: Criterion, observed: float) -> str:
    text = f"{criterion.name} is {criterion.show(observed)}, limit {criterion.words()} ({criterion.path})"
    metric = criterion.metric
    if metric is None:
        return text
    if metric.name in _COUNTS and run.errors:
        return f"{text}: {_describe(run.errors)}"
    samples = sorted(each for each in run.samples.get(metric.family or "", ()) if each is not None)
    if metric.share is not None and samples:
        low, high = (None if end is None else f"{end:.6g}" for end in quantile_interval(samples, metric.share))
        text += f"; with 95 % confidence it is {low or 'unbounded'} to {high or 'unbounded'} ms"
    return text


def _remark(run: BenchmarkRun, criteria: Sequence[Criterion]) -> Iterator[str]:
    """Say where an error ratio within its limit is not shown by so few requests."""
    if not run.completed or run.failed is None:
        return
    total = run.completed + run.failed
    for criterion in criteria:
        if criterion.metric is None or criterion.metric.name != "error_ratio" or not criterion.limit:
            continue
        high = clopper_pearson(run.failed, total)[1]
        if criterion.holds(run.failed / total) and not criterion.holds(high):
            yield (
                f"{run.failed} of {total} requests failed, which is within {criterion.words()}, but with 95 %"
                f" confidence the true ratio may be up to {high:.2g}: only more requests could show less"
            )


def _describe(errors: Mapping[str, int]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in sorted(errors.items(), key=lambda pair: -pair[1]))
