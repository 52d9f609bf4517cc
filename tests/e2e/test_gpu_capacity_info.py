# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What accelerators a cluster has, against its own scheduler: nodes without a kubelet, pods and devices of the API.

The nodes are tainted, so that nothing else comes to them, and named so that they are last in every list.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

import pytest
import yaml
from ansible_collections.llmops.kubernetes.plugins.modules import gpu_capacity_info

from tests.e2e.conftest import MakeProject
from tests.support.cluster import AuditLog, Cluster
from tests.support.playbooks import ROOT, run_module
from tests.support.processes import wait_until

GPU, SLICE = "nvidia.com/gpu", "nvidia.com/mig-1g.10gb"
PRODUCT = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.memory": "81920"}
ROLE = yaml.safe_load((ROOT / "roles/model_server/files/rbac-planner.yml").read_text())
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


class Fleet:
    """Nodes with accelerators that exist in the API alone, and pods on them."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.word = f"zz-accelerators-{uuid.uuid4().hex[:6]}"
        self.label = f"{self.word}.example.com/fleet"
        self.taint = {"key": self.label, "value": "test", "effect": "NoSchedule"}
        self.made: list[tuple[str, str]] = []
        self.nodes: dict[str, dict[str, str]] = {}

    def create(self, kind: str, name: str, **body: Any) -> dict[str, Any]:
        """Create an object of the whole cluster, which goes with the fleet."""
        api = {"Node": "v1", "ResourceSlice": "resource.k8s.io/v1", "DeviceClass": "resource.k8s.io/v1"}
        meta = {"name": name, **body.pop("metadata", {})}
        version = api.get(kind, "rbac.authorization.k8s.io/v1")
        self.made.append((kind, name))
        return self.cluster.create({"apiVersion": version, "kind": kind, "metadata": meta, **body})

    def add(self, name: str, has: Mapping[str, int], labels: Mapping[str, str] | None = None, **spec: Any) -> str:
        """Create a node; return its full name."""
        full = f"{self.word}-{name}"
        taints = [self.taint, *spec.pop("taints", ())]
        marks = {self.label: "test", "kubernetes.io/hostname": full, **(labels or {})}
        self.create("Node", full, metadata={"labels": marks}, spec={"taints": taints, **spec})
        self.nodes[full] = {"cpu": "64", "memory": "512Gi", "pods": "110", **{k: str(v) for k, v in has.items()}}
        return full

    def beat(self) -> None:
        """Do what a kubelet does: without it a node is not ready after some time."""
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now}
        for name, has in self.nodes.items():
            status = {"capacity": has, "allocatable": has, "conditions": [{**ready, "lastTransitionTime": now}]}
            self.cluster.call(
                "PATCH", f"/api/v1/nodes/{name}/status", {"status": status}, "application/merge-patch+json"
            )
        wait_until(lambda: not any(map(self._is_unready, self.nodes)), 60, "nodes that are ready", 0.2)

    def _is_unready(self, name: str) -> bool:
        node = self.cluster.get("Node", "", name) or {}
        keys = [each["key"] for each in node["spec"].get("taints", ())]
        return bool({"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"} & set(keys))

    def pod(
        self, namespace: str, name: str, resources: Mapping[str, int], node: str | None = None, **spec: Any
    ) -> None:
        """Create a pod that tolerates the fleet's taint, on a node or for the scheduler to place on the fleet."""
        self.beat()
        amounts = {key: str(value) for key, value in resources.items()}
        container = {"name": "c", "image": "llmops.local/none", "securityContext": RESTRICTED}
        container["resources"] = {"limits": amounts}
        its_spec: dict[str, Any] = {
            "containers": [container],
            "tolerations": [{"key": self.label, "operator": "Exists"}],
            "nodeSelector": {self.label: "test"},
            "automountServiceAccountToken": False,
            **spec,
        }
        if node is not None:
            its_spec["nodeName"] = node
        meta = {"name": name, "namespace": namespace}
        self.cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": its_spec})

    def place_of(self, namespace: str, name: str) -> str | None:
        """Return the node of a pod, once the scheduler has decided: None where it has found none."""

        def decided() -> tuple[str | None] | None:
            pod = self.cluster.get("Pod", namespace, name) or {}
            refused = [each for each in pod["status"].get("conditions", ()) if each.get("reason") == "Unschedulable"]
            node = pod["spec"].get("nodeName")
            return (node,) if node or refused else None

        (node,) = wait_until(decided, 60, f"the scheduler's decision on {name}", 0.2)
        return str(node) if node else None

    def info(self, **options: Any) -> dict[str, Any]:
        """Run the module for a model server that may use the fleet and nothing else."""
        chosen = {"node_selector": {self.label: "test"}, "tolerations": [{"key": self.label, "operator": "Exists"}]}
        result = run_module("gpu_capacity_info", {"kubeconfig": str(self.cluster.kubeconfig), **chosen, **options})
        assert not result.get("failed"), result
        return result

    def resource(self, result: Mapping[str, Any], node: str, name: str = GPU) -> dict[str, Any]:
        """Return what the module says of a resource of a node."""
        (found,) = (each for each in result["nodes"] if each["name"] == node)
        return next(each for each in found["resources"] if each["resource"] == name)

    def remove(self) -> None:
        """Delete everything of the whole cluster."""
        for kind, name in reversed(self.made):
            self.cluster.delete(kind, "", name)


