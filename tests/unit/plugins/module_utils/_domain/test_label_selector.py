# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selectors of nodes: read as Kubernetes reads them, and refused where it would refuse them."""

from __future__ import annotations

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.label_rules import is_label_key, is_label_value
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.label_selector import (
    Requirement,
    fits,
    parse_expressions,
    parse_label_selector,
)

LABELS = {"zone": "a", "gpus": "8", "example.com/spot": ""}


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("zone=a", True),
        ("zone == a", True),
        ("zone=b", False),
        ("zone!=b", True),
        ("zone!=a", False),
        ("none!=a", True),
        ("zone in (a, b)", True),
        ("zone in (b,c)", False),
        ("zone notin (b,c)", True),
        ("zone notin (a)", False),
        ("none notin (a)", True),
        ("example.com/spot", True),
        ("example.com/spot=", True),
        ("none", False),
        ("!none", True),
        ("! zone", False),
        ("gpus>4", True),
        ("gpus > 8", False),
        ("gpus<9", True),
        ("zone>4", False),
        ("none<9", False),
        ("zone in (a,b),!none,gpus>4", True),
        ("zone in (a,b),none", False),
    ],
)
def test_a_selector_means_what_it_means_to_kubernetes(text: str, met: bool) -> None:
    assert fits(parse_label_selector(text), LABELS) is met


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("zone in a", "'zone in a' is no requirement"),
        ("a=b,,c", "'' is no requirement"),
        ("a=b c", "'a=b c' is no requirement"),
        ("zone in (a b)", "has a value that no label can have"),
        ("-a=b", "'-a=b' is no requirement"),
        ("gpus>many", "compares with what is no whole number"),
    ],
)
def test_what_is_no_selector_is_refused_with_the_part_that_is_not(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        parse_label_selector(text)


def test_expressions_of_an_affinity_become_requirements_and_an_unknown_operator_is_never_met() -> None:
    written = [{"key": "zone", "operator": "In", "values": ["a"]}, {"key": "zone", "operator": "Near"}]
    known, unknown = parse_expressions(written)
    assert known == Requirement("zone", "In", ("a",))
    assert known.is_met(LABELS)
    assert not unknown.is_met(LABELS)


@pytest.mark.parametrize("text", ["a", "A_b.c-d", "example.com/a", "x" * 63, "a" * 63 + "." + "b/c", "9"])
def test_names_of_labels(text: str) -> None:
    assert is_label_key(text)


@pytest.mark.parametrize(
    "text", ["", "-a", "a-", "x" * 64, "/a", "Example.com/a", "a..b/c", "a/b/c", "a b", "a\n", "p" * 254 + "/a"]
)
def test_what_is_no_name_of_a_label(text: str) -> None:
    assert not is_label_key(text)


def test_values_of_labels_may_be_empty_and_have_up_to_63_characters() -> None:
    assert is_label_value("")
    assert is_label_value("x" * 63)
    assert not is_label_value("x" * 64)
    assert not is_label_value("a/b")
