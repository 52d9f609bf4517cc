# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How sure a share is that was seen in a few samples: Wilson's score bounds."""

from __future__ import annotations

import math
from statistics import NormalDist

__all__ = ["samples_needed", "wilson_bounds"]


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(confidence)


def wilson_bounds(successes: int, samples: int, confidence: float) -> tuple[float, float]:
    """Return the lower and the upper bound of the true share; each alone holds with ``confidence`` (one-sided).

    E. B. Wilson, Probable inference, the law of succession, and statistical inference (1927), formula of the score
    interval without continuity correction. Unlike the normal approximation it stays useful at 0 of n and n of n. No
    samples say nothing: 0 to 1.
    """
    if samples == 0:
        return 0.0, 1.0
    z = _z(confidence)
    share = successes / samples
    middle = share + z * z / (2 * samples)
    reach = z * math.sqrt(share * (1 - share) / samples + z * z / (4 * samples * samples))
    scale = 1 + z * z / samples
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def samples_needed(share: float, minimum: float, confidence: float) -> int | None:
    """Return how many samples with ``share`` it takes until the lower bound reaches ``minimum``; None: never.

    The lower bound reaches it exactly when share >= minimum + z sqrt(minimum (1 - minimum) / n).
    """
    if share <= minimum or minimum >= 1:
        return None
    return max(1, math.ceil(minimum * (1 - minimum) * (_z(confidence) / (share - minimum)) ** 2))
