# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first layer of readiness, over objects in the shape in which the API server shows them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pod_state import (
    Wait,
    find_ended,
    is_alive,
    is_ready,
    parse_time,
    summarise,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.readiness import (
    RolloutState,
    Snapshot,
    evaluate_rollout,
)

NOW = datetime(2026, 1, 1, 12, 0, 10, tzinfo=timezone.utc)
EARLIER = "2026-01-01T12:00:00Z"
RUNNING = {"name": "engine", "state": {"running": {}}, "started": True}


def pod(
    name: str = "a",
    revision: str = "new",
    *,
    ready: bool = False,
    leaving: bool = False,
    containers: tuple[dict[str, Any], ...] = (RUNNING,),
    **status: Any,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "labels": {labels.REVISION: revision}}
    if leaving:
        metadata["deletionTimestamp"] = EARLIER
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": metadata,
        "status": {"phase": "Running", "conditions": conditions, "containerStatuses": list(containers), **status},
    }


def deployment(replicas: int = 1, updated: int = 1, observed: int = 3, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "chat-blue", "generation": 3},
        "spec": {"replicas": replicas, "template": {"metadata": {"labels": {labels.REVISION: "new"}}}},
        "status": {"observedGeneration": observed, "updatedReplicas": updated, **status},
    }


def look(*pods: Any, revision: str | None = "new", wait: Wait | None = None, **more: Any) -> RolloutState:
    snapshot = Snapshot(**{"deployment": deployment(), "pods": pods, **more})
    return evaluate_rollout(snapshot, revision, wait or Wait(NOW, 2))


def waiting(reason: str, message: str = "words", **more: Any) -> dict[str, Any]:
    return {"name": "engine", "state": {"waiting": {"reason": reason, "message": message}}, **more}


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    return {"name": "engine", "state": {"terminated": {"exitCode": code, "reason": reason}}}


def unscheduled(message: str, since: str = EARLIER) -> dict[str, Any]:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastTransitionTime": since,
    }
    return pod(containers=(), conditions=[condition], phase="Pending")


def test_a_rollout_is_ready_when_every_replica_of_the_revision_is() -> None:
    state = look(pod(ready=True))
    assert (state.state, state.summary, state.pods) == ("ready", "1/1 ready", ("a",))


def test_pods_of_an_older_revision_never_satisfy_it() -> None:
    assert look(pod("old", "old", ready=True)).state == "waiting"
    state = look(pod(ready=True), pod("old", "old", ready=True))
    assert (state.state, state.summary) == ("waiting", "1/1 ready, 1 of older revisions")


def test_pods_that_leave_do_not_count() -> None:
    assert look(pod(ready=True, leaving=True)).summary == "0/1 ready"
    assert look(pod(ready=True), pod("old", "old", leaving=True)).state == "ready"


def test_a_controller_that_has_not_looked_yet_is_waited_for() -> None:
    state = look(pod(ready=True), deployment=deployment(observed=2))
    assert (state.state, state.summary) == ("waiting", "waiting for the Deployment's controller")


def test_a_missing_deployment_and_another_revision_fail() -> None:
    assert look(deployment=None).reasons == ("there is no such Deployment",)
    assert "wants revision new, not other: somebody has deployed" in look(revision="other").summary
    assert look(pod(ready=True), revision=None).state == "ready"


