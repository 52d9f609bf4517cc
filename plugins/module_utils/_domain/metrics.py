# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics that a criterion can name, and the units in which its limit can be written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_run import FAMILIES
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import nearest

__all__ = ["Metric", "convert", "find_metric", "guess_metric"]

PER_GPU = "_per_gpu"
_STATISTICS = ("mean", "p50", "p90", "p95", "p99")
_LATENCY = re.compile(r"(ttft_from_schedule|ttft|itl|tpot|e2e|connect)_(mean|min|max|p(\d{1,2})(?:_(\d+))?)_ms")
# What a limit in one unit is in the metric's own.
_FACTORS: Mapping[str, Mapping[str, float]] = {
    "ms": {"ms": 1.0, "s": 1000.0, "us": 0.001},
    "ratio": {"ratio": 1.0, "percent": 0.01},
    "requests/s": {"requests/s": 1.0},
    "tokens/s": {"tokens/s": 1.0},
    "requests": {"requests": 1.0},
    "tokens": {"tokens": 1.0},
    "s": {"s": 1.0, "ms": 0.001},
}
_OTHERS = {
    "throughput_requests_per_second": "requests/s",
    "throughput_tokens_per_second": "tokens/s",
    "throughput_total_tokens_per_second": "tokens/s",
    "goodput_requests_per_second": "requests/s",
    "goodput_ratio": "ratio",
    "error_ratio": "ratio",
    "requests_completed": "requests",
    "requests_failed": "requests",
    "output_tokens": "tokens",
    "duration_seconds": "s",
}


@dataclass(frozen=True)
class Metric:
    """A metric by its canonical name; ``share`` is 0.95 for a p95, ``family`` is that of a latency, else None."""

    name: str
    unit: str
    family: str | None = None
    share: float | None = None
    per_gpu: bool = False


def find_metric(name: str) -> Metric | None:
    """Return the metric with this name, None when there is none."""
    match = _LATENCY.fullmatch(name)
    if match:
        family, statistic, whole, rest = match.groups()
        share = float(f"{whole}.{rest or 0}") / 100 if statistic.startswith("p") else None
        if share == 0:
            return None
        return Metric(name, "ms", family, share)
    per_gpu = name.endswith(PER_GPU)
    plain = name[: -len(PER_GPU)] if per_gpu else name
    unit = _OTHERS.get(plain)
    if unit is None or (per_gpu and not unit.endswith("/s")):
        return None
    return Metric(plain, unit, per_gpu=per_gpu)


def guess_metric(name: str) -> str | None:
    """Return the name that was probably meant."""
    known = [f"{family}_{statistic}_ms" for family in FAMILIES for statistic in _STATISTICS]
    rates = [f"{other}{PER_GPU}" for other, unit in _OTHERS.items() if unit.endswith("/s")]
    return nearest(name, [*known, *_OTHERS, *rates])


def convert(value: float, unit: str | None, metric: Metric) -> tuple[float | None, str]:
    """Return a limit in the metric's own unit, None where the unit does not fit, and the units that do."""
    factors = _FACTORS[metric.unit]
    factor = factors.get(unit or metric.unit)
    return (None if factor is None else value * factor), ", ".join(factors)
