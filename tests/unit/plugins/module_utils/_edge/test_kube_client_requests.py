# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the client sends to an API server, and what it makes of the answers, over real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.kube_client import KubeClient
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError

from tests.support.api_server import ApiServer, Asked, Reply, in_turn, json_reply, refusal, run_api_server

LIMITS = {"connect_timeout_seconds": 5.0, "read_timeout_seconds": 5.0, "deadline_seconds": 5.0}
CONFIGMAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "chat", "namespace": "llm"}}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "llm"}}


@pytest.fixture(name="api")
def _api() -> Iterator[ApiServer]:
    """Return a server that a test tells how to answer."""
    with run_api_server(in_turn()) as running:
        yield running


@pytest.fixture(name="answers")
def _answers(api: ApiServer) -> Iterator[Callable[..., KubeClient]]:
    """Return a function that sets the server's answers and returns a client of it."""
    clients = []

    def answers(*replies: Reply, **options: Any) -> KubeClient:
        api.respond = in_turn(*replies)
        clients.append(open_cluster({**LIMITS, "host": api.url, **options}))
        return clients[-1]

    yield answers
    for client in clients:
        client._pool.clear()


def only(api: ApiServer) -> Asked:
    (asked,) = api.asked
    return asked


def page(names: list[str], following: str = "") -> Reply:
    return json_reply({"metadata": {"continue": following}, "items": [{"metadata": {"name": each}} for each in names]})


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["metadata"]["name"] for item in items]


# Reading


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "path"),
    [
        ("ConfigMap", "llm", "chat", "/api/v1/namespaces/llm/configmaps/chat"),
        ("Deployment", "llm", "chat-blue", "/apis/apps/v1/namespaces/llm/deployments/chat-blue"),
        ("Namespace", None, "llm", "/api/v1/namespaces/llm"),
        ("NetworkPolicy", "llm", "chat", "/apis/networking.k8s.io/v1/namespaces/llm/networkpolicies/chat"),
        ("Node", None, "first", "/api/v1/nodes/first"),
        ("ResourceSlice", None, "a", "/apis/resource.k8s.io/v1/resourceslices/a"),
        ("ResourceClaim.v1beta2", "llm", "a", "/apis/resource.k8s.io/v1beta2/namespaces/llm/resourceclaims/a"),
        ("Service", "l/m", "a?b", "/api/v1/namespaces/l%2Fm/services/a%3Fb"),
    ],
)
def test_an_object_is_read_at_the_path_of_its_kind(api, answers, kind, namespace, name, path):
    client = answers(json_reply({"kind": kind}))
    assert client.get(kind, namespace, name) == {"kind": kind}
    asked = only(api)
    assert (asked.method, asked.path, asked.body) == ("GET", path, None)
    assert asked.header("accept") == ["application/json"]
    assert asked.header("user-agent") == ["llmops.kubernetes"]


def test_an_object_that_is_not_there_is_none(answers):
    assert answers(refusal(404, 'configmaps "chat" not found')).get("ConfigMap", "llm", "chat") is None


def test_metadata_alone_is_asked_for_where_no_more_is_needed(api, answers):
    client = answers(json_reply({"metadata": {"name": "keys"}}))
    assert client.get("Secret", "llm", "keys", metadata_only=True) == {"metadata": {"name": "keys"}}
    assert only(api).header("accept") == ["application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"]


def test_a_list_asks_with_its_selectors_and_nothing_that_is_empty(api, answers):
    client = answers(page(["a"]), page([]))
    assert names(client.list_objects("Pod", "llm", "app=vllm,slot in (a)", "status.phase!=Failed")) == ["a"]
    assert client.list_objects("Node", None) == []
    first, second = api.asked
    assert first.path == "/api/v1/namespaces/llm/pods"
    assert first.query == {
        "limit": "1000",
        "labelSelector": "app=vllm,slot in (a)",
        "fieldSelector": "status.phase!=Failed",
    }
    assert (second.path, second.query) == ("/api/v1/nodes", {"limit": "1000"})


def test_a_list_of_pods_of_all_namespaces_has_no_namespace_in_its_path(api, answers):
    answers(page([])).list_objects("Pod", None)
    assert only(api).path == "/api/v1/pods"


def test_a_long_list_is_read_page_by_page_with_the_same_selector(api, answers):
    client = answers(page(["a", "b"], "one"), page(["c"], "two"), page(["d"]))
    assert names(client.list_objects("Pod", "llm", "app=vllm")) == ["a", "b", "c", "d"]
    assert [each.query.get("continue") for each in api.asked] == [None, "one", "two"]
    assert {each.query["labelSelector"] for each in api.asked} == {"app=vllm"}


