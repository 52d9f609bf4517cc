# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts as users write them, and what their checks say of an answer."""

from __future__ import annotations

import re
from typing import Any, Callable

import jmespath
import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.addresses import find_address_problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality import Number, Prompt, parse_prompts
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality_checks import find_failures, read_json
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError

ANSWER: dict[str, Any] = {
    "status": 200,
    "model": "chat",
    "finish_reason": "stop",
    "completion_tokens": 3,
    "prompt_tokens": 9,
    "seconds": 0.5,
    "cut": False,
}


def compile_query(expression: str) -> Callable[[Any], Any]:
    evaluate: Callable[[Any], Any] = jmespath.compile(expression).search
    return evaluate


def search(pattern: str, text: str, ignore_case: bool) -> bool:
    return re.search(pattern, text, re.IGNORECASE if ignore_case else 0) is not None


def parse(*items: Any, chat: bool = True) -> tuple[Prompt, ...]:
    return parse_prompts([(f"prompts[{index}]", item) for index, item in enumerate(items)], compile_query, chat=chat)


def complaint(*items: Any, chat: bool = True) -> str:
    with pytest.raises(InputError) as raised:
        parse(*items, chat=chat)
    return raised.value.message


def failures(text: str, answer: dict[str, Any] | None = None, **checks: Any) -> list[str]:
    (prompt,) = parse({"prompt": "?", **checks})
    return list(find_failures(prompt, {**ANSWER, "text": text, **(answer or {})}, search, "chat"))


# Reading


def test_a_prompt_is_a_users_message_and_is_named_by_its_place() -> None:
    (prompt,) = parse({"prompt": "Who?", "exact": "I"})
    assert (prompt.name, prompt.messages) == ("prompts[0]", ({"role": "user", "content": "Who?"},))
    assert (prompt.exact, prompt.is_checked, prompt.max_tokens) == (("I",), True, None)


def test_a_prompt_may_be_a_whole_conversation() -> None:
    (prompt,) = parse({"id": "talk", "messages": [{"role": "system", "content": "Be brief."}, {"content": "Who?"}]})
    assert prompt.messages == ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"})
    assert prompt.is_checked is False


@pytest.mark.parametrize(
    "check",
    [
        {"exact": ["a", "b"]},
        {"contains": "a"},
        {"regex": "a"},
        {"json_schema": True},
        {"json_schema": {}},
        {"number": {"value": 0}},
        {"jmespath": "json"},
    ],
)
def test_each_check_makes_a_prompt_a_checked_one(check: dict[str, Any]) -> None:
    assert parse({"prompt": "?", **check})[0].is_checked


