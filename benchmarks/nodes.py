# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes to label and taint a thousand nodes, beside kubectl and a loop of kubernetes.core's modules.

The nodes are pretended by kwok. Each round goes through all contenders in turn: all nodes are bare and get one label
and one taint; then nothing is to do; then ten nodes have lost both. The loop works on a few nodes only, its seconds are
scaled. Every contender asks as a service account of its own, by which the audit log tells what it sent.
``python3 -m benchmarks.nodes --help`` names the options.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks.common import Goal, Spread, environment, find_versions, print_goals, save
from tests.e2e.namespaces import make_namespaces
from tests.e2e.releases import Places, find_places
from tests.support.accounts import make_administrator
from tests.support.cluster import AuditLog, Cluster
from tests.support.kwok import CONNECTIONS, TAINT, run_kwok
from tests.support.playbooks import COLOUR, Project
from tests.support.processes import find_program

LABEL = {"bench.example.com/pool": "inference"}
RESERVED = {"key": "bench.example.com/reserved", "value": "present", "effect": "NoSchedule"}
WORD = "bench.example.com/nodes"  # the label by which contenders select the nodes
NODES, DRIFTED, LOOPED = 1000, 10, 10
EMPTY, PING, MODULE, KUBECTL, LOOP = "empty play", "ping, a play", "gpu_node, a play", "kubectl", "kubernetes.core"
CHANGE, AGAIN, DRIFT = "all change", "nothing to do", f"{DRIFTED} change"
SHARE_OF_KUBECTL, SHARE_OF_KUBECTL_IDLE, TIMES_OF_LOOP = 0.6, 0.1, 300
PAGE = "list nodes, next page"
READING = ("get", "list", "watch")


@dataclass
class Runs:
    """What a contender took for one task: the seconds of all rounds, and the requests of the last."""

    seconds: list[float] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)

    @property
    def writes(self) -> int:
        """The number of requests that may change something; reviews of permissions are questions."""
        writing = (
            words for words in self.requests if words.split()[0] not in READING and not words.endswith("reviews")
        )
        return sum(self.requests[words] for words in writing)


