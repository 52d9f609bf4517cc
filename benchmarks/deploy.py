# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a deployment takes that has nothing to change, beside other tools that hold the same objects.

One release of the stand-in engine with no replicas, so that no pod takes part. Each contender has the same objects in a
namespace of its own, made before anything is timed. Rounds go through all contenders in turn, each in a process of its
own; what changes something ends the benchmark. ``python3 -m benchmarks.deploy --help`` names the options.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.common import (
    Goal,
    Spread,
    environment,
    find_versions,
    module,
    namespaces,
    print_goals,
    save,
)
from tests.e2e.releases import Places, find_places, standin
from tests.support.cluster import Cluster
from tests.support.playbooks import COLOUR, RECAP, Project
from tests.support.processes import find_program

RELEASES_MANY = 20
MODULE, ROLE, HELM_MODULE, K8S = "model_server, a play", "model_server, deploy.yml", "kubernetes.core.helm", "k8s tasks"
MANY, HELM, KUBECTL, EMPTY = f"{RELEASES_MANY} releases, a play", "helm upgrade", "kubectl apply", "empty play"
# What Ansible takes for a module that does nothing: no module can be quicker.
PING = "ping, a play"
ABOVE_EMPTY_SECONDS, SHARE_OF_HELM, EACH_MORE_SECONDS = 1.0, 0.6, 0.3


class Contest:
    """The contenders' command lines, their files in one folder, and what they have taken so far."""

    def __init__(self, folder: Path, places: Places, spaces: Mapping[str, str]) -> None:
        self.folder, self.places, self.spaces = folder, places, spaces
        self.helm, self.kubectl = (find_program(name, places.kubeconfig) for name in ("helm", "kubectl"))
        self.objects = 0
        self.commands: dict[str, list[str]] = {}
        self.seconds: dict[str, list[float]] = {}
        self.project = Project(folder / "inventory", places.kubeconfig, [self._release("module")])

    def _release(self, word: str, name: str = "chat") -> dict[str, Any]:
        return standin(name, self.spaces[word], replicas=0)

    def _rendered(self, word: str) -> list[dict[str, Any]]:
        """Return the objects of the release as the module renders them for a contender's namespace."""
        arguments = {"model_servers": [self._release(word)], "state": "rendered"}
        rendered = module("model_server", self.places, **arguments)["model_servers"][0]
        manifests: list[dict[str, Any]] = rendered["manifests"]
        return manifests

    def _play(self, name: str, tasks: Sequence[Mapping[str, Any]]) -> None:
        play = {"name": name, "hosts": "all", "gather_facts": False, "tasks": list(tasks)}
        file = self.folder / f"{name.replace(' ', '-').replace(',', '')}.yml"
        file.write_text(yaml.safe_dump([play]))
        self.commands[name] = self.project.command(str(file))

    def prepare(self) -> None:
        """Write all files, and make the objects of every contender by its own means."""
        config = str(self.places.kubeconfig)
        self._play(EMPTY, [{"name": "Do nothing", "ansible.builtin.meta": "noop"}])
        self._play(PING, [{"name": "Do nothing by a module", "ansible.builtin.ping": {}}])
        self._play(MODULE, [self._task([self._release("module")])])
        self.commands[ROLE] = self.project.command("deploy.yml")
        self._play(MANY, [self._task([self._release("many", f"chat-{n:02}") for n in range(RELEASES_MANY)])])
        helm = {"name": "chat", "chart_ref": str(self._chart()), "namespace": self.spaces["helm-module"]}
        task = {**helm, "binary_path": self.helm, "kubeconfig": config}
        self._play(HELM_MODULE, [{"name": "Deploy the chart", "kubernetes.core.helm": task}])
        objects = [
            {"name": f"Make {item['kind']} {item['metadata']['name']}", "kubernetes.core.k8s": self._k8s(item)}
            for item in self._rendered("k8s")
        ]
        self.objects = len(objects)
        self._play(K8S, objects)
        place = ["--namespace", self.spaces["helm"], "--kubeconfig", config]
        self.commands[HELM] = [self.helm, "upgrade", "--install", "chat", str(self._chart()), *place]
        file = self.folder / "objects.yaml"
        file.write_text(yaml.safe_dump_all(self._rendered("kubectl")))
        self.commands[KUBECTL] = [self.kubectl, "--kubeconfig", config, "apply", "-f", str(file)]
        for name in self.commands:
            self._run(name, again=False)
            print(f"prepared: {name}", flush=True)

    def _task(self, releases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        options = {"kubeconfig": str(self.places.kubeconfig), "model_servers": list(releases)}
        return {"name": "Deploy model servers", "llmops.kubernetes.model_server": options}

    def _k8s(self, item: Mapping[str, Any]) -> dict[str, Any]:
        return {"kubeconfig": str(self.places.kubeconfig), "definition": dict(item)}

    def _chart(self) -> Path:
        """Return a chart of the same objects; the namespace is the only value in it."""
        chart = self.folder / "chart"
        (chart / "templates").mkdir(parents=True, exist_ok=True)
        (chart / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "chat", "version": "0.1.0"}))
        text = yaml.safe_dump_all(self._rendered("helm")).replace("{{", '{{ "{{" }}')
        text = text.replace(self.spaces["helm"], "{{ .Release.Namespace }}")
        (chart / "templates" / "objects.yaml").write_text(text)
        return chart

    def _run(self, name: str, again: bool = True) -> float:
        """Run a contender and return its seconds; SystemExit when it fails, or changes something ``again``."""
        command = self.commands[name]
        started = time.monotonic()
        done = subprocess.run(command, env=environment(self.project), capture_output=True, text=True, check=False)
        seconds = time.monotonic() - started
        output = COLOUR.sub("", done.stdout + done.stderr)
        changed = sum(int(counts[2]) for counts in RECAP.findall(output))
        if done.returncode or (again and changed):
            raise SystemExit(f"{name} ended with {done.returncode} and changed {changed}:\n{output[-3000:]}")
        return seconds

    def measure(self, rounds: int) -> None:
        """Run all contenders in turn, every second round in the opposite order."""
        for number in range(rounds):
            for name in list(self.commands)[:: 1 if number % 2 == 0 else -1]:
                self.seconds.setdefault(name, []).append(self._run(name))
            print(f"round {number + 1} of {rounds} done", flush=True)


