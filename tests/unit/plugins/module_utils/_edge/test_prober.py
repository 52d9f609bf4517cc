# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a model server: from here over real HTTP, and by a Job in a cluster and a time that are in memory."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.prober import (
    ClusterProber,
    ControllerProber,
    KeyProber,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._engine import probe as script
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_server import Request, deploy

from tests.support.processes import run_standin
from tests.unit.plugins.module_utils._domain.releases import DRAIN_TEXT, written
from tests.unit.plugins.module_utils._flows.memory import MemoryClock, MemoryCluster

KEY = {"engine.api_key": {"secret": "keys", "key": "chat"}}
QUESTIONS = {"targets": [], "model": "tiny", "max_tokens": 8, "warmup_requests": 0, "timeout_seconds": 5}
OBSERVATION = {"targets": [{"name": "service chat-blue", "answers": []}]}


class Yard:
    """A deployed release and the pod that a Job gets, on a cluster and a clock in memory."""

    def __init__(self, change: dict[str, Any] | None = None) -> None:
        self.cluster, self.clock = MemoryCluster("llm"), MemoryClock()
        if change == KEY:
            self.put_secret(chat=base64.b64encode(b"open sesame").decode())
        deploy(Request(parse_model_servers([written(change)]), DRAIN_TEXT), self.cluster)
        self.deployment = self.cluster.find("Deployment", "llm", "chat-blue")
        self.cluster.writes.clear()

    def put_secret(self, **data: str) -> None:
        """Store the Secret with the engine's key."""
        metadata = {"name": "keys", "namespace": "llm"}
        self.cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})

    def job(self) -> dict[str, Any]:
        """Return the Job that is there."""
        (found,) = [item for (kind, _namespace, _name), item in self.cluster.objects.items() if kind == "Job"]
        return found

    def show_pod(self, log: str = "", **status: Any) -> None:
        """Show the Job's pod in a state, or in its next one."""
        job = self.job()["metadata"]["name"]
        marks = {"batch.kubernetes.io/job-name": job}
        metadata = {"name": f"{job}-x", "namespace": "llm", "labels": marks}
        self.cluster.put({"kind": "Pod", "metadata": metadata, "status": status})
        self.cluster.pod_logs[f"{job}-x"] = log

    def ask(self, python: str = "python3") -> dict[str, Any]:
        """Let the Job ask."""
        return ClusterProber(self.cluster, self.clock, python).probe(self.deployment, QUESTIONS)

    def fails(self) -> str:
        """Let the Job ask and return why that failed; whatever the reason, the Job must be gone after it."""
        with pytest.raises(ClusterError) as raised:
            self.ask()
        created, deleted = self.cluster.writes
        assert deleted == created.replace("create", "delete")
        return raised.value.message


@pytest.fixture(name="yard")
def _yard() -> Yard:
    return Yard()


def printed(observation: Any) -> str:
    return f"a warning of the image\n{script.MARK}{json.dumps(observation)}\nanother one\n"


def probe_container(waiting: dict[str, str]) -> dict[str, Any]:
    return {"name": "probe", "state": {"waiting": waiting}}


# From a Job


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_the_observation_is_read_from_the_log_of_the_jobs_pod_and_the_job_removed(yard, phase):
    yard.clock.at(1, lambda: yard.show_pod(phase="Pending"))
    yard.clock.at(2, lambda: yard.show_pod(printed(OBSERVATION), phase=phase))
    assert yard.ask() == OBSERVATION
    assert 2 <= yard.clock.seconds < 3
    created, deleted = yard.cluster.writes
    assert created.startswith("create Job chat-blue-probe-")
    assert deleted == created.replace("create", "delete")


def test_the_job_runs_the_probe_itself_with_the_questions_and_the_wanted_interpreter(yard):
    jobs = []
    yard.clock.at(0, lambda: jobs.append(yard.job()))
    yard.clock.at(1, lambda: yard.show_pod(printed(OBSERVATION), phase="Succeeded"))
    yard.ask(python="/opt/venv/bin/python")
    (container,) = jobs[0]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["/opt/venv/bin/python", "-c", Path(script.__file__).read_text(encoding="utf-8")]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    assert json.loads(variables["LLMOPS_PROBE"]) == QUESTIONS


