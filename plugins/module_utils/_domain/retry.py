# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a request to the API server is sent again: the table, and the decision as a pure function.

What may be repeated depends on what the request does. Reads, server-side apply under our own field manager and deletes
with a uid precondition mean the same when they are sent twice; everything else is never repeated after it was sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Failure", "FailureKind", "delay_seconds", "may_repeat"]

_DELAY_SECONDS_FIRST = 0.2
_DELAY_SECONDS_MAX = 8.0
_RETRY_AFTER_SECONDS_MAX = 30.0
# Gateways and API servers that are starting, restarting or changing their etcd leader.
_TRANSIENT = (502, 503, 504)
_TRANSIENT_WORDS = ("etcdserver: leader changed", "etcdserver: request timed out", "(re)initializing")


class FailureKind(str, Enum):
    """What went wrong with one attempt."""

    NOT_SENT = "not sent"  # refused, name not resolved, TLS greeting failed: the server has seen nothing
    BROKEN = "broken"  # the connection ended, or no answer came in time, after the request was sent
    STATUS = "status"


@dataclass(frozen=True)
class Failure:
    """One failed attempt; ``retry_after_seconds`` is what the server asked for."""

    kind: FailureKind
    status: int = 0
    message: str = ""
    retry_after_seconds: float | None = None

    def describe(self) -> str:
        """Return a short text for results and errors."""
        return f"HTTP {self.status}" if self.kind is FailureKind.STATUS else self.kind.value


def may_repeat(failure: Failure, *, repeatable: bool) -> bool:
    """Whether a request may be sent again after this failure; ``repeatable``: twice means the same as once."""
    if failure.kind is FailureKind.NOT_SENT or failure.status == 429:
        return True
    if not repeatable:
        return False
    if failure.kind is FailureKind.BROKEN or failure.status in _TRANSIENT:
        return True
    return failure.status == 500 and any(words in failure.message for words in _TRANSIENT_WORDS)


def delay_seconds(failure: Failure, attempt: int, jitter: float) -> float:
    """Return the wait before the next attempt (``attempt`` counts from 1, ``jitter`` is within 0 and 1)."""
    if failure.retry_after_seconds is not None:
        return min(failure.retry_after_seconds, _RETRY_AFTER_SECONDS_MAX)
    backoff: float = min(_DELAY_SECONDS_FIRST * 2 ** (attempt - 1), _DELAY_SECONDS_MAX)
    return backoff * (0.5 + jitter / 2)
