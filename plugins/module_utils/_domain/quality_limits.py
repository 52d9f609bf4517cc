# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a quality gate asks for, and whether that can be had with the prompts at hand: told before anything is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.proportions import tries_needed
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality import Prompt
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import Problem

__all__ = ["Comparison", "Limits", "find_problems"]


@dataclass(frozen=True)
class Limits:
    """The share of prompts that must pass, how sure that must be (None: as observed), and how many must be judged."""

    pass_ratio_min: float = 1.0
    confidence: float | None = None
    samples_min: int = 5


@dataclass(frozen=True)
class Comparison:
    """How like the baseline's the answers must be; ``length_drift_ratio_max`` 0.25 allows 75 to 125 % of its tokens."""

    exact_match_ratio_min: float = 0.9
    length_drift_ratio_max: float = 0.25
    empty_ratio_max: float = 0.0


def find_problems(prompts: Sequence[Prompt], limits: Limits, comparison: Comparison | None) -> Iterator[Problem]:
    """Yield every limit that is none, and every one that no answers to these prompts could meet."""
    ratios = {"pass_ratio_min": limits.pass_ratio_min}
    shares = [("pass_ratio_min", sum(prompt.is_checked for prompt in prompts), limits.pass_ratio_min)]
    if comparison is not None:
        ratios["comparison.exact_match_ratio_min"] = comparison.exact_match_ratio_min
        ratios["comparison.empty_ratio_max"] = comparison.empty_ratio_max
        shares.append(("comparison.exact_match_ratio_min", len(prompts), comparison.exact_match_ratio_min))
        if not 0 <= comparison.length_drift_ratio_max < float("inf"):
            drift = comparison.length_drift_ratio_max
            yield Problem("comparison.length_drift_ratio_max", "is out of range", f"{drift:g}", "0 or more")
    for path, ratio in ratios.items():
        if not 0 <= ratio <= 1:
            yield Problem(path, "is no ratio", f"{ratio:g}", "0 to 1")
    if limits.samples_min < 1:
        yield Problem("samples_min", "is out of range", str(limits.samples_min), "1 or more")
    if limits.confidence is not None and not 0.5 < limits.confidence < 1:
        yield Problem("confidence", "is out of range", f"{limits.confidence:g}", "above 0.5 and below 1")
        return
    for path, count, ratio in shares:
        # Prompts without a check are for the comparison alone.
        if count or comparison is None:
            yield from _judge_count(path, count, ratio, limits)


def _judge_count(path: str, count: int, ratio: float, limits: Limits) -> Iterator[Problem]:
    what = "prompts" if path.startswith("comparison") else "prompts with a check"
    if count < limits.samples_min:
        hint = "Add some, or lower samples_min."
        yield Problem("prompts", f"there are too few {what}", str(count), f"{limits.samples_min} or more", hint)
    if limits.confidence is None or not 0 < ratio <= 1:
        return
    needed = tries_needed(1.0, ratio, limits.confidence)
    if needed is None:
        hint = "Lower it, or leave confidence out."
        yield Problem(path, "can be shown with confidence by no number of prompts", f"{ratio:g}", "below 1", hint)
    elif count < needed:
        hint = "Add some, or lower it or confidence."
        yield Problem(path, f"cannot be shown by {count} {what}", f"{ratio:g}", f"{needed} or more of them", hint)
