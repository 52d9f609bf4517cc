# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploying, removing and rendering releases, over a cluster in memory."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_server import (
    Request,
    deploy,
    remove,
    render,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome

from tests.unit.plugins.module_utils._domain.releases import DRAIN_TEXT, written
from tests.unit.plugins.module_utils._flows.memory import MemoryCluster

OBJECTS = {
    "ConfigMap chat-release",
    "ServiceAccount chat",
    "Service chat",
    "Service chat-blue",
    "Service chat-green",
    "PodDisruptionBudget chat",
    "NetworkPolicy chat",
    "Deployment chat-blue",
}


def request(*changes: dict[str, Any], **more: Any) -> Request:
    servers = parse_model_servers([written(change) for change in changes or ({},)])
    return Request(servers, DRAIN_TEXT, **more)


def actions(outcome: Outcome) -> dict[str, str]:
    return {
        f"{each['kind']} {each['name']}": each["action"]
        for release in outcome.result["model_servers"]
        for each in release["objects"]
    }


@pytest.fixture
def cluster() -> MemoryCluster:
    """Return a cluster with the namespace and nothing in it."""
    return MemoryCluster("llm")


# Deploying


def test_the_first_deploy_makes_every_object_the_anchor_first_and_the_deployment_last(cluster):
    outcome = deploy(request(), cluster)
    assert outcome.changed
    assert set(actions(outcome).values()) == {"created"}
    assert cluster.names() >= OBJECTS
    assert cluster.names() == set(actions(outcome))
    assert (cluster.writes[0], cluster.writes[-1]) == ("apply ConfigMap chat-release", "apply Deployment chat-blue")


def test_everything_belongs_to_the_anchor_so_that_deleting_it_cleans_all(cluster):
    deploy(request(), cluster)
    uid = cluster.find("ConfigMap", "llm", "chat-release")["metadata"]["uid"]
    owners = {
        name: [owner["uid"] for owner in item["metadata"].get("ownerReferences", [])]
        for (kind, _namespace, name), item in cluster.objects.items()
        if kind not in ("Namespace", "Node") and name != "chat-release"
    }
    assert set(map(tuple, owners.values())) == {(uid,)}


def test_the_second_deploy_writes_nothing_and_reads_one_list_a_kind(cluster):
    deploy(request(), cluster)
    cluster.writes.clear()
    cluster.requests.clear()
    outcome = deploy(request(), cluster)
    assert (outcome.changed, cluster.writes, list(outcome.diff)) == (False, [], [])
    assert set(actions(outcome).values()) == {"unchanged"}
    assert sorted(each for each in cluster.requests if each.startswith("list")) == [
        "list ConfigMap",
        "list Deployment",
        "list NetworkPolicy",
        "list PodDisruptionBudget",
        "list Service",
        "list ServiceAccount",
    ]
    assert [each for each in cluster.requests if not each.startswith("list")] == ["get Namespace"]


def test_check_mode_predicts_exactly_what_the_run_does_and_writes_nothing(cluster):
    predicted = deploy(request(check_mode=True), cluster)
    assert (cluster.writes, cluster.names()) == ([], set())
    assert actions(predicted) == actions(deploy(request(), cluster))
    predicted = deploy(request({"replicas": 3}, check_mode=True), cluster)
    assert actions(predicted) == actions(deploy(request({"replicas": 3}), cluster))


def test_a_changed_specification_changes_the_deployment_and_what_the_release_says(cluster):
    first = deploy(request(), cluster).result["model_servers"][0]["revision"]
    outcome = deploy(request({"engine.args": {"max_model_len": 4096}}), cluster)
    release = outcome.result["model_servers"][0]
    touched = {name: action for name, action in actions(outcome).items() if action != "unchanged"}
    assert touched == {
        "ConfigMap chat-release": "changed",
        "Deployment chat-blue": "changed",
    }
    assert release["revision"] != first
    assert len(outcome.diff) == 2


def test_a_field_that_somebody_has_changed_is_set_back(cluster):
    deploy(request({"replicas": 2}), cluster)
    cluster.find("Deployment", "llm", "chat-blue")["spec"]["replicas"] = 5
    outcome = deploy(request({"replicas": 2}), cluster)
    assert {name for name, action in actions(outcome).items() if action == "changed"} == {"Deployment chat-blue"}
    assert cluster.find("Deployment", "llm", "chat-blue")["spec"]["replicas"] == 2


