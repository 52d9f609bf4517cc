# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.block_counts import (
    cut_evenly,
    differences,
    find_thresholds,
    is_worse_anywhere,
    mark,
)
from hypothesis import given, settings
from hypothesis import strategies as st

VALUES = st.lists(st.none() | st.integers(0, 9).map(float), min_size=8, max_size=40)


def count(stable: Sequence[float | None], canary: Sequence[float | None], blocks: int, threshold: float) -> list[int]:
    marks = mark(stable, [threshold]), mark(canary, [threshold])
    (row,) = differences(*marks, cut_evenly(len(stable), blocks), cut_evenly(len(canary), blocks))
    return list(row)


def test_blocks_of_paired_arms_differ_by_their_exceedances_times_their_size() -> None:
    assert count([1, 1, 9, 1, 1, 1], [1, 9, 1, 9, 1, 9], 3, 5.0) == [2, 0, 2]


def test_blocks_of_unequal_arms_compare_shares() -> None:
    # One of two is above beside three of six: no difference. Two of two beside three of six: one.
    assert count([9, 9, 9, 1, 1, 1] * 2, [9, 1, 9, 9], 2, 5.0) == [0, 6]


def test_a_block_in_which_one_arm_has_no_value_says_nothing() -> None:
    assert count([1, 1, None, None], [9, 9, 9, 9], 2, 5.0) == [4, 0]


@given(VALUES, VALUES, st.integers(1, 8), st.integers(0, 9))
@settings(deadline=None)
def test_swapping_the_arms_turns_every_sign(
    stable: list[float | None], canary: list[float | None], blocks: int, threshold: int
) -> None:
    one, other = count(stable, canary, blocks, float(threshold)), count(canary, stable, blocks, float(threshold))
    assert one == [-each for each in other]


@given(VALUES, VALUES, st.integers(0, 9))
@settings(deadline=None)
def test_the_whole_is_worse_where_its_only_block_is(
    stable: list[float | None], canary: list[float | None], threshold: int
) -> None:
    ordered = [sorted(each for each in arm if each is not None) for arm in (stable, canary)]
    assert is_worse_anywhere(*ordered, [float(threshold)]) == (count(stable, canary, 1, float(threshold))[0] > 0)


def test_thresholds_are_quantiles_of_both_arms_together() -> None:
    assert find_thresholds([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], (0.5, 0.9)) == [5.0, 9.0]
    assert find_thresholds([], []) == []


@pytest.mark.parametrize(("count", "blocks"), [(8, 8), (601, 24), (40, 8)])
def test_every_request_is_in_one_block_and_blocks_are_of_equal_size(count: int, blocks: int) -> None:
    edges = cut_evenly(count, blocks)
    sizes = [end - start for start, end in zip(edges, edges[1:])]
    assert (edges[0], edges[-1], len(sizes)) == (0, count, blocks)
    assert max(sizes) - min(sizes) <= 1
