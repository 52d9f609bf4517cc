# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements on labels: Kubernetes' text of selectors, node selectors and affinities.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.label_rules import is_label_key, is_label_value

__all__ = ["Requirement", "fits", "parse_expressions", "parse_label_selector"]

_ONE_OF = re.compile(r"(?P<key>\S+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)")
_COMPARED = re.compile(r"(?P<key>[^\s=!<>]+)\s*(?P<operator>==|=|!=|>|<)\s*(?P<value>[^\s=!<>]*)")
_COMMA_OUTSIDE_OF_PARENTHESES = re.compile(r",(?![^()]*\))")
_OPERATORS = {"in": "In", "notin": "NotIn", "=": "In", "==": "In", "!=": "NotIn", ">": "Gt", "<": "Lt"}


@dataclass(frozen=True)
class Requirement:
    """One requirement; ``operator`` as in node affinities: In, NotIn, Exists, DoesNotExist, Gt, Lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.operator == "In" and len(self.values) == 1:
            return f"{self.key}={self.values[0]}"
        if self.operator in ("Exists", "DoesNotExist"):
            return self.key if self.operator == "Exists" else f"no {self.key}"
        return f"{self.key} {self.operator} {', '.join(self.values)}"

    def is_met(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it; an operator that is not known is never met."""
        value = labels.get(self.key)
        if self.operator == "NotIn":
            return value not in self.values
        if self.operator == "DoesNotExist":
            return value is None
        if value is None:
            return False
        return self.operator == "Exists" or (self.operator == "In" and value in self.values) or self._compares(value)

    def _compares(self, value: str) -> bool:
        if self.operator not in ("Gt", "Lt"):
            return False
        try:
            number, limit = int(value), int(self.values[0])
        except ValueError:
            return False
        return number > limit if self.operator == "Gt" else number < limit


def fits(requirements: Sequence[Requirement], labels: Mapping[str, str]) -> bool:
    """Whether labels meet all of the requirements."""
    return all(each.is_met(labels) for each in requirements)


def _parse_one(text: str) -> Requirement:
    if found := _ONE_OF.fullmatch(text):
        values = tuple(value.strip() for value in found["values"].split(","))
        return Requirement(found["key"], _OPERATORS[found["operator"]], values)
    if found := _COMPARED.fullmatch(text):
        return Requirement(found["key"], _OPERATORS[found["operator"]], (found["value"],))
    if text.startswith("!"):
        return Requirement(text[1:].strip(), "DoesNotExist")
    return Requirement(text, "Exists")


def parse_label_selector(text: str) -> tuple[Requirement, ...]:
    """Return the requirements of a selector such as ``a=b,c in (d,e),!f``; ValueError that names the part it is in."""
    requirements = []
    for part in _COMMA_OUTSIDE_OF_PARENTHESES.split(text):
        requirement = _parse_one(part.strip())
        if not is_label_key(requirement.key):
            raise ValueError(f"{part.strip()!r} is no requirement")
        if not all(is_label_value(value) for value in requirement.values):
            raise ValueError(f"{part.strip()!r} has a value that no label can have")
        if requirement.operator in ("Gt", "Lt") and not requirement.values[0].isdigit():
            raise ValueError(f"{part.strip()!r} compares with what is no whole number")
        requirements.append(requirement)
    return tuple(requirements)


def parse_expressions(expressions: Sequence[Mapping[str, Any]] | None) -> tuple[Requirement, ...]:
    """Return the requirements of ``matchExpressions`` as the API writes them."""
    return tuple(
        Requirement(str(each.get("key")), str(each.get("operator")), tuple(map(str, each.get("values") or ())))
        for each in expressions or ()
    )
