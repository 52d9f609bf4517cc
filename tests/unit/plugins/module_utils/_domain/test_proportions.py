# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import scipy.special
import scipy.stats
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.proportions import (
    beta_share,
    binomial_at_least,
    clopper_pearson,
)
from hypothesis import given, settings
from hypothesis import strategies as st

COUNTS = st.integers(1, 3000).flatmap(lambda tries: st.tuples(st.integers(0, tries), st.just(tries)))


@given(st.floats(0.5, 5000), st.floats(0.5, 5000), st.floats(0, 1))
@settings(deadline=None)
def test_beta_share_agrees_with_scipy(a: float, b: float, x: float) -> None:
    assert beta_share(a, b, x) == pytest.approx(scipy.special.betainc(a, b, x), abs=1e-9)


@given(COUNTS, st.floats(0.001, 0.999))
@settings(deadline=None)
def test_binomial_tail_agrees_with_scipy(count: tuple[int, int], share: float) -> None:
    hits, tries = count
    assert binomial_at_least(hits, tries, share) == pytest.approx(
        scipy.stats.binom.sf(hits - 1, tries, share), abs=1e-9
    )


def test_more_hits_than_tries_never_happen() -> None:
    assert binomial_at_least(3, 2, 0.5) == 0.0


@given(COUNTS, st.sampled_from([0.8, 0.95, 0.99]))
@settings(deadline=None)
def test_clopper_pearson_agrees_with_scipy(count: tuple[int, int], confidence: float) -> None:
    hits, tries = count
    expected = scipy.stats.binomtest(hits, tries).proportion_ci(confidence, "exact")
    assert clopper_pearson(hits, tries, confidence) == pytest.approx((expected.low, expected.high), abs=1e-8)


def test_clopper_pearson_agrees_with_a_published_example() -> None:
    # Newcombe (1998), Two-sided confidence intervals for the single proportion, table I, method 5.
    assert clopper_pearson(81, 263) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert clopper_pearson(15, 148) == pytest.approx((0.0578, 0.1617), abs=5e-5)
    assert clopper_pearson(0, 20) == pytest.approx((0.0, 0.1684), abs=5e-5)


def test_nothing_is_known_of_a_share_without_tries() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


def test_the_ends_of_the_beta_function_are_exact() -> None:
    assert (beta_share(2, 3, 0.0), beta_share(2, 3, 1.0)) == (0.0, 1.0)
