# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roll-out plan on a cluster with two pretended accelerators: what can only hang is refused before any write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import MakeNamespace, MakeProject
from tests.e2e.releases import merged, standin, standin_configmap
from tests.e2e.rolling import roll
from tests.e2e.traffic import Load
from tests.support.cluster import AuditLog, Cluster
from tests.support.playbooks import ROOT, run_module
from tests.support.processes import wait_until

# A name of its own, so that no other test's pods count.
GPU = "plan.example.com/gpu"
GPUS = 2
OTHER_NODES = re.compile(r"\d+ of \d+ nodes: [^;.]*")
NEWER = {"annotations": {"example.com/rolled": "yes"}}


class Yard:
    """A namespace for releases that ask for the pretended accelerator, and the modules."""

    def __init__(self, namespace: str, cluster: Cluster, audit: AuditLog, node: str) -> None:
        self.namespace, self.cluster, self.audit, self.node = namespace, cluster, audit, node

    def release(self, name: str, replicas: int, **change: Any) -> dict[str, Any]:
        release = standin(name, self.namespace, replicas=replicas, resources={"accelerator": GPU})
        return merged(release, change)

    def run(self, module: str, *releases: Mapping[str, Any], check: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {"kubeconfig": str(self.cluster.kubeconfig), "model_servers": list(releases), **options}
        return run_module(module, arguments, check=check)

    def deploy(self, *releases: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        result = self.run("model_server", *releases, **options)
        assert not result.get("failed"), result
        return result

    def refused(self, *releases: Mapping[str, Any], **options: Any) -> str:
        """Return the words of a refusal, in check mode as well, which must have written and made nothing."""
        mark, before = self.audit.mark(), self.cluster.versions(self.namespace)
        result = self.run("model_server", *releases, **options)
        assert result.get("failed"), result
        assert self.audit.writes(mark, self.namespace) == []
        assert self.cluster.versions(self.namespace) == before
        tried = self.run("model_server", *releases, check=True, **options)
        # Other nodes, which take no part, come and go.
        assert OTHER_NODES.sub("", tried["msg"]) == OTHER_NODES.sub("", result["msg"])
        return str(result["msg"])


def _set_gpus(cluster: Cluster, node: str, count: int | None) -> None:
    """Pretend accelerators: the kubelet takes over as allocatable what a node's status has as capacity."""
    change = [{"op": "remove" if count is None else "add", "path": f"/status/capacity/{GPU.replace('/', '~1')}"}]
    if count is not None:
        change[0]["value"] = str(count)
    cluster.call("PATCH", f"/api/v1/nodes/{node}/status", change, "application/json-patch+json")


@pytest.fixture(name="yard", scope="module")
def _yard(make_namespace: MakeNamespace, cluster: Cluster, audit: AuditLog) -> Iterator[Yard]:
    namespace = make_namespace("plan")
    cluster.create(standin_configmap(namespace))
    # Nodes that others pretend have no kubelet, which alone takes a capacity over.
    kubelets = [each for each in cluster.items("Node") if each["status"]["nodeInfo"]["containerRuntimeVersion"]]
    node = kubelets[0]["metadata"]["name"]

    def allocatable() -> str:
        (found,) = (each for each in cluster.items("Node") if each["metadata"]["name"] == node)
        return str(found["status"]["allocatable"].get(GPU, "0"))

    _set_gpus(cluster, node, GPUS)
    try:
        wait_until(lambda: allocatable() == str(GPUS), 30, "the pretended accelerators", 0.5)
        yield Yard(namespace, cluster, audit, node)
    finally:
        _set_gpus(cluster, node, 0)
        wait_until(lambda: allocatable() == "0", 30, "the end of the pretended accelerators", 0.5)
        _set_gpus(cluster, node, None)


def _available(yard: Yard) -> int:
    deployment = yard.cluster.get("Deployment", yard.namespace, "full-blue") or {}
    return int(deployment.get("status", {}).get("availableReplicas", 0))


@pytest.fixture(name="full")
def _full(yard: Yard) -> Iterator[dict[str, Any]]:
    """Return a release whose two replicas hold both accelerators."""
    release = yard.release("full", 2)
    yard.deploy(release)
    wait_until(lambda: _available(yard) == 2, 60, "both replicas", 0.5)
    # Pods are ready before the Service leads to them.
    place = {"kubeconfig": str(yard.cluster.kubeconfig), "namespace": yard.namespace}
    gate = run_module("health_gate", {**place, "name": "full", "run_from": "controller", "timeout_seconds": 60})
    assert gate.get("verdict") == "pass", gate
    yield release
    yard.deploy(release, state="absent")
    wait_until(lambda: yard.cluster.pods(yard.namespace, "full") == [], 60, "the end of the release", 0.5)


def test_a_change_that_needs_one_more_is_refused_and_in_place_it_goes_through_under_traffic(
    yard: Yard, full: dict[str, Any]
) -> None:
    words = yard.refused(merged(full, {**NEWER, "rollout": {"strategy": "surge"}}))
    assert f"{yard.namespace}/full (surge)" in words
    assert "surge needs 1" in words
    assert f"node {yard.node}: 0 {GPU} free of {GPUS}" in words
    assert "rollout.strategy: in_place (one replica fewer serves while each new pod starts)" in words
    assert f"free 1 {GPU} on node {yard.node}" in words

    report = roll(yard.cluster, merged(full, {**NEWER, "rollout": {"strategy": "in_place"}}), Load(clients=4))
    assert len(report.records) > 50, report.text()
    assert report.dropped() == [], report.text()
    assert len(report.count(lambda record: record.pod)) == 4, f"not both pods were replaced: {report.text()}"

    # Left to the plan it is the same, and with nothing to change it costs nothing.
    chosen = yard.deploy(merged(full, {"annotations": {"example.com/rolled": "again"}}))["model_servers"][0]
    assert (chosen["strategy"], chosen["plan"]["verdict"]) == ("in_place", "pass")
    assert chosen["plan"]["start"]["is_measured"]
    again = yard.deploy(merged(full, {"annotations": {"example.com/rolled": "again"}}))
    assert (again["changed"], again["model_servers"][0]["plan"]) == (False, None)
    assert again["model_servers"][0]["strategy"] == "in_place"
    mark = yard.audit.mark()
    yard.deploy(merged(full, {"annotations": {"example.com/rolled": "again"}}))
    asked = [f"{event['verb']} {event['objectRef']['resource']}" for event in yard.audit.since(mark) if _ours(event)]
    assert [each for each in asked if "nodes" in each or each == "list pods"] == []
    assert again["attempts"] == len(set(asked)), asked


def _ours(event: Mapping[str, Any]) -> bool:
    return str(event.get("userAgent", "")).startswith("llmops.kubernetes") and "objectRef" in event


def test_a_release_that_is_larger_than_the_cluster_is_refused_with_what_fits(yard: Yard, full: dict[str, Any]) -> None:
    words = yard.refused(merged(full, {"replicas": 3}))
    assert "nodes have room for 0 of the 1 new pods that are wanted" in words
    assert "replicas: 2, which is what fits" in words
    words = yard.refused(yard.release("new", 1, parallel={"tensor": 4}))
    assert f"each asks for 10m cpu, 0.0 GiB memory, 4 {GPU}" in words
    words = yard.refused(yard.release("lost", 1, placement={"node_selector": {"kubernetes.io/hostnam": "x"}}))
    assert "did you mean kubernetes.io/hostname?" in words
    words = yard.refused(full, yard.release("late", 1, placement={"priority_class": "system-cluster-critcal"}))
    assert "there is no PriorityClass system-cluster-critcal" in words
    assert "Did you mean system-cluster-critical?" in words


def test_the_playbook_shows_the_plan_and_fails_where_it_is_refused(
    yard: Yard, full: dict[str, Any], make_project: MakeProject, tmp_path: Path
) -> None:
    mark = yard.audit.mark()
    project = make_project(full, yard.release("second", 1))
    run = project.run("playbooks/plan.yml", "-e", f"plan_report_folder={tmp_path}")
    assert run.code != 0
    assert f"{yard.namespace}/second" in run.stdout
    assert f"{yard.namespace}/full: no pod changes" in run.stdout
    assert f"free 1 {GPU} on node {yard.node}" in run.stdout
    page = next(tmp_path.glob("plan-*.html")).read_text()
    assert "Roll-out plan: <span class='fail'>fail" in page
    assert "<svg" in page
    project.write([merged(full, NEWER)])
    run = project.run("playbooks/plan.yml", "--check").ok()
    assert "in_place" in run.stdout
    assert run.changed() == 0
    assert yard.audit.writes(mark, yard.namespace) == []


def test_who_may_not_list_nodes_is_warned_and_refused_where_a_plan_is_required(yard: Yard) -> None:
    cluster, namespace = yard.cluster, yard.namespace
    role = yaml.safe_load((ROOT / "roles/model_server/files/rbac-deployer.yml").read_text())
    planner = yaml.safe_load((ROOT / "roles/model_server/files/rbac-planner.yml").read_text())
    group = "rbac.authorization.k8s.io"
    meta = {"name": "planless", "namespace": namespace}
    subjects = [{"apiGroup": group, "kind": "User", "name": name} for name in ("planless", "planner")]
    cluster.create({**role, "metadata": meta})
    reference = {"apiGroup": group, "kind": "Role", "name": "planless"}
    binding = {"apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": meta, "roleRef": reference}
    cluster.create({**binding, "subjects": subjects})
    wide = {"name": f"{namespace}-planner"}
    reference = {"apiGroup": group, "kind": "ClusterRole", "name": wide["name"]}
    api = f"/apis/{group}/v1"
    try:
        cluster.call("POST", f"{api}/clusterroles", {**planner, "metadata": wide})
        body = {"apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": wide, "roleRef": reference}
        cluster.call("POST", f"{api}/clusterrolebindings", {**body, "subjects": subjects[1:]})
        release = yard.release("blind", 1, parallel={"tensor": 4})
        words = yard.refused(release, plan="require", impersonate_user="planless")
        assert "rbac-planner.yml" in words
        fallback = yard.run("model_server", release, check=True, impersonate_user="planless")
        assert not fallback.get("failed"), fallback
        assert fallback["model_servers"][0]["plan"] is None
        assert "the roll-out is not planned" in json.dumps(fallback["warnings"])
        assert yard.run("rollout_plan", release, impersonate_user="planless")["verdict"] == "inconclusive"

        def planned() -> bool:
            result = yard.run("rollout_plan", release, impersonate_user="planner", fail_on=[])
            return (result["verdict"], result["notes"]) == ("fail", [])

        wait_until(planned, 10, "the ClusterRole's effect", 0.5)
    finally:
        for kind in ("clusterrolebindings", "clusterroles"):
            cluster.call("DELETE", f"{api}/{kind}/{wide['name']}")
