# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus' values of the slots mean. Missing, stale, too few and unequal data never pass."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.metrics_parse import Criterion
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict, worst

__all__ = [
    "Freshness",
    "Judgement",
    "Seen",
    "Track",
    "describe",
    "describe_freshness",
    "evaluate_metrics",
    "judge_metric",
]


@dataclass(frozen=True)
class Seen:
    """One metric of one slot: its value (None: no result), its samples, and why its series are missing."""

    value: float | None = None
    samples: float | None = None
    missing: str | None = None


@dataclass(frozen=True)
class Freshness:
    """Of a slot's engines: how many have series, how old the oldest sample is, requests for each in the window."""

    engines: float | None = None
    age_seconds: float | None = None
    requests_per_engine: float | None = None


@dataclass(frozen=True)
class Track:
    """What was seen of a slot; ``pods`` is how many are ready there."""

    name: str
    pods: int
    fresh: Freshness
    seen: Mapping[str, Seen] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """What one metric says, with the worst value that was allowed; ``reason`` is empty where it passes."""

    name: str
    result: Result | None
    reason: str = ""
    critical: bool = True
    value: float | None = None
    baseline: float | None = None
    worst_allowed: float | None = None
    samples: float | None = None


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _find_gap(criterion: Criterion, seen: Seen, track: str) -> tuple[Result | None, str] | None:
    """Return what a metric without a usable value means (None: it is left out), or None where it has one."""
    if seen.missing is not None:
        return Result.INCONCLUSIVE, seen.missing
    where = f"{criterion.name} of {track}"
    if seen.samples is None or not seen.samples >= criterion.samples_min:
        count = "no" if seen.samples is None or math.isnan(seen.samples) else f"{seen.samples:.4g}"
        text = f"{where} has {count} samples in the window, at least {criterion.samples_min:g} are wanted"
        # Too few samples are the usual reason of a value that is none; what was asked for in that case counts.
        if seen.value is None or not math.isnan(seen.value) or criterion.nan == "inconclusive":
            return Result.INCONCLUSIVE, text
    if seen.value is None:
        return Result.INCONCLUSIVE, f"{where} has no value, though its series are there"
    if not math.isfinite(seen.value):
        results = {"fail": Result.FAIL, "skip": None}
        return results.get(criterion.nan, Result.INCONCLUSIVE), f"{where} is {seen.value:g}"
    return None


def judge_metric(criterion: Criterion, ours: Track, theirs: Track | None, why_unequal: str | None) -> Judgement:
    """Hold one metric against its limits; ``why_unequal`` tells why the slots cannot be compared."""
    seen = ours.seen[criterion.name]
    base = theirs.seen[criterion.name] if theirs is not None and criterion.is_relative else None
    shown = {"value": seen.value, "samples": seen.samples, "baseline": base.value if base is not None else None}

    def told(result: Result | None, reason: str = "", worst_allowed: float | None = None) -> Judgement:
        figures = {**shown, "worst_allowed": worst_allowed}
        return Judgement(criterion.name, result, reason, criterion.critical, **figures)

    if gap := _find_gap(criterion, seen, ours.name):
        return told(*gap)
    value = float(seen.value or 0.0)
    what, word = (
        f"{criterion.name} of {ours.name} is {value:.4g}",
        "at most" if criterion.lower_is_better else "at least",
    )
    if criterion.limit is not None and not criterion.allows(value, criterion.limit):
        return told(Result.FAIL, f"{what}, {word} {criterion.limit:g} is allowed", criterion.limit)
    if base is None or theirs is None:
        return told(Result.PASS, worst_allowed=criterion.limit)
    if why_unequal is not None:
        return told(Result.INCONCLUSIVE, f"{criterion.name}: {why_unequal}")
    if gap := _find_gap(criterion, base, theirs.name):
        # Without the other slot's value nothing is better or worse than it, whatever the policy is.
        return told(None if gap[0] is None else Result.INCONCLUSIVE, gap[1])
    bound = criterion.bound(float(base.value or 0.0))
    if criterion.limit is not None and criterion.allows(bound, criterion.limit) is False:
        bound = criterion.limit
    if criterion.allows(value, bound):
        return told(Result.PASS, worst_allowed=bound)
    return told(Result.FAIL, f"{what}, {theirs.name} has {base.value:.4g}: {word} {bound:.4g} is allowed", bound)


