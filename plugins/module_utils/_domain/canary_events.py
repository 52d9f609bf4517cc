# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a canary, and what is to be done then, both as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Union

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_state import (
    CanaryPlan,
    Identity,
    Intent,
    Judged,
    Phase,
)

__all__ = [
    "EVENT_NAMES",
    "Abort",
    "AwaitGate",
    "Done",
    "Effect",
    "Event",
    "Judge",
    "Measure",
    "Promote",
    "Report",
    "Retire",
    "RollBack",
    "Start",
    "Step",
]


@dataclass(frozen=True)
class Start:
    """Begin: what goes into the idle slot, and what runs in the stable one, with its replicas."""

    at: datetime
    canary: Identity
    stable: Identity
    plan: CanaryPlan
    stable_slot: str


@dataclass(frozen=True)
class Done:
    """An intent was carried out and read back. After ``Render``, ``live`` is the template as the cluster holds it."""

    at: datetime
    intent: Intent
    live: Identity | None = None


@dataclass(frozen=True)
class Judge:
    """A verdict; ``live`` is what ran in the canary's slot when it ended, ``is_dead`` that it answered nothing."""

    at: datetime
    verdict: Judged
    live: Identity
    is_dead: bool = False


@dataclass(frozen=True)
class Step:
    """On to the next weight."""

    at: datetime
    live: Identity


@dataclass(frozen=True)
class Promote:
    """Make the canary the stable one."""

    at: datetime
    live: Identity


@dataclass(frozen=True)
class Abort:
    """Give the canary up, for a reason; ``is_dead``: it answers nothing."""

    at: datetime
    reason: str
    is_dead: bool = False


@dataclass(frozen=True)
class Retire:
    """Give up what was stable before the promotion."""

    at: datetime


@dataclass(frozen=True)
class RollBack:
    """Go back to what was stable before the promotion, for a reason."""

    at: datetime
    reason: str
    is_dead: bool = False


Event = Union[Start, Done, Judge, Step, Promote, Abort, Retire, RollBack]


@dataclass(frozen=True)
class AwaitGate:
    """Let the health gate follow a slot to so many replicas; ``revision`` None where it is not the canary's."""

    slot: str
    replicas: int
    revision: str | None = None


@dataclass(frozen=True)
class Measure:
    """Bring a verdict of the canary at this step."""

    slot: str
    step: int
    weight_percent: int


@dataclass(frozen=True)
class Report:
    """Tell how it ended."""

    phase: Phase
    reason: str


Effect = Union[Intent, AwaitGate, Measure, Report]

EVENT_NAMES: Mapping[type, str] = {
    Start: "start",
    Done: "done",
    Judge: "judge",
    Step: "step",
    Promote: "promote",
    Abort: "abort",
    Retire: "retire",
    RollBack: "roll back",
}
