# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a canary's step has shown, joined of all that was looked at: health, errors, latency, metrics, answers.

Each part may say three things: how the canary stands by limits of its own, how the stable slot stands by the same ones,
and how both compare. A canary that breaks a limit which the stable slot breaks too is no reason to go back to the
stable slot: whatever ails them is not the release. What was asked for and is not there is inconclusive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_judge import ArmJudgement
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.load_equality import Load
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict, worst

__all__ = ["LATENCY", "Evidence", "Part", "StepVerdict", "evaluate_step"]

LATENCY = "latency"


@dataclass(frozen=True)
class Evidence:
    """What one part has seen: of ``canary`` and ``stable`` by limits of their own, and of both compared.

    None is what was not looked at; what was looked at and not seen is inconclusive.
    """

    name: str
    canary: Verdict | None = None
    stable: Verdict | None = None
    compared: Verdict | None = None


@dataclass(frozen=True)
class Part:
    """What one part says of the step; ``result`` is None where it was left out, with the reason."""

    name: str
    result: Result | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepVerdict:
    """The verdict on a step, its parts, and whether it rests on latencies too."""

    verdict: Verdict
    parts: tuple[Part, ...]
    latency_judged: bool


def evaluate_step(
    evidence: Sequence[Evidence],
    wanted: Sequence[str],
    load: Load,
    latencies: ArmJudgement | None = None,
    *,
    latency_required: bool = False,
) -> StepVerdict:
    """Join what was seen at a step; every part in ``wanted`` must have been.

    ``latencies`` are compared where ``load`` is equal. Where it is not, the other parts decide alone, unless latency is
    required at this step: then nothing passes without it.
    """
    seen = {each.name: each for each in evidence}
    parts = [_judge_part(each) for each in evidence]
    parts += [
        Part(name, Result.INCONCLUSIVE, (f"{name} was not observed",))
        for name in dict.fromkeys(wanted)
        if name not in seen and name != LATENCY
    ]
    if LATENCY in wanted or latencies is not None:
        parts.append(_judge_latency(load, latencies, latency_required))
    told = [Verdict(part.result, part.reasons) for part in parts if part.result is not None]
    judged = [Verdict(each.result, each.reasons if each.result is not Result.PASS else ()) for each in told]
    latency_judged = any(part.name == LATENCY and part.result in (Result.PASS, Result.FAIL) for part in parts)
    return StepVerdict(worst(judged), tuple(parts), latency_judged)


def _judge_part(each: Evidence) -> Part:
    canary, stable, compared = each.canary, each.stable, each.compared
    known = [verdict for verdict in (canary, compared) if verdict is not None]
    if not known:
        return Part(each.name, Result.INCONCLUSIVE, (f"{each.name} of the canary was not observed",))
    joined = worst(known)
    alone = canary is not None and canary.result is Result.FAIL
    worse = compared is not None and compared.result is Result.FAIL
    if alone and not worse and stable is not None and stable.result is Result.FAIL:
        together = f"{each.name}: both slots degrade together, so that going back would not help"
        return Part(each.name, Result.INCONCLUSIVE, (together, *joined.reasons, *stable.reasons))
    return Part(each.name, joined.result, joined.reasons)


def _judge_latency(load: Load, latencies: ArmJudgement | None, required: bool) -> Part:
    if not load.is_equal:
        return Part(LATENCY, Result.INCONCLUSIVE if required else None, (load.reason,))
    if latencies is None:
        return Part(LATENCY, Result.INCONCLUSIVE, ("latency was not observed",))
    return Part(LATENCY, latencies.verdict.result, latencies.verdict.reasons or (load.reason,))
