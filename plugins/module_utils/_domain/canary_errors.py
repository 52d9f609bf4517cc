# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether too many of a canary's requests fail: by a limit, and beside the stable slot."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_verdict import Evidence
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.exceedance import hypergeometric_at_least
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.proportions import clopper_pearson
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict

__all__ = ["ERROR_MARGIN", "ERROR_SAMPLES_MIN", "Outcomes", "evaluate_errors"]

# A canary whose ratio is higher by less is as good as the stable slot.
ERROR_MARGIN = 0.005
# Of fewer requests nothing is said.
ERROR_SAMPLES_MIN = 40
# Confidence of the interval that a limit is held against, both sides together.
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Outcomes:
    """Of a slot's requests so many have ended, and so many of these have failed."""

    ended: int
    failed: int

    def __post_init__(self) -> None:
        """Refuse counts that cannot be."""
        if not 0 <= self.failed <= self.ended:
            raise ValueError(f"{self.failed} of {self.ended} requests cannot have failed")

    def words(self, slot: str) -> str:
        """Return the counts as text."""
        return f"{self.failed} of {self.ended} requests of {slot} failed"


def evaluate_errors(
    stable: Outcomes | None,
    canary: Outcomes | None,
    *,
    error: float,
    error_ratio_max: float | None = None,
    margin: float = ERROR_MARGIN,
) -> Evidence:
    """Return how the slots' failures stand: each alone by ``error_ratio_max``, and both compared.

    The comparison is Fisher's exact test, wrong with probability ``error`` at most. Every failure counts by itself,
    as failures that come together are as bad. A difference below the margin is none, however sure.
    """
    alone = [_judge_alone(slot, each, error_ratio_max) for slot, each in (("canary", canary), ("stable", stable))]
    return Evidence("errors", alone[0], alone[1], _compare(stable, canary, error, margin))


def _judge_alone(slot: str, outcomes: Outcomes | None, limit: float | None) -> Verdict | None:
    if limit is None:
        return None
    if lack := _find_lack(slot, outcomes):
        return Verdict(Result.INCONCLUSIVE, (lack,))
    known = outcomes or Outcomes(0, 0)
    ratio = known.failed / known.ended
    if ratio <= limit:
        return Verdict(Result.PASS)
    low, _high = clopper_pearson(known.failed, known.ended, _CONFIDENCE)
    told = f"{known.words(slot)}, a ratio of {ratio:.3g}, at most {limit:g} is allowed (error_ratio_max)"
    if low > limit:
        return Verdict(Result.FAIL, (told,))
    return Verdict(Result.INCONCLUSIVE, (f"{told}; it may be {low:.2g} in the long run: only more requests can tell",))


def _compare(stable: Outcomes | None, canary: Outcomes | None, error: float, margin: float) -> Verdict:
    lacks = [lack for slot, each in (("canary", canary), ("stable", stable)) if (lack := _find_lack(slot, each))]
    if lacks or stable is None or canary is None:
        return Verdict(Result.INCONCLUSIVE, tuple(lacks))
    more = canary.failed / canary.ended - stable.failed / stable.ended
    p_value = hypergeometric_at_least(
        canary.failed, canary.failed + stable.failed, canary.ended, canary.ended + stable.ended
    )
    if more <= margin or p_value > error:
        return Verdict(Result.PASS)
    seen = f"{canary.words('canary')}, {stable.failed} of {stable.ended} of stable"
    return Verdict(Result.FAIL, (f"{seen} (p = {p_value:.2g}, limit {error:.2g}, margin {margin:g})",))


def _find_lack(slot: str, outcomes: Outcomes | None) -> str | None:
    if outcomes is None:
        return f"how many requests of {slot} failed is not known"
    if outcomes.ended < ERROR_SAMPLES_MIN:
        return f"{outcomes.ended} requests of {slot} have ended, at least {ERROR_SAMPLES_MIN} are needed"
    return None
