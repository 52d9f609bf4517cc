# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Constant load on a model server through a whole change; every request is accounted for.

Half of the clients open a connection per request, half keep theirs (and honour ``Connection: close`` and an end of the
connection that they can see before they send, as every HTTP client does; nothing is ever sent twice). Each client goes
through all shapes in turn: streamed and whole, short and long. A request counts as dropped unless its complete answer
came: see ``judge_answer`` and ``Client._ask`` for the classes.

Requests start at fixed times; a client whose last answer took longer starts its next one at once. The loop measures how
late it is itself, so that a loss can never be the client's own.
"""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.e2e.traffic_report import Expectation, Record, Report, judge_answer

__all__ = ["Load", "Traffic", "run_traffic"]

PROMPT = "Tell me about the sea."


@dataclass(frozen=True)
class Load:
    """Who asks how much: clients (half of them keep their connection), requests per second of each, lengths.

    ``long_tokens`` > 0 adds two clients, one of each kind, whose streamed answers of that length follow each other.
    ``connect_seconds_max``, ``first_byte_seconds_max`` and ``answer_seconds_max`` end a request that hangs.
    """

    clients: int = 12
    rate_per_client: float = 2.0
    tokens: tuple[int, ...] = (20, 200)
    long_tokens: int = 0
    connect_seconds_max: float = 10.0
    first_byte_seconds_max: float = 20.0
    answer_seconds_max: float = 60.0


class Lost(Exception):  # noqa: N818 - a lost request is data here, no error of the program
    """A request that ended without an answer; ``outcome`` is its class."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome


