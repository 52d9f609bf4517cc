# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for the highest rate that meets the SLO, and whether figures meet one. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .spec import Sweep

__all__ = ["Step", "find_misses", "next_rate"]


class Step(NamedTuple):
    """One rate that was tried; ``meets`` is None where the client was the bottleneck."""

    rate_per_second: float
    meets: bool | None


def next_rate(sweep: Sweep, steps: Sequence[Step]) -> tuple[float | None, str]:
    """Return the rate to try next, or None and why the search is over.

    It doubles from the lowest rate until one fails, then tries the geometric middle between the highest rate that
    passed below the lowest one that failed.
    """
    if not steps:
        return sweep.rate_min_per_second, ""
    if steps[-1].meets is None:
        return None, "the client was the bottleneck"
    failed = min((step.rate_per_second for step in steps if step.meets is False), default=math.inf)
    passed = max((step.rate_per_second for step in steps if step.meets and step.rate_per_second < failed), default=0.0)
    if not passed:
        return None, "the lowest rate already misses the SLO"
    if passed >= sweep.rate_max_per_second:
        return None, "the highest rate that was to be tried meets the SLO"
    if len(steps) >= sweep.steps_max:
        return None, f"{sweep.steps_max} rates were tried"
    if failed == math.inf:
        return min(passed * 2, sweep.rate_max_per_second), ""
    if failed / passed <= 1 + sweep.precision_ratio:
        return None, "precision_ratio is reached"
    return math.sqrt(passed * failed), ""


def find_misses(summary: Mapping[str, Any], slo: Mapping[str, float]) -> list[str]:
    """Return a sentence for each limit that a target's figures do not meet; what is missing meets none."""
    misses = []
    for name, limit in sorted(slo.items()):
        value = _value(summary, name)
        upper = name.endswith("_max")
        if value is None:
            misses.append(f"{name} {limit:g}: nothing was measured")
        elif value > limit if upper else value < limit:
            misses.append(f"{name} {limit:g}: {value:g} was measured")
    return misses


def _value(summary: Mapping[str, Any], name: str) -> float | None:
    """Return the figure that a limit speaks of."""
    if name == "error_ratio_max":
        value = summary.get("error_ratio")
    elif name == "goodput_ratio_min":
        value = (summary.get("goodput") or {}).get("ratio")
    elif name.startswith("throughput_"):
        key = name[len("throughput_") : -len("_min")]
        # What a release calls its throughput is the tokens that it writes.
        key = "output_" + key if key.startswith("tokens") else key
        value = (summary.get("throughput") or {}).get(key)
    else:
        metric, _rest, statistic = name[: -len("_ms_max")].rpartition("_")
        value = (summary.get(f"{metric}_ms") or {}).get(statistic)
    return None if value is None else float(value)
