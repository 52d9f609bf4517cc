# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of every request, counted by class, phase, kind of client and pod."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["OK", "Expectation", "Record", "Report", "judge_answer"]

OK = "ok"


@dataclass(frozen=True)
class Expectation:
    """What a complete answer is: the model that answers, the number of tokens, streamed or not."""

    model: str
    tokens: int
    stream: bool


@dataclass
class Record:
    """One request. Times are seconds of the monotonic clock; ``outcome`` is ``ok`` or the class of the loss."""

    client: int
    kept: bool
    expectation: Expectation
    started_at: float
    ended_at: float = 0.0
    first_byte_at: float | None = None
    reused: bool = False
    outcome: str = OK
    detail: str = ""
    pod: str = ""
    identity: str = ""
    content: str = ""


def judge_answer(status: int, body: bytes, complete: bool, expectation: Expectation, record: Record) -> None:
    """Set a record's outcome from what was received; ``complete`` tells whether HTTP's own end was reached."""
    if status != 200:
        record.outcome, record.detail = f"http_{status}", body[:200].decode(errors="replace")
        return
    try:
        parts = _events(body) if expectation.stream else [json.loads(body)] if complete else []
    except ValueError as error:
        record.outcome, record.detail = "truncated", f"no JSON: {error}"
        return
    done = bool(parts) and parts[-1] == "[DONE]"
    answers = [part for part in parts if isinstance(part, dict)]
    errors = [part for part in answers if "error" in part]
    reasons = [c["finish_reason"] for part in answers for c in part.get("choices", []) if c.get("finish_reason")]
    record.identity = str(answers[0].get("id", "")) if answers else ""
    record.pod = next((str(part["system_fingerprint"]) for part in answers if part.get("system_fingerprint")), "")
    record.content = "".join(_text(choice) for part in answers for choice in part.get("choices", []))
    usage: dict[str, Any] = next((part["usage"] for part in reversed(answers) if part.get("usage")), {})
    tokens = usage.get("completion_tokens")
    checks: tuple[tuple[bool, str, Any], ...] = (
        (bool(errors), "error_in_answer", errors),
        (any(reason in ("abort", "error") for reason in reasons), f"finish_{reasons[-1] if reasons else ''}", reasons),
        (not complete or not reasons or (expectation.stream and not done), "truncated", body[-200:]),
        (tokens is None, "no_usage", usage),
        (tokens != expectation.tokens, "too_few_tokens", f"{tokens} of {expectation.tokens}"),
        (bool(answers) and answers[0].get("model") != expectation.model, "wrong_model", answers[:1]),
    )
    for wrong, outcome, detail in checks:
        if wrong:
            record.outcome, record.detail = outcome, str(detail)[:200]
            return


def _events(body: bytes) -> list[Any]:
    """Return the events that ended with an empty line; a last one that was cut is none."""
    whole = body.decode(errors="replace").split("\n\n")[:-1]
    texts = [part[len("data: ") :] for part in whole if part.startswith("data: ")]
    return [text if text == "[DONE]" else json.loads(text) for text in texts]


def _text(choice: dict[str, Any]) -> str:
    holder = choice.get("delta") or choice.get("message") or choice
    return str(holder.get("content") or holder.get("text") or "")


@dataclass
class Report:
    """All records of a run, the marks that cut it into phases, and how late the client itself was."""

    records: list[Record] = field(default_factory=list)
    marks: list[tuple[float, str]] = field(default_factory=list)
    loop_lag_seconds: list[float] = field(default_factory=list)

    def conclude(self, check_content: bool = True) -> None:
        """Find what only shows when all is known: one identity twice, another content for an equal request."""
        seen: set[str] = set()
        for record in self.records:
            if record.outcome == OK and record.identity in seen:
                record.outcome, record.detail = "duplicate_id", record.identity
            seen.add(record.identity)
        if check_content:
            self._compare_content()

    def _compare_content(self) -> None:
        usual: dict[int, str] = {}
        for record in self.records:
            if record.outcome == OK and record.content != usual.setdefault(record.expectation.tokens, record.content):
                record.outcome, record.detail = "other_content", record.content[:200]

    def dropped(self) -> list[Record]:
        """Return the requests that did not get their whole answer."""
        return [record for record in self.records if record.outcome != OK]

    def phase_of(self, record: Record) -> str:
        """Return the name of the last mark before a request's end (a loss belongs to the moment it happened in)."""
        name = "before"
        for at, mark in self.marks:
            if at <= record.ended_at:
                name = mark
        return name

    def count(self, key: Callable[[Record], str], records: Iterable[Record] | None = None) -> Counter[str]:
        """Count records by a key."""
        return Counter(key(record) for record in (self.records if records is None else records))

    def loop_lag_p99_seconds(self) -> float:
        """Return how late the client's own loop was at the 99th percentile (0 when it never ran)."""
        lags = sorted(self.loop_lag_seconds)
        return lags[int(len(lags) * 0.99)] if lags else 0.0

    def summary(self) -> dict[str, Any]:
        """Return the run as plain data."""
        lost = self.dropped()
        kinds: tuple[tuple[str, Callable[[Record], str]], ...] = (
            ("connection", lambda r: "kept" if r.kept else "fresh"),
            ("mode", lambda r: "streamed" if r.expectation.stream else "whole"),
            ("tokens", lambda r: str(r.expectation.tokens)),
            ("phase", self.phase_of),
            ("pod", lambda r: r.pod or "unknown"),
        )
        return {
            "requests": len(self.records),
            "dropped": len(lost),
            "classes": dict(self.count(lambda r: r.outcome, lost)),
            "lag_p99_ms": round(self.loop_lag_p99_seconds() * 1000, 1),
            **{
                name: {value: [total, self.count(key, lost)[value]] for value, total in sorted(self.count(key).items())}
                for name, key in kinds
            },
        }

    def text(self) -> str:
        """Return the run for people: counts first, then the first losses with their words."""
        data = self.summary()
        lines = [f"{data['requests']} requests, {data['dropped']} dropped {data['classes'] or ''}".rstrip()]
        lines.append(f"client's loop late by {data['lag_p99_ms']} ms (p99)")
        for name in ("connection", "mode", "tokens", "phase", "pod"):
            lines.append(f"{name}: " + ", ".join(f"{k} {t} / {lost}" for k, (t, lost) in data[name].items()))
        for r in self.dropped()[:10]:
            kind = "kept" if r.kept else "fresh"
            lines.append(f"lost in {self.phase_of(r)}: {r.outcome} ({kind}, reused={r.reused}, pod {r.pod}) {r.detail}")
        return "\n".join(lines)
