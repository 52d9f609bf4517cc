# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether two slots carry the same load per replica: only then their latencies may be compared.

A canary with a quarter of the replicas and 5 % of the requests is idle and looks fast; with 50 % it is crowded and
looks slow. Both say nothing of the release.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["LOAD_DRIFT_RATIO_MAX", "Load", "compare_measured_load", "compare_planned_load", "equal_weight_percent"]

# Beside a margin of 5 % of the latency: servers far from saturation slow down by less than their load grows.
LOAD_DRIFT_RATIO_MAX = 0.1
# The last digits of a ratio are those of floating point.
_FLOAT_ERROR = 1e-9


@dataclass(frozen=True)
class Load:
    """Whether latencies may be compared; ``reason`` says it for the report.

    ``ratio`` is the load of a replica of the canary beside that of one of the stable slot, None where it is unknown.
    """

    is_equal: bool
    reason: str
    ratio: float | None = None


def equal_weight_percent(stable_replicas: int, canary_replicas: int) -> float | None:
    """Return the canary's weight at which all replicas carry the same load, None without replicas on both sides."""
    if stable_replicas <= 0 or canary_replicas <= 0:
        return None
    return 100 * canary_replicas / (stable_replicas + canary_replicas)


def compare_planned_load(
    stable_replicas: int,
    canary_replicas: int,
    weight_percent: float,
    load_drift_ratio_max: float = LOAD_DRIFT_RATIO_MAX,
) -> Load:
    """Return whether a step that gives the canary this weight loads the replicas of both slots alike."""
    equal = equal_weight_percent(stable_replicas, canary_replicas)
    if equal is None:
        count = f"{stable_replicas} ready replicas of stable, {canary_replicas} of canary"
        return Load(False, f"latency is not judged: {count}, and it takes one of each")
    if not (math.isfinite(weight_percent) and 0 <= weight_percent <= 100):
        return Load(False, f"latency is not judged: a weight of {weight_percent:g} % is none")
    step = f"{weight_percent:g} % of the requests to {canary_replicas} of {stable_replicas + canary_replicas} replicas"
    other = f"it is judged at {equal:.4g} %, or under benchmark load of that share"
    if weight_percent == 100:
        return Load(False, f"latency is not judged: {step} leaves the stable slot none to compare with; {other}")
    ratio = weight_percent / (100 - weight_percent) * stable_replicas / canary_replicas
    return _judge(ratio, load_drift_ratio_max, step, other)


def compare_measured_load(
    stable_per_replica: float | None,
    canary_per_replica: float | None,
    load_drift_ratio_max: float = LOAD_DRIFT_RATIO_MAX,
    what: str = "requests for each replica",
) -> Load:
    """Return whether what was measured for each replica of both slots is alike: requests, or requests in flight."""
    known = [each for each in (stable_per_replica, canary_per_replica) if each is not None and math.isfinite(each)]
    if len(known) < 2 or min(known) < 0:
        return Load(False, f"latency is not judged: how many {what} both slots had is not known")
    stable, canary = known
    step = f"canary had {canary:.4g} {what}, stable {stable:.4g}"
    if stable == 0 or canary == 0:
        return Load(False, f"latency is not judged: {step}: an idle slot is fast")
    return _judge(canary / stable, load_drift_ratio_max, step, "an idle slot is fast, a crowded one slow")


def _judge(ratio: float, load_drift_ratio_max: float, step: str, otherwise: str) -> Load:
    told = f"{step}: {ratio:.3g} times the load of a stable replica"
    if abs(ratio - 1) <= load_drift_ratio_max + _FLOAT_ERROR:
        return Load(True, f"latency is judged: {told}", ratio)
    allowed = f"{100 * load_drift_ratio_max:g} % apart are allowed (load_drift_ratio_max)"
    return Load(False, f"latency is not judged: {told}, {allowed}; {otherwise}", ratio)
