# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the answers to the prompts mean: for the checks, and beside another slot's answers.

A question that was not answered is neither right nor wrong. It counts as wrong where the question is whether enough is
right, and as right where it is whether too much is wrong: so it can make a verdict inconclusive, never better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.proportions import tries_needed, wilson_bounds
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality import Prompt
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality_checks import (
    WHOLE,
    Search,
    SearchTimeError,
    find_failures,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality_limits import Comparison, Limits
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict, worst

__all__ = ["Judged", "Share", "evaluate_checks", "evaluate_comparison", "judge_prompts"]

Answers = Sequence[Mapping[str, Any]]

PASSED, FAILED, UNANSWERED, UNCHECKED = "passed", "failed", "unanswered", "unchecked"
# The engine's own fault; other statuses come from what stands before it, from overload or from how it was asked.
_ENGINE_FAULT = 500
_NAMED_MAX = 5


@dataclass(frozen=True)
class Judged:
    """What became of one prompt: ``passed``, ``failed``, ``unanswered``, or ``unchecked`` without a check."""

    name: str
    state: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Share:
    """How many are good, bad and unknown."""

    good: int
    bad: int
    unknown: int = 0

    @property
    def known(self) -> int:
        """How many were judged."""
        return self.good + self.bad

    def bounds(self, confidence: float | None) -> tuple[float, float]:
        """Return within what the share of the good lies, whatever the unknown ones are."""
        total = self.known + self.unknown
        if confidence is not None:
            return (
                wilson_bounds(self.good, total, confidence)[0],
                wilson_bounds(self.good + self.unknown, total, confidence)[1],
            )
        return (self.good / total, (self.good + self.unknown) / total) if total else (0.0, 1.0)

    def judge(self, minimum: float, confidence: float | None) -> Result:
        """Return whether the share reaches a minimum for certain, or misses it for certain."""
        low, high = self.bounds(confidence)
        if low >= minimum:
            return Result.PASS
        return Result.FAIL if high < minimum else Result.INCONCLUSIVE


def _unanswered(answer: Mapping[str, Any]) -> str | None:
    """Return why an observation is no answer, or None."""
    status = answer.get("status")
    if answer.get("error") and status is None:
        return str(answer["error"])
    if status in (200, _ENGINE_FAULT):
        return None
    return f"was answered with HTTP {status}: {answer.get('error')}"


def judge_prompts(prompts: Sequence[Prompt], answers: Answers, search: Search, model: str) -> tuple[Judged, ...]:
    """Hold each answer against its prompt's checks; ``answers`` are in the prompts' order."""
    return tuple(_judge(prompt, answer, search, model) for prompt, answer in zip(prompts, answers))


def _judge(prompt: Prompt, answer: Mapping[str, Any], search: Search, model: str) -> Judged:
    if not prompt.is_checked:
        return Judged(prompt.name, UNCHECKED)
    if why := _unanswered(answer):
        return Judged(prompt.name, UNANSWERED, (why,))
    if answer.get("status") == _ENGINE_FAULT:
        return Judged(prompt.name, FAILED, (f"was answered with HTTP {_ENGINE_FAULT}: {answer.get('error')}",))
    try:
        failures = tuple(find_failures(prompt, answer, search, model))
    except SearchTimeError as error:
        return Judged(prompt.name, UNANSWERED, (str(error),))
    return Judged(prompt.name, FAILED if failures else PASSED, failures)


def _named(judged: Sequence[Judged], state: str) -> str:
    """Return the first prompts in a state with their reasons, and how many more there are."""
    found = [each for each in judged if each.state == state]
    words = [f"{each.name}: {', '.join(each.reasons)}" for each in found[:_NAMED_MAX]]
    if len(found) > _NAMED_MAX:
        words.append(f"and {len(found) - _NAMED_MAX} more")
    return "; ".join(words)


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.3g} %"


def _told(result: Result, *reasons: str) -> Verdict:
    return Verdict(result, () if result is Result.PASS else reasons)


def _bounds_told(share: Share, confidence: float | None) -> str:
    low, high = share.bounds(confidence)
    if share.unknown == 0 and confidence is None:
        return _percent(low)
    sure = f" with confidence {confidence:g}" if confidence is not None else ""
    return f"{_percent(low)} to {_percent(high)}{sure}"


def evaluate_checks(judged: Sequence[Judged], limits: Limits) -> tuple[Verdict, dict[str, Any]]:
    """Return whether enough prompts pass, and the figures of it."""
    count = {state: sum(each.state == state for each in judged) for state in (PASSED, FAILED, UNANSWERED)}
    share = Share(count[PASSED], count[FAILED], count[UNANSWERED])
    figures: dict[str, Any] = {**count, **_ratios("pass_ratio", share, limits.confidence)}
    reasons = []
    if share.known < limits.samples_min:
        reasons.append(f"{share.known} answers could be judged, at least {limits.samples_min} are wanted (samples_min)")
    result = share.judge(limits.pass_ratio_min, limits.confidence)
    if result is not Result.PASS:
        reasons.append(
            f"{share.good} of {share.known + share.unknown} prompts pass ({_bounds_told(share, limits.confidence)}), "
            f"at least {_percent(limits.pass_ratio_min)} must" + _more_prompts(share, limits)
        )
    reasons += [text for text in (_named(judged, FAILED), _named(judged, UNANSWERED)) if text]
    if share.known < limits.samples_min:
        result = Result.INCONCLUSIVE
    return _told(result, *reasons), figures


