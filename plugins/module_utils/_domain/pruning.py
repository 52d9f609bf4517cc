# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which fields of an object a CustomResourceDefinition does not know; the API server drops them without a word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["find_pruned", "find_schema"]


def find_schema(definition: Mapping[str, Any], version: str) -> Mapping[str, Any] | None:
    """Return the schema of a version of a CustomResourceDefinition; None where it is not served."""
    for each in (definition.get("spec") or {}).get("versions") or ():
        if each.get("name") == version and each.get("served"):
            schema: Mapping[str, Any] = (each.get("schema") or {}).get("openAPIV3Schema") or {}
            return schema
    return None


def find_pruned(value: Any, schema: Mapping[str, Any], path: str = "") -> list[str]:
    """Return the paths of fields that would be dropped.

    See https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-pruning
    """
    if isinstance(value, list):
        items = schema.get("items")
        if not isinstance(items, Mapping):
            return []
        return [each for n, one in enumerate(value) for each in find_pruned(one, items, f"{path}[{n}]")]
    if not isinstance(value, Mapping) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return []
    further = schema.get("additionalProperties")
    properties = schema.get("properties") or {}
    pruned = []
    for key, one in value.items():
        here = f"{path}.{key}" if path else str(key)
        if key in properties:
            pruned += find_pruned(one, properties[key], here)
        elif isinstance(further, Mapping):
            pruned += find_pruned(one, further, here)
        elif not further:
            pruned.append(here)
    return pruned
