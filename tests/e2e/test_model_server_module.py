# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``model_server`` does with a cluster that is not as expected; the releases have no pods."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.e2e.conftest import MakeNamespace
from tests.e2e.releases import Places, merged, standin, standin_configmap
from tests.support.cluster import AuditLog, Cluster
from tests.support.playbooks import run_module

REFUSING = "https://127.0.0.1:1"
OVERHEAD_SECONDS_MAX = 2.0
WEIGHTS = {"source": "hf://Qwen/Qwen2.5-7B-Instruct", "revision": "a09a35458c702b33eeacc393d103063234e8bc28"}


class Yard:
    """One namespace for the releases of this file, and the module."""

    def __init__(self, namespace: str, cluster: Cluster, audit: AuditLog) -> None:
        self.namespace, self.cluster, self.audit = namespace, cluster, audit

    def release(self, name: str, **change: Any) -> dict[str, Any]:
        return merged(standin(name, self.namespace, replicas=0), change)

    def run(self, *releases: Mapping[str, Any], check: bool = False, diff: bool = False, **options: Any) -> Any:
        arguments = {"kubeconfig": str(self.cluster.kubeconfig), "model_servers": list(releases), **options}
        return run_module("model_server", arguments, check=check, diff=diff)

    def refused(self, *releases: Mapping[str, Any], **options: Any) -> str:
        """Return the words of a refusal, which must have written nothing."""
        mark = self.audit.mark()
        result = self.run(*releases, **options)
        assert result.get("failed"), result
        assert self.audit.writes(mark, releases[0]["namespace"]) == []
        return str(result["msg"])


def actions(result: Mapping[str, Any], of: int = 0) -> dict[str, str]:
    objects = result["model_servers"][of]["objects"]
    return {f"{each['kind']}/{each['name']}": each["action"] for each in objects}


@pytest.fixture(name="yard", scope="module")
def _yard(make_namespace: MakeNamespace, cluster: Cluster, audit: AuditLog) -> Yard:
    namespace = make_namespace("module")
    cluster.create(standin_configmap(namespace))
    return Yard(namespace, cluster, audit)


def test_a_missing_namespace_is_an_error_unless_it_is_to_be_made(yard: Yard, cluster: Cluster) -> None:
    namespace = f"e2e-made-{uuid.uuid4().hex[:6]}"
    release = {**yard.release("chat", model=WEIGHTS), "namespace": namespace}
    release["volumes"] = []
    words = yard.refused(release)
    assert "model_servers[chat].namespace" in words
    assert f"there is no namespace {namespace}" in words
    assert "create_namespace: true" in words
    release["create_namespace"] = True
    try:
        predicted = yard.run(release, check=True)
        assert cluster.get("Namespace", "", namespace) is None
        made = yard.run(release)
        assert actions(made) == actions(predicted)
        assert set(actions(made).values()) == {"created"}
        assert f"Namespace/{namespace}" in actions(made)
        assert yard.run(release)["changed"] is False
        assert yard.run(release, state="absent")["changed"] is True
        assert cluster.get("Namespace", "", namespace) is not None
    finally:
        cluster.delete_namespace(namespace)


def test_everything_missing_that_a_specification_refers_to_is_named_at_once(yard: Yard) -> None:
    first = yard.release("first", model={"source": "pvc://nothing/tiny"}, engine={"tls": {"secret": "no-tls"}})
    second = yard.release("second", engine={"api_key": {"secret": "no-key", "key": "key"}})
    second["volumes"] = [{"name": "standin", "configmap": "no-engine", "mount": "/opt/standin"}]
    words = yard.refused(first, second)
    place = yard.namespace
    assert f"model_servers[first].model.source: there is no PersistentVolumeClaim {place}/nothing" in words
    assert f"model_servers[first].engine.tls: there is no Secret {place}/no-tls" in words
    assert f"model_servers[second].engine.api_key: there is no Secret {place}/no-key" in words
    assert f"model_servers[second].volumes[standin]: there is no ConfigMap {place}/no-engine" in words


