# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions of the user: JMESPath, and regular expressions that must not run for ever."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality_checks import SearchTimeError
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, LlmopsError, Problem

try:
    import jmespath
except ImportError:
    HAS_JMESPATH = False
else:
    HAS_JMESPATH = True

__all__ = ["JmesPath", "compile_jmespath", "search"]

# Backtracking may take a time that grows exponentially with the text; a sound expression takes milliseconds.
SEARCH_SECONDS_MAX = 1.0


def compile_jmespath(expression: str) -> Callable[[Any], Any]:
    """Return what evaluates an expression; ValueError where it is none, as evaluating raises it."""
    if not HAS_JMESPATH:
        raise LlmopsError(
            f"{expression!r} cannot be read: the Python package jmespath is missing where this module runs. "
            "Install what requirements.txt names"
        )
    compile_expression: Callable[[str], Any] = jmespath.compile
    evaluate: Callable[[Any], Any] = compile_expression(expression).search
    return evaluate


class JmesPath:
    """Evaluates expressions; implements the ``Expressions`` port of the flows."""

    def search(self, expression: str, document: Any, path: str) -> Any:
        """Return what an expression finds, None for nothing; raises InputError for what is no expression."""
        try:
            return compile_jmespath(expression)(document)
        except ValueError as error:
            message = "cannot be evaluated: " + " ".join(str(error).split())
            hint = 'Keys with dots are written in double quotes: "p99.9_ttft_ms".'
            raise InputError([Problem(path, message, expression, hint=hint)]) from None


def search(pattern: str, text: str, ignore_case: bool) -> bool:
    """Whether an expression is found in a text; SearchTimeError after SEARCH_SECONDS_MAX.

    Python looks for signals every few thousand steps of a search, so an alarm ends it. Alarms exist in the main thread
    only, where modules run.
    """
    with _alarm(SEARCH_SECONDS_MAX, f"regex: {pattern!r} was searched for more than {SEARCH_SECONDS_MAX:g} s"):
        return re.search(pattern, text, re.IGNORECASE if ignore_case else 0) is not None


@contextmanager
def _alarm(seconds: float, words: str) -> Iterator[None]:
    def ring(_number: int, _frame: Any) -> None:
        raise SearchTimeError(words)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
