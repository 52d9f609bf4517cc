# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Latencies of made-up servers: alike, drifting, bursting, or slower (the worlds of the judge's simulation).

A latency is lognormal (median 0.18 s, sigma 0.5), and one of fifty is lengthened by a Pareto factor (index 2.2). Time
is the index of the canary's requests; a stable slot with ``ratio`` times its requests has as many at each such time.
Every draw comes from the given generator: the same seed gives the same latencies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

__all__ = ["BURST_WORLDS", "CALM_WORLDS", "REGRESSIONS", "WORLDS", "LazyValues", "Release", "draw_arms", "draw_release"]

CALM_WORLDS = ("iid", "drift", "pods")
BURST_WORLDS = ("bursts", "longbursts")
WORLDS = (*CALM_WORLDS, *BURST_WORLDS)
REGRESSIONS = ("+10", "+20", "+50", "tail+20", "tail+50")
# Quantiles of a latency in seconds.
_P90, _P95 = 0.347, 0.418
# Probability for each time to enter and to leave a burst, in which latencies are 2.5 times as long. In the last world
# each replica of the stable slot has bursts of its own, in the others the slot has them as a whole.
_CHAINS = {"bursts": (1 / 400, 1 / 40), "longbursts": (1 / 2000, 1 / 200), "replicas": (1 / 2000, 1 / 200)}
_BURST_FACTOR = 2.5
# With several metrics: an inter-token latency of its own, and so many of them in a whole answer.
_ITL_RATIO, _TOKENS = 0.1, 20

Values = NDArray[np.float64]


class LazyValues(Sequence[float]):
    """Values that are drawn when somebody looks at them."""

    def __init__(self, count: int, draw: Callable[[], list[float]]) -> None:
        self._count, self._draw = count, draw
        self._values: list[float] | None = None

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: Any) -> Any:
        return self._all()[place]

    def __iter__(self) -> Iterator[float]:
        return iter(self._all())

    def _all(self) -> list[float]:
        if self._values is None:
            self._values = self._draw()
        return self._values


@dataclass(frozen=True)
class Release:
    """Latencies in seconds of one release by metric, and those of the stable slot before it."""

    stable: dict[str, list[float]]
    canary: dict[str, list[float]]
    history: dict[str, LazyValues]


def draw_arms(world: str, pairs: int, random: Generator) -> tuple[list[float], list[float]]:
    """Return latencies in seconds of the stable slot and of the canary, in a world or under a regression."""
    release = draw_release(world, pairs, random)
    return release.stable["ttft"], release.canary["ttft"]


def draw_release(
    world: str, requests: int, random: Generator, *, ratio: int = 1, history: int = 0, several: bool = False
) -> Release:
    """Return a release with so many requests of the canary and ``ratio`` times as many of the stable slot.

    ``history`` is the time before it, in requests of the canary. With ``several`` there are ``ttft``, ``itl`` and
    ``e2e``; a burst or a drift has all of them, a regression is one of the ``ttft``, which is a part of the ``e2e``.
    """
    stable, canary = np.ones(requests * ratio), np.ones(requests)
    inside: list[bool] = []
    if world == "drift":
        stable, canary = (1 + 0.3 * np.arange(each.size) / each.size for each in (stable, canary))
    elif world == "pods":
        canary = canary * 1.03
    elif world in _CHAINS:
        chains = [_chain(requests, world, random) for _replica in range(ratio if world == "replicas" else 1)]
        inside = [start for _factors, start in chains]
        stable = _spread([factors for factors, _start in chains], ratio)
        canary, _start = _chain(requests, world, random)
    drawn = _draw(stable, random, several), _draw(canary, random, several, world)

    def draw_history() -> dict[str, list[float]]:
        factors = np.ones(history * ratio)
        if world in _CHAINS:
            # A chain of two states is the same when time runs backwards.
            factors = _spread([_chain(history, world, random, start)[0] for start in inside], ratio)[::-1]
        return _draw(factors, random, several)

    lazy = {name: LazyValues(history * ratio, partial(_pick, draw_history, name)) for name in drawn[0]}
    return Release(*drawn, lazy)


def _pick(draw: Callable[[], dict[str, list[float]]], name: str) -> list[float]:
    return draw()[name]


def _draw(factors: Values, random: Generator, several: bool, world: str = "") -> dict[str, list[float]]:
    """Return the metrics of requests whose latencies are so many times the usual ones."""
    first = _latencies(factors.size, random) * factors
    if world.startswith("+"):
        first = first * (1 + int(world) / 100)
    elif world.startswith("tail"):
        first = _lengthen(first, 1 + int(world[len("tail") :]) / 100)
    if not several:
        return {"ttft": first.tolist()}
    between = _latencies(factors.size, random) * factors * _ITL_RATIO
    return {"ttft": first.tolist(), "itl": between.tolist(), "e2e": (first + _TOKENS * between).tolist()}


def _latencies(count: int, random: Generator) -> Values:
    body = 0.18 * np.exp(0.5 * random.standard_normal(count))
    return np.where(random.random(count) < 0.02, body * random.random(count) ** (-1 / 2.2), body)


def _chain(count: int, world: str, random: Generator, start: bool | None = None) -> tuple[Values, bool]:
    """Return the factors of bursts at each time, and whether the first time is inside of one."""
    enter, leave = _CHAINS[world]
    first = bool(random.random() < enter / (enter + leave)) if start is None else start
    factors, place, inside = np.ones(count), 0, first
    while place < count:
        length = int(random.geometric(leave if inside else enter))
        if inside:
            factors[place : place + length] = _BURST_FACTOR
        place, inside = place + length, not inside
    return factors, first


def _spread(chains: list[Values], ratio: int) -> Values:
    """Return the factors of a slot's requests: at each time one of each replica, or ``ratio`` of the only chain."""
    return np.stack(chains, axis=1).ravel() if len(chains) > 1 else np.repeat(chains[0], ratio)


def _lengthen(latencies: Values, factor: float) -> Values:
    """Return the latencies under a regression of the tail alone: what is above the p90 moves away from it."""
    longer = latencies + (factor - 1) * _P95 * np.minimum(1.0, (latencies - _P90) / (_P95 - _P90))
    return np.where(latencies <= _P90, latencies, longer)
