# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quantiles import (
    quantile,
    quantile_interval,
    samples_needed,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SAMPLES = st.lists(st.floats(0, 1e6), min_size=1, max_size=400).map(sorted)


@given(SAMPLES, st.floats(0, 1))
@settings(deadline=None)
def test_quantile_agrees_with_numpy(ordered: list[float], share: float) -> None:
    assert quantile(ordered, share) == pytest.approx(np.quantile(ordered, share), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("share", "samples"), [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995)])
def test_samples_needed_are_those_of_the_published_table(share: float, samples: int) -> None:
    # One-sided tolerance limits, confidence 95 %: Conover, Practical Nonparametric Statistics, table A6.
    assert samples_needed(share) == samples


@given(SAMPLES, st.sampled_from([0.5, 0.9, 0.95]))
@settings(deadline=None)
def test_quantile_interval_agrees_with_scipy(ordered: list[float], share: float) -> None:
    expected = scipy.stats.quantile_test(ordered, q=0.0, p=share).confidence_interval(0.95)
    bounds = [None if np.isnan(each) else each for each in (expected.low, expected.high)]
    assert list(quantile_interval(ordered, share)) == bounds


def test_an_end_that_too_few_samples_bound_is_none() -> None:
    assert quantile_interval(list(range(1, 21)), 0.95) == (17, None)
    assert quantile_interval([1.0], 0.5) == (None, None)
