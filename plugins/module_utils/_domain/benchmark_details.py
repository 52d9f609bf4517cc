# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lower part of a benchmark's page: pictures and figures of each phase, errors, the search for a rate, client."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_charts import draw_phase, draw_rates
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.page import Html, bullets, join, table

__all__ = ["render_details"]

_FAMILIES = (
    ("ttft", "TTFT"),
    ("ttft_from_schedule", "TTFT from schedule"),
    ("itl", "ITL"),
    ("tpot", "TPOT"),
    ("e2e", "E2E"),
    ("connect", "New connections"),
    ("lateness", "Lateness of the client"),
)
_STATISTICS = ("mean", "p50", "p90", "p95", "p99", "min", "max")
_BAR_WIDTH = 120


def render_details(document: Mapping[str, Any], judged_phases: Collection[str]) -> Html:
    """Return all that a result has to show; it fits the schema. Phases that were not judged are folded."""
    step_seconds = document["settings"]["series_step_seconds"]
    parts: list[str] = []
    if "sweep" in document:
        parts += [Html("<h2>Search for the highest rate</h2>"), _sweep(document["sweep"], document["phases"])]
    for phase in document["phases"]:
        name = join(("Phase ", phase["name"]))
        content = join((_facts(phase), draw_phase(phase, step_seconds), _errors(phase), _latencies(phase)))
        if phase["name"] in judged_phases:
            parts.append(Html(f"<h2>{name}</h2>{content}"))
        else:
            parts.append(Html(f"<details><summary>{name}, not judged</summary>{content}</details>"))
    parts += [Html("<h2>The client</h2>"), _client(document)]
    meanings = join(
        join((Html("<dt>"), name, Html("</dt><dd>"), text, Html("</dd>")))
        for name, text in document["definitions"].items()
    )
    settings = json.dumps(document["settings"], indent=1, ensure_ascii=False)
    parts += [Html(f"<h2>What the figures mean</h2><dl>{meanings}</dl>")]
    parts += [
        join((Html("<details><summary>Settings</summary><pre tabindex='0'>"), settings, Html("</pre></details>")))
    ]
    return join(parts)


def _facts(phase: Mapping[str, Any]) -> Html:
    load = dict(phase["load"])
    words = [f"{name} {value}" for name, value in load.items() if name != "kind"]
    line = f"{load['kind']} load, {', '.join(words)}; " if words else f"{load['kind']} load; "
    lines = [f"{line}ended by {phase['stopped_by']}."]
    return join((Html("<p>"), *lines, Html("</p>"), bullets("Doubts about this phase", phase["inconclusive"])))


def _sweep(sweep: Mapping[str, Any], phases: Sequence[Mapping[str, Any]]) -> Html:
    """Return what the search has found, and what was seen at each rate; step n is phase n."""
    best = sweep["rate_per_second_max"]
    found = f"{best:.4g} requests/s meet the limits" if best is not None else "No rate that was tried meets the limits"
    words = {True: "meets the limits", False: "misses them", None: "the client was the bottleneck"}
    rows = []
    for step, phase in sorted(zip(sweep["steps"], phases), key=lambda pair: float(pair[0]["rate_per_second"])):
        misses = [
            f"{name}: {miss}" for name, figures in phase["targets"].items() for miss in figures.get("slo_misses", ())
        ]
        rate = f"{step['rate_per_second']:.4g} requests/s"
        rows.append((phase["name"], rate, words[step["meets"]], "; ".join(misses)))
    heads = ("Phase", "Rate", "Result", "Missed")
    parts = (Html("<p>"), f"{found}; the search ended because {sweep['ended']}.", Html("</p>"))
    return join((*parts, table("Rates that were tried", heads, rows), draw_rates(sweep["steps"], phases)))


def _errors(phase: Mapping[str, Any]) -> Html:
    """Return how many requests ended in which class, with a bar for their share and the words of the first one."""
    rows = []
    for number, (name, figures) in enumerate(phase["targets"].items()):
        issued = max(figures["requests"]["issued"], 1)
        lost = {"lost": figures["requests"]["lost"]} if figures["requests"]["lost"] else {}
        for kind, count in sorted({**figures["classes"], **lost}.items(), key=lambda pair: -pair[1]):
            share = count / issued
            words = figures["examples"].get(kind, "")
            rows.append((name, kind, str(count), f"{share:.2%}", _bar(number, share), words))
    if not rows:
        return Html("<h3>Errors</h3><p>Every request was answered, with its tokens counted.</p>")
    heads = ("Target", "Class", "Requests", "Of all", "", "The first one's words")
    return join((Html("<h3>Errors</h3>"), table("Errors by class", heads, rows)))


def _bar(style: int, share: float) -> Html:
    width = max(1, round(_BAR_WIDTH * min(share, 1.0)))
    whole = f'<rect class="free" x="0.5" y="0.5" width="{_BAR_WIDTH - 1}" height="11"/>'
    part = f'<rect class="s{style}" width="{width}" height="12"/>'
    return Html(f'<svg width="{_BAR_WIDTH}" height="12" aria-hidden="true">{whole}{part}</svg>')


def _latencies(phase: Mapping[str, Any]) -> Html:
    rows = [
        (head, name, *_summary_cells(figures[f"{family}_ms"]))
        for family, head in _FAMILIES
        for name, figures in phase["targets"].items()
    ]
    heads = ("In milliseconds", "Target", *_STATISTICS, "Values")
    return join((Html("<h3>Figures</h3>"), table("Latencies", heads, rows), _rates(phase)))


def _summary_cells(summary: Mapping[str, Any] | None) -> Sequence[str]:
    if summary is None:
        return ("not measured", *("" for _name in _STATISTICS[1:]), "0")
    return (*(f"{summary[name]:.5g}" for name in _STATISTICS), str(summary["count"]))


def _rates(phase: Mapping[str, Any]) -> Html:
    def rows() -> Iterator[tuple[str, ...]]:
        for name, figures in phase["targets"].items():
            tokens = figures["tokens"]
            yield (name, "requests issued", str(figures["requests"]["issued"]))
            yield (name, "time", f"{figures['duration_seconds']:g} s")
            yield (name, "tokens", f"{tokens['prompt']} in, {tokens['output']} out" if tokens else "not known")
            for key, value in figures["throughput"].items():
                yield (name, key.replace("_", " "), "not measured" if value is None else f"{value:g}")
            for miss in figures.get("slo_misses", ()):
                yield (name, "misses", miss)

    return table("Counts and rates", ("Target", "What", "Value"), rows())


def _client(document: Mapping[str, Any]) -> Html:
    client, warmup = document["client"], document["warmup"]
    rows = [
        ("processor time", f"{client['cpu_seconds']:g} s in {client['wall_seconds']:g} s"),
        ("cores of its machine", str(client["cpu_count"] or "unknown")),
        ("Python", f"{client['python']}, event loop {client['event_loop']}"),
        ("connections", ", ".join(map(str, client["connections"]))),
        ("warm-up, in no figure", f"{warmup['ok']} of {warmup['requests']} requests answered" if warmup else "none"),
    ]
    for phase in document["phases"]:
        seen = phase["client"]
        busy = "unknown" if seen["busy_ratio"] is None else f"{seen['busy_ratio']:.0%}"
        lag = f"lagged {seen['lag_ms']['p99']:g} ms at p99" if seen["lag_ms"] else "lag unknown"
        rows.append((f"phase {phase['name']}", f"busy {busy} of the time, {lag}"))
    return table("The client", ("What", "Value"), rows)
