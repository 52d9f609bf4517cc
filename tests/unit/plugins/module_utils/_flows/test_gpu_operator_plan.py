# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of an installation: what it returns, and everything that it refuses before anything is written."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.gpu_operator_plan import (
    ChartFiles,
    Installation,
    plan_operator,
    plan_values,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome

from tests.unit.plugins.module_utils._flows.gpu_stack import SPACE, GpuCluster

OPERATOR = "nvcr.example/nvidia/gpu-operator"
PROPERTIES = {"driver": {"x-kubernetes-preserve-unknown-fields": True}, "dcgm": {"properties": {"enabled": {}}}}
SCHEMA = {"openAPIV3Schema": {"properties": {"spec": {"properties": PROPERTIES}}}}
DEFINITION = {
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "clusterpolicies.nvidia.com"},
    "spec": {"versions": [{"name": "v1", "served": True, "schema": SCHEMA}]},
}
VALUES = {
    "nfd": {"enabled": True},
    "driver": {"version": "580.105.08", "repository": "nvcr.example/nvidia", "image": "driver"},
    "dcgm": {"enabled": False},
}
CHAT = {"app.kubernetes.io/instance": "chat", "app.kubernetes.io/component": "model-server"}


class Charts:
    """Implements the ``Charts`` port with a chart in memory."""

    def __init__(self, definitions: Any = (DEFINITION,)) -> None:
        self.definitions = definitions

    def read(self, path: str, nfd: bool) -> ChartFiles:
        told = {"name": "gpu-operator", "version": "v26.7.0"}
        return ChartFiles(told, copy.deepcopy(VALUES), "", None, "", list(self.definitions))


def objects(version: str = "v26.7.0", name: str = "gpu-operator", **spec: Any) -> list[dict[str, Any]]:
    """Return what Helm renders."""
    pod = {"containers": [{"name": "main", "image": f"{OPERATOR}:{version}"}]}
    deployment = {"kind": "Deployment", "metadata": {"name": name}, "spec": {"template": {"spec": pod}}}
    policy = {"kind": "ClusterPolicy", "metadata": {"name": "cluster-policy"}}
    hook = {"kind": "Job", "metadata": {"name": "hook", "annotations": {"helm.sh/hook": "pre-upgrade"}}}
    return [deployment, {**policy, "spec": {"driver": {"version": "580.105.08"}, **spec}}, hook]


class Site(GpuCluster):
    """A cluster in which the operator is installed as ``objects()`` say."""

    def __init__(self) -> None:
        super().__init__()
        self.put_policy(spec={"driver": {"version": "580.105.08"}})
        self.release: dict[str, Any] = {"name": "gpu-operator", "status": "deployed"}

    def plan(self, rendered: Any = None, deployed: Any = None, charts: Any = None, **more: Any) -> Outcome:
        """Plan."""
        request = Installation("/chart", **more)
        seen = objects() if deployed is None else deployed
        want = objects() if rendered is None else rendered
        return plan_operator(request, charts or Charts(), want, self.release, seen, self.api, self.clock.now())

    def refusal(self, rendered: Any = None, **more: Any) -> str:
        """Return why there is no plan."""
        with pytest.raises((InputError, ClusterError)) as caught:
            self.plan(rendered, **more)
        assert self.api.writes == []
        return caught.value.message


@pytest.fixture
def site() -> Site:
    """Return the cluster."""
    return Site()


def test_values_and_images_need_no_cluster():
    result = plan_values(Installation("/chart", registry="mirror.example"), Charts()).result
    assert result["chart"]["version"] == "v26.7.0"
    assert result["values"]["driver"]["repository"] == "mirror.example/nvidia"
    assert result["images"] == ["mirror.example/nvidia/driver:580.105.08-<system>"]


def test_unknown_values_are_refused_before_the_cluster_is_asked(site):
    assert "values.drivers: chart gpu-operator" in site.refusal(values={"drivers": {}})
    assert site.api.requests == []


def test_nothing_to_do_is_said(site):
    outcome = site.plan()
    assert (outcome.changed, outcome.diff) == (False, [])
    assert outcome.result["objects"] == {"made": [], "changed": [], "removed": []}
    assert "no object of the release changes" in outcome.result["table"]
    assert outcome.result["drivers"] == "none"
    assert f"{OPERATOR}:v26.7.0" in outcome.result["images"]


