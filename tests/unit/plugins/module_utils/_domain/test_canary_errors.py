# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import scipy.stats
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_errors import (
    ERROR_SAMPLES_MIN,
    Outcomes,
    evaluate_errors,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_verdict import Evidence
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result
from hypothesis import given
from hypothesis import strategies as st

ENDED = st.integers(ERROR_SAMPLES_MIN, 2000)
COUNTS = ENDED.flatmap(lambda ended: st.tuples(st.just(ended), st.integers(0, ended)))


def evaluate(
    stable: tuple[int, int] | None, canary: tuple[int, int] | None, limit: float | None = None, margin: float = 0.005
) -> Evidence:
    counts = (None if each is None else Outcomes(*each) for each in (stable, canary))
    return evaluate_errors(*counts, error=0.002, error_ratio_max=limit, margin=margin)


def result(evidence: Evidence) -> Result:
    assert evidence.compared is not None
    return evidence.compared.result


@given(COUNTS, COUNTS)
def test_the_comparison_agrees_with_scipys_exact_test(stable: tuple[int, int], canary: tuple[int, int]) -> None:
    table = [[canary[1], canary[0] - canary[1]], [stable[1], stable[0] - stable[1]]]
    p_value = scipy.stats.fisher_exact(table, alternative="greater").pvalue
    expected = p_value <= 0.002 and canary[1] / canary[0] - stable[1] / stable[0] > 0.005
    # A p-value at the limit itself is one that differs in its last digit.
    assert (result(evaluate(stable, canary)) is Result.FAIL) == expected or p_value == pytest.approx(0.002)


@given(COUNTS, COUNTS)
def test_a_canary_with_fewer_failures_never_fails(stable: tuple[int, int], canary: tuple[int, int]) -> None:
    if canary[1] * stable[0] <= stable[1] * canary[0]:
        assert result(evaluate(stable, canary, margin=0.0)) is Result.PASS


def test_a_failure_names_both_counts() -> None:
    compared = evaluate((1000, 1), (500, 30)).compared
    assert compared is not None
    assert compared.reasons[0].startswith("30 of 500 requests of canary failed, 1 of 1000 of stable (p = ")


def test_a_difference_below_the_margin_is_none() -> None:
    assert result(evaluate((100_000, 100), (100_000, 400))) is Result.PASS
    assert result(evaluate((100_000, 100), (100_000, 400), margin=0.001)) is Result.FAIL


@pytest.mark.parametrize(
    ("stable", "canary", "reason"),
    [
        (None, (100, 0), "how many requests of stable failed is not known"),
        ((100, 0), None, "how many requests of canary failed is not known"),
        ((0, 0), (100, 0), "0 requests of stable have ended, at least 40 are needed"),
        ((100, 0), (39, 39), "39 requests of canary have ended, at least 40 are needed"),
    ],
)
def test_missing_and_few_requests_are_inconclusive(
    stable: tuple[int, int] | None, canary: tuple[int, int] | None, reason: str
) -> None:
    evidence = evaluate(stable, canary, limit=0.1)
    assert result(evidence) is Result.INCONCLUSIVE
    assert evidence.compared is not None
    assert evidence.compared.reasons == (reason,)
    alone = evidence.canary if "canary" in reason else evidence.stable
    assert alone is not None
    assert alone.result is Result.INCONCLUSIVE


@pytest.mark.parametrize(
    ("failed", "expected"), [(0, Result.PASS), (10, Result.PASS), (15, Result.INCONCLUSIVE), (30, Result.FAIL)]
)
def test_a_limit_is_broken_only_beyond_doubt(failed: int, expected: Result) -> None:
    evidence = evaluate((1000, 0), (1000, failed), limit=0.01)
    assert evidence.canary is not None
    assert evidence.canary.result is expected


def test_without_a_limit_no_slot_is_judged_alone() -> None:
    evidence = evaluate((1000, 0), (1000, 0))
    assert (evidence.canary, evidence.stable) == (None, None)


@pytest.mark.parametrize(("ended", "failed"), [(1, 2), (-1, 0), (5, -1)])
def test_counts_that_cannot_be_are_refused(ended: int, failed: int) -> None:
    with pytest.raises(ValueError, match="cannot have failed"):
        Outcomes(ended, failed)