def test_what_others_add_to_our_objects_stays_and_changes_nothing(cluster):
    deploy(request(), cluster)
    cluster.find("Service", "llm", "chat")["metadata"]["labels"]["team"] = "search"
    assert not deploy(request(), cluster).changed
    deploy(request({"labels": {"cost": "7"}}), cluster)
    assert cluster.find("Service", "llm", "chat")["metadata"]["labels"]["team"] == "search"


def test_objects_of_an_earlier_specification_are_removed(cluster):
    deploy(request(), cluster)
    outcome = deploy(request({"network.enabled": False}), cluster)
    assert actions(outcome)["NetworkPolicy chat"] == "deleted"
    assert "NetworkPolicy chat" not in cluster.names()


def test_the_idle_slot_is_left_alone_and_the_stable_one_is_what_the_anchor_says(cluster):
    deploy(request(), cluster)
    anchor = cluster.find("ConfigMap", "llm", "chat-release")
    anchor["data"]["stable_slot"] = "green"
    outcome = deploy(request(), cluster)
    assert outcome.result["model_servers"][0]["slot"] == "green"
    assert {"Deployment chat-blue", "Deployment chat-green"} <= cluster.names()
    assert cluster.find("Service", "llm", "chat")["spec"]["selector"]["llmops.dev/slot"] == "green"


def test_a_run_that_is_cut_off_at_any_write_is_finished_by_the_next_one():
    whole = MemoryCluster("llm")
    deploy(request(), whole)
    for cut in range(len(whole.writes)):
        cluster = MemoryCluster("llm")
        cluster.fail_at_write = cut
        with pytest.raises(ClusterError, match="the connection was lost"):
            deploy(request(), cluster)
        cluster.fail_at_write = None
        deploy(request(), cluster)
        assert cluster.content() == whole.content()
        assert not deploy(request(), cluster).changed


def test_a_namespace_is_made_once_where_it_is_wanted():
    cluster = MemoryCluster()
    wanted = ({"create_namespace": True}, {"create_namespace": True, "name": "other"})
    predicted = deploy(request(*wanted, check_mode=True), cluster)
    assert {kind for kind, _namespace, _name in cluster.objects} == {"Node"}
    outcome = deploy(request(*wanted), cluster)
    assert actions(predicted) == actions(outcome)
    made = [each for release in outcome.result["model_servers"] for each in release["objects"]]
    assert [each["kind"] for each in made].count("Namespace") == 1
    assert cluster.writes[0] == "apply Namespace llm"
    assert not deploy(request(*wanted), cluster).changed