@dataclass
class Connection:
    """An open connection, the pod that answered on it last, and the number of its requests."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    pod: str = ""
    requests: int = 0

    def close(self) -> None:
        """Close without waiting."""
        self.writer.close()


class Traffic:
    """The load on one address: create, ``run`` in a loop of its own, ``stop`` from anywhere, read ``report``."""

    def __init__(self, host: str, port: int, model: str, load: Load, headers: dict[str, str] | None = None) -> None:
        self.host, self.port, self.model, self.load = host, port, model, load
        self.report = Report()
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self._stopping = threading.Event()

    def mark(self, name: str) -> None:
        """Begin a phase."""
        self.report.marks.append((time.monotonic(), name))

    def stop(self) -> None:
        """Start no more requests; the running ones end."""
        self._stopping.set()

    async def run(self) -> None:
        """Drive all clients until ``stop``."""
        load = self.load
        shapes = [Expectation(self.model, tokens, stream) for tokens in load.tokens for stream in (True, False)]
        long = [Expectation(self.model, load.long_tokens, True)]
        period = 1 / load.rate_per_client
        tasks = [
            self._client(index, shapes[index // 2 % len(shapes) :] + shapes[: index // 2 % len(shapes)], period)
            for index in range(load.clients)
        ]
        if load.long_tokens:
            tasks += [self._client(load.clients + extra, long, 0.0) for extra in range(2)]
        ticking = asyncio.ensure_future(self._measure_lag())
        await asyncio.gather(*tasks)
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking

    async def _measure_lag(self) -> None:
        while True:
            due = time.monotonic() + 0.05
            await asyncio.sleep(0.05)
            self.report.loop_lag_seconds.append(time.monotonic() - due)

    async def _client(self, index: int, shapes: list[Expectation], period_seconds: float) -> None:
        kept = index % 2 == 1
        connection: Connection | None = None
        due = time.monotonic() + period_seconds * index / max(1, self.load.clients)
        number = 0
        while not self._stopping.is_set():
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due = max(due + period_seconds, time.monotonic())
            record = Record(index, kept, shapes[number % len(shapes)], time.monotonic())
            connection = await self._once(record, connection if kept else None)
            number += 1
        if connection:
            connection.close()

    async def _once(self, record: Record, connection: Connection | None) -> Connection | None:
        """Send one request and judge it; return the connection when it may be used again."""
        if connection and connection.reader.at_eof():
            connection.close()
            connection = None
        reusable = False
        try:
            if connection is None:
                connection = await self._connect()
            record.reused, record.pod = connection.requests > 0, connection.pod
            reusable = await asyncio.wait_for(self._ask(connection, record), self.load.answer_seconds_max)
            connection.pod = record.pod or connection.pod
        except Lost as lost:
            record.outcome, record.detail = lost.outcome, str(lost)
        except (asyncio.TimeoutError, TimeoutError):
            record.outcome, record.detail = "answer_timeout", f"not complete in {self.load.answer_seconds_max:g} s"
        except OSError as error:
            record.outcome, record.detail = "reset", repr(error)
        record.ended_at = time.monotonic()
        self.report.records.append(record)
        if connection and not (reusable and record.kept):
            connection.close()
            return None
        return connection

    async def _connect(self) -> Connection:
        limit = self.load.connect_seconds_max
        try:
            opened = asyncio.open_connection(self.host, self.port, limit=1 << 20)
            reader, writer = await asyncio.wait_for(opened, limit)
        except ConnectionRefusedError as error:
            raise Lost("connect_refused", str(error)) from error
        except (asyncio.TimeoutError, TimeoutError) as error:
            raise Lost("connect_timeout", f"no connection in {limit:g} s") from error
        except OSError as error:
            raise Lost("connect_failed", repr(error)) from error
        return Connection(reader, writer)

    async def _ask(self, connection: Connection, record: Record) -> bool:
        """Send, receive, judge; return whether the connection may be used again."""
        connection.writer.write(self._request(record))
        connection.requests += 1
        await connection.writer.drain()
        try:
            head = await asyncio.wait_for(connection.reader.readuntil(b"\r\n\r\n"), self.load.first_byte_seconds_max)
        except asyncio.IncompleteReadError as error:
            raise Lost("closed_before_answer", f"{len(error.partial)} bytes of the head") from error
        except (asyncio.TimeoutError, TimeoutError) as error:
            raise Lost("no_first_byte", f"in {self.load.first_byte_seconds_max:g} s") from error
        first, *lines = head.decode("latin-1").rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        body, complete = await self._body(connection.reader, headers, record)
        judge_answer(int(first.split()[1]), body, complete, record.expectation, record)
        return complete and headers.get("connection", "").lower() != "close"

    async def _body(self, reader: asyncio.StreamReader, headers: dict[str, str], record: Record) -> tuple[bytes, bool]:
        chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        length = int(headers.get("content-length", -1))
        raw = bytearray()
        while not (raw.endswith(b"0\r\n\r\n") if chunked else len(raw) >= length >= 0):
            # The first token has its own limit: vLLM sends the head before it.
            limit = self.load.first_byte_seconds_max if record.first_byte_at is None else None
            try:
                data = await asyncio.wait_for(reader.read(65536), limit)
            except (asyncio.TimeoutError, TimeoutError) as error:
                if limit is None:
                    raise
                raise Lost("no_first_token", f"in {limit:g} s") from error
            if not data:
                return _dechunk(bytes(raw))[0] if chunked else bytes(raw), not chunked and length < 0
            record.first_byte_at = record.first_byte_at or time.monotonic()
            raw += data
        return _dechunk(bytes(raw)) if chunked else (bytes(raw), True)

    def _request(self, record: Record) -> bytes:
        shape = record.expectation
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": PROMPT}],
            "max_tokens": shape.tokens,
            "ignore_eos": True,
            "temperature": 0,
            "seed": 1,
            "stream": shape.stream,
        }
        if shape.stream:
            body["stream_options"] = {"include_usage": True}
        data = json.dumps(body).encode()
        close = "" if record.kept else "Connection: close\r\n"
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n{self._headers}{close}"
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def _dechunk(raw: bytes) -> tuple[bytes, bool]:
    """Return the content of a chunked body and whether its closing chunk was there."""
    parts: list[bytes] = []
    at = 0
    while True:
        line = raw.find(b"\r\n", at)
        if line < 0:
            return b"".join(parts), False
        size = int(raw[at:line], 16)
        if size == 0:
            return b"".join(parts), True
        part = raw[line + 2 : line + 2 + size]
        parts.append(part)
        if len(part) < size:
            return b"".join(parts), False
        at = line + 4 + size


@contextmanager
def run_traffic(
    host: str, port: int, model: str, load: Load, headers: dict[str, str] | None = None, check_content: bool = True
) -> Iterator[Traffic]:
    """Run the load in a thread of its own while the block runs; its report is complete after the block.

    An error inside the driver itself is raised at the end of the block.
    """
    traffic = Traffic(host, port, model, load, headers)
    failures: list[BaseException] = []

    def drive() -> None:
        try:
            asyncio.run(traffic.run())
        except BaseException as error:  # handed to the caller's thread below
            failures.append(error)

    gc.collect()
    thread = threading.Thread(target=drive, name="traffic")
    thread.start()
    try:
        yield traffic
    finally:
        traffic.stop()
        thread.join()
    if failures:
        raise failures[0]
    traffic.report.conclude(check_content)