@pytest.mark.parametrize(
    ("container", "text"),
    [
        (waiting("ImagePullBackOff"), "container engine is in ImagePullBackOff: words. Check engine.image"),
        (waiting("ErrImagePull"), "ErrImagePull"),
        (
            waiting("CreateContainerConfigError", 'secret "hf" not found'),
            'secret "hf" not found. Create what is missing',
        ),
        (
            waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 1}}),
            "CrashLoopBackOff, exit code 1: words",
        ),
        ({"name": "engine", "state": {"waiting": {"reason": "RunContainerError"}}}, "is in RunContainerError. See"),
        (
            waiting(
                "CrashLoopBackOff",
                lastState={"terminated": {"exitCode": 128, "reason": "StartError", "message": "exec /x: no such file"}},
            ),
            "container engine could not be started: exec /x: no such file. See the message",
        ),
        (ended(2), "exit code 2: the engine does not accept its arguments"),
        (ended(137, "OOMKilled"), "was killed for memory (OOMKilled): raise resources.limits.memory"),
        (ended(135), "exit code 135. Its shared memory (/dev/shm) is full"),
    ],
)
def test_states_that_waiting_cannot_cure_fail_in_the_pods_own_words(container: dict[str, Any], text: str) -> None:
    state = look(pod(containers=(container,)))
    assert state.state == "failed"
    assert state.reasons[0].startswith("pod a: ")
    assert text in state.reasons[0]
    assert state.failed_pods == ("a",)


@pytest.mark.parametrize(
    "words",
    [
        "OSError: [Errno 28] No space left on device: '/psm_1f2e3d'",
        "NCCL WARN Error while creating shared memory segment /dev/shm/nccl-x (size 9637888)",
        "Fatal Python error: Bus error",
    ],
)
def test_a_full_shared_memory_is_recognised_by_the_last_words_and_names_the_cure(words: str) -> None:
    state = look(pod(containers=(ended(1),)), logs={"a": words})
    assert "Raise resources.shm (and the memory limit) and delete the pod" in state.reasons[0]


def test_a_full_disk_is_not_taken_for_a_full_shared_memory() -> None:
    log = "OSError: [Errno 28] No space left on device: '/models/hub/blobs'"
    assert look(pod(containers=(ended(1),)), logs={"a": log}).state == "waiting"


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_come_to_its_end_is_not_alive(phase: str) -> None:
    assert is_alive(pod()) is True
    assert is_alive({**pod(), "status": {"phase": phase}}) is False


def test_a_pod_on_its_way_out_is_not_alive() -> None:
    assert is_alive(pod(leaving=True)) is False


def test_the_log_that_says_why_is_the_last_runs_unless_the_container_is_still_down() -> None:
    assert find_ended(pod(containers=(RUNNING,))) is None
    assert find_ended(pod(containers=(ended(1),))) == ("engine", False)
    crashed = waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 1}})
    assert find_ended(pod(containers=(crashed,))) == ("engine", True)


@pytest.mark.parametrize("container", [waiting("ContainerCreating"), ended(1), RUNNING])
def test_states_that_may_turn_out_well_are_waited_for(container: dict[str, Any]) -> None:
    assert look(pod(containers=(container,))).state == "waiting"


def test_a_failing_init_container_is_named() -> None:
    state = look(pod(initContainerStatuses=[{**waiting("ImagePullBackOff"), "name": "fetch"}]))
    assert "container fetch is in ImagePullBackOff" in state.reasons[0]


@pytest.mark.parametrize("reason", ["Evicted", "UnexpectedAdmissionError", "Shutdown"])
def test_a_pod_that_the_node_refused_fails(reason: str) -> None:
    assert f"pod a: {reason}: words" in look(pod(phase="Failed", reason=reason, message="words")).reasons[0]


def created(item: dict[str, Any], when: str) -> dict[str, Any]:
    return {**item, "metadata": {**item["metadata"], "creationTimestamp": when}}


def test_a_pod_that_was_evicted_and_replaced_no_longer_decides() -> None:
    gone = created(pod("gone", phase="Failed", reason="Evicted"), "2026-01-01T10:00:00Z")
    assert look(gone, created(pod("a", ready=True), EARLIER)).state == "ready"
    state = look(gone, created(pod("a"), EARLIER))
    assert (state.state, state.summary) == ("waiting", "0/1 ready: a started")


def test_a_pod_that_was_refused_after_all_others_came_decides() -> None:
    refused = created(pod("b", phase="Failed", reason="UnexpectedAdmissionError"), "2026-01-01T12:00:05Z")
    state = look(created(pod("a"), EARLIER), refused, deployment=deployment(replicas=2))
    assert state.state == "failed"
    assert "pod b: UnexpectedAdmissionError" in state.reasons[0]


