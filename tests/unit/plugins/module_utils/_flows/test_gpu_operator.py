# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate of the GPU Operator: what it waits for, what it never takes for ready, and what ends the wait at once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.gpu_operator import (
    OperatorRequest,
    inspect_operator,
    judge_operator,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome

from tests.unit.plugins.module_utils._flows.gpu_stack import DRIVER, SPACE, GpuCluster


@pytest.fixture
def gpus() -> GpuCluster:
    """Return a cluster in which all is well."""
    return GpuCluster()


def judge(gpus: GpuCluster, **more: Any) -> Outcome:
    """Run the gate with short limits."""
    limits = {"stable_seconds": 5.0, "timeout_seconds": 60.0, **more}
    return judge_operator(OperatorRequest(SPACE, **limits), gpus.api, gpus.clock)


def reasons(gpus: GpuCluster, **more: Any) -> str:
    """Return why the gate did not pass, and check that it failed the task with the same words."""
    outcome = judge(gpus, **more)
    assert outcome.result["verdict"] == "fail"
    assert outcome.failure is not None
    assert SPACE in outcome.failure
    assert outcome.result["reasons"][0] in outcome.failure
    return "\n".join(outcome.result["reasons"])


def test_passes_only_after_everything_has_held_for_a_while(gpus):
    outcome = judge(gpus)
    assert (outcome.result["verdict"], outcome.failure, outcome.changed) == ("pass", None, False)
    assert gpus.clock.seconds >= 5
    assert outcome.result["observed"]["summary"] == "2/2 DaemonSets ready, 2/2 nodes with 16 GPUs"


def test_passes_at_once_where_no_stable_time_is_asked_for(gpus):
    assert judge(gpus, stable_seconds=0).result["samples"] == 1


def test_a_policy_that_flutters_begins_the_count_anew(gpus):
    gpus.clock.at(3, lambda: gpus.put_policy(state="notReady"))
    gpus.clock.at(6, lambda: gpus.put_policy(state="ready"))
    outcome = judge(gpus)
    assert outcome.result["verdict"] == "pass"
    assert gpus.clock.seconds >= 11
    assert outcome.result["observed"]["breaks"] == 1


def test_a_daemonset_that_is_written_anew_begins_the_count_anew(gpus):
    def rewrite() -> None:
        found = gpus.api.find("DaemonSet", SPACE, DRIVER)
        found["metadata"]["generation"] = found["status"]["observedGeneration"] = 2

    gpus.clock.at(4, rewrite)
    assert judge(gpus).result["verdict"] == "pass"
    assert gpus.clock.seconds >= 9


def test_never_stable_is_told_with_the_number_of_breaks(gpus):
    for second in range(2, 80, 4):
        gpus.clock.at(second, lambda: gpus.put_policy(state="notReady"))
        gpus.clock.at(second + 2, lambda: gpus.put_policy(state="ready"))
    text = reasons(gpus, timeout_seconds=24)
    assert "ready, but not for 5 s without a break (stable_seconds) after 24 s" in text
    assert "lost 6 times" in text


def test_a_ready_policy_without_a_single_gpu_does_not_pass(gpus):
    for name in ("gpu-1", "gpu-2"):
        del gpus.api.objects["Node", "", name]
    gpus.put_policy(conditions=[{"type": "Ready", "status": "True", "reason": "NoGPUNodes", "message": "none"}])
    assert "0 of 0 nodes with GPUs have any to allocate, 1 expected" in reasons(gpus)
    assert judge(gpus, nodes_min=0).result["verdict"] == "pass"


def test_green_operands_without_allocatable_gpus_do_not_pass(gpus):
    gpus.put_node("gpu-2", gpus="0")
    assert "node gpu-2 has no allocatable GPU after 60 s (timeout_seconds)" in reasons(gpus)


def test_sick_gpus_are_counted(gpus):
    gpus.put_node("gpu-2", gpus="7")
    assert "node gpu-2 has 7 allocatable GPUs of 8: the others are not healthy" in reasons(gpus)
    assert judge(gpus, expected_gpus={"gpu-2": 7}).result["verdict"] == "pass"