class Contest:
    """The contenders' command lines, their accounts, and what they have taken so far."""

    def __init__(self, cluster: Cluster, places: Places, folder: Path, space: str, names: Sequence[str]) -> None:
        self.cluster, self.places, self.folder, self.space, self.names = cluster, places, folder, space, names
        self.audit = AuditLog(places.audit_log)
        self.kubectl = find_program("kubectl", places.kubeconfig)
        self.project = Project(folder / "inventory", places.kubeconfig, [])
        self.commands = {EMPTY: [self._play(EMPTY, [{"name": "Do nothing", "ansible.builtin.meta": "noop"}])]}
        ping = {"name": "Do nothing by a module", "ansible.builtin.ping": {}}
        self.commands[PING] = [self._play(PING, [ping])]  # what any module takes
        self.commands[MODULE] = [self._play(MODULE, [self._module(self._account("module"))])]
        self.commands[KUBECTL] = self._kubectl(self._account("kubectl"))
        self.commands[LOOP] = [self._play(LOOP, self._loop(self._account("loop")))]
        self.users = {MODULE: "module", KUBECTL: "kubectl", LOOP: "loop"}
        self.taken: dict[tuple[str, str], Runs] = {}

    def _account(self, name: str) -> str:
        return str(make_administrator(self.cluster, self.space, name, self.folder / f"{name}.kubeconfig"))

    def _play(self, name: str, tasks: Sequence[Mapping[str, Any]]) -> list[str]:
        play = {"name": name, "hosts": "all", "gather_facts": False, "tasks": list(tasks)}
        file = self.folder / f"{name.replace(' ', '-').replace(',', '')}.yml"
        file.write_text(yaml.safe_dump([play]))
        return self.project.command(str(file))

    def _module(self, kubeconfig: str) -> dict[str, Any]:
        pool = {"name": "bench", "selector": {"label_selector": WORD}, "labels": LABEL, "taints": [RESERVED]}
        return {
            "name": "Label and taint the pool",
            "llmops.kubernetes.gpu_node": {"kubeconfig": kubeconfig, "pools": [pool]},
        }

    def _kubectl(self, kubeconfig: str) -> list[list[str]]:
        common, label = ["--overwrite", "--selector", WORD, "--kubeconfig", kubeconfig], "=".join(*LABEL.items())
        taint = "{key}={value}:{effect}".format(**RESERVED)
        return [[self.kubectl, "label", "nodes", label, *common], [self.kubectl, "taint", "nodes", taint, *common]]

    def _loop(self, kubeconfig: str) -> list[dict[str, Any]]:
        names = list(self.names[:LOOPED])
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "{{ item }}", "labels": LABEL}}
        label = {"kubeconfig": kubeconfig, "state": "patched", "definition": node}
        taint = {"kubeconfig": kubeconfig, "name": "{{ item }}", "taints": [RESERVED]}
        return [
            {"name": "Label each node", "kubernetes.core.k8s": label, "loop": names},
            {"name": "Taint each node", "kubernetes.core.k8s_taint": taint, "loop": names},
        ]

    def round(self) -> None:
        """Let every contender do its three tasks once."""
        for name in (EMPTY, PING):
            self._time(name, AGAIN)
        for name in (MODULE, KUBECTL, LOOP):
            names = self.names[:LOOPED] if name == LOOP else self.names
            self._strip(self.names, whole=True)
            for task in (CHANGE, AGAIN) if name == LOOP else (CHANGE, AGAIN, DRIFT):
                if task == DRIFT:
                    self._strip(names[-DRIFTED:], whole=False)
                self._time(name, task)
                self._check(name, task, len(names))

    def _time(self, name: str, task: str) -> None:
        """Run a contender's commands; SystemExit when one fails."""
        mark, started = self.audit.mark(), time.monotonic()
        for command in self.commands[name]:
            env = environment(self.project)
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
            if done.returncode:
                output = COLOUR.sub("", done.stdout + done.stderr)
                raise SystemExit(f"{name}, {task}, ended with {done.returncode}:\n{output[-3000:]}")
        runs = self.taken.setdefault((name, task), Runs())
        runs.seconds.append(time.monotonic() - started)
        if name in self.users:
            user = f"system:serviceaccount:{self.space}:{self.users[name]}"
            runs.requests = Counter(_words(e) for e in self.audit.since(mark) if e["user"]["username"] == user)

    def _strip(self, names: Sequence[str], whole: bool) -> None:
        """Take label and taint from nodes, and with ``whole`` also what the module keeps there."""
        ours = ["llmops.dev/node-pool"] if whole else []
        change = {
            "metadata": {
                "labels": dict.fromkeys([*LABEL, *ours]),
                "annotations": {"llmops.dev/node-pool-applied": None} if whole else {},
            },
            "spec": {"taints": [TAINT]},
        }
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(lambda name: self.cluster.merge("Node", "", name, change), names))

    def _check(self, name: str, task: str, count: int) -> None:
        """See that as many nodes as the contender had to do carry label and taint; SystemExit when not."""
        nodes = self.cluster.items("Node", selector="=".join(*LABEL.items()))
        done = [n for n in nodes if any(t["key"] == RESERVED["key"] for t in n["spec"].get("taints", []))]
        if len(done) != count:
            raise SystemExit(f"{name}, {task}: {len(done)} of {count} nodes have label and taint")


def _words(event: Mapping[str, Any]) -> str:
    """Return the verb and the resource of a request, or its path where it is about none."""
    ref = event.get("objectRef", {})
    if "&continue=" in event["requestURI"]:
        return PAGE
    return f"{event['verb']} {ref['resource']}" if ref else f"get {event['requestURI'].split('?')[0]}"