def test_what_only_the_server_can_refuse_of_the_last_release_stops_the_first_too(yard: Yard) -> None:
    lost = {"name": "lost", "image": "llmops.local/python:3.11", "volumeMounts": [{"name": "none", "mountPath": "/x"}]}
    words = yard.refused(yard.release("right"), yard.release("wrong", sidecars=[lost]))
    assert words.startswith("model_servers[wrong]: Failed applying Deployment")
    assert 'volumeMounts[0].name: Not found: "none"' in words
    assert words.endswith("Nothing was changed")


def test_objects_of_others_are_left_alone_unless_they_are_adopted(yard: Yard, cluster: Cluster) -> None:
    spec = {"selector": {"app": "other"}, "ports": [{"port": 8000, "name": "http"}]}
    meta = {"name": "foreign", "namespace": yard.namespace}
    cluster.create({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})
    words = yard.refused(yard.release("foreign"))
    assert f"Service {yard.namespace}/foreign on {cluster.server} exists and is not of this collection" in words
    assert "adopt: true" in words
    # Another tool's fields are another tool's: taking the object is not yet taking them.
    taken = yard.run(yard.release("foreign"), adopt=True, force_conflicts=True)
    assert not taken.get("failed"), taken
    service = cluster.get("Service", yard.namespace, "foreign")
    assert service is not None
    assert service["spec"]["selector"]["app.kubernetes.io/instance"] == "foreign"
    assert yard.run(yard.release("foreign"))["changed"] is False


def test_a_field_that_another_tool_has_set_is_a_conflict_unless_forced(yard: Yard, cluster: Cluster) -> None:
    release = yard.release("shared")
    yard.run(release)
    deployment = cluster.get("Deployment", yard.namespace, "shared-blue")
    assert deployment is not None
    scaled = {key: deployment[key] for key in ("apiVersion", "kind")}
    scaled["metadata"] = {"name": "shared-blue", "namespace": yard.namespace}
    cluster.apply({**scaled, "spec": {"minReadySeconds": 1, "progressDeadlineSeconds": 77}}, manager="autopilot")
    result = yard.run(release)
    assert result["failed"]
    for words in (f"Deployment {yard.namespace}/shared-blue", "autopilot", ".spec.progressDeadlineSeconds"):
        assert words in result["msg"]
    assert "force_conflicts: true" in result["msg"]
    forced = yard.run(release, force_conflicts=True)
    assert actions(forced)["Deployment/shared-blue"] == "changed"
    healed = cluster.get("Deployment", yard.namespace, "shared-blue")
    assert healed is not None
    assert healed["spec"]["progressDeadlineSeconds"] == deployment["spec"]["progressDeadlineSeconds"]
    # What was never ours stays theirs.
    assert healed["spec"]["minReadySeconds"] == 1
    assert yard.run(release)["changed"] is False


def test_what_was_changed_or_removed_by_hand_comes_back(yard: Yard, cluster: Cluster) -> None:
    release = yard.release("drift")
    yard.run(release)
    cluster.delete("PodDisruptionBudget", yard.namespace, "drift")
    cluster.merge("Service", yard.namespace, "drift", {"spec": {"selector": {"app.kubernetes.io/instance": "x"}}})
    mark = yard.audit.mark()
    predicted = yard.run(release, check=True, force_conflicts=True, diff=True)
    assert yard.audit.writes(mark, yard.namespace) == []
    healed = yard.run(release, force_conflicts=True)
    assert actions(healed) == actions(predicted)
    moved = {key: action for key, action in actions(healed).items() if action != "unchanged"}
    assert moved == {"PodDisruptionBudget/drift": "created", "Service/drift": "changed"}
    shown = next(each for each in predicted["diff"] if each["before_header"].startswith("Service"))
    assert '"app.kubernetes.io/instance": "x"' in shown["before"]
    assert '"app.kubernetes.io/instance": "drift"' in shown["after"]
    assert yard.run(release)["changed"] is False


