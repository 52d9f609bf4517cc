# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a judged run is kept: as data for people and machines, and as the baseline of later runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_run import BenchmarkRun, Node
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_verdict import (
    Judgement,
    Source,
    observed_values,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.criteria import Criterion
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.table import align
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict, worst
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = [
    "describe_limits",
    "describe_rows",
    "is_verdict",
    "join_judgements",
    "parse_record",
    "render_record",
    "render_table",
]


def render_record(source: Source) -> dict[str, Any]:
    """Return a run as plain data, without its samples."""
    run = source.run
    return {
        "tool": run.tool,
        "tool_version": run.tool_version,
        "target": run.target,
        "requests": {"requested": run.requested, "completed": run.completed, "failed": run.failed},
        "errors": dict(run.errors),
        "duration_seconds": run.duration_seconds,
        "output_tokens": run.output_tokens,
        "metrics": dict(sorted(observed_values(run).items())),
        "missing": dict(sorted(run.missing.items())),
        "samples_behind": dict(run.samples_behind),
        "expressions": dict(source.expressions),
        "gpus": source.gpus,
        "partial": run.partial,
        "doubts": list(run.doubts),
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def is_verdict(data: Mapping[str, Any]) -> bool:
    """Whether data is what the gate has returned earlier, not a result of a load tool."""
    return "verdict" in data and "observed" in data


def parse_record(data: Mapping[str, Any], path: str) -> Source:
    """Return the run of an earlier verdict; raises InputError when it did not pass or is no such data."""
    if data.get("verdict") != Result.PASS.value:
        hint = "A baseline is a run that has passed."
        raise InputError([Problem(f"{path}.verdict", "is no baseline", repr(data.get("verdict")), "pass", hint)])
    if not data.get("observed"):
        hint = "Judge the one that is to be the baseline by itself, with target."
        raise InputError([Problem(f"{path}.observed", "is empty: several runs were judged at once", hint=hint)])
    problems: list[Problem] = []
    node = Node(data.get("observed"), f"{path}.observed", problems)
    requests, metrics, behind = node.at("requests"), node.at("metrics"), node.at("samples_behind")
    values = {name: metrics.at(name).number() for name in metrics.names()}
    expressions = node.at("expressions")
    run = BenchmarkRun(
        tool=node.at("tool").text() or "",
        tool_version=node.at("tool_version").text(),
        target=node.at("target").text() or "",
        requested=requests.at("requested").count(),
        completed=requests.at("completed").count(),
        failed=requests.at("failed").count(),
        metrics={name: value for name, value in values.items() if value is not None},
        samples_behind={name: behind.at(name).count() or 0 for name in behind.names()},
    )
    found = {name: expressions.at(name).value for name in expressions.names()}
    source = Source(run, found, node.at("gpus").count())
    if problems:
        raise InputError(problems)
    return source


def describe_limits(criteria: Sequence[Criterion]) -> list[dict[str, Any]]:
    """Return the limits as plain data."""
    return [
        {
            "criterion": each.name,
            "path": each.path,
            "operator": each.sign,
            "value": each.limit,
            "unit": "x baseline" if each.relative else each.unit,
        }
        for each in criteria
    ]


def describe_rows(judgement: Judgement) -> list[dict[str, Any]]:
    """Return each criterion's own result as plain data."""
    return [
        {
            "criterion": row.criterion.name,
            "limit": row.criterion.words(),
            "observed": row.observed,
            "baseline": row.baseline,
            "result": row.result.value,
            "reason": row.reason,
        }
        for row in judgement.rows
    ]


def join_judgements(parts: Sequence[tuple[str, Judgement]]) -> Judgement:
    """Return one judgement of several runs, with the runs' names before each reason where there is more than one."""
    if len(parts) == 1:
        return parts[0][1]

    def named(texts: Sequence[tuple[str, str]]) -> tuple[str, ...]:
        names: dict[str, list[str]] = {}
        for name, text in texts:
            names.setdefault(text, []).append(name)
        return tuple(f"{', '.join(who)}: {text}" for text, who in names.items())

    result = worst(Verdict(each.verdict.result) for _name, each in parts).result
    reasons = named([(name, text) for name, each in parts for text in each.verdict.reasons])
    rows = tuple(row for _name, each in parts for row in each.rows)
    return Judgement(
        Verdict(result, reasons), rows, named([(name, text) for name, each in parts for text in each.remarks])
    )


def render_table(parts: Sequence[tuple[str, Judgement]]) -> list[str]:
    """Return the criteria as aligned lines of text with a head line; of several runs each line names its own."""
    several = len(parts) > 1
    rows = [[*(["RUN"] if several else []), "CRITERION", "OBSERVED", "LIMIT", "BASELINE", "RESULT"]]
    for name, judgement in parts:
        for row in judgement.rows:
            cells = ["missing" if row.observed is None else f"{row.observed:.6g}", row.criterion.words()]
            before = "" if row.baseline is None else f"{row.baseline:.6g}"
            rows.append([*([name] if several else []), row.criterion.name, *cells, before, row.result.value])
    return align(rows)
