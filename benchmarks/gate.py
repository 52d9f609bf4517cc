# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How soon ``health_gate`` says that a model server cannot start, beside a wait of kubernetes.core.

Each fault is made on the cluster; at the same moment a play with the gate is started, all settings at their defaults.
An observer asks the API server for the pods every 50 ms and notes when it shows the fault for the first time. What
counts is the time from there to the end of the play, its end and all. Afterwards kubernetes.core.k8s_info waits for the
same Deployments, that lie there with the same faults. ``python3 -m benchmarks.gate --help`` names the options.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from benchmarks.common import Goal, environment, find_versions, module, namespaces, print_goals, save
from tests.e2e.releases import Places, find_places, standin
from tests.support.cluster import Cluster
from tests.support.playbooks import COLOUR, Project
from tests.support.processes import find_program

VERDICT_SECONDS = 3.0
POLL_SECONDS = 0.05
SECRET = "engine-key"
GATE, WAIT = "Gate", "Wait for the Deployment"


def _containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    statuses: list[dict[str, Any]] = (pod.get("status") or {}).get("containerStatuses") or []
    return statuses


def _waits(*reasons: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda pod: any((c["state"].get("waiting") or {}).get("reason") in reasons for c in _containers(pod))


def _ended(key: str, value: object) -> Callable[[Mapping[str, Any]], bool]:
    return lambda pod: any(
        (c.get(state) or {}).get("terminated", {}).get(key) == value
        for c in _containers(pod)
        for state in ("state", "lastState")
    )


def _unschedulable(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(condition.get("reason") == "Unschedulable" for condition in conditions)


@dataclass(frozen=True)
class Fault:
    """A release that cannot start: how its pod shows it, and a word that the gate's reason must have."""

    name: str
    shows: Callable[[Mapping[str, Any]], bool]
    word: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    change: Mapping[str, Any] = field(default_factory=dict)


FAULTS = (
    Fault(
        "no-such-image",
        _waits("ErrImagePull", "ImagePullBackOff"),
        "ImagePull",
        change={"engine": {"image": "llmops.local/no-such-image:1"}},
    ),
    # One end with an error may be an accident; a crash loop begins where the kubelet calls it so.
    Fault("crash-loop", _waits("CrashLoopBackOff"), "CrashLoopBackOff", {"start_exit_code": 1}),
    Fault("bad-argument", _ended("exitCode", 2), "exit code 2", {"start_exit_code": 2}),
    Fault("out-of-memory", _ended("reason", "OOMKilled"), "OOMKilled", {"oom": True}),
    Fault(
        "unschedulable",
        _unschedulable,
        "Insufficient cpu",
        change={"resources": {"requests": {"cpu": "1000"}}},
    ),
    Fault(
        "missing-secret",
        _waits("CreateContainerConfigError"),
        "CreateContainerConfigError",
        change={"engine": {"api_key": {"secret": SECRET, "key": "key"}}},
    ),
)


class Observer:
    """Asks for the pods of a release until one shows a fault; ``shown_at`` is the wall clock's time of that."""

    def __init__(self, cluster: Cluster, namespace: str, fault: Fault) -> None:
        self.shown_at: float | None = None
        self._cluster, self._namespace, self._fault = cluster, namespace, fault
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name=f"observer of {fault.name}")

    def __enter__(self) -> Observer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            if any(self._fault.shows(pod) for pod in self._cluster.pods(self._namespace, self._fault.name)):
                self.shown_at = time.time()
                return


class Faults:
    """Releases that cannot start, in one namespace."""

    def __init__(self, folder: Path, places: Places, cluster: Cluster, namespace: str) -> None:
        self.folder, self.cluster, self.namespace, self.places = folder, cluster, namespace, places
        self.project = Project(folder / "inventory", places.kubeconfig, [])

    def prepare(self) -> None:
        """Deploy all releases without a pod; the Secret that is asked for goes afterwards."""
        meta = {"name": SECRET, "namespace": self.namespace}
        self.cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"key": "secret"}})
        releases = [standin(f.name, self.namespace, f.settings, replicas=0, **f.change) for f in FAULTS]
        module("model_server", self.places, model_servers=releases)
        self.cluster.delete("Secret", self.namespace, SECRET)

    def _play(self, name: str, task: Mapping[str, Any]) -> str:
        file = self.folder / f"{name}.yml"
        play = {"name": name, "hosts": "all", "gather_facts": False, "tasks": [task]}
        file.write_text(yaml.safe_dump([play]))
        return str(file)

    def _run(self, playbook: str) -> tuple[int, str]:
        """Run a playbook; return its exit code and its output, with each result as one line of JSON."""
        form = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_CALLBACK_FORMAT_PRETTY": "false"}
        variables = {**environment(self.project), **form}
        command = self.project.command(playbook)
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        return done.returncode, COLOUR.sub("", done.stdout + done.stderr)

    def ask_gate(self, fault: Fault) -> dict[str, Any]:
        """Make a fault and return when it showed and when the gate spoke; SystemExit when it said something else."""
        options = {"kubeconfig": str(self.places.kubeconfig), "name": fault.name, "namespace": self.namespace}
        playbook = self._play(f"gate-{fault.name}", {"name": GATE, "llmops.kubernetes.health_gate": options})
        with Observer(self.cluster, self.namespace, fault) as observer:
            made_at = time.time()
            self.cluster.merge("Deployment", self.namespace, f"{fault.name}-blue", {"spec": {"replicas": 1}})
            code, output = self._run(playbook)
            ended_at = time.time()
        verdict = _failure(output)
        reasons = " ".join(verdict.get("reasons") or [str(verdict.get("msg"))])
        if code != 2 or verdict.get("verdict") != "fail" or fault.word not in reasons or not observer.shown_at:
            raise SystemExit(f"{fault.name}, shown at {observer.shown_at}, play ended with {code}: {reasons}")
        found_at = datetime.fromisoformat(verdict["finished_at"]).timestamp()
        return {
            "shown_after_seconds": round(observer.shown_at - made_at, 2),
            "verdict_after_seconds": round(found_at - observer.shown_at, 2),
            "play_ended_after_seconds": round(ended_at - observer.shown_at, 2),
            "reason": verdict["reasons"][0],
        }

    def wait_by_other_means(self, fault: Fault, seconds_max: int) -> dict[str, Any]:
        """Return how long kubernetes.core.k8s_info waited for a Deployment that cannot come, and what it said."""
        options = {
            "kubeconfig": str(self.places.kubeconfig),
            "api_version": "apps/v1",
            "kind": "Deployment",
            "name": f"{fault.name}-blue",
            "namespace": self.namespace,
            "wait": True,
            "wait_condition": {"type": "Available", "status": "True"},
            "wait_timeout": seconds_max,
        }
        playbook = self._play(f"wait-{fault.name}", {"name": WAIT, "kubernetes.core.k8s_info": options})
        started = time.monotonic()
        _code, output = self._run(playbook)
        return {"seconds": round(time.monotonic() - started, 2), "message": str(_failure(output).get("msg"))}