def test_a_number_is_read_with_its_tolerances() -> None:
    (prompt,) = parse(
        {"prompt": "?", "number": {"value": -200, "tolerance_ratio": 0.1, "tolerance": 3, "pick": "first"}}
    )
    assert prompt.number == Number(-200.0, 3.0, 0.1, "first")
    assert prompt.number.reach == 20


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"prompt": "?", "exakt": "a"}, "prompts[0].exakt: unknown key"),
        ({"prompt": "?", "exakt": "a"}, "Did you mean exact?"),
        ({"exact": "a"}, "prompts[0]: needs either a prompt or messages"),
        ({"prompt": "?", "messages": [{"content": "a"}]}, "prompts[0]: needs either a prompt or messages"),
        (
            {"messages": [{"role": "owner", "content": "a"}]},
            "prompts[0].messages[0].role: no such choice (got 'owner')",
        ),
        ({"messages": [{"role": "user"}]}, "prompts[0].messages[0].content: is required"),
        ({"messages": [{"content": "a", "name": "b"}]}, "prompts[0].messages[0].name: unknown key"),
        ({"prompt": 3}, "prompts[0].prompt: expected a non-empty text (got 3)"),
        ({"prompt": "?", "regex": "("}, "prompts[0].regex: is no regular expression: missing )"),
        ({"prompt": "?", "jmespath": "a["}, "prompts[0].jmespath: is no JMESPath expression"),
        ({"prompt": "?", "json_schema": {"typ": 1}}, "prompts[0].json_schema.typ: is no keyword that is supported"),
        ({"prompt": "?", "exact": 42}, "prompts[0].exact: expected a non-empty text (got 42). Put quotes around it"),
        ({"prompt": "?", "contains": ["a", 1]}, "prompts[0].contains[1]: expected a non-empty text"),
        ({"prompt": "?", "number": {}}, "prompts[0].number.value: is required"),
        ({"prompt": "?", "number": {"value": "x"}}, "prompts[0].number.value: expected a number"),
        ({"prompt": "?", "number": {"value": 1, "tolerance": -1}}, "prompts[0].number.tolerance: is below zero"),
        ({"prompt": "?", "number": {"value": 1, "pick": "any"}}, "prompts[0].number.pick: no such choice"),
        (
            {"prompt": "?", "max_tokens": 0},
            "prompts[0].max_tokens: is out of range (got 0); allowed: 1 to 32768 tokens",
        ),
        ("Who?", "prompts[0]: expected a mapping (got 'Who?')"),
    ],
)
def test_a_prompt_that_cannot_be_asked_or_checked_is_refused(item: Any, words: str) -> None:
    assert words in complaint(item)


def test_all_problems_of_all_prompts_are_told_at_once() -> None:
    message = complaint({"prompt": "?", "regex": "("}, {"prompt": "?", "max_token": 3})
    assert "2 problems" in message
    assert "prompts[0].regex" in message
    assert "prompts[1].max_token" in message


def test_a_name_stands_for_one_prompt() -> None:
    message = complaint({"id": "a", "prompt": "?"}, {"id": "b", "prompt": "?"}, {"id": "a", "prompt": "?"})
    assert message == "prompts[2].id: is used twice (got a). See prompts[0]."


def test_none_and_too_many_prompts_are_refused() -> None:
    assert "prompts: there is none" in complaint()
    assert "prompts: are too many (got 501); allowed: 500 at most" in complaint(*[{"prompt": "?"}] * 501)


def test_a_conversation_needs_a_chat() -> None:
    assert "prompts[0].messages: are a chat's" in complaint({"messages": [{"content": "a"}]}, chat=False)
    assert parse({"prompt": "Once"}, chat=False)[0].messages[0]["content"] == "Once"


# Checking


