# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging a benchmark's result by its criteria."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Protocol

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.baseline import Baseline
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_page import (
    JudgedRun,
    render_benchmark_page,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_record import (
    describe_limits,
    describe_rows,
    is_verdict,
    join_judgements,
    parse_record,
    render_record,
    render_table,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_results import (
    parse_document,
    parse_runs,
    select_judged,
    select_run,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_run import BenchmarkRun
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_verdict import (
    Judgement,
    Source,
    evaluate_benchmark,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.criteria import (
    Criterion,
    find_contradictions,
    parse_criteria,
    parse_slo,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import anchor_name
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Clock, ClusterApi, Outcome

__all__ = ["RELEASE_KEY", "BenchmarkGateRequest", "Expressions", "Files", "JudgedBenchmark", "judge_benchmark"]

# Where a release keeps the last verdict that has passed, in its ConfigMap NAME-release: this gate's result as JSON.
RELEASE_KEY = "benchmark_verdict"
_BASELINES = ("baseline_path", "baseline", "baseline_target", "baseline_release")
# What the returned data says of itself, where it is kept in a file.
SCHEMA = "llmops.dev/benchmark-verdict/v1"


class Files(Protocol):
    """Files of the machine where the module runs."""

    def read(self, path: str, option: str) -> str:
        """Return the text of a file."""


class Expressions(Protocol):
    """JMESPath."""

    def search(self, expression: str, document: Any, path: str) -> Any:
        """Return what an expression finds, or None."""


@dataclass(frozen=True)
class BenchmarkGateRequest:
    """What to judge, by what; one of ``path`` and ``result`` is set, and at most one baseline."""

    path: str | None = None
    result: Mapping[str, Any] | None = None
    target: str | None = None
    every_run: bool = False
    criteria: Sequence[Any] = ()
    slo: Mapping[str, Any] = field(default_factory=dict)
    baseline_path: str | None = None
    baseline: Mapping[str, Any] | None = None
    baseline_target: str | None = None
    baseline_release: Mapping[str, Any] | None = None
    gpus: int | None = None
    fail_on: Sequence[str] = ("fail", "inconclusive")


@dataclass(frozen=True)
class JudgedBenchmark:
    """The outcome of the module, and what draws the page that shows the same to people."""

    outcome: Outcome
    render_page: Callable[[], str]


@dataclass(frozen=True)
class _Found:
    """A run of a file or of data, with the document that expressions look into."""

    run: BenchmarkRun
    document: Mapping[str, Any]
    others: Sequence[BenchmarkRun]


def judge_benchmark(
    request: BenchmarkGateRequest,
    files: Files,
    expressions: Expressions,
    clock: Clock,
    open_cluster: Callable[[], ClusterApi],
) -> JudgedBenchmark:
    """Return the verdict; raises InputError for wrong criteria and baselines, before any file is judged.

    A result that is absent, empty or broken is no wrong input but a failed benchmark: load tools end so when every
    request has failed. The cluster is opened for ``baseline_release`` only.
    """
    return _Gate(request, files, expressions, clock, open_cluster).run()


class _Gate:
    def __init__(
        self,
        request: BenchmarkGateRequest,
        files: Files,
        expressions: Expressions,
        clock: Clock,
        open_cluster: Callable[[], ClusterApi],
    ) -> None:
        self.request, self.files, self.expressions, self.clock = request, files, expressions, clock
        self.open_cluster = open_cluster
        self.place = request.path or "result"
        self.started = clock.now()
        self.document: Mapping[str, Any] | None = None

    def run(self) -> JudgedBenchmark:
        criteria = self._criteria()
        try:
            documents = self._documents(self.request.path, self.request.result, "path", "result")
            self.document = documents[0]
            runs = [(run, document) for document in documents for run in parse_runs([document], self.place)]
        except InputError as error:
            reasons = tuple(problem.render() for problem in error.problems)
            return self._end(Judgement(Verdict(Result.FAIL, reasons), ()), criteria, [])
        if self.request.every_run:
            return self._judge_every(runs, criteria)
        found = self._select(runs, self.request.target, self.place, "target")
        self.document = found.document
        source = self._source(found, criteria, self.request.gpus or found.run.gpus)
        baseline, other, lack = self._baseline(found, runs, criteria)
        judgement = evaluate_benchmark(source, criteria, baseline, other)
        if lack is not None:
            judgement = _with_remark(judgement, lack)
        return self._end(judgement, criteria, [(source, judgement)])

    def _judge_every(
        self, runs: Sequence[tuple[BenchmarkRun, Mapping[str, Any]]], criteria: Sequence[Criterion]
    ) -> JudgedBenchmark:
        """Judge every run that counts by the same criteria; the verdict is the worst."""
        chosen = select_judged(runs)
        self.document = chosen[0][1]
        sources = [
            self._source(_Found(run, document, ()), criteria, self.request.gpus or run.gpus) for run, document in chosen
        ]
        parts = [(source, evaluate_benchmark(source, criteria)) for source in sources]
        return self._end(join_judgements([(each.run.target, judgement) for each, judgement in parts]), criteria, parts)

    def _criteria(self) -> list[Criterion]:
        """Return the criteria of both options; raises InputError with everything that is wrong in them."""
        request = self.request
        problems: list[Problem] = []
        criteria = [*parse_criteria(request.criteria, problems), *parse_slo(request.slo, problems)]
        problems += find_contradictions(criteria)
        if not request.criteria and not request.slo:
            hint = "Write criteria, or pass the model server's slo."
            problems.append(Problem("criteria", "there is nothing to judge by", hint=hint))
        relative = [each for each in criteria if each.relative]
        given = [name for name in _BASELINES if getattr(request, name)]
        hint = "Leave out one of both: it is for one run."
        alone = [name for name in ("target", *_BASELINES) if request.every_run and getattr(request, name)]
        problems += [Problem(name, "does not go together with every_run", hint=hint) for name in alone]
        if relative and not given:
            hint = "Give baseline_path, baseline, baseline_target or baseline_release."
            problems += [Problem(each.path, "is relative, and there is no baseline", hint=hint) for each in relative]
        if given and not relative and not problems:
            hint = "Mark the criteria that it is for with relative: true."
            problems.append(Problem(given[0], "no criterion is relative to the baseline", hint=hint))
        for each in criteria:
            if each.expression is not None:
                try:
                    self.expressions.search(each.expression, {}, f"{each.path}.expression")
                except InputError as error:
                    problems += error.problems
        if problems:
            raise InputError(problems)
        return criteria

    def _documents(
        self, path: str | None, data: Mapping[str, Any] | None, path_option: str, data_option: str
    ) -> list[dict[str, Any]]:
        if path is not None:
            return parse_document(self.files.read(path, path_option), path)
        return [dict(data or {})] if data else parse_document("", data_option)

    def _select(
        self,
        runs: Sequence[tuple[BenchmarkRun, Mapping[str, Any]]],
        wanted: str | None,
        place: str,
        option: str,
    ) -> _Found:
        number, run = select_run([run for run, _document in runs], wanted, place, option)
        return _Found(run, runs[number][1], [each for each, _document in runs])

    def _source(self, found: _Found, criteria: Sequence[Criterion], gpus: int | None) -> Source:
        values = {
            each.expression: self.expressions.search(each.expression, found.document, f"{each.path}.expression")
            for each in criteria
            if each.expression is not None
        }
        return Source(found.run, values, gpus)

    def _baseline(
        self,
        found: _Found,
        runs: Sequence[tuple[BenchmarkRun, Mapping[str, Any]]],
        criteria: Sequence[Criterion],
    ) -> tuple[Baseline | None, Source | None, str | None]:
        """Return the baseline, its values, and why there is none although one was wanted."""
        request = self.request
        if request.baseline_target is not None:
            other = self._select(runs, request.baseline_target, self.place, "baseline_target")
            if other.run is found.run:
                raise InputError([Problem("baseline_target", "is the run that is judged", request.baseline_target)])
            # Targets of one phase were interleaved request by request; phases and lines of a file came one by one.
            beside = other.document is found.document and other.run.phase == found.run.phase != ""
            return Baseline(other.run, beside), self._source(other, criteria, request.gpus or other.run.gpus), None
        if request.baseline_release is not None:
            return self._kept_baseline(request.baseline_release)
        if request.baseline is not None and is_verdict(request.baseline):
            source = parse_record(request.baseline, "baseline")
            return Baseline(source.run), source, None
        if request.baseline is None and request.baseline_path is None:
            return None, None, None
        documents = self._documents(request.baseline_path, request.baseline, "baseline_path", "baseline")
        place = request.baseline_path or "baseline"
        if len(documents) == 1 and is_verdict(documents[0]):
            source = parse_record(documents[0], place)
            return Baseline(source.run), source, None
        stored = [(run, document) for document in documents for run in parse_runs([document], place)]
        wanted = request.target if len(stored) > 1 else None
        other = self._select(stored, wanted, place, "target")
        return Baseline(other.run), self._source(other, criteria, request.gpus or other.run.gpus), None

    def _kept_baseline(self, release: Mapping[str, Any]) -> tuple[Baseline | None, Source | None, str | None]:
        api = self.open_cluster()
        namespace, name = release["namespace"], anchor_name(release["name"])
        anchor = api.get("ConfigMap", namespace, name)
        place = f"ConfigMap {namespace}/{name} on {api.cluster}"
        text = ((anchor or {}).get("data") or {}).get(RELEASE_KEY)
        if text is None:
            lack = "does not exist" if anchor is None else f"keeps no passed verdict ({RELEASE_KEY})"
            return None, None, f"there is no baseline yet: {place} {lack}"
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError([Problem(f"{place}.{RELEASE_KEY}", f"is no JSON: {error}")]) from None
        source = parse_record(data if isinstance(data, Mapping) else {}, f"{place}.{RELEASE_KEY}")
        return Baseline(source.run), source, None

    def _end(
        self, judgement: Judgement, criteria: Sequence[Criterion], parts: Sequence[tuple[Source, Judgement]]
    ) -> JudgedBenchmark:
        """Return what was concluded; ``parts`` are the runs that were judged, none where nothing could be read."""
        verdict, only = judgement.verdict, parts[0][0] if len(parts) == 1 else None
        finished = self.clock.now().isoformat()
        result = {
            "schema": SCHEMA,
            "verdict": verdict.result.value,
            "reasons": list(verdict.reasons),
            "observed": render_record(only) if only is not None else {},
            "limits": describe_limits([row.criterion for row in parts[0][1].rows] if parts else criteria),
            "criteria": describe_rows(judgement),
            "samples": sum(source.run.completed or 0 for source, _judgement in parts),
            "table": render_table([(source.run.target, each) for source, each in parts]),
            "started_at": self.started.isoformat(),
            "finished_at": finished,
        }
        if self.request.every_run:
            result["runs"] = [
                {
                    "target": source.run.target,
                    "verdict": each.verdict.result.value,
                    "reasons": list(each.verdict.reasons),
                    "criteria": describe_rows(each),
                    "observed": render_record(source),
                }
                for source, each in parts
            ]
        failure = None
        if verdict.result.value in self.request.fail_on:
            word = "failed" if verdict.result is Result.FAIL else "is inconclusive"
            failure = f"The benchmark gate of {self.place} {word}: " + "; ".join(verdict.reasons)
        judged = [JudgedRun(source.run, each) for source, each in parts]
        return JudgedBenchmark(
            Outcome(False, result, warnings=judgement.remarks, failure=failure),
            lambda: render_benchmark_page(judgement, judged, self.document, self.place, finished),
        )


def _with_remark(judgement: Judgement, remark: str) -> Judgement:
    verdict = Verdict(judgement.verdict.result, (*judgement.verdict.reasons, remark))
    return Judgement(verdict, judgement.rows, judgement.remarks)
