# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to one target: HTTP/1.1 by hand on the event loop's raw transports, so that times are the socket's.

The clock is the first thing that is looked at when bytes come. One read has one time. While answers run, nothing is
parsed that times do not need. Redirects are not followed, nothing is sent twice, proxies of the environment are not
used.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from array import array
from typing import Callable, cast
from urllib.parse import urlsplit

from .answer import Body, JsonBody, StreamBody, read_error, read_models
from .http1 import ResponseParser
from .record import Record, classify, split_stamps
from .request import RequestEncoder, read_key
from .spec import Settings, Target
from .sse import StreamError

__all__ = ["Call", "Pool"]

_clock = time.monotonic
# Servers close kept connections after some seconds (vLLM: 5); a request sent into that moment would be lost.
_IDLE_SECONDS_MAX = 2.0
_ERROR_BYTES_MAX = 64 * 1024
_MODELS_BYTES_MAX = 1024 * 1024
# A timer for each request would cost a tenth of it. One looks at all, this often within the time that they may take.
_CHECKS = 20
_CHECK_SECONDS_MAX = 1.0


class Call:
    """One request on its way; ``finished`` is called once, when its end is known but nothing is worked out yet."""

    def __init__(self, number: int, due: float, payload: bytes, body: Body, finished: Callable[[Call], None]) -> None:
        self.number, self.due, self.payload, self.body, self.finished = number, due, payload, body, finished
        self.parser = ResponseParser()
        self.error_content = bytearray()
        self.sent: float | None = None
        self.connect = 0.0
        self.end = 0.0
        self.kind: str | None = None
        self.text = ""

    def finish(self, stamp: float, kind: str | None = None, text: str = "") -> None:
        """Note the end; a kind is what went wrong, None is an answer that has come to its end."""
        self.end, self.kind, self.text = stamp, kind, text
        self.finished(self)


