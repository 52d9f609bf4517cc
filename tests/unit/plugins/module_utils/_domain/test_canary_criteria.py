# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_criteria import (
    DEFAULTS,
    default_measures,
    default_metrics,
    split_error,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.looks import nominal_error
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.metrics_parse import parse_criteria
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import EngineVersion
from hypothesis import given
from hypothesis import strategies as st


def test_the_metrics_of_the_table_are_those_of_the_metrics_gate_with_the_same_direction() -> None:
    criteria = parse_criteria(default_metrics(), EngineVersion(0, 11, 0))
    table = {each.name: each for each in DEFAULTS if each.source == "prometheus"}
    assert [each.name for each in criteria] == list(table)
    for each in criteria:
        assert each.lower_is_better == table[each.name].lower_is_better
        assert each.critical == table[each.name].decides
        assert each.is_relative


def test_latencies_are_judged_request_by_request() -> None:
    assert [each.name for each in default_measures()] == ["ttft", "itl", "e2e"]
    assert {each.margin for each in default_measures()} == {0.05}
    assert not any(each.higher_is_better for each in default_measures())


@given(st.integers(40, 100_000), st.integers(1, 20))
def test_the_parts_of_the_budget_are_the_whole(pairs: int, steps: int) -> None:
    budget = split_error(pairs, steps)
    assert budget.latency_share * nominal_error(pairs) + steps * budget.errors == pytest.approx(nominal_error(pairs))
    assert split_error(pairs, 0) == split_error(pairs, 1)