@pytest.fixture(name="fleet")
def _fleet(cluster: Cluster, namespace: str) -> Iterator[Fleet]:
    fleet = Fleet(cluster)
    try:
        yield fleet
    finally:
        for pod in cluster.items("Pod", namespace):
            cluster.delete("Pod", namespace, pod["metadata"]["name"], grace_seconds=0)
        fleet.remove()


def test_the_scheduler_finds_exactly_the_room_that_is_told(
    fleet: Fleet, cluster: Cluster, namespace: str, audit: AuditLog
) -> None:
    first = fleet.add("a", {GPU: 8}, PRODUCT)
    second = fleet.add("b", {GPU: 8, SLICE: 7}, PRODUCT)
    cordoned = fleet.add("c", {GPU: 8}, PRODUCT, unschedulable=True)
    tainted = fleet.add("d", {GPU: 8}, PRODUCT, taints=[{"key": "other", "effect": "NoSchedule"}])
    own = fleet.add("e", {GPU: 1}, taints=[{"key": GPU, "effect": "NoSchedule"}])
    fleet.beat()
    fleet.pod(namespace, "on-a", {GPU: 3}, first)
    fleet.pod(namespace, "on-b", {GPU: 6, SLICE: 2}, second)
    fleet.pod(namespace, "on-c", {GPU: 1}, cordoned)
    fleet.pod(namespace, "refused", {GPU: 5}, first)
    failed = {"status": {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "Allocate failed"}}
    path = f"{cluster.path('Pod', namespace, 'refused')}/status"
    cluster.call("PATCH", path, failed, "application/merge-patch+json")
    mark = audit.mark()

    result = fleet.info()
    assert result["changed"] is False
    assert audit.writes(mark, namespace) == []
    amounts = {
        name: tuple(fleet.resource(result, name)[key] for key in ("requested", "free", "blocked", "reason"))
        for name in (first, second, cordoned, tainted, own)
    }
    assert amounts == {
        first: (3, 5, 0, None),
        second: (6, 2, 0, None),
        cordoned: (1, 0, 7, "cordoned"),
        tainted: (0, 0, 8, "taint other:NoSchedule is not tolerated"),
        own: (0, 1, 0, None),
    }
    assert fleet.resource(result, second, SLICE)["free"] == 5
    assert result["free"] == {GPU: 8, SLICE: 5}
    largest = result["largest_free_block"][GPU]
    assert largest == {"node": first, "product": "NVIDIA-A100-SXM4-80GB", "free": 5}
    (product,) = (each for each in result["products"] if (each["product"], each["nodes"]) == (largest["product"], 4))
    assert product["free_blocks"] == [{"free": 5, "nodes": 1}, {"free": 2, "nodes": 1}]
    assert (product["requested"], product["blocked"], product["memory_mib"]) == (10, 15, 81920)

    more = [{"key": GPU, "operator": "Exists"}, {"key": fleet.label, "operator": "Exists"}]
    fleet.pod(namespace, "too-much", {GPU: largest["free"] + 1}, tolerations=more)
    assert fleet.place_of(namespace, "too-much") is None
    fleet.pod(namespace, "largest", {GPU: largest["free"]}, tolerations=more)
    assert fleet.place_of(namespace, "largest") == first
    rest = fleet.info()
    assert rest["free"][GPU] == 3
    for number in range(3):
        fleet.pod(namespace, f"one-{number}", {GPU: 1}, tolerations=more)
    assert {fleet.place_of(namespace, f"one-{number}") for number in range(3)} == {second, own}
    full = fleet.info()
    assert (full["free"][GPU], full["largest_free_block"][GPU]["node"]) == (0, None)
    fleet.pod(namespace, "one-more", {GPU: 1}, tolerations=more)
    assert fleet.place_of(namespace, "one-more") is None
    waiting = {
        each["name"]: each["requests"] for each in fleet.info()["waiting_pods"] if each["namespace"] == namespace
    }
    assert waiting == {"too-much": {GPU: 6}, "one-more": {GPU: 1}}


