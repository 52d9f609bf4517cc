# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads AIPerf's ``profile_export_aiperf.json``: each metric is an object {unit, avg, p50, ...}; the unit counts.

Seen in files of 0.5.0 (schema 1.0) and 0.13.0 (schema 1.4). Its inter-token latency is a mean per request, which is
TPOT for the other tools; the gaps are ``inter_chunk_latency``. When every request fails it writes no file. Where a file
has ``adj_`` latencies (0.13), which count failures as infinite, they are taken: they are the honest ones.
"""

from __future__ import annotations

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_run import (
    BenchmarkRun,
    Metrics,
    Node,
    find_lateness,
    percentile_name,
)

__all__ = ["is_aiperf", "read_aiperf"]

_LATENCIES = {
    "time_to_first_token": "ttft",
    "inter_token_latency": "tpot",
    "inter_chunk_latency": "itl",
    "request_latency": "e2e",
}
_THROUGHPUT = {
    "request_throughput": ("throughput_requests_per_second", "requests/sec"),
    "output_token_throughput": ("throughput_tokens_per_second", "tokens/sec"),
    "total_token_throughput": ("throughput_total_tokens_per_second", "tokens/sec"),
}
_IN_MS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "sec": 1e3, "s": 1e3}


def is_aiperf(document: dict[str, object]) -> bool:
    """Whether an object is a summary of AIPerf, or of GenAI-Perf before it."""
    metric = document.get("request_throughput")
    return isinstance(metric, dict) and "unit" in metric and "request_latency" in document


def read_aiperf(node: Node) -> BenchmarkRun:
    """Return the run of one summary."""
    completed = node.at("request_count", "avg").count()
    failed = node.at("error_request_count", "avg").count()
    requested = node.at("completed_request_count", "avg").count()
    if failed is None and completed is not None:
        # Absent when there was no error; older files say nowhere else how many were wanted.
        failed = 0 if requested is None else requested - completed
    if requested is None and completed is not None and failed is not None:
        requested = completed + failed
    metrics = Metrics(completed)
    behind = {}
    for key, family in _LATENCIES.items():
        behind[family] = _read_latency(node, key, family, metrics, completed)
    for key, (name, unit) in _THROUGHPUT.items():
        if node.at(key).value is not None and node.at(key, "unit").text() != unit:
            node.at(key, "unit").wrong(unit)
        metrics.number(name, node.at(key, "avg"))
    metrics.lacks("goodput_ratio", "AIPerf's summary has none that is read here")
    values, missing = metrics.done()
    return BenchmarkRun(
        tool="aiperf",
        tool_version=node.at("aiperf_version").text(),
        target="",
        requested=requested,
        completed=completed,
        failed=failed,
        errors=_count_errors(node),
        duration_seconds=node.at("benchmark_duration", "avg").number(),
        output_tokens=node.at("total_output_tokens", "avg").count(),
        metrics=values,
        missing=missing,
        samples_behind=behind,
        partial=node.at("was_cancelled").flag() or node.at("is_complete").value is False,
        doubts=find_lateness("credit_to_start_latency", node.at("credit_to_start_latency", "avg").number(), values),
        started_at=node.at("start_time").text(),
        finished_at=node.at("end_time").text(),
    )


def _read_latency(node: Node, key: str, family: str, metrics: Metrics, completed: int | None) -> int:
    """Take one latency and return how many samples it is of."""
    metric = node.at(key)
    adjusted = node.at(f"adj_{key}")
    factor = _IN_MS.get(metric.at("unit").text() or "ms")
    if factor is None:
        metric.at("unit").wrong(", ".join(_IN_MS))
        factor = 1.0
    for name in metric.names():
        if name == "avg" or name.startswith("p"):
            canonical = f"{family}_{percentile_name(name)}_ms"
            metrics.latency(canonical, metric.at(name), factor)
            if name != "avg" and adjusted.value is not None:
                metrics.latency(canonical, adjusted.at(name), factor)
                if adjusted.at(name).value is None:
                    metrics.lacks(canonical, f"it falls on a failed request: {adjusted.path} has none")
    return metric.at("count").count() or completed or 0


def _count_errors(node: Node) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in node.at("error_summary").items():
        details = item.at("error_details")
        code = details.at("code").number()
        name = f"{code:g} {details.at('type').text()}" if code is not None else str(details.at("type").text())
        counts[name] = counts.get(name, 0) + (item.at("count").count() or 0)
    return counts