def test_two_jobs_of_one_release_do_not_share_a_name(yard):
    for moment in (1, 2):
        yard.clock.at(moment, lambda: yard.show_pod(printed(OBSERVATION), phase="Succeeded"))
    yard.ask()
    yard.ask()
    assert len(set(yard.cluster.writes)) == 4


def test_a_job_without_an_observation_is_told_with_its_last_words_and_the_option_to_look_at(yard):
    words = "x" * 600 + '\nexec: "python3": executable file not found in $PATH\n'
    yard.clock.at(1, lambda: yard.show_pod(words, phase="Failed"))
    message = yard.fails()
    assert "ended without an observation" in message
    assert "executable file not found in $PATH. Is `python3` in the engine's image (option python)?" in message
    assert "x" * 500 not in message


def test_a_line_that_is_marked_and_no_observation_is_none(yard):
    yard.clock.at(1, lambda: yard.show_pod(printed(["not", "ours"]), phase="Succeeded"))
    assert "ended without an observation" in yard.fails()


def test_an_image_that_cannot_be_pulled_ends_the_wait_with_the_kubelets_words(yard):
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image vllm:gone"}
    yard.clock.at(1, lambda: yard.show_pod(phase="Pending", containerStatuses=[probe_container(waiting)]))
    message = yard.fails()
    assert "cannot start: container probe is in ImagePullBackOff: Back-off pulling image vllm:gone" in message
    assert message.endswith("Nothing was asked")
    assert yard.clock.seconds < 2


def test_a_container_that_is_still_being_made_is_waited_for(yard):
    statuses = [probe_container({"reason": "ContainerCreating"})]
    yard.clock.at(1, lambda: yard.show_pod(phase="Pending", containerStatuses=statuses))
    yard.clock.at(40, lambda: yard.show_pod(printed(OBSERVATION), phase="Succeeded"))
    assert yard.ask() == OBSERVATION


def test_a_pod_that_finds_no_node_is_waited_for_a_while_and_then_told_in_the_schedulers_words(yard):
    condition = {"type": "PodScheduled", "reason": "Unschedulable", "message": "0/2 nodes are available"}
    yard.clock.at(1, lambda: yard.show_pod(phase="Pending", conditions=[condition]))
    assert "finds no node: 0/2 nodes are available; nothing was asked" in yard.fails()
    assert 30 < yard.clock.seconds < 32


def test_a_node_that_comes_in_time_is_taken(yard):
    condition = {"type": "PodScheduled", "reason": "Unschedulable", "message": "0/2 nodes are available"}
    yard.clock.at(1, lambda: yard.show_pod(phase="Pending", conditions=[condition]))
    yard.clock.at(25, lambda: yard.show_pod(printed(OBSERVATION), phase="Succeeded"))
    assert yard.ask() == OBSERVATION


def test_a_job_that_gets_no_pod_is_given_up_with_where_to_look(yard):
    assert "did not end within 30 s (it has no pod: see its events); nothing was asked" in yard.fails()


def test_a_pod_that_does_not_end_is_given_up_after_the_jobs_own_limit(yard):
    yard.clock.at(1, lambda: yard.show_pod(phase="Running"))
    assert "did not end within 120 s (its pod still runs); nothing was asked" in yard.fails()


def test_a_job_that_may_not_be_made_leaves_nothing_behind(yard):
    yard.cluster.denied.add(("create", "Job"))
    with pytest.raises(ClusterError, match="create Job is forbidden"):
        yard.ask()
    assert yard.cluster.writes == []


# Many questions

ASKED = {
    "targets": [{"name": "service chat-blue"}, {"name": "service chat-green"}],
    "endpoint": "chat",
    "questions": [{"messages": [{"role": "user", "content": "costs $5"}], "max_tokens": 8}],
    "concurrency": 4,
    "timeout_seconds": 5.0,
    "seconds_max": 30.0,
}
ANSWERS = [{"status": 200, "text": "x" * 8000}, {"error": "gone"}]


def marked(*answers: Any) -> str:
    return "a warning\n" + "".join(f"{script.MARK}{json.dumps(each)}\n" for each in answers)


