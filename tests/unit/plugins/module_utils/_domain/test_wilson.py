# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounds of a share, held against the definition that they are solved from and against known values."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.proportions import (
    tries_needed,
    wilson_bounds,
)
from hypothesis import given
from hypothesis import strategies as st

CONFIDENCE = st.floats(0.6, 0.999)


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    samples = draw(st.integers(1, 5000))
    return draw(st.integers(0, samples)), samples


@given(counts(), CONFIDENCE)
def test_at_each_bound_the_score_test_just_holds(count: tuple[int, int], confidence: float) -> None:
    successes, samples = count
    z = NormalDist().inv_cdf(confidence)
    for bound in wilson_bounds(successes, samples, confidence):
        deviation = abs(successes / samples - bound)
        assert deviation == pytest.approx(z * math.sqrt(bound * (1 - bound) / samples), abs=1e-7)


@given(counts(), CONFIDENCE)
def test_the_bounds_hold_the_seen_share_and_narrow_with_more_samples(count: tuple[int, int], confidence: float) -> None:
    successes, samples = count
    low, high = wilson_bounds(successes, samples, confidence)
    assert 0 <= low <= successes / samples + 1e-12
    assert successes / samples - 1e-12 <= high <= 1
    more_low, more_high = wilson_bounds(successes * 4, samples * 4, confidence)
    assert more_high - more_low < high - low


def test_known_values() -> None:
    # Two-sided 95 % is one-sided 97.5 %; values of scipy.stats.binomtest(...).proportion_ci(0.95, "wilson").
    assert wilson_bounds(8, 10, 0.975) == pytest.approx((0.490162, 0.943317), abs=1e-5)
    assert wilson_bounds(0, 10, 0.975) == pytest.approx((0.0, 0.277533), abs=1e-5)


def test_no_samples_say_nothing() -> None:
    assert wilson_bounds(0, 0, 0.95) == (0.0, 1.0)


@given(st.floats(0.05, 0.95), st.floats(0.01, 1), CONFIDENCE)
def test_so_many_samples_are_enough_and_one_less_is_not(minimum: float, excess: float, confidence: float) -> None:
    share = minimum + excess * (1 - minimum)
    needed = tries_needed(share, minimum, confidence)
    assert needed is not None
    z = NormalDist().inv_cdf(confidence)

    def excess_over_bound(samples: int) -> float:
        return share - minimum - z * math.sqrt(minimum * (1 - minimum) / samples)

    # Apart from the last digits of the sums.
    assert excess_over_bound(needed) > -1e-12
    assert needed == 1 or excess_over_bound(needed - 1) < 1e-12


def test_twenty_five_right_answers_of_twenty_five_show_nine_tenths() -> None:
    assert tries_needed(1.0, 0.9, 0.95) == 25
    assert wilson_bounds(25, 25, 0.95)[0] >= 0.9 > wilson_bounds(24, 24, 0.95)[0]


@pytest.mark.parametrize(("share", "minimum"), [(0.8, 0.9), (0.9, 0.9), (1.0, 1.0)])
def test_no_number_of_samples_shows_more_than_is_there(share: float, minimum: float) -> None:
    assert tries_needed(share, minimum, 0.95) is None
