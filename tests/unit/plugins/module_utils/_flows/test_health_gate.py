# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a release, over a cluster and a clock in memory: what the gate sees, asks, says and when it ends."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.health_gate import GateRequest, judge_health
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_server import Request, deploy

from tests.unit.plugins.module_utils._domain.releases import DRAIN_TEXT, written
from tests.unit.plugins.module_utils._flows.memory import MemoryClock, MemoryCluster, node

EARLIER = "2026-01-01T11:59:00Z"
GPU = "nvidia.com/gpu"
GPUS = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."


class Release:
    """A deployed release, with a hand on what its controllers and the kubelet would do."""

    def __init__(self, change: Mapping[str, Any] | None = None) -> None:
        self.cluster, self.clock = MemoryCluster("llm"), MemoryClock()
        servers = parse_model_servers([written(change)])
        deploy(Request(servers, DRAIN_TEXT), self.cluster)
        self.deployment = self.cluster.find("Deployment", "llm", "chat-blue")
        self.deployment["status"] = {"observedGeneration": 0, "updatedReplicas": servers[0].replicas}
        self.cluster.find("Service", "llm", "chat")["spec"]["clusterIP"] = "10.0.0.8"
        self.cluster.find("Service", "llm", "chat-blue")["spec"]["clusterIP"] = "10.0.0.9"

    def put_pod(self, name: str, *, address: str = "10.1.0.1", **status: Any) -> None:
        """Show a pod of the wanted revision, running and not ready unless its status says something else."""
        template = copy.deepcopy(self.deployment["spec"]["template"])
        running = [{"name": "engine", "state": {"running": {}}, "started": True}]
        shown = {"phase": "Running", "podIP": address, "containerStatuses": running, "conditions": [], **status}
        metadata = {**template["metadata"], "name": name, "namespace": "llm"}
        self.cluster.put({"kind": "Pod", "metadata": metadata, "spec": template["spec"], "status": shown})

    def make_ready(self, name: str) -> None:
        """Let a pod become ready."""
        self.cluster.find("Pod", "llm", name)["status"]["conditions"] = [{"type": "Ready", "status": "True"}]

    def put_ready_pod(self, name: str, address: str = "10.1.0.1") -> None:
        """Show a pod that is ready."""
        self.put_pod(name, address=address)
        self.make_ready(name)

    def gate(self, prober: Any = None, **change: Any) -> Any:
        """Run the gate."""
        return judge_health(GateRequest("chat", "llm", **change), self.cluster, prober or Answering(), self.clock)


