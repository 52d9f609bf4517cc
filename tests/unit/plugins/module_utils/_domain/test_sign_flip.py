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
    CLEAR,
    is_clear,
    sign_flip_p_value,
)
from hypothesis import given, settings
from hypothesis import strategies as st

ROWS = st.integers(1, 9).flatmap(
    lambda blocks: st.lists(st.lists(st.integers(-6, 6), min_size=blocks, max_size=blocks), min_size=1, max_size=4)
)


def by_enumeration(rows: list[list[int]], judged: list[list[int]] | None = None) -> float:
    """Return the p-value by looking at every pattern, in floating point."""
    scales = [sum(d * d for d in row) ** 0.5 or 1.0 for row in rows]
    observed = max(sum(row) / (sum(d * d for d in row) ** 0.5 or 1.0) for row in judged or rows)
    patterns = list(product((1, -1), repeat=len(rows[0])))
    reaching = sum(
        max(sum(s * d for s, d in zip(signs, row)) / scale for row, scale in zip(rows, scales)) >= observed - 1e-9
        for signs in patterns
    )
    return reaching / len(patterns) if observed > 0 else 1.0


@given(ROWS)
@settings(deadline=None)
def test_p_value_is_that_of_all_patterns_up_to_the_level_that_matters(rows: list[list[int]]) -> None:
    found, exact = sign_flip_p_value(rows), by_enumeration(rows)
    assert found == exact if exact <= CLEAR else found > CLEAR


@given(ROWS)
@settings(deadline=None)
def test_p_value_of_one_metric_counts_the_patterns_of_all(rows: list[list[int]]) -> None:
    found, exact = sign_flip_p_value(rows, rows[:1]), by_enumeration(rows, rows[:1])
    assert found == exact if exact <= CLEAR else found > CLEAR
    assert found >= min(CLEAR, sign_flip_p_value(rows[:1]))


@given(ROWS)
@settings(deadline=None)
def test_what_is_clear_without_counting_has_a_p_value_above_the_level(rows: list[list[int]]) -> None:
    if is_clear(rows):
        assert by_enumeration(rows) > CLEAR


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
    found = sign_flip_p_value([row])
    assert found == pytest.approx(test.pvalue) if test.pvalue <= CLEAR else found > CLEAR


def test_the_smallest_p_value_is_one_pattern_of_all() -> None:
    assert sign_flip_p_value([[3] * BLOCKS_MAX, [1] * BLOCKS_MAX]) == 2**-BLOCKS_MAX