def ask_many(yard: Yard, log: str) -> list[dict[str, Any]]:
    yard.clock.at(1, lambda: yard.show_pod(log, phase="Succeeded"))
    return ClusterProber(yard.cluster, yard.clock, "python3").ask(yard.deployment, ASKED)


def test_answers_are_read_from_the_log_of_the_jobs_pod_however_long_and_the_job_removed(yard):
    assert ask_many(yard, marked(*ANSWERS)) == ANSWERS
    created, deleted = yard.cluster.writes
    assert deleted == created.replace("create", "delete")


def test_the_job_that_asks_carries_both_scripts_and_ends_in_time(yard):
    jobs = []
    yard.clock.at(0, lambda: jobs.append(yard.job()))
    ask_many(yard, marked(*ANSWERS))
    assert jobs[0]["spec"]["activeDeadlineSeconds"] == 155
    (container,) = jobs[0]["spec"]["template"]["spec"]["containers"]
    assert "def request_patiently" in container["command"][2]
    assert "def ask_once" in container["command"][2]


@pytest.mark.parametrize(
    "log", [marked(ANSWERS[0]), marked(*ANSWERS, ANSWERS[0]), marked("a", "b"), marked(*ANSWERS)[:-10], "Killed"]
)
def test_answers_that_are_not_all_there_are_none(yard, log):
    with pytest.raises(ClusterError, match="ended without an observation; its last words: "):
        ask_many(yard, log)
    assert len(yard.cluster.writes) == 2


def test_questions_that_no_job_can_carry_are_refused_before_one_is_made(yard):
    request = {**ASKED, "questions": [{"messages": [{"role": "user", "content": "x" * 800_000}], "max_tokens": 8}]}
    with pytest.raises(InputError, match=r"prompts: are too large for a Job.*run_from to controller"):
        ClusterProber(yard.cluster, yard.clock, "python3").ask(yard.deployment, request)
    assert yard.cluster.writes == []


def test_many_questions_are_asked_from_here_with_the_key_of_the_secret_or_one_of_the_users_own(tmp_path):
    yard = Yard(KEY)
    with run_standin(tmp_path, "--api-key", "open sesame", ttft_seconds=0.005, itl_seconds=0.001) as engine:
        target = {"name": "service chat-blue", "url": f"http://127.0.0.1:{engine.port}", "model": "tiny"}
        request = {**ASKED, "targets": [target]}
        (by_secret,) = ControllerProber(yard.cluster).ask(yard.deployment, request)
        (by_hand,) = KeyProber("open sesame").ask({}, request)
        (turned_away,) = KeyProber("").ask({}, request)
    assert (by_secret["status"], by_hand["status"], turned_away["status"]) == (200, 200, 401)
    assert by_secret["digest"] == by_hand["digest"]


# From here


def test_an_engine_is_asked_from_here_with_the_key_of_its_secret(tmp_path):
    yard = Yard(KEY)
    with run_standin(tmp_path, "--api-key", "open sesame", ttft_seconds=0.005, itl_seconds=0.001) as engine:
        target = {"name": "service chat-blue", "url": f"http://127.0.0.1:{engine.port}"}
        request = {**QUESTIONS, "targets": [target]}
        (seen,) = ControllerProber(yard.cluster).probe(yard.deployment, request)["targets"]
        (turned_away,) = ControllerProber(yard.cluster).probe(Yard().deployment, request)["targets"]
    assert seen["models"] == ["tiny"]
    assert [answer["completion_tokens"] for answer in seen["answers"]] == [8, 8]
    assert "401" in json.dumps(turned_away)


def test_an_engine_without_a_key_needs_no_secret(yard):
    yard.cluster.denied.add(("get", "Secret"))
    assert ControllerProber(yard.cluster).probe(yard.deployment, QUESTIONS) == {"targets": []}


@pytest.mark.parametrize("data", [{"other": "eA=="}, {}, None])
def test_a_secret_without_the_key_is_named_with_what_is_missing(data):
    yard = Yard(KEY)
    if data is None:
        del yard.cluster.objects["Secret", "llm", "keys"]
    else:
        yard.put_secret(**data)
    with pytest.raises(ClusterError, match="Secret llm/keys on https://memory has no key chat, which the engine takes"):
        ControllerProber(yard.cluster).probe(yard.deployment, QUESTIONS)