@pytest.mark.parametrize(
    ("text", "checks", "expected"),
    [
        (" Paris\n", {"exact": "Paris"}, []),
        ("paris", {"exact": "Paris"}, ["exact: is another text"]),
        ("paris", {"exact": "Paris", "ignore_case": True}, []),
        ("Rome", {"exact": ["Paris", "Rome"]}, []),
        ("It is Paris.", {"exact": "Paris"}, ["exact: is another text"]),
        ("It is Paris.", {"contains": ["Paris", "It"]}, []),
        ("It is Paris.", {"contains": ["paris", "Rome"]}, ["contains: lacks 'paris'", "contains: lacks 'Rome'"]),
        ("It is Paris.", {"contains": "paris", "ignore_case": True}, []),
        ("It is Paris.", {"regex": r"\bParis\b"}, []),
        ("It is Paris.", {"regex": "^Paris"}, ["regex: '^Paris' is not found"]),
        ("PARIS", {"regex": "^paris$", "ignore_case": True}, []),
        ("It is 1,234.50 in all", {"number": {"value": 1234.5}}, []),
        ("between 3 and 42.", {"number": {"value": 42}}, []),
        ("between 3 and 42.", {"number": {"value": 3, "pick": "first"}}, []),
        ("-.5", {"number": {"value": -0.5}}, []),
        ("about 6.02e23", {"number": {"value": 6.022e23, "tolerance_ratio": 0.001}}, []),
        ("41", {"number": {"value": 42, "tolerance": 1}}, []),
        ("40", {"number": {"value": 42, "tolerance": 1}}, ["number: the last one is not within 1 of 42"]),
        ("1" * 500, {"number": {"value": 42}}, ["number: the last one is not within 0 of 42"]),
        ("many", {"number": {"value": 42}}, ["number: there is none"]),
        ('{"a": 1}', {"json_schema": {"required": ["a"]}}, []),
        ("1.5", {"json_schema": {"minimum": 1.5}}, []),
        ('```json\n{"a": 1}\n```', {"json_schema": {"required": ["a"]}}, []),
        ('Here: {"a": 1}', {"json_schema": True}, ["json_schema: is not JSON"]),
        ("{}", {"json_schema": {"required": ["a"]}}, ["json_schema: $: lacks a"]),
        ('{"a": 1}', {"jmespath": "json.a == `1` && completion_tokens < `10`"}, []),
        ("hello", {"jmespath": "contains(text, 'hell')"}, []),
        ("hello", {"jmespath": "json"}, ["jmespath: 'json' is not true"]),
        ("hello", {"jmespath": "text"}, ["jmespath: 'text' is not true"]),
        ("hello", {"jmespath": "abs(text)"}, ["jmespath: 'abs(text)' cannot be evaluated: JMESPathTypeError"]),
        ("Rome", {"exact": "Paris", "contains": "Rome"}, ["exact: is another text"]),
    ],
)
def test_every_check_must_hold_and_the_words_hide_the_answer(
    text: str, checks: dict[str, Any], expected: list[str]
) -> None:
    assert failures(text, **checks) == expected


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("", {}, ["is empty"]),
        (" \n", {}, ["is empty"]),
        ("a", {"text": None}, ["is empty"]),
        ("a", {"model": "other"}, ["comes from another model than 'chat'"]),
        ("a", {"finish_reason": "length"}, ["is truncated by max_tokens (raise it, or say truncated_allowed)"]),
        ("a", {"finish_reason": "abort"}, ["ended with finish_reason 'abort', expected stop"]),
        ("a", {"finish_reason": None}, ["ended with finish_reason 'None', expected stop"]),
        ("a", {"cut": True}, ["is longer than what is judged"]),
    ],
)
def test_what_is_no_whole_answer_of_the_model_does_not_pass_whatever_the_check(
    text: str, answer: dict[str, Any], expected: list[str]
) -> None:
    assert failures(text, answer, jmespath="`true`") == expected


def test_a_truncated_answer_passes_where_the_prompt_says_so_and_an_aborted_one_does_not() -> None:
    assert failures("a", {"finish_reason": "length"}, exact="a", truncated_allowed=True) == []
    assert failures("a", {"finish_reason": "error"}, exact="a", truncated_allowed=True) != []


@pytest.mark.parametrize("text", ["NaN", "[1e999]", "[" * 100_000, "{'a': 1}", "", "9" * 5000])
def test_what_is_no_json_is_told_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read_json(text)


# Addresses


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "https://example.com/llm/", "http://[fd00::7]:80", "https://a_b.c"]
)
def test_an_address_of_an_http_server_is_one(url: str) -> None:
    assert find_address_problem("url", url) is None


@pytest.mark.parametrize("url", ["ftp://a", "example.com", "http://", "http://a b", "http://a?x=1", "", "http://a:x"])
def test_what_is_no_address_is_refused_with_how_one_looks(url: str) -> None:
    problem = find_address_problem("url", url)
    assert problem is not None
    assert problem.render() == f"url: is no address (got {url!r}); allowed: http://host:port or https://host/path"


def test_an_address_with_a_password_is_refused_without_repeating_it() -> None:
    problem = find_address_problem("url", "https://user:hunter2@example.com")
    assert problem is not None
    assert "hunter2" not in problem.render()
