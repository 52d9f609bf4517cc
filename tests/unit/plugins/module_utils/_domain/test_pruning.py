# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields that a CustomResourceDefinition does not know."""

from __future__ import annotations

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pruning import find_pruned, find_schema

SCHEMA = {
    "properties": {
        "name": {"type": "string"},
        "open": {"x-kubernetes-preserve-unknown-fields": True},
        "map": {"additionalProperties": {"properties": {"a": {}}}},
        "any": {"additionalProperties": True},
        "list": {"items": {"properties": {"a": {}}}},
        "untyped": {},
    }
}


@pytest.mark.parametrize(
    ("value", "dropped"),
    [
        ({"name": "x"}, []),
        ({"nam": "x", "name": {}}, ["spec.nam"]),
        ({"open": {"whatever": 1}}, []),
        ({"map": {"one": {"a": 1, "b": 2}}}, ["spec.map.one.b"]),
        ({"any": {"one": {"b": 2}}}, []),
        ({"list": [{"a": 1}, {"b": 2}]}, ["spec.list[1].b"]),
        ({"untyped": [{"b": 2}]}, []),
        ({"untyped": {"b": 2}}, ["spec.untyped.b"]),
    ],
)
def test_fields_that_would_be_dropped_are_named_with_their_path(value, dropped):
    assert find_pruned(value, SCHEMA, "spec") == dropped
    assert find_pruned(value, SCHEMA) == [each[len("spec.") :] for each in dropped]


def test_only_a_version_that_is_served_has_a_schema():
    versions = [{"name": "v1", "served": True, "schema": {"openAPIV3Schema": SCHEMA}}, {"name": "v2", "served": False}]
    assert find_schema({"spec": {"versions": versions}}, "v1") == SCHEMA
    assert find_schema({"spec": {"versions": versions}}, "v2") is None
    assert find_schema({}, "v1") is None
    assert find_schema({"spec": {"versions": [{"name": "v1", "served": True}]}}, "v1") == {}