class Answering:
    """Implements ``Prober``: every target answers well, apart from what a test changes."""

    def __init__(self, **change: Any) -> None:
        self.change = change
        self.asked: list[Mapping[str, Any]] = []

    def probe(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        answer = {"status": 200, "finish_reason": "stop", "completion_tokens": 8, "text": "Earth"}
        target = {
            "models": [request["model"]],
            "version": "0.18.0",
            "answers": [{**answer, "model": request["model"]}] * 2,
            "counters_before": {"vllm:generation_tokens_total": 1.0},
            "counters_after": {"vllm:generation_tokens_total": 9.0},
            **self.change,
        }
        return {"targets": [{**target, "name": each["name"]} for each in request["targets"]]}


class Failing:
    """Implements ``Prober``: nothing can be asked."""

    def probe(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
        raise ClusterError("Job llm/chat-probe finds no node")


@pytest.fixture
def release() -> Release:
    """Return a release of one replica that has no pods yet."""
    return Release()


def test_a_ready_release_that_answers_passes_at_once_with_everything_that_a_verdict_needs(release):
    release.put_ready_pod("a")
    outcome = release.gate()
    assert (outcome.changed, outcome.failure, release.clock.seconds) == (False, None, 0)
    assert {key: outcome.result[key] for key in ("verdict", "reasons", "samples")} == {
        "verdict": "pass",
        "reasons": [],
        "samples": 6,
    }
    assert outcome.result["observed"]["rollout"] == "1/1 ready"
    assert outcome.result["observed"]["pods"] == ["a"]
    assert outcome.result["started_at"] == outcome.result["finished_at"] == "2026-01-01T12:00:00+00:00"
    assert json.loads(json.dumps(outcome.result)) == outcome.result


def test_the_service_and_every_ready_pod_are_asked_for_what_the_deployment_says():
    release = Release({"replicas": 2, "model.served_name": ["first", "second"], "warmup": {"requests": 5}})
    release.put_ready_pod("a", "10.1.0.1")
    release.put_ready_pod("b", "fd00::7")
    prober = Answering()
    assert release.gate(prober).result["verdict"] == "pass"
    (asked,) = prober.asked
    assert asked["targets"] == [
        {"name": "service chat", "url": "http://10.0.0.8:8000"},
        {"name": "service chat-blue", "url": "http://10.0.0.9:8000"},
        {"name": "pod a", "url": "http://10.1.0.1:8000"},
        {"name": "pod b", "url": "http://[fd00::7]:8000"},
    ]
    assert (asked["model"], asked["warmup_requests"]) == ("first", 5)


def set_stable(release: Release, slot: str) -> None:
    """Let clients be led to a slot."""
    release.cluster.find("ConfigMap", "llm", "chat-release")["data"]["stable_slot"] = slot
    release.cluster.find("Service", "llm", "chat")["spec"]["selector"]["llmops.dev/slot"] = slot


def test_the_clients_service_is_not_asked_for_a_slot_that_is_not_theirs(release):
    set_stable(release, "green")
    release.put_ready_pod("a")
    prober = Answering()
    assert release.gate(prober, slot="blue").result["verdict"] == "pass"
    assert [each["name"] for each in prober.asked[0]["targets"]] == ["service chat-blue", "pod a"]


@pytest.mark.parametrize("name", ["chat", "chat-blue"])
def test_a_service_that_leads_elsewhere_fails_and_is_named(release, name):
    release.cluster.find("Service", "llm", name)["spec"]["selector"]["llmops.dev/slot"] = "green"
    release.put_ready_pod("a")
    assert f"Service llm/{name} leads to slot green, not blue: deploy again" in release.gate().failure


def test_what_was_said_since_an_earlier_moment_counts_where_one_is_named(release):
    conditions = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late"}]
    release.deployment["status"]["conditions"] = [{**conditions[0], "lastUpdateTime": EARLIER}]
    release.put_pod("a")
    assert "not ready after 3 s" in release.gate(timeout_seconds=3).failure
    since = "2026-01-01T11:58:30+00:00"
    assert "ProgressDeadlineExceeded: late" in release.gate(timeout_seconds=3, since=since).failure


@pytest.mark.parametrize("since", ["yesterday", "2026-01-01T11:58:30"])
def test_a_moment_that_is_none_or_has_no_zone_is_refused(release, since):
    with pytest.raises(InputError, match="since: is no time with a zone"):
        release.gate(since=since)


def test_a_url_takes_the_place_of_the_services(release):
    release.put_ready_pod("a")
    prober = Answering()
    release.gate(prober, url="https://llm.example.com", served_name="other", warmup_requests=1)
    address = "https://llm.example.com"
    assert prober.asked[0]["targets"][0] == {"name": f"url {address}", "url": address, "verify": True}
    assert (prober.asked[0]["model"], prober.asked[0]["warmup_requests"]) == ("other", 1)


def test_a_model_that_is_asked_for_plain_completions_passes_with_a_warning(release):
    release.put_ready_pod("a")
    outcome = release.gate(Answering(endpoint="completions"))
    assert outcome.result["verdict"] == "pass"
    assert "pod a refuses chat (no chat template?) and was asked for plain completions" in outcome.warnings
    assert release.gate(Answering(endpoint="chat/completions")).warnings == []


def test_the_verdict_says_which_revision_was_judged(release):
    release.put_ready_pod("a")
    revision = release.gate().result["observed"]["revision"]
    assert revision == release.deployment["metadata"]["labels"]["llmops.dev/revision"]


def test_a_release_with_tls_is_asked_by_https_on_its_port(release):
    engine = release.deployment["spec"]["template"]["spec"]["containers"][0]
    engine["readinessProbe"]["httpGet"]["scheme"] = "HTTPS"
    engine["ports"][0]["containerPort"] = 8443
    release.put_ready_pod("a")
    prober = Answering()
    release.gate(prober)
    urls = [each["url"] for each in prober.asked[0]["targets"]]
    assert urls == ["https://10.0.0.8:8443", "https://10.0.0.9:8443", "https://10.1.0.1:8443"]


def test_it_waits_until_the_pods_are_ready(release):
    release.put_pod("a")
    release.clock.at(20, lambda: release.make_ready("a"))
    outcome = release.gate()
    assert outcome.result["verdict"] == "pass"
    assert 20 <= release.clock.seconds < 21
    assert outcome.result["finished_at"] > outcome.result["started_at"]


def test_in_slices_it_returns_at_every_change_of_state_and_goes_on_where_it_was(release):
    release.put_pod("a")
    release.clock.at(20, lambda: release.make_ready("a"))
    seen, waiting = [], None
    while True:
        result = release.gate(slice_seconds=8, resume=waiting).result
        if "waiting" not in result:
            break
        waiting = json.loads(json.dumps(result["waiting"]))
        seen.append((round(release.clock.seconds), waiting["summary"]))
    assert result["verdict"] == "pass"
    assert result["started_at"] == "2026-01-01T12:00:00+00:00"
    assert [moment for moment, _summary in seen] == [0, 8, 17]
    assert {summary for _moment, summary in seen} == {"0/1 ready: a started"}


def roll(release: Release, *moments: float) -> None:
    """Let pods become ready at the given seconds, one after the other."""
    names = [f"p{number}" for number in range(len(moments))]
    for name, moment in zip(names, moments):
        release.put_pod(name)
        release.clock.at(moment, lambda name=name: release.make_ready(name))


@pytest.mark.parametrize("slice_seconds", [None, 20])
def test_the_deployments_deadline_begins_anew_with_every_pod_that_gets_ready(slice_seconds):
    release = Release({"replicas": 3})
    release.deployment["spec"]["progressDeadlineSeconds"] = 100
    roll(release, 90, 180, 270)
    result = release.gate(slice_seconds=slice_seconds).result
    while "waiting" in result:
        result = release.gate(slice_seconds=slice_seconds, resume=json.loads(json.dumps(result["waiting"]))).result
    assert result["verdict"] == "pass"
    assert 270 <= release.clock.seconds < 272


def test_a_roll_out_that_stops_is_given_up_after_the_deployments_deadline():
    release = Release({"replicas": 2})
    release.deployment["spec"]["progressDeadlineSeconds"] = 100
    roll(release, 90, 300)
    words = "no further pod got ready within 100 s (the Deployment's progressDeadlineSeconds): 1/2 ready"
    assert words in release.gate().failure
    assert 190 <= release.clock.seconds < 192


def test_the_users_own_time_is_for_the_whole_roll_out():
    release = Release({"replicas": 2})
    roll(release, 90, 180)
    assert "not ready after 100 s (timeout_seconds): 1/2 ready" in release.gate(timeout_seconds=100).failure


def test_a_pod_without_a_node_is_waited_for_just_after_another_has_left(release):
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": GPUS}
    condition["lastTransitionTime"] = EARLIER
    release.put_pod("new", phase="Pending", containerStatuses=[], conditions=[condition])
    release.put_ready_pod("old")
    release.cluster.find("Pod", "llm", "old")["metadata"]["deletionTimestamp"] = EARLIER
    release.clock.at(30, lambda: release.cluster.objects.pop(("Pod", "llm", "old")))
    release.clock.at(40, lambda: release.put_ready_pod("new"))
    result = release.gate(slice_seconds=7).result
    while "waiting" in result:
        result = release.gate(slice_seconds=7, resume=json.loads(json.dumps(result["waiting"]))).result
    assert result["verdict"] == "pass"


def test_pods_of_another_revision_do_not_satisfy_it(release):
    release.put_ready_pod("old")
    release.cluster.find("Pod", "llm", "old")["metadata"]["labels"]["llmops.dev/revision"] = "another"
    outcome = release.gate(timeout_seconds=5)
    assert outcome.result["verdict"] == "fail"
    assert "0/1 ready, 1 of older revisions" in outcome.failure


def test_a_deployment_of_another_revision_fails_at_once(release):
    release.put_ready_pod("a")
    assert "somebody has deployed another one meanwhile" in release.gate(revision="0123456789").failure
    assert release.clock.seconds == 0


def test_a_release_that_is_not_there_fails_at_once_and_names_it():
    release = Release()
    outcome = judge_health(GateRequest("nothing", "llm"), release.cluster, Answering(), release.clock)
    assert outcome.failure == (
        "The health gate of llm/nothing on https://memory failed after 0 s: there is no such Deployment"
    )


def test_an_image_that_cannot_be_pulled_fails_at_once_with_the_pods_words(release):
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image: not found"}
    release.put_pod("a", phase="Pending", containerStatuses=[{"name": "engine", "state": {"waiting": waiting}}])
    outcome = release.gate()
    assert outcome.result["verdict"] == "fail"
    assert "not found" in outcome.failure
    assert release.clock.seconds == 0


def test_a_crash_fails_at_once_with_the_last_log_lines_of_the_run_before(release):
    terminated = {"exitCode": 1, "reason": "Error", "finishedAt": EARLIER}
    container = {
        "name": "engine",
        "restartCount": 2,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        "lastState": {"terminated": terminated},
    }
    release.put_pod("a", containerStatuses=[container])
    release.cluster.pod_logs["a previous"] = "loading\nValueError: no such architecture\n"
    outcome = release.gate()
    assert "last log lines of pod a:\nloading\nValueError: no such architecture" in outcome.failure


def test_a_time_out_names_the_limit_and_what_was_seen_last(release):
    release.put_pod("a")
    outcome = release.gate(timeout_seconds=30)
    assert outcome.result["reasons"] == ["not ready after 30 s (timeout_seconds): 0/1 ready: a started"]
    assert outcome.result["limits"]["timeout_seconds"] == 30
    assert 30 < release.clock.seconds < 31.5


def test_without_a_time_out_the_deployments_own_deadline_counts(release):
    release.put_pod("a")
    release.deployment["spec"]["progressDeadlineSeconds"] = 77
    assert release.gate().result["limits"]["timeout_seconds"] == 77
    assert 77 < release.clock.seconds < 78.5


def unscheduled(release: Release) -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": GPUS}
    release.put_pod(
        "a", phase="Pending", containerStatuses=[], conditions=[{**condition, "lastTransitionTime": EARLIER}]
    )


def test_a_pod_without_a_gpu_fails_with_the_schedulers_words_and_the_free_gpus(release):
    unscheduled(release)
    del release.cluster.objects["Node", "", "roomy"]
    release.cluster.put(node("n", **{GPU: "4"}))
    taken = [{"name": "x", "resources": {"requests": {GPU: "4"}}}]
    for name, phase in (("busy", "Running"), ("done", "Succeeded"), ("refused", "Failed")):
        place, spec = {"name": name, "namespace": "elsewhere"}, {"nodeName": "n", "containers": taken}
        release.cluster.put({"kind": "Pod", "metadata": place, "spec": spec, "status": {"phase": phase}})
    release.cluster.find("Pod", "llm", "a")["spec"]["containers"][0]["resources"] = {}
    reasons = release.gate().result["reasons"]
    assert GPUS in reasons[0]
    assert reasons[1] == "nvidia.com/gpu: 0 of 4 in the cluster are free, each pod needs 1"


def test_gpus_that_the_release_cannot_use_are_told_apart_from_the_free_ones(release):
    unscheduled(release)
    release.cluster.find("Node", "", "roomy")["spec"] = {"unschedulable": True}
    assert release.gate().result["reasons"][1] == (
        "nvidia.com/gpu: 0 of 64 in the cluster are free, each pod needs 1; out of reach: 64 on node roomy (cordoned)"
    )


def test_a_release_without_an_accelerator_is_referred_to_its_requests(release):
    unscheduled(release)
    release.deployment["spec"]["template"]["spec"]["containers"][0]["resources"] = {}
    assert release.gate().result["reasons"][1] == "see resources.requests and placement"


def test_free_gpus_that_may_not_be_looked_at_are_said_to_be_unknown(release):
    unscheduled(release)
    release.cluster.denied.add(("list", "Node"))
    assert release.gate().result["reasons"][1] == "free accelerators are unknown: list Node is forbidden"


def test_check_mode_asks_nothing_and_says_so(release):
    release.put_ready_pod("a")
    outcome = judge_health(GateRequest("chat", "llm"), release.cluster, None, release.clock)
    assert outcome.result["verdict"] == "inconclusive"
    assert outcome.result["reasons"][0].startswith("the model was not asked: check mode makes no Job")
    assert outcome.failure.startswith("The health gate of llm/chat on https://memory is inconclusive")


def test_questions_that_cannot_be_asked_are_inconclusive_with_the_reason(release):
    release.put_ready_pod("a")
    outcome = release.gate(Failing())
    assert (outcome.result["verdict"], outcome.result["reasons"]) == (
        "inconclusive",
        ["Job llm/chat-probe finds no node"],
    )


@pytest.mark.parametrize("name", ["chat", "chat-blue"])
def test_a_missing_service_fails_with_a_verdict(release, name):
    release.put_ready_pod("a")
    del release.cluster.objects["Service", "llm", name]
    outcome = release.gate()
    assert outcome.result["verdict"] == "fail"
    assert outcome.result["reasons"] == [f"there is no Service llm/{name}: deploy again"]


def test_a_wrong_answer_fails_and_is_returned_as_data_where_failures_are_wanted_as_data(release):
    release.put_ready_pod("a")
    outcome = release.gate(Answering(models=["somebody-else"]), fail_on=[])
    assert (outcome.result["verdict"], outcome.failure) == ("fail", None)
    assert "lists somebody-else" in outcome.result["reasons"][0]


def test_inconclusive_fails_only_where_that_is_wanted(release):
    release.put_ready_pod("a")
    prober = Answering(counters_before=None)
    assert release.gate(prober, fail_on=["fail"]).failure is None
    assert release.gate(prober).failure is not None


def test_a_pod_that_dies_while_it_is_asked_fails_although_it_answered(release):
    release.put_ready_pod("a")

    class Dying(Answering):
        def probe(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
            release.cluster.find("Pod", "llm", "a")["status"]["conditions"] = []
            return super().probe(deployment, request)

    outcome = release.gate(Dying())
    assert outcome.result["verdict"] == "fail"
    assert outcome.result["reasons"][0].startswith("no longer ready after it was asked: 0/1 ready")


def test_an_engine_that_the_question_kills_fails_with_its_last_log_lines(release):
    release.put_ready_pod("a")
    release.cluster.pod_logs["a previous"] = "RuntimeError: unsupported head size 16\n"

    class Deadly(Answering):
        def probe(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
            terminated = {"exitCode": 1, "reason": "Error", "finishedAt": EARLIER}
            status = release.cluster.find("Pod", "llm", "a")["status"]
            status["conditions"] = []
            status["containerStatuses"] = [
                {
                    "name": "engine",
                    "restartCount": 1,
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": terminated},
                }
            ]
            return {"targets": [{"name": each["name"], "error": "reset"} for each in request["targets"]]}

    reasons = "\n".join(release.gate(Deadly()).result["reasons"])
    assert "service chat-blue: reset" in reasons
    assert "RuntimeError: unsupported head size 16" in reasons


def test_the_stable_slot_is_looked_at_unless_another_is_named(release):
    release.put_ready_pod("a")
    release.cluster.find("ConfigMap", "llm", "chat-release")["data"]["stable_slot"] = "green"
    assert release.gate().result["observed"]["slot"] == "green"
    assert release.gate(slot="blue").result["verdict"] == "pass"
