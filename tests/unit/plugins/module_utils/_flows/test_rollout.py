# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning roll-outs before a deployment, over a cluster in memory."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_server import Request, deploy
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.planning import Planning
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.rollout_plan import Preview, preview

from tests.unit.plugins.module_utils._domain.releases import DRAIN_TEXT, written
from tests.unit.plugins.module_utils._flows.memory import MemoryCluster, node

GPU = "nvidia.com/gpu"
NEWER = {"annotations": {"rolled": "yes"}}


def request(*changes: dict[str, Any], planning: Planning | None = None, **more: Any) -> Request:
    servers = parse_model_servers([written(change) for change in changes or ({},)])
    return Request(servers, DRAIN_TEXT, planning=planning or Planning(), **more)


def show(cluster: MemoryCluster, *changes: dict[str, Any], fail_on: tuple[str, ...] = (), **more: Any) -> Preview:
    return preview(request(*changes, **more), cluster, "now", fail_on)


def run_pods(cluster: MemoryCluster, name: str = "chat", *, ready: bool = True) -> None:
    """Let the Deployment have its pods, on the only node."""
    deployment = cluster.find("Deployment", "llm", f"{name}-blue")
    template = deployment["spec"]["template"]
    for number in range(deployment["spec"]["replicas"]):
        conditions = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T12:00:00Z"}]
        if ready:
            conditions.append({"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T12:01:15Z"})
        status = {"phase": "Running", "conditions": conditions, "containerStatuses": [{"restartCount": 0}]}
        meta = {"name": f"{name}-{number}", "namespace": "llm", "labels": template["metadata"]["labels"]}
        spec = {**template["spec"], "nodeName": "small"}
        cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status})


@pytest.fixture
def small() -> MemoryCluster:
    """Return a cluster of one node with two GPUs, both of which a release holds."""
    cluster = MemoryCluster("llm")
    del cluster.objects["Node", "", "roomy"]
    cluster.put(node("small", **{GPU: "2"}))
    deploy(request({"replicas": 2}), cluster)
    run_pods(cluster)
    cluster.writes.clear()
    cluster.requests.clear()
    return cluster


def test_the_plan_chooses_the_strategy_and_the_second_run_keeps_it_without_asking(small):
    outcome = deploy(request({"replicas": 2, **NEWER}), small)
    (release,) = outcome.result["model_servers"]
    assert (release["strategy"], release["plan"]["verdict"]) == ("in_place", "pass")
    assert release["plan"]["start"] == {
        "seconds": 75,
        "source": "measured on 2 pods that serve",
        "is_measured": True,
    }
    small.requests.clear()
    again = deploy(request({"replicas": 2, **NEWER}), small)
    assert (again.changed, again.result["model_servers"][0]["plan"]) == (False, None)
    assert again.result["model_servers"][0]["strategy"] == "in_place"
    assert [each for each in small.requests if "Node" in each or "Pod" in each.split()] == []


