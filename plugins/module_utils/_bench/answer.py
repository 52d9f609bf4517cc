# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the body of an answer says: when content came, how it ended, how many tokens it cost, or what is wrong with it.

While a stream runs only what times need is done: each event is searched, not parsed. JSON escapes every quote inside
of a text, so a key in quotes followed by a colon can be found without parsing. What is rare (the first event, the one
with the finish reason, the one with the usage, errors) is kept and parsed after the end.
"""

from __future__ import annotations

import json
import re
from array import array
from typing import Any, Protocol

from .sse import EventParser

__all__ = ["FINISHED", "Body", "Finding", "JsonBody", "StreamBody", "read_error", "read_models"]

# Text, reasoning or a tool call that is not empty.
_CONTENT = re.compile(rb'"(?:content|text|reasoning_content|reasoning|arguments|name)"\s*:\s*"(?!")')
_SPECIAL = re.compile(rb'"(?:error"\s*:|finish_reason"\s*:\s*"|usage"\s*:\s*\{)')
# A server that puts a usage into every event makes every event special: only some of them are kept.
_KEPT_MAX = 64
_JSON_ERRORS = (ValueError, TypeError, AttributeError, LookupError, RecursionError)
# The reasons that a whole answer has; `abort`, `error` and unknown ones are failures.
FINISHED = ("stop", "length", "tool_calls", "function_call")
_TEXT_MAX = 200


def _has_content(event: bytes) -> bool:
    # How vLLM writes it is found without a pattern, in a tenth of the time.
    at = event.find(b'"content":"')
    if at >= 0 and event[at + 11 : at + 12] != b'"':
        return True
    return _CONTENT.search(event) is not None


class Finding:
    """What an answer has told: its model, finish reason, tokens; ``kind`` names what is wrong, if anything."""

    def __init__(self) -> None:
        self.kind: str | None = None
        self.text = ""
        self.model: str | None = None
        self.finish_reason: str | None = None
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None

    def blame(self, kind: str, text: str = "") -> None:
        """Note what is wrong; what was noted first stays."""
        if self.kind is None:
            self.kind, self.text = kind, text[:_TEXT_MAX]

    def read(self, message: Any) -> None:
        """Take over what one message (an event, or a whole answer) says."""
        if not isinstance(message, dict):
            raise TypeError(f"a message is no JSON object: {str(message)[:60]!r}")
        if message.get("error"):
            error = message["error"]
            self.blame("stream_error", str(error.get("message") if isinstance(error, dict) else error))
        if self.model is None and message.get("model") is not None:
            self.model = str(message["model"])
        for choice in message.get("choices") or ():
            if choice.get("finish_reason") is not None:
                self.finish_reason = str(choice["finish_reason"])
        usage = message.get("usage")
        if usage:
            self.prompt_tokens = _count(usage.get("prompt_tokens"))
            self.completion_tokens = _count(usage.get("completion_tokens"))


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


class Body(Protocol):
    """Takes the pieces of a body; ``stamps`` are the times of content, ``close`` tells the rest."""

    stamps: array[float]
    done_stamp_seconds: float | None

    def feed(self, piece: bytes, stamp_seconds: float) -> None:
        """Take a piece that was read at a time of the monotonic clock."""

    def close(self) -> Finding:
        """Return what was found, after the whole body has come."""


class StreamBody:
    """The body of a stream; every event with content gets the time of the read that completed it."""

    def __init__(self) -> None:
        self.stamps: array[float] = array("d")
        self.done_stamp_seconds: float | None = None
        self._parser = EventParser()
        self._events = 0
        self._first = b""
        self._special: list[bytes] = []

    def feed(self, piece: bytes, stamp_seconds: float) -> None:
        """See ``Body``; raises ``StreamError``."""
        for event in self._parser.feed(piece):
            if event == b"[DONE]":
                if self.done_stamp_seconds is None:
                    self.done_stamp_seconds = stamp_seconds
                continue
            if not self._events:
                self._first = event
            self._events += 1
            if _has_content(event):
                self.stamps.append(stamp_seconds)
            if _SPECIAL.search(event):
                if len(self._special) == _KEPT_MAX:
                    del self._special[_KEPT_MAX // 2]
                self._special.append(event)

    def close(self) -> Finding:
        """Return what was found; a stream without its ends is a failure, however it was closed."""
        finding = Finding()
        try:
            for event in self._special if self._first in self._special[:1] else (self._first, *self._special):
                if event:
                    finding.read(json.loads(event.decode()))
        except _JSON_ERRORS as error:
            finding.blame("malformed", f"an event cannot be read: {error}")
        if not self._events:
            finding.blame("malformed", "the stream holds no event")
        if self._parser.pending:
            finding.blame("truncated", "the stream ends in the middle of an event")
        _judge(finding)
        if self.done_stamp_seconds is None:
            finding.blame("truncated", "the stream ends without [DONE]")
        if not self.stamps:
            finding.blame("no_content", "no event of the stream has content")
        return finding


class JsonBody:
    """The body of an answer in one piece; it has no times of tokens."""

    def __init__(self) -> None:
        self.stamps: array[float] = array("d")
        self.done_stamp_seconds: float | None = None
        self.content = bytearray()

    def feed(self, piece: bytes, stamp_seconds: float) -> None:
        """See ``Body``."""
        self.content += piece
        self.done_stamp_seconds = stamp_seconds

    def close(self) -> Finding:
        """Return what was found."""
        finding = Finding()
        try:
            finding.read(json.loads(bytes(self.content)))
        except _JSON_ERRORS as error:
            finding.blame("malformed", f"the answer cannot be read: {error}")
        _judge(finding)
        if not _CONTENT.search(self.content):
            finding.blame("no_content", "the answer has no content")
        return finding


def _judge(finding: Finding) -> None:
    reason = finding.finish_reason
    if reason is None:
        finding.blame("missing_finish_reason", "the answer ends without a finish_reason")
    elif reason in ("abort", "error"):
        finding.blame(f"finish_{reason}", f"finish_reason is {reason}")
    elif reason not in FINISHED:
        finding.blame("finish_other", f"finish_reason is {reason[:60]!r}")


def read_error(content: bytes) -> str:
    """Return the words of an error's body: its message where it is vLLM's JSON, else its beginning."""
    try:
        message = json.loads(content)
        error = message.get("error", message)
        words = error.get("message") if isinstance(error, dict) else error
    except _JSON_ERRORS:
        words = None
    return str(words if words is not None else content.decode("utf-8", "replace"))[:_TEXT_MAX]


def read_models(content: bytes) -> tuple[str, ...]:
    """Return the ids in an answer of ``/v1/models``; none where it is no such answer."""
    try:
        return tuple(str(model["id"])[:_TEXT_MAX] for model in json.loads(content)["data"])
    except _JSON_ERRORS:
        return ()
