# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads inference-perf's ``summary_lifecycle_metrics.json`` and ``stage_N_lifecycle_metrics.json``, all in seconds.

Seen in files of November 2025 and of 0.7.0. When every request fails, the latencies are null. Percentiles are those
that its configuration asked for; the p50 is called median.
"""

from __future__ import annotations

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_run import (
    BenchmarkRun,
    Metrics,
    Node,
    find_lateness,
    percentile_name,
)

__all__ = ["is_inference_perf", "read_inference_perf"]

_LATENCIES = {
    "time_to_first_token": "ttft",
    "inter_token_latency": "itl",
    "time_per_output_token": "tpot",
    "request_latency": "e2e",
}
_THROUGHPUT = {
    "requests_per_sec": "throughput_requests_per_second",
    "output_tokens_per_sec": "throughput_tokens_per_second",
    "total_tokens_per_sec": "throughput_total_tokens_per_second",
}


def is_inference_perf(document: dict[str, object]) -> bool:
    """Whether an object holds the lifecycle metrics of inference-perf."""
    load = document.get("load_summary")
    # Its *_prometheus_metrics.json has the same three keys, and the server's own figures, without a count of the load.
    return isinstance(load, dict) and "count" in load and "successes" in document and "failures" in document


def read_inference_perf(node: Node) -> BenchmarkRun:
    """Return the run of one file."""
    requested = node.at("load_summary", "count").count()
    completed = node.at("successes", "count").count()
    metrics = Metrics(completed)
    for key, family in _LATENCIES.items():
        latency = node.at("successes", "latency", key)
        for name in ["mean", *(each for each in latency.names() if each == "median" or each.startswith("p"))]:
            metrics.latency(f"{family}_{percentile_name(name)}_ms", latency.at(name), 1000.0)
    for key, name in _THROUGHPUT.items():
        metrics.number(name, node.at("successes", "throughput", key))
    metrics.lacks("goodput_ratio", "inference-perf's figure is of the successes; none over all requests is in the file")
    values, missing = metrics.done()
    output_tokens = node.at("successes", "output_tokens", "total").count()
    delay = node.at("load_summary", "schedule_delay", "mean")
    # With a fixed concurrency requests wait for their turn by design; only the stage file says that it was fixed.
    late = delay.number() if node.at("load_summary", "concurrency").value is None else None
    behind = dict.fromkeys(_LATENCIES.values(), completed or 0)
    if output_tokens is not None:
        behind["itl"] = max(0, output_tokens - (completed or 0))
    return BenchmarkRun(
        tool="inference-perf",
        tool_version=None,
        # A stage file says which load it had; the summary mixes the stages of a ramp.
        target="stage" if node.at("load_summary", "requested_rate").value is not None else "summary of all stages",
        requested=requested,
        completed=completed,
        failed=node.at("failures", "count").count(),
        errors=_count_errors(node),
        duration_seconds=node.at("benchmark_time_seconds").number(),
        output_tokens=output_tokens,
        metrics=values,
        missing=missing,
        samples_behind=behind,
        doubts=find_lateness(delay.path, None if late is None else late * 1000, values),
    )


def _count_errors(node: Node) -> dict[str, int]:
    labels = node.at("failures", "by_label")
    return {name: labels.at(name, "count").count() or 0 for name in labels.names()}
