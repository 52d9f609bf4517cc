# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of one phase of a benchmark: distributions, and how it went over time; all targets in each picture.

Pictures are thinned, so that a page of a long run stays small: a distribution keeps some of its values, each with its
exact share; what goes over time is put into bins. Every picture says so below itself. Phases fit the schema
(``benchmark_schema``) before they come here.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.chart import (
    Line,
    Scale,
    line_swatch,
    render_chart,
    scale_over,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.page import Html, join, legend
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quantiles import quantile

__all__ = ["BINS_MAX", "POINTS_MAX", "draw_phase", "draw_rates", "thin_ecdf"]

# Points of one curve. A phone has about as many pixels across.
POINTS_MAX = 240
# The longest values are what people look for: none of these is left out.
_TAIL_POINTS = 20
BINS_MAX = 100
_PERCENT = Scale("% of answers", 0, 100, False, (0, 25, 50, 75, 95))
_MARKS = (("p50", 50.0), ("p95", 95.0), ("p99", 99.0))
_KNOWN = (("min", 0.0), ("p50", 50.0), ("p90", 90.0), ("p95", 95.0), ("p99", 99.0), ("max", 100.0))
# Moments (seconds from the start of the phase) with a number each.
Course = Sequence[tuple[float, float]]


def thin_ecdf(values: Sequence[float]) -> list[tuple[float, float]]:
    """Return points (value, percent of all values that are at most it) of the empirical distribution, by value.

    Of many values every n-th is kept, with the smallest and the largest ones; the percent of each is exact.
    """
    ordered, count = sorted(values), len(values)
    ranks = set(range(count))
    if count > POINTS_MAX:
        evenly = POINTS_MAX - _TAIL_POINTS
        ranks = {round(step * (count - 1) / (evenly - 1)) for step in range(evenly)}
        ranks |= set(range(count - _TAIL_POINTS, count))
    kept = sorted({ordered[rank] for rank in ranks})
    return [(value, 100 * bisect_right(ordered, value) / count) for value in kept]


def draw_phase(phase: Mapping[str, Any], step_seconds: float) -> Html:
    """Return the pictures of a phase, with one legend; ``step_seconds`` is the length of a step of its series."""
    targets: Mapping[str, Mapping[str, Any]] = phase["targets"]
    pictures = (
        _distribution("Time to first token (TTFT)", "ttft", targets),
        _distribution("Whole request (E2E)", "e2e", targets),
        _over_time("TTFT over time", "ms", targets, lambda figures: _ttft_course(figures, step_seconds), _TTFT_NOTE),
        _over_time("Gap between tokens (ITL) over time", "ms", targets, _itl_course, _ITL_NOTE),
        _over_time(
            "Throughput over time",
            "output tokens/s",
            targets,
            lambda each: (_token_course(each, step_seconds), None),
            _TOKENS_NOTE,
        ),
        _distribution("How late the client sent", "lateness", targets),
    )
    names = legend((line_swatch(number), name) for number, name in enumerate(targets))
    return join((names, Html(f'<div class="charts">{join(pictures)}</div>')))


def draw_rates(steps: Sequence[Mapping[str, Any]], phases: Sequence[Mapping[str, Any]]) -> Html:
    """Return the p95 of the TTFT against the rate, for a search; step n is phase n."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for step, phase in zip(steps, phases):
        for name, figures in phase["targets"].items():
            points = lines.setdefault(name, [])
            if figures["ttft_ms"] is not None:
                points.append((step["rate_per_second"], figures["ttft_ms"]["p95"]))
    drawn = [Line(number, sorted(points)) for number, points in enumerate(lines.values()) if points]
    title, every = "TTFT p95 by rate", [point for line in drawn for point in line.points]
    if not every:
        return _nothing(title, ["Nothing was measured."])
    across = scale_over("requests/s", [point[0] for point in every])
    up = scale_over("ms", [point[1] for point in every], from_zero=True)
    names = legend((line_swatch(number), name) for number, name in enumerate(lines))
    return join((names, render_chart(title, f"{title}, in ms", across, up, drawn)))


_TTFT_NOTE = "Thick: p50, thin: p95 of the requests that were due in a step; of merged steps the highest is drawn. "
_ITL_NOTE = "Thick: p50, thin: p95 of the requests' mean gaps, by when they were due. "
_TOKENS_NOTE = "The tokens of an answer count when it ends. "


def _samples(figures: Mapping[str, Any], column: str) -> list[float | None]:
    samples = figures["samples"] or {}
    return [None if value is None else value / 1000 for value in samples.get(column, ())]


def _distribution(title: str, family: str, targets: Mapping[str, Mapping[str, Any]]) -> Html:
    """Return the distribution of a latency of all targets."""
    lines, words, thinned = [], [], ""
    for number, (name, figures) in enumerate(targets.items()):
        summary = figures[f"{family}_ms"]
        if summary is None:
            words.append(f"{name}: nothing was measured.")
            continue
        values = [value for value in _samples(figures, f"{family}_us") if value is not None]
        marks = [(summary[key], share, f"{name} {key}: {summary[key]:g} ms") for key, share in _MARKS]
        if values:
            points = thin_ecdf(values)
            lines.append(Line(number, [(points[0][0], 0.0), *points], marks, steps=True))
        else:
            lines.append(Line(number, [(summary[key], share) for key, share in _KNOWN], marks))
            thinned = "Straight lines between the percentiles that were kept. "
        if len(values) > POINTS_MAX:
            thinned = f"At most {POINTS_MAX} values of each are drawn, each with its exact share. "
        figures_ms = ", ".join(f"{key} {summary[key]:g}" for key, _share in _MARKS)
        words.append(f"{name}: {summary['count']} values, {figures_ms} ms.")
    if not lines:
        return _nothing(title, words)
    drawn = [point[0] for line in lines for point in line.points]
    across = scale_over("ms", [*drawn, *(mark[0] for line in lines for mark in line.marks)])
    return render_chart(
        title, " ".join(words), across, _PERCENT, lines, f"{thinned}Dots: p50, p95, p99. {' '.join(words)}"
    )


def _nothing(title: str, words: Sequence[str]) -> Html:
    return join((Html("<figure><figcaption>"), title, Html("</figcaption><p>"), " ".join(words), Html("</p></figure>")))


def _over_time(
    title: str,
    unit: str,
    targets: Mapping[str, Mapping[str, Any]],
    course: Callable[[Mapping[str, Any]], tuple[Course | None, Course | None]],
    note: str,
) -> Html:
    """Return what a course gives for each target: a thick line, and a thin one for a higher percentile."""
    lines, words = [], []
    for number, (name, figures) in enumerate(targets.items()):
        thick, thin = course(figures)
        if thick is None:
            words.append(f"{name}: not known, as its requests were not kept one by one.")
        elif not thick:
            words.append(f"{name}: nothing was measured.")
        else:
            lines.append(Line(number, thick))
            lines += [Line(number, thin, thin=True)] if thin is not None else []
    points = [point for line in lines for point in line.points]
    if not points:
        return _nothing(title, words)
    ends = [figures["duration_seconds"] for figures in targets.values()]
    across = scale_over("seconds since the start", [*ends, *(point[0] for point in points)], from_zero=True)
    up = scale_over(unit, [point[1] for point in points], from_zero=True)
    return render_chart(title, f"{title}, in {unit}", across, up, lines, note + " ".join(words))


def _bin_seconds(series: Sequence[Mapping[str, Any]], step_seconds: float) -> float:
    """Return the length of a bin: so many steps that there are no more bins than allowed."""
    steps = max((step["start_seconds"] for step in series), default=0.0) / step_seconds + 1
    return step_seconds * math.ceil(steps / BINS_MAX)


def _binned(pairs: Sequence[tuple[float, float]], length_seconds: float) -> dict[int, list[float]]:
    bins: dict[int, list[float]] = {}
    for moment, value in pairs:
        bins.setdefault(int(moment / length_seconds + 1e-6), []).append(value)
    return bins


def _course(
    bins: Mapping[int, Sequence[float]], length_seconds: float, pick: Callable[[Sequence[float]], float]
) -> Course:
    """Return a point in the middle of each bin that holds something."""
    return [((number + 0.5) * length_seconds, pick(bins[number])) for number in sorted(bins)]


def _ttft_course(figures: Mapping[str, Any], step_seconds: float) -> tuple[Course, Course]:
    series = figures["series"]
    length = _bin_seconds(series, step_seconds)

    def highest(key: str) -> Course:
        pairs = [(step["start_seconds"], step[key]) for step in series if step[key] is not None]
        return _course(_binned(pairs, length), length, max)

    return highest("ttft_p50_ms"), highest("ttft_p95_ms")


def _itl_course(figures: Mapping[str, Any]) -> tuple[Course | None, Course | None]:
    if figures["samples"] is None:
        return None, None
    times = [value / 1_000_000 for value in figures["samples"]["due_us"]]
    pairs = [(time, gap) for time, gap in zip(times, _samples(figures, "itl_mean_us")) if gap is not None]
    length = max(times, default=0.0) / BINS_MAX or 1.0
    bins = {number: sorted(values) for number, values in _binned(pairs, length).items()}
    return (
        _course(bins, length, lambda ordered: quantile(ordered, 0.5)),
        _course(bins, length, lambda ordered: quantile(ordered, 0.95)),
    )


def _token_course(figures: Mapping[str, Any], step_seconds: float) -> Course | None:
    """Return output tokens per second; a step that is absent had none."""
    series = figures["series"]
    if not any(step["output_tokens"] for step in series):
        return []
    length = _bin_seconds(series, step_seconds)
    bins = _binned([(step["start_seconds"], step["output_tokens"]) for step in series], length)
    count = max(bins) + 1
    return [((number + 0.5) * length, sum(bins.get(number, ())) / length) for number in range(count)]
