# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import scipy.stats
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.sign_flip import (
    BLOCKS_MAX,
    count_differences,
    sign_flip_p_value,
)
from hypothesis import given, settings
from hypothesis import strategies as st

ROWS = st.integers(1, 9).flatmap(
    lambda blocks: st.lists(st.lists(st.integers(-6, 6), min_size=blocks, max_size=blocks), min_size=1, max_size=4)
)


def by_enumeration(rows: list[list[int]]) -> float:
    """Return the p-value by looking at every pattern, in floating point."""
    scales = [sum(d * d for d in row) ** 0.5 or 1.0 for row in rows]
    observed = max(sum(row) / scale for row, scale in zip(rows, scales))
    patterns = list(product((1, -1), repeat=len(rows[0])))
    reaching = sum(
        max(sum(s * d for s, d in zip(signs, row)) / scale for row, scale in zip(rows, scales)) >= observed - 1e-9
        for signs in patterns
    )
    return reaching / len(patterns) if observed > 0 else 1.0


@given(ROWS)
@settings(deadline=None)
def test_p_value_is_that_of_all_patterns(rows: list[list[int]]) -> None:
    assert sign_flip_p_value(rows) == by_enumeration(rows)


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=12).filter(lambda row: sum(row) > 0))
@settings(deadline=None)
def test_p_value_of_one_row_agrees_with_scipys_permutation_test(row: list[int]) -> None:
    test = scipy.stats.permutation_test(
        (np.array(row),),
        lambda values, axis: values.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        alternative="greater",
    )
    assert sign_flip_p_value([row]) == pytest.approx(test.pvalue)


def test_the_smallest_p_value_is_one_pattern_of_all() -> None:
    assert sign_flip_p_value([[3] * BLOCKS_MAX, [1] * BLOCKS_MAX]) == 2**-BLOCKS_MAX


def test_blocks_count_the_candidates_exceedances_minus_the_baselines() -> None:
    baseline = [1.0, 1.0, 9.0, 1.0, 1.0, 1.0]
    candidate = [1.0, 9.0, 1.0, 9.0, 1.0, 9.0]
    assert count_differences(baseline, candidate, 3, (0.6,)) == ((1, 0, 1),)


@given(st.integers(8, 40), st.integers(1, 8))
@settings(deadline=None)
def test_every_pair_is_in_one_block(pairs: int, blocks: int) -> None:
    rows = count_differences([0.0] * pairs, [float(place) for place in range(pairs)], blocks)
    assert {len(row) for row in rows} == {blocks}
    assert sum(rows[0]) == pairs - 1
