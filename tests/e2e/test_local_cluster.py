# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The local cluster as its role promises it: interruptible, repeatable, beside another one, gone without a trace.

A second cluster, index 15, out of the cache of the first. The tests go through its life and need their order.
"""

from __future__ import annotations

import math
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e.machine import Traces, find_traces, processes_of
from tests.support.cluster import Cluster
from tests.support.gpus import borrow_gpus
from tests.support.playbooks import PlayResult, Project
from tests.support.processes import wait_until

NAME, INDEX = "e2e", 15
INTERFACE, NET = "llmops15", "198.19.224.0/19"  # both follow from the index
ROOT = Path("/var/lib/llmops-cluster")
PLAYBOOK = "playbooks/local_cluster.yml"
ENGINE_NAMESPACE = "llm"
# A run is killed once it has begun this task, and a moment later: before, while and after the node comes up.
KILLS = (("Write the configuration", 0.2), ("Start the node", 0.3), ("wait for the API server", 1.0))


class Second:
    """The second cluster: its role's runs, and what the machine was like before the first of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = ROOT / NAME
        variables = {"local_cluster_name": NAME, "local_cluster_index": INDEX, "local_cluster_root": str(ROOT)}
        self.project = Project(folder, self.folder / "etc" / "admin.kubeconfig", [], **variables)
        self.before: Traces = {}

    def api(self) -> Cluster:
        """Return its API."""
        return Cluster(self.folder / "etc" / "admin.kubeconfig")

    def run(self, state: str) -> PlayResult:
        """Bring the cluster into a state."""
        return self.project.run(PLAYBOOK, *self._words(state))

    def offer_engine(self) -> PlayResult:
        """Offer the engine and the models of the cache to its pods."""
        return self.project.run("playbooks/local_engine.yml", "-e", "target=cluster").ok()

    def kill_run(self, task: str, seconds: float) -> str:
        """Kill a run and all of its processes some time after it has begun a task; return what it printed."""
        seen = []
        with self.project.start(PLAYBOOK, *self._words("present")) as process:
            assert process.stdout is not None
            for line in process.stdout:
                seen.append(line)
                if line.startswith("TASK") and task in line:
                    time.sleep(seconds)
                    os.killpg(process.pid, signal.SIGKILL)
                    break
        return "".join(seen)

    def supervise(self, order: str, daemon: str) -> None:
        """Tell the supervisor of a daemon something."""
        subprocess.run(["sv", order, str(self.folder / "sv" / daemon)], check=True, capture_output=True)

    @staticmethod
    def _words(state: str) -> list[str]:
        return ["-e", "target=cluster", "-e", f"local_cluster_state={state}"]


@pytest.fixture(name="second", scope="module")
def _second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Second]:
    """Return the second cluster, which is not there yet; it goes at the end, also when a test fails."""
    second = Second(tmp_path_factory.mktemp("second"))
    second.run("absent").ok()  # what a killed session left
    second.before = find_traces(ROOT)
    try:
        yield second
    finally:
        second.run("absent").ok()


def test_a_run_killed_again_and_again_is_finished_by_the_next_which_leaves_nothing_to_do(second: Second) -> None:
    for task, seconds in KILLS:
        output = second.kill_run(task, seconds)
        assert task in output.splitlines()[-1], output[-2000:]
    assert second.run("present").ok().changed() > 0
    assert second.run("present").ok().changed() == 0


def test_both_clusters_answer_for_themselves(second: Second, cluster: Cluster) -> None:
    nodes = [[node["metadata"]["name"] for node in each.items("Node")] for each in (second.api(), cluster)]
    assert nodes[0] == [NAME]
    assert NAME not in nodes[1]


