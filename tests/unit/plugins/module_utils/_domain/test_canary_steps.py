# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_state import CanaryPlan
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_steps import (
    STEPS_DEFAULT,
    find_step_problem,
    parse_canary_plan,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import Problem


def parse(**written: Any) -> tuple[CanaryPlan, list[str]]:
    problems: list[Problem] = []
    plan = parse_canary_plan(Fields(written, "model_servers[chat].canary", problems), 3)
    return plan, [each.render() for each in problems]


def test_an_empty_section_is_a_plan_with_usual_steps() -> None:
    assert parse() == (CanaryPlan(STEPS_DEFAULT, 3), [])


def test_everything_can_be_said_and_numbers_may_come_as_text() -> None:
    plan, problems = parse(steps=["10", 100], capacity="shift", soak_seconds=300, verdict_seconds_max=600)
    assert problems == []
    assert plan == CanaryPlan((10, 100), 3, "shift", 300, 600)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([10, 10], "model_servers[chat].canary.steps: 10 does not rise above 10 before it (got [10, 10])"),
        ([50, 25], "25 does not rise above 50 before it"),
        ([0, 50], "model_servers[chat].canary.steps.0: is out of range (got 0); allowed: 1 to 100 percent"),
        ([50, 101], "steps.1: is out of range (got 101)"),
        (["half"], "steps.0: expected a whole number (got 'half')"),
        ([], "there is none"),
        ("50", "expected a list"),
    ],
)
def test_steps_that_do_not_rise_within_a_hundred_percent_are_refused(steps: Any, words: str) -> None:
    problems = parse(steps=steps)[1]
    assert len([each for each in problems if words in each]) == 1, problems


def test_an_unknown_capacity_is_refused_with_the_choices() -> None:
    assert parse(capacity="shif")[1] == [
        "model_servers[chat].canary.capacity: no such choice (got 'shif'); allowed: extra, shift. Did you mean shift?"
    ]


def test_what_cannot_be_written_in_a_section_can_still_not_be_started() -> None:
    assert find_step_problem(()) == "there is none"
    assert find_step_problem((0, 5)) == "0 is not within 1 and 100 percent"
    assert find_step_problem((5, 101)) == "101 is not within 1 and 100 percent"
