# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subset of JSON Schema: what it accepts is what the reference implementation accepts, the rest is refused."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.json_schema import (
    KEYWORDS,
    find_violation,
    parse_schema,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import Problem, format_problems
from hypothesis import given
from hypothesis import strategies as st

PERSON = {
    "type": "object",
    "required": ["name", "age"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 10, "pattern": "^[A-Z]"},
        "age": {"type": "integer", "minimum": 0, "exclusiveMaximum": 150},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True, "maxItems": 2},
    },
}


def search(pattern: str, text: str, _ignore_case: bool) -> bool:
    return re.search(pattern, text) is not None


def violation(schema: Any, value: Any) -> str | None:
    return find_violation(schema, value, search)


def problems_of(schema: Any) -> list[Problem]:
    problems: list[Problem] = []
    parse_schema(schema, "prompts[0].json_schema", problems)
    return problems


# Against the reference implementation


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from([0.5, 1.0, 2.5, "", "a", "ab", "b1"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=6,
)
TYPES = st.sampled_from(["array", "boolean", "integer", "null", "number", "object", "string"])
COUNT = st.integers(0, 3)
NUMBER = st.sampled_from([-1, 0, 0.5, 1, 2])


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=2)
    names = st.sampled_from(["a", "b", "c"])
    numbers = dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), NUMBER)
    counts = {key: COUNT for key in KEYWORDS if re.match("(min|max)[A-Z]", key)}
    keywords: dict[str, st.SearchStrategy[Any]] = {
        "type": st.one_of(TYPES, st.lists(TYPES, min_size=1, max_size=2)),
        "enum": st.lists(VALUES, min_size=1, max_size=3),
        "const": VALUES,
        "multipleOf": st.sampled_from([1, 2]),
        "pattern": st.sampled_from(["a", "^b", "[0-9]$"]),
        "required": st.lists(names, max_size=2, unique=True),
        "properties": st.dictionaries(names, inner, max_size=2),
        "uniqueItems": st.booleans(),
        **dict.fromkeys(("allOf", "anyOf", "oneOf"), several),
        **dict.fromkeys(("not", "items", "additionalProperties"), inner),
        **numbers,
        **counts,
    }
    assert set(keywords) == set(KEYWORDS)
    return st.lists(st.sampled_from(KEYWORDS), max_size=3, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({key: keywords[key] for key in chosen})
    )


@given(st.recursive(st.booleans(), schemas, max_leaves=4), VALUES)
def test_it_accepts_what_the_reference_implementation_accepts(schema: Any, value: Any) -> None:
    assert problems_of(schema) == []
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert (violation(schema, value) is None) is expected


# The words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"age": 3.0}, None),
        ({"name": 1}, "$.name: is number, expected string"),
        ({"name": ""}, "$.name: has 0 characters, at least 1 are wanted"),
        ({"name": "A" * 11}, "$.name: has 11 characters, at most 10 are allowed"),
        ({"name": "secret"}, "$.name: does not match '^[A-Z]'"),
        ({"age": 150}, "$.age: is not below 150"),
        ({"age": 1.5}, "$.age: is number, expected integer"),
        ({"tags": ["a", "a"]}, "$.tags: has equal items"),
        ({"tags": ["a", "secret"]}, "$.tags[1]: is none of ['a', 'b']"),
        ({"secret": 1}, "$: has a property that is not named in the schema"),
    ],
)
def test_a_violation_names_place_and_rule_and_no_content_of_the_answer(change: Any, words: str | None) -> None:
    assert violation(PERSON, {"name": "Ada", "age": 36, **change}) == words


@pytest.mark.parametrize(
    ("schema", "value", "words"),
    [
        ({"required": ["name"]}, {}, "$: lacks name"),
        ({"const": 1}, 2, "$: is not 1"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "$: fits none of anyOf"),
        ({"oneOf": [True, {"type": "number"}]}, 1, "$: fits 2 of oneOf, exactly one is wanted"),
        ({"allOf": [{"type": "number"}, {"minimum": 2}]}, 1, "$: is below 2"),
        ({"not": {"type": "number"}}, 1, "$: fits what `not` forbids"),
        ({"type": ["string", "null"]}, 1, "$: is number, expected string or null"),
        ({"additionalProperties": {"type": "null"}}, {"secret": 1}, "$.*: is number, expected null"),
        (False, 1, "$: nothing is allowed here"),
    ],
)
def test_other_violations_are_told_the_same_way(schema: Any, value: Any, words: str) -> None:
    assert violation(schema, value) == words


