# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health gate on the real cluster: it passes for what answers, and fails early in the pod's own words for the rest.

All releases of this file start at once in one namespace; each test then judges one of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.conftest import MakeNamespace
from tests.e2e.releases import Places, standin, standin_configmap, vllm
from tests.support.cluster import Cluster
from tests.support.playbooks import run_module

TIMEOUT_SECONDS = 120
SECONDS_MAX = 15
# From the moment that the API server shows a fault until the verdict.
NOTICE_SECONDS_MAX = 3
ENGINE = "/spec/containers/0"


def patch(**values: Any) -> dict[str, Any]:
    """Return patches of the pod template: what the release's own keys would refuse, or find missing, before a write."""
    return {"patches": [{"op": "add", "path": path, "value": value} for path, value in values.items()]}


# Keys and settings of a release that cannot start, and the words of the verdict.
BROKEN: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    "image": (
        {"engine": {"image": "llmops.local/absent:1.0"}},
        {},
        ("llmops.local/absent:1.0", "Check engine.image"),
    ),
    "arguments": (
        {"engine": {"command": ["python3", "/opt/standin/engine.py", "fly"]}},
        {},
        ("exit code 2", "does not accept its arguments", "invalid choice: 'fly'"),
    ),
    "command": (
        {"engine": {"command": ["/no/such/program"]}},
        {},
        ("could not be started", "/no/such/program", "engine.command must exist in the image"),
    ),
    "memory": ({}, {"oom": True}, ("OOMKilled", "resources.limits.memory")),
    "shm": ({}, {"fill_shm_bytes": 0}, ("/dev/shm", "is full", "Raise resources.shm", "No space left on device")),
    "processors": ({"resources": {"requests": {"cpu": "900"}}}, {}, ("no node can take it", "Insufficient cpu")),
    "gpu": (
        {"resources": {"accelerator": "example.com/gpu"}},
        {},
        ("Insufficient example.com/gpu", "example.com/gpu: 0 of 0 in the cluster are free, each pod needs 1"),
    ),
    "secret": (
        patch(**{f"{ENGINE}/envFrom": [{"secretRef": {"name": "absent"}}]}),
        {},
        ("CreateContainerConfigError", 'secret "absent" not found'),
    ),
    "account": (
        patch(**{"/spec/serviceAccountName": "absent"}),
        {},
        ("pods are refused (FailedCreate)", 'serviceaccount "absent" not found'),
    ),
    "podsecurity": (
        patch(**{"/spec/hostNetwork": True}),
        {},
        ("pods are refused (FailedCreate)", 'violates PodSecurity "restricted', "host namespaces"),
    ),
    "crash": (
        {},
        {"start_exit_code": 1},
        ("CrashLoopBackOff", "exit code 1", "last log lines", "Engine core initialization failed"),
    ),
}
MISSING_VOLUME = patch(
    **{
        "/spec/volumes/-": {"name": "more", "configMap": {"name": "missing"}},
        f"{ENGINE}/volumeMounts/-": {"name": "more", "mountPath": "/more"},
    }
)
# Settings of stand-ins that get ready (their /health is 200) and yet do not serve, and the words of the verdict.
LYING: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "frozen": ({"frozen": True}, ("timed out",)),
    "dead": ({"error_share": 1}, ("HTTP 500", "EngineCore encountered an issue")),
    "truncated": ({"truncate_after_tokens": 3}, ("Remote",)),
    "empty": ({"answer_tokens": 0}, ("the answer has no tokens",)),
    "aborted": ({"finish_reason": "abort"}, ("finish_reason 'abort'",)),
    "stranger": ({"model_id": "other"}, ("/v1/models does not list 'stranger'; it lists other",)),
    "older": ({"version": "0.11.0"}, ("runs vLLM 0.11.0, engine.version says 0.32.0",)),
    "unmetered": ({"missing_usage": True}, ("does not say how many tokens it has",)),
}


