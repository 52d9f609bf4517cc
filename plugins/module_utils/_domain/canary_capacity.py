# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many replicas each slot has while traffic moves from one to the other.

A weight is a whole percent. Of N replicas that carry the whole traffic, n carry 100 n / N percent of it; as weights are
whole, the side that loses traffic may carry up to one percent of the traffic more than that. Two ways:

- ``extra``: the giving slot stays whole until it has no traffic; the taking slot comes on top.
- ``shift``: the taking slot grows as the giving one shrinks, one replica at a time. At no moment are there more than
  N + 1 replicas, and at no moment does a slot have more traffic than its replicas carry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

__all__ = ["CAPACITIES", "Share", "find_floor", "find_need", "next_share", "plan_shares"]

CAPACITIES = ("extra", "shift")


@dataclass(frozen=True)
class Share:
    """Replicas of the slot that gives traffic and of the one that takes it, and the taker's traffic in percent."""

    giving: int
    taking: int
    weight_percent: int

    @property
    def total(self) -> int:
        """Replicas of both."""
        return self.giving + self.taking


def find_need(weight_percent: int, replicas: int) -> int:
    """Return how many of ``replicas`` carry a weight: the fewest with 100 n / N at or above it."""
    return -(-replicas * weight_percent // 100)


def find_floor(weight_percent: int, replicas: int) -> int:
    """Return the fewest replicas that the giving slot keeps for its weight: as above, less than one percent short."""
    return 0 if weight_percent == 0 else replicas * (weight_percent - 1) // 100 + 1


def next_share(now: Share, weight_percent: int, replicas: int, capacity: str, *, gives_way: bool = False) -> Share:
    """Return the next single change on the way to the taker's weight; ``now`` itself where nothing is left to do.

    ``replicas`` is what the release has when it is whole. ``gives_way``: the giving slot answers nothing, so that its
    traffic goes to the first replica that can take it, whatever that one carries.
    """
    need = find_need(weight_percent, replicas)
    if capacity == "extra" and now.taking < need and not (gives_way and now.taking):
        # The plan has found room for all of them, so they may load at the same time.
        return replace(now, taking=need)
    carried = min(100, 100 * now.taking // replicas)
    reachable = weight_percent if gives_way and now.taking else min(weight_percent, carried)
    if reachable > now.weight_percent:
        return replace(now, weight_percent=reachable)
    if capacity == "extra":
        return replace(now, taking=max(now.taking, need))
    if now.giving > find_floor(100 - now.weight_percent, replicas):
        return replace(now, giving=now.giving - 1)
    return replace(now, taking=now.taking + 1) if now.taking < need else now


def plan_shares(now: Share, weight_percent: int, replicas: int, capacity: str) -> Iterator[Share]:
    """Yield every share on the way to a weight, each one change away from the one before."""
    while (following := next_share(now, weight_percent, replicas, capacity)) != now:
        yield following
        now = following
