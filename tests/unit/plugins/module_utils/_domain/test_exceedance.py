# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import scipy.stats
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.exceedance import (
    compare_exceedances,
    hypergeometric_at_least,
)
from hypothesis import given, settings
from hypothesis import strategies as st


@st.composite
def draws(draw: st.DrawFn) -> tuple[int, int, int, int]:
    total = draw(st.integers(1, 2000))
    return draw(st.integers(0, total)), draw(st.integers(0, total)), draw(st.integers(0, total)), total


@given(draws())
@settings(deadline=None)
def test_hypergeometric_tail_agrees_with_scipy(numbers: tuple[int, int, int, int]) -> None:
    hits, marked, drawn, total = numbers
    expected = scipy.stats.hypergeom.sf(hits - 1, total, marked, drawn)
    assert hypergeometric_at_least(hits, marked, drawn, total) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    ("per_arm", "above", "rejected_from", "size"),
    [(600, 60, 40, 0.0056), (1000, 100, 62, 0.0089), (2000, 200, 117, 0.0082), (6000, 600, 329, 0.0084)],
)
def test_exact_sizes_at_one_percent_are_those_that_were_published(
    per_arm: int, above: int, rejected_from: int, size: float
) -> None:
    assert hypergeometric_at_least(rejected_from, above, per_arm, 2 * per_arm) == pytest.approx(size, abs=5e-5)
    assert hypergeometric_at_least(rejected_from - 1, above, per_arm, 2 * per_arm) > 0.01


def test_exceedances_are_counted_in_both_arms_of_any_size() -> None:
    found = compare_exceedances([1.0] * 90, [1.0] * 5 + [2.0] * 5, 0.95)
    assert (found.threshold, found.above, found.above_in_candidate) == (1.0, 5, 5)
    assert found.p_value == pytest.approx(scipy.stats.hypergeom.sf(4, 100, 5, 10))


def test_equal_samples_are_none_above_the_threshold() -> None:
    found = compare_exceedances([1.0] * 50, [1.0] * 50, 0.95)
    assert (found.above, found.p_value) == (0, 1.0)
