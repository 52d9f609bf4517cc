# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import (
    Fields,
    merge_defaults,
    nearest,
    shown,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem, format_problems


def read(value: Any) -> Fields:
    return Fields(value, "thing", [])


def told(fields: Fields) -> str:
    return "\n".join(problem.render() for problem in fields.problems)


def test_defaults_are_merged_recursively_and_lists_are_replaced() -> None:
    merged = merge_defaults({"a": {"x": 1, "y": [1]}, "b": 1}, {"a": {"y": [2]}, "b": {"z": 1}})
    assert merged == {"a": {"x": 1, "y": [2]}, "b": {"z": 1}}


def test_nearest_finds_a_misspelt_name_and_gives_up_on_others() -> None:
    assert nearest("replcas", ["replicas", "name"]) == "replicas"
    assert nearest("zzz", ["replicas"]) is None


def test_shown_shortens_long_values() -> None:
    assert shown("x" * 500) == "'" + "x" * 116 + "..."


def test_a_value_that_is_no_mapping_is_a_problem() -> None:
    fields = read([1])
    assert told(fields) == "thing: expected a mapping (got [1]). Write it as `key: value` lines."


@pytest.mark.parametrize("value", [3, "3", 3.0])
def test_integers_are_read_where_nothing_is_lost(value: object) -> None:
    assert read({"n": value}).integer("n", 0, minimum=0) == 3


@pytest.mark.parametrize("value", [True, "three", 3.5, [3]])
def test_other_values_are_no_integers(value: object) -> None:
    fields = read({"n": value})
    assert fields.integer("n", 7, minimum=0, unit="seconds") == 7
    assert "thing.n: expected a whole number" in told(fields)
    assert "allowed: 0 or more seconds" in told(fields)


def test_integers_out_of_range_name_the_range() -> None:
    fields = read({"n": 70000})
    assert fields.integer("n", 1, minimum=1, maximum=65535) == 1
    assert told(fields) == "thing.n: is out of range (got 70000); allowed: 1 to 65535"


@pytest.mark.parametrize(("value", "number"), [(1, 1.0), ("0.5", 0.5), (2.5, 2.5)])
def test_numbers_are_read(value: object, number: float) -> None:
    assert read({"n": value}).number("n", None, above=0) == number


@pytest.mark.parametrize("value", [0, -1, True, "x", float("nan"), float("inf"), []])
def test_other_values_are_no_numbers(value: object) -> None:
    fields = read({"n": value})
    assert fields.number("n", None, above=0, unit="GiB") is None
    assert "expected a number" in told(fields)
    assert "allowed: more than 0 GiB" in told(fields)


@pytest.mark.parametrize(("value", "truth"), [(True, True), ("true", True), ("No", False), ("off", False)])
def test_truth_values_are_read(value: object, truth: bool) -> None:
    assert read({"b": value}).boolean("b", None) is truth


@pytest.mark.parametrize("value", [1, "maybe", []])
def test_other_values_are_no_truth_values(value: object) -> None:
    fields = read({"b": value})
    assert fields.boolean("b", None) is None
    assert "thing.b: expected true or false" in told(fields)


def test_missing_values_give_the_default() -> None:
    fields = read({})
    assert fields.integer("n", 4, minimum=0) == 4
    assert fields.number("n", 4.5, above=0) == 4.5
    assert fields.boolean("n", True) is True
    assert fields.text("n", "x") == "x"
    assert fields.items("n") == ()
    assert fields.text_map("n") == ()
    assert fields.raw("n", 9) == 9
    assert not fields.has("n")
    assert fields.problems == []


def test_texts_must_be_quoted_where_yaml_has_changed_them() -> None:
    fields = read({"v": 0.11, "w": " ", "x": []})
    assert fields.text("v", "") == fields.text("w", "") == fields.text("x", "") == ""
    assert "Put quotes around it: v: '0.11'." in told(fields)


def test_choices_are_listed_with_the_nearest() -> None:
    fields = read({"c": "hostnme", "d": "zzz"})
    fields.text("c", "none", choices=("hostname", "none"))
    fields.text("d", "none", choices=("hostname", "none"))
    assert told(fields).splitlines() == [
        "thing.c: no such choice (got 'hostnme'); allowed: hostname, none. Did you mean hostname?",
        "thing.d: no such choice (got 'zzz'); allowed: hostname, none",
    ]


def test_required_texts_say_what_to_write() -> None:
    fields = read({})
    assert fields.required_text("name", "Name it.") == ""
    assert told(fields) == "thing.name: is required. Name it."


def test_lists_are_checked_item_by_item() -> None:
    fields = read({"l": ["a", 1], "m": [{"x": 1}, 2], "n": "text"})
    assert fields.texts("l") == ("a",)
    assert fields.mappings("m") == ({"x": 1},)
    assert fields.items("n") == ()
    assert told(fields).splitlines() == [
        "thing.l[1]: expected a non-empty text (got 1)",
        "thing.m[1]: expected a mapping (got 2)",
        "thing.n: expected a list (got 'text')",
    ]


def test_text_maps_are_sorted_and_refuse_structures() -> None:
    fields = read({"m": {"b": 1, "a": "x", "c": True}, "n": 3})
    assert fields.text_map("m") == (("a", "x"), ("b", "1"))
    assert fields.text_map("n") == ()
    assert "thing.m.c: expected a text (got True). Put quotes around it: 'True'." in told(fields)
    assert "thing.n: expected a mapping of text to text (got 3)" in told(fields)


def test_items_of_a_list_have_paths_of_their_own() -> None:
    (first, second) = read({"volumes": [{}, {}]}).list_of_fields("volumes")
    assert (first.path, second.path) == ("thing.volumes[0]", "thing.volumes[1]")


def test_unknown_keys_are_reported_with_the_nearest_known_one() -> None:
    fields = read({"replcas": 1, "zzz": 2})
    fields.raw("replicas")
    fields.finish()
    assert fields.keys() == ("replcas", "zzz")
    assert told(fields).splitlines() == [
        "thing.replcas: unknown key; allowed: replicas. Did you mean replicas?",
        "thing.zzz: unknown key; allowed: replicas",
    ]


def test_several_problems_become_one_list() -> None:
    problems = [Problem("a", "is wrong"), Problem("b", "is missing")]
    assert format_problems(problems) == "2 problems in the input; nothing was changed:\n- a: is wrong\n- b: is missing"
    assert InputError(problems).details == {
        "problems": [{"path": "a", "message": "is wrong"}, {"path": "b", "message": "is missing"}]
    }
