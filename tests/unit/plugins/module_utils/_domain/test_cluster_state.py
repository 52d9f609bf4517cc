# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import (
    Node,
    Pod,
    Taint,
    parse_node,
    parse_pod,
    pod_requests,
)

GPU = "nvidia.com/gpu"


def container(requests: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": "c", "resources": {"requests": requests or {}}, **more}


def test_a_node_is_read_with_what_it_has() -> None:
    item = {
        "metadata": {"name": "a", "labels": {"zone": "x"}},
        "spec": {"unschedulable": True, "taints": [{"key": GPU, "effect": "NoSchedule"}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "capacity": {"cpu": "2", GPU: "2"},
            "allocatable": {"cpu": "1930.5m", "memory": "1Ki", GPU: "1"},
        },
    }
    assert parse_node(item) == Node(
        "a",
        {"zone": "x"},
        (Taint(GPU, "NoSchedule"),),
        {"cpu": 2000, GPU: 2},
        {"cpu": 1930, "memory": 1024, GPU: 1},
        ready=True,
        cordoned=True,
    )
    assert parse_node({"metadata": {"name": "b"}}) == Node("b", ready=False)


def test_a_pod_is_read_with_what_it_asks_for() -> None:
    item = {
        "metadata": {
            "name": "p",
            "namespace": "llm",
            "labels": {"a": "b"},
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            "ownerReferences": [{"kind": "X", "name": "x"}, {"kind": "ReplicaSet", "name": "r", "controller": True}],
        },
        "spec": {"nodeName": "a", "priority": 7, "containers": [container({"cpu": "100m"})]},
        "status": {"phase": "Failed", "reason": "Evicted"},
    }
    pod = parse_pod(item)
    assert pod == Pod("llm", "p", {"a": "b"}, "a", {"cpu": 100}, "Failed", "Evicted", 7, True, "ReplicaSet/r")
    assert parse_pod({"metadata": {"name": "p"}}) == Pod("", "p", phase="Pending")
    assert parse_pod({"metadata": {"name": "p"}, "status": {"nominatedNodeName": "a"}}).nominated_node == "a"


@pytest.mark.parametrize(
    ("node", "phase", "holds"),
    [
        ("a", "Running", True),
        ("a", "Pending", True),
        ("a", "Failed", False),
        ("a", "Succeeded", False),
        (None, "Pending", False),
    ],
)
def test_a_pod_takes_room_from_when_it_is_bound_until_it_ends(node: str | None, phase: str, holds: bool) -> None:
    assert Pod("llm", "p", node=node, phase=phase).holds_resources is holds


def test_a_limit_without_a_request_is_a_request_and_parts_of_a_core_are_rounded_up() -> None:
    limited = {"name": "c", "resources": {"limits": {GPU: "2", "cpu": "1"}, "requests": {"cpu": "0.5m"}}}
    assert pod_requests({"containers": [limited, container({"cpu": "10m"}), {"name": "bare"}]}) == {GPU: 2, "cpu": 11}


def test_init_containers_count_where_they_need_more_than_the_rest() -> None:
    spec = {
        "initContainers": [
            container({"cpu": "300m"}),
            container({"cpu": "100m"}, restartPolicy="Always"),
            container({"cpu": "500m", "memory": "1Ki"}),
        ],
        "containers": [container({"cpu": "200m"})],
        "overhead": {"cpu": "50m"},
    }
    assert pod_requests(spec) == {"cpu": 100 + 500 + 50, "memory": 1024}
    spec["containers"] = [container({"cpu": "800m"})]
    assert pod_requests(spec) == {"cpu": 100 + 800 + 50, "memory": 1024}
