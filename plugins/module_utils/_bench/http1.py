# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer to one HTTP/1.1 request, read from pieces of any size (RFC 9112).

Nothing in here knows a socket: bytes go in, the body's bytes come out. The server is not trusted: head, chunk lines,
trailers and the whole body are bounded, and what is malformed is an error rather than a guess.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType

from .sse import StreamError

__all__ = ["BODY_BYTES_MAX", "HEAD_BYTES_MAX", "ResponseParser"]

HEAD_BYTES_MAX = 64 * 1024
# 32,768 tokens, each an event of 2 KiB with log probabilities.
BODY_BYTES_MAX = 64 * 1024 * 1024
_CHUNK_LINE_BYTES_MAX = 1024
_INTERIM_ANSWERS_MAX = 8

_HEAD, _SIZE, _CHUNK, _CHUNK_END, _TRAILER, _LENGTH, _UNTIL_CLOSE, _DONE = range(8)


class ResponseParser:
    """Reads one answer: ``status`` and ``headers`` are set once the head is there, ``done`` when the body is whole."""

    def __init__(self, body_bytes_max: int = BODY_BYTES_MAX) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.done = False
        self.keeps_connection = False
        self.surplus = False
        self._max = body_bytes_max
        self._state = _HEAD
        self._rest = b""
        self._left = 0
        self._body_bytes = 0
        self._interim = 0

    @property
    def begun(self) -> bool:
        """Whether anything of the answer has come."""
        return self._state != _HEAD or bool(self._rest) or self._interim > 0

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the pieces of the body in ``piece``; ``StreamError`` for what is malformed or too large."""
        data = self._rest + piece if self._rest else piece
        self._rest = b""
        found: list[bytes] = []
        while data and not self.done:
            data = self._chunks(data, found) if self._state == _SIZE else self._step(data, found)
        self.surplus = self.surplus or bool(data)
        return found

    def end(self) -> bool:
        """Take the end of the connection; return whether the answer is whole by that."""
        if self._state == _UNTIL_CLOSE:
            self._finish()
        return self.done

    def _chunks(self, data: bytes, found: list[bytes]) -> bytes:
        """Take the chunks that are whole, as nearly all are, and a plain end; what is anything else goes by steps."""
        at, length = 0, len(data)
        while at < length:
            end = data.find(b"\r\n", at, at + 18)
            if end <= at:
                break
            size = _size(data[at:end])
            after = end + 2 + size
            if not size or data[after : after + 2] != b"\r\n":
                if not size and data[end:] == b"\r\n\r\n":
                    self._finish()
                    return b""
                break
            self._count(size)
            found.append(data[end + 2 : after])
            at = after + 2
        return self._step(data[at:], found) if at < length else b""

    def _step(self, data: bytes, found: list[bytes]) -> bytes:
        """Take one element from the front of ``data`` and return what follows; an incomplete one goes to the rest."""
        state = self._state
        if state == _HEAD:
            return self._head(data)
        if state == _SIZE:
            line, data = self._cut(data, b"\r\n", _CHUNK_LINE_BYTES_MAX, "a chunk's size")
            if line is not None:
                self._left = _size(line)
                self._state = _CHUNK if self._left else _TRAILER
            return data
        if state == _CHUNK_END:
            if len(data) < 2 and data == b"\r":
                self._rest = data
                return b""
            if not data.startswith(b"\r\n"):
                raise StreamError("malformed", "a chunk is longer than its size says")
            self._state = _SIZE
            return data[2:]
        if state == _TRAILER:
            line, data = self._cut(data, b"\r\n", HEAD_BYTES_MAX, "a trailer")
            if line == b"":
                self._finish()
            elif line is not None:
                self._count(len(line))
            return data
        return self._body(data, found)

    def _body(self, data: bytes, found: list[bytes]) -> bytes:
        if self._state == _UNTIL_CLOSE:
            part, data = data, b""
        else:
            part, data = data[: self._left], data[self._left :]
            self._left -= len(part)
        self._count(len(part))
        found.append(part)
        if self._left == 0 and self._state == _CHUNK:
            self._state = _CHUNK_END
        elif self._left == 0 and self._state == _LENGTH:
            self._finish()
        return data

    def _head(self, data: bytes) -> bytes:
        head, data = self._cut(data, b"\r\n\r\n", HEAD_BYTES_MAX, "the head of the answer")
        if head is None:
            return data
        version, code, self.headers = _parse_head(head)
        if code.startswith("1"):
            self._interim += 1
            if self._interim > _INTERIM_ANSWERS_MAX:
                raise StreamError("malformed", f"more than {_INTERIM_ANSWERS_MAX} interim answers (1xx)")
            return data
        self.status = int(code)
        self._choose_body(version)
        return data

    def _choose_body(self, version: str) -> None:
        """Decide how the body ends (RFC 9112, 6.3)."""
        connection = self.headers.get("connection", "").lower()
        self.keeps_connection = "close" not in connection and (version == "HTTP/1.1" or "keep-alive" in connection)
        coding, length = self.headers.get("transfer-encoding"), self.headers.get("content-length")
        if self.status in (204, 304):
            self._finish()
        elif coding is not None:
            if coding.lower() != "chunked":
                raise StreamError("malformed", f"transfer-encoding {coding[:40]!r} is not supported")
            self._state = _SIZE
        elif length is not None:
            if not (length.isascii() and length.isdigit()):
                raise StreamError("malformed", f"content-length {length[:40]!r} is no number")
            self._left = int(length[:20])
            self._state = _LENGTH
            if self._left == 0:
                self._finish()
        else:
            self.keeps_connection = False
            self._state = _UNTIL_CLOSE

    def _cut(self, data: bytes, mark: bytes, limit: int, what: str) -> tuple[bytes | None, bytes]:
        """Return what stands before ``mark`` and what follows it; None when the mark has not come yet."""
        at = data.find(mark)
        if at > limit or (at < 0 and len(data) > limit):
            raise StreamError("too_large", f"{what} is larger than {limit} bytes")
        if at < 0:
            self._rest = data
            return None, b""
        return data[:at], data[at + len(mark) :]

    def _count(self, size: int) -> None:
        self._body_bytes += size
        if self._body_bytes > self._max:
            raise StreamError("too_large", f"the answer is larger than {self._max} bytes")

    def _finish(self) -> None:
        self._state = _DONE
        self.done = True


@functools.lru_cache(maxsize=16)
def _parse_head(head: bytes) -> tuple[str, str, Mapping[str, str]]:
    """Return version, status and headers; a server's heads are the same for a second, until its date is another."""
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _blank, rest = first.partition(" ")
    code = rest[:3]
    if version not in ("HTTP/1.1", "HTTP/1.0") or not (code.isascii() and code.isdigit() and len(code) == 3):
        raise StreamError("malformed", f"this is no answer in HTTP/1.1: {first[:60]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise StreamError("malformed", f"a header without a colon: {line[:60]!r}")
        key = name.strip().lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return version, code, MappingProxyType(headers)


def _size(line: bytes) -> int:
    """Return the size of a chunk: hexadecimal digits and nothing else, before extensions that nobody asked for."""
    text = line.partition(b";")[0].rstrip(b" \t") if b";" in line else line
    # int() alone takes signs, blanks and underscores, too.
    if not text.isalnum() or len(text) > 16:
        raise StreamError("malformed", f"{text[:40]!r} is no size of a chunk")
    try:
        return int(text, 16)
    except ValueError:
        raise StreamError("malformed", f"{text[:40]!r} is no size of a chunk") from None
