# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quotas: which pods they count, and what one pod takes of them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import pod_limits
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quota import Quota, Scope, parse_quota, usage

GPU = "requests.nvidia.com/gpu"


def test_a_quota_is_read_in_whole_units() -> None:
    item = {
        "metadata": {"name": "q", "namespace": "llm"},
        "spec": {
            "scopes": ["NotTerminating"],
            "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["a"]}]},
        },
        "status": {"hard": {"requests.cpu": "1500m", "limits.memory": "1Gi", GPU: "2"}, "used": {"requests.cpu": "1"}},
    }
    assert parse_quota(item) == Quota(
        "llm",
        "q",
        {"requests.cpu": 1500, "limits.memory": 1024**3, GPU: 2},
        {"requests.cpu": 1000},
        (Scope("NotTerminating"), Scope("PriorityClass", "In", ("a",))),
    )


def test_a_pod_takes_what_it_asks_for_and_keys_of_other_objects_nothing() -> None:
    keys = ["pods", "count/pods", "cpu", "requests.memory", "limits.memory", GPU, "services", "requests.x/y"]
    taken = usage(keys, {"cpu": 500, "memory": 7, "nvidia.com/gpu": 2}, {"memory": 9})
    assert taken == {"pods": 1, "count/pods": 1, "cpu": 500, "requests.memory": 7, "limits.memory": 9, GPU: 2}


@pytest.mark.parametrize(
    ("scope", "priority_class", "counts"),
    [
        (Scope("NotTerminating"), None, True),
        (Scope("NotBestEffort"), None, True),
        (Scope("Terminating"), None, False),
        (Scope("BestEffort"), None, False),
        (Scope("PriorityClass", "Exists"), None, False),
        (Scope("PriorityClass", "Exists"), "a", True),
        (Scope("PriorityClass", "In", ("a",)), "a", True),
        (Scope("PriorityClass", "In", ("b",)), "a", False),
        (Scope("PriorityClass", "NotIn", ("b",)), "a", True),
        (Scope("PriorityClass", "DoesNotExist"), None, True),
        (Scope("PriorityClass", "DoesNotExist"), "a", False),
    ],
)
def test_a_quota_counts_the_pods_of_its_scopes(scope: Scope, priority_class: str | None, counts: bool) -> None:
    assert Quota("llm", "q", scopes=(scope,)).counts(priority_class) is counts


def test_limits_are_counted_like_requests() -> None:
    def container(**limits: str) -> dict[str, Any]:
        return {"name": "c", "resources": {"limits": limits, "requests": {"cpu": "9"}}}

    spec = {"containers": [container(cpu="1"), {"name": "d"}], "initContainers": [container(cpu="3")]}
    assert pod_limits(spec) == {"cpu": 3000}
