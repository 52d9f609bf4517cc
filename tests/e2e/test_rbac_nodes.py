# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped ClusterRole is enough for pools of nodes, and the least: each verb of it is needed.

Each verb of each resource is taken away once; the run must fail with words that name it, before anything is written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.e2e.nodes import GPU, TestNodes, make_nodes
from tests.support.cluster import AuditLog, Cluster, ClusterRefusal
from tests.support.playbooks import ROOT, run_module
from tests.support.processes import wait_until

ROLE = yaml.safe_load((ROOT / "roles/gpu_node/files/rbac-nodes.yml").read_text())
GROUP = "rbac.authorization.k8s.io"
VERBS = [
    (verb, resource)
    for rule in ROLE["rules"]
    for resource in rule["resources"]
    for verb in rule["verbs"]
]  # fmt: skip
TAINTS = [{"key": GPU, "effect": "NoSchedule"}, {"key": "llm-only", "effect": "NoExecute"}]


@pytest.fixture(name="nodes")
def _nodes(cluster: Cluster) -> Iterator[TestNodes]:
    """Return nodes for one test."""
    with make_nodes(cluster, 2) as nodes:
        yield nodes


def rules_without(verb: str, resource: str) -> list[dict[str, Any]]:
    """Return the shipped rules, without one verb of one resource."""
    rules = []
    for rule in ROLE["rules"]:
        for each in rule["resources"]:
            verbs = [v for v in rule["verbs"] if (v, each) != (verb, resource)]
            rules += [{**rule, "resources": [each], "verbs": verbs}] if verbs else []
    return rules


@contextlib.contextmanager
def bound(cluster: Cluster, user: str, rules: list[dict[str, Any]]) -> Iterator[None]:
    """Give a user these rules in the whole cluster until the block ends."""
    api, path = f"{GROUP}/v1", f"/apis/{GROUP}/v1"
    meta = {"name": user}
    reference = {"apiGroup": GROUP, "kind": "ClusterRole", "name": user}
    subject = {"apiGroup": GROUP, "kind": "User", "name": user}
    role = {"apiVersion": api, "kind": "ClusterRole", "metadata": meta, "rules": rules}
    binding = {
        "apiVersion": api,
        "kind": "ClusterRoleBinding",
        "metadata": meta,
        "roleRef": reference,
        "subjects": [subject],
    }
    try:
        cluster.call("POST", f"{path}/clusterroles", role)
        cluster.call("POST", f"{path}/clusterrolebindings", binding)
        kept = rules[-1]
        sight = {"verb": kept["verbs"][-1], "group": kept["apiGroups"][0], "resource": kept["resources"][0]}
        review: dict[str, Any] = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
        review["spec"] = {"resourceAttributes": sight, "user": user}
        reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        wait_until(lambda: cluster.call("POST", reviews, review)["status"]["allowed"], 10, "the binding's effect", 0.1)
        yield
    finally:
        for plural in ("clusterrolebindings", "clusterroles"):
            with contextlib.suppress(ClusterRefusal):
                cluster.call("DELETE", f"{path}/{plural}/{user}")


def run(nodes: TestNodes, user: str, **more: Any) -> dict[str, Any]:
    written = {"name": nodes.word, "selector": nodes.selector, "taints": TAINTS, **more}
    place = {"kubeconfig": str(nodes.cluster.kubeconfig), "impersonate_user": user}
    return run_module("gpu_node", {"pools": [written], "allow_eviction": True, "verify_seconds": 0, **place})


def test_the_role_is_enough_from_the_first_run_to_the_last(nodes: TestNodes, cluster: Cluster) -> None:
    user = f"{nodes.word}-whole"
    with bound(cluster, user, ROLE["rules"]):
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
    with bound(cluster, user, rules_without(verb, resource)):
        mark = audit.mark()
        result = run(nodes, user)
        assert result.get("failed"), f"{verb} {resource} is not needed: {result}"
        listed = verb == "list"
        assert (f'cannot list resource "{resource}"' if listed else f"Missing: {verb} Node") in result["msg"]
        assert "rbac-nodes.yml" in result["msg"]
        assert [each for each in nodes.requests(audit, mark) if f"patch nodes/{nodes.word}" in each] == []
