# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads our own format of results (`serving_benchmark`): one document, its phases, one or two targets in each."""

from __future__ import annotations

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_run import BenchmarkRun, Metrics, Node
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import shown
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import Problem

__all__ = ["OUR_TOOL", "is_llmops", "read_llmops"]

OUR_TOOL = "serving_benchmark"
# The client's own number of the schema, and the name under which results are kept.
_SCHEMAS = (1, "llmops.dev/benchmark-result/v1")
_LATENCIES = ("ttft", "ttft_from_schedule", "itl", "tpot", "e2e", "connect")
# A connection that is kept takes no time.
_MAY_BE_ZERO = ("connect",)
_THROUGHPUT = {
    "requests_per_second": "throughput_requests_per_second",
    "output_tokens_per_second": "throughput_tokens_per_second",
    "total_tokens_per_second": "throughput_total_tokens_per_second",
}


def is_llmops(document: dict[str, object]) -> bool:
    """Whether an object is a result of our own client, of any version."""
    known = str(document.get("schema")).startswith("llmops.dev/benchmark-result/")
    return known or str(document.get("tool")).endswith(OUR_TOOL)


def read_llmops(node: Node) -> list[BenchmarkRun]:
    """Return one run for each target of each phase of the document."""
    if node.at("schema").value not in _SCHEMAS:
        node.at("schema").wrong(" or ".join(map(str, _SCHEMAS)))
        return []
    phases = node.at("phases").items()
    runs = [_read_target(node, phase, name, len(phases)) for phase in phases for name in phase.at("targets").names()]
    if not runs:
        said = "; ".join(str(item.value) for item in node.at("inconclusive").items())
        message = "nothing was measured" + (f": {said}" if said else "")
        node.problems.append(Problem("phases", message, shown(node.at("phases").value)))
    return runs


def _read_target(node: Node, phase: Node, name: str, phases: int) -> BenchmarkRun:
    target, phase_name = phase.at("targets", name), phase.at("name").text() or ""
    requests = target.at("requests")
    issued, ok, uncounted = (requests.at(key).count() for key in ("issued", "ok", "without_usage"))
    # An answer without usage is whole: its latencies count, its tokens are unknown.
    completed = None if ok is None else ok + (uncounted or 0)
    metrics = Metrics(completed)
    behind = {}
    for family in _LATENCIES:
        summary = target.at(f"{family}_ms")
        for statistic in summary.names():
            if statistic != "count":
                take = metrics.number if family in _MAY_BE_ZERO else metrics.latency
                take(f"{family}_{statistic}_ms", summary.at(statistic))
        behind[family] = summary.at("count").count() or 0
    for key, metric in _THROUGHPUT.items():
        metrics.number(metric, target.at("throughput", key))
    metrics.number("goodput_requests_per_second", target.at("goodput", "requests_per_second"))
    metrics.number("goodput_ratio", target.at("goodput", "ratio"))
    values, missing = metrics.done()
    classes = target.at("classes")
    return BenchmarkRun(
        tool=OUR_TOOL,
        tool_version=None,
        target=f"{phase_name}/{name}" if phases > 1 else name,
        requested=issued,
        completed=completed,
        failed=requests.at("failed").count(),
        errors={kind: classes.at(kind).count() or 0 for kind in classes.names()},
        duration_seconds=target.at("duration_seconds").number(),
        output_tokens=target.at("tokens", "output").count(),
        metrics=values,
        missing=missing,
        samples_behind=behind,
        samples=_read_samples(target.at("samples")),
        partial=node.at("partial").flag(),
        doubts=tuple(_find_doubts(phase)),
        gpus=_find_gpus(node, name),
        phase=phase_name,
        started_at=node.at("started_at").text(),
        finished_at=node.at("finished_at").text(),
    )


def _read_samples(node: Node) -> dict[str, tuple[float | None, ...]]:
    """Return the samples, whose columns are in microseconds and in the order of the planned times."""
    samples = {}
    for family in ("ttft", "tpot", "e2e"):
        values = [item.number() for item in node.at(f"{family}_us").items()]
        if values:
            samples[family] = tuple(None if value is None else value / 1000 for value in values)
    return samples


def _find_doubts(phase: Node) -> list[str]:
    if phase.at("inconclusive").value is None:
        return ["the result does not say whether the client kept up (inconclusive)"]
    return [item.text() or "" for item in phase.at("inconclusive").items()]


def _find_gpus(node: Node, name: str) -> int | None:
    """Return the accelerators that the target was said to have; 0 stands for none or unknown."""
    for target in node.at("settings", "targets").items():
        if target.at("name").value == name:
            return target.at("accelerators").count() or None
    return None