def test_pretended_gpus_register_again_with_a_kubelet_that_was_started_again(second: Second) -> None:
    log = second.folder / "log" / "fakegpu" / "current"
    before = log.read_text().count("registered")
    second.supervise("restart", "kubelet")
    wait_until(lambda: log.read_text().count("registered") > before, 20, "registration")
    with borrow_gpus(second.api(), second.folder / "gpus") as gpus:
        gpus.set(3, unhealthy=[1])
        assert gpus.told() == (3, 2)


def test_a_service_without_pods_refuses_the_host_at_once(second: Second) -> None:
    service = {"metadata": {"name": "empty"}, "spec": {"ports": [{"port": 80}]}}
    made = second.api().call("POST", second.api().path("Service", "default"), service)
    address = (made["spec"]["clusterIP"], 80)
    # kube-proxy takes a moment to write its rule; until then nothing answers.
    wait_until(lambda: seconds_until_refused(address) < 0.5, 10, "a refusal")
    assert max(seconds_until_refused(address) for _attempt in range(5)) < 0.5


def test_claims_of_the_engine_are_bound_again_after_they_were_deleted(second: Second) -> None:
    api = second.api()

    def are_bound() -> bool:
        claims = api.items("PersistentVolumeClaim", ENGINE_NAMESPACE)
        return [claim["status"]["phase"] for claim in claims] == ["Bound", "Bound"]

    second.offer_engine()
    wait_until(are_bound, 20, "claims bound")
    api.call("DELETE", api.path("PersistentVolumeClaim", ENGINE_NAMESPACE))
    wait_until(
        lambda: {volume["status"]["phase"] for volume in api.items("PersistentVolume")} == {"Released"}, 20, "free"
    )
    second.offer_engine()
    wait_until(are_bound, 20, "claims bound again")


def test_status_names_the_sick_parts_with_their_logs_and_present_heals_them_in_the_running_node(second: Second) -> None:
    before = node_process(second.run("status").ok().stdout)
    second.supervise("down", "kube-scheduler")
    subprocess.run(["ip", "route", "delete", NET, "dev", INTERFACE], check=True)
    said = second.run("status").failed().output
    assert f"Local cluster {NAME} is not well: network, kube-scheduler." in " ".join(said.split())
    assert re.search(r"SICK network +the host has no route", said)
    assert f"log {second.folder}/log/kube-scheduler/current" in said
    assert second.run("present").ok().changed() > 0
    assert node_process(second.run("status").ok().stdout) == before


def test_a_cable_that_was_lost_is_laid_again(second: Second) -> None:
    subprocess.run(["ip", "link", "delete", INTERFACE], check=True)
    assert re.search(r"SICK network +the host has no cable and no route", second.run("status").failed().stdout)
    assert second.run("present").ok().changed() > 0
    assert second.api().call("GET", "/readyz") == "ok"


def test_absent_leaves_the_machine_as_it_was_and_the_other_cluster_alone(second: Second, cluster: Cluster) -> None:
    assert second.run("absent").ok().changed() == 1
    assert processes_of(second.folder) == []
    after = find_traces(ROOT)
    assert {kind: differences(second.before[kind], after[kind]) for kind in after} == {kind: [] for kind in after}
    assert cluster.call("GET", "/readyz") == "ok"
    assert second.run("absent").ok().changed() == 0


def node_process(status: str) -> str:
    """Return the number of the node's first process."""
    found = re.search(r"ok +node-process +pid (\d+)", status)
    assert found is not None, status
    return found.group(1)


def seconds_until_refused(address: tuple[str, int]) -> float:
    """Return after how many seconds a connection is refused; one that is not refused counts as endless."""
    began = time.monotonic()
    try:
        with socket.create_connection(address, timeout=5):
            return math.inf
    except ConnectionRefusedError:
        return time.monotonic() - began
    except OSError:
        return math.inf


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Name what came, went or has another value."""
    return sorted(
        f"{name}: {before.get(name, 'not there')!r} is now {after.get(name, 'not there')!r}"
        for name in {*before, *after}
        if before.get(name) != after.get(name)
    )
