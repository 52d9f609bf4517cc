# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Latencies of made-up servers: alike, drifting, bursting, or slower (facts of the judge's simulation).

A latency is lognormal (median 0.18 s, sigma 0.5), and one of fifty is lengthened by a Pareto factor (index 2.2). Every
draw comes from the given generator: the same seed gives the same latencies.
"""

from __future__ import annotations

from random import Random

__all__ = ["CALM_WORLDS", "REGRESSIONS", "WORLDS", "draw_arms"]

CALM_WORLDS = ("iid", "drift", "pods")
WORLDS = (*CALM_WORLDS, "bursts", "longbursts")
REGRESSIONS = ("+10", "+20", "+50", "tail+20", "tail+50")
# Quantiles of a latency in seconds.
_P90, _P95 = 0.347, 0.418
# Probability for each request to enter and to leave a burst, in which latencies are 2.5 times as long.
_CHAINS = {"bursts": (1 / 400, 1 / 40), "longbursts": (1 / 2000, 1 / 200)}


def draw_arms(world: str, pairs: int, random: Random) -> tuple[list[float], list[float]]:
    """Return latencies in seconds of the baseline and the candidate in a world or under a regression."""
    baseline = [_latency(random) for _pair in range(pairs)]
    candidate = [_latency(random) for _pair in range(pairs)]
    if world == "drift":
        ramp = [1 + 0.3 * place / pairs for place in range(pairs)]
        return [a * b for a, b in zip(baseline, ramp)], [a * b for a, b in zip(candidate, ramp)]
    if world == "pods":
        return baseline, [each * 1.03 for each in candidate]
    if world in _CHAINS:
        return _burst(baseline, world, random), _burst(candidate, world, random)
    if world.startswith("+"):
        return baseline, [each * (1 + int(world) / 100) for each in candidate]
    if world.startswith("tail"):
        return baseline, [_lengthen(each, 1 + int(world[len("tail") :]) / 100) for each in candidate]
    return baseline, candidate


def _latency(random: Random) -> float:
    body = random.lognormvariate(0.0, 0.5) * 0.18
    return body * random.paretovariate(2.2) if random.random() < 0.02 else body


def _burst(latencies: list[float], world: str, random: Random) -> list[float]:
    enter, leave = _CHAINS[world]
    inside = random.random() < enter / (enter + leave)
    changed = []
    for each in latencies:
        changed.append(each * 2.5 if inside else each)
        if random.random() < (leave if inside else enter):
            inside = not inside
    return changed


def _lengthen(latency: float, factor: float) -> float:
    """Return the latency under a regression of the tail alone: what is above the p90 moves away from it."""
    if latency <= _P90:
        return latency
    return latency + (factor - 1) * _P95 * min(1.0, (latency - _P90) / (_P95 - _P90))
