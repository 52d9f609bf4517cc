# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why figures may say nothing about the server: the client was the bottleneck, or something is missing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .spec import Settings

__all__ = ["find_doubts"]

# A client that is late by more adds it to every time; by a share of the TTFT where that is large.
_LATENESS_P99_MS_MAX = 1.0
_LATENESS_TTFT_RATIO_MAX = 0.01
# In a closed loop nothing is due, but answers that end at one moment are worked out one after the other.
_LAG_P99_MS_MAX = 10.0
_LAG_TTFT_RATIO_MAX = 0.05


def find_doubts(
    settings: Settings, client: Mapping[str, Any], targets: Mapping[str, Any], *, due_times: bool, capped: bool
) -> list[str]:
    """Return a sentence for each doubt about the figures of a phase.

    ``client`` is what the meter has seen, ``targets`` the figures by name. ``due_times`` tells an open load, ``capped``
    that ``max_in_flight`` held requests back.
    """
    doubts = []
    if capped:
        doubts.append(f"max_in_flight ({settings.max_in_flight}) held requests back: a closed loop, which hides queues")
    busy, busy_max = client["busy_ratio"], settings.client.busy_ratio_max
    if busy is not None and busy > busy_max:
        doubts.append(f"client too slow: it was busy for {busy:.2f} of the time, limit {busy_max:g}")
    lag, lag_max = client["lag_ms"], _lag_max(settings, targets)
    if lag and lag["p99"] > lag_max:
        doubts.append(f"client too slow: its loop lagged by {lag['p99']:g} ms at p99, limit {lag_max:g} ms")
    for name, figures in targets.items():
        requests, late = figures["requests"], figures["lateness_ms"]
        if requests["lost"]:
            doubts.append(f"target {name}: {requests['lost']} requests were sent and are in no record")
        late_max = _lateness_max(settings, figures)
        if due_times and late and late["p99"] > late_max:
            doubts.append(
                f"client too slow: requests to {name} were sent {late['p99']:g} ms late at p99, limit {late_max:g} ms"
            )
    return doubts


def _lag_max(settings: Settings, targets: Mapping[str, Any]) -> float:
    if settings.client.lag_p99_ms_max is not None:
        return settings.client.lag_p99_ms_max
    seen = [figures["ttft_ms"]["p50"] for figures in targets.values() if figures["ttft_ms"]]
    return max(_LAG_P99_MS_MAX, _LAG_TTFT_RATIO_MAX * min(seen, default=0.0))


def _lateness_max(settings: Settings, figures: Mapping[str, Any]) -> float:
    """Return the limit in milliseconds: a share of the TTFT's limit, or of the TTFT where no limit is set."""
    if settings.client.lateness_p99_ms_max is not None:
        return settings.client.lateness_p99_ms_max
    named = [limit for name, limit in settings.slo.items() if name.startswith("ttft_")]
    if settings.request_slo.ttft_ms_max is not None:
        named.append(settings.request_slo.ttft_ms_max)
    seen = figures["ttft_ms"]["p50"] if figures["ttft_ms"] else 0.0
    return max(_LATENESS_P99_MS_MAX, _LATENESS_TTFT_RATIO_MAX * min(named, default=seen))
