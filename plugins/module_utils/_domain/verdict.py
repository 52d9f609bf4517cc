# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gate concludes: a verdict is data, and missing data never passes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

__all__ = ["Result", "Verdict", "worst"]


class Result(str, Enum):
    """The three results that a gate can have; anything that could not be observed is inconclusive."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Verdict:
    """A result with its reasons, each a sentence that names object, observed value and limit."""

    result: Result
    reasons: tuple[str, ...] = ()


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Join verdicts: one failure fails, else one inconclusive is inconclusive; none at all is inconclusive."""
    parts = tuple(verdicts)
    reasons = tuple(reason for part in parts for reason in part.reasons)
    results = {part.result for part in parts}
    if Result.FAIL in results:
        return Verdict(Result.FAIL, reasons)
    if Result.INCONCLUSIVE in results or not parts:
        return Verdict(Result.INCONCLUSIVE, reasons or ("nothing was observed",))
    return Verdict(Result.PASS, reasons)
