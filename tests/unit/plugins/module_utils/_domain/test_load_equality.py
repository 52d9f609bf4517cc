# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.load_equality import (
    compare_measured_load,
    compare_planned_load,
    equal_weight_percent,
)
from hypothesis import given
from hypothesis import strategies as st

REPLICAS = st.integers(1, 100)


@given(REPLICAS, REPLICAS)
def test_latency_is_judged_at_the_weight_that_is_the_canarys_share_of_the_replicas(stable: int, canary: int) -> None:
    weight = equal_weight_percent(stable, canary)
    assert weight is not None
    load = compare_planned_load(stable, canary, weight, 0.0)
    assert load.is_equal
    assert load.ratio == pytest.approx(1)


@given(REPLICAS, REPLICAS, st.floats(0, 99), st.floats(0, 0.5))
def test_latency_is_judged_exactly_within_the_tolerance(stable: int, canary: int, weight: float, drift: float) -> None:
    load = compare_planned_load(stable, canary, weight, drift)
    assert load.ratio is not None
    assert load.is_equal == (abs(load.ratio - 1) <= drift + 1e-9)


def test_a_light_step_says_at_which_weight_latency_is_judged() -> None:
    load = compare_planned_load(3, 1, 5)
    assert not load.is_equal
    assert load.reason == (
        "latency is not judged: 5 % of the requests to 1 of 4 replicas: 0.158 times the load of a stable replica,"
        " 10 % apart are allowed (load_drift_ratio_max); it is judged at 25 %, or under benchmark load of that share"
    )
    assert compare_planned_load(3, 1, 25).reason.startswith("latency is judged: 25 % of the requests to 1 of 4")


@pytest.mark.parametrize(
    ("stable", "canary", "weight", "expected"),
    [
        (0, 1, 50.0, "0 ready replicas of stable, 1 of canary"),
        (1, 0, 50.0, "1 ready replicas of stable, 0 of canary"),
        (1, 1, 100.0, "leaves the stable slot none to compare with"),
        (1, 1, float("nan"), "a weight of nan % is none"),
        (1, 1, 101.0, "a weight of 101 % is none"),
        (1, 1, -1.0, "a weight of -1 % is none"),
    ],
)
def test_what_cannot_be_equal_is_not_judged(stable: int, canary: int, weight: float, expected: str) -> None:
    load = compare_planned_load(stable, canary, weight)
    assert not load.is_equal
    assert expected in load.reason


def test_measured_load_of_both_slots_must_be_known_above_zero_and_alike() -> None:
    assert compare_measured_load(100, 92).is_equal
    assert "canary had 80 requests in flight, stable 100: 0.8 times" in (
        compare_measured_load(100, 80, what="requests in flight").reason
    )
    for stable, canary in ((None, 1.0), (1.0, None), (float("nan"), 1.0), (1.0, float("inf")), (1.0, -1.0)):
        assert "is not known" in compare_measured_load(stable, canary).reason
    for stable, canary in ((0.0, 5.0), (5.0, 0.0), (0.0, 0.0)):
        assert "an idle slot is fast" in compare_measured_load(stable, canary).reason
        assert not compare_measured_load(stable, canary).is_equal