@dataclass(frozen=True)
class Yard:
    """The namespace with all releases of this file, and their revisions by name."""

    namespace: str
    places: Places
    revisions: Mapping[str, str]

    def deploy(self, *releases: dict[str, Any]) -> dict[str, str]:
        """Apply releases and return their revisions by name."""
        return deploy(self.places, *releases)

    def gate(self, name: str, **options: Any) -> tuple[dict[str, Any], float]:
        """Return the gate's result for a release and the seconds that it took."""
        arguments = {
            "kubeconfig": str(self.places.kubeconfig),
            "namespace": self.namespace,
            "name": name,
            "run_from": "controller",
            "timeout_seconds": TIMEOUT_SECONDS,
            **options,
        }
        started = time.monotonic()
        return run_module("health_gate", arguments), time.monotonic() - started


def deploy(places: Places, *releases: dict[str, Any]) -> dict[str, str]:
    # What cannot start is what the gate is for; a plan would refuse most of it before.
    options = {"kubeconfig": str(places.kubeconfig), "plan": "skip"}
    result = run_module("model_server", {**options, "model_servers": list(releases)})
    assert not result.get("failed"), result["msg"]
    return {each["name"]: each["revision"] for each in result["model_servers"]}


@pytest.fixture(name="yard", scope="module")
def _yard(make_namespace: MakeNamespace, cluster: Cluster, places: Places) -> Yard:
    """Return the releases, all just started; real vLLM first, as it takes longest to load."""
    namespace = make_namespace("gate")
    cluster.create(standin_configmap(namespace))
    broken_model = {"model": {"source": "pvc://models/tiny-broken"}}
    releases = [
        vllm("real", namespace, places.models),
        vllm("broken-weights", namespace, places.models, **broken_model),
    ]
    releases += [standin(name, namespace, settings, **change) for name, (change, settings, _words) in BROKEN.items()]
    releases += [standin(name, namespace, settings) for name, (settings, _words) in LYING.items()]
    releases += [standin(name, namespace) for name in ("good", "stuck")]
    revisions = deploy(places, *releases)
    # So many pods starting at once keep a small machine busy; the gate's time is measured once those that can are up.
    for name in (*LYING, "good", "stuck"):
        cluster.wait_ready(namespace, name, 1, TIMEOUT_SECONDS)
    return Yard(namespace, places, revisions)


def assert_failed(result: Mapping[str, Any], words: tuple[str, ...]) -> None:
    assert result["failed"], result
    assert result["verdict"] == "fail"
    assert result["changed"] is False
    text = "\n".join(result["reasons"])
    for each in words:
        assert each in text
        assert each in result["msg"]


@pytest.mark.parametrize("name", LYING)
def test_a_server_that_is_healthy_and_does_not_serve_never_passes(name: str, yard: Yard) -> None:
    result, seconds = yard.gate(name, probe_timeout_seconds=2)
    assert result["failed"], result
    assert result["verdict"] == ("inconclusive" if name == "unmetered" else "fail")
    assert result["observed"]["rollout"] == "1/1 ready"
    for words in LYING[name][1]:
        assert words in result["msg"]
    assert seconds < SECONDS_MAX


@pytest.mark.parametrize("name", BROKEN)
def test_a_pod_that_cannot_start_fails_early_in_its_own_words(name: str, yard: Yard) -> None:
    result, seconds = yard.gate(name)
    assert_failed(result, BROKEN[name][2])
    assert seconds < SECONDS_MAX
    assert result["limits"]["timeout_seconds"] == TIMEOUT_SECONDS


def test_a_volume_that_is_missing_fails_early_and_its_cure_is_not_judged_by_old_events(
    yard: Yard, cluster: Cluster
) -> None:
    yard.deploy(standin("volume", yard.namespace, **MISSING_VOLUME))
    result, seconds = yard.gate("volume")
    assert_failed(result, ("FailedMount", 'configmap "missing" not found'))
    assert seconds < SECONDS_MAX
    meta = {"name": "missing", "namespace": yard.namespace}
    cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"key": "value"}})
    time.sleep(1.1)  # events are dated by whole seconds: one of this very second would count as news
    result, _seconds = yard.gate("volume")
    assert result["verdict"] == "pass", result


def test_a_release_that_is_not_there_fails_with_words(yard: Yard) -> None:
    result, seconds = yard.gate("nobody")
    assert_failed(result, ("there is no such Deployment",))
    assert seconds < NOTICE_SECONDS_MAX