def find_goals(medians: Mapping[str, float]) -> list[Goal]:
    """Return what is asked for, with what was measured."""
    each = (medians[MANY] - medians[MODULE]) / (RELEASES_MANY - 1)
    return [
        Goal(f"{MODULE}, above the {EMPTY}", medians[MODULE] - medians[EMPTY], ABOVE_EMPTY_SECONDS, "s"),
        Goal(f"{ROLE}, above the {EMPTY}", medians[ROLE] - medians[EMPTY], ABOVE_EMPTY_SECONDS, "s"),
        Goal(f"{MODULE}, of {HELM_MODULE}", medians[MODULE] / medians[HELM_MODULE], SHARE_OF_HELM, "times"),
        Goal(f"{ROLE}, of {HELM_MODULE}", medians[ROLE] / medians[HELM_MODULE], SHARE_OF_HELM, "times"),
        Goal(f"each further release of {RELEASES_MANY} in a play", each, EACH_MORE_SECONDS, "s"),
    ]


def main() -> int:
    """Measure, print, and return 1 when a goal is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender runs (default 5)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    places = find_places()
    cluster = Cluster(places.kubeconfig)
    words = ("module", "many", "helm-module", "helm", "k8s", "kubectl")
    with tempfile.TemporaryDirectory() as folder, namespaces(cluster, places, words) as spaces:
        contest = Contest(Path(folder), places, spaces)
        contest.prepare()
        contest.measure(options.rounds)
    spreads = {name: Spread(seconds) for name, seconds in contest.seconds.items()}
    goals = find_goals({name: spread.median for name, spread in spreads.items()})
    versions = find_versions(cluster, contest.helm, contest.kubectl)
    print(f"\nNothing to change, {contest.objects} objects, seconds of {options.rounds} rounds")
    print(f"{'':28}{'min':>8}{'median':>8}{'max':>8}{'times':>8}")
    for name, spread in spreads.items():
        row = (min(spread.seconds), spread.median, max(spread.seconds), spread.median / spreads[MODULE].median)
        print(f"{name:28}" + "".join(f"{value:8.2f}" for value in row))
    print_goals(goals)
    print("versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    line = shlex.join(["python3", "-m", "benchmarks.deploy", *sys.argv[1:]])
    print(f"command: {line}")
    save(
        options.json,
        {
            "command": line,
            "versions": versions,
            "objects": contest.objects,
            "seconds": {name: spread.data() for name, spread in spreads.items()},
            "commands": {name: shlex.join(words) for name, words in contest.commands.items()},
            "goals": [goal.data() for goal in goals],
        },
    )
    return 0 if all(goal.met for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