def _failure(output: str) -> dict[str, Any]:
    """Return the result of the failed task; SystemExit with the output where none has failed."""
    lines = [line for line in output.splitlines() if line.startswith("fatal: ") and "=> {" in line]
    if len(lines) != 1:
        raise SystemExit(f"one failed task was expected:\n{output[-3000:]}")
    found: dict[str, Any] = json.loads(lines[0][lines[0].index("=> {") + 3 :])
    return found


def _measure(options: argparse.Namespace, places: Places, cluster: Cluster) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder, namespaces(cluster, places, ("gate",)) as spaces:
        faults = Faults(Path(folder), places, cluster, spaces["gate"])
        faults.prepare()
        for fault in FAULTS:
            found[fault.name] = faults.ask_gate(fault)
            print(f"{fault.name}: {found[fault.name]['reason'].splitlines()[0][:150]}", flush=True)
        if options.wait_seconds:
            print(f"kubernetes.core.k8s_info waits {options.wait_seconds} s for each, side by side", flush=True)
            with ThreadPoolExecutor(len(FAULTS)) as pool:
                waits = pool.map(lambda fault: faults.wait_by_other_means(fault, options.wait_seconds), FAULTS)
                for fault, wait in zip(FAULTS, waits):
                    found[fault.name]["kubernetes_core"] = wait
    return found


def _print(found: Mapping[str, Mapping[str, Any]]) -> None:
    print("\nseconds from the moment when the API server shows the fault")
    print(f"{'':16}{'(shown after)':>15}{'verdict':>10}{'play ended':>12}{'k8s_info':>10}")
    for name, figures in found.items():
        other = figures.get("kubernetes_core", {}).get("seconds")
        columns = (figures["verdict_after_seconds"], figures["play_ended_after_seconds"])
        row = f"{name:16}{figures['shown_after_seconds']:15.2f}{columns[0]:10.2f}{columns[1]:12.2f}"
        print(row + (f"{other:10.2f}" if other is not None else f"{'-':>10}"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 when a goal is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wait-seconds", type=int, default=30, help="wait_timeout of k8s_info (default 30; 0: none)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args(arguments)
    places = find_places()
    cluster = Cluster(places.kubeconfig)
    versions = find_versions(cluster, find_program("kubectl", places.kubeconfig))
    found = _measure(options, places, cluster)
    _print(found)
    goals = [
        Goal(f"{name}, shown to the end of the play", figures["play_ended_after_seconds"], VERDICT_SECONDS, "s")
        for name, figures in found.items()
    ]
    print_goals(goals)
    print("versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    line = shlex.join(["python3", "-m", "benchmarks.gate", *sys.argv[1:]])
    print(f"command: {line}")
    data = [goal.data() for goal in goals]
    save(options.json, {"command": line, "versions": versions, "faults": found, "goals": data})
    return 0 if all(goal.met for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
