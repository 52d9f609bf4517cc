# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped ClusterRole is enough for pools of nodes, and the least: each verb of it is needed.

Each verb of each resource is taken away once; the run must fail with words that name it, before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.nodes import GPU, TestNodes, make_nodes
from tests.e2e.roles import bound_everywhere, each_verb, load_rules, rules_without
from tests.support.cluster import AuditLog, Cluster
from tests.support.playbooks import run_module

RULES = load_rules("roles/gpu_node/files/rbac-nodes.yml")
VERBS = each_verb(RULES)
TAINTS = [{"key": GPU, "effect": "NoSchedule"}, {"key": "llm-only", "effect": "NoExecute"}]


@pytest.fixture(name="nodes")
def _nodes(cluster: Cluster) -> Iterator[TestNodes]:
    """Return nodes for one test."""
    with make_nodes(cluster, 2) as nodes:
        yield nodes


def run(nodes: TestNodes, user: str, **more: Any) -> dict[str, Any]:
    written = {"name": nodes.word, "selector": nodes.selector, "taints": TAINTS, **more}
    place = {"kubeconfig": str(nodes.cluster.kubeconfig), "impersonate_user": user}
    return run_module("gpu_node", {"pools": [written], "allow_eviction": True, "verify_seconds": 0, **place})


def test_the_role_is_enough_from_the_first_run_to_the_last(nodes: TestNodes, cluster: Cluster) -> None:
    user = f"{nodes.word}-whole"
    with bound_everywhere(cluster, user, RULES):
        done = run(nodes, user)
        assert not done.get("failed"), done
        assert {each["action"] for each in done["nodes"]} == {"changed"}
        assert run(nodes, user)["changed"] is False
        assert run(nodes, user, state="absent")["changed"] is True


@pytest.mark.parametrize(("verb", "resource"), VERBS, ids=lambda value: value)
def test_each_verb_is_needed_and_its_absence_is_named(
    verb: str, resource: str, nodes: TestNodes, cluster: Cluster, audit: AuditLog
) -> None:
    user = f"{nodes.word}-{verb}-{resource}"
    with bound_everywhere(cluster, user, rules_without(RULES, verb, resource)):
        mark = audit.mark()
        result = run(nodes, user)
        assert result.get("failed"), f"{verb} {resource} is not needed: {result}"
        listed = verb == "list"
        assert (f'cannot list resource "{resource}"' if listed else f"Missing: {verb} Node") in result["msg"]
        assert "rbac-nodes.yml" in result["msg"]
        assert [each for each in nodes.requests(audit, mark) if f"patch nodes/{nodes.word}" in each] == []