def test_a_parsed_list_makes_of_each_page_what_is_wanted_before_it_asks_for_the_next(api, answers):
    client, seen = answers(page(["a", "b"], "one"), page(["c"])), []

    def parse(item):
        seen.append(len(api.asked))
        return item["metadata"]["name"].upper()

    assert client.list_parsed("Pod", None, parse, fields="status.phase!=Failed") == ["A", "B", "C"]
    assert seen == [1, 1, 2]
    assert {each.query["fieldSelector"] for each in api.asked} == {"status.phase!=Failed"}


def test_a_list_whose_snapshot_is_gone_in_the_middle_is_read_anew_without_doubles(api, answers):
    gone = refusal(410, "The provided continue parameter is too old")
    client = answers(page(["a", "b"], "one"), gone, page(["a"], "two"), page(["c"]))
    assert names(client.list_objects("Pod", "llm")) == ["a", "c"]
    assert [each.query.get("continue") for each in api.asked] == [None, "one", None, "two"]


def test_a_list_that_is_always_gone_ends_in_the_servers_words(api, answers):
    client = answers()
    api.respond = lambda _asked: refusal(410, "the resource is gone for good")
    with pytest.raises(ClusterError, match=r"Failed listing pods in llm on .*HTTP 410 the resource is gone for good"):
        client.list_objects("Pod", "llm")
    assert len(api.asked) == 1


def test_a_list_that_never_holds_until_its_end_is_given_up_at_the_deadline(api, answers):
    client = answers(deadline_seconds=0.4)
    api.respond = lambda asked: refusal(410, "too old") if "continue" in asked.query else page(["a"], "next")
    with pytest.raises(ClusterError, match=r"Failed listing pods in llm on .*HTTP 410 too old"):
        client.list_objects("Pod", "llm")
    assert len(api.asked) > 2


def test_a_list_without_items_is_empty(answers):
    assert answers(json_reply({"items": None, "metadata": None})).list_objects("Pod", "llm") == []


# Writing


@pytest.mark.parametrize("force", [False, True])
def test_an_apply_is_strict_under_our_field_manager_and_says_whether_it_forces(api, answers, force):
    client = answers(json_reply({**CONFIGMAP, "data": {}}))
    assert client.apply(CONFIGMAP, force=force) == {**CONFIGMAP, "data": {}}
    asked = only(api)
    assert (asked.method, asked.path, asked.body) == ("PATCH", "/api/v1/namespaces/llm/configmaps/chat", CONFIGMAP)
    force_text = "true" if force else "false"
    assert asked.query == {"fieldManager": "llmops.kubernetes", "fieldValidation": "Strict", "force": force_text}
    assert asked.header("content-type") == ["application/apply-patch+yaml"]


def test_a_patch_carries_its_change_as_it_is_and_asks_for_no_more_than_the_metadata(api, answers):
    change = {"metadata": {"resourceVersion": "7", "labels": {"a": None}}, "spec": {"taints": []}}
    client = answers(json_reply({"metadata": {"name": "first"}}))
    assert client.patch("Node", None, "first", change) == {"metadata": {"name": "first"}}
    asked = only(api)
    assert (asked.method, asked.path, asked.body) == ("PATCH", "/api/v1/nodes/first", change)
    assert asked.query == {"fieldManager": "llmops.kubernetes", "fieldValidation": "Strict"}
    assert asked.header("content-type") == ["application/merge-patch+json"]
    assert asked.header("accept") == ["application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"]


def test_a_patch_by_operations_goes_as_it_is_and_gives_the_object_back(api, answers):
    operations = [{"op": "test", "path": "/metadata/generation", "value": 3}]
    client = answers(json_reply({"spec": {}}), refusal(422, "the test failed"))
    assert client.patch_json("HTTPRoute", "llm", "chat", operations, dry_run=True) == {"spec": {}}
    asked = only(api)
    path = "/apis/gateway.networking.k8s.io/v1/namespaces/llm/httproutes/chat"
    assert (asked.method, asked.path, asked.body) == ("PATCH", path, operations)
    assert (asked.query["fieldManager"], asked.query["dryRun"]) == ("llmops.kubernetes", "All")
    assert asked.header("content-type") == ["application/json-patch+json"]
    with pytest.raises(ClusterError, match=r"Failed patching HTTPRoute llm/chat on .* the test failed") as caught:
        client.patch_json("HTTPRoute", "llm", "chat", operations)
    assert caught.value.details["status"] == 422


