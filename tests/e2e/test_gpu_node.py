# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of nodes on the real API server, with nodes that the test makes and faults between us and the server."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.nodes import GPU, TestNodes, make_nodes
from tests.faults.proxy.proxy import Fault, FaultProxy, run_proxy
from tests.support.cluster import AuditLog, Cluster
from tests.support.playbooks import run_module
from tests.support.processes import wait_until

TAINT = {"key": GPU, "value": "present", "effect": "NoSchedule"}
EVICTING = {"key": "llm-only", "effect": "NoExecute"}
POOL_LABEL = "llmops.dev/node-pool"
SOON = (("Retry-After", "1"),)
COUNT = 6


@pytest.fixture(name="nodes")
def _nodes(cluster: Cluster) -> Iterator[TestNodes]:
    """Return nodes for one test."""
    with make_nodes(cluster, COUNT) as nodes:
        yield nodes


@pytest.fixture(name="proxy", scope="module")
def _proxy(cluster: Cluster) -> Iterator[FaultProxy]:
    """Return a proxy before the API server, with an administrator's certificate."""
    settings, address = cluster.configuration, urlsplit(cluster.server)
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    with run_proxy((str(address.hostname), address.port or 443), context) as proxy:
        yield proxy


def pool(nodes: TestNodes, **more: Any) -> dict[str, Any]:
    """Return a pool of all of the test's nodes, of a name that no other test has."""
    written = {"name": nodes.word, "selector": nodes.selector, "labels": {"team": "search"}, "taints": [TAINT]}
    return {**written, **more}


def run(nodes: TestNodes, *pools: dict[str, Any], check: bool = False, diff: bool = False, **options: Any) -> Any:
    place = {} if "host" in options else {"kubeconfig": str(nodes.cluster.kubeconfig)}
    arguments = {"pools": list(pools) or [pool(nodes)], **place, **options}
    return run_module("gpu_node", arguments, check=check, diff=diff)


def actions(result: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["action"] for each in result["nodes"]}


def writes(nodes: TestNodes, audit: AuditLog, mark: tuple[int, int]) -> list[str]:
    return [each for each in nodes.requests(audit, mark) if each.startswith(f"patch nodes/{nodes.word}")]


def test_each_node_gets_one_patch_and_the_second_run_is_one_list(nodes: TestNodes, audit: AuditLog) -> None:
    mark = audit.mark()
    done = run(nodes)
    assert not done.get("failed"), done
    assert actions(done) == dict.fromkeys(nodes.names, "changed")
    assert {each for each in writes(nodes, audit, mark) if "dry" in each} == set()
    for name in nodes.names:
        assert nodes.labels(name) == {"team": "search", POOL_LABEL: nodes.word}
        assert nodes.taints(name) == {f"{GPU}=present:NoSchedule"}
        assert nodes.keeps_others_away(name)
    assert done["verified"]["nodes"] == COUNT
    mark = audit.mark()
    again = run(nodes)
    assert again["changed"] is False
    assert again["api_calls"] == 1
    assert writes(nodes, audit, mark) == []
    assert "list nodes" in nodes.requests(audit, mark)


def test_check_mode_with_diff_predicts_each_node_and_writes_nothing(nodes: TestNodes, audit: AuditLog) -> None:
    mark = audit.mark()
    predicted = run(nodes, check=True, diff=True)
    # A node that the cluster's own controllers touch in the middle is tried once more.
    assert set(writes(nodes, audit, mark)) == {f"patch nodes/{name} (dry run)" for name in nodes.names}
    assert {each["after_header"] for each in predicted["diff"]} == {f"Node {name}" for name in nodes.names}
    assert all("  team: search\n" in each["after"] for each in predicted["diff"])
    assert actions(run(nodes)) == actions(predicted)