def _more_prompts(share: Share, limits: Limits) -> str:
    """Return how many prompts would tell, where more of them would."""
    total = share.known + share.unknown
    if limits.confidence is None or not total or share.judge(limits.pass_ratio_min, limits.confidence) is Result.FAIL:
        return ""
    needed = tries_needed(share.good / total, limits.pass_ratio_min, limits.confidence)
    return f"; it takes {needed} prompts to be as sure as that, if they go on like this" if needed else ""


def _ratios(name: str, share: Share, confidence: float | None) -> dict[str, float | None]:
    low, high = share.bounds(confidence)
    seen = share.good / share.known if share.known else None
    return {name: _rounded(seen), f"{name}_low": _rounded(low), f"{name}_high": _rounded(high)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _is_whole(answer: Mapping[str, Any]) -> bool:
    return answer.get("status") == 200 and answer.get("finish_reason") in WHOLE


def _tokens(answer: Mapping[str, Any]) -> int | None:
    tokens = answer.get("completion_tokens")
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0 else None


def evaluate_comparison(
    prompts: Sequence[Prompt], answers: Answers, baseline: Answers, comparison: Comparison, limits: Limits
) -> tuple[Verdict, dict[str, Any]]:
    """Return whether the answers are like the baseline's, which were given to the same prompts, and the figures of it.

    A pair without a whole answer of the baseline says nothing; a whole one of it that has no equal is a difference.
    """
    triples = list(zip(prompts, answers, baseline))
    pairs = [each for each in triples if _is_whole(each[2]) and _unanswered(each[1]) is None]
    unequal = [p.name for p, ours, theirs in pairs if not _is_whole(ours) or ours.get("digest") != theirs.get("digest")]
    share = Share(len(pairs) - len(unequal), len(unequal), len(triples) - len(pairs))
    emptied = [
        p.name
        for p, ours, theirs in pairs
        if not str(ours.get("text") or "").strip() and str(theirs.get("text") or "").strip()
    ]
    lengths = [(a, b) for _p, ours, theirs in pairs for a, b in [(_tokens(ours), _tokens(theirs))] if a is not None]
    counted = [(a, b) for a, b in lengths if b is not None]
    figures: dict[str, Any] = {
        "pairs": len(pairs),
        **_ratios("exact_match_ratio", share, limits.confidence),
        "differing": unequal,
        "emptied": emptied,
        "completion_tokens_median": median(a for a, _b in counted) if counted else None,
        "baseline_completion_tokens_median": median(b for _a, b in counted) if counted else None,
    }
    if share.known < limits.samples_min:
        wanted = f"at least {limits.samples_min} are wanted (samples_min)"
        return Verdict(Result.INCONCLUSIVE, (f"{share.known} pairs of answers can be compared, {wanted}",)), figures
    verdict = worst(
        [
            _judge_matches(share, comparison, limits),
            _judge_emptied(emptied, share, comparison),
            _judge_drift(counted, comparison, limits, figures),
        ]
    )
    return verdict, figures


def _judge_matches(share: Share, comparison: Comparison, limits: Limits) -> Verdict:
    result = share.judge(comparison.exact_match_ratio_min, limits.confidence)
    return _told(
        result,
        f"{share.good} of {share.known + share.unknown} answers equal the baseline's "
        f"({_bounds_told(share, limits.confidence)}), at least {_percent(comparison.exact_match_ratio_min)} must",
    )


def _judge_emptied(emptied: Sequence[str], share: Share, comparison: Comparison) -> Verdict:
    # The unknown ones may be empty too.
    ratios = Share(len(emptied), share.known - len(emptied), share.unknown).bounds(None)
    result = Result.PASS if ratios[1] <= comparison.empty_ratio_max else Result.INCONCLUSIVE
    if ratios[0] > comparison.empty_ratio_max:
        result = Result.FAIL
    names = f": {', '.join(emptied[:_NAMED_MAX])}" if emptied else f", {share.unknown} are unknown"
    return _told(
        result,
        f"{len(emptied)} answers are empty where the baseline's are not{names}; "
        f"at most {_percent(comparison.empty_ratio_max)} may",
    )


def _judge_drift(
    counted: Sequence[tuple[int, int]], comparison: Comparison, limits: Limits, figures: Mapping[str, Any]
) -> Verdict:
    ours, theirs = figures["completion_tokens_median"], figures["baseline_completion_tokens_median"]
    if len(counted) < limits.samples_min or not theirs:
        text = f"the lengths of {len(counted)} pairs of answers are known (usage), at least {limits.samples_min} must"
        return Verdict(Result.INCONCLUSIVE, (text,))
    drift = abs(ours / theirs - 1)
    return _told(
        Result.PASS if drift <= comparison.length_drift_ratio_max else Result.FAIL,
        f"the answers have {ours:g} tokens, the baseline's {theirs:g} (medians): {_percent(drift)} apart, "
        f"at most {_percent(comparison.length_drift_ratio_max)} may be",
    )