def test_a_pod_that_is_being_deleted_holds_its_accelerators_until_it_has_ended(
    fleet: Fleet, cluster: Cluster, namespace: str
) -> None:
    node = fleet.add("a", {GPU: 4}, PRODUCT)
    fleet.beat()
    fleet.pod(namespace, "going", {GPU: 4}, node)
    cluster.delete("Pod", namespace, "going", grace_seconds=60)
    found = fleet.resource(fleet.info(), node)
    assert (found["requested"], found["leaving"], found["free"]) == (4, 4, 0)
    assert found["pods"] == [{"namespace": namespace, "name": "going", "amount": 4, "leaving": True}]
    fleet.pod(namespace, "next", {GPU: 1})
    assert fleet.place_of(namespace, "next") is None
    cluster.delete("Pod", namespace, "going", grace_seconds=0)
    wait_until(lambda: fleet.place_of(namespace, "next") == node, 20, "the place that became free", 0.2)
    assert fleet.resource(fleet.info(), node)["free"] == 3


def test_a_quota_narrows_what_a_namespace_can_have(fleet: Fleet, cluster: Cluster, namespace: str) -> None:
    node = fleet.add("a", {GPU: 8}, PRODUCT)
    fleet.beat()
    meta = {"name": "gpus", "namespace": namespace}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta}
    cluster.create({**quota, "spec": {"hard": {f"requests.{GPU}": "3", "pods": "10"}}})

    def status() -> dict[str, Any]:
        found = cluster.get("ResourceQuota", namespace, "gpus") or {}
        return dict(found.get("status", {}).get("used", {}))

    wait_until(status, 20, "the quota in force", 0.2)
    fleet.pod(namespace, "one", {GPU: 1}, node)
    wait_until(lambda: status()[f"requests.{GPU}"] == "1", 20, "the pod in the quota", 0.2)
    (found,) = fleet.info(namespaces=[namespace, "default"])["quotas"]
    assert (found["hard"], found["used"], found["free"], found["effective_free"]) == (3, 1, 2, 2)
    assert (found["namespace"], found["name"], found["resource"]) == (namespace, "gpus", GPU)


def test_devices_that_the_scheduler_has_allocated_are_not_free(fleet: Fleet, cluster: Cluster, namespace: str) -> None:
    node = fleet.add("dra", {GPU: 2}, PRODUCT)
    driver = f"gpu.{fleet.word}.example.com"
    attributes = {"type": {"string": "gpu"}, "productName": {"string": "NVIDIA H100 80GB HBM3"}}
    devices = [
        {"name": f"gpu-{number}", "attributes": attributes, "capacity": {"memory": {"value": "81559Mi"}}}
        for number in range(2)
    ]
    pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
    fleet.create(
        "ResourceSlice",
        f"{node}-gpus",
        spec={"driver": driver, "nodeName": node, "pool": pool, "devices": devices},
    )
    selector = {"cel": {"expression": f'device.driver == "{driver}"'}}
    fleet.create("DeviceClass", fleet.word, spec={"selectors": [selector]})
    fleet.beat()

    def told() -> tuple[int, int, int]:
        result = fleet.info()
        (found,) = (each for each in result["devices"] if each["driver"] == driver)
        (same,) = (each for each in result["nodes"] if each["name"] == node)
        assert (found["product"], found["memory_mib"], found["nodes"]) == ("NVIDIA H100 80GB HBM3", 81559, 1)
        assert same["devices"][0]["free"] == found["free"]
        return found["capacity"], found["allocated"], found["free"]

    assert told() == (2, 0, 2)
    for number, expected in ((0, (2, 1, 1)), (1, (2, 2, 0))):
        name = f"claim-{number}"
        request = {"name": "gpu", "exactly": {"deviceClassName": fleet.word}}
        meta = {"name": name, "namespace": namespace}
        claim = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": meta}
        cluster.create({**claim, "spec": {"devices": {"requests": [request]}}})
        claims = [{"name": "gpu", "resourceClaimName": name}]
        fleet.pod(namespace, f"user-{number}", {}, resourceClaims=claims)
        assert fleet.place_of(namespace, f"user-{number}") == node
        assert told() == expected


