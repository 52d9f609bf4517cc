# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the accelerators of a cluster in memory."""

from __future__ import annotations

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.gpu_capacity_info import (
    Question,
    inspect_capacity,
)

from tests.unit.plugins.module_utils._domain.accelerator_nodes import A100, claim, gpu_device, node, pod, resource_slice
from tests.unit.plugins.module_utils._flows.memory import MemoryCluster

GPU = "nvidia.com/gpu"
DEDICATED = {"key": "dedicated", "effect": "NoSchedule", "value": "inference"}


@pytest.fixture(name="cluster")
def _cluster() -> MemoryCluster:
    """Return a cluster with three GPUs free on one node, and eight on a dedicated one."""
    cluster = MemoryCluster("llm")
    del cluster.objects["Node", "", "roomy"]
    cluster.put(node("a", A100, has={GPU: 8}))
    cluster.put(node("b", A100, has={GPU: 8}, taints=(DEDICATED,)))
    cluster.put(pod("p", "a", amount=5))
    cluster.put(pod("done", "a", amount=8, phase="Failed", reason="UnexpectedAdmissionError"))
    return cluster


def put_quota(cluster: MemoryCluster) -> None:
    metadata = {"name": "gpus", "namespace": "llm"}
    status = {"hard": {f"requests.{GPU}": "6"}, "used": {f"requests.{GPU}": "5"}}
    cluster.put({"kind": "ResourceQuota", "metadata": metadata, "spec": {}, "status": status})


def test_the_answer_holds_nodes_products_and_what_is_free_and_each_kind_is_listed_once(cluster):
    put_quota(cluster)
    outcome = inspect_capacity(Question(namespaces=["llm"]), cluster)
    result = outcome.result
    assert outcome.changed is False
    assert (result["free"], result["largest_free_block"][GPU]["node"]) == ({GPU: 3}, "a")
    assert [each["name"] for each in result["nodes"]] == ["a", "b"]
    assert result["quotas"][0]["effective_free"] == 1
    assert (result["devices"], result["devices_api"], result["unavailable"]) == ([], "resource.k8s.io/v1", [])
    assert (result["cluster"], result["table"][0].split()[0]) == ("https://memory", "RESOURCE")
    assert sorted(cluster.requests) == ["list Node", "list Pod", "list ResourceQuota", "list ResourceSlice"]
    assert cluster.writes == []


def test_tolerations_and_labels_of_a_model_server_decide_what_is_free(cluster):
    tolerations = [{"key": "dedicated", "operator": "Equal", "value": "inference", "tolerationSeconds": 60}]
    free = inspect_capacity(Question(tolerations=tolerations), cluster).result["free"]
    assert free == {GPU: 11}
    chosen = inspect_capacity(Question(node_selector={"zone": "x"}), cluster).result
    assert (chosen["free"], chosen["nodes"][0]["resources"][0]["reason"]) == ({GPU: 0}, "no label zone=x")


def test_every_problem_of_selector_and_tolerations_is_told_before_anything_is_read(cluster):
    question = Question(
        node_selector={"a": ["b"]}, tolerations=[{"kee": "x"}, {"operator": "exists"}, {"effect": "NoScheduling"}]
    )
    with pytest.raises(InputError) as raised:
        inspect_capacity(question, cluster)
    assert [problem.render().partition(" (got")[0].partition(";")[0] for problem in raised.value.problems] == [
        "gpu_capacity_info.node_selector.a: expected a text",
        "gpu_capacity_info.tolerations[0].kee: unknown key",
        "gpu_capacity_info.tolerations[1].operator: no such choice",
        "gpu_capacity_info.tolerations[2].effect: no such choice",
    ]
    assert "Did you mean Exists?" in raised.value.message
    assert cluster.requests == []


def test_accelerators_and_drivers_of_the_users_own_count_when_they_are_named(cluster):
    cluster.put(node("c", has={"example.com/chip": 2}))
    cluster.put(resource_slice("c", gpu_device("x"), driver="chips.example.com"))
    plain = inspect_capacity(Question(), cluster).result
    assert (plain["uncounted_resources"], plain["devices"]) == (["example.com/chip"], [])
    named = inspect_capacity(Question(resources=["example.com/chip"], drivers=["chips.example.com"]), cluster).result
    assert (named["free"]["example.com/chip"], named["devices"][0]["capacity"]) == (2, 1)
    assert named["uncounted_resources"] == []


def test_devices_are_counted_with_what_claims_have_taken(cluster):
    cluster.put(node("dra"))
    cluster.put(resource_slice("dra", gpu_device("gpu-0"), gpu_device("gpu-1")))
    cluster.put(claim("one", "gpu-1"))
    (devices,) = inspect_capacity(Question(), cluster).result["devices"]
    assert (devices["capacity"], devices["allocated"], devices["free"]) == (2, 1, 1)
    assert cluster.requests.count("list ResourceClaim") == 1


def test_a_cluster_that_serves_a_beta_of_the_device_api_is_read_by_that_version(cluster):
    cluster.unserved = {"ResourceSlice", "ResourceSlice.v1beta2"}
    cluster.put({**resource_slice("a", gpu_device("gpu-0")), "kind": "ResourceSlice.v1beta1"})
    cluster.put({**claim("one", "gpu-0", where="a"), "kind": "ResourceClaim.v1beta1"})
    result = inspect_capacity(Question(), cluster).result
    assert (result["devices_api"], result["devices"][0]["allocated"]) == ("resource.k8s.io/v1beta1", 1)


def test_a_cluster_without_the_device_api_has_no_devices_and_says_so(cluster):
    cluster.unserved.add("ResourceSlice")
    result = inspect_capacity(Question(), cluster).result
    assert (result["devices"], result["devices_api"], result["unavailable"]) == ([], "absent", [])


def test_what_may_not_be_read_is_unknown_with_the_reason(cluster):
    cluster.put(resource_slice("a", gpu_device("gpu-0")))
    cluster.denied = {("list", "ResourceClaim"), ("list", "ResourceQuota")}
    result = inspect_capacity(Question(namespaces=["llm"]), cluster).result
    assert (result["devices"][0]["free"], result["quotas"], result["free"]) == (None, [], {GPU: 3})
    assert result["unavailable"] == [
        {"what": "devices.allocated", "reason": "list ResourceClaim is forbidden"},
        {"what": "quotas of llm", "reason": "list ResourceQuota is forbidden"},
    ]
    assert "quotas of llm unknown: list ResourceQuota is forbidden" in result["table"]
    cluster.denied = {("list", "ResourceSlice")}
    blind = inspect_capacity(Question(), cluster).result
    assert (blind["devices"], blind["devices_api"]) == (None, "unknown")
    assert blind["unavailable"] == [{"what": "devices", "reason": "list ResourceSlice is forbidden"}]


@pytest.mark.parametrize("kind", ["Node", "Pod"])
def test_without_sight_of_nodes_and_pods_there_is_no_answer(kind, cluster):
    cluster.denied.add(("list", kind))
    with pytest.raises(ClusterError, match=f"list {kind} is forbidden"):
        inspect_capacity(Question(), cluster)


@pytest.mark.parametrize("kind", ["ResourceSlice", "ResourceQuota"])
def test_a_server_that_fails_is_an_error_and_no_empty_answer(kind, cluster):
    cluster.broken.add(("list", kind))
    with pytest.raises(ClusterError, match="HTTP 500"):
        inspect_capacity(Question(namespaces=["llm"]), cluster)
