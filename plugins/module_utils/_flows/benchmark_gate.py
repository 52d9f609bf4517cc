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
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_record import (
    describe_limits,
    describe_rows,
    is_verdict,
    parse_record,
    render_record,
    render_table,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_results import (
    parse_document,
    parse_runs,
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

__all__ = ["RELEASE_KEY", "BenchmarkGateRequest", "Expressions", "Files", "judge_benchmark"]

# Where a release keeps the last verdict that has passed, in its ConfigMap NAME-release: this gate's result as JSON.
RELEASE_KEY = "benchmark_verdict"


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
    criteria: Sequence[Any] = ()
    slo: Mapping[str, Any] = field(default_factory=dict)
    baseline_path: str | None = None
    baseline: Mapping[str, Any] | None = None
    baseline_target: str | None = None
    baseline_release: Mapping[str, Any] | None = None
    gpus: int | None = None
    fail_on: Sequence[str] = ("fail", "inconclusive")


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
) -> Outcome:
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

    def run(self) -> Outcome:
        criteria = self._criteria()
        try:
            documents = self._documents(self.request.path, self.request.result, "path", "result")
            runs = [(run, document) for document in documents for run in parse_runs([document], self.place)]
        except InputError as error:
            reasons = tuple(problem.render() for problem in error.problems)
            return self._end(Judgement(Verdict(Result.FAIL, reasons), ()), criteria, None)
        found = self._select(runs, self.request.target, self.place, "target")
        source = self._source(found, criteria, self.request.gpus or found.run.gpus)
        baseline, other, lack = self._baseline(found, runs, criteria)
        judgement = evaluate_benchmark(source, criteria, baseline, other)
        if lack is not None:
            judgement = _with_remark(judgement, lack)
        return self._end(judgement, criteria, source)

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
        given = [
            name
            for name in ("baseline_path", "baseline", "baseline_target", "baseline_release")
            if getattr(request, name)
        ]
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

    def _end(self, judgement: Judgement, criteria: Sequence[Criterion], source: Source | None) -> Outcome:
        verdict = judgement.verdict
        result = {
            "verdict": verdict.result.value,
            "reasons": list(verdict.reasons),
            "observed": render_record(source) if source is not None else {},
            "limits": describe_limits([row.criterion for row in judgement.rows] or criteria),
            "criteria": describe_rows(judgement),
            "samples": (source.run.completed or 0) if source is not None else 0,
            "table": render_table(judgement),
            "started_at": self.started.isoformat(),
            "finished_at": self.clock.now().isoformat(),
        }
        failure = None
        if verdict.result.value in self.request.fail_on:
            word = "failed" if verdict.result is Result.FAIL else "is inconclusive"
            failure = f"The benchmark gate of {self.place} {word}: " + "; ".join(verdict.reasons)
        return Outcome(False, result, warnings=judgement.remarks, failure=failure)


def _with_remark(judgement: Judgement, remark: str) -> Judgement:
    verdict = Verdict(judgement.verdict.result, (*judgement.verdict.reasons, remark))
    return Judgement(verdict, judgement.rows, judgement.remarks)
