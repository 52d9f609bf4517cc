# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event loop: which one, how exactly it wakes up, and how far it fell behind."""

from __future__ import annotations

import asyncio
import gc
import importlib
import select
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from .distribution import Distribution
from .spec import Closed, Settings

__all__ = ["Meter", "run_loop"]

T = TypeVar("T")
_TICK_SECONDS = 0.02
# What epoll rounds times up to.
_COARSE_SECONDS = 0.001

if hasattr(selectors, "EpollSelector"):

    class _FineSelector(selectors.EpollSelector):
        """Waits by the microsecond: epoll rounds up to whole milliseconds, and every request would be late by one.

        An epoll descriptor can itself be waited for, by ``select``, which takes microseconds. That is a second call, so
        only the last millisecond is waited for in this way; the loop comes again when nothing has happened before.
        """

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if timeout is not None and timeout > _COARSE_SECONDS:
                timeout -= _COARSE_SECONDS
            elif timeout is not None and timeout > 0 and self.fileno() < 1024:
                select.select([self.fileno()], [], [], timeout)
                timeout = 0
            return super().select(timeout)

else:  # pragma: no cover (a controller that is no Linux)
    _FineSelector = selectors.DefaultSelector  # type: ignore[misc,assignment]


def _make_loop(settings: Settings) -> tuple[asyncio.AbstractEventLoop, str]:
    """Return a loop and its name.

    uvloop needs half of the processor, and rounds times to milliseconds; so ``auto`` takes it where it is installed and
    no request has a time at which it is due.
    """
    closed = bool(settings.phases) and all(isinstance(phase.load, Closed) for phase in settings.phases)
    if settings.event_loop == "uvloop" or (settings.event_loop == "auto" and closed):
        try:
            uvloop = importlib.import_module("uvloop")
        except ImportError:
            if settings.event_loop == "uvloop":
                raise ValueError("client.event_loop is uvloop, which is not installed here") from None
        else:
            fast: asyncio.AbstractEventLoop = uvloop.new_event_loop()
            return fast, "uvloop"
    return asyncio.SelectorEventLoop(_FineSelector()), "asyncio"


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keep the collector's pauses out of the times."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def run_loop(settings: Settings, main: Callable[[asyncio.AbstractEventLoop, str], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on the loop for these settings and return its result."""
    loop, name = _make_loop(settings)
    try:
        with _no_garbage_collection():
            return loop.run_until_complete(main(loop, name))
    finally:
        loop.close()


class Meter:
    """How late the loop came to what was due, and how busy the process was, since the start."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._planned = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self.lag = Distribution()
        self._begin = self._cpu_begin = 0.0

    def start(self) -> None:
        """Begin to measure anew."""
        self.lag = Distribution()
        self._begin, self._cpu_begin = time.monotonic(), time.process_time()
        self._planned = self._loop.time()
        self._next()

    def stop(self) -> dict[str, Any]:
        """End and return seconds of the clock and of the processor, the busy share of one core, and the lag."""
        if self._handle is not None:
            self._handle.cancel()
        wall, cpu = time.monotonic() - self._begin, time.process_time() - self._cpu_begin
        return {
            "wall_seconds": round(wall, 3),
            "cpu_seconds": round(cpu, 3),
            "busy_ratio": round(cpu / wall, 4) if wall > 0 else None,
            "lag_ms": self.lag.summary_ms(),
        }

    def _tick(self) -> None:
        self.lag.add(max(self._loop.time() - self._planned, 0.0))
        self._next()

    def _next(self) -> None:
        # What was missed while the loop was stuck is no new lag: the next tick is in the future.
        now = self._loop.time()
        self._planned = max(self._planned + _TICK_SECONDS, now)
        self._handle = self._loop.call_at(self._planned, self._tick)
