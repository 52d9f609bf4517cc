# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rolling updates of two replicas of real vLLM lose under constant load, by our drain and by the usual recipe.

Half of the clients keep their connection, half open one for each request; half of the answers are streamed. The first
roll-out replaces pods that drain by the usual recipe (a preStop sleep, then SIGTERM: ``drain.middleware: false``) and
must lose requests, so that it is known that losses are seen. Each further one replaces pods with the drain middleware
and must lose none. ``python3 -m benchmarks.rolling_update --help`` names the options.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.common import Goal, find_versions, namespaces, print_goals, save
from tests.e2e.releases import VLLM_VERSION, find_places, merged, vllm
from tests.e2e.rolling import deploy_and_gate, roll
from tests.e2e.traffic import Load
from tests.support.cluster import Cluster
from tests.support.processes import find_program

REPLICAS = 2
LOAD = Load(clients=8, rate_per_client=2.0, tokens=(20, 60))


def _find_goals(usual: dict[str, Any], ours: list[dict[str, Any]], requests: int) -> list[Goal]:
    goals = [Goal("usual recipe, losses that must be seen", float(usual["dropped"] == 0), 0, "runs without any")]
    for number, run in enumerate(ours, 1):
        goals.append(Goal(f"run {number}, dropped of {run['requests']}", run["dropped"], 0, "requests"))
        goals.append(Goal(f"run {number}, requests missing of {requests}", requests - run["requests"], 0, "requests"))
        goals.append(Goal(f"run {number}, pods not replaced", 2 * REPLICAS - len(run["pod"]), 0, "pods"))
    return goals


def main() -> int:
    """Measure, print, and return 1 when a goal is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="roll-outs of pods with the drain middleware (default 3)")
    parser.add_argument("--requests", type=int, default=2000, help="at least so many in each roll-out (default 2000)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    places = find_places()
    cluster = Cluster(places.kubeconfig)
    found: list[dict[str, Any]] = []
    with namespaces(cluster, places, ("roll",)) as spaces:
        release = vllm("chat", spaces["roll"], places.models, replicas=REPLICAS, drain={"endpoint_seconds": 8})
        deploy_and_gate(cluster, merged(release, {"drain": {"middleware": False}}))
        for number in range(options.runs + 1):
            words = f"run {number} of {options.runs}" if number else "usual recipe"
            started = time.monotonic()
            change = {"annotations": {"example.com/roll-out": str(number)}} if number else {}
            report = roll(cluster, merged(release, change), LOAD, options.requests)
            found.append({**report.summary(), "seconds": round(time.monotonic() - started, 1)})
            print(f"\n{words}, {found[-1]['seconds']} s (each count: all / dropped)\n{report.text()}", flush=True)
    usual, *ours = found
    goals = _find_goals(usual, ours, options.requests)
    print()
    print_goals(goals)
    versions = {"vllm": VLLM_VERSION, **find_versions(cluster, find_program("kubectl", places.kubeconfig))}
    print("versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    line = shlex.join(["python3", "-m", "benchmarks.rolling_update", *sys.argv[1:]])
    print(f"command: {line}")
    data = [goal.data() for goal in goals]
    save(
        options.json,
        {"command": line, "versions": versions, "usual_recipe": usual, "drain_middleware": ours, "goals": data},
    )
    return 0 if all(goal.met for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