def test_the_diff_shows_what_changes_and_masks_what_somebody_has_put_there(cluster):
    deploy(request(), cluster)
    live = cluster.find("Deployment", "llm", "chat-blue")
    live["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "HUB_TOKEN", "value": "planted"})
    outcome = deploy(request({"engine.env": {"MODE": "fast"}}), cluster)
    text = "".join(part["before"] + part["after"] for part in outcome.diff)
    assert '"HUB_TOKEN"' in text
    assert '"MODE"' in text
    assert "planted" not in text


# What is refused before anything is written


def test_a_missing_namespace_is_refused_for_every_release_that_names_it():
    cluster = MemoryCluster()
    with pytest.raises(InputError) as refused:
        deploy(request({}, {"name": "other", "namespace": "elsewhere"}), cluster)
    assert [problem.path for problem in refused.value.problems] == [
        "model_servers[chat].namespace",
        "model_servers[other].namespace",
    ]
    assert "there is no namespace llm on https://memory" in refused.value.message
    assert "create_namespace: true" in refused.value.message


def test_a_namespace_that_may_not_be_looked_at_is_taken_as_there(cluster):
    cluster.denied.add(("get", "Namespace"))
    assert deploy(request(), cluster).changed


def test_every_missing_reference_is_named_with_its_path_and_nothing_is_written(cluster):
    change = {
        "model.source": "pvc://weights/qwen",
        "model.revision": None,
        "engine.api_key": {"secret": "keys", "key": "chat"},
        "engine.env": {
            "MODE": {"configmap": "modes", "key": "mode"},
            "X": {"secret": "x", "key": "x", "optional": True},
        },
        "security": {"service_account": "runner"},
    }
    with pytest.raises(InputError) as refused:
        deploy(request(change), cluster)
    assert {problem.path: problem.message for problem in refused.value.problems} == {
        "model_servers[chat].model.source": "there is no PersistentVolumeClaim llm/weights on https://memory",
        "model_servers[chat].engine.api_key": "there is no Secret llm/keys on https://memory",
        "model_servers[chat].engine.env.MODE": "there is no ConfigMap llm/modes on https://memory",
        "model_servers[chat].security.service_account": "there is no ServiceAccount llm/runner on https://memory",
    }
    assert cluster.writes == []


@pytest.mark.parametrize("check_mode", [False, True])
def test_nothing_that_is_referred_to_can_be_in_a_namespace_that_is_yet_to_be_made(check_mode):
    cluster = MemoryCluster()
    change = {
        "create_namespace": True,
        "model.token": {"secret": "hf", "key": "token"},
        "security": {"service_account": "default"},
        "engine.env": {"X": {"secret": "x", "key": "x", "optional": True}},
    }
    with pytest.raises(InputError) as refused:
        deploy(request(change, check_mode=check_mode), cluster)
    words = "model_servers[chat].model.token: there is no Secret llm/hf on https://memory. "
    words += "Create the namespace with its Secret first: create_namespace makes an empty one."
    assert refused.value.message == words
    assert cluster.writes == []


def test_a_missing_claim_for_downloads_is_named(cluster):
    with pytest.raises(InputError, match=r"chat\]\.model\.cache: there is no PersistentVolumeClaim llm/hub on https"):
        deploy(request({"model.cache": {"pvc": "hub"}}), cluster)


def test_a_secret_that_may_not_be_looked_at_is_left_to_the_kubelet(cluster):
    cluster.denied.add(("get", "Secret"))
    assert deploy(request({"engine.api_key": {"secret": "keys", "key": "chat"}}), cluster).changed


def test_an_object_of_somebody_else_is_refused_and_the_other_releases_are_not_written_either(cluster):
    cluster.put({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "other", "namespace": "llm"}})
    with pytest.raises(ClusterError, match="Service llm/other on https://memory exists and is not of this collection"):
        deploy(request({}, {"name": "other"}), cluster)
    assert cluster.writes == []


def test_an_object_of_somebody_else_is_taken_over_where_that_is_wanted(cluster):
    cluster.put({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "chat", "namespace": "llm"}, "spec": {}})
    deploy(request(adopt=True), cluster)
    assert cluster.find("Service", "llm", "chat")["spec"]["selector"]["app.kubernetes.io/instance"] == "chat"


def test_missing_permissions_are_all_named_and_nothing_is_written(cluster):
    cluster.denied |= {("create", "Deployment"), ("patch", "Service")}
    with pytest.raises(ClusterError) as refused:
        deploy(request(), cluster)
    assert refused.value.details["missing"] == [
        {"namespace": "llm", "verb": "create", "kind": "Deployment"},
        {"namespace": "llm", "verb": "patch", "kind": "Service"},
    ]
    assert "- create Deployment in namespace llm\n- patch Service in namespace llm\n" in refused.value.message
    assert "rbac-deployer.yml" in refused.value.message
    assert cluster.writes == []


def test_what_only_the_server_can_refuse_of_any_release_is_refused_before_the_first_write(cluster):
    deploy(request({"name": "other"}), cluster)
    cluster.writes.clear()
    cluster.refused.add("Deployment other-blue")
    changed = {"name": "other", "replicas": 3}
    with pytest.raises(ClusterError) as refused:
        deploy(request({}, changed), cluster)
    words = "model_servers[other]: Failed applying Deployment other-blue: HTTP 422 is invalid. Nothing was changed"
    assert (refused.value.message, refused.value.details) == (words, {"status": 422})
    assert cluster.writes == []
    with pytest.raises(ClusterError, match="HTTP 422 is invalid"):
        deploy(request({}, changed, check_mode=True), cluster)


def test_what_the_server_refuses_in_a_namespace_that_was_to_be_made_leaves_it_empty():
    cluster = MemoryCluster()
    cluster.refused.add("Deployment chat-blue")
    with pytest.raises(ClusterError, match=r"is invalid\. Nothing was changed but for the new namespace llm$"):
        deploy(request({"create_namespace": True}), cluster)
    assert cluster.writes == ["apply Namespace llm"]


def test_a_namespace_that_may_not_be_made_is_told_before_another_release_is_written(cluster):
    cluster.refused.add("Namespace elsewhere")
    with pytest.raises(ClusterError, match=r"model_servers\[other\]: .*Namespace elsewhere.* Nothing was changed$"):
        deploy(request({}, {"name": "other", "namespace": "elsewhere", "create_namespace": True}), cluster)
    assert cluster.writes == []