def test_what_a_specification_no_longer_has_is_removed(yard: Yard, cluster: Cluster) -> None:
    yard.run(yard.release("prune"))
    assert cluster.get("NetworkPolicy", yard.namespace, "prune") is not None
    changed = yard.release("prune", network={"enabled": False}, security={"service_account": "default"})
    moved = {key: action for key, action in actions(yard.run(changed)).items() if action == "deleted"}
    assert moved == {"NetworkPolicy/prune": "deleted", "ServiceAccount/prune": "deleted"}
    assert cluster.get("NetworkPolicy", yard.namespace, "prune") is None
    assert yard.run(changed)["changed"] is False


def test_absent_takes_one_release_and_nothing_of_its_neighbour(yard: Yard, cluster: Cluster) -> None:
    yard.run(yard.release("gone"), yard.release("gone-not"))
    before = set(cluster.versions(yard.namespace))
    predicted = yard.run(yard.release("gone"), state="absent", check=True)
    assert set(cluster.versions(yard.namespace)) == before
    removed = yard.run(yard.release("gone"), state="absent")
    assert actions(removed) == actions(predicted)
    assert before - set(cluster.versions(yard.namespace)) == set(actions(removed))
    assert yard.run(yard.release("gone"), state="absent")["changed"] is False
    assert yard.run(yard.release("gone-not"))["changed"] is False


def test_rendered_needs_no_cluster(yard: Yard) -> None:
    arguments = {"host": REFUSING, "state": "rendered", "model_servers": [yard.release("paper")]}
    started = time.monotonic()
    result = run_module("model_server", arguments)
    assert time.monotonic() - started < OVERHEAD_SECONDS_MAX
    assert result["changed"] is False
    kinds = [item["kind"] for item in result["model_servers"][0]["manifests"]]
    assert kinds.count("Service") == 3
    assert kinds[-1] == "Deployment"


@pytest.fixture(name="silent")
def _silent() -> Iterator[str]:
    """Return an address that does not even refuse: its queue of new connections is full, so Linux drops the packets."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _number in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("kind", ["silent", "refusing"])
def test_an_api_server_that_cannot_be_reached_is_said_within_the_connect_timeout(
    kind: str, silent: str, yard: Yard
) -> None:
    host = silent if kind == "silent" else REFUSING
    arguments = {"host": host, "model_servers": [yard.release("far")], "connect_timeout_seconds": 1}
    started = time.monotonic()
    result = run_module("model_server", arguments)
    assert time.monotonic() - started < 1 + OVERHEAD_SECONDS_MAX
    assert result["failed"]
    assert f"The API server {host} (the option host) did not answer" in result["msg"]
    assert "connect_timeout_seconds is 1" in result["msg"]
    assert "Check that the cluster runs and that this machine reaches it" in result["msg"]


def _expired_token(places: Places) -> str:
    """Return a token of a service account whose time is over, signed with the cluster's own key."""
    key = serialization.load_pem_private_key(
        (places.kubeconfig.parents[1] / "pki" / "sa.key").read_bytes(), password=None
    )
    assert isinstance(key, rsa.RSAPrivateKey)
    now = int(time.time())
    issuer = "https://kubernetes.default.svc.cluster.local"
    claims = {"iss": issuer, "aud": [issuer], "sub": "system:serviceaccount:default:default"}
    parts = ({"alg": "RS256"}, {**claims, "iat": now - 7200, "nbf": now - 7200, "exp": now - 3600})
    text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(key.sign(text, padding.PKCS1v15(), hashes.SHA256())).rstrip(b"=")
    return (text + b"." + signature).decode()


def test_an_expired_token_is_said_and_never_shown(yard: Yard, cluster: Cluster, places: Places) -> None:
    token = _expired_token(places)
    ca = str(cluster.configuration.ssl_ca_cert)
    arguments = {"host": cluster.server, "api_key": token, "ca_cert": ca, "model_servers": [yard.release("late")]}
    result = run_module("model_server", arguments)
    assert result["failed"]
    assert "HTTP 401" in result["msg"]
    assert "have expired: renew the token" in result["msg"]
    assert token not in json.dumps(result)
