# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 for the stand-in engine: just enough of a server for an ASGI application, keep-alive and streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, MutableMapping
from typing import Any, Callable

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Server:
    """HTTP/1.1 for an ASGI application: keep-alive, Content-Length requests, chunked streams."""

    def __init__(self, app: App, keep_alive_seconds: float) -> None:
        self._app = app
        self._keep_alive_seconds = keep_alive_seconds

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it."""
        lost = (ConnectionError, asyncio.IncompleteReadError, asyncio.TimeoutError, TimeoutError, BrokenPipeError)
        with contextlib.suppress(*lost):  # the peer is gone: there is nobody to tell
            while await self._exchange(reader, writer):
                pass
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self._keep_alive_seconds)
        request, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _rest = request.split(" ", 2)
        headers = [(k.strip().lower().encode(), v.strip().encode()) for k, v in (li.split(":", 1) for li in lines)]
        values = dict(headers)
        body = await reader.readexactly(int(values.get(b"content-length", b"0")))
        state = {"keep": values.get(b"connection", b"").lower() != b"close", "chunked": False}
        path, _rest, query = target.partition("?")
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": headers}

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                writer.write(self._head(message, state))
            else:
                data, more = message.get("body", b""), message.get("more_body", False)
                end = b"" if more else b"0\r\n\r\n"
                writer.write((b"%x\r\n%s\r\n" % (len(data), data) if data else b"") + end if state["chunked"] else data)
            await writer.drain()

        await self._app(scope, receive, send)
        return state["keep"]

    @staticmethod
    def _head(message: Message, state: dict[str, bool]) -> bytes:
        headers = [(bytes(k).lower(), bytes(v)) for k, v in message.get("headers", [])]
        names = dict(headers)
        if names.get(b"connection", b"").lower() == b"close":
            state["keep"] = False
        elif not state["keep"]:
            headers.append((b"connection", b"close"))
        if b"content-length" not in names:
            state["chunked"] = True
            headers.append((b"transfer-encoding", b"chunked"))
        first = f"HTTP/1.1 {message['status']} Stand-in\r\n".encode()
        return first + b"".join(b"%s: %s\r\n" % pair for pair in headers) + b"\r\n"
