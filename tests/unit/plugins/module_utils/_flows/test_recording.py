# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.release_state import BYTES_MAX
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.lock import Locking, take
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_server import deploy, remove
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.recording import (
    Recording,
    record_releases,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.release import Request

from tests.unit.plugins.module_utils._domain.releases import DRAIN_TEXT
from tests.unit.plugins.module_utils._flows.running import ME, Running

OTHER = Locking("job 7", 60)
LONGER = {"engine.args": {"max_model_len": 4096}}


@pytest.fixture(name="running")
def _running() -> Running:
    return Running()


def record_of(running: Running, number: int) -> dict[str, str]:
    return running.cluster.find("ConfigMap", "llm", f"chat-revision-{number}")["data"]


def test_a_deployment_takes_the_lock_and_its_record_lets_go_of_it(running: Running) -> None:
    outcome = running.deploy()
    assert outcome.result["model_servers"][0]["locked"] is True
    assert running.holder_now == ME
    assert running.cluster.writes[0] == "create Lease chat-release"
    assert running.record() == {
        "name": "chat",
        "namespace": "llm",
        "slot": "blue",
        "revision": outcome.result["model_servers"][0]["revision"],
        "number": 1,
        "action": "recorded",
        "kept": [1],
        "removed": [],
    }
    assert running.holder_now is None
    assert running.cluster.writes[-4:] == [
        "patch Lease chat-release",
        "create ConfigMap chat-revision-1",
        "patch ConfigMap chat-release",
        "patch Lease chat-release",
    ]


def test_a_second_run_writes_nothing_and_touches_no_lock(running: Running) -> None:
    running.release()
    running.cluster.writes.clear()
    outcome = running.deploy()
    assert (outcome.changed, outcome.result["model_servers"][0]["locked"]) == (False, False)
    recorded = running.recorded()
    assert (recorded.changed, list(recorded.diff)) == (False, [])
    assert recorded.result["releases"][0]["action"] == "unchanged"
    assert running.cluster.writes == []


def test_everything_that_is_recorded_belongs_to_the_release(running: Running) -> None:
    running.release()
    uid = running.cluster.find("ConfigMap", "llm", "chat-release")["metadata"]["uid"]
    for kind, name in (("ConfigMap", "chat-revision-1"), ("Lease", "chat-release")):
        (owner,) = running.cluster.find(kind, "llm", name)["metadata"]["ownerReferences"]
        assert owner["uid"] == uid


def test_a_record_says_what_was_written_what_was_applied_and_what_ran(running: Running) -> None:
    running.release(health={"verdict": "pass", "observed": {}})
    data = record_of(running, 1)
    assert json.loads(data["spec.json"]) == running.spec({})
    kinds = [each["kind"] for each in json.loads(data["objects.json"])]
    assert kinds[0] == "ConfigMap"
    assert kinds[-1] == "Deployment"
    assert data["image_digest"] == "sha256:" + "a" * 64
    assert json.loads(data["verdicts.json"])["health"]["verdict"] == "pass"
    assert data["recorded_by"] == ME


def test_a_change_of_replicas_is_a_revision_of_its_own_as_it_can_be_rolled_back(running: Running) -> None:
    running.release()
    assert running.release({"replicas": 3})["number"] == 2
    assert record_of(running, 1)["revision"] == record_of(running, 2)["revision"]


def test_check_mode_tells_the_number_and_writes_nothing(running: Running) -> None:
    running.check_mode = True
    assert running.record()["number"] == 1
    assert (running.cluster.writes, running.recorded().changed) == ([], True)
    running.check_mode = False
    running.deploy()
    running.check_mode = True
    writes = list(running.cluster.writes)
    outcome = running.recorded()
    assert outcome.changed
    assert {each["after_header"] for each in outcome.diff} == {"ConfigMap chat-revision-1", "ConfigMap chat-release"}
    assert running.cluster.writes == writes


def test_what_is_not_as_specified_or_not_rolled_out_is_not_recorded(running: Running) -> None:
    running.deploy()
    with pytest.raises(ClusterError, match="not as specified are ConfigMap chat-release, Deployment chat-blue"):
        running.record(LONGER)
    running.deployment["status"] = {"observedGeneration": 0, "updatedReplicas": 0}
    with pytest.raises(ClusterError, match="slot blue of llm/chat on https://memory is not rolled out"):
        running.record()


def test_pods_that_run_different_images_under_one_tag_are_not_recorded(running: Running) -> None:
    running.deploy({"replicas": 2})
    pod = running.cluster.find("Pod", "llm", "chat-1")
    pod["status"]["containerStatuses"][0]["imageID"] = "docker.io/vllm/vllm-openai@sha256:" + "b" * 64
    with pytest.raises(ClusterError, match="its pods run different images under"):
        running.record({"replicas": 2})


def test_without_replicas_or_a_known_digest_a_release_is_recorded_all_the_same(running: Running) -> None:
    running.image_id = "sha256:" + "a" * 64
    running.release()
    assert "image_digest" not in record_of(running, 1)
    running.release({"replicas": 0})
    assert "image_digest" not in record_of(running, 2)


def test_history_is_kept_within_its_limit_but_never_without_what_runs(running: Running) -> None:
    for number in range(1, 5):
        result = running.release({"engine.args": {"max_model_len": 1000 + number}}, history_max=2)
    assert (result["kept"], result["removed"]) == ([3, 4], [2])
    assert "ConfigMap chat-revision-2" not in running.cluster.names()
    running.cluster.find("ConfigMap", "llm", "chat-release")["data"]["number.green"] = "3"
    result = running.release({"engine.args": {"max_model_len": 2000}}, history_max=1)
    assert result["kept"] == [3, 5]


def test_a_run_that_is_killed_between_the_record_and_the_state_is_finished_by_the_next_one(running: Running) -> None:
    running.deploy()
    running.cluster.fail_at_write = len(running.cluster.writes) + 2
    with pytest.raises(ClusterError, match="connection was lost"):
        running.record()
    assert "number.blue" not in running.state
    running.cluster.fail_at_write = None
    result = running.record()
    assert (result["number"], result["kept"]) == (1, [1])
    assert running.state["number.blue"] == "1"
    # One that was left by a run with something else is no record of this one.
    running.deploy(LONGER)
    running.cluster.fail_at_write = len(running.cluster.writes) + 2
    with pytest.raises(ClusterError):
        running.record(LONGER)
    running.cluster.fail_at_write = None
    assert running.release({"replicas": 2})["number"] == 3


def test_a_conflict_in_the_middle_is_read_and_decided_anew(running: Running) -> None:
    running.deploy()
    anchor = running.cluster.find("ConfigMap", "llm", "chat-release")
    running.cluster.before_patch["chat-release"] = lambda: running.cluster.put(
        {**anchor, "data": {**anchor["data"], "note": "by hand"}}
    )
    assert running.record()["number"] == 1
    assert running.state["note"] == "by hand"
    assert running.cluster.writes.count("create ConfigMap chat-revision-1") == 1


def test_other_refusals_are_not_taken_for_a_conflict(running: Running) -> None:
    running.deploy()
    running.cluster.refused.add("ConfigMap chat-release")
    with pytest.raises(ClusterError, match="403"):
        running.record()


def test_a_locked_release_is_neither_deployed_nor_recorded_nor_removed(running: Running) -> None:
    running.release()
    take(OTHER, "llm", "chat", running.cluster, running.clock)
    writes = list(running.cluster.writes)
    held = "is locked: Lease chat-release is held by job 7 since 2026-01-01T12:00:00"
    for check_mode in (True, False):
        running.check_mode = check_mode
        with pytest.raises(ClusterError, match=held):
            running.deploy(LONGER)
        with pytest.raises(ClusterError, match=held):
            remove(running.request({}), running.cluster)
    assert running.cluster.writes == writes
    # Nothing to change needs no lock.
    assert running.deploy().changed is False
    assert running.recorded().changed is False


def test_a_deployment_that_fails_lets_go_of_its_lock(running: Running) -> None:
    running.release()
    running.cluster.refused.add("Deployment chat-blue")
    with pytest.raises(ClusterError, match="HTTP 422"):
        running.deploy(LONGER)
    assert running.holder_now is None


def test_of_two_releases_neither_stays_locked_when_one_of_them_is_held(running: Running) -> None:
    take(OTHER, "llm", "embed", running.cluster, running.clock)
    with pytest.raises(ClusterError, match="Release llm/embed on https://memory is locked"):
        deploy(running.request({}, {"name": "embed"}), running.cluster)
    assert running.holder_now is None
    assert [each for each in running.cluster.writes if "Lease" not in each] == []


def test_what_others_did_until_the_lock_was_free_counts(running: Running) -> None:
    running.release()

    def somebody_else_deploys() -> None:
        request = running.request({"replicas": 2})
        deploy(Request(request.servers, DRAIN_TEXT), running.cluster)

    running.cluster.before_patch["chat-release"] = somebody_else_deploys
    outcome = deploy(running.request({"replicas": 2}), running.cluster)
    assert outcome.changed is False
    running.roll_out()
    assert running.record({"replicas": 2})["number"] == 2
    assert running.holder_now is None


def test_a_new_release_is_locked_in_a_new_namespace_too(running: Running) -> None:
    del running.cluster.objects["Namespace", "", "llm"]
    request = running.request({"create_namespace": True})
    deploy(request, running.cluster)
    assert running.cluster.writes[:2] == ["apply Namespace llm", "create Lease chat-release"]


def test_a_removal_takes_the_records_and_the_lock_last(running: Running) -> None:
    running.release()
    before = {name for name in running.cluster.names() if not name.startswith("Pod ")}
    outcome = remove(running.request({}), running.cluster)
    assert {f"{each['kind']} {each['name']}" for each in outcome.result["model_servers"][0]["objects"]} == before
    assert running.cluster.writes[-1] == "delete Lease chat-release"
    assert {name for name in running.cluster.names() if not name.startswith("Pod ")} == set()
    assert remove(running.request({}), running.cluster).changed is False


def test_without_a_holder_no_lock_is_looked_at(running: Running) -> None:
    running.cluster.denied |= {(verb, "Lease") for verb in ("get", "create", "patch")}
    servers = parse_model_servers([running.spec({})])
    deploy(Request(servers, DRAIN_TEXT), running.cluster)
    running.roll_out()
    recording = Recording(Request(servers, DRAIN_TEXT), {("llm", "chat"): running.spec({})}, "")
    assert record_releases(recording, running.cluster, running.clock).changed
    assert remove(Request(servers, DRAIN_TEXT), running.cluster).changed


def test_a_lock_needs_permissions_that_are_named_before_anything_is_written(running: Running) -> None:
    running.cluster.denied.add(("create", "Lease"))
    with pytest.raises(ClusterError, match="create Lease in namespace llm"):
        running.deploy()
    assert running.cluster.writes == []


def gate(revision: str | None = None, verdict: str = "pass", **more: Any) -> dict[str, Any]:
    return {"verdict": verdict, "observed": {"revision": revision} if revision else {}, **more}


def test_a_passed_benchmark_is_what_the_benchmark_gate_finds_as_its_baseline(running: Running) -> None:
    running.release(benchmark=gate(samples=1))
    assert json.loads(running.state["benchmark_verdict"])["samples"] == 1
    assert running.recorded(benchmark=gate(samples=1)).changed is False
    assert running.recorded(benchmark=gate(samples=2)).changed is True
    assert running.recorded(benchmark=gate(verdict="fail", samples=3)).changed is False
    assert json.loads(running.state["benchmark_verdict"])["samples"] == 2


def test_of_a_result_only_the_verdict_is_kept_and_not_how_the_gate_was_called(running: Running) -> None:
    running.release(health=gate(invocation={"module_args": {"kubeconfig": "planted"}}, reasons=["fine"]))
    assert json.loads(record_of(running, 1)["verdicts.json"])["health"]["reasons"] == ["fine"]
    assert "planted" not in str(running.cluster.objects)


def test_verdicts_count_for_the_release_that_they_name(running: Running) -> None:
    running.deploy()
    revision = running.state["revision.blue"]
    specs = [running.spec({}), running.spec({"name": "embed"})]
    request = Request(parse_model_servers(specs), DRAIN_TEXT)
    deploy(request, running.cluster)
    written = {(each["namespace"], each["name"]): each for each in specs}
    recording = Recording(request, written, ME, {"health": [gate(revision), gate("other")], "quality": [gate()]})
    with pytest.raises(InputError, match=r"verdicts\.quality: does not say of which release it is"):
        record_releases(recording, running.cluster, running.clock)


def test_a_verdict_that_is_too_large_is_refused_before_anything_is_written(running: Running) -> None:
    running.deploy()
    writes = list(running.cluster.writes)
    with pytest.raises(ClusterError, match=r"ConfigMap llm/chat-revision-1 .* would hold .* verdicts\.json"):
        running.record(health=gate(reasons=["x" * BYTES_MAX]))
    assert running.cluster.writes == writes


def test_a_state_of_another_version_is_refused_by_every_way_in(running: Running) -> None:
    running.release()
    running.state["format"] = "2"
    for way in (running.deploy, running.record, running.restore):
        with pytest.raises(ClusterError, match="ConfigMap llm/chat-release on https://memory has format 2"):
            way()
