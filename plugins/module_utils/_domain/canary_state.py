# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a canary: the state that is kept in the cluster, and what may be intended with it.

Everything is absolute (replicas and weights, never differences) so that an intent which is carried out twice has the
effect of once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Union

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result

__all__ = [
    "CanaryPlan",
    "CanaryState",
    "Flip",
    "Freeze",
    "Identity",
    "Intent",
    "Judged",
    "Phase",
    "Render",
    "Replicas",
    "Scale",
    "SetWeights",
    "Weights",
    "other_slot",
]


class Phase(str, Enum):
    """Where a canary is; those that end in -ing work through intents, the others wait for a decision."""

    IDLE = "idle"  # no canary
    STARTING = "starting"  # its first pods come, without traffic
    STEPPING = "stepping"  # capacity and traffic go to the step's weight
    MEASURING = "measuring"  # it has the step's weight, and waits for a verdict that counts
    PASSED = "passed"  # the verdict of this step is a pass: on to the next one, or to promotion
    PROMOTING = "promoting"  # all traffic goes to it, then it becomes the stable slot
    PROMOTED = "promoted"  # it is the stable slot; the old one is kept as it is
    RETIRING = "retiring"  # the old slot is scaled to nothing
    ABORTING = "aborting"  # the traffic goes back, then the canary is scaled to nothing
    ABORTED = "aborted"  # no traffic, no replicas; its objects stay for the autopsy
    REVERTING = "reverting"  # after a promotion: all traffic goes back to the old slot, which is stable again


def other_slot(slot: str) -> str:
    """Return the other one of the two slots."""
    return labels.SLOTS[1 - labels.SLOTS.index(slot)]


@dataclass(frozen=True)
class Weights:
    """Traffic of both slots in whole percent; ValueError where they do not make 100."""

    blue: int = 100
    green: int = 0

    def __post_init__(self) -> None:
        if self.blue + self.green != 100 or not 0 <= self.blue <= 100:
            raise ValueError(f"weights of blue ({self.blue}) and green ({self.green}) do not make 100 percent")

    def of(self, slot: str) -> int:
        """Return a slot's weight."""
        return self.blue if slot == "blue" else self.green

    @staticmethod
    def giving(slot: str, percent: int) -> Weights:
        """Return weights with so much for a slot and the rest for the other one."""
        return Weights(percent, 100 - percent) if slot == "blue" else Weights(100 - percent, percent)


@dataclass(frozen=True)
class Replicas:
    """Wanted replicas of both slots."""

    blue: int = 0
    green: int = 0

    def of(self, slot: str) -> int:
        """Return a slot's replicas."""
        return self.blue if slot == "blue" else self.green

    def having(self, slot: str, count: int) -> Replicas:
        """Return the same with another number for one slot."""
        return Replicas(count, self.green) if slot == "blue" else Replicas(self.blue, count)


@dataclass(frozen=True)
class Identity:
    """What exactly runs in a slot: the revision, and a digest of the pod template as the cluster holds it.

    The revision is a label, which survives an edit by hand; the digest does not.
    """

    revision: str
    template: str


@dataclass(frozen=True)
class Judged:
    """A verdict of a step: of which canary, over which time, and a digest of its evidence."""

    result: Result
    canary: Identity
    step: int
    started_at: datetime
    finished_at: datetime
    evidence: str = ""


@dataclass(frozen=True)
class CanaryPlan:
    """How a canary goes: ``steps`` are rising weights in percent, ``replicas`` those of the whole release.

    ``soak_seconds``: how long a step has its weight before a verdict counts; ``verdict_seconds_max``: how old a verdict
    may be when something is done upon it.
    """

    steps: tuple[int, ...]
    replicas: int
    capacity: str = "extra"
    soak_seconds: int = 0
    verdict_seconds_max: int = 3600


@dataclass(frozen=True)
class Freeze:
    """Keep autoscaling away from both slots, or give it back."""

    frozen: bool


@dataclass(frozen=True)
class Render:
    """Write the canary's objects into its slot, with so many replicas, and wait for its gate."""

    slot: str
    canary: Identity
    replicas: int


@dataclass(frozen=True)
class Scale:
    """Set a slot's replicas; where it grows, wait for the gate of its pods."""

    slot: str
    replicas: int


@dataclass(frozen=True)
class SetWeights:
    """Set the traffic of both slots by one write, and read it back."""

    weights: Weights


@dataclass(frozen=True)
class Flip:
    """Let the clients' Service, the disruption budget and the release's state name this slot as the stable one."""

    slot: str


Intent = Union[Freeze, Render, Scale, SetWeights, Flip]


@dataclass(frozen=True)
class CanaryState:
    """The whole state; ``weights`` and ``replicas`` are what was confirmed, ``pending`` what may be under way.

    ``step`` is the index of the current step. ``since`` is when the phase was entered. ``is_dead``: the canary answers
    nothing, so its traffic is not worth keeping. ``reason`` says why it was aborted or reverted.
    """

    phase: Phase = Phase.IDLE
    stable_slot: str = labels.SLOTS[0]
    weights: Weights = field(default_factory=Weights)
    replicas: Replicas = field(default_factory=Replicas)
    plan: CanaryPlan = CanaryPlan((), 0)
    canary: Identity | None = None
    step: int = 0
    since: datetime | None = None
    verdict: Judged | None = None
    pending: Intent | None = None
    is_frozen: bool = False
    is_dead: bool = False
    reason: str = ""

    @property
    def idle_slot(self) -> str:
        """The slot that is not the stable one: the canary's, and after a promotion the old one's."""
        return other_slot(self.stable_slot)
