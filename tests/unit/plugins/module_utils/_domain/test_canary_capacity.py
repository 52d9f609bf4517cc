# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_capacity import (
    Share,
    find_floor,
    find_need,
    next_share,
    plan_shares,
)
from hypothesis import given
from hypothesis import strategies as st


def tell(shares: list[Share]) -> list[tuple[int, int, int]]:
    return [(each.giving, each.taking, each.weight_percent) for each in shares]


def test_shift_moves_one_replica_at_a_time_and_the_traffic_that_it_carries() -> None:
    way = list(plan_shares(Share(4, 0, 0), 50, 4, "shift"))
    assert tell(way) == [(4, 1, 0), (4, 1, 25), (3, 1, 25), (3, 2, 25), (3, 2, 50), (2, 2, 50)]


def test_shift_keeps_all_of_stable_while_the_canary_has_less_traffic_than_one_replica_carries() -> None:
    assert tell(list(plan_shares(Share(4, 0, 0), 5, 4, "shift"))) == [(4, 1, 0), (4, 1, 5)]


def test_extra_takes_what_the_weight_needs_at_once_and_leaves_stable_whole() -> None:
    assert tell(list(plan_shares(Share(4, 0, 0), 50, 4, "extra"))) == [(4, 2, 0), (4, 2, 50)]
    assert tell(list(plan_shares(Share(4, 2, 50), 100, 4, "extra"))) == [(4, 4, 50), (4, 4, 100)]


def test_a_single_replica_needs_one_more_for_the_time_of_the_canary() -> None:
    assert tell(list(plan_shares(Share(1, 0, 0), 10, 1, "shift"))) == [(1, 1, 0), (1, 1, 10)]
    assert tell(list(plan_shares(Share(1, 1, 10), 100, 1, "shift"))) == [(1, 1, 100), (0, 1, 100)]


def test_a_slot_that_answers_nothing_gives_all_of_its_traffic_to_the_first_replica_that_is_there() -> None:
    assert next_share(Share(3, 1, 25), 100, 4, "shift", gives_way=True) == Share(3, 1, 100)
    assert next_share(Share(3, 0, 0), 100, 4, "shift", gives_way=True) == Share(3, 1, 0)
    assert next_share(Share(4, 1, 25), 100, 4, "extra", gives_way=True) == Share(4, 1, 100)
    assert next_share(Share(4, 1, 100), 100, 4, "extra", gives_way=True) == Share(4, 4, 100)
    assert next_share(Share(4, 0, 0), 100, 4, "extra", gives_way=True) == Share(4, 4, 0)


@pytest.mark.parametrize(
    ("weight", "replicas", "need", "floor"),
    [(0, 4, 0, 0), (1, 4, 1, 1), (67, 3, 3, 2), (66, 3, 2, 2), (100, 3, 3, 3), (95, 4, 4, 4)],
)
def test_need_carries_the_weight_and_floor_is_less_than_one_percent_short(
    weight: int, replicas: int, need: int, floor: int
) -> None:
    assert (find_need(weight, replicas), find_floor(weight, replicas)) == (need, floor)


@given(st.integers(1, 60), st.lists(st.integers(1, 100), min_size=1, max_size=5, unique=True))
def test_shift_never_has_more_than_one_replica_too_many_and_never_more_traffic_than_is_carried(
    replicas: int, weights: list[int]
) -> None:
    now = Share(replicas, 0, 0)
    for weight in sorted(weights):
        for following in plan_shares(now, weight, replicas, "shift"):
            assert following.total <= replicas + 1
            assert following.weight_percent <= weight
            assert 100 * following.taking >= replicas * following.weight_percent
            assert 100 * following.giving > replicas * (100 - following.weight_percent - 1)
            changes = [one != other for one, other in zip(vars(now).values(), vars(following).values())]
            assert sum(changes) == 1
            assert abs(following.giving - now.giving) + abs(following.taking - now.taking) <= 1
            now = following
        assert now.weight_percent == weight
    back = Share(now.taking, now.giving, 100 - now.weight_percent)
    for following in plan_shares(back, 100, replicas, "shift"):
        assert following.total <= replicas + 1
        assert 100 * following.taking >= replicas * following.weight_percent
        back = following
    assert back == Share(0, replicas, 100)
