# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that fail, or speak in unusual ways, and what each client says of them: 40 requests, 8 at once."""

from __future__ import annotations

import itertools
import socket
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load.contenders import Contender
from benchmarks.load.known import Condition
from benchmarks.load.metering import run_metered
from benchmarks.load.summaries import SUMMARIES
from tests.support.scripted_server import DONE, END, STREAM, ScriptedServer, Step, chunk, event

__all__ = ["TRAPS", "print_traps", "try_traps"]

_RUN_SECONDS_MAX = 60
_TTFT, _GAP, _TOKENS = 0.1, 0.02, 32
_CONDITION = Condition("traps", _TTFT * 1000, _GAP * 1000, _TOKENS, 8, 40, warm=False)
# Some clients look at fields that say nothing.
_FRAME: Mapping[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1795478400,
    "model": "tiny",
}
_SERVER_ERROR: list[Step] = [b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 5\r\n\r\nerror"]
_LIST = b'{"object":"list","data":[{"id":"tiny","object":"model","max_model_len":4096}]}'
_MODELS: list[Step] = [
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(_LIST), _LIST)
]
_BUSY: list[Step] = [b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 4\r\n\r\nbusy"]


def _delta(text: str, reason: str | None = None) -> bytes:
    return event(**_FRAME, choices=[{"index": 0, "delta": {"content": text}, "finish_reason": reason}])


def _usage(tokens: int) -> bytes:
    counts = {"prompt_tokens": 32, "completion_tokens": tokens, "total_tokens": 32 + tokens}
    return event(**_FRAME, choices=[], usage=counts)


_TAIL: list[Step] = [_usage(_TOKENS), DONE, END]
_ROLE = event(**_FRAME, choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])


def _stream(count: int = _TOKENS, reason: str | None = "length", gap: float = _GAP, text: str = " word") -> list[Step]:
    """Return an answer from its head to its last token, 100 ms to the first one."""
    steps: list[Step] = [STREAM, _TTFT]
    for number in range(count):
        steps += [gap] if number else []
        steps.append(_delta(text, reason if number == count - 1 else None))
    return steps


def _slow_bytes() -> list[Step]:
    """Return an answer whose third event comes byte by byte."""
    whole = _stream()
    middle = whole[6]
    assert isinstance(middle, bytes)
    return [*whole[:6], *(middle[at : at + 1] for at in range(len(middle))), *whole[7:], *_TAIL]


@dataclass(frozen=True)
class Trap:
    """What the server does to every request, or to every fifth one, and what is right to say."""

    name: str
    right: str
    steps: Sequence[Step]
    every: int = 1


class _Server(ScriptedServer):
    """Does to completions what a trap says, counting them; all else gets the list of models."""

    def __init__(self, trap: Trap) -> None:
        super().__init__(trap.steps)
        self._every, self._numbers = trap.every, itertools.count(1)

    def _answer(self, connection: socket.socket) -> bool:
        # Clients ask for models before they send load, not meanwhile.
        if not self.requests[-1].startswith(b"POST "):
            return self.take(connection, _MODELS)
        caught = next(self._numbers) % self._every == 0
        return self.take(connection, self.steps if caught else [*_stream(), *_TAIL])


TRAPS = (
    Trap("clean", "40 ok, TTFT 100, gap 20", [*_stream(), *_TAIL]),
    Trap("every request HTTP 500", "40 failed, no TTFT", _SERVER_ERROR),
    Trap("error event, then [DONE]", "40 failed", [*_stream(10, None), event(error={"message": "oom"}), DONE, END]),
    Trap("4 tokens in each event", "gap 80 between events", [*_stream(8, "length", 4 * _GAP, " a b c d"), *_TAIL]),
    Trap("role first, token after 100 ms", "TTFT 100", [STREAM, _ROLE, *_stream()[1:], *_TAIL]),
    Trap("every fifth HTTP 500", "32 ok, 8 failed", _SERVER_ERROR, 5),
    Trap("every fifth cut by the server", "32 ok, 8 failed", [*_stream(10, None), "close"], 5),
    Trap("end without finish_reason and [DONE]", "40 failed", [*_stream(10, None), END]),
    Trap("no usage", "tokens unknown", [*_stream(), DONE, END]),
    Trap("finish_reason abort", "40 failed", [*_stream(10, "abort"), _usage(10), DONE, END]),
    Trap("usage of fewer tokens than events", "tokens unknown", [*_stream(), _usage(4), DONE, END]),
    Trap("HTTP 429 with Retry-After", "40 failed", _BUSY),
    Trap("an event byte by byte", "40 ok, TTFT 100", _slow_bytes()),
    Trap("event without an end", "40 failed", [STREAM, _TTFT, *[chunk(b"data: " + b"x" * 65536)] * 40, END]),
)


def try_traps(contenders: Sequence[Contender], failures: dict[str, dict[str, str]]) -> dict[str, dict[str, Any]]:
    """Return what each client said in each case: its exit code, counts, TTFT and gap."""
    told: dict[str, dict[str, Any]] = {}
    for trap in TRAPS:
        for contender in contenders:
            if contender.name not in SUMMARIES:
                continue
            with tempfile.TemporaryDirectory(prefix="llmops-client-") as name, closing(_Server(trap)) as server:
                folder = Path(name)
                command = contender.command(_CONDITION, server.url, folder, _CONDITION.requests)
                taken = run_metered(command, folder, _RUN_SECONDS_MAX, contender.variables())
                said: dict[str, Any] = {"exit": taken.code, "killed": taken.wall_seconds >= _RUN_SECONDS_MAX - 1}
                try:
                    said.update(SUMMARIES[contender.name](folder))
                except (LookupError, ValueError, OSError, TypeError, StopIteration) as error:
                    said["none"] = type(error).__name__
                    last = taken.output.strip()[-300:]
                    if trap is TRAPS[0]:
                        failures.setdefault("traps", {})[contender.name] = f"{error!r}: {last}"
            told.setdefault(trap.name, {})[contender.name] = said
            print(f"trap: {trap.name}, {contender.name}: {_words(said)}", flush=True)
    return told


def _words(said: Mapping[str, Any]) -> str:
    """Return what was said as one cell of a table."""
    ended = "ended by us" if said["killed"] else f"exit {said['exit']}"
    if "ok" not in said:
        return f"{ended}, no figures"
    counts = [f"{value:g} {word}" for word, value in (("ok", said["ok"]), ("failed", said["failed"])) if value]
    keys = {"TTFT": "ttft_p50_ms", "gap": "gap_p50_ms"}
    times = [f"{word} {said[key]:.0f}" for word, key in keys.items() if said[key] is not None]
    classes = f" ({said['classes']})" if said.get("classes") else ""
    return ", ".join([ended, " ".join(counts) + classes, *times])


def print_traps(told: Mapping[str, Mapping[str, Any]]) -> None:
    """Print all as a table in Markdown, as it stands in the documentation."""
    if not told:
        return
    clients = list(next(iter(told.values())))
    rights = {trap.name: trap.right for trap in TRAPS}
    print("\n| The server | Right | " + " | ".join(clients) + " |")
    print("| --- " * (len(clients) + 2) + "|")
    for name, said in told.items():
        print(f"| {name} | {rights[name]} | " + " | ".join(_words(said[client]) for client in clients) + " |")
