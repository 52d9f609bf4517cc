# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run an application with the drain middleware in a real uvicorn, a process of its own, and keep connections to it."""

from __future__ import annotations

import http.client
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import Answer, free_port, wait_until

MIDDLEWARE = Path(__file__).parents[5] / "plugins/module_utils/_engine/drain_middleware.py"
CHUNKS = 12
STREAM = b"".join(b"data: %d\n\n" % number for number in range(CHUNKS)) + b"data: [DONE]\n\n"
# The pod imports the middleware by this name, too.
APPLICATION = f"""
import asyncio
from llmops_drain import DrainMiddleware

async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    start = {{"type": "http.response.start", "status": 200}}
    if scope["path"] == "/stream":
        await send({{**start, "headers": [(b"content-type", b"text/event-stream"), (b"Connection", b"keep-alive")]}})
        for number in range({CHUNKS}):
            await send({{"type": "http.response.body", "body": b"data: %d\\n\\n" % number, "more_body": True}})
            await asyncio.sleep(0.05)
        await send({{"type": "http.response.body", "body": b"data: [DONE]\\n\\n"}})
    elif scope["path"] == "/broken":
        raise RuntimeError("the application's own failure")
    else:
        body = (await receive())["body"] or scope["path"].encode()
        await send({{**start, "headers": [(b"content-length", b"%d" % len(body))]}})
        await send({{"type": "http.response.body", "body": body}})

app = DrainMiddleware(application)
"""


class Client:
    """One connection, which is never re-opened."""

    def __init__(self, port: int, seconds_max: float) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds_max)
        self._http.connect()
        self._http.auto_open = 0
        # A second handle: http.client closes its own as soon as an answer says that the connection ends.
        self._tcp = self._http.sock.dup()

    def begin(self, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
        """Send a request; return the answer as soon as its head is there."""
        self._http.request("GET" if body is None else "POST", path, body)
        return self._http.getresponse()

    def ask(self, path: str = "/answer", body: bytes | None = None) -> Answer:
        """Send a request; return the whole answer."""
        with self.begin(path, body) as response:
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def is_closed_by_server(self, seconds_max: float = 5) -> bool:
        """Tell whether the server ends the connection, on which nothing is asked meanwhile."""
        self._tcp.settimeout(seconds_max)
        try:
            return self._tcp.recv(1) == b""
        except TimeoutError:
            return False

    def close(self) -> None:
        """Close the connection."""
        self._http.close()
        self._tcp.close()


@dataclass(frozen=True)
class Server:
    """A running uvicorn."""

    process: subprocess.Popen[str]
    port: int
    drain_file: Path
    log: Path
    clients: list[Client] = field(default_factory=list)

    def connect(self, seconds_max: float = 10) -> Client:
        """Return a new connection, closed at the end."""
        client = Client(self.port, seconds_max)
        self.clients.append(client)
        return client

    def drain(self) -> None:
        """Do what the preStop hook does."""
        self.drain_file.touch()

    def terminate(self) -> None:
        """Send SIGTERM, as the kubelet does after preStop."""
        self.process.send_signal(signal.SIGTERM)

    def listens(self) -> bool:
        """Tell whether the port is open; raises when the process has ended."""
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def run_server(folder: Path, parser: str, keep_alive_seconds: int = 5) -> Iterator[Server]:
    """Run uvicorn with one of its HTTP parsers (``h11``, ``httptools``) until the block ends."""
    shutil.copy(MIDDLEWARE, folder / "llmops_drain.py")
    (folder / "application.py").write_text(APPLICATION, encoding="utf-8")
    port, drain_file, log = free_port(), folder / "drain", folder / "uvicorn.log"
    command = [sys.executable, "-m", "uvicorn", "application:app", "--app-dir", str(folder), "--port", str(port)]
    settings = ["--http", parser, "--loop", "asyncio", "--timeout-keep-alive", str(keep_alive_seconds)]
    with log.open("w") as sink:
        process = subprocess.Popen(
            [*command, *settings], env={"LLMOPS_DRAIN_FILE": str(drain_file)}, stdout=sink, stderr=sink, text=True
        )
    server = Server(process, port, drain_file, log)
    try:
        wait_until(server.listens, 20, "uvicorn's port")
        yield server
    finally:
        for client in server.clients:
            client.close()
        process.kill()
        process.wait()
