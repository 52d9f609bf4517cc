# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release keeps of itself, on the real cluster: records, the way back, and who works on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.conftest import MakeNamespace
from tests.e2e.releases import standin, standin_configmap
from tests.support.cluster import AuditLog, Cluster
from tests.support.playbooks import Project, run_module

MakeProject = Callable[..., Project]
ME, OTHER = "me@desk:1", "AWX job 7"


class Runs:
    """Runs of one release, by module as the playbooks call them."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.kubeconfig = str(cluster.kubeconfig)

    def spec(self, number: int) -> dict[str, Any]:
        return standin("chat", self.namespace, {"answer_salt": f"version {number}"})

    def module(self, module: str, /, **arguments: Any) -> dict[str, Any]:
        return run_module(module, {"kubeconfig": self.kubeconfig, **arguments})

    def deploy(self, number: int, holder: str = ME, **more: Any) -> dict[str, Any]:
        return self.module("model_server", model_servers=[self.spec(number)], lock_holder=holder, **more)

    def gate(self, revision: str) -> dict[str, Any]:
        place = {"name": "chat", "namespace": self.namespace}
        return self.module("health_gate", **place, revision=revision, run_from="controller", lock_holder=ME)

    def release(self, number: int) -> str:
        """Deploy, gate and record; return the revision."""
        made = self.deploy(number)
        assert made["changed"], made
        revision = str(made["model_servers"][0]["revision"])
        verdict = self.gate(revision)
        assert verdict["verdict"] == "pass", verdict
        health = {key: verdict[key] for key in ("verdict", "reasons", "observed", "samples")}
        recorded = self.module(
            "release", model_servers=[self.spec(number)], lock_holder=ME, verdicts={"health": health}
        )
        assert recorded["changed"], recorded
        assert recorded["releases"][0]["number"] == number
        return revision

    def lock(self, holder: str) -> dict[str, Any]:
        return self.module("release", name="chat", namespace=self.namespace, state="locked", lock_holder=holder)

    @property
    def lease(self) -> dict[str, Any]:
        lease = self.cluster.get("Lease", self.namespace, "chat-release")
        assert lease is not None
        return lease


@pytest.fixture(name="runs", scope="module")
def _runs(make_namespace: MakeNamespace, cluster: Cluster) -> Runs:
    """Return a release of which three revisions were deployed and recorded."""
    namespace = make_namespace("release")
    cluster.create(standin_configmap(namespace))
    return Runs(cluster, namespace)


def test_the_first_of_three_revisions_comes_back_from_the_cluster_alone(
    runs: Runs, cluster: Cluster, make_project: MakeProject
) -> None:
    revisions = [runs.release(number) for number in (1, 2, 3)]
    assert len(set(revisions)) == 3
    sets = {
        each["metadata"]["labels"]["llmops.dev/revision"]: each for each in cluster.items("ReplicaSet", runs.namespace)
    }
    # No list of model servers, no file of the first runs: only the connection, the name and the namespace.
    project = make_project(model_server_gate_run_from="controller")
    chosen = ("-e", "only=chat", "-e", f"rollback_namespace={runs.namespace}", "-e", "to_revision=1")
    done = project.run("playbooks/rollback.yml", *chosen).ok()
    assert done.changed() == 2
    deployment = cluster.get("Deployment", runs.namespace, "chat-blue")
    assert deployment is not None
    assert deployment["metadata"]["labels"]["llmops.dev/revision"] == revisions[0]
    (pod,) = [each for each in cluster.pods(runs.namespace) if not each["metadata"].get("deletionTimestamp")]
    # Kubernetes has found its old ReplicaSet, so the template is the one of then to the last field.
    assert pod["metadata"]["ownerReferences"][0]["uid"] == sets[revisions[0]]["metadata"]["uid"]
    record = cluster.get("ConfigMap", runs.namespace, "chat-revision-4")
    assert record is not None
    assert (record["data"]["copy_of"], record["immutable"]) == ("1", True)
    assert "holderIdentity" not in runs.lease["spec"]
    assert runs.lease["metadata"]["ownerReferences"][0]["name"] == "chat-release"


def test_a_lock_keeps_others_out_until_it_expires(runs: Runs, cluster: Cluster, audit: AuditLog) -> None:
    assert runs.lock(OTHER)["changed"]
    mark = audit.mark()
    refused = runs.deploy(9)
    since = refused["details"]["taken_at"]
    assert refused["failed"]
    assert f"Lease chat-release is held by {OTHER} since {since[:19]}" in refused["msg"]
    assert f"until {refused['details']['ends_at'][:19]}" in refused["msg"]
    assert audit.writes(mark, runs.namespace) == []
    path = f"/apis/coordination.k8s.io/v1/namespaces/{runs.namespace}/leases/chat-release"
    lease = runs.lease
    lease["spec"]["renewTime"] = "2020-01-01T00:00:00.000000Z"
    cluster.call("PUT", path, lease)
    assert runs.lock(ME)["changed"]
    assert runs.lease["spec"]["holderIdentity"] == ME
    assert runs.lease["spec"]["leaseTransitions"] == lease["spec"]["leaseTransitions"] + 1
    lost = runs.module("health_gate", name="chat", namespace=runs.namespace, run_from="controller", lock_holder=OTHER)
    assert f"{OTHER} has lost the lock" in lost["msg"]
    place = {"name": "chat", "namespace": runs.namespace, "state": "unlocked"}
    assert runs.module("release", **place, lock_holder=OTHER)["changed"] is False
    assert runs.module("release", **place, lock_holder=ME)["changed"] is True


def test_a_revision_that_is_not_kept_and_an_image_that_is_gone_are_told(runs: Runs, cluster: Cluster) -> None:
    place = {"name": "chat", "namespace": runs.namespace, "state": "restored", "lock_holder": ME}
    refused = runs.module("release", **place, to_revision=8)
    assert f"Revision 8 of release {runs.namespace}/chat" in refused["msg"]
    assert "is not kept; kept are: 1, 2, 3, 4" in refused["msg"]
    # A record whose image no registry has, as it is after its digest was deleted there.
    record = cluster.get("ConfigMap", runs.namespace, "chat-revision-4")
    assert record is not None
    gone = "llmops.local/gone@sha256:" + "0" * 64
    data = {key: text.replace("llmops.local/python:3.11", gone) for key, text in record["data"].items()}
    meta = {key: record["metadata"][key] for key in ("namespace", "labels", "ownerReferences")}
    copy = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**meta, "name": "chat-revision-5"}}
    cluster.create({**copy, "data": {**data, "number": "5"}, "immutable": True})
    restored = runs.module("release", **place, to_revision=5)
    assert restored["changed"], restored
    verdict = runs.gate(restored["model_servers"][0]["revision"])
    assert verdict["verdict"] == "fail"
    assert gone in verdict["msg"]
    assert "ImagePull" in verdict["msg"] or "ErrImage" in verdict["msg"]
    # What has never passed is left for the last record by default.
    assert runs.module("release", **place, to_revision=4)["to_revision"] == 4