@pytest.mark.parametrize("status", [404, 409])
def test_a_patch_of_what_is_gone_or_has_changed_is_an_error_with_its_status(answers, status):
    client = answers(refusal(status, "no such version"))
    with pytest.raises(ClusterError, match=r"Failed patching Node first on .* no such version") as caught:
        client.patch("Node", None, "first", {"metadata": {"resourceVersion": "7"}})
    assert caught.value.details["status"] == status


def test_a_dry_run_is_asked_of_the_server_for_applies_patches_and_deletes(api, answers):
    client = answers(json_reply(NAMESPACE), json_reply({}), json_reply({}))
    client.apply(NAMESPACE, dry_run=True)
    client.patch("Namespace", None, "llm", {"metadata": {"resourceVersion": "7"}}, dry_run=True)
    client.delete("Namespace", None, "llm", "uid-1", dry_run=True)
    applied, patched, deleted = api.asked
    assert (applied.path, applied.query["dryRun"]) == ("/api/v1/namespaces/llm", "All")
    assert (patched.path, patched.query["dryRun"]) == ("/api/v1/namespaces/llm", "All")
    assert deleted.body["dryRun"] == ["All"]


def test_a_create_goes_to_the_collection_of_its_kind(api, answers):
    client = answers(json_reply(CONFIGMAP, 201))
    assert client.create(CONFIGMAP) == CONFIGMAP
    asked = only(api)
    assert (asked.method, asked.path, asked.body) == ("POST", "/api/v1/namespaces/llm/configmaps", CONFIGMAP)
    assert asked.query == {"fieldManager": "llmops.kubernetes"}
    assert asked.header("content-type") == ["application/json"]


def test_a_delete_names_the_uid_and_lets_the_rest_follow(api, answers):
    answers(json_reply({"kind": "Status"})).delete("Service", "llm", "chat", "uid-7")
    asked = only(api)
    assert (asked.method, asked.path) == ("DELETE", "/api/v1/namespaces/llm/services/chat")
    assert asked.body == {"preconditions": {"uid": "uid-7"}, "propagationPolicy": "Background"}


@pytest.mark.parametrize("status", [404, 409])
def test_what_is_gone_or_replaced_by_another_counts_as_deleted(api, answers, status):
    answers(refusal(status, "Precondition failed: UID in precondition")).delete("Service", "llm", "chat", "uid-7")
    assert len(api.asked) == 1


def test_a_delete_that_is_refused_is_an_error(answers):
    with pytest.raises(ClusterError, match=r"Failed deleting Service llm/chat on .*HTTP 403 no such right"):
        answers(refusal(403, "no such right")).delete("Service", "llm", "chat", "uid-7")


# Refusals


def test_a_refusal_names_what_was_tried_where_and_the_servers_words(api, answers):
    words = 'configmaps "chat" is forbidden: User "robot" cannot get resource "configmaps" in the namespace "llm"'
    with pytest.raises(ClusterError) as refused:
        answers(refusal(403, words)).get("ConfigMap", "llm", "chat")
    assert refused.value.message.startswith(
        f"Failed reading ConfigMap llm/chat on {api.url} (the option host): HTTP 403 {words}. "
    )
    assert "rbac-deployer.yml" in refused.value.message
    assert refused.value.details == {"status": 403, "server": api.url}


def test_the_fields_that_the_server_refuses_are_named(answers):
    causes = [{"field": "spec.replicas", "message": "must not be negative"}]
    status = {"message": "Deployment is invalid", "details": {"causes": causes}}
    item = {"kind": "Deployment", "metadata": {"name": "chat-blue", "namespace": "llm"}}
    with pytest.raises(ClusterError, match=r"applying Deployment llm/chat-blue .*\(spec.replicas: must not be neg"):
        answers(json_reply(status, 422)).apply(item)


def test_a_conflict_tells_the_other_manager_and_how_to_take_over(answers):
    causes = [{"field": ".data.a", "message": 'conflict with "kubectl"'}]
    with pytest.raises(ClusterError, match=r'conflict with "kubectl".*force_conflicts: true'):
        answers(json_reply({"message": "1 conflict", "details": {"causes": causes}}, 409)).apply(CONFIGMAP)


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"", b"[1]", b"\xff"])
def test_an_answer_that_is_no_json_object_is_from_no_api_server(api, answers, body):
    with pytest.raises(ClusterError, match=f"{api.url} is no Kubernetes API server: reading ConfigMap llm/chat was"):
        answers(Reply(body)).get("ConfigMap", "llm", "chat")


