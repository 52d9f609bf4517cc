# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ASGI middleware that lets a model server leave without losing a request of a client that keeps its connection.

Runs inside the engine (``vllm serve --middleware llmops_drain.DrainMiddleware``), standard library only, Python 3.9 or
newer. It does nothing until a file exists, which the pod's preStop hook makes. From then on every HTTP answer carries
``Connection: close``, streams too, so that each kept connection is re-opened and lands on another pod; and ``/health``
says 503, so that the pod leaves every data path that goes by readiness. Removing the endpoint alone redirects only new
connections.

It must never break the server: the file is looked up once per request (one ``stat``), and nothing else can fail.

The kubelet runs preStop before it restarts a container, too (after a failed liveness probe), and the file's folder
outlives the container. So a file that is there when this module is loaded counts for nothing until it is touched again:
else the new server would drain for ever.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, MutableMapping
from typing import Any, Callable

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

DRAIN_FILE = os.environ.get("LLMOPS_DRAIN_FILE", "/tmp/llmops-drain")  # noqa: S108 - the pod's own /tmp


def _stamp() -> int | None:
    """Return when the file was touched last, in nanoseconds, or None while there is none."""
    try:
        return os.stat(DRAIN_FILE).st_mtime_ns
    except OSError:
        return None


LEFT_BEHIND = _stamp()


class DrainMiddleware:
    """Wrap an ASGI application; HTTP only, WebSocket and lifespan pass untouched."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the request on, while draining with an answer that ends the connection."""
        if scope["type"] != "http" or _stamp() in (None, LEFT_BEHIND):
            await self.app(scope, receive, send)
            return

        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [pair for pair in message.get("headers", ()) if bytes(pair[0]).lower() != b"connection"]
                message["headers"] = [*headers, (b"connection", b"close")]
            await send(message)

        if scope["path"] == "/health":
            await send_and_close({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await self.app(scope, receive, send_and_close)