RIGHTS = {
    "nodes": None,
    "pods": None,
    "resourcequotas": "quotas of default",
    "resourceslices": "devices",
    "resourceclaims": "devices.allocated",
}


@pytest.mark.parametrize("missing", ["", *RIGHTS])
def test_the_role_of_a_planner_is_enough_and_without_a_part_of_it_that_part_is_unknown(
    missing: str, fleet: Fleet
) -> None:
    node = fleet.add("dra", {GPU: 1}, PRODUCT)
    pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
    devices = [{"name": "gpu-0"}]
    spec = {"driver": "gpu.nvidia.com", "nodeName": node, "pool": pool, "devices": devices}
    fleet.create("ResourceSlice", f"{node}-gpus", spec=spec)
    fleet.beat()
    rules = copy.deepcopy(ROLE["rules"])
    for rule in rules:
        rule["resources"] = [each for each in rule["resources"] if each != missing]
    name, group = f"{fleet.word}-planner", "rbac.authorization.k8s.io"
    fleet.create("ClusterRole", name, rules=[rule for rule in rules if rule["resources"]])
    fleet.create(
        "ClusterRoleBinding",
        name,
        roleRef={"apiGroup": group, "kind": "ClusterRole", "name": name},
        subjects=[{"apiGroup": group, "kind": "User", "name": name}],
    )

    def answer() -> dict[str, Any] | None:
        options = {"kubeconfig": str(fleet.cluster.kubeconfig), "namespaces": ["default"], "impersonate_user": name}
        result = run_module("gpu_capacity_info", options)
        unseen = {each["what"] for each in result.get("unavailable", ())}
        wanted = {RIGHTS[missing]} - {None} if missing else set()
        failed = missing in ("nodes", "pods") and f'cannot list resource "{missing}"' in result.get("msg", "")
        return result if failed or (not result.get("failed") and unseen == wanted) else None

    result = wait_until(answer, 10, f"an answer without the right to list {missing or 'nothing'}", 0.5)
    if missing in ("nodes", "pods"):
        assert "rbac-planner.yml" in result["msg"]
        return
    assert result["free"][GPU] >= 0
    by_name = {each["name"]: each for each in result["nodes"]}
    if missing == "resourceslices":
        assert (result["devices"], result["devices_api"]) == (None, "unknown")
    else:
        assert result["devices_api"] == "resource.k8s.io/v1"
        assert by_name[node]["devices"][0]["free"] == (None if missing == "resourceclaims" else 0)
        assert any(f"node {node} offers its accelerators twice" in note for note in result["notes"])


def test_the_documented_example_stops_before_a_deployment_that_would_hang(
    fleet: Fleet, make_project: MakeProject
) -> None:
    look, stop, _show = yaml.safe_load(gpu_capacity_info.EXAMPLES)
    options = look["llmops.kubernetes.gpu_capacity_info"]
    options["node_selector"][fleet.label] = "test"
    options["tolerations"].append({"key": fleet.label, "operator": "Exists"})
    project = make_project()
    playbook = project.folder / "capacity.yml"
    connection = {"group/llmops.kubernetes.llmops": {"kubeconfig": "{{ llmops_kubeconfig }}"}}
    play = {"hosts": "all", "gather_facts": False, "module_defaults": connection, "tasks": [look, stop]}
    playbook.write_text(yaml.safe_dump([play]))
    assert "80 GiB" not in project.run(str(playbook)).failed().output
    fleet.add("a", {GPU: 3}, PRODUCT)
    fleet.beat()
    assert "80 GiB" in project.run(str(playbook)).failed().output
    fleet.add("b", {GPU: 4}, PRODUCT)
    fleet.beat()
    assert project.run(str(playbook), "--check").ok().changed() == 0
