# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcome of one request, and the names of all the ways in which it can go wrong.

A request ends in exactly one class. ``ok`` is a whole answer of the right model with its tokens counted by the server.
``missing_usage`` and ``wrong_usage`` are whole answers whose tokens are not known: their latencies count, their tokens
do not, and they are no success. All others are failures, and nothing of them but their number enters a figure.
"""

from __future__ import annotations

from array import array
from typing import NamedTuple

from .answer import Finding

__all__ = ["OK", "UNCOUNTED", "Record", "classify", "split_stamps"]

OK = "ok"
UNCOUNTED = ("missing_usage", "wrong_usage")
# Failures: connect_failed connect_timeout tls_failed timeout reset closed_early redirect http_<status> malformed
# too_large stream_error truncated missing_finish_reason finish_abort finish_error finish_other no_content wrong_model.


class Record(NamedTuple):
    """One request (its number in the phase): class, tokens, and times in seconds of the monotonic clock.

    ``due`` is when it was planned, ``sent`` when its first byte was written, ``end`` when its answer was whole or it
    failed; ``connect`` is how many seconds a connection of its own took (0: a kept one was used). ``gaps`` are the
    seconds between content events.
    """

    number: int
    kind: str
    due: float
    sent: float | None
    end: float
    connect: float
    first: float | None
    last: float | None
    gaps: array[float]
    merged: int
    prompt_tokens: int | None
    completion_tokens: int | None
    text: str = ""

    @property
    def answered(self) -> bool:
        """Whether the answer is whole, so that its latencies count."""
        return self.kind == OK or self.kind in UNCOUNTED

    @property
    def ttft_seconds(self) -> float | None:
        """Seconds from the first byte sent to the read with the first content; None without a stream."""
        return self.first - self.sent if self.first is not None and self.sent is not None else None

    @property
    def ttft_from_schedule_seconds(self) -> float | None:
        """The same from the moment that the request was due: it holds connecting and waiting, too."""
        return self.first - self.due if self.first is not None else None

    @property
    def e2e_seconds(self) -> float | None:
        """Seconds from the first byte sent to the end of the answer."""
        return self.end - self.sent if self.sent is not None else None

    @property
    def tpot_seconds(self) -> float | None:
        """Seconds per token after the first, by the server's count; None for one token."""
        tokens = self.completion_tokens or 0
        if self.first is None or self.last is None or self.kind != OK or tokens < 2:
            return None
        return (self.last - self.first) / (tokens - 1)

    @property
    def lateness_seconds(self) -> float | None:
        """Seconds that the client itself was late; the time of connecting is the network's."""
        return self.sent - self.due - self.connect if self.sent is not None else None


def classify(finding: Finding, model: str, content_events: int) -> tuple[str, str]:
    """Return the class of a whole answer, and words about it."""
    if finding.kind is not None:
        return finding.kind, finding.text
    if finding.model != model:
        return "wrong_model", f"the answer is of model {str(finding.model)[:80]!r} in place of {model!r}"
    if finding.completion_tokens is None or finding.prompt_tokens is None:
        return "missing_usage", "the answer has no usage with prompt_tokens and completion_tokens"
    if finding.completion_tokens < max(content_events, 1):
        return (
            "wrong_usage",
            f"usage counts {finding.completion_tokens} tokens for {content_events} events with content",
        )
    return OK, ""


def split_stamps(stamps: array[float]) -> tuple[array[float], int]:
    """Return the gaps in seconds between the times of content, and how many share a read with the one before."""
    gaps = array("f", (after - before for before, after in zip(stamps, stamps[1:])))
    return gaps, sum(1 for gap in gaps if gap == 0)
