# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a model server prompts whose right answers are known, and comparing it with the stable slot.

What is asked must be one thing from the first question to the last: a slot that is not rolled out, or whose pods
change meanwhile, gets no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.addresses import find_address_problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality import Prompt
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality_checks import Search
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality_limits import (
    Comparison,
    Limits,
    find_problems,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality_verdict import (
    Answers,
    evaluate_checks,
    evaluate_comparison,
    judge_prompts,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict, worst
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Clock, ClusterApi, Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.slots import (
    SlotView,
    choose_slots,
    find_service,
    look_at_slot,
)

__all__ = ["Asker", "QualityRequest", "judge_quality"]

_SHOWN_CHARACTERS = 200


class Asker(Protocol):
    """Puts the questions of ``_engine/ask.py``."""

    def ask(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Return the answers: for each question one of each target."""


@dataclass(frozen=True)
class QualityRequest:
    """What to ask and how to judge; without a ``name`` only addresses are asked, and no cluster."""

    prompts: tuple[Prompt, ...]
    name: str | None = None
    namespace: str = ""
    slot: str | None = None
    revision: str | None = None
    served_name: str | None = None
    url: str | None = None
    baseline_url: str | None = None
    endpoint: str = "chat"
    max_tokens: int = 256
    concurrency: int = 4
    question_timeout_seconds: float = 60.0
    asking_timeout_seconds: float = 600.0
    limits: Limits = field(default_factory=Limits)
    comparison: Comparison | None = None
    no_answers: bool = False
    fail_on: Sequence[str] = ("fail", "inconclusive")


@dataclass(frozen=True)
class _Side:
    """One of the two that are asked; ``view`` None is an address alone. ``why_not`` keeps it from being asked."""

    target: Mapping[str, Any]
    view: SlotView | None = None
    why_not: str | None = None


def judge_quality(
    request: QualityRequest, api: ClusterApi | None, asker: Asker | None, search: Search, clock: Clock
) -> Outcome:
    """Return the verdict; ``asker`` None asks nothing (check mode), ``api`` None is for addresses alone."""
    problems = [*find_problems(request.prompts, request.limits, request.comparison), *_find_address_problems(request)]
    if problems:
        raise InputError(problems)
    return _Gate(request, api, asker, search, clock).run()


def _find_address_problems(request: QualityRequest) -> list[Problem]:
    urls = (("url", request.url), ("comparison.url", request.baseline_url))
    found = [find_address_problem(path, url) for path, url in urls if url is not None]
    problems = [problem for problem in found if problem is not None]
    if request.name is None:
        for path, value in (("slot", request.slot), ("revision", request.revision)):
            if value is not None:
                problems.append(Problem(path, "needs a release (name)", value))
        if request.served_name is None:
            problems.append(Problem("served_name", "is required without name", hint="Say which model is asked for."))
        if request.comparison is not None and request.baseline_url is None:
            problems.append(Problem("comparison.url", "is required without name", hint="Say what to compare with."))
    return problems


class _Gate:
    def __init__(
        self, request: QualityRequest, api: ClusterApi | None, asker: Asker | None, search: Search, clock: Clock
    ) -> None:
        self.request, self.api, self.asker, self.search, self.clock = request, api, asker, search, clock
        self.started = clock.now()

    def run(self) -> Outcome:
        sides = self._sides()
        reasons = [side.why_not for side in sides if side.why_not is not None]
        if reasons:
            return self._end(Verdict(Result.INCONCLUSIVE, tuple(reasons)), sides)
        if self.asker is None:
            reason = "nothing was asked: check mode sends no load"
            return self._end(Verdict(Result.INCONCLUSIVE, (reason,)), sides)
        try:
            answers = self.asker.ask(sides[0].view.deployment if sides[0].view else {}, self._questions(sides))
        except ClusterError as error:
            return self._end(Verdict(Result.INCONCLUSIVE, (error.message,)), sides)
        return self._judge(sides, [[self._shown(each) for each in answers[i :: len(sides)]] for i in range(len(sides))])

    # Who is asked

    def _sides(self) -> list[_Side]:
        """Return who is judged, and who it is compared with."""
        request, compared = self.request, self.request.comparison is not None
        if self.api is None or request.name is None:
            urls = [request.url, *([request.baseline_url] if compared else [])]
            return [self._address(url, request.served_name) for url in urls]
        against_stable = compared and request.baseline_url is None
        slots = choose_slots(self.api, request.namespace, request.name, request.slot, compared=against_stable)
        sides = [self._slot(self.api, slots[0], request.url, request.revision)]
        sides += [self._slot(self.api, slot, None, None) for slot in slots[1:]]
        if request.baseline_url is not None and compared:
            sides.append(self._address(request.baseline_url, sides[0].target.get("model")))
        return sides

    def _address(self, url: str | None, model: str | None) -> _Side:
        return _Side({"name": f"url {url}", "url": url, "verify": True, "model": model})

    def _slot(self, api: ClusterApi, slot: str, url: str | None, revision: str | None) -> _Side:
        """Return a slot as a place to ask, or with the reason not to ask it."""
        request, name = self.request, f"{self.request.name}-{slot}"
        view = look_at_slot(api, request.namespace, str(request.name), slot, revision, self.clock.now())
        if view.why_not is not None:
            return _Side({"name": f"service {name}"}, view, f"{view.why_not}; nothing was asked")
        notes = view.deployment["metadata"].get("annotations") or {}
        model = request.served_name or notes.get(labels.SERVED_NAME, request.name)
        if url is not None:
            return _Side(self._address(url, model).target, view)
        target, problem = find_service(api, view.deployment, request.namespace, name, slot)
        why_not = f"{problem}; nothing was asked" if problem else None
        return _Side({"name": f"service {name}", **target, "model": model}, view, why_not)

    def _find_changes(self, sides: Sequence[_Side]) -> list[str]:
        """Return which slots are not what they were when they were asked."""
        found = []
        for view in (side.view for side in sides):
            if view is not None and self.api is not None:
                now = look_at_slot(
                    self.api, self.request.namespace, str(self.request.name), view.slot, None, self.clock.now()
                )
                if not now.is_as(view):
                    what = f"revision {view.revision} in pods {', '.join(view.pods)}"
                    found.append(f"slot {view.slot} was {what} and has changed while it was asked")
        return found

    def _questions(self, sides: Sequence[_Side]) -> dict[str, Any]:
        request = self.request
        return {
            "targets": [dict(side.target) for side in sides],
            "endpoint": request.endpoint,
            "questions": [
                {
                    "messages": [dict(message) for message in prompt.messages],
                    "max_tokens": prompt.max_tokens or request.max_tokens,
                }
                for prompt in request.prompts
            ],
            "concurrency": request.concurrency,
            "timeout_seconds": request.question_timeout_seconds,
            "seconds_max": request.asking_timeout_seconds,
        }

    # What it means

    def _shown(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer whose error may be shown: a server's words may repeat what must not be."""
        if self.request.no_answers and answer.get("status") is not None and "error" in answer:
            return {**answer, "error": "(hidden)"}
        return dict(answer)

    def _judge(self, sides: Sequence[_Side], answers: Sequence[Answers]) -> Outcome:
        request = self.request
        judged = judge_prompts(request.prompts, answers[0], self.search, str(sides[0].target["model"]))
        verdicts: list[Verdict] = []
        observed: dict[str, Any] = {}
        if any(prompt.is_checked for prompt in request.prompts):
            verdict, observed["checks"] = evaluate_checks(judged, request.limits)
            verdicts.append(verdict)
        if request.comparison is not None:
            verdict, observed["comparison"] = evaluate_comparison(
                request.prompts, answers[0], answers[1], request.comparison, request.limits
            )
            verdicts.append(verdict)
        observed["answers"] = [
            {
                "id": each.name,
                "state": each.state,
                "reasons": list(each.reasons),
                **self._told(answers[0][index]),
                **({"baseline": self._told(answers[1][index])} if request.comparison is not None else {}),
            }
            for index, each in enumerate(judged)
        ]
        verdict = worst(verdicts)
        if changes := self._find_changes(sides):
            verdict = Verdict(Result.INCONCLUSIVE, (*changes, *verdict.reasons))
        return self._end(verdict, sides, observed, sum(each.get("status") == 200 for each in answers[0]))

    def _told(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return of an answer what the result says."""
        told = {key: answer.get(key) for key in ("status", "finish_reason", "completion_tokens", "seconds", "error")}
        if not self.request.no_answers and "text" in answer:
            text = str(answer["text"])
            told["text"] = text[:_SHOWN_CHARACTERS] + ("..." if len(text) > _SHOWN_CHARACTERS else "")
        return {key: value for key, value in told.items() if value is not None}

    def _end(
        self,
        verdict: Verdict,
        sides: Sequence[_Side],
        observed: Mapping[str, Any] | None = None,
        samples: int = 0,
    ) -> Outcome:
        request, finished = self.request, self.clock.now()
        place = f"{request.namespace}/{request.name}" if self.api is not None else str(request.url)
        result = {
            "verdict": verdict.result.value,
            "reasons": list(verdict.reasons),
            "observed": {
                "targets": [
                    {
                        "name": side.target["name"],
                        "slot": side.view.slot if side.view else None,
                        "revision": side.view.revision if side.view else None,
                        "pods": list(side.view.pods) if side.view else [],
                        "model": side.target.get("model"),
                    }
                    for side in sides
                ],
                **(observed or {}),
            },
            "limits": {
                **asdict(request.limits),
                "comparison": asdict(request.comparison) if request.comparison is not None else None,
                "question_timeout_seconds": request.question_timeout_seconds,
                "asking_timeout_seconds": request.asking_timeout_seconds,
            },
            "samples": samples,
            "started_at": self.started.isoformat(),
            "finished_at": finished.isoformat(),
        }
        failure = None
        if verdict.result.value in request.fail_on:
            word = "failed" if verdict.result is Result.FAIL else "is inconclusive"
            where = f"{place} on {self.api.cluster}" if self.api is not None else place
            seconds = (finished - self.started).total_seconds()
            failure = f"The quality gate of {where} {word} after {seconds:.0f} s: " + "; ".join(verdict.reasons)
        return Outcome(False, result, failure=failure)
