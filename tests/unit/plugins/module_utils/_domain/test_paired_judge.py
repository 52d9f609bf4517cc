# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary judge on made-up servers with fixed seeds; the whole simulation is benchmarks/judge.py."""

from __future__ import annotations

from random import Random

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.bursts import longest_burst
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.paired_judge import (
    PAIRS_MIN,
    compare_arms,
    nominal_error,
    spend_error,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result

from tests.support.latencies import CALM_WORLDS, REGRESSIONS, WORLDS, draw_arms


def results(world: str, pairs: int, runs: int, seed: int = 1) -> list[Result]:
    random = Random(seed)
    return [compare_arms(*draw_arms(world, pairs, random)).result for _run in range(runs)]


@pytest.mark.parametrize("world", CALM_WORLDS)
def test_servers_that_are_alike_pass_whatever_the_time_does_to_both(world: str) -> None:
    assert results(world, 600, 60).count(Result.PASS) >= 58


@pytest.mark.parametrize("world", sorted(set(WORLDS) - set(CALM_WORLDS)))
def test_bursts_of_one_server_are_not_taken_for_a_regression(world: str) -> None:
    found = results(world, 600, 60)
    assert found.count(Result.FAIL) <= 2
    assert found.count(Result.INCONCLUSIVE) <= 16


@pytest.mark.parametrize(
    ("regression", "pairs", "at_least"), [("+50", 600, 20), ("+20", 600, 15), ("tail+50", 2000, 19)]
)
def test_regressions_of_body_and_tail_are_found(regression: str, pairs: int, at_least: int) -> None:
    assert regression in REGRESSIONS
    assert results(regression, pairs, 20).count(Result.FAIL) >= at_least


def test_half_as_slow_again_is_found_with_120_pairs_in_most_runs() -> None:
    assert results("+50", 120, 30).count(Result.FAIL) >= 15


def test_a_failure_says_how_sure_it_is_and_by_which_margin() -> None:
    found = compare_arms(*draw_arms("+50", 600, Random(3)), margin=0.1)
    assert found.result is Result.FAIL
    assert found.p_value is not None
    assert found.p_value <= nominal_error(600)
    assert "slower than the baseline beside it" in found.reason
    assert "over 24 blocks of 600 pairs, margin 10%" in found.reason


def test_a_pass_names_the_smallest_slowdown_that_it_would_have_seen() -> None:
    assert compare_arms(*draw_arms("iid", 600, Random(3))).detectable_factor == 1.20
    assert compare_arms(*draw_arms("iid", 600, Random(3)), margin=0.1).detectable_factor == 1.26
    assert compare_arms(*draw_arms("iid", 80, Random(3))).detectable_factor is None


def test_a_wide_margin_forgives_what_a_narrow_one_does_not() -> None:
    arms = draw_arms("+20", 2000, Random(3))
    assert compare_arms(*arms).result is Result.FAIL
    assert compare_arms(*arms, margin=0.3).result is Result.PASS


def test_a_burst_that_fills_half_of_one_arm_is_inconclusive_and_says_how_many_pairs_would_tell() -> None:
    baseline, candidate = draw_arms("iid", 400, Random(3))
    candidate[100:300] = [each * 4 for each in candidate[100:300]]
    found = compare_arms(baseline, candidate)
    assert found.result is Result.INCONCLUSIVE
    assert found.burst_pairs >= 190
    assert f"{12 * found.burst_pairs} pairs would tell" in found.reason


def test_shorter_bursts_make_blocks_longer() -> None:
    baseline, candidate = draw_arms("iid", 1000, Random(5))
    baseline[300:360] = [each * 5 for each in baseline[300:360]]
    found = compare_arms(baseline, candidate)
    assert found.result is Result.PASS
    assert found.burst_pairs >= 50
    assert 1000 / found.blocks >= 1.5 * found.burst_pairs
    assert found.detectable_factor is None


def test_too_few_pairs_are_inconclusive() -> None:
    found = compare_arms([1.0] * (PAIRS_MIN - 1), [9.0] * (PAIRS_MIN - 1))
    assert (found.result, found.p_value) == (Result.INCONCLUSIVE, None)
    assert f"at least {PAIRS_MIN} are needed" in found.reason


def test_arms_of_different_length_are_no_pairs() -> None:
    found = compare_arms([1.0] * 100, [1.0] * 99)
    assert found.result is Result.INCONCLUSIVE
    assert "100 requests of the baseline, 99 of the candidate" in found.reason


def test_a_slower_server_without_bursts_has_none() -> None:
    baseline, candidate = draw_arms("+50", 2000, Random(3))
    assert longest_burst(baseline) == longest_burst(candidate) == 0


@pytest.mark.parametrize(("factor", "share"), [(2.5, 0.3), (2.5, 0.7)])
def test_a_burst_is_found_whether_it_fills_the_smaller_or_the_larger_part_of_a_run(factor: float, share: float) -> None:
    latencies, _other = draw_arms("iid", 600, Random(3))
    count = int(600 * share)
    latencies[:count] = [each * factor for each in latencies[:count]]
    assert longest_burst(latencies) >= min(count, 600 - count) * 0.9


def test_looks_share_the_error_and_spend_no_more() -> None:
    shares = spend_error([0.2, 0.4, 1.0])
    assert sum(shares) == pytest.approx(1)
    assert shares == pytest.approx((0.2**1.5, 0.4**1.5 - 0.2**1.5, 1 - 0.4**1.5))


def test_more_pairs_may_spend_more_error_as_the_margin_protects_them() -> None:
    assert (nominal_error(40), nominal_error(999), nominal_error(1000)) == (0.02, 0.02, 0.025)


def test_a_share_of_the_error_is_a_stricter_limit() -> None:
    arms = draw_arms("iid", 600, Random(3))
    assert "limit 0.02)" in compare_arms(*arms).reason
    assert "limit 0.005)" in compare_arms(*arms, error_share=0.25).reason