def find_goals(taken: Mapping[tuple[str, str], Runs], node_seconds: float) -> list[Goal]:
    """Return what is asked for, with what was measured; ``node_seconds`` is what the loop takes for one node."""
    ours, kubectl = (
        {task: Spread(taken[name, task].seconds).median for task in (CHANGE, AGAIN)} for name in (MODULE, KUBECTL)
    )
    idle = taken[MODULE, AGAIN]
    return [
        Goal(f"{CHANGE}, of kubectl's two calls", ours[CHANGE] / kubectl[CHANGE], SHARE_OF_KUBECTL, "times"),
        Goal(f"{AGAIN}, of kubectl's two calls", ours[AGAIN] / kubectl[AGAIN], SHARE_OF_KUBECTL_IDLE, "times"),
        Goal(f"{AGAIN}, further pages of a list aside", idle.requests.total() - idle.requests[PAGE], 1, "requests"),
        Goal(f"{AGAIN}, writes", idle.writes, 0, "requests"),
        Goal(
            f"{CHANGE}, against the loop: what the loop has done by then",
            ours[CHANGE] / node_seconds,
            NODES / TIMES_OF_LOOP,
            "nodes",
        ),
    ]


def print_table(taken: Mapping[tuple[str, str], Runs]) -> None:
    """Print the seconds and requests of all."""
    print(f"\n{'':34}{'min':>9}{'median':>9}{'max':>9}{'requests':>10}{'writes':>8}")
    for (name, task), runs in taken.items():
        values = (min(runs.seconds), Spread(runs.seconds).median, max(runs.seconds))
        row = "".join(f"{value:9.2f}" for value in values)
        print(f"{name + ', ' + task:34}{row}{runs.requests.total():10}{runs.writes:8}")


def main() -> int:
    """Measure, print, and return 1 when a goal is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs (default 3)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    places = find_places()
    cluster = Cluster(places.kubeconfig)
    with tempfile.TemporaryDirectory() as text, make_namespaces(cluster, places) as maker:
        folder, space = Path(text), maker.make("bench-nodes")
        with run_kwok(cluster, space, folder) as kwok, kwok.make(NODES, {WORD: "all"}, gpus="8") as names:
            contest = Contest(cluster, places, folder, space, names)
            for number in range(options.rounds):
                contest.round()
                print(f"round {number + 1} of {options.rounds} done", flush=True)
    taken = contest.taken
    empty = Spread(taken[EMPTY, AGAIN].seconds).median
    node_seconds = {t: (Spread(taken[LOOP, t].seconds).median - empty) / LOOPED for t in (CHANGE, AGAIN)}
    goals = find_goals(taken, node_seconds[CHANGE])
    versions = {**find_versions(cluster, contest.kubectl), "kwok": _kwok_version(places)}
    print(f"\n{NODES} nodes, seconds of {options.rounds} rounds; {LOOP} did {LOOPED} nodes only")
    print_table(taken)
    for task, seconds in node_seconds.items():
        print(f"{LOOP}, {task}: {seconds:.2f} s a node, so {seconds * NODES / 60:.0f} minutes for {NODES} (scaled)")
    print_goals(goals)
    print("versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    line = shlex.join(["python3", "-m", "benchmarks.nodes", *sys.argv[1:]])
    print(f"command: {line}")
    save(
        options.json,
        {
            "command": line,
            "versions": versions,
            "nodes": NODES,
            "nodes_of_the_loop": LOOPED,
            "runs": {
                f"{name}, {task}": {"seconds": Spread(runs.seconds).data(), "requests": dict(runs.requests)}
                for (name, task), runs in taken.items()
            },
            "loop_seconds_a_node": node_seconds,
            "commands": {name: [shlex.join(words) for words in each] for name, each in contest.commands.items()},
            "goals": [goal.data() for goal in goals],
        },
    )
    return 0 if all(goal.met for goal in goals) else 1


def _kwok_version(places: Places) -> str:
    command = [find_program("kwok", places.kubeconfig), "--version"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[2]


if __name__ == "__main__":
    sys.exit(main())
