# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging a slot by its series in Prometheus, and beside the stable slot's.

Whether the series exist, are fresh and are of all pods comes first: a query over nothing is no good news.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.addresses import find_address_problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.engine_args import parse_version
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.engine_metrics import (
    ENGINES,
    LOAD,
    Definition,
    render,
    render_selector,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.metrics_parse import Criterion, parse_criteria
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.metrics_verdict import (
    Freshness,
    Judgement,
    Seen,
    Track,
    describe,
    describe_freshness,
    evaluate_metrics,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Clock, ClusterApi, Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.slots import SlotView, choose_slots, look_at_slot

__all__ = ["MetricSource", "MetricsRequest", "judge_metrics"]

_RELATIVE_KEYS = ("tolerance_ratio", "tolerance")


class MetricSource(Protocol):
    """Prometheus."""

    @property
    def url(self) -> str:
        """Its address, for texts."""

    def query(self, text: str, at: float | None = None) -> float | None:
        """Return the one value of an instant query, None where it has no result; ClusterError."""


@dataclass(frozen=True)
class MetricsRequest:
    """What to judge; ``metrics`` are as the user wrote them, ``label_names`` says which label carries what."""

    name: str
    namespace: str
    metrics: Sequence[Mapping[str, Any]]
    label_names: Mapping[str, str]
    slot: str | None = None
    revision: str | None = None
    engine_version: str | None = None
    selector: str = ""
    window_seconds: int = 300
    age_max_seconds: float = 60.0
    load_drift_ratio_max: float = 0.5
    fail_on: Sequence[str] = ("fail", "inconclusive")


def judge_metrics(request: MetricsRequest, api: ClusterApi, source: MetricSource, clock: Clock) -> Outcome:
    """Return the verdict; what is wrong in the options is told before anything is judged."""
    if problem := find_address_problem("prometheus_url", source.url):
        raise InputError([problem])
    return _Gate(request, api, source, clock).run()


class _Gate:
    def __init__(self, request: MetricsRequest, api: ClusterApi, source: MetricSource, clock: Clock) -> None:
        self.request, self.api, self.source, self.clock = request, api, source, clock
        self.started = clock.now()
        self.at: float | None = None

    def run(self) -> Outcome:
        request = self.request
        compared = any(each.get(key) is not None for each in request.metrics for key in _RELATIVE_KEYS)
        slots = choose_slots(self.api, request.namespace, request.name, request.slot, compared=compared)
        views = [self._look(slot, request.revision if not index else None) for index, slot in enumerate(slots)]
        criteria = [self._criteria(view) for view in views]
        if reasons := tuple(view.why_not for view in views if view.why_not is not None):
            return self._end(Verdict(Result.INCONCLUSIVE, reasons), views)
        try:
            self.at = self.source.query("time()")
            tracks = [self._track(view, each) for view, each in zip(views, criteria)]
        except ClusterError as error:
            return self._end(Verdict(Result.INCONCLUSIVE, (error.message,)), views)
        verdict, judgements = evaluate_metrics(
            criteria[0],
            tracks[0],
            tracks[1] if compared else None,
            age_max_seconds=request.age_max_seconds,
            load_drift_ratio_max=request.load_drift_ratio_max,
        )
        if any(not self._look(view.slot, None).is_as(view) for view in views):
            text = "pods or revision of a slot have changed while it was judged"
            verdict = Verdict(Result.INCONCLUSIVE, (text, *verdict.reasons))
        return self._end(verdict, views, tracks, judgements)

    def _look(self, slot: str, revision: str | None) -> SlotView:
        request = self.request
        return look_at_slot(self.api, request.namespace, request.name, slot, revision, self.clock.now())

    def _criteria(self, view: SlotView) -> tuple[Criterion, ...]:
        """Return the metrics under the names that the slot's version of vLLM has for them."""
        marks = (view.deployment.get("metadata") or {}).get("labels") or {}
        text = self.request.engine_version or marks.get(labels.VERSION)
        if text is None and view.why_not is not None:
            text = "0.0.0"  # nothing is asked; what the user wrote is checked all the same
        try:
            version = parse_version(str(text))
        except ValueError as error:
            hint = "Say which version of vLLM names the metrics."
            raise InputError([Problem("engine_version", str(error), hint=hint)]) from error
        return parse_criteria(self.request.metrics, version)

    # What Prometheus says

    def _selector(self, view: SlotView) -> str:
        request = self.request
        values = {
            "namespace": request.namespace,
            "instance": request.name,
            "slot": view.slot,
            "revision": str(view.revision),
        }
        return render_selector(
            {request.label_names[key]: value for key, value in values.items() if request.label_names.get(key)},
            request.selector,
        )

    def _ask(self, text: str) -> float | None:
        return self.source.query(text, self.at)

    def _track(self, view: SlotView, criteria: Sequence[Criterion]) -> Track:
        selector, window = self._selector(view), self.request.window_seconds
        engines = Definition(ENGINES, LOAD, "")
        fresh = Freshness(
            engines=self._ask(f"count({ENGINES}{{{selector}}})"),
            age_seconds=self._ask(f"max(time() - timestamp({ENGINES}{{{selector}}}))"),
            requests_per_engine=self._ask(render(engines, selector, window).value),
        )
        seen = {each.name: self._see(each, selector) for each in criteria}
        return Track(f"slot {view.slot}", len(view.pods), fresh, seen)

    def _see(self, criterion: Criterion, selector: str) -> Seen:
        queries = render(criterion.definition, selector, self.request.window_seconds)
        if self._ask(queries.exists) is not None:
            return Seen(self._ask(queries.value), self._ask(queries.samples))
        series = f"{criterion.name}: {self.source.url} has no series {criterion.definition.series}{{{selector}}}"
        if queries.other is not None and self._ask(queries.other) is not None:
            return Seen(missing=f"{series}, but {criterion.definition.other}: is engine_version right?")
        if self._ask(queries.anywhere) is not None:
            return Seen(missing=f"{series}, but with other labels: see label_names, and how the pods are relabelled")
        return Seen(missing=f"{series}, nor with any other labels: are the pods scraped?")

    def _end(
        self,
        verdict: Verdict,
        views: Sequence[SlotView],
        tracks: Sequence[Track] = (),
        judgements: Sequence[Judgement] = (),
    ) -> Outcome:
        request, finished = self.request, self.clock.now()
        result = {
            "verdict": verdict.result.value,
            "reasons": list(verdict.reasons),
            "observed": {
                "prometheus": self.source.url,
                "slots": [
                    {
                        "slot": view.slot,
                        "revision": view.revision,
                        "pods": list(view.pods),
                        **(
                            {"selector": self._selector(view), **describe_freshness(tracks[index].fresh)}
                            if tracks
                            else {}
                        ),
                    }
                    for index, view in enumerate(views)
                ],
                "metrics": [describe(each) for each in judgements],
            },
            "limits": {
                "metrics": [dict(each) for each in request.metrics],
                "window_seconds": request.window_seconds,
                "age_max_seconds": request.age_max_seconds,
                "load_drift_ratio_max": request.load_drift_ratio_max,
            },
            "samples": sum(each.value is not None for each in judgements),
            "started_at": self.started.isoformat(),
            "finished_at": finished.isoformat(),
        }
        advice = [f"{each.name} is not critical: {each.reason}" for each in judgements if _is_advice(each)]
        failure = None
        if verdict.result.value in request.fail_on:
            word = "failed" if verdict.result is Result.FAIL else "is inconclusive"
            place = f"{request.namespace}/{request.name} on {self.api.cluster}"
            failure = f"The metrics gate of {place} {word}: " + "; ".join(verdict.reasons)
        return Outcome(False, result, warnings=advice, failure=failure)


def _is_advice(judgement: Judgement) -> bool:
    return not judgement.critical and judgement.result is not Result.PASS