def test_what_is_not_wanted_any_more_goes_and_absent_takes_all_back(nodes: TestNodes) -> None:
    run(nodes)
    done = run(nodes, pool(nodes, labels={"tier": "a"}, taints=[]))
    assert not done.get("failed"), done
    assert nodes.labels(nodes.names[0]) == {"tier": "a", POOL_LABEL: nodes.word}
    assert nodes.taints(nodes.names[0]) == set()
    run(nodes, {"name": nodes.word, "state": "absent"})
    for name in nodes.names:
        assert nodes.labels(name) == {}
        assert "llmops.dev/node-pool-applied" not in nodes.get(name)["metadata"].get("annotations", {})
        assert nodes.keeps_others_away(name)


def test_a_label_that_another_tool_owns_is_a_conflict_that_names_it(nodes: TestNodes, cluster: Cluster) -> None:
    name = nodes.names[0]
    theirs = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"team": "batch"}}}
    cluster.apply(theirs, manager="cluster-inventory")
    refused = run(nodes)
    assert refused["failed"]
    assert f"label team is 'batch', set by cluster-inventory; pool {nodes.word} wants 'search'" in refused["msg"]
    assert nodes.labels(nodes.names[1]) == {}
    taken = run(nodes, force_conflicts=True)
    assert not taken.get("failed"), taken
    assert nodes.labels(name)["team"] == "search"


def test_a_second_pool_over_the_same_nodes_is_refused(nodes: TestNodes) -> None:
    other = {"name": f"{nodes.word}-other", "selector": {"names": [nodes.names[0]]}}
    refused = run(nodes, pool(nodes), other)
    assert f"overlap (got {nodes.names[0]})" in refused["msg"]
    assert nodes.labels(nodes.names[1]) == {}


def daemonset(nodes: TestNodes, namespace: str, tolerations: list[dict[str, str]]) -> dict[str, Any]:
    labels = {"app": "nvidia-device-plugin-daemonset"}
    container = {
        "name": "plugin",
        "image": "llmops.local/python:3.11",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "containers": [container],
        "nodeSelector": {"llmops.dev/test-node": nodes.word},
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}},
        "tolerations": tolerations,
    }
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": labels["app"], "namespace": namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def test_a_taint_goes_on_only_after_the_device_plugin_tolerates_it(
    nodes: TestNodes, namespace: str, cluster: Cluster, audit: AuditLog
) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/daemonsets"
    cluster.call("POST", path, daemonset(nodes, namespace, []))
    mark = audit.mark()
    refused = run(nodes)
    assert refused["details"]["daemonsets"] == [f"{namespace}/nvidia-device-plugin-daemonset"]
    assert "does not tolerate nvidia.com/gpu=present:NoSchedule" in refused["msg"]
    assert writes(nodes, audit, mark) == []
    tolerated = daemonset(nodes, namespace, [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}])
    cluster.call("PUT", f"{path}/nvidia-device-plugin-daemonset", tolerated)
    assert not run(nodes).get("failed")
    assert nodes.taints(nodes.names[0]) == {f"{GPU}=present:NoSchedule"}


def test_eviction_needs_consent_names_the_pods_and_then_happens(
    nodes: TestNodes, namespace: str, cluster: Cluster, audit: AuditLog
) -> None:
    (template,) = [daemonset(nodes, namespace, [])["spec"]["template"]]
    spec = {**template["spec"], "nodeName": nodes.names[0]}
    meta = {"name": "train-0", "namespace": namespace}
    cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    mark = audit.mark()
    evicting = pool(nodes, taints=[EVICTING])
    refused = run(nodes, evicting)
    assert refused["details"]["pods"] == [f"{namespace}/train-0"]
    assert f"{namespace}/train-0 on {nodes.names[0]}" in refused["msg"]
    assert writes(nodes, audit, mark) == []
    done = run(nodes, evicting, allow_eviction=True, verify_seconds=0)
    assert not done.get("failed"), done
    assert [each["name"] for each in done["evicted_pods"]] == ["train-0"]

    def leaves() -> bool:
        pod = cluster.get("Pod", namespace, "train-0")
        return pod is None or "deletionTimestamp" in pod["metadata"]

    wait_until(leaves, 20, "the eviction of train-0", 0.25)


