# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.looks import (
    HISTORY_LOOKS,
    LOOK_FIRST,
    LOOK_FREE,
    nominal_error,
    plan_looks,
)
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(40, 1_000_000), st.floats(0.0001, 0.03), st.floats(0, 1e8))
def test_looks_spend_exactly_the_error_and_each_of_them_some(requests: int, error: float, history: float) -> None:
    looks = plan_looks(requests, error, history)
    assert math.fsum(look.error for look in looks) == pytest.approx(error, rel=1e-12)
    assert all(look.error > 0 for look in looks)
    assert max(looks, key=lambda look: look.error) is looks[-1] or len(looks) > 10


@given(st.integers(40, 1_000_000), st.floats(0, 1e8))
def test_looks_come_later_and_later_and_the_last_at_the_end(requests: int, history: float) -> None:
    counts = [look.requests for look in plan_looks(requests, 0.02, history)]
    assert counts == sorted(set(counts))
    assert counts[-1] == requests
    assert not plan_looks(requests, 0.02, history)[-1].needs_history


@given(st.integers(40, 1_000_000), st.floats(0, 1e8))
def test_an_early_look_has_a_history_of_forty_times_its_length(requests: int, history: float) -> None:
    for look in plan_looks(requests, 0.02, history)[:-1]:
        assert look.needs_history == (look.requests < LOOK_FREE)
        assert not look.needs_history or history >= HISTORY_LOOKS * look.requests


def test_without_a_history_the_first_look_is_late() -> None:
    assert [look.requests for look in plan_looks(600, 0.02)] == [600]
    assert [look.requests for look in plan_looks(2000, 0.02)] == [960, 2000]
    assert [look.requests for look in plan_looks(600, 0.02, HISTORY_LOOKS * LOOK_FIRST)] == [LOOK_FIRST, 600]


def test_more_pairs_may_spend_more_error_as_the_margin_protects_them() -> None:
    assert [nominal_error(pairs) for pairs in (40, 599, 600, 999, 1000)] == [0.015, 0.015, 0.022, 0.022, 0.03]
