# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads guidellm's JSON report: a list ``benchmarks``, one for each strategy (rate) of the profile.

Seen in files of 0.3.1 (no metadata), 0.6.1 (schema 1) and 0.8.1 (schema 2). When every request fails, every latency is
0.0. Its inter-token latency is (last - first) / (tokens - 1) of a request, which is TPOT for the other tools; its own
"time per output token" is something else in each version and is not taken. Percentiles are observed values.
"""

from __future__ import annotations

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_run import (
    BenchmarkRun,
    Metrics,
    Node,
    percentile_name,
)

__all__ = ["is_guidellm", "read_guidellm"]

_LATENCIES = {
    "time_to_first_token_ms": ("ttft", 1.0),
    "inter_token_latency_ms": ("tpot", 1.0),
    "request_latency": ("e2e", 1000.0),
}
_THROUGHPUT = {
    "requests_per_second": "throughput_requests_per_second",
    "output_tokens_per_second": "throughput_tokens_per_second",
    "tokens_per_second": "throughput_total_tokens_per_second",
}
_PERCENTILES = {"p01": "p1", "p05": "p5", "p999": "p99_9", "p001": "p0_1"}


def is_guidellm(document: dict[str, object]) -> bool:
    """Whether an object is a report of guidellm."""
    benchmarks = document.get("benchmarks")
    return isinstance(benchmarks, list) and all(
        isinstance(each, dict) and each.get("type_") == "generative_benchmark" for each in benchmarks
    )


def read_guidellm(report: Node) -> list[BenchmarkRun]:
    """Return one run for each benchmark of the report."""
    version = report.at("metadata", "guidellm_version").text()
    return [_read_benchmark(benchmark, version) for benchmark in report.at("benchmarks").items()]


def _read_benchmark(node: Node, version: str | None) -> BenchmarkRun:
    totals = node.at("metrics", "request_totals")
    if totals.value is None:
        totals = node.at("request_totals")  # 0.3
    completed, errored, incomplete, requested = (
        totals.at(key).count() for key in ("successful", "errored", "incomplete", "total")
    )
    metrics = Metrics(completed)
    behind = {}
    for key, (family, factor) in _LATENCIES.items():
        distribution = node.at("metrics", key, "successful")
        metrics.latency(f"{family}_mean_ms", distribution.at("mean"), factor)
        for name in distribution.at("percentiles").names():
            place = _PERCENTILES.get(name, percentile_name(name))
            metrics.latency(f"{family}_{place}_ms", distribution.at("percentiles", name), factor)
        # Token latencies are weighted by tokens, so their count is not one of independent samples.
        behind[family] = min(distribution.at("count").count() or 0, completed or 0)
        if not behind[family]:
            metrics.lacks(f"{family}_mean_ms", f"{distribution.path}.count is 0 or absent")
    for key, name in _THROUGHPUT.items():
        metrics.number(name, node.at("metrics", key, "successful", "mean"))
    metrics.lacks("goodput_ratio", "guidellm's report has none that is read here; see its slo_attainment")
    values, missing = metrics.done()
    strategy = node.at("config", "strategy", "type_").text() or node.at("args", "strategy", "type_").text()
    return BenchmarkRun(
        tool="guidellm",
        tool_version=version,
        target=strategy or "",
        requested=requested,
        completed=completed,
        # A request without an end is no success: the time was over, or the server did not finish.
        failed=None if errored is None else errored + (incomplete or 0),
        errors={key: count for key, count in (("errored", errored), ("incomplete", incomplete)) if count},
        duration_seconds=node.at("duration").number() or _span(node),
        metrics=values,
        missing=missing,
        samples_behind=behind,
        samples=_read_samples(node, completed),
        doubts=tuple(_read_warnings(node)),
    )


def _span(node: Node) -> float | None:
    start, end = node.at("start_time").number(), node.at("end_time").number()
    return None if start is None or end is None else end - start


def _read_samples(node: Node, completed: int | None) -> dict[str, tuple[float | None, ...]]:
    """Return the latencies of the successful requests in the order of sending, if the report has all of them."""
    requests = node.at("requests", "successful").items()
    if not requests or len(requests) != completed:
        return {}
    starts = [
        request.at("request_start_time").number() or request.at("start_time").number() or 0.0 for request in requests
    ]
    order = sorted(range(len(requests)), key=starts.__getitem__)
    samples = {}
    for key, (family, factor) in _LATENCIES.items():
        values = [requests[index].at(key).number() for index in order]
        samples[family] = tuple(value * factor if value else None for value in values)
    return samples


def _read_warnings(node: Node) -> list[str]:
    """Return the tool's own doubts about its client (0.8: a mean delay of making requests that is felt in TTFT)."""
    return [
        f"guidellm warns: {warning.at('message').text()} {warning.at('note').text() or ''}".rstrip()
        for warning in node.at("warnings").items()
    ]