def test_the_namespace_and_the_definitions_come_first_and_ours_are_marked(site):
    namespace, definition = site.plan().result["definitions"]
    labels = namespace["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"
    assert labels["app.kubernetes.io/managed-by"] == "llmops.kubernetes"
    assert definition == DEFINITION


def test_definitions_that_are_there_are_not_applied_again(site):
    for each in site.plan().result["definitions"]:
        live = site.api.put({**each, "status": {"phase": "Active"}})
        live["spec"] = {**live.get("spec", {}), "conversion": {"strategy": "None"}}
    assert site.plan().result["definitions"] == []
    site.api.find("Namespace", "", SPACE)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "restricted"
    assert [each["kind"] for each in site.plan().result["definitions"]] == ["Namespace"]


def test_a_first_installation_makes_everything_and_touches_no_driver(site):
    del site.api.objects["ClusterPolicy", "", "cluster-policy"]
    site.release = {}
    result = site.plan(deployed=[]).result
    assert result["objects"]["made"] == ["ClusterPolicy cluster-policy", "Deployment gpu-operator"]
    assert (result["drivers"], result["repair"]["action"]) == ("none", "none")
    site.api.unserved.add("ClusterPolicy")
    assert site.plan(deployed=[]).result["drivers"] == "none"


def test_changes_are_shown_object_by_object(site):
    outcome = site.plan(
        objects(dcgm={"enabled": True}), [*objects(), {"kind": "ConfigMap", "metadata": {"name": "old"}}]
    )
    assert outcome.result["objects"]["changed"] == ["ClusterPolicy cluster-policy"]
    assert outcome.result["objects"]["removed"] == ["ConfigMap old"]
    assert [each["before_header"] for each in outcome.diff] == ["ClusterPolicy cluster-policy", "ConfigMap old"]
    assert "operands that begin anew: nvidia-dcgm" in outcome.result["table"]


def test_a_driver_that_would_evict_a_model_server_is_refused_with_pods_nodes_and_reasons(site):
    site.put_pod("chat-1", "llm", gpus="1", labels=CHAT)
    text = site.refusal(objects(driver={"version": "595.91.07"}))
    assert "the driver of node gpu-1 would begin anew (spec.driver changes), which evicts llm/chat-1" in text
    assert "model server llm/chat would have 0 ready replicas without node gpu-1, and must keep 1" in text
    assert "gpu-2" not in text


def test_held_drivers_stay_and_the_nodes_to_label_are_named(site):
    site.put_pod("chat-1", "llm", gpus="1", labels=CHAT)
    result = site.plan(objects(driver={"version": "595.91.07"}), driver_upgrade="hold").result
    assert result["hold_nodes"] == ["gpu-1", "gpu-2"]
    lines = "\n".join(result["table"])
    assert "drivers begin anew, node by node, held on every node (spec.driver changes)" in lines
    assert "node gpu-2: no pod with GPUs" in lines
    assert "  model server llm/chat would have 0 ready replicas" in lines
    assert site.plan(driver_upgrade="hold").result["hold_nodes"] == []


def test_waves_hold_all_nodes_first_and_are_refused_where_a_floor_would_break(site):
    site.put_pod("chat-1", "llm", gpus="1", labels=CHAT)
    newer = objects(driver={"version": "595.91.07"})
    text = site.refusal(newer, driver_upgrade="waves")
    assert "model server llm/chat would have 0 ready replicas without node gpu-1, and must keep 1 (got waves)" in text
    site.put_pod("chat-2", "llm", gpus="1", labels=CHAT, node="gpu-2")
    assert site.plan(newer, driver_upgrade="waves").result["hold_nodes"] == ["gpu-1", "gpu-2"]


def test_a_driver_may_begin_anew_where_nobody_uses_the_gpus(site):
    assert site.plan(objects(driver={"version": "595.91.07"})).result["drivers"] == "evicts"


def test_a_budget_of_ours_is_the_floor(site):
    labels = {**CHAT, "app.kubernetes.io/managed-by": "llmops.kubernetes"}
    meta = {"namespace": "llm", "name": "chat", "labels": labels}
    site.api.put({"kind": "PodDisruptionBudget", "metadata": meta, "status": {"desiredHealthy": 2}})
    for number, name in enumerate(("gpu-1", "gpu-2")):
        site.put_pod(f"chat-{number}", "llm", gpus="1", labels=CHAT, node=name)
    assert "would have 1 ready replicas without node gpu-1, and must keep 2" in site.refusal(
        objects(driver={"version": "595.91.07"})
    )


def test_a_newer_operator_begins_drivers_in_place_only_where_both_can(site):
    site.put_pod("chat-1", "llm", gpus="1", labels=CHAT)
    assert site.plan(objects("v26.7.1")).result["drivers"] == "in_place"
    assert "before 26.7 the operator begins drivers anew" in site.refusal(objects("v25.3.0"))


def test_what_somebody_has_changed_in_the_cluster_counts_as_a_change(site):
    site.put_policy(spec={"driver": {"version": "1.2.3"}})
    site.put_pod("chat-1", "llm", gpus="1", labels=CHAT)
    assert "spec.driver changes" in site.refusal()
    site.put_policy(spec={"driver": {"version": "580.105.08"}, "dcgm": {}})
    assert site.plan(deployed=[]).result["drivers"] == "none"


@pytest.mark.parametrize(
    ("release", "words"),
    [
        ({"meta.helm.sh/release-name": "a", "meta.helm.sh/release-namespace": "b"}, "the Helm release b/a"),
        ({}, "no Helm release (made by OLM or by hand)"),
    ],
)
def test_somebody_elses_policy_is_not_taken_over(site, release, words):
    site.put_policy(annotations=release)
    assert f"ClusterPolicy cluster-policy belongs to {words}" in site.refusal()


def test_a_field_that_the_definition_does_not_know_is_refused_by_name(site):
    text = site.refusal(objects(dcgm={"enabled": True, "hostPort": 1}, gfd={}))
    assert "does not know spec.dcgm.hostPort, spec.gfd; the API would drop it" in text


def test_a_chart_without_definition_or_policy_is_refused(site):
    assert "hold no CustomResourceDefinition clusterpolicies.nvidia.com" in site.refusal(charts=Charts(()))
    assert "the chart renders no ClusterPolicy" in site.refusal(objects()[:1])
    bare = {"kind": "CustomResourceDefinition", "metadata": {"name": "other"}}
    assert "hold no CustomResourceDefinition" in site.refusal(charts=Charts((bare,)))


def test_missing_permissions_are_listed_with_the_role_that_is_enough(site):
    site.api.denied |= {("patch", "CustomResourceDefinition"), ("create", "Secret")}
    text = site.refusal()
    assert "- patch CustomResourceDefinition in the whole cluster" in text
    assert "- create Secret in namespace gpu-operator" in text
    assert "roles/gpu_operator/files/rbac-gpu-operator.yml" in text


def put_revisions(site: Site, *states: str) -> None:
    """Store the Secrets in which Helm keeps the revisions."""
    for number, state in enumerate(states, 1):
        labels = {"owner": "helm", "name": "gpu-operator", "version": str(number), "status": state}
        meta = {"namespace": SPACE, "name": f"sh.helm.release.v1.gpu-operator.v{number}", "labels": labels}
        site.api.put({"kind": "Secret", "metadata": meta})


def test_a_broken_upgrade_goes_back_first_and_counts_as_one_that_touches_drivers(site):
    put_revisions(site, "superseded", "deployed", "pending-upgrade")
    site.release = {"name": "gpu-operator", "status": "pending-upgrade", "revision": 3}
    result = site.plan().result
    assert (result["repair"]["action"], result["repair"]["revision"]) == ("rollback", 2)
    assert result["drivers"] == "evicts"
    assert any(line.startswith("rollback: release gpu-operator is in pending-upgrade") for line in result["table"])


def test_a_broken_installation_is_taken_away_only_from_our_own_namespace(site):
    site.release = {"name": "gpu-operator", "status": "pending-install"}
    assert "does not carry our label" in site.refusal()
    site.api.find("Namespace", "", SPACE)["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "llmops.kubernetes"}
    assert site.plan().result["repair"]["action"] == "uninstall"


def test_a_helm_that_may_be_at_work_is_not_disturbed(site):
    put_revisions(site, "deployed", "pending-upgrade")
    updated = site.clock.now().strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
    site.release = {"name": "gpu-operator", "status": "pending-upgrade", "updated": updated}
    assert "may still be at work" in site.refusal()
    assert site.plan(pending_seconds=0.0).result["repair"]["action"] == "rollback"


def test_a_renamed_operator_has_an_unknown_version(site):
    assert site.plan(objects(name="other")).result["drivers"] == "evicts"