def test_gpus_that_are_gone_after_the_taint_fail_the_run_with_the_nodes_name(nodes: TestNodes) -> None:
    name = nodes.names[1]

    def lose_gpus_once_tainted() -> None:
        wait_until(lambda: "llm-only=:NoExecute" in nodes.taints(name), 20, "the taint", 0.1)
        nodes.set_gpus(name, 0)

    thread = threading.Thread(target=lose_gpus_once_tainted)
    thread.start()
    result = run(nodes, pool(nodes, taints=[EVICTING]), allow_eviction=True, verify_seconds=3)
    thread.join()
    assert result["failed"]
    assert result["verified"]["lost"] == [name]
    assert f"{name} (nvidia.com/gpu: 8 before, 0 now)" in result["msg"]
    assert set(actions(result).values()) == {"changed"}


def test_labels_are_derived_from_what_the_provider_says(cluster: Cluster) -> None:
    provider = {"cloud.google.com/gke-accelerator": "nvidia-tesla-a100"}
    with make_nodes(cluster, 2, **provider) as nodes:
        done = run(nodes, derive_labels=True)
        assert not done.get("failed"), done
        labels = nodes.labels(nodes.names[0])
        assert (labels["gpu-type"], labels["node-type"]) == ("A100", "gpu-node")


# Faults between us and the API server


def test_a_refusal_on_one_node_leaves_the_others_done_and_the_next_run_finishes(
    nodes: TestNodes, proxy: FaultProxy
) -> None:
    name = nodes.names[2]
    proxy.set(Fault("status", "PATCH", f"nodes/{name}", nth=(), status=403, body=b'{"message": "not yours"}'))
    result = run(nodes, host=proxy.url)
    proxy.set()
    assert result["failed"]
    assert actions(result) == {each: "failed" if each == name else "changed" for each in nodes.names}
    assert result["details"]["nodes"] == [name]
    assert "HTTP 403 not yours" in result["msg"]
    assert "rbac-nodes.yml" in result["msg"]
    finished = run(nodes, host=proxy.url)
    assert not finished.get("failed"), finished
    assert [each for each, action in actions(finished).items() if action == "changed"] == [name]


def test_a_node_that_vanishes_in_the_middle_is_told_and_no_failure(nodes: TestNodes, proxy: FaultProxy) -> None:
    proxy.set(Fault("status", "PATCH", f"nodes/{nodes.names[0]}", status=404, body=b'{"message": "not found"}'))
    result = run(nodes, host=proxy.url)
    proxy.set()
    assert not result.get("failed"), result
    assert actions(result)[nodes.names[0]] == "vanished"
    assert set(list(actions(result).values())[1:]) == {"changed"}


FAULTS = {
    "restart": [Fault("reset", nth=tuple(range(5, 12)))],
    "starting-up": [Fault("status", "PATCH", nth=(2, 3, 4, 5), status=503)],
    "overloaded": [Fault("status", "PATCH", nth=(1, 4), status=429, headers=SOON)],
    "answers-lost": [Fault("reset_after", "PATCH", nth=(1, 3, 5))],
    "answers-stalled": [Fault("stall_after", "PATCH", nth=(2,))],
    "conflict": [Fault("status", "PATCH", nth=(1, 2), status=409, body=b'{"message": "has been modified"}')],
    "lists": [Fault("status", "GET", "nodes", status=503), Fault("cut", "GET", "daemonsets")],
}


@pytest.mark.parametrize("case", sorted(FAULTS))
def test_a_fault_in_the_middle_is_survived_and_every_node_is_done(
    case: str, nodes: TestNodes, proxy: FaultProxy
) -> None:
    proxy.set(*FAULTS[case])
    limits: dict[str, Any] = {"read_timeout_seconds": 2, "deadline_seconds": 30, "parallel_requests": 3}
    result = run(nodes, host=proxy.url, **limits)
    assert not result.get("failed"), result
    assert any(seen.fault for seen in proxy.seen), "the fault was never due"
    proxy.set()
    assert actions(result) == dict.fromkeys(nodes.names, "changed")
    for name in nodes.names:
        assert nodes.taints(name) == {f"{GPU}=present:NoSchedule"}
    assert run(nodes)["changed"] is False