def test_expected_gpus_hold_by_node_and_name_nodes_that_are_missing(gpus):
    assert "node gpu-1 has 8 allocatable GPUs, 4 expected" in reasons(gpus, expected_gpus={"gpu-1": "4"})
    missing = reasons(gpus, expected_gpus={"gpu-9": 8})
    assert "node gpu-9 has no GPU that Node Feature Discovery sees, 8 expected" in missing
    assert judge(gpus, expected_gpus={"gpu-9": 0}).result["verdict"] == "pass"


@pytest.mark.parametrize("value", [True, "many", -1, 1.5])
def test_expected_gpus_must_be_whole_numbers(gpus, value):
    with pytest.raises(InputError, match=r"expected_gpus\.gpu-1: is no number of GPUs"):
        judge(gpus, expected_gpus={"gpu-1": value})


def test_nodes_that_operands_are_kept_away_from_are_left_out(gpus):
    gpus.put_node("gpu-2", gpus="0", has="0", gpu__deploy__operands="false")
    gpus.put_node("virtual", gpus="0", has="0", gpu__workload__config="vm-passthrough")
    gpus.put_node("gone", gpus="0", has="0", gpu__present="false")
    plain = gpus.put_node("plain", gpus="0", has="0")
    del plain["metadata"]["labels"]["nvidia.com/gpu.present"], plain["status"]["capacity"]["nvidia.com/gpu"]
    outcome = judge(gpus)
    assert outcome.result["verdict"] == "pass"
    assert outcome.result["observed"]["summary"].endswith("1/1 nodes with 8 GPUs")


def test_a_node_that_is_not_ready_is_waited_for(gpus):
    gpus.put_node("gpu-2")["status"]["conditions"][0]["status"] = "False"
    assert "node gpu-2 is not ready" in reasons(gpus)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ([], "ClusterPolicy cluster-policy is notReady"),
        (
            [{"type": "Error", "status": "True", "reason": "DriverNotReady", "message": "driver pods"}],
            "is notReady (DriverNotReady: driver pods)",
        ),
    ],
)
def test_a_policy_that_is_not_ready_is_told_with_its_own_words(gpus, condition, words):
    gpus.put_policy(state="notReady", conditions=condition)
    assert words in reasons(gpus)


def test_a_policy_without_a_state_is_not_ready(gpus):
    gpus.put_policy(state="")
    assert "ClusterPolicy cluster-policy is without a state" in reasons(gpus)


def test_a_missing_kind_a_missing_policy_and_a_missing_operator_end_the_wait_at_once(gpus):
    assert "no ClusterPolicy other; there is cluster-policy" in reasons(gpus, policy="other")
    del gpus.api.objects["ClusterPolicy", "", "cluster-policy"]
    assert "there is no ClusterPolicy, so the operator has nothing to do" in reasons(gpus)
    gpus.put_operator(app="another")
    assert "namespace gpu-operator has no Deployment of the operator" in reasons(gpus)
    gpus.api.unserved.add("ClusterPolicy")
    assert "no CustomResourceDefinition clusterpolicies.nvidia.com" in reasons(gpus)
    assert gpus.clock.seconds == 0


def test_an_ignored_policy_names_the_one_that_rules(gpus):
    gpus.put_policy("second", state="ignored")
    assert judge(gpus).result["verdict"] == "pass"
    text = reasons(gpus, policy="second")
    assert "ClusterPolicy second is ignored, because another one rules (cluster-policy)" in text
    del gpus.api.objects["ClusterPolicy", "", "cluster-policy"]
    assert "another one rules (none that is visible)" in reasons(gpus)


def test_fields_that_the_cluster_has_dropped_are_named_at_once(gpus):
    wanted = {
        "driver": {"version": "580.1.2", "upgradePolicy": {"podDeletion": {"deleteEmptyDir": True}}},
        "daemonsets": {"tolerations": [{"key": "a"}], "labels": {}},
        "operator": {},
        "psa": {},
        "env": [],
    }
    live = {"driver": {"version": "580.1.2"}, "daemonsets": {"tolerations": [{"key": "b"}]}, "operator": 1}
    gpus.put_policy(spec=live)
    text = reasons(gpus, expected_spec=wanted)
    assert "spec.driver.upgradePolicy was set to {'podDeletion': {'deleteEmptyDir': True}} and is None" in text
    assert "spec.daemonsets.tolerations[0].key was set to 'a' and is 'b'" in text
    assert "spec.psa" not in text
    assert gpus.clock.seconds == 0
    gpus.put_policy(spec=wanted)
    assert judge(gpus, expected_spec=wanted).result["verdict"] == "pass"