class _Connection(asyncio.Protocol):
    """One connection; it carries one request at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._call: Call | None = None
        self.idle_since = 0.0
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._pool.opened.add(self)
        self.open = True

    def send(self, call: Call) -> None:
        """Write a request; its clock starts just before."""
        self._call = call
        call.sent = _clock()
        self._transport.write(call.payload)

    def data_received(self, data: bytes) -> None:
        stamp = _clock()
        call = self._call
        if call is None:
            # Bytes that nobody asked for; they could be taken for the next answer.
            self.drop()
            return
        parser = call.parser
        try:
            pieces = parser.feed(data)
            if parser.status == 200:
                for piece in pieces:
                    call.body.feed(piece, stamp)
            else:
                for piece in pieces:
                    call.error_content += piece[: _ERROR_BYTES_MAX - len(call.error_content)]
        except StreamError as error:
            self._end(call, stamp, error.kind, str(error))
            return
        if parser.done:
            self._end(call, stamp, None, "")

    def eof_received(self) -> None:
        # It is not reused from here on; what is on its way ends in connection_lost.
        self.open = False

    def connection_lost(self, exc: Exception | None) -> None:
        stamp = _clock()
        self.open = False
        self._pool.opened.discard(self)
        call = self._call
        if call is None:
            return
        if exc is None and call.parser.end():
            self._end(call, stamp, None, "")
        elif exc is None:
            where = "in the middle of the answer" if call.parser.begun else "without an answer"
            self._end(call, stamp, "closed_early", f"the server closed the connection {where}")
        else:
            self._end(
                call, stamp, "tls_failed" if isinstance(exc, ssl.SSLError) else "reset", str(exc) or type(exc).__name__
            )

    def check(self, now: float, seconds_max: float) -> None:
        """Give up a request that takes too long."""
        call = self._call
        if call is not None and call.sent is not None and now - call.sent >= seconds_max:
            self._end(call, now, "timeout", f"the answer was not whole after {seconds_max:g} s")

    def forget(self) -> None:
        """Close at once; what is on its way has no end that anybody is told."""
        self._call = None
        self.drop()

    def drop(self) -> None:
        """Close at once."""
        self.open = False
        self._transport.abort()

    def _end(self, call: Call, stamp: float, kind: str | None, text: str) -> None:
        self._call = None
        if kind is None and call.parser.keeps_connection and not call.parser.surplus and self.open:
            self.idle_since = stamp
            self._pool.keep(self)
        else:
            self.drop()
        call.finish(stamp, kind, text)


class Pool:
    """All connections to one target."""

    def __init__(self, target: Target, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self.target, self._settings, self._loop = target, settings, loop
        self._key = read_key(target)
        parts = urlsplit(target.url)
        self._host, self._secure = parts.hostname or "", parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._context = self._make_context() if self._secure else None
        self._encode = RequestEncoder(target, settings, self._key)
        self._check_seconds = min(settings.request_seconds_max / _CHECKS, _CHECK_SECONDS_MAX)
        self._idle: list[_Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._address: str | None = None
        self._checker: asyncio.TimerHandle | None = None
        self.opened: set[_Connection] = set()
        self.connections = 0

    def _make_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.target.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"target {self.target.name}: {self.target.ca_file} cannot be read: {error}") from None
        if not self.target.verify_certificate:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def make_call(
        self, number: int, due: float, prompt_json: bytes, max_tokens: int, done: Callable[[Call], None]
    ) -> Call:
        """Return a request that can be started later without further work."""
        body = StreamBody() if self._settings.stream else JsonBody()
        return Call(number, due, self._encode(prompt_json, max_tokens), body, done)

    def start(self, call: Call) -> None:
        """Send a request over a kept connection, or over one of its own."""
        now = _clock()
        while self._idle:
            connection = self._idle.pop()
            if connection.open and now - connection.idle_since < _IDLE_SECONDS_MAX:
                self._send(connection, call)
                return
            connection.drop()
        task = self._loop.create_task(self._connect(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def keep(self, connection: _Connection) -> None:
        """Take back a connection that can carry another request."""
        self._idle.append(connection)

    def give_up(self) -> None:
        """Drop every connection, and those that are being made; the end of what was on its way is told to nobody."""
        for task in self._tasks:
            task.cancel()
        for connection in tuple(self.opened):
            connection.forget()

    async def close(self) -> None:
        """Give up all connections, and wait until their sockets are closed."""
        if self._checker is not None:
            self._checker.cancel()
        while self._tasks or self.opened:
            self.give_up()
            await asyncio.sleep(0)

    async def ask_models(self) -> tuple[str, ...]:
        """Return the ids of the models that the server says it serves; none where it does not say."""
        ended, body = asyncio.Event(), JsonBody()
        call = Call(0, _clock(), self._encode.models, body, lambda _call: ended.set())
        call.parser = ResponseParser(_MODELS_BYTES_MAX)
        self.start(call)
        try:
            await asyncio.wait_for(ended.wait(), self._settings.connect_seconds_max)
        except (asyncio.TimeoutError, TimeoutError):
            return ()
        return read_models(bytes(body.content)) if call.kind is None and call.parser.status == 200 else ()

    def _send(self, connection: _Connection, call: Call) -> None:
        if self._checker is None:
            self._checker = self._loop.call_later(self._check_seconds, self._check)
        connection.send(call)

    def _check(self) -> None:
        now, seconds_max = _clock(), self._settings.request_seconds_max
        for connection in list(self.opened):
            connection.check(now, seconds_max)
        self._checker = self._loop.call_later(self._check_seconds, self._check) if self.opened else None

    async def _connect(self, call: Call) -> None:
        begin, seconds = _clock(), self._settings.connect_seconds_max
        where = f"{self._host} port {self._port}"
        try:
            connection = await asyncio.wait_for(self._open(), seconds)
        except (asyncio.TimeoutError, TimeoutError):
            call.finish(_clock(), "connect_timeout", f"no connection to {where} within {seconds:g} s")
        except ssl.SSLError as error:
            call.finish(_clock(), "tls_failed", f"{where}: {error}")
        except OSError as error:
            call.finish(_clock(), "connect_failed", f"{where}: {error}")
        else:
            self.connections += 1
            call.connect = _clock() - begin
            self._send(connection, call)

    async def _open(self) -> _Connection:
        name = (self.target.server_name or self._host) if self._secure else None
        addresses = [self._address] if self._address else await self._resolve()
        for last, address in enumerate(addresses, 1 - len(addresses)):
            try:
                _transport, connection = await self._loop.create_connection(
                    lambda: _Connection(self), address, self._port, ssl=self._context, server_hostname=name
                )
            except ssl.SSLError:
                raise
            except OSError:
                if last == 0:
                    raise
            else:
                self._address = address
                return connection
        raise OSError(f"{self._host} has no address")

    async def _resolve(self) -> list[str]:
        found = await self._loop.getaddrinfo(self._host, self._port, type=1)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def record(self, call: Call) -> Record:
        """Work out what became of a request that has ended."""
        parser, stamps = call.parser, call.body.stamps
        finding = None
        if call.kind is not None:
            kind, text = call.kind, call.text
        elif parser.status != 200:
            kind = "redirect" if 300 <= parser.status < 400 else f"http_{parser.status}"
            text = read_error(bytes(call.error_content)) or parser.headers.get("location", "")[:200]
        else:
            finding = call.body.close()
            kind, text = classify(finding, self.target.model, len(stamps))
        if self._key:
            text = text.replace(self._key, "***")
        gaps, merged = split_stamps(stamps) if finding is not None else (array("f"), 0)
        return Record(
            number=call.number,
            kind=kind,
            due=call.due,
            sent=call.sent,
            end=call.body.done_stamp_seconds or call.end,
            connect=call.connect,
            first=stamps[0] if finding is not None and stamps else None,
            last=stamps[-1] if finding is not None and stamps else None,
            gaps=gaps,
            merged=merged,
            prompt_tokens=finding.prompt_tokens if finding is not None else None,
            completion_tokens=finding.completion_tokens if finding is not None else None,
            text=text,
        )