def test_a_ready_pod_of_the_old_revision_does_not_satisfy_the_gate(yard: Yard, cluster: Cluster) -> None:
    assert yard.gate("stuck", revision=yard.revisions["stuck"])[0]["verdict"] == "pass"
    new = yard.deploy(standin("stuck", yard.namespace, {"start_delay_seconds": 600}))["stuck"]
    result, _seconds = yard.gate("stuck", revision=new, timeout_seconds=3)
    assert_failed(result, ("not ready after 3 s", "0/1 ready, 1 of older revisions"))
    assert len(cluster.pods(yard.namespace, "stuck")) == 2
    result, _seconds = yard.gate("stuck", revision=yard.revisions["stuck"])
    assert_failed(result, (f"wants revision {new}, not {yard.revisions['stuck']}",))


def test_a_quota_that_leaves_no_room_fails_with_its_words(
    make_namespace: MakeNamespace, cluster: Cluster, places: Places
) -> None:
    namespace = make_namespace("quota")
    cluster.create(standin_configmap(namespace))
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": namespace}}
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    cluster.call("POST", path, {**quota, "spec": {"hard": {"requests.memory": "16Mi", "limits.memory": "16Mi"}}})
    release = standin("chat", namespace)
    yard = Yard(namespace, places, deploy(places, release))
    result, seconds = yard.gate("chat")
    assert_failed(result, ("pods are refused (FailedCreate)", "exceeded quota: few", "requests.memory=16Mi"))
    assert seconds < SECONDS_MAX


def first_sight(cluster: Cluster, shows: Callable[[], bool]) -> Callable[[], float]:
    """Return a function that waits until ``shows`` is true for the API server and returns that time."""
    seen: list[float] = []

    def look() -> None:
        while not shows():
            time.sleep(0.05)
        seen.append(time.time())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()

    def ended() -> float:
        thread.join(5)
        assert seen, "the API server has never shown it"
        return seen[0]

    return ended


def test_the_verdict_comes_within_seconds_of_the_crash(yard: Yard, cluster: Cluster) -> None:
    release = standin("late", yard.namespace, {"start_delay_seconds": 2, "start_exit_code": 1})
    yard.deploy(release)

    def shows() -> bool:
        states = [s for pod in cluster.pods(yard.namespace, "late") for s in pod["status"].get("containerStatuses", [])]
        return any((s["state"].get("waiting") or {}).get("reason") == "CrashLoopBackOff" for s in states)

    sight = first_sight(cluster, shows)
    result, _seconds = yard.gate("late")
    assert_failed(result, ("CrashLoopBackOff",))
    ended = datetime.fromisoformat(result["finished_at"]).timestamp()
    assert ended - sight() < NOTICE_SECONDS_MAX


@pytest.mark.parametrize("run_from", ["controller", "cluster"])
def test_a_stand_in_that_serves_passes(run_from: str, yard: Yard) -> None:
    result, seconds = yard.gate("good", run_from=run_from, revision=yard.revisions["good"])
    assert result["verdict"] == "pass", result
    assert seconds < SECONDS_MAX


@pytest.mark.parametrize("run_from", ["controller", "cluster"])
def test_real_vllm_passes_with_its_answers_and_moving_counters(run_from: str, yard: Yard, cluster: Cluster) -> None:
    result, _seconds = yard.gate("real", run_from=run_from, revision=yard.revisions["real"])
    assert result["verdict"] == "pass", result
    assert not result.get("failed")
    assert result["reasons"] == []
    assert result["samples"] == 6
    assert [each["models"] for each in result["observed"]["targets"]] == [["real"]] * 3
    pod = result["observed"]["targets"][-1]
    assert pod["version"].startswith("0.32.0")
    assert (
        pod["counters_after"]["vllm:generation_tokens_total"] > pod["counters_before"]["vllm:generation_tokens_total"]
    )
    jobs = cluster.call("GET", f"/apis/batch/v1/namespaces/{yard.namespace}/jobs")["items"]
    assert [job for job in jobs if "deletionTimestamp" not in job["metadata"]] == []


def test_real_vllm_that_dies_of_the_first_question_never_passes(yard: Yard) -> None:
    result, _seconds = yard.gate("broken-weights", probe_timeout_seconds=20)
    assert result["failed"], result
    assert result["verdict"] == "fail"
    assert "broken-weights" in result["msg"]
