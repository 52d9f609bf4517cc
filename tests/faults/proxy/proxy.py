# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small HTTP proxy that stands before a real API server and hurts chosen requests.

It listens without TLS on the loopback interface and forwards with the TLS context that it was given, so that a client
needs only its address. A ``Fault`` says what happens to which requests: the n-th ones (counted per fault) whose method
and path match. Everything that passed is kept in ``seen``, so that a test can tell what reached the server.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Fault", "FaultProxy", "Seen", "run_proxy"]

HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "accept-encoding"}


@dataclass(frozen=True)
class Fault:
    """What happens to which requests.

    ``kind``: ``status`` answers by itself, with ``status``, ``headers`` and ``body``; ``reset`` resets the connection
    before the server hears of the request; ``reset_after`` lets the server do it and resets in place of the answer;
    ``stall`` holds the request back and never answers; ``stall_after`` lets the server do it and never answers; ``cut``
    sends half of the answer, then resets. ``nth`` counts matching requests from 1; empty means each of them.
    """

    kind: str
    method: str = "GET|POST|PUT|PATCH|DELETE"
    path: str = ".*"
    nth: tuple[int, ...] = (1,)
    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def matches(self, method: str, path: str) -> bool:
        """Tell whether a request is of the kind that this fault counts."""
        return bool(re.fullmatch(self.method, method) and re.search(self.path, path))


@dataclass(frozen=True)
class Seen:
    """A request that came by: its fault (None: passed unhurt) and the server's status (None: it never heard of it)."""

    method: str
    path: str
    fault: str | None
    status: int | None


@dataclass
class FaultProxy:
    """The proxy's address, its faults (may be replaced while it runs) and what it has seen."""

    upstream: tuple[str, int]
    context: ssl.SSLContext | None
    faults: list[Fault] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    _counts: dict[int, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"http://127.0.0.1:{self.port}"

    def set(self, *faults: Fault) -> None:
        """Replace the faults and start counting again."""
        with self._lock:
            self.faults = list(faults)
            self._counts.clear()
            self.seen.clear()

    def choose(self, method: str, path: str) -> Fault | None:
        """Count a request for every fault that it matches and return the first one that is due."""
        due = None
        with self._lock:
            for index, fault in enumerate(self.faults):
                if fault.matches(method, path):
                    self._counts[index] = self._counts.get(index, 0) + 1
                    if due is None and (not fault.nth or self._counts[index] in fault.nth):
                        due = fault
        return due

    def note(self, seen: Seen) -> None:
        """Keep what came by."""
        with self._lock:
            self.seen.append(seen)

    @contextmanager
    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> Iterator[http.client.HTTPResponse]:
        """Ask the real server on a connection of its own; long reads (watches) are allowed."""
        host, port = self.upstream
        connection: http.client.HTTPConnection
        if self.context is None:
            connection = http.client.HTTPConnection(host, port, timeout=600)
        else:
            connection = http.client.HTTPSConnection(host, port, context=self.context, timeout=600)
        try:
            connection.request(method, path, body or None, headers)
            with connection.getresponse() as response:
                yield response
        finally:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultProxy

    def _serve(self) -> None:
        proxy = self.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = proxy.choose(self.command, self.path)
        kind = fault.kind if fault else None
        if fault and kind in ("status", "reset", "stall"):
            proxy.note(Seen(self.command, self.path, kind, None))
            self._hurt(fault)
            return
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_HEADERS}
        with proxy.forward(self.command, self.path, headers, body) as response:
            proxy.note(Seen(self.command, self.path, kind, response.status))
            if kind in (None, "cut"):
                self._pass(response, cut=kind == "cut")
                return
        if fault:
            self._hurt(fault)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the base class's names

    def _hurt(self, fault: Fault) -> None:
        if fault.kind == "status":
            self.send_response(fault.status)
            for name, value in (*fault.headers, ("Content-Length", str(len(fault.body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(fault.body)
        elif fault.kind.startswith("stall"):
            self.proxy.released.wait()
            self.close_connection = True
        else:
            self._reset()

    def _reset(self) -> None:
        # Linger of 0 s: the kernel sends a reset in place of an orderly end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _pass(self, response: http.client.HTTPResponse, cut: bool) -> None:
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in HOP_HEADERS:
                self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        # read1 hands on what is there: the events of a watch must not wait for a full buffer.
        while data := response.read1(65536):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data[: len(data) // 2] if cut else data))
            if cut:
                self.wfile.flush()
                self._reset()
                return
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Keep the test's output clean: ``seen`` is the log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up on a hurt connection are what this proxy is for."""


@contextmanager
def run_proxy(upstream: tuple[str, int], context: ssl.SSLContext | None = None) -> Iterator[FaultProxy]:
    """Run a proxy before ``upstream`` (host, port) until the block ends; ``context`` None forwards without TLS."""
    proxy = FaultProxy(upstream, context)
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    server = _Server(("127.0.0.1", 0), handler)
    proxy.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