def test_only_what_is_about_to_change_is_tried(cluster):
    deploy(request(), cluster)
    cluster.requests.clear()
    deploy(request({"replicas": 2}), cluster)
    assert [each for each in cluster.requests if each.startswith("patch")] == ["patch Deployment"] * 2


def test_a_permission_that_the_plan_does_not_need_may_be_missing(cluster):
    deploy(request(), cluster)
    cluster.denied |= {("create", "Deployment"), ("delete", "Service")}
    assert deploy(request({"replicas": 2}), cluster).changed


def test_a_permission_to_list_that_is_missing_is_named(cluster):
    cluster.denied.add(("list", "NetworkPolicy"))
    with pytest.raises(ClusterError, match="Missing:\n- list NetworkPolicy in namespace llm"):
        deploy(request(), cluster)


@pytest.mark.parametrize("request_that_fails", [("get", "Namespace"), ("list", "Service"), ("get", "Secret")])
def test_a_server_that_cannot_answer_is_no_missing_object(cluster, request_that_fails):
    cluster.broken.add(request_that_fails)
    with pytest.raises(ClusterError, match="was answered with HTTP 500"):
        deploy(request({"engine.api_key": {"secret": "keys", "key": "chat"}}), cluster)
    assert cluster.writes == []


def test_objects_of_releases_that_are_not_in_the_list_are_left_alone(cluster):
    deploy(request({}, {"name": "other"}), cluster)
    before = cluster.names()
    cluster.writes.clear()
    deploy(request({"replicas": 2}, {"name": "third"}), cluster)
    assert before - cluster.names() == set()
    assert [each for each in cluster.writes if " other" in each] == []


def test_a_permission_to_list_that_comes_and_goes_is_told_as_the_servers_refusal(cluster):
    cluster.denied.add(("list", "Service"))
    cluster.may = lambda *_arguments, **_more: True
    with pytest.raises(ClusterError, match="list Service is forbidden"):
        deploy(request(), cluster)


# Removing


def test_removing_takes_everything_the_anchor_last_and_leaves_what_is_not_ours(cluster):
    deploy(request({}, {"name": "other"}), cluster)
    foreign = {"metadata": {"name": "chat-notes", "namespace": "llm"}}
    cluster.put({"apiVersion": "v1", "kind": "ConfigMap", **foreign})
    cluster.put({"apiVersion": "v1", "kind": "PersistentVolumeClaim", **foreign})
    cluster.writes.clear()
    outcome = remove(request(), cluster)
    assert set(actions(outcome).values()) == {"deleted"}
    assert cluster.writes[-1] == "delete ConfigMap chat-release"
    left = {name for name in cluster.names() if "chat" in name}
    assert left == {"ConfigMap chat-notes", "PersistentVolumeClaim chat-notes"}
    assert "Deployment other-blue" in cluster.names()
    assert ("Namespace", "", "llm") in cluster.objects


def test_removing_again_changes_nothing(cluster):
    deploy(request(), cluster)
    remove(request(), cluster)
    outcome = remove(request(), cluster)
    assert (outcome.changed, actions(outcome)) == (False, {})


def test_check_mode_predicts_what_removing_takes_and_takes_nothing(cluster):
    deploy(request(), cluster)
    before = cluster.names()
    predicted = remove(request(check_mode=True), cluster)
    assert cluster.names() == before
    assert actions(predicted) == actions(remove(request(), cluster))


def test_removing_from_a_namespace_that_is_gone_changes_nothing():
    assert not remove(request({"create_namespace": True}), MemoryCluster()).changed


def test_a_removal_that_is_cut_off_is_finished_by_the_next_one(cluster):
    deploy(request(), cluster)
    cluster.writes.clear()
    cluster.fail_at_write = 3
    with pytest.raises(ClusterError):
        remove(request(), cluster)
    assert "ConfigMap chat-release" in cluster.names()
    cluster.fail_at_write = None
    assert remove(request(), cluster).changed
    assert cluster.names() == set()


# Reading


def test_rendering_needs_no_cluster_and_returns_what_a_deploy_applies(cluster):
    outcome = render(request())
    (release,) = outcome.result["model_servers"]
    assert not outcome.changed
    deploy(request(), cluster)
    assert {f"{each['kind']} {each['metadata']['name']}" for each in release["manifests"]} == cluster.names()
