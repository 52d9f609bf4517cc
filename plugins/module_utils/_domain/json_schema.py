# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON Schema, as much of it as judging a model's answer takes: a subset, whose limits are told.

Keywords mean what draft 2020-12 says. A keyword that is not supported is an error when the schema is read, never
ignored: a check that silently checks less would pass what it should not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import isfinite
from typing import Any, Callable

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import nearest, shown
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import Problem

__all__ = ["KEYWORDS", "find_violation", "parse_schema"]

Search = Callable[[str, str, bool], bool]

_ANNOTATIONS = ("$comment", "$schema", "default", "description", "examples", "title")
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_COUNTS = ("maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties")
_NUMBERS = ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf")
_LISTS = ("allOf", "anyOf", "oneOf")
_SCHEMAS = ("additionalProperties", "items", "not")
_OTHERS = ("const", "enum", "pattern", "properties", "required", "type", "uniqueItems")
KEYWORDS = tuple(sorted((*_COUNTS, *_NUMBERS, *_LISTS, *_SCHEMAS, *_OTHERS)))
_DEPTH_MAX = 50


def parse_schema(schema: Any, path: str, problems: list[Problem], depth: int = 0) -> None:
    """Report everything in a schema that is wrong or not supported; ``path`` is where it stands in the input."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        problems.append(Problem(path, "expected a schema", shown(schema), "a mapping, true or false"))
        return
    if depth > _DEPTH_MAX:
        problems.append(Problem(path, "is nested too deeply", allowed=f"{_DEPTH_MAX} levels"))
        return
    for keyword, value in schema.items():
        place = f"{path}.{keyword}"
        if keyword in _LISTS or keyword in _SCHEMAS or keyword == "properties":
            for key, each in _below(keyword, value, place, problems):
                parse_schema(each, key, problems, depth + 1)
        elif keyword not in _ANNOTATIONS:
            problems += _judge_keyword(str(keyword), value, place)


def _below(keyword: str, value: Any, path: str, problems: list[Problem]) -> Iterator[tuple[str, Any]]:
    if keyword in _SCHEMAS:
        yield path, value
    elif keyword in _LISTS and isinstance(value, list) and value:
        yield from ((f"{path}[{index}]", each) for index, each in enumerate(value))
    elif keyword == "properties" and isinstance(value, Mapping):
        yield from ((f"{path}.{name}", each) for name, each in value.items())
    else:
        what = "a mapping of schemas" if keyword == "properties" else "a list of schemas"
        problems.append(Problem(path, f"expected {what}", shown(value)))


def _judge_keyword(keyword: str, value: Any, path: str) -> Iterator[Problem]:
    if keyword not in KEYWORDS:
        guess = nearest(keyword, KEYWORDS)
        hint = f"Did you mean {guess}?" if guess else None
        yield Problem(path, "is no keyword that is supported", None, ", ".join(KEYWORDS), hint)
    elif keyword == "type":
        names = value if isinstance(value, list) and value else [value]
        if any(name not in _TYPES for name in names):
            yield Problem(path, "no such type", shown(value), ", ".join(_TYPES))
    elif keyword == "pattern":
        yield from _judge_pattern(value, path)
    elif keyword in _COUNTS and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        yield Problem(path, "expected a whole number", shown(value), "0 or more")
    elif keyword in _NUMBERS and (
        not _is_number(value) or not isfinite(value) or (keyword == "multipleOf" and value <= 0)
    ):
        yield Problem(path, "expected a number", shown(value), "above 0" if keyword == "multipleOf" else None)
    elif keyword == "required" and not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        yield Problem(path, "expected a list of texts", shown(value))
    elif keyword == "enum" and not (isinstance(value, list) and value):
        yield Problem(path, "expected a list of values", shown(value))
    elif keyword == "uniqueItems" and not isinstance(value, bool):
        yield Problem(path, "expected true or false", shown(value))


def _judge_pattern(value: Any, path: str) -> Iterator[Problem]:
    try:
        re.compile(value)
    except (re.error, TypeError, OverflowError, RecursionError) as error:
        yield Problem(path, f"is no regular expression: {error}", shown(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    """Return the JSON type of a value, ``number`` for every number."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if _is_number(value):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _has_type(value: Any, name: str) -> bool:
    if name == "integer":
        return _is_number(value) and (isinstance(value, int) or value.is_integer())
    return _kind(value) == name


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal as JSON has it: 1 and 1.0 are, 1 and true are not."""
    if _kind(one) != _kind(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(item, other[key]) for key, item in one.items())
    return bool(one == other)


def find_violation(schema: Any, value: Any, search: Search, path: str = "$") -> str | None:
    """Return the first place where a value breaks a schema that ``parse_schema`` has accepted, or None.

    ``search`` tells whether a regular expression is found in a text. The words name the place and the rule, and no
    content of the value.
    """
    return next(_violations(schema, value, search, path), None)


def _violations(schema: Any, value: Any, search: Search, path: str) -> Iterator[str]:
    if isinstance(schema, bool):
        if not schema:
            yield f"{path}: nothing is allowed here"
        return
    kind = _kind(value)
    yield from _general(schema, value, kind, path)
    if kind == "number":
        yield from _of_number(schema, value, path)
    elif kind == "string":
        yield from _of_size(schema, len(value), "Length", "characters", path)
        if "pattern" in schema and not search(schema["pattern"], value, False):
            yield f"{path}: does not match {schema['pattern']!r}"
    elif kind == "array":
        yield from _of_array(schema, value, search, path)
    elif kind == "object":
        yield from _of_object(schema, value, search, path)
    yield from _of_combination(schema, value, search, path)


def _general(schema: Mapping[str, Any], value: Any, kind: str, path: str) -> Iterator[str]:
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(_has_type(value, name) for name in names):
            yield f"{path}: is {kind}, expected {' or '.join(names)}"
    if "const" in schema and not _same(value, schema["const"]):
        yield f"{path}: is not {shown(schema['const'])}"
    if "enum" in schema and not any(_same(value, each) for each in schema["enum"]):
        yield f"{path}: is none of {shown(schema['enum'])}"


def _of_number(schema: Mapping[str, Any], value: float, path: str) -> Iterator[str]:
    rules: tuple[tuple[str, Callable[[Any, Any], bool], str], ...] = (
        ("minimum", lambda number, limit: number >= limit, "is below"),
        ("maximum", lambda number, limit: number <= limit, "is above"),
        ("exclusiveMinimum", lambda number, limit: number > limit, "is not above"),
        ("exclusiveMaximum", lambda number, limit: number < limit, "is not below"),
        ("multipleOf", _divides, "is no multiple of"),
    )
    for keyword, holds, words in rules:
        if keyword in schema and not holds(value, schema[keyword]):
            yield f"{path}: {words} {schema[keyword]}"


def _divides(number: float, step: float) -> bool:
    """Whether a number is a multiple, by its decimal digits: 0.3 is one of 0.1."""
    return Fraction(str(number)) % Fraction(str(step)) == 0


def _of_size(schema: Mapping[str, Any], size: int, word: str, unit: str, path: str) -> Iterator[str]:
    if size < schema.get(f"min{word}", 0):
        yield f"{path}: has {size} {unit}, at least {schema[f'min{word}']} are wanted"
    if size > schema.get(f"max{word}", size):
        yield f"{path}: has {size} {unit}, at most {schema[f'max{word}']} are allowed"


def _of_array(schema: Mapping[str, Any], value: list[Any], search: Search, path: str) -> Iterator[str]:
    yield from _of_size(schema, len(value), "Items", "items", path)
    if schema.get("uniqueItems") and any(
        _same(one, other) for index, one in enumerate(value) for other in value[:index]
    ):
        yield f"{path}: has equal items"
    for index, item in enumerate(value):
        yield from _violations(schema.get("items", True), item, search, f"{path}[{index}]")


def _of_object(schema: Mapping[str, Any], value: dict[str, Any], search: Search, path: str) -> Iterator[str]:
    yield from _of_size(schema, len(value), "Properties", "properties", path)
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{path}: lacks {name}"
    known = schema.get("properties", {})
    for name, item in value.items():
        if name in known:
            yield from _violations(known[name], item, search, f"{path}.{name}")
        elif schema.get("additionalProperties", True) is False:
            yield f"{path}: has a property that is not named in the schema"
        else:
            yield from _violations(schema.get("additionalProperties", True), item, search, f"{path}.*")


def _of_combination(schema: Mapping[str, Any], value: Any, search: Search, path: str) -> Iterator[str]:
    def holds(each: Any) -> bool:
        return find_violation(each, value, search, path) is None

    for each in schema.get("allOf", ()):
        yield from _violations(each, value, search, path)
    if "anyOf" in schema and not any(map(holds, schema["anyOf"])):
        yield f"{path}: fits none of anyOf"
    if "oneOf" in schema and (fitting := sum(map(holds, schema["oneOf"]))) != 1:
        yield f"{path}: fits {fitting} of oneOf, exactly one is wanted"
    if "not" in schema and holds(schema["not"]):
        yield f"{path}: fits what `not` forbids"
