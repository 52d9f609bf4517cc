# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that sends exactly the bytes that a test wants, in the pieces and with the pauses that it wants."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Union

# Bytes to send, seconds to wait, "reset" or "close".
Step = Union[bytes, float, str]

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
STREAM = HEAD + b"transfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(content: bytes) -> bytes:
    """Return a chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(content), content)


def event(**message: Any) -> bytes:
    """Return a chunk with one event."""
    return chunk(b"data: " + json.dumps(message).encode() + b"\n\n")


def delta(text: str, reason: str | None = None, model: str = "tiny") -> bytes:
    """Return a chunk with one event of a chat."""
    return event(model=model, choices=[{"index": 0, "delta": {"content": text}, "finish_reason": reason}])


def usage(tokens: int) -> bytes:
    """Return the chunk with the usage."""
    return event(model="tiny", choices=[], usage={"prompt_tokens": 9, "completion_tokens": tokens})


DONE = chunk(b"data: [DONE]\n\n")


def whole(*texts: str) -> list[Step]:
    """Return a whole answer."""
    middle = [delta(text) for text in texts[:-1]]
    return [STREAM, delta(""), *middle, delta(texts[-1], "stop"), usage(len(texts)), DONE, END]


class ScriptedServer:
    """Answers every request with the same steps; ``requests`` are those that came, as bytes.

    ``times`` has for each whole answer when the request was read and when each piece was handed over, in seconds of
    the monotonic clock, which is the same in all processes of a machine.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = list(steps)
        self.requests: list[bytes] = []
        self.connections = 0
        self.times: list[list[float]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _peer = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while True:
                try:
                    asked = self._read(connection)
                    if not asked:
                        return
                    self.requests.append(asked)
                    if not self._answer(connection):
                        return
                except OSError:
                    return

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        content = b""
        while b"\r\n\r\n" not in content:
            part = connection.recv(65536)
            if not part:
                return b""
            content += part
        head, _blank, body = content.partition(b"\r\n\r\n")
        lengths = (int(li.split(b":")[1]) for li in head.split(b"\r\n") if li.lower().startswith(b"content-length"))
        length = next(lengths, 0)
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def _answer(self, connection: socket.socket) -> bool:
        return self.take(connection, self.steps)

    def take(self, connection: socket.socket, steps: Sequence[Step]) -> bool:
        """Take steps; return whether the connection goes on."""
        times = [time.monotonic()]
        for step in steps:
            if isinstance(step, bytes):
                times.append(time.monotonic())
                connection.sendall(step)
            elif isinstance(step, float):
                time.sleep(step)
            else:
                if step == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
        self.times.append(times)
        return True


@contextmanager
def scripted(*steps: Step) -> Iterator[ScriptedServer]:
    """Run a server until the block ends."""
    server = ScriptedServer(steps)
    try:
        yield server
    finally:
        server.close()
