# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary judge: is the canary worse than the stable slot beside it, by more than a margin?

Both slots get requests at the same time, in any proportion. The test is that of ``sign_flip`` over blocks of time and
all metrics at once (``arm_look``), at the looks of ``looks``. How it was chosen, its false alarms and its power are
measured by ``benchmarks/canary_judge.py``.

It keeps nothing between looks: each call judges all looks that the data have reached, so that a judge that was killed
goes on with the same words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.arm_look import (
    Seen,
    burst_of,
    look_at,
    requests_for_burst,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.arms import (
    MARGIN,
    Arm,
    Measure,
    find_obstacle,
    known,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.looks import Look, nominal_error, plan_looks
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quantiles import quantile
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.sign_flip import CLEAR
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict, worst

__all__ = ["ArmJudgement", "MetricJudgement", "find_detectable", "judge_arms"]

_SHOWN = (0.5, 0.95)
# The smallest slowdown of all requests that is found with 80 % power, by pairs: one metric, simulated, 150 runs each
# (found in 94, 87, 89, 84 and 84 % of them).
_DETECTABLE = ((6000, 1.10), (2000, 1.12), (600, 1.20), (240, 1.30), (120, 1.40))


@dataclass(frozen=True)
class MetricJudgement:
    """What one metric says; ``stable`` and ``canary`` are what was seen of it, by quantile, in its own unit.

    ``p_value`` counts all metrics of the judgement (0.05 stands for 0.05 and more); None where nothing was tested.
    """

    measure: Measure
    result: Result
    reason: str
    p_value: float | None = None
    stable: Mapping[float, float] = field(default_factory=dict)
    canary: Mapping[float, float] = field(default_factory=dict)
    stable_samples: int = 0
    canary_samples: int = 0


@dataclass(frozen=True)
class ArmJudgement:
    """What two arms have shown at a look after ``requests`` of the canary out of ``planned``.

    A p-value was held against ``limit``. ``waiting`` says that nothing was found and that the last look is still to
    come; the verdict is inconclusive then.
    """

    verdict: Verdict
    metrics: tuple[MetricJudgement, ...]
    requests: int
    stable_requests: int
    planned: int
    looks: int = 0
    limit: float | None = None
    seen: Seen = field(default_factory=Seen)
    waiting: bool = False


def judge_arms(
    stable: Arm,
    canary: Arm,
    measures: Sequence[Measure],
    *,
    planned: int | None = None,
    history: Arm | None = None,
    error_share: float = 1.0,
) -> ArmJudgement:
    """Judge the metrics of two arms; a pass says that no metric was seen to be worse by more than its margin.

    ``planned`` is the number of the canary's requests at which the judgement is final, by default as many as there are;
    before, it can only fail. ``history`` is what the stable slot answered right before, under the same load: with it
    there are early looks. ``error_share`` is the part of the error that these metrics may spend together.
    """
    obstacles = {measure.name: find_obstacle(measure, stable, canary) for measure in measures}
    usable = [measure for measure in measures if obstacles[measure.name] is None]
    planned = planned or canary.requests
    found = _follow_looks(stable, canary, usable, planned, history, error_share) if usable else None
    metrics = tuple(_judge(measure, obstacles[measure.name], found, stable, canary) for measure in measures)
    counts = (found.look.requests if found else canary.requests, stable.requests, planned)
    if found is None:
        reasons = [Verdict(Result.INCONCLUSIVE, (metric.reason,)) for metric in metrics]
        return ArmJudgement(worst(reasons), metrics, *counts)
    verdict = worst([Verdict(each.result, () if each.result is Result.PASS else (each.reason,)) for each in metrics])
    return ArmJudgement(
        verdict,
        metrics,
        *counts,
        looks=found.number,
        limit=found.look.error,
        seen=found.seen,
        waiting=found.waiting,
    )


@dataclass(frozen=True)
class _Found:
    """The look that decided, its number and what it saw; ``waiting`` if none has, and the last is to come."""

    look: Look
    number: int
    seen: Seen
    waiting: bool = False

    @property
    def is_sure(self) -> bool:
        """Whether a difference was found that no burst explains."""
        return self.seen.long_enough and min(self.seen.p_values.values()) <= self.look.error


def _follow_looks(
    stable: Arm, canary: Arm, measures: Sequence[Measure], planned: int, history: Arm | None, error_share: float
) -> _Found:
    ratio = stable.requests / canary.requests
    past = _length(history, measures) / ratio
    error = nominal_error(2 * planned * ratio / (1 + ratio)) * error_share
    found = _Found(Look(canary.requests, error), 0, Seen(), waiting=True)
    looks = plan_looks(planned, error, past)
    reached = [look for look in looks if look.requests <= canary.requests]
    for number, look in enumerate(reached, start=1):
        if number == len(looks):
            # Whoever has waited for more than was planned gets it judged.
            whole = Look(canary.requests, look.error)
            return _Found(whole, number, look_at(measures, stable, canary, canary.requests))
        found = _Found(look, number, look_at(measures, stable, canary, look.requests), waiting=True)
        if found.is_sure and look.needs_history and history is not None:
            past_burst = burst_of(measures, history, history.requests, round(history.requests / ratio))
            found = _Found(look, number, look_at(measures, stable, canary, look.requests, past_burst), waiting=True)
        if found.is_sure:
            return _Found(look, number, found.seen)
    return found


def _length(history: Arm | None, measures: Sequence[Measure]) -> int:
    """Return how many requests of the past are known; a metric without one knows nothing of its bursts."""
    return min(len(history.samples.get(each.key, ())) for each in measures) if history is not None else 0


def _judge(measure: Measure, obstacle: str | None, found: _Found | None, stable: Arm, canary: Arm) -> MetricJudgement:
    if obstacle is not None or found is None:
        return MetricJudgement(measure, Result.INCONCLUSIVE, obstacle or "")
    usual, new = _known(stable, measure), _known(canary, measure)
    p_value = found.seen.p_values.get(measure.name)
    result, reason = _conclude(measure, p_value, found, canary)
    return MetricJudgement(measure, result, reason, p_value, _quantiles(usual), _quantiles(new), len(usual), len(new))


def _known(arm: Arm, measure: Measure) -> list[float]:
    return sorted(known(arm.samples[measure.key]))


def _quantiles(ordered: Sequence[float]) -> dict[float, float]:
    return {share: quantile(ordered, share) for share in _SHOWN}


def _conclude(measure: Measure, p_value: float | None, found: _Found, canary: Arm) -> tuple[Result, str]:
    look, seen = found.look, found.seen
    if p_value is None:
        return Result.INCONCLUSIVE, f"{measure.name}: {canary.requests} requests of the canary, the first look is later"
    sure = "p above 0.05" if p_value >= CLEAR else f"p = {p_value:.2g}"
    told = f"{sure} over {seen.blocks} blocks of {look.requests} requests, margin {measure.margin:.0%}"
    if found.waiting:
        text = f"{measure.name}: nothing found so far ({told}, limit {look.error:.2g}), the last look is to come"
        return Result.INCONCLUSIVE, text
    if p_value > look.error:
        return Result.PASS, f"{measure.name}: not worse beyond the margin ({told}, limit {look.error:.2g})"
    if seen.long_enough:
        text = f"{measure.name}: the canary is worse than the stable slot beside it ({told}, limit {look.error:.2g})"
        return Result.FAIL, text
    return Result.INCONCLUSIVE, (
        f"{measure.name}: the canary looks worse ({told}), but bad requests come together, {seen.burst_requests} in a"
        f" row, which chance gives to one arm or the other: {requests_for_burst(seen.burst_requests or 0)} requests of"
        " the canary would tell"
    )


def find_detectable(judgement: ArmJudgement, stable: Arm, canary: Arm, measure: Measure) -> float | None:
    """Return the smallest slowdown of all requests that would have been found with 80 % power; None where unknown.

    It is unknown with bursts, which leave fewer blocks, and with few requests.
    """
    burst = judgement.seen.burst_requests
    if burst is None:
        counted = canary.requests
        burst = round(max(burst_of([measure], arm, arm.requests, counted) for arm in (stable, canary)))
    usual, new = (len(_known(arm, measure)) for arm in (stable, canary))
    pairs = 2 * usual * new / max(usual + new, 1)
    factor = next((factor for least, factor in _DETECTABLE if pairs >= least), None)
    return None if burst or factor is None else round(factor * (1 + measure.margin) / (1 + MARGIN), 2)
