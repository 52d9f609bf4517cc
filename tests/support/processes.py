# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start servers of the tests as processes of their own, and wait for them with a limit."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ENGINE", "Answer", "StandIn", "find_program", "free_port", "request", "run_standin", "wait_until"]

TESTS = Path(__file__).parents[1]
ENGINE = TESTS / "faults" / "engine" / "engine.py"


def find_program(name: str, kubeconfig: Path) -> str:
    """Return the path of a program: linked by ``tests/tools.yml``, beside the local cluster, or on PATH."""
    folders = (TESTS.parent / "build" / "bin", kubeconfig.parents[1] / "bin")
    found = next((str(folder / name) for folder in folders if (folder / name).is_file()), None) or shutil.which(name)
    if found is None:
        command = f"ansible-playbook -i inventories/local tests/tools.yml -e '{json.dumps({'tools': [name]})}'"
        raise FileNotFoundError(
            f"{name} is neither in build/bin, nor beside the cluster, nor on PATH. Make it: {command}"
        )
    return found


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], Any], seconds_max: float, what: str, period_seconds: float = 0.05) -> Any:
    """Return the first true value of ``condition``; raises ``AssertionError`` that names ``what`` after the limit."""
    deadline = time.monotonic() + seconds_max
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds_max:g} s")
        time.sleep(period_seconds)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status, headers (lower case), body as bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """Return the JSON of each server-sent event, the closing ``[DONE]`` as that text."""
        parts = [part[len("data: ") :] for part in self.body.decode().split("\n\n") if part.startswith("data: ")]
        return [part if part == "[DONE]" else json.loads(part) for part in parts]


def request(
    host: str, port: int, path: str, body: Any = None, seconds_max: float = 10, headers: Mapping[str, str] | None = None
) -> Answer:
    """GET ``path``, or POST it where there is a body (JSON, or bytes as they are), on a connection of its own."""
    connection = http.client.HTTPConnection(host, port, timeout=seconds_max)
    try:
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        kind = {} if body is None else {"content-type": "application/json"}
        connection.request("GET" if body is None else "POST", path, data, {**kind, **(headers or {})})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


@dataclass(frozen=True)
class StandIn:
    """A stand-in engine that runs on this machine."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    def ask(self, path: str, body: Any = None, seconds_max: float = 10, **headers: str) -> Answer:
        """Send one request; see ``request``."""
        return request("127.0.0.1", self.port, path, body, seconds_max, headers)

    def set(self, **settings: Any) -> None:
        """Change times and faults while it runs."""
        answer = self.ask("/standin", settings)
        assert answer.status == 200, answer.body

    def listens(self) -> bool:
        """Tell whether the port is open; raises when the process has ended."""
        assert self.process.poll() is None, f"the engine ended with {self.process.returncode}: {self.log.read_text()}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def run_standin(
    folder: Path, *args: str, wait: bool = True, env: Mapping[str, str] | None = None, **settings: Any
) -> Iterator[StandIn]:
    """Run a stand-in engine that serves ``tiny``, with further arguments and settings, until the block ends."""
    port = free_port()
    log = folder / f"engine-{port}.log"
    variables = {f"STANDIN_{name.upper()}": str(value) for name, value in settings.items()}
    words = [sys.executable, str(ENGINE), "serve", "/models/tiny", "--served-model-name", "tiny", "--port", str(port)]
    with log.open("w") as sink:
        process = subprocess.Popen(
            [*words, *args], env={**variables, **(env or {})}, stdout=sink, stderr=subprocess.STDOUT, text=True
        )
    server = StandIn(process, port, log)
    try:
        if wait:
            wait_until(server.listens, 10, "the stand-in engine's port")
        yield server
    finally:
        process.kill()
        process.wait()
