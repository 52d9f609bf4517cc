# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Server-sent events, cut out of a stream that arrives in pieces of any size.

https://html.spec.whatwg.org/multipage/server-sent-events.html, as far as model servers use it: lines end in LF or
CRLF (a bare CR ends no line here: JSON holds none, and every server writes LF), fields other than ``data`` are
skipped, and what is not closed by an empty line is no event. The sender is not trusted: a line, and an event of many
lines, are bounded.
"""

from __future__ import annotations

__all__ = ["EVENT_BYTES_MAX", "EventParser", "StreamError"]

# A whole answer in one event, as some servers send it for tool calls, is a few hundred kilobytes at most.
EVENT_BYTES_MAX = 1024 * 1024


class StreamError(ValueError):
    """The stream breaks a rule; ``kind`` is the error class that the request gets."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class EventParser:
    """Cuts events out of a stream; ``feed`` returns the data of those that ended in this piece."""

    def __init__(self, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._max = event_bytes_max
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of each event that is complete now; ``StreamError`` (``too_large``) beyond the bound."""
        if not self._rest and not self._data and piece.startswith(b"data: ") and piece.endswith(b"\n\n"):
            # Nearly every piece is exactly one event: nothing to carry over, nothing to join.
            end = len(piece) - 2
            if piece.find(b"\n") == end and piece[end - 1] != 13 and end <= self._max:
                return [piece[6:end]]
        first, *others = piece.split(b"\n")
        self._rest += first
        if len(self._rest) > self._max:
            raise self._too_large()
        if not others:
            return []
        lines = [bytes(self._rest), *others[:-1]]
        self._rest = bytearray(others[-1])
        if len(self._rest) > self._max:
            raise self._too_large()
        return [event for line in lines if (event := self._line(line)) is not None]

    @property
    def pending(self) -> bool:
        """Whether an event has begun that no empty line has ended."""
        return bool(self._rest or self._data)

    def _line(self, line: bytes) -> bytes | None:
        if line.endswith(b"\r"):
            line = line[:-1]
        if not line:
            if not self._data:
                return None
            event = b"\n".join(self._data)
            self._data, self._data_bytes = [], 0
            return event
        if line == b"data":
            line = b"data:"
        if line.startswith(b"data:"):
            value = line[6:] if line.startswith(b"data: ") else line[5:]
            self._data_bytes += len(line) + 1
            if self._data_bytes > self._max + 1:
                raise self._too_large()
            self._data.append(value)
        return None

    def _too_large(self) -> StreamError:
        return StreamError("too_large", f"an event of the stream is larger than {self._max} bytes")