def test_an_old_pod_that_has_ended_is_not_waited_for() -> None:
    assert look(pod(ready=True), pod("old", "before", phase="Failed", reason="Evicted")).state == "ready"


def test_a_pod_without_a_node_fails_after_a_moment_with_the_schedulers_words() -> None:
    state = look(unscheduled("0/1 nodes are available: 1 Insufficient nvidia.com/gpu."))
    assert state.reasons == ("pod a: no node can take it: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",)


def test_a_pod_without_a_node_is_waited_for_while_that_may_change() -> None:
    full = unscheduled("1 Insufficient nvidia.com/gpu")
    assert look(unscheduled("full", since="2026-01-01T12:00:09Z")).state == "waiting"
    assert look(full, pod("old", "old", leaving=True)).state == "waiting"
    creating = pod(containers=({"name": "engine", "state": {"waiting": {"reason": "ContainerCreating"}}},))
    held = {
        "reason": "FailedAttachVolume",
        "message": "Multi-Attach error for volume x",
        "involvedObject": {"name": "a"},
    }
    assert look(creating, events=[held]).state == "failed"
    assert look(creating, pod("old", "old", leaving=True), events=[held]).state == "waiting"
    scaled = {"reason": "TriggeredScaleUp", "involvedObject": {"name": "a"}}
    assert look(full, events=[scaled]).state == "waiting"
    assert look(full, events=[{**scaled, "involvedObject": {"name": "b"}}]).state == "failed"
    assert look(unscheduled("pod has unbound immediate PersistentVolumeClaims")).state == "waiting"


def seconds_ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def test_room_that_was_just_made_is_given_time_to_be_taken() -> None:
    full = unscheduled("1 Insufficient nvidia.com/gpu", since="2026-01-01T11:58:00Z")
    assert look(full, pod("old", "old", leaving=True)).room_is_made
    state = look(full, wait=Wait(NOW, 2, room_seen_at=seconds_ago(10)))
    assert (state.state, state.room_is_made) == ("waiting", False)
    assert look(full, wait=Wait(NOW, 2, room_seen_at=seconds_ago(20))).state == "failed"


def test_an_event_from_before_the_wait_does_not_count_as_its_cause_may_be_cured() -> None:
    creating = pod(containers=(waiting("ContainerCreating"),))
    event = {"reason": "FailedMount", "message": 'secret "x" not found', "involvedObject": {"name": "a"}}
    old, new = {**event, "lastTimestamp": EARLIER}, {**event, "series": {"lastObservedTime": "2026-01-01T12:00:08Z"}}
    began = Wait(NOW, 2, began_at=seconds_ago(1.5))
    assert look(creating, events=[old], wait=began).state == "waiting"
    assert look(creating, events=[old, new], wait=began).state == "failed"
    assert look(creating, events=[old], wait=Wait(NOW, 2, began_at=seconds_ago(60))).state == "failed"


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_a_registry_that_does_not_answer_is_tried_again_and_given_up_after_the_third_time(reason: str) -> None:
    pulling = pod(containers=(waiting(reason, "Back-off pulling image x: dial tcp: i/o timeout"),))

    def failures(count: int) -> list[dict[str, Any]]:
        failed = {"reason": "Failed", "message": 'Failed to pull image "x": i/o timeout', "count": count}
        return [{**failed, "involvedObject": {"name": "a"}}]

    assert look(pulling).state == look(pulling, events=failures(2)).state == "waiting"
    assert "i/o timeout" in look(pulling, events=failures(3)).reasons[0]
    cured = [{**failures(5)[0], "lastTimestamp": EARLIER}]
    assert look(pulling, events=cured, wait=Wait(NOW, 2, began_at=seconds_ago(1))).state == "waiting"