def test_the_operator_itself_must_be_ready_in_its_newest_form(gpus):
    gpus.put_operator(ready=0)
    assert "the operator has 0 of 1 pods ready" in reasons(gpus)
    gpus.put_operator(ready=1, observed=1)
    assert "the operator has 0 of 1 pods ready" in reasons(gpus)
    gpus.put_operator(ready=1, replicas=None)
    assert judge(gpus).result["verdict"] == "pass"
    gpus.put_operator(name="another", app="another")
    assert judge(gpus).result["verdict"] == "pass"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"available": 1}, "is available on 1 and up to date on 2 of 2 nodes"),
        ({"updated": 1}, "is available on 2 and up to date on 1 of 2 nodes"),
        ({"observed": 0}, "its controller has not seen its newest form"),
    ],
)
def test_an_operand_that_is_not_ready_is_named(gpus, change, words):
    gpus.put_set("nvidia-device-plugin-daemonset", **change)
    text = reasons(gpus)
    assert "DaemonSet gpu-operator/nvidia-device-plugin-daemonset" in text
    assert words in text


def test_an_old_driver_on_a_node_is_no_obstacle_in_itself(gpus):
    gpus.put_set(DRIVER, updated=0, strategy="OnDelete")
    assert judge(gpus).result["verdict"] == "pass"


def test_other_daemonsets_do_not_count(gpus):
    item = gpus.put_set("logging", available=0)
    item["metadata"]["ownerReferences"] = []
    assert judge(gpus).result["verdict"] == "pass"


def container(reason: str, message: str = "", restarts: int = 0, last: Any = None) -> dict[str, Any]:
    """Return the status of a pod whose container waits."""
    waiting = {"reason": reason, "message": message}
    ended = {"terminated": last} if last else {}
    status = {"name": "ctr", "state": {"waiting": waiting}, "lastState": ended, "restartCount": restarts}
    return {"phase": "Pending", "containerStatuses": [status]}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (container("ImagePullBackOff", "no such image"), "container ctr is in ImagePullBackOff: no such image"),
        (
            container("CrashLoopBackOff", "back-off 5m0s", 7, {"exitCode": 1, "message": "driver in use"}),
            "container ctr is in CrashLoopBackOff after exit code 1: driver in use",
        ),
        (container("CreateContainerConfigError"), "is in CreateContainerConfigError: no message"),
        ({"phase": "Failed", "reason": "Evicted", "message": "no disk"}, "Evicted: no disk"),
        ({"phase": "Failed"}, "it has failed: no message"),
    ],
)
def test_a_pod_that_can_never_start_fails_early_with_daemonset_node_and_its_own_words(gpus, status, words):
    gpus.put_pod("driver-x", status=status)
    text = reasons(gpus)
    assert f"pod gpu-operator/driver-x of {DRIVER} on node gpu-1: " in text
    assert words in text
    assert gpus.clock.seconds == 0


def test_a_crash_that_may_pass_and_a_pod_that_leaves_do_not_fail(gpus):
    gpus.put_pod("young", status=container("CrashLoopBackOff", restarts=2))
    gpus.put_pod("leaving", status=container("ImagePullBackOff"))["metadata"]["deletionTimestamp"] = "now"
    gpus.put_pod("running", status={"containerStatuses": [{"name": "ctr", "state": {"running": {}}}]})
    assert judge(gpus).result["verdict"] == "pass"


def test_a_failed_driver_upgrade_names_the_pods_that_hold_the_gpus(gpus):
    gpus.put_node("gpu-1", gpu_driver_upgrade_state="upgrade-failed")
    for number in range(7):
        gpus.put_pod(f"chat-{number}", "llm", gpus="1")
    gpus.put_pod("elsewhere", "llm", gpus="1", node="gpu-2")
    text = reasons(gpus)
    assert "node gpu-1: its driver upgrade is in upgrade-failed; pods with GPUs on it: llm/chat-0, llm/chat-1" in text
    assert "and 2 more" in text
    assert "elsewhere" not in text
    assert gpus.clock.seconds == 0


