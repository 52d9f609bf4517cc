# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts with what a right answer looks like, as a user writes them.

A prompt has one or several checks, and passes where all of them hold. One without a check only serves the comparison
with another slot.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.json_schema import parse_schema
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["PROMPTS_MAX", "Number", "Prompt", "Query", "parse_prompts"]

# With two slots a thousand answers, which fit into what a Job may be asked and may log.
PROMPTS_MAX = 500
_TOKENS_MAX = 32768
_ROLES = ("system", "user", "assistant", "developer")

Query = Callable[[Any], Any]


@dataclass(frozen=True)
class Number:
    """A number that the answer's last (or first) number must be near."""

    value: float
    tolerance: float = 0.0
    tolerance_ratio: float = 0.0
    pick: str = "last"

    @property
    def reach(self) -> float:
        """How far off the number may be."""
        return max(self.tolerance, abs(self.value) * self.tolerance_ratio)


@dataclass(frozen=True)
class Prompt:
    """One question: its messages as a chat has them, and what holds for a right answer."""

    name: str
    messages: tuple[Mapping[str, str], ...]
    max_tokens: int | None = None
    truncated_allowed: bool = False
    ignore_case: bool = False
    exact: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()
    regex: str | None = None
    json_schema: Any = None
    number: Number | None = None
    jmespath: str | None = None
    query: Query | None = None

    @property
    def is_checked(self) -> bool:
        """Whether it has a check."""
        return any((self.exact, self.contains, self.regex, self.number, self.query)) or self.json_schema is not None


def parse_prompts(
    items: Sequence[tuple[str, Any]], compile_query: Callable[[str], Query], *, chat: bool
) -> tuple[Prompt, ...]:
    """Return the prompts of pairs of place (``prompts[3]``, ``golden.yml:12``) and what stands there.

    ``compile_query`` returns what evaluates a JMESPath expression, or raises ValueError with what is wrong in it.
    Without ``chat`` a prompt is one text. Every problem is told at once.
    """
    problems: list[Problem] = []
    prompts = [_parse(Fields(item, place, problems), compile_query, chat=chat) for place, item in items]
    if not items:
        problems.append(Problem("prompts", "there is none", hint="Give at least one, here or in prompts_file."))
    if len(items) > PROMPTS_MAX:
        problems.append(Problem("prompts", "are too many", str(len(items)), f"{PROMPTS_MAX} at most"))
    seen: dict[str, str] = {}
    for (place, _item), prompt in zip(items, prompts):
        if prompt.name in seen:
            problems.append(Problem(f"{place}.id", "is used twice", prompt.name, hint=f"See {seen[prompt.name]}."))
        seen[prompt.name] = place
    if problems:
        raise InputError(problems)
    return tuple(prompts)


def _parse(fields: Fields, compile_query: Callable[[str], Query], *, chat: bool) -> Prompt:
    schema, regex, jmespath = fields.raw("json_schema"), fields.text("regex", None), fields.text("jmespath", None)
    if schema is not None:
        parse_schema(schema, f"{fields.path}.json_schema", fields.problems)
    prompt = Prompt(
        name=fields.text("id", fields.path),
        messages=_parse_messages(fields, chat=chat),
        max_tokens=fields.integer("max_tokens", None, minimum=1, maximum=_TOKENS_MAX, unit="tokens"),
        truncated_allowed=fields.boolean("truncated_allowed", False),
        ignore_case=fields.boolean("ignore_case", False),
        exact=_one_or_more(fields, "exact"),
        contains=_one_or_more(fields, "contains"),
        regex=_parse_regex(fields, regex),
        json_schema=schema,
        number=_parse_number(fields.nested("number")) if fields.has("number") else None,
        jmespath=jmespath,
        query=_parse_query(fields, jmespath, compile_query),
    )
    fields.finish()
    return prompt


def _parse_messages(fields: Fields, *, chat: bool) -> tuple[Mapping[str, str], ...]:
    text, listed = fields.text("prompt", None), fields.list_of_fields("messages")
    if listed and not chat:
        fields.problem("messages", "are a chat's", hint="Write `prompt`, or set endpoint to chat.")
    if (text is None and not fields.has("prompt")) == (not listed):
        fields.problem_here("needs either a prompt or messages", fields.keys())
    if not listed:
        return ({"role": "user", "content": text or ""},)
    messages = []
    for each in listed:
        role = each.text("role", "user", choices=_ROLES)
        messages.append({"role": role, "content": each.required_text("content", "Say what is said.")})
        each.finish()
    return tuple(messages)


def _one_or_more(fields: Fields, key: str) -> tuple[str, ...]:
    if isinstance(fields.raw(key), (list, tuple)):
        return fields.texts(key)
    text = fields.text(key, None)
    return () if text is None else (text,)


def _parse_regex(fields: Fields, pattern: str | None) -> str | None:
    if pattern is not None:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            fields.problem("regex", f"is no regular expression: {error}", pattern)
    return pattern


def _parse_query(fields: Fields, expression: str | None, compile_query: Callable[[str], Query]) -> Query | None:
    if expression is None:
        return None
    try:
        return compile_query(expression)
    except ValueError as error:
        fields.problem("jmespath", f"is no JMESPath expression: {error}", expression)
        return None


def _parse_number(fields: Fields) -> Number:
    if not fields.has("value"):
        fields.problem("value", "is required", hint="Say which number is right.")
    number = Number(
        fields.number("value", 0.0, above=float("-inf")),
        _tolerance(fields, "tolerance"),
        _tolerance(fields, "tolerance_ratio"),
        fields.text("pick", "last", choices=("last", "first")),
    )
    fields.finish()
    return number


def _tolerance(fields: Fields, key: str) -> float:
    value = fields.number(key, 0.0, above=float("-inf"))
    if value < 0:
        fields.problem(key, "is below zero", value, "0 or more")
    return value