def test_a_server_that_goes_away_ends_the_run_in_time_with_what_was_done(nodes: TestNodes, proxy: FaultProxy) -> None:
    proxy.set(Fault("reset", "PATCH", nth=tuple(range(3, 1000))))
    result = run(nodes, host=proxy.url, deadline_seconds=3, parallel_requests=1)
    proxy.set()
    assert result["failed"]
    assert list(actions(result).values()) == ["changed", "changed", "failed", "not_tried", "not_tried", "not_tried"]
    assert "2 were:" in result["msg"]
    finished = run(nodes)
    assert list(actions(finished).values()) == ["unchanged"] * 2 + ["changed"] * 4


def test_another_writer_in_the_middle_loses_nothing(nodes: TestNodes, proxy: FaultProxy, cluster: Cluster) -> None:
    name = nodes.names[0]
    # Our first patch never reaches the server; before it is sent again, somebody else writes.
    proxy.set(Fault("stall", "PATCH", f"nodes/{name}"))

    def write_meanwhile() -> None:
        wait_until(lambda: any(seen.fault for seen in proxy.seen), 10, "our patch", 0.05)
        taints = [*nodes.get(name)["spec"]["taints"], {"key": "theirs", "effect": "NoSchedule"}]
        cluster.merge("Node", "", name, {"metadata": {"labels": {"theirs": "kept"}}, "spec": {"taints": taints}})

    thread = threading.Thread(target=write_meanwhile)
    thread.start()
    result = run(nodes, host=proxy.url, read_timeout_seconds=2)
    thread.join()
    seen_by_proxy = list(proxy.seen)
    proxy.set()
    assert not result.get("failed"), result
    assert 409 in {seen.status for seen in seen_by_proxy}
    assert nodes.taints(name) == {"theirs=:NoSchedule", f"{GPU}=present:NoSchedule"}
    assert nodes.labels(name)["theirs"] == "kept"


# The playbook


def test_the_playbook_applies_pools_shows_them_and_takes_them_back(
    nodes: TestNodes, make_project: Callable[..., Any]
) -> None:
    project = make_project(gpu_node_pools=[pool(nodes)])
    shown = project.run("playbooks/gpu_nodes.yml", "--check", "--diff").ok()
    assert shown.changed() == 1
    assert f"Node {nodes.names[0]}" in shown.stdout
    assert "+  nvidia.com/gpu=present:NoSchedule" in shown.stdout
    assert nodes.labels(nodes.names[0]) == {}
    assert project.run("playbooks/gpu_nodes.yml").ok().changed() == 1
    assert project.run("playbooks/gpu_nodes.yml").ok().changed() == 0
    assert project.run("playbooks/gpu_nodes.yml", "-e", "gpu_node_state=absent").ok().changed() == 1
    assert nodes.labels(nodes.names[0]) == {}
    misspelt = project.run("playbooks/gpu_nodes.yml", "-e", "gpu_node_derive_label=true").failed()
    assert "Role gpu_node has no variable gpu_node_derive_label" in misspelt.output


def test_the_node_of_the_cluster_itself_gets_its_pool_and_gives_it_back(cluster: Cluster) -> None:
    (real,) = [each for each in cluster.items("Node") if "llmops.dev/test-node" not in each["metadata"]["labels"]][:1]
    name = real["metadata"]["name"]
    place = {"kubeconfig": str(cluster.kubeconfig)}
    written = {"name": "e2e-real", "selector": {"names": [name]}, "accelerator": "none", "annotations": {"note": "x"}}
    try:
        done = run_module("gpu_node", {"pools": [written], **place})
        assert not done.get("failed"), done
        node = cluster.get("Node", "", name) or {}
        assert node["metadata"]["labels"][POOL_LABEL] == "e2e-real"
    finally:
        gone = run_module("gpu_node", {"pools": [{"name": "e2e-real", "state": "absent"}], **place})
    assert gone["changed"] is True
    after = cluster.get("Node", "", name) or {}
    assert after["metadata"]["labels"] == real["metadata"]["labels"]
    assert after["spec"].get("taints") == real["spec"].get("taints")
