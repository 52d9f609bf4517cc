# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sharing traffic without a router: one plain Service over the pods of both slots, so that replicas are the weights.

The share of a slot is its ready pods of all, so it goes in steps of one pod. The sum of the replicas stays. A Service
shares connections, not requests: clients that keep theirs stay with a pod.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import (
    INSTANCE,
    SLOTS,
    slot_selector,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["ReplicaPlan", "find_selected", "plan_replicas", "reachable_percents", "replica_shares"]

_WHOLE = 100


@dataclass(frozen=True)
class ReplicaPlan:
    """Replicas by slot now and as wanted, and the selector of the clients' Service, None where it is right.

    A slot grows and is ready before the other one shrinks, and before a selector leaves out a slot.
    """

    before: Mapping[str, int]
    wanted: Mapping[str, int]
    selector: Mapping[str, str] | None

    @property
    def growing(self) -> tuple[str, ...]:
        """Return the slots that get more replicas."""
        return tuple(slot for slot in SLOTS if self.wanted[slot] > self.before[slot])

    @property
    def shrinking(self) -> tuple[str, ...]:
        """Return the slots that get fewer."""
        return tuple(slot for slot in SLOTS if self.wanted[slot] < self.before[slot])

    @property
    def is_done(self) -> bool:
        """Whether nothing is to be done."""
        return self.selector is None and not self.growing and not self.shrinking


def reachable_percents(replicas: int) -> tuple[int, ...]:
    """Return the percentages that so many replicas can give to a slot, rounded to whole ones."""
    return tuple(round(_WHOLE * part / replicas) for part in range(replicas + 1)) if replicas else ()


def replica_shares(replicas: Mapping[str, int]) -> dict[str, float]:
    """Return the percentage of each slot; 0 for both where there are no replicas."""
    total = sum(replicas.values())
    return {slot: round(_WHOLE * count / total, 2) if total else 0.0 for slot, count in replicas.items()}


def find_selected(service: Mapping[str, Any], release: str) -> tuple[str, ...] | None:
    """Return the slots whose pods a Service selects, or None where it selects others than a release's."""
    selector = (service.get("spec") or {}).get("selector") or {}
    if selector == {INSTANCE: release}:
        return SLOTS
    return next(((slot,) for slot in SLOTS if selector == slot_selector(release, slot)), None)


def plan_replicas(
    release: str,
    service: Mapping[str, Any],
    replicas: Mapping[str, int],
    weights: Mapping[str, int],
    wanted_sum: int | None = None,
) -> ReplicaPlan:
    """Return the way to the wanted percentages; InputError names those that can be reached.

    ``replicas`` are those that the Deployments ask for now, 0 for one that is not there; ``wanted_sum`` is what both
    are to have together, by default what they have.
    """
    total = sum(replicas.values()) if wanted_sum is None else wanted_sum
    parts = [part for part in range(total + 1) if total and round(_WHOLE * part / total) == weights[SLOTS[0]]]
    if not parts:
        able = reachable_percents(total)
        needed = next(n for n in range(1, _WHOLE + 1) if weights[SLOTS[0]] in reachable_percents(n))
        raise InputError(
            [
                Problem(
                    "weights",
                    f"cannot be reached by {total} replicas behind one Service",
                    " and ".join(f"{slot} {percent}" for slot, percent in weights.items()),
                    f"for {SLOTS[0]} {', '.join(map(str, able))}" if able else "none without replicas",
                    f"{needed} replicas could, and a router can at any number",
                )
            ]
        )
    wanted = {SLOTS[0]: parts[0], SLOTS[1]: total - parts[0]}
    alone = [slot for slot in SLOTS if weights[slot] == _WHOLE]
    selector = slot_selector(release, alone[0]) if alone else {INSTANCE: release}
    is_right = (service.get("spec") or {}).get("selector") == selector
    return ReplicaPlan(dict(replicas), wanted, None if is_right else selector)
