# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging a split by counts, and sharing by replicas."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import INSTANCE, SLOT, SLOTS
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_replicas import (
    find_selected,
    plan_replicas,
    reachable_percents,
    replica_shares,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_verdict import (
    Counted,
    expected_range,
    judge_split,
    requests_needed,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError
from hypothesis import given
from hypothesis import strategies as st


def weights(blue: int) -> dict[str, int]:
    return {"blue": blue, "green": 100 - blue}


def judge(blue: int, counts: tuple[int | None, int | None], foreign: bool = False, **more: Any) -> tuple[Result, str]:
    counted = Counted(dict(zip(SLOTS, counts)), **more)
    verdict = judge_split(weights(blue), counted, with_foreign=foreign)
    return verdict.result, " ".join(verdict.reasons)


@pytest.mark.parametrize(
    ("blue", "counts", "result"),
    [
        (90, (540, 60), Result.PASS),
        (90, (500, 100), Result.FAIL),  # 31 to 89 are expected
        (90, (90, 10), Result.INCONCLUSIVE),
        (50, (32, 32), Result.PASS),
        (50, (60, 4), Result.FAIL),
        (50, (64, 0), Result.FAIL),
        (100, (202, 0), Result.PASS),
        (100, (201, 1), Result.FAIL),
        (100, (50, 0), Result.INCONCLUSIVE),
        (0, (0, 202), Result.PASS),
        (0, (200, 0), Result.FAIL),
        (95, (0, 1), Result.INCONCLUSIVE),  # one request of a twentieth is chance
        (95, (0, 6), Result.FAIL),  # six in a row are not
        (5, (0, 0), Result.INCONCLUSIVE),
    ],
)
def test_counts_are_judged_by_what_chance_explains(blue: int, counts: tuple[int, int], result: Result) -> None:
    assert judge(blue, counts)[0] is result


def test_the_reason_says_what_was_seen_and_expected() -> None:
    assert judge(90, (540, 60))[1] == (
        "slot green answered 60 of 600 requests (10.0 %) with a weight of 10 %; 31 to 89 were expected"
    )
    assert judge(90, (90, 10))[1].endswith("576 requests are needed to tell")


def test_requests_needed_follow_the_smaller_share() -> None:
    assert [requests_needed(weights(blue)) for blue in (100, 99, 95, 90, 50, 10)] == [202, 6336, 1216, 576, 64, 576]


@given(blue=st.integers(0, 100), requests=st.integers(0, 5000))
def test_the_expected_range_holds_a_whole_number_beside_the_share(blue: int, requests: int) -> None:
    low, high = expected_range(requests, blue)
    assert 0 <= low <= math.ceil(requests * blue / 100)
    assert math.floor(requests * blue / 100) <= high <= requests


def test_a_router_that_keeps_to_the_weights_passes_and_one_that_halves_them_does_not() -> None:
    dice = random.Random(7)
    for blue in (95, 90, 70, 50, 5):
        number = requests_needed(weights(blue))
        for share, results in ((blue, {Result.PASS}), (100 - blue if blue != 50 else 90, {Result.FAIL})):
            seen = set()
            for _run in range(50):
                hits = sum(dice.random() * 100 < share for _number in range(number))
                seen.add(judge(blue, (hits, number - hits))[0])
            assert seen == results, (blue, share)


def test_failed_requests_fail_and_are_told_by_kind() -> None:
    result, words = judge(50, (40, 40), sent=90, answered=80, failures={"HTTP 503": 9, "timed out": 1})
    assert (result, words.split(" slot ", maxsplit=1)[0]) == (
        Result.FAIL,
        "10 of 90 requests failed: 9 of HTTP 503, 1 of timed out",
    )


def test_answers_of_nobody_of_ours_fail_unless_others_are_in_the_rule() -> None:
    result, words = judge(50, (10, 10), sent=100, answered=100)
    assert result is Result.FAIL
    assert "80 of 100 answers came from no pod of the release" in words
    assert judge(50, (40, 40), foreign=True, sent=100, answered=100)[0] is Result.PASS
    assert judge(50, (64, 64), sent=100, answered=100)[0] is Result.PASS  # others ask too


def test_a_slot_that_cannot_be_read_never_passes() -> None:
    result, words = judge(50, (64, None), sent=64, answered=64, unread=("pod b shows no counter",))
    assert result is Result.INCONCLUSIVE
    assert words == "the counters of slot green could not be read: pod b shows no counter"


def service(**selector: str) -> dict[str, object]:
    return {"spec": {"selector": selector}}


BOTH = {INSTANCE: "chat"}
BLUE = {INSTANCE: "chat", SLOT: "blue"}


def test_a_service_is_of_a_slot_of_both_or_of_others() -> None:
    assert find_selected(service(**BOTH), "chat") == SLOTS
    assert find_selected(service(**BLUE), "chat") == ("blue",)
    assert find_selected(service(**BLUE, team="x"), "chat") is None
    assert find_selected({}, "chat") is None


def test_replicas_reach_steps_of_one_pod() -> None:
    assert reachable_percents(3) == (0, 33, 67, 100)
    assert reachable_percents(0) == ()
    assert replica_shares({"blue": 3, "green": 1}) == {"blue": 75.0, "green": 25.0}
    assert replica_shares({"blue": 0, "green": 0}) == {"blue": 0.0, "green": 0.0}


@given(replicas=st.integers(1, 30), data=st.data())
def test_every_reachable_share_is_reached_with_the_same_sum(replicas: int, data: st.DataObject) -> None:
    percent = data.draw(st.sampled_from(reachable_percents(replicas)))
    plan = plan_replicas("chat", service(**BLUE), {"blue": replicas, "green": 0}, weights(percent))
    assert sum(plan.wanted.values()) == replicas
    assert round(replica_shares(plan.wanted)["blue"]) == percent


def test_shares_that_replicas_cannot_reach_are_refused_with_those_that_they_can() -> None:
    with pytest.raises(InputError) as error:
        plan_replicas("chat", service(**BLUE), {"blue": 4, "green": 0}, weights(95))
    assert "cannot be reached by 4 replicas" in error.value.message
    assert "for blue 0, 25, 50, 75, 100" in error.value.message
    with pytest.raises(InputError, match="none without replicas"):
        plan_replicas("chat", service(**BLUE), {"blue": 0, "green": 0}, weights(50))


def test_the_service_selects_both_slots_while_they_share_and_one_where_it_has_all() -> None:
    plan = plan_replicas("chat", service(**BLUE), {"blue": 4, "green": 0}, weights(75))
    assert (plan.selector, plan.growing, plan.shrinking) == (BOTH, ("green",), ("blue",))
    plan = plan_replicas("chat", service(**BOTH), {"blue": 3, "green": 1}, weights(75))
    assert plan.is_done
    plan = plan_replicas("chat", service(**BOTH), {"blue": 3, "green": 1}, weights(100))
    assert (plan.selector, plan.wanted) == (BLUE, {"blue": 4, "green": 0})


def test_a_run_that_was_ended_between_growing_and_shrinking_is_finished_by_the_sum() -> None:
    plan = plan_replicas("chat", service(**BOTH), {"blue": 4, "green": 1}, weights(75), 4)
    assert (plan.wanted, plan.growing, plan.shrinking) == ({"blue": 3, "green": 1}, (), ("blue",))
