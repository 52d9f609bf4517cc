# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does an answer pass the checks of its prompt? Words about it say which check fails, and no content of the answer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Callable

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.json_schema import find_violation
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality import Number, Prompt

__all__ = ["WHOLE", "SearchTimeError", "find_failures", "read_json"]

Search = Callable[[str, str, bool], bool]

WHOLE = ("stop", "length")
_FENCE = re.compile(r"\A```[\w-]*\n(.*)\n```\Z", re.DOTALL)
# With or without thousands separators, a fraction, a power of ten.
_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?|[-+]?\.\d+")


class SearchTimeError(Exception):
    """A regular expression took too long with this text; raised by what searches."""


def read_json(text: str) -> Any:
    """Return what an answer says in JSON, also out of one Markdown code fence; ValueError where it is none."""
    stripped = text.strip()
    fenced = _FENCE.match(stripped)
    try:
        return json.loads(
            fenced.group(1) if fenced else stripped, parse_constant=_refuse_constant, parse_float=_finite_float
        )
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def find_failures(prompt: Prompt, answer: Mapping[str, Any], search: Search, model: str) -> Iterator[str]:
    """Yield what keeps an answer (HTTP 200, as ``_engine/ask.py`` writes it down) from passing; nothing: it passes.

    Not whole, cut off, empty or another model's answers do not pass, whatever the checks say. Raises SearchTimeError.
    """
    text, reason = str(answer.get("text") or ""), answer.get("finish_reason")
    if answer.get("model") != model:
        yield f"comes from another model than {model!r}"
    if reason not in WHOLE:
        yield f"ended with finish_reason {str(reason)[:20]!r}, expected stop"
    elif reason == "length" and not prompt.truncated_allowed:
        yield "is truncated by max_tokens (raise it, or say truncated_allowed)"
    if answer.get("cut"):
        yield "is longer than what is judged"
    elif not text.strip():
        yield "is empty"
    else:
        yield from _of_text(prompt, text, search)
        yield from _of_structure(prompt, text, answer, search)


def _of_text(prompt: Prompt, text: str, search: Search) -> Iterator[str]:
    def folded(words: str) -> str:
        return words.casefold() if prompt.ignore_case else words

    if prompt.exact and folded(text.strip()) not in [folded(each.strip()) for each in prompt.exact]:
        yield "exact: is another text"
    for each in prompt.contains:
        if folded(each) not in folded(text):
            yield f"contains: lacks {each!r}"
    if prompt.regex is not None and not search(prompt.regex, text, prompt.ignore_case):
        yield f"regex: {prompt.regex!r} is not found"
    if prompt.number is not None:
        yield from _of_number(prompt.number, text)


def _of_number(number: Number, text: str) -> Iterator[str]:
    found = [float(each.replace(",", "")) for each in _NUMBER.findall(text)]
    if not found:
        yield "number: there is none"
    elif not abs(found[-1 if number.pick == "last" else 0] - number.value) <= number.reach:
        yield f"number: the {number.pick} one is not within {number.reach:g} of {number.value:g}"


def _of_structure(prompt: Prompt, text: str, answer: Mapping[str, Any], search: Search) -> Iterator[str]:
    try:
        value, said = read_json(text), True
    except ValueError:
        value, said = None, False
    if prompt.json_schema is not None:
        if not said:
            yield "json_schema: is not JSON"
        elif violation := find_violation(prompt.json_schema, value, search):
            yield f"json_schema: {violation}"
    if prompt.query is not None:
        known = ("finish_reason", "model", "prompt_tokens", "completion_tokens", "seconds")
        data = {"text": text, "json": value, **{key: answer.get(key) for key in known}}
        try:
            result = prompt.query(data)
        except ValueError as error:
            yield f"jmespath: {prompt.jmespath!r} cannot be evaluated: {type(error).__name__}"
        else:
            if result is not True:
                yield f"jmespath: {prompt.jmespath!r} is not true"