def test_a_mount_that_cannot_succeed_fails_and_another_is_waited_for() -> None:
    creating = pod(containers=(waiting("ContainerCreating"),))

    def event(message: str, reason: str = "FailedMount") -> dict[str, Any]:
        return {"reason": reason, "message": message, "involvedObject": {"name": "a"}}

    state = look(creating, events=[event('configmap "x" not found')])
    assert state.reasons == ('pod a: FailedMount: configmap "x" not found',)
    assert look(creating, events=[event("timed out"), event("not found", "Other")]).state == "waiting"
    # What the kubelet says while the API server has not seen yet that the pod was bound to its node.
    unbound = "is forbidden: User \"system:node:n\" cannot get: no relationship found between node 'n' and this object"
    assert look(creating, events=[event(f'persistentvolumeclaims "models" {unbound}')]).state == "waiting"
    unread = pod(containers=(waiting("CreateContainerConfigError", f'secrets "api" {unbound}'),))
    assert look(unread).state == "waiting"


def test_pods_that_may_not_be_made_fail_with_the_reason() -> None:
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    replica_set = {"metadata": {"labels": {labels.REVISION: "new"}}, "status": {"conditions": [condition]}}
    old = {"metadata": {"labels": {labels.REVISION: "old"}}, "status": {"conditions": [condition]}}
    assert look(replica_sets=[replica_set]).reasons == ("pods are refused (FailedCreate): exceeded quota",)
    assert look(replica_sets=[old]).state == "waiting"
    # The quota counts what leaves until it is gone.
    assert look(pod("old", "old", leaving=True), replica_sets=[replica_set]).state == "waiting"
    condition["message"] = "violates PodSecurity"
    assert look(pod("old", "old", leaving=True), replica_sets=[replica_set]).state == "failed"


def test_a_paused_rollout_fails_as_nobody_goes_on_with_it() -> None:
    paused = deployment()
    paused["spec"]["paused"] = True
    assert look(pod(), deployment=paused).summary == (
        "the Deployment is paused: nothing is rolled out until `kubectl rollout resume`"
    )
    assert look(pod(ready=True), deployment=paused).state == "ready"


def test_a_rollout_that_kubernetes_gave_up_fails() -> None:
    stuck = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too long"}
    moving = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}
    assert look(deployment=deployment(conditions=[moving])).state == "waiting"
    assert look(deployment=deployment(conditions=[stuck])).reasons == ("ProgressDeadlineExceeded: too long",)
    old = deployment(conditions=[{**stuck, "lastUpdateTime": EARLIER}])
    assert look(deployment=old, wait=Wait(NOW, 2, began_at=seconds_ago(20))).state == "failed"
    assert look(deployment=old, wait=Wait(NOW, 2, began_at=seconds_ago(1))).state == "waiting"


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (pod(leaving=True), "leaving"),
        (pod(ready=True), "ready"),
        (unscheduled("x"), "waiting for a node"),
        (pod(containers=(waiting("ContainerCreating"),)), "creating"),
        (pod(containers=(waiting("PodInitializing"),)), "initialising"),
        (pod(containers=(waiting("CrashLoopBackOff"),)), "CrashLoopBackOff"),
        (pod(containers=({"name": "engine", "state": {"running": {}}},)), "loading"),
        (pod(), "started"),
        (pod(containers=({"name": "proxy", "state": {"running": {}}},)), "running"),
        (pod(containers=()), "running"),
    ],
)
def test_progress_says_in_a_word_what_a_pod_does(item: dict[str, Any], text: str) -> None:
    assert summarise(item) == text


def test_progress_names_the_pods_that_are_not_ready() -> None:
    assert look(pod(containers=(waiting("ContainerCreating"),))).summary == "0/1 ready: a creating"


def test_times_of_the_api_are_read() -> None:
    assert parse_time(EARLIER) == datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
    assert parse_time(None) is None
    assert look(unscheduled("x", since="")).state == "waiting"


def test_a_release_is_selected_by_instance_and_manager() -> None:
    assert labels.release_selector("chat") == (
        "app.kubernetes.io/instance=chat,app.kubernetes.io/managed-by=llmops.kubernetes"
    )


def test_a_leaving_pod_is_not_ready() -> None:
    assert not is_ready(pod(ready=True, leaving=True))
