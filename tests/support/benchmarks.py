# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of load tools for tests: files that the tools have written (tests/data/benchmarks), and our own by hand.

The files of the tools were written against a server with 100 ms to the first token and 20 ms for each further one, 24
requests, 4 at once. In those with "faults" every fifth request got HTTP 500 and every seventh stream was cut.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.distribution import Distribution
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.metrics import (
    DEFINITIONS,
    samples_of,
    series_of,
    summarize,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.record import OK, UNCOUNTED, Record
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.run import SCHEMA
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.settings import parse_settings
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.sweep import find_misses

__all__ = ["DATA", "METRICS", "client_result", "own_result", "own_target", "record"]

DATA = Path(__file__).parents[1] / "data" / "benchmarks"
METRICS = {
    "ttft_mean_ms": 105.0,
    "ttft_p50_ms": 101.0,
    "ttft_p95_ms": 150.0,
    "ttft_p99_ms": 190.0,
    "itl_p95_ms": 21.0,
    "tpot_mean_ms": 20.0,
    "e2e_p95_ms": 460.0,
    "throughput_tokens_per_second": 1800.0,
    "goodput_ratio": 0.99,
}


def own_target(
    completed: int = 400,
    failed: int = 0,
    metrics: Mapping[str, Any] | None = None,
    samples: Sequence[float | None] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return the figures of one target of our own client; metrics by the gate's names, samples of TTFT in ms."""
    latencies: dict[str, dict[str, Any]] = {f"{family}_ms": {"count": completed} for family in ("ttft", "tpot", "e2e")}
    latencies["itl_ms"] = {"count": 15 * completed}
    throughput: dict[str, Any] = {}
    goodput: dict[str, Any] = {}
    places = {
        "throughput_tokens_per_second": (throughput, "output_tokens_per_second"),
        "throughput_requests_per_second": (throughput, "requests_per_second"),
        "goodput_ratio": (goodput, "ratio"),
    }
    for name, value in (METRICS if metrics is None else metrics).items():
        family, _separator, statistic = name.removesuffix("_ms").rpartition("_")
        place, key = places.get(name) or (latencies[f"{family}_ms"], statistic)
        place[key] = value
    target: dict[str, Any] = {
        "requests": {
            "issued": completed + failed,
            "ok": completed,
            "without_usage": 0,
            "failed": failed,
            "lost": 0,
        },
        "classes": {"http_500": failed} if failed else {},
        "duration_seconds": 60.0,
        **latencies,
        "tokens": {"prompt": 32 * completed, "output": 16 * completed},
        "throughput": throughput,
        "goodput": goodput,
        "samples": None,
    }
    if samples is not None:
        target["samples"] = {"ttft_us": [None if each is None else each * 1000 for each in samples]}
    return {**target, **more}


def own_result(*, gpus: int = 2, **more: Any) -> dict[str, Any]:
    """Return a result of our own client with one phase; ``targets`` is one named chat by default."""
    targets = more.pop("targets", None) or {"chat": own_target()}
    phase = {"name": "load", "targets": targets, "inconclusive": more.pop("doubts", [])}
    return {
        "schema": 1,
        "tool": "llmops.kubernetes serving_benchmark",
        "started_at": "2026-01-31T12:00:00+00:00",
        "finished_at": "2026-01-31T12:01:00+00:00",
        "settings": {"targets": [{"name": name, "accelerators": gpus} for name in targets]},
        "phases": [phase],
        "inconclusive": [],
        **more,
    }


def record(number: int, ttft_ms: float = 100.0, kind: str = OK, text: str = "") -> Record:
    """Return one request: due every 50 ms, 11 tokens with gaps of 20 ms; one that failed has ended at once."""
    due = number * 0.05
    sent, first = due + 0.0002, due + 0.0002 + ttft_ms / 1000
    if kind not in (OK, *UNCOUNTED):
        return Record(number, kind, due, sent, sent + 0.01, 0.0, None, None, array("f"), 0, None, None, text)
    gaps = array("f", [0.02] * 10)
    tokens = 11 if kind == OK else None
    return Record(number, kind, due, sent, first + 0.21, 0.0, first, first + 0.2, gaps, 0, 9, tokens, text)


def client_result(
    targets: Mapping[str, Sequence[Record]], *, samples_max: int = 20000, slo: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Return what the client makes of these requests: a whole result of one phase, without a server."""
    settings = parse_settings(
        {
            "targets": [
                {"name": name, "url": "http://a", "model": "tiny", "accelerators": 2} for name in targets or ["chat"]
            ],
            "phases": [{"name": "load", "load": {"kind": "constant", "rate_per_second": 20}, "stop": {"requests": 9}}],
            "request_slo": {"ttft_ms_max": 150},
        }
    )
    figures = {}
    for name, records in targets.items():
        figures[name] = summarize(records, begin=0.0, issued=len(records), slo=settings.request_slo, accelerators=2)
        figures[name]["series"] = series_of(records, begin=0.0, step_seconds=1.0)
        figures[name]["samples"] = samples_of(records, begin=0.0) if len(records) <= samples_max else None
        if slo:
            figures[name]["slo_misses"] = find_misses(figures[name], slo)
    lag = Distribution([0.001, 0.002]).summary_ms()
    meter = {"wall_seconds": 2.0, "cpu_seconds": 0.2, "busy_ratio": 0.1, "lag_ms": lag}
    phase = {
        "name": "load",
        "load": {"kind": "constant", "rate_per_second": 20},
        "stopped_by": "requests",
        "closed_loop": False,
        "targets": figures,
        "client": meter,
        "inconclusive": [],
    }
    return {
        "schema": SCHEMA,
        "tool": "llmops.kubernetes serving_benchmark",
        "started_at": "2026-01-31T12:00:00.123456+00:00",
        "finished_at": "2026-01-31T12:01:00.123456+00:00",
        "settings": json.loads(json.dumps(asdict(settings))),
        "definitions": dict(DEFINITIONS),
        "partial": False,
        "warmup": {"requests": 2, "ok": 2, "classes": {}, "examples": {}},
        "phases": [phase] if targets else [],
        "inconclusive": [],
        "client": {
            "event_loop": "asyncio",
            "python": "3.11.2",
            "cpu_count": 2,
            "wall_seconds": 2.0,
            "cpu_seconds": 0.2,
            "connections": [1 for _name in targets],
        },
    }
