# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small API server in the test's own process: it answers as a test says and remembers what it was asked."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

__all__ = ["ApiServer", "Asked", "Reply", "Respond", "in_turn", "json_reply", "refusal", "run_api_server"]


@dataclass(frozen=True)
class Asked:
    """A request as it arrived; ``headers`` keeps every header with its name in lower case, ``body`` is parsed JSON."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: tuple[tuple[str, str], ...]
    body: Any

    def header(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value for key, value in self.headers if key == name.lower()]


@dataclass(frozen=True)
class Reply:
    """An answer: its body as bytes, its status and further headers."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Respond = Callable[[Asked], Reply]


def json_reply(body: Any, status: int = 200) -> Reply:
    """Return an answer with JSON."""
    return Reply(json.dumps(body).encode(), status, {"Content-Type": "application/json"})


def refusal(status: int, message: str, **headers: str) -> Reply:
    """Return what an API server refuses with; ``headers`` with underscores in place of hyphens."""
    answer = json_reply({"kind": "Status", "status": "Failure", "message": message, "code": status}, status)
    return Reply(answer.body, status, {**answer.headers, **{k.replace("_", "-"): v for k, v in headers.items()}})


def in_turn(*replies: Reply) -> Respond:
    """Return these answers one after another, then HTTP 418: a test that asks more often than it says shall fail."""
    left, lock = list(replies), threading.Lock()

    def respond(asked: Asked) -> Reply:
        with lock:
            return left.pop(0) if left else refusal(418, f"{asked.method} {asked.path} was not expected any more")

    return respond


@dataclass
class ApiServer:
    """The address of a running server and everything that it was asked, in order; ``respond`` may be replaced."""

    respond: Respond
    url: str = ""
    asked: list[Asked] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api: ApiServer

    def _serve(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        headers = tuple((name.lower(), value) for name, value in self.headers.items())
        body = json.loads(content) if content else None
        asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body)
        self.api.asked.append(asked)
        reply = self.api.respond(asked)
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the base class's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Keep the test's output clean: ``asked`` is the log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        # The greeting is made in the request's own thread: a client that gives it up must not stop the others.
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with self.context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up on a connection are part of the tests."""


@contextmanager
def run_api_server(respond: Respond, certificate: tuple[Path, Path] | None = None) -> Iterator[ApiServer]:
    """Run a server until the block ends; with a certificate and its key it speaks TLS."""
    api = ApiServer(respond)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api}))
    if certificate is not None:
        server.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.context.load_cert_chain(*certificate)
    api.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
