# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads ``vllm bench serve --save-result``: one flat object per run, latencies in ms, details in seconds.

Seen in files of 0.10.1 to 0.33.0. ``failed`` exists from 0.11.1 on. When every request fails, every latency is 0.0.
"""

from __future__ import annotations

import re

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_run import (
    FAMILIES,
    BenchmarkRun,
    Metrics,
    Node,
    find_lateness,
    percentile_name,
)

__all__ = ["is_vllm", "read_vllm"]

# 0.10.1 and older write endpoint_type only, newer ones both it and backend.
_MARKS = ("num_prompts", "endpoint_type")
_LATENCY = re.compile(r"(mean|median|p\d+(?:\.\d+)?)_(ttft|tpot|itl|e2el)_ms")
_THROUGHPUT = {
    "request_throughput": "throughput_requests_per_second",
    "output_throughput": "throughput_tokens_per_second",
    "total_token_throughput": "throughput_total_tokens_per_second",
}


def is_vllm(document: dict[str, object]) -> bool:
    """Whether an object is a result of vLLM's own load tool."""
    return all(mark in document for mark in _MARKS)


def read_vllm(node: Node) -> BenchmarkRun:
    """Return the run of one object."""
    requested, completed, failed = (node.at(key).count() for key in ("num_prompts", "completed", "failed"))
    if failed is None and "failed" not in node.names() and requested is not None and completed is not None:
        failed = max(0, requested - completed)
    metrics = Metrics(completed)
    for key in node.names():
        match = _LATENCY.fullmatch(key)
        if match:
            statistic, family = match.groups()
            metrics.latency(f"{'e2e' if family == 'e2el' else family}_{percentile_name(statistic)}_ms", node.at(key))
    for key, name in _THROUGHPUT.items():
        metrics.number(name, node.at(key))
    duration = node.at("duration").number()
    _read_goodput(node, metrics, requested, duration)
    values, missing = metrics.done()
    samples = _read_samples(node)
    behind = {family: completed for family in FAMILIES if family != "itl" and completed is not None}
    output_tokens = node.at("total_output_tokens").count()
    if output_tokens is not None and completed is not None:
        behind["itl"] = max(0, output_tokens - completed)
    return BenchmarkRun(
        tool="vllm bench serve",
        tool_version=None,
        target=node.at("model_id").text() or "",
        requested=requested,
        completed=completed,
        failed=failed,
        errors=_count_errors(node),
        duration_seconds=duration,
        output_tokens=output_tokens,
        metrics=values,
        missing=missing,
        samples_behind=behind,
        samples=samples,
        # At rate "inf" requests wait for their turn by design: that is a closed loop.
        doubts=find_lateness("queue_times", _mean_ms(node.at("queue_times")), values) if _is_open(node) else (),
        started_at=node.at("date").text(),
    )


def _read_goodput(node: Node, metrics: Metrics, requested: int | None, duration: float | None) -> None:
    """Take the share of good requests of all; the file has good ones per second, null without an SLO."""
    metrics.number("goodput_requests_per_second", node.at("request_goodput"))
    good = node.at("request_goodput").number()
    if good is not None and duration and requested:
        metrics.set("goodput_ratio", good * duration / requested)
    else:
        metrics.lacks("goodput_ratio", "request_goodput is null or absent: run vllm bench serve with --goodput")


def _read_samples(node: Node) -> dict[str, tuple[float | None, ...]]:
    """Return the latencies of all requests, if the file has details; a cut stream has failed, whatever it had begun."""
    errors = [bool(item.text()) for item in node.at("errors").items()]
    samples = {}
    for key, family in (("ttfts", "ttft"), ("latencies", "e2e")):
        values = [item.number() for item in node.at(key).items()]
        failed = errors if len(errors) == len(values) else [False] * len(values)
        if values:
            samples[family] = tuple(v * 1000 if v and not bad else None for v, bad in zip(values, failed))
    return samples


def _is_open(node: Node) -> bool:
    return bool(node.at("request_rate").value != "inf")


def _mean_ms(node: Node) -> float | None:
    values = [item.number() or 0.0 for item in node.items()]
    return 1000 * sum(values) / len(values) if values else None


def _count_errors(node: Node) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in node.at("errors").items():
        # A traceback or a message of the server; its last line says most.
        lines = (item.text() or "").strip().splitlines()
        if lines:
            counts[lines[-1][:200]] = counts.get(lines[-1][:200], 0) + 1
    return counts