def _judge_freshness(track: Track, age_max_seconds: float) -> Verdict:
    fresh, reasons = track.fresh, []
    if not _known(fresh.engines) or float(fresh.engines or 0) < max(track.pods, 1):
        count = f"{fresh.engines:g}" if _known(fresh.engines) else "none"
        reasons.append(
            f"{track.name} has {track.pods} ready pods, and series of {count} are there: is every pod scraped, and do "
            "its series carry the labels that are asked for?"
        )
    elif not _known(fresh.age_seconds) or float(fresh.age_seconds or 0) > age_max_seconds:
        age = f"{fresh.age_seconds:.0f} s old" if _known(fresh.age_seconds) else "of unknown age"
        reasons.append(f"the oldest last sample of {track.name} is {age}, at most {age_max_seconds:g} s are allowed")
    return Verdict(Result.INCONCLUSIVE if reasons else Result.PASS, tuple(reasons))


def find_inequality(ours: Track, theirs: Track, load_drift_ratio_max: float) -> str | None:
    """Return why two slots cannot be compared: an idle one is fast."""
    one, other = ours.fresh.requests_per_engine, theirs.fresh.requests_per_engine
    if not _known(one) or not _known(other):
        return f"how many requests {ours.name} and {theirs.name} had is not known, so they cannot be compared"
    if abs(float(one or 0) - float(other or 0)) <= load_drift_ratio_max * float(other or 0):
        return None
    return (
        f"{ours.name} had {one:.4g} requests for each engine, {theirs.name} {other:.4g}: an idle slot is fast, so they "
        f"are compared up to {100 * load_drift_ratio_max:g} % apart (load_drift_ratio_max)"
    )


def evaluate_metrics(
    criteria: Sequence[Criterion],
    ours: Track,
    theirs: Track | None,
    *,
    age_max_seconds: float,
    load_drift_ratio_max: float,
) -> tuple[Verdict, tuple[Judgement, ...]]:
    """Return the verdict over the critical metrics; the others are told, and decide nothing."""
    tracks = [ours, *([theirs] if theirs is not None else [])]
    stale = [each for each in (_judge_freshness(track, age_max_seconds) for track in tracks) if each.reasons]
    why_unequal = find_inequality(ours, theirs, load_drift_ratio_max) if theirs is not None else None
    judgements = tuple(judge_metric(criterion, ours, theirs, why_unequal) for criterion in criteria)
    if stale:
        # Whatever the values say, they are not of all the pods of now.
        return worst(stale), judgements
    counted = [
        Verdict(each.result, (each.reason,) if each.reason else ())
        for each in judgements
        if each.critical and each.result is not None
    ]
    if not counted:
        return Verdict(Result.INCONCLUSIVE, ("no critical metric has a value: nothing was judged",)), judgements
    return worst(counted), judgements


def describe(judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as the module's result has it; JSON knows no NaN."""
    told: dict[str, Any] = {
        "name": judgement.name,
        "verdict": judgement.result.value if judgement.result is not None else "skipped",
        "critical": judgement.critical,
        "reason": judgement.reason,
    }
    for key in ("value", "baseline", "worst_allowed", "samples"):
        told[key] = _shown(getattr(judgement, key))
    return told


def describe_freshness(fresh: Freshness) -> dict[str, Any]:
    """Return the figures of a slot's engines as the module's result has them."""
    return {key: _shown(value) for key, value in vars(fresh).items()}


def _shown(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)
