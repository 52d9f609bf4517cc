# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from random import Random

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_data import parse_canary, render_canary
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_events import Abort, Promote, RollBack
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_state import CanaryState

from tests.unit.plugins.module_utils._domain.canaries import LIVE, at, course, passed_everything, start
from tests.unit.plugins.module_utils._domain.test_canary_courses import HAPPENINGS, Course


def test_a_state_at_any_point_comes_back_as_it_was_written() -> None:
    promoted, _moves = course(passed_everything(), Promote(at(60), LIVE))
    aborted, _moves = course(start()[0], Abort(at(60), "ümläut"))
    back, _moves = course(promoted, RollBack(at(70), "slow"))
    for state in (CanaryState(), start()[0], promoted, aborted, back):
        assert parse_canary(render_canary(state)) == state
    intents = set()
    for seed in range(60):
        dice = Random(seed)
        random = Course(3, "shift", dice)
        for happening in dice.choices(HAPPENINGS, k=15):
            happening(random)
            intents.add(type(random.state.pending).__name__)
            assert parse_canary(render_canary(random.state)) == random.state
    assert intents >= {"Freeze", "Render", "Scale", "SetWeights", "Flip", "NoneType"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"phase": "flying"}, "'flying' is not a valid Phase"),
        ({"weights": {"blue": 60, "green": 60}}, "do not make 100 percent"),
        ({"weights": 5}, "is no state of a canary"),
        ({"pending": {"intent": "Fly"}}, "KeyError 'Fly'"),
    ],
)
def test_a_state_that_somebody_has_changed_is_refused(change: dict[str, object], words: str) -> None:
    data = {**json.loads(render_canary(start()[0])), **change}
    with pytest.raises(ValueError, match=words):
        parse_canary(json.dumps(data))


@pytest.mark.parametrize("text", ["", "[]", "{}", "7"])
def test_what_is_no_state_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_canary(text)