def test_a_driver_upgrade_under_way_is_waited_for_unless_it_is_held(gpus):
    gpus.put_node("gpu-1", gpu_driver_upgrade_state="pod-deletion-required")
    assert "node gpu-1: its driver upgrade is in pod-deletion-required" in reasons(gpus)
    gpus.put_node("gpu-1", gpu_driver_upgrade_state="upgrade-required", gpu_driver_upgrade__skip="true")
    outcome = judge(gpus)
    assert outcome.result["verdict"] == "pass"
    assert outcome.warnings == ["node gpu-1 is held (upgrade-required): it keeps its driver until the label is gone"]


def test_paused_operands_are_waited_for(gpus):
    gpus.put_node("gpu-1", gpu__deploy__device_plugin="paused-for-driver-upgrade")
    assert "operands are paused (device-plugin)" in reasons(gpus)


def test_mig_profiles_are_waited_for_and_their_failure_ends_the_wait(gpus):
    gpus.put_node("gpu-1", mig__config="all-1g.10gb", mig__config__state="pending")
    assert "node gpu-1: MIG profile all-1g.10gb is pending" in reasons(gpus)
    gpus.clock.seconds = 0.0
    gpus.put_node("gpu-1", mig__config="all-1g.10gb", mig__config__state="failed")
    assert "MIG profile all-1g.10gb could not be set" in reasons(gpus)
    assert gpus.clock.seconds == 0


def test_a_verdict_that_must_not_fail_the_task_carries_the_same_data(gpus):
    gpus.put_node("gpu-1", gpus="0")
    outcome = judge(gpus, fail_on=[])
    assert (outcome.failure, outcome.result["verdict"]) == (None, "fail")
    assert outcome.result["limits"] == {"timeout_seconds": 60.0, "stable_seconds": 5.0, "nodes_min": 1}


def test_the_gate_writes_nothing(gpus):
    judge(gpus)
    assert gpus.api.writes == []


def test_info_tells_all_that_there_is_and_who_holds_the_gpus(gpus):
    gpus.put_pod("chat-1", "llm", gpus="2", volumes=[{"emptyDir": {}}])
    gpus.put_pod("refused", "llm", gpus="2", status={"phase": "Failed", "reason": "UnexpectedAdmissionError"})
    gpus.put_pod("ended", "llm", gpus="2", status={"phase": "Succeeded"})
    gpus.put_pod("waiting", "llm", gpus="2", node="")
    gpus.put_pod("driver-x", status=container("ErrImagePull", "denied"))
    gpus.put_node("gpu-1", gpu_driver_upgrade_state="upgrade-done", gpu_driver_upgrade__skip="true")
    condition = {"type": "Ready", "status": "True", "reason": "Reconciled", "message": "m"}
    gpus.put_policy(state="ready", conditions=[condition])
    result = inspect_operator(SPACE, gpus.api).result
    assert result["installed"] is True
    assert result["policies"][0]["release"] == "gpu-operator/gpu-operator"
    assert result["nodes"][0]["pods"] == ["llm/chat-1"]
    assert result["refused_pods"] == ["llm/refused"]
    assert result["troubles"][0]["words"] == "container ctr is in ErrImagePull: denied"
    lines = "\n".join(result["table"])
    for words in ("ClusterPolicy cluster-policy: ready (Reconciled: m)", "1/1 ready", "8/8", "upgrade-done (held)"):
        assert words in lines


def test_info_tells_where_nothing_is_installed(gpus):
    gpus.api.objects = {k: v for k, v in gpus.api.objects.items() if k[0] not in ("Deployment", "ClusterPolicy")}
    assert inspect_operator(SPACE, gpus.api).result["table"][0] == "no ClusterPolicy"
    gpus.put_policy(annotations={})
    assert inspect_operator(SPACE, gpus.api).result["policies"][0]["release"] == ""
    gpus.api.unserved.add("ClusterPolicy")
    result = inspect_operator(SPACE, gpus.api).result
    assert (result["installed"], result["nodes"]) == (False, [])
    assert result["table"] == ["no CustomResourceDefinition clusterpolicies.nvidia.com"]


def test_a_missing_permission_is_an_error_and_no_verdict(gpus):
    gpus.api.denied.add(("list", "ClusterPolicy"))
    with pytest.raises(ClusterError, match="list ClusterPolicy is forbidden"):
        judge(gpus)