@pytest.mark.parametrize(
    ("value", "same"),
    [([1, {"a": 2}], True), ([1.0, {"a": 2.0}], True), ([1], False), ([True, {"a": 2}], False), ([1, {"b": 2}], False)],
)
def test_values_are_equal_as_json_has_it(value: Any, same: bool) -> None:
    assert (violation({"const": [1, {"a": 2}]}, value) is None) is same


def test_a_sound_schema_has_no_problems_and_null_is_a_type() -> None:
    assert problems_of(PERSON) == []
    assert violation({"type": "null"}, None) is None
    assert violation({"type": "null"}, False) == "$: is boolean, expected null"


def test_numbers_count_by_their_digits_and_large_ones_are_whole() -> None:
    assert violation({"multipleOf": 0.1}, 0.3) is None
    assert violation({"multipleOf": 0.1}, 0.35) == "$: is no multiple of 0.1"
    assert violation({"type": "integer", "multipleOf": 2}, 10**400) is None
    assert violation({"uniqueItems": True, "items": {"minimum": 0}}, [1, True, 10**400]) is None


# What is refused


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"maxlength": 3}, "prompts[0].json_schema.maxlength: is no keyword that is supported; allowed: additional"),
        ({"maxlength": 3}, "Did you mean maxLength?"),
        ({"$ref": "#/x"}, "json_schema.$ref: is no keyword that is supported"),
        ({"format": "date"}, "json_schema.format: is no keyword"),
        ({"properties": {"a": {"items": {"typ": "null"}}}}, "properties.a.items.typ: is no keyword"),
        ({"anyOf": [True, {"type": "text"}]}, "anyOf[1].type: no such type (got 'text'); allowed: array"),
        ({"type": ["null", 3]}, "no such type"),
        ({"type": []}, "no such type (got [])"),
        ({"anyOf": []}, "anyOf: expected a list of schemas (got [])"),
        ({"properties": []}, "properties: expected a mapping of schemas"),
        ({"pattern": "("}, "pattern: is no regular expression: missing )"),
        ({"pattern": 3}, "pattern: is no regular expression"),
        ({"minLength": -1}, "minLength: expected a whole number (got -1); allowed: 0 or more"),
        ({"maxItems": True}, "maxItems: expected a whole number (got True)"),
        ({"maximum": "3"}, "maximum: expected a number (got '3')"),
        ({"minimum": float("inf")}, "minimum: expected a number (got inf)"),
        ({"multipleOf": 0}, "multipleOf: expected a number (got 0); allowed: above 0"),
        ({"required": "a"}, "required: expected a list of texts (got 'a')"),
        ({"required": [1]}, "required: expected a list of texts"),
        ({"enum": []}, "enum: expected a list of values"),
        ({"uniqueItems": 1}, "uniqueItems: expected true or false (got 1)"),
        ({"not": 3}, "not: expected a schema (got 3); allowed: a mapping, true or false"),
    ],
)
def test_a_schema_that_cannot_be_judged_is_refused_when_it_is_read(schema: Any, words: str) -> None:
    assert words in format_problems(problems_of(schema))


def test_every_problem_is_told_and_annotations_are_none() -> None:
    schema = {"title": "t", "description": "d", "$schema": "s", "default": 1, "typ": 1, "items": {"minimun": 1}}
    assert [problem.path.rpartition(".")[2] for problem in problems_of(schema)] == ["typ", "minimun"]


def test_a_schema_without_end_is_refused() -> None:
    schema: dict[str, Any] = {"type": "array"}
    schema["items"] = schema
    (problem,) = problems_of(schema)
    assert problem.message == "is nested too deeply"
