# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what `serving_benchmark` returns and writes: one document, one or two targets."""

from __future__ import annotations

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_run import (
    FAMILIES,
    BenchmarkRun,
    Metrics,
    Node,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import Problem

__all__ = ["SCHEMA", "is_llmops", "read_llmops"]

SCHEMA = "llmops.dev/benchmark-result/v1"
_SCHEMA_PREFIX = "llmops.dev/benchmark-result/"
_COMPLETE, _PARTIAL = "complete", "partial"


def is_llmops(document: dict[str, object]) -> bool:
    """Whether an object is a result of our own client, of any version."""
    return str(document.get("schema")).startswith(_SCHEMA_PREFIX)


def read_llmops(node: Node) -> list[BenchmarkRun]:
    """Return one run for each target of the document."""
    if node.at("schema").text() != SCHEMA:
        node.at("schema").wrong(SCHEMA)
        return []
    if node.at("state").value not in (_COMPLETE, _PARTIAL):
        node.at("state").wrong(f"{_COMPLETE} or {_PARTIAL}")
    targets = node.at("targets").items()
    if not targets:
        node.problems.append(Problem("targets", "the result has no target", hint="Run the benchmark again."))
    return [_read_target(target, node) for target in targets]


def _read_target(target: Node, node: Node) -> BenchmarkRun:
    completed = target.at("requests", "completed").count()
    metrics = Metrics(completed)
    for name in target.at("metrics").names():
        value = target.at("metrics", name)
        if name.partition("_")[0] in FAMILIES:
            metrics.latency(name, value)
        else:
            metrics.number(name, value)
    values, missing = metrics.done()
    errors = target.at("requests", "errors")
    return BenchmarkRun(
        tool="serving_benchmark",
        tool_version=node.at("client", "version").text(),
        target=target.at("name").text() or "",
        requested=target.at("requests", "issued").count(),
        completed=completed,
        failed=target.at("requests", "failed").count(),
        errors={name: errors.at(name).count() or 0 for name in errors.names()},
        duration_seconds=node.at("duration_seconds").number(),
        output_tokens=target.at("tokens", "output").count(),
        metrics=values,
        missing=missing,
        samples_behind={name: target.at("counts", name).count() or 0 for name in target.at("counts").names()},
        samples=_read_samples(target.at("samples")),
        partial=node.at("state").value != _COMPLETE,
        doubts=tuple(_find_doubts(node)),
        gpus=target.at("gpus").count(),
        started_at=node.at("started_at").text(),
        finished_at=node.at("finished_at").text(),
    )


def _read_samples(node: Node) -> dict[str, tuple[float | None, ...]]:
    samples = {}
    for key in node.names():
        family, _separator, unit = key.partition("_")
        if family in FAMILIES and unit == "ms":
            samples[family] = tuple(item.number() for item in node.at(key).items())
    return samples


def _find_doubts(node: Node) -> list[str]:
    client = node.at("client")
    doubts = []
    if client.at("too_slow").value is None:
        doubts.append("the result does not say whether the client kept up (client.too_slow)")
    elif client.at("too_slow").flag():
        said = [item.text() or "" for item in client.at("reasons").items()]
        doubts.append(f"the client was too slow: {'; '.join(said) or 'it does not say why'}")
    if client.at("closed_loop").flag():
        doubts.append("the client reached its limit of requests in flight, so that a queue of the server is not seen")
    return doubts
