# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quotas of a namespace: how many pods of a kind they leave room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Amounts
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import parse_quantity

__all__ = ["Quota", "Scope", "parse_quota", "usage"]

_POD_KEYS = ("pods", "count/pods")
_PLAIN = ("cpu", "memory", "ephemeral-storage")


@dataclass(frozen=True)
class Scope:
    """Which pods a quota counts: scope, operator and values as Kubernetes has them."""

    name: str
    operator: str = "Exists"
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quota:
    """A ResourceQuota: its limits and what is used, in the units of ``cluster_state`` (cpu in millicores)."""

    namespace: str
    name: str
    hard: Amounts = field(default_factory=dict)
    used: Amounts = field(default_factory=dict)
    scopes: tuple[Scope, ...] = ()

    def counts(self, priority_class: str | None) -> bool:
        """Whether pods of a model server count: they ask for something and have no deadline of their own."""
        for scope in self.scopes:
            if scope.name in ("Terminating", "BestEffort", "CrossNamespacePodAffinity"):
                return False
            if scope.name == "PriorityClass" and not _has_class(scope, priority_class):
                return False
        return True


def _has_class(scope: Scope, priority_class: str | None) -> bool:
    if scope.operator == "DoesNotExist":
        return priority_class is None
    if scope.operator == "NotIn":
        return priority_class not in scope.values
    return priority_class is not None and (scope.operator == "Exists" or priority_class in scope.values)


def _amounts(quantities: Mapping[str, Any] | None, rounding: str) -> dict[str, int]:
    found = {}
    for name, quantity in (quantities or {}).items():
        scale = Decimal(1000) if name.rpartition(".")[2] == "cpu" else Decimal(1)
        found[name] = int((parse_quantity(str(quantity)) * scale).to_integral_value(rounding))
    return found


def parse_quota(item: Mapping[str, Any]) -> Quota:
    """Return a quota from the API's object; what is in force is its status."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    selected = (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    return Quota(
        namespace=item["metadata"]["namespace"],
        name=item["metadata"]["name"],
        hard=_amounts(status.get("hard") or spec.get("hard"), ROUND_FLOOR),
        used=_amounts(status.get("used"), ROUND_CEILING),
        scopes=(
            *(Scope(str(name)) for name in spec.get("scopes") or ()),
            *(Scope(each["scopeName"], each["operator"], tuple(each.get("values") or ())) for each in selected),
        ),
    )


def usage(keys: Sequence[str], requests: Amounts, limits: Amounts) -> dict[str, int]:
    """Return what one pod takes of each of a quota's keys, without those that count no pods."""
    found = {}
    for key in keys:
        kind, _dot, resource = key.partition(".")
        if key in _POD_KEYS:
            found[key] = 1
        elif kind == "requests" and resource:
            found[key] = requests.get(resource, 0)
        elif kind == "limits" and resource:
            found[key] = limits.get(resource, 0)
        elif key in _PLAIN:
            found[key] = requests.get(key, 0)
    return {key: amount for key, amount in found.items() if amount > 0}
