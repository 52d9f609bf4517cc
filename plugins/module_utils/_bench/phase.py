# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends the requests of one phase to all targets, and collects what became of them.

With two targets each request goes to both: in open load at the same due time, in an order that is drawn; in a closed
loop in strict turns, so that the slower one sets the pace of both and drift hits both alike.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .arrivals import arrival_times
from .distribution import Distribution
from .record import Record
from .spec import Closed, Confidence, OpenLoad, Phase, Settings, Stop
from .transport import Call, Pool
from .workload import Item

__all__ = ["PhaseRun", "is_narrow"]

_clock = time.monotonic
# Working out an answer costs some ten microseconds; after so many the sockets are looked at again.
_DIGEST_BATCH = 8
# An open load prepares its next requests so long before they are due.
_AHEAD_SECONDS = 0.05
_CHECK_SECONDS = 0.5
# A server that cannot be reached answers at once: a closed loop would do nothing but try.
_UNREACHED = ("connect_failed", "connect_timeout", "tls_failed")
_RETRY_SECONDS = 0.1


class PhaseRun:
    """One phase; ``run`` returns when every request that was issued has ended."""

    def __init__(
        self, phase: Phase, settings: Settings, pools: Sequence[Pool], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.phase, self._settings, self._pools, self._loop = phase, settings, pools, loop
        self.records: list[list[Record]] = [[] for _pool in pools]
        self.issued = [0 for _pool in pools]
        self.capped = False
        self.interrupted = False
        self.stopped_by = ""
        self.begin = 0.0
        self.ttft = Distribution()
        self.failed = 0
        self._watched = [Distribution() for _pool in pools]
        self._in_flight = [0 for _pool in pools]
        self._held: deque[tuple[int, Call]] = deque()
        self._ended: deque[tuple[int, Call]] = deque()
        self._digesting = False
        self._sending = True
        self._all_done: asyncio.Future[None] = loop.create_future()
        self._turn = 0
        self._item = Item(-1, b"", 0)
        self._items: Iterator[Item] = iter(())
        self._concurrency = 0
        self._sender: asyncio.Task[None] | None = None

    @property
    def done(self) -> int:
        """How many requests have ended."""
        return sum(len(records) for records in self.records)

    async def run(self, items: Iterator[Item], trace_seconds: Sequence[float] = ()) -> None:
        """Send and wait."""
        watch = self._loop.create_task(self._watch(self.phase.stop.confidence)) if self.phase.stop.confidence else None
        self.begin = _clock()
        load = self.phase.load
        if isinstance(load, Closed):
            self._items, self._concurrency = items, load.concurrency
            self._pump()
            if self.phase.stop.duration_seconds is not None:
                self._loop.call_later(self.phase.stop.duration_seconds, self._stop_sending, "duration_seconds")
        else:
            self._sender = self._loop.create_task(self._send_open(load, items, trace_seconds))
            try:
                await self._sender
            except asyncio.CancelledError:
                if not self.interrupted:
                    raise
        self._finish_if_done()
        await self._all_done
        if watch is not None:
            watch.cancel()

    def interrupt(self) -> None:
        """End at once: send no more, and give up what is in flight, which is then issued and in no record."""
        self.interrupted, self.stopped_by, self._sending, self._turn = True, "interrupted", False, 0
        if self._sender is not None:
            self._sender.cancel()
        self._held.clear()
        for number, pool in enumerate(self._pools):
            pool.give_up()
            self._in_flight[number] = 0
        self._finish_if_done()

    # What both kinds of load share

    def _issue(self, number: int, call: Call) -> None:
        """Send a request, or hold it back where the user has set a cap; the result says so then."""
        self.issued[number] += 1
        cap = self._settings.max_in_flight
        if cap is not None and sum(self._in_flight) >= cap:
            self.capped = True
            self._held.append((number, call))
            return
        self._in_flight[number] += 1
        self._pools[number].start(call)

    def _ender(self, number: int) -> Callable[[Call], None]:
        def ended(call: Call) -> None:
            self._in_flight[number] -= 1
            self._ended.append((number, call))
            if self._held:
                target, held = self._held.popleft()
                self._in_flight[target] += 1
                self._pools[target].start(held)
            if call.kind in _UNREACHED:
                self._loop.call_later(_RETRY_SECONDS, self._pump)
            else:
                self._pump()
            if not self._digesting:
                self._digesting = True
                self._loop.call_soon(self._digest)

        return ended

    def _digest(self) -> None:
        """Work out some of the answers that have ended; the next requests were sent before."""
        for _number in range(min(_DIGEST_BATCH, len(self._ended))):
            number, call = self._ended.popleft()
            record = self._pools[number].record(call)
            self.records[number].append(record)
            self._note(number, record)
        if self._ended:
            self._loop.call_soon(self._digest)
        else:
            self._digesting = False
            self._finish_if_done()

    def _note(self, number: int, record: Record) -> None:
        self.failed += not record.answered
        ttft = record.ttft_seconds
        if record.answered and ttft is not None:
            self.ttft.add(ttft)
        confidence = self.phase.stop.confidence
        if confidence is not None and record.answered:
            value = getattr(record, f"{confidence.metric}_seconds")
            if value is not None:
                self._watched[number].add(value)

    def _stop_sending(self, reason: str) -> None:
        if self._sending:
            self._sending = False
            self.stopped_by = reason
            self._finish_if_done()

    def _finish_if_done(self) -> None:
        idle = not (self._turn or self._held or self._ended or any(self._in_flight))
        if not self._sending and idle and not self._all_done.done():
            self._all_done.set_result(None)

    async def _watch(self, confidence: Confidence) -> None:
        """Stop when the interval of every target is narrow enough."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            if all(is_narrow(watched, confidence) for watched in self._watched):
                self._stop_sending("confidence")

    # Closed loop

    def _pump(self) -> None:
        """In a closed loop, send while the target whose turn it is has a free place; a pair is always completed."""
        if not isinstance(self.phase.load, Closed):
            return
        while (self._sending or self._turn) and self._in_flight[self._turn] < self._concurrency:
            if self._turn == 0:
                if self.phase.stop.requests is not None and self.issued[0] >= self.phase.stop.requests:
                    self._stop_sending("requests")
                    return
                self._item = next(self._items)
            number, item = self._turn, self._item
            self._turn = (self._turn + 1) % len(self._pools)
            now = _clock()
            call = self._pools[number].make_call(
                item.number, now, item.prompt_json, item.max_tokens, self._ender(number)
            )
            self._issue(number, call)

    # Open load

    async def _send_open(self, load: OpenLoad, items: Iterator[Item], trace_seconds: Sequence[float]) -> None:
        seed = f"{self._settings.workload.seed}/{self.phase.name}"
        order = random.Random(f"{seed}/order")  # noqa: S311 - repeatable, no secret
        self.stopped_by = "trace"
        for offset in arrival_times(load, seed, trace_seconds):
            if reason := self._limit_reached(self.phase.stop, offset):
                self.stopped_by = reason
                break
            due = self.begin + offset
            early = due - _AHEAD_SECONDS - _clock()
            if early > 0:
                await asyncio.sleep(early)
            item, numbers = next(items), list(range(len(self._pools)))
            order.shuffle(numbers)
            calls = [
                (number, self._pools[number].make_call(item.number, due, item.prompt_json, item.max_tokens, ender))
                for number in numbers
                for ender in [self._ender(number)]
            ]
            left = due - _clock()
            if left > 0:
                await asyncio.sleep(left)
            if not self._sending:
                break
            for number, call in calls:
                self._issue(number, call)
        self._sending = False

    def _limit_reached(self, stop: Stop, offset_seconds: float) -> str:
        if not self._sending:
            return self.stopped_by
        if stop.requests is not None and self.issued[0] >= stop.requests:
            return "requests"
        if stop.duration_seconds is not None and offset_seconds > stop.duration_seconds:
            return "duration_seconds"
        return ""

    def progress(self) -> dict[str, Any]:
        """Return how far the phase is: requests, rate per second, p95 of the TTFT so far, seconds left."""
        passed = max(_clock() - self.begin, 1e-9)
        done, stop = self.done, self.phase.stop
        left: list[float] = []
        if stop.requests is not None and done:
            left.append(passed / done * max(stop.requests * len(self._pools) - done, 0))
        if stop.duration_seconds is not None:
            left.append(max(stop.duration_seconds - passed, 0.0))
        p95 = self.ttft.quantile(0.95)
        return {
            "phase": self.phase.name,
            "done": done,
            "issued": sum(self.issued),
            "failed": self.failed,
            "requests_per_second": round(done / passed, 2),
            "ttft_p95_ms": round(p95 * 1000, 2) if p95 is not None else None,
            "seconds_left": round(min(left), 1) if left else None,
        }


def is_narrow(values: Distribution, confidence: Confidence) -> bool:
    """Whether the interval of a statistic is narrower than the wanted share of its value."""
    if values.count < confidence.requests_min:
        return False
    share = None if confidence.statistic == "mean" else int(confidence.statistic[1:]) / 100
    interval = values.interval(share, confidence.confidence)
    value = values.mean() if share is None else values.quantile(share)
    if interval is None or not value:
        return False
    return (interval[1] - interval[0]) / value <= confidence.width_ratio_max
