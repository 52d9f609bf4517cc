# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a canary of an LLM server is judged by when nobody says otherwise: where it is read, what is better, how much
worse it may be, how many samples it takes, and whether it decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.arms import MARGIN, SAMPLES_MIN, Measure
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_errors import (
    ERROR_MARGIN,
    ERROR_SAMPLES_MIN,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.looks import nominal_error

__all__ = ["DEFAULTS", "Default", "ErrorBudget", "default_measures", "default_metrics", "split_error"]

# What the latencies may spend of the error of a release; the error ratio has the rest.
_LATENCY_SHARE = 0.9


@dataclass(frozen=True)
class Default:
    """One line of the table. ``tolerance`` is in the metric's unit, ``tolerance_ratio`` in parts of the stable slot's.

    ``source`` is ``benchmark`` (request by request, by the judge), ``counts`` (of requests, by Fisher's test) or
    ``prometheus`` (a window, by tolerance alone: no error is known of it, so that the tolerance is wide).
    """

    name: str
    source: str
    lower_is_better: bool
    samples_min: int
    tolerance_ratio: float | None = None
    tolerance: float | None = None
    decides: bool = True


DEFAULTS = (
    Default("ttft", "benchmark", True, SAMPLES_MIN, MARGIN),
    Default("itl", "benchmark", True, SAMPLES_MIN, MARGIN),
    Default("e2e", "benchmark", True, SAMPLES_MIN, MARGIN),
    Default("error_ratio", "counts", True, ERROR_SAMPLES_MIN, tolerance=ERROR_MARGIN),
    # A queue that is empty in one slot is infinitely better than a short one: 50 ms are no regression.
    Default("queue_p95_ms", "prometheus", True, SAMPLES_MIN, 0.5, 50.0),
    # One preempted request of twenty more: the cache is too small for the load.
    Default("preemptions_per_request", "prometheus", True, SAMPLES_MIN, tolerance=0.05),
    # At equal load it follows the requests, not the release: it is told, and decides nothing.
    Default("throughput_tokens_per_second", "prometheus", False, 10, 0.1, decides=False),
)


@dataclass(frozen=True)
class ErrorBudget:
    """How often a good release may be rolled back, by what is judged; together they are the whole.

    ``latency_share`` is the judge's part of it (its ``error_share``), ``errors`` the probability of one comparison of
    error ratios.
    """

    latency_share: float
    errors: float


def split_error(pairs: float, steps: int = 1) -> ErrorBudget:
    """Return what a release of so many pairs of requests may spend.

    Latencies spend theirs once, at the step of equal load; the error ratio is judged at each step, and has for each an
    equal part.
    """
    return ErrorBudget(_LATENCY_SHARE, nominal_error(pairs) * (1 - _LATENCY_SHARE) / max(steps, 1))


def default_measures() -> tuple[Measure, ...]:
    """Return what the judge compares request by request."""
    return tuple(
        Measure(each.name, each.tolerance_ratio or 0.0, not each.lower_is_better, each.samples_min)
        for each in DEFAULTS
        if each.source == "benchmark"
    )


def default_metrics() -> list[dict[str, Any]]:
    """Return what is read of Prometheus, as users of ``metrics_gate`` write it."""
    return [dict(_metric(each)) for each in DEFAULTS if each.source == "prometheus"]


def _metric(each: Default) -> Mapping[str, Any]:
    told = {"tolerance_ratio": each.tolerance_ratio, "tolerance": each.tolerance}
    known = {key: value for key, value in told.items() if value is not None}
    return {"name": each.name, "samples_min": each.samples_min, "critical": each.decides, **known}