def test_the_plan_takes_surge_where_a_gpu_is_free():
    cluster = MemoryCluster("llm")
    deploy(request({"replicas": 2}), cluster)
    outcome = deploy(request({"replicas": 2, **NEWER}), cluster)
    assert outcome.result["model_servers"][0]["strategy"] == "surge"
    strategy = cluster.find("Deployment", "llm", "chat-blue")["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert not deploy(request({"replicas": 2, **NEWER}), cluster).changed


@pytest.mark.parametrize("check_mode", [True, False])
def test_what_can_only_hang_is_refused_before_any_write_in_check_mode_too(small, check_mode):
    with pytest.raises(ClusterError) as caught:
        deploy(
            request({"replicas": 2, **NEWER, "rollout.strategy": "surge"}, {"name": "b"}, check_mode=check_mode), small
        )
    assert small.writes == []
    words = caught.value.message
    assert words.startswith(
        "The roll-out plan refuses 2 of 2 releases that change on https://memory; nothing was changed.\n- llm/chat"
    )
    assert "rollout.strategy: in_place" in words
    assert caught.value.details["plan"]["verdict"] == "fail"


def test_asking_for_another_strategy_of_the_same_pods_is_planned_too(small):
    outcome = deploy(request({"replicas": 2, "rollout.strategy": "recreate"}), small)
    assert outcome.result["model_servers"][0]["strategy"] == "recreate"
    back = deploy(request({"replicas": 2}), small)
    assert back.result["model_servers"][0]["strategy"] == "in_place"


def test_who_may_not_list_nodes_gets_a_warning_and_the_usual_strategy(small):
    small.denied = {("list", "Node")}
    outcome = deploy(request({"replicas": 2, **NEWER}), small)
    assert outcome.result["model_servers"][0]["plan"] is None
    assert any("the roll-out is not planned" in each and "rbac-planner.yml" in each for each in outcome.warnings)
    small.writes.clear()
    with pytest.raises(ClusterError, match="a plan is required"):
        deploy(request({"replicas": 2}, planning=Planning("require")), small)
    assert small.writes == []
    found = show(small, {"replicas": 2}).outcome
    assert (found.result["verdict"], found.failure) == ("inconclusive", None)
    failed = show(small, {"replicas": 2}, fail_on=("inconclusive",)).outcome
    assert failed.failure.startswith("The roll-out plan on https://memory is inconclusive:\n- there is no plan")


def test_what_is_not_sure_is_a_warning_or_refused_where_a_plan_is_required(small):
    changed = {"replicas": 2, "patches": [{"op": "add", "path": "/spec/schedulerName", "value": "volcano"}]}
    with pytest.raises(ClusterError, match="schedulerName volcano"):
        deploy(request(changed, planning=Planning("require")), small)
    assert any("schedulerName volcano" in each for each in deploy(request(changed), small).warnings)


def test_nothing_is_planned_where_that_is_skipped(small):
    skipped = {"replicas": 3, "rollout.strategy": "surge"}
    assert deploy(request(skipped, planning=Planning("skip")), small).changed
    assert "list Node" not in small.requests


def test_other_failures_are_not_taken_for_a_lack_of_permission(small):
    for kind in ("Node", "ResourceQuota"):
        small.broken = {("list", kind)}
        with pytest.raises(ClusterError, match="HTTP 500"):
            deploy(request({"replicas": 2, **NEWER}), small)
    assert small.writes == []


def test_a_quota_counts_and_one_that_may_not_be_read_is_told(small):
    small.put(
        {
            "kind": "ResourceQuota",
            "metadata": {"name": "gpus", "namespace": "llm"},
            "status": {"hard": {f"requests.{GPU}": "2"}, "used": {f"requests.{GPU}": "2"}},
        }
    )
    small.put(node("spare"))
    assert deploy(request({"replicas": 2, **NEWER}), small).result["model_servers"][0]["strategy"] == "in_place"
    small.denied = {("list", "ResourceQuota")}
    outcome = deploy(request({"replicas": 2}), small)
    assert outcome.result["model_servers"][0]["strategy"] == "surge"
    assert any(each.startswith("ResourceQuota objects may not be read and do not count") for each in outcome.warnings)


def test_classes_that_are_not_there_are_refused_with_the_nearest(small):
    small.put({"kind": "PriorityClass", "metadata": {"name": "serving"}, "value": 5})
    with pytest.raises(InputError) as caught:
        deploy(request({"placement": {"priority_class": "servin", "runtime_class": "nvidia"}}), small)
    words = caught.value.message
    assert "model_servers[chat].placement.priority_class: there is no PriorityClass servin" in words
    assert "Did you mean serving?" in words
    assert "there is no RuntimeClass nvidia on https://memory; allowed: none is defined" in words


def test_classes_and_volumes_change_what_fits(small):
    small.put({"kind": "PriorityClass", "metadata": {"name": "serving"}, "value": 5, "preemptionPolicy": "Never"})
    small.put({"kind": "RuntimeClass", "metadata": {"name": "kata"}, "scheduling": {"nodeSelector": {"kata": "yes"}}})
    term = {"matchExpressions": [{"key": "rack", "operator": "In", "values": ["1"]}]}
    affinity = {"required": {"nodeSelectorTerms": [term]}}
    small.put({"kind": "PersistentVolume", "metadata": {"name": "pv"}, "spec": {"nodeAffinity": affinity}})
    claim = {"metadata": {"name": "models", "namespace": "llm"}, "spec": {"volumeName": "pv"}}
    small.put({"kind": "PersistentVolumeClaim", **claim, "status": {"accessModes": ["ReadWriteOnce"]}})
    kept = {"placement": {"priority_class": "serving", "runtime_class": "kata"}, "replicas": 2}
    found = show(small, kept).outcome.result
    assert "no label kata=yes" in found["releases"][0]["reasons"][1]
    small.denied = {("list", "RuntimeClass")}
    assert show(small, {**kept, "rollout.strategy": "in_place"}).outcome.result["verdict"] == "pass"
    small.denied = set()
    mounted = {"model": {"source": "pvc://models/x"}, "name": "other"}
    (release,) = show(small, mounted).outcome.result["releases"]
    assert "its volume is where rack=1" in release["reasons"][1]


def test_a_preview_tells_what_changes_and_what_does_not_and_writes_nothing(small):
    found = show(small, {"replicas": 2}, {"name": "other"}, fail_on=("fail",))
    result = found.outcome.result
    assert (small.writes, found.outcome.changed, result["unchanged"]) == ([], False, ["llm/chat"])
    assert "llm/chat: no pod changes" in result["table"]
    assert found.outcome.failure.startswith("The roll-out plan on https://memory is fail:\n- llm/other (surge):")
    assert "<svg" in found.page
    same = show(small, {"replicas": 2})
    assert (same.outcome.result["verdict"], same.outcome.result["releases"]) == ("pass", [])


def test_no_replicas_there_and_none_wanted_is_no_change(small):
    none = {"replicas": 0, "name": "idle"}
    assert show(small, none).outcome.result["unchanged"] == ["llm/idle"]
    deploy(request(none), small)
    assert show(small, {**none, **NEWER}).outcome.result["unchanged"] == ["llm/idle"]


def test_without_pods_that_serve_the_start_is_estimated(small):
    for number in range(2):
        status = small.find("Pod", "llm", f"chat-{number}")["status"]
        status["containerStatuses"] = [{"restartCount": 1}]
    (release,) = show(small, {"replicas": 2, **NEWER}).outcome.result["releases"]
    assert not release["start"]["is_measured"]
    assert release["start"]["source"].startswith("estimated from 13.0 GiB")