def test_a_redirect_is_not_followed(api, answers):
    with pytest.raises(ClusterError, match="HTTP 302"):
        answers(Reply(b"", 302, {"Location": "/login"})).get("ConfigMap", "llm", "chat")
    assert len(api.asked) == 1


# Logs and permissions


def test_a_log_is_its_text_with_the_limits_that_were_asked_for(api, answers):
    client = answers(Reply("läuft\n".encode() + b"\xff"), Reply(b"before"))
    assert client.logs("llm", "chat-1", "engine", lines=20) == "läuft\n\ufffd"
    assert client.logs("llm", "chat-1", "engine", lines=5, previous=True) == "before"
    first, second = api.asked
    assert first.path == "/api/v1/namespaces/llm/pods/chat-1/log"
    assert first.query == {"container": "engine", "tailLines": "20", "limitBytes": "20000"}
    assert (second.query["tailLines"], second.query["previous"]) == ("5", "true")


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_a_log_that_cannot_be_had_says_why_and_is_no_error(answers, status):
    log = answers(refusal(status, "the container is waiting to start")).logs("llm", "chat-1", "engine", lines=20)
    assert log.startswith(f"(no log: HTTP {status} the container is waiting to start")


@pytest.mark.parametrize(("status", "allowed"), [({"allowed": True}, True), ({"allowed": False}, False), (None, False)])
def test_a_permission_is_what_the_server_says_of_it(answers, status, allowed):
    assert answers(json_reply({"status": status}, 201)).may("patch", "Deployment", "llm") is allowed


def test_a_permission_is_asked_with_group_subresource_and_namespace(api, answers):
    client = answers(*[json_reply({"status": {"allowed": True}}, 201)] * 2)
    client.may("create", "Deployment", "llm", "scale")
    client.may("list", "Node", None)
    first, second = api.asked
    assert (first.method, first.path) == ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
    wanted = {"verb": "create", "group": "apps", "resource": "deployments", "subresource": "scale", "namespace": "llm"}
    assert first.body["spec"]["resourceAttributes"] == wanted
    assert second.body["spec"]["resourceAttributes"] == {
        "verb": "list",
        "group": "",
        "resource": "nodes",
        "subresource": "",
    }


# Several requests at once


def test_results_of_parallel_requests_come_in_the_order_of_the_calls(api, answers):
    client = answers()
    api.respond = lambda asked: json_reply({"name": asked.path.rsplit("/", 1)[-1]})
    calls = [lambda name=f"c{number}": client.get("ConfigMap", "llm", name) for number in range(12)]
    assert [each["name"] for each in client.side_by_side(calls)] == [f"c{number}" for number in range(12)]
    assert client.side_by_side([]) == []
    assert client.side_by_side(calls[:1]) == [{"name": "c0"}]


def test_requests_really_run_side_by_side(api, answers):
    client, together = answers(), threading.Barrier(4, timeout=4)

    def respond(_asked: Asked) -> Reply:
        together.wait()
        return json_reply({})

    api.respond = respond
    assert client.side_by_side([lambda: client.get("ConfigMap", "llm", "chat")] * 4) == [{}] * 4


def test_as_many_requests_run_side_by_side_as_the_caller_says(api):
    together = threading.Barrier(9, timeout=4)

    def respond(_asked: Asked) -> Reply:
        together.wait()
        return json_reply({})

    api.respond = respond
    client = open_cluster({**LIMITS, "host": api.url}, 9)
    assert client.side_by_side([lambda: client.get("ConfigMap", "llm", "chat")] * 9) == [{}] * 9
    assert client.attempts == 9
    client._pool.clear()


def test_nothing_more_is_sent_after_the_first_error(api, answers):
    client = answers()
    api.respond = lambda _asked: refusal(403, "not for you")
    with pytest.raises(ClusterError, match="not for you"):
        client.side_by_side([lambda: client.get("ConfigMap", "llm", "chat")] * 60)
    assert len(api.asked) <= 8


# Identity


def test_impersonated_groups_reach_the_server_as_one_header_each(api, answers):
    groups = ["system:masters", "a, b"]
    answers(json_reply({}), impersonate_user="robot", impersonate_groups=groups).get("Namespace", None, "llm")
    assert only(api).header("impersonate-user") == ["robot"]
    assert only(api).header("impersonate-group") == groups
