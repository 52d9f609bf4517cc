# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user wrote about a canary's way: its steps, its capacity, its times."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_capacity import CAPACITIES
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_state import CanaryPlan
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields

__all__ = ["STEPS_DEFAULT", "find_step_problem", "parse_canary_plan"]

# Few users first; from half on, a fault is seen by most of them anyway, so the rest goes at once.
STEPS_DEFAULT = (5, 25, 50, 100)
_DAY_SECONDS = 24 * 60 * 60


def find_step_problem(steps: Sequence[int]) -> str | None:
    """Return why these are no steps of a canary, None where they are."""
    if not steps:
        return "there is none"
    outside = [each for each in steps if not 1 <= each <= 100]
    if outside:
        return f"{outside[0]} is not within 1 and 100 percent"
    falling = [(one, other) for one, other in zip(steps, steps[1:]) if other <= one]
    return f"{falling[0][1]} does not rise above {falling[0][0]} before it" if falling else None


def parse_canary_plan(fields: Fields, replicas: int) -> CanaryPlan:
    """Return the plan of the section ``canary`` of a release with so many replicas.

    Problems are recorded in ``fields``, whose other keys are for the judges to read.
    """
    return CanaryPlan(
        steps=_steps(fields),
        replicas=replicas,
        capacity=fields.text("capacity", "extra", choices=CAPACITIES),
        soak_seconds=fields.integer("soak_seconds", 0, minimum=0, maximum=_DAY_SECONDS, unit="seconds"),
        verdict_seconds_max=fields.integer(
            "verdict_seconds_max", 3600, minimum=60, maximum=_DAY_SECONDS, unit="seconds"
        ),
    )


def _steps(fields: Fields) -> tuple[int, ...]:
    written = fields.items("steps")
    if not written:
        if fields.raw("steps") == []:
            fields.problem("steps", "there is none", [], "rising whole numbers within 1 and 100 percent")
        return STEPS_DEFAULT
    steps = {str(index): each for index, each in enumerate(written)}
    read, before = Fields(steps, f"{fields.path}.steps", fields.problems), len(fields.problems)
    numbers = tuple(read.integer(key, 0, minimum=1, maximum=100, unit="percent") for key in steps)
    if len(fields.problems) == before and (problem := find_step_problem(numbers)):
        fields.problem("steps", problem, list(numbers), "rising whole numbers within 1 and 100 percent")
    return numbers
