# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pretended GPUs behave as real ones do: kubelet hands them out, counts the healthy ones, and lets pods wait."""

from __future__ import annotations

from typing import Any

from tests.e2e.pods import render_pod
from tests.support.cluster import Cluster
from tests.support.gpus import RESOURCE, Gpus
from tests.support.processes import wait_until

SECONDS_MAX = 60.0
PROGRAM = "import os, time; print(os.environ['NVIDIA_VISIBLE_DEVICES'], flush=True); time.sleep(600)"


def start_pod(cluster: Cluster, namespace: str, name: str) -> None:
    """Start a pod that asks for one GPU and prints which one it sees."""
    cluster.create(render_pod(namespace, name, PROGRAM, {RESOURCE: "1"}))


def get_pod(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    """Return a pod that is there."""
    pod = cluster.get("Pod", namespace, name)
    assert pod is not None
    return pod


def wait_for_gpu(cluster: Cluster, namespace: str, name: str) -> str:
    """Wait until a pod runs; return what it prints about its GPU."""
    wait_until(
        lambda: get_pod(cluster, namespace, name)["status"].get("phase") == "Running", SECONDS_MAX, f"pod {name}", 0.25
    )
    said: str = wait_until(lambda: cluster.log(namespace, name), SECONDS_MAX, f"words of pod {name}", 0.25)
    return said.strip()


def wait_for_refusal(cluster: Cluster, namespace: str, name: str) -> str:
    """Wait until the scheduler says why it has no node for a pod; return its words."""

    def words() -> str:
        conditions = get_pod(cluster, namespace, name)["status"].get("conditions", [])
        return next((c["message"] for c in conditions if c.get("reason") == "Unschedulable"), "")

    said: str = wait_until(words, SECONDS_MAX, f"refusal of pod {name}", 0.25)
    return said


def test_every_pod_gets_a_gpu_of_its_own_and_one_too_many_waits_for_the_first_that_is_given_back(
    cluster: Cluster, namespace: str, gpus: Gpus
) -> None:
    gpus.set(2)
    for name in ("first", "second"):
        start_pod(cluster, namespace, name)
    seen = {name: wait_for_gpu(cluster, namespace, name) for name in ("first", "second")}
    assert set(seen.values()) == {"GPU-0", "GPU-1"}
    start_pod(cluster, namespace, "third")
    assert f"1 Insufficient {RESOURCE}" in wait_for_refusal(cluster, namespace, "third")
    assert get_pod(cluster, namespace, "third")["status"]["phase"] == "Pending"
    cluster.delete("Pod", namespace, "first", grace_seconds=0)
    assert wait_for_gpu(cluster, namespace, "third") == seen["first"]


def test_a_sick_gpu_is_not_handed_out_but_counted_and_leaves_the_pod_that_has_it_alone(
    cluster: Cluster, namespace: str, gpus: Gpus
) -> None:
    gpus.set(1)
    start_pod(cluster, namespace, "holder")
    assert wait_for_gpu(cluster, namespace, "holder") == "GPU-0"
    gpus.set(1, unhealthy=[0])
    assert gpus.told() == (1, 0)
    assert get_pod(cluster, namespace, "holder")["status"]["phase"] == "Running"
    gpus.set(2, unhealthy=[0])
    assert gpus.told() == (2, 1)
    gpus.set(2)
    start_pod(cluster, namespace, "other")
    assert wait_for_gpu(cluster, namespace, "other") == "GPU-1"
