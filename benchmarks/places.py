# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a benchmark of real vLLM from a Job in the cluster says the same as one from the controller.

Both send the very same requests, in turns whose order changes from round to round. Each figure is compared by the
differences within the rounds: the places agree when the 95 % interval of their mean (Student's t) holds zero.
``python3 -m benchmarks.places --help`` names the options.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy.special import stdtrit

from benchmarks.common import Goal, find_versions, module, namespaces, print_goals, save
from tests.e2e.releases import VLLM_VERSION, Places, find_places, vllm
from tests.e2e.rolling import deploy_and_gate
from tests.support.cluster import Cluster
from tests.support.processes import find_program

PLACES = ("controller", "cluster")
FIGURES = (("ttft_ms", "p50"), ("ttft_ms", "mean"), ("itl_ms", "mean"), ("e2e_ms", "p50"), ("e2e_ms", "mean"))
CONFIDENCE = 0.95


def _measure(places: Places, namespace: str, place: str, requests: int) -> Mapping[str, Any]:
    """Return the figures of one run; one that is inconclusive or has a failure ends the benchmark."""
    result = module(
        "serving_benchmark",
        places,
        namespace=namespace,
        name="chat",
        run_from=place,
        phases=[{"load": {"kind": "closed", "concurrency": 1}, "stop": {"requests": requests}}],
        workload={"input": {"mean_tokens": 32}, "output": {"mean_tokens": 24}},
        # At temperature 0 the random model may repeat one token that is no text: an answer without content.
        request={"ignore_eos": True, "seed": 1, "temperature": 1.0},
        # Client and engine share the machine; how late the client was is printed beside the figures.
        client={"lateness_p99_ms_max": 1000, "lag_p99_ms_max": 1000, "busy_ratio_max": 1.0},
    )
    figures: Mapping[str, Any] = result["benchmark"]["phases"][0]["targets"]["service"]
    if result["inconclusive"] or figures["requests"]["ok"] != requests:
        raise SystemExit(f"{place}: {result['inconclusive']}, {figures['requests']}, {figures['classes']}")
    return figures


def _interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return the mean of the differences, and half of the width of its interval."""
    spread = statistics.stdev(differences) / len(differences) ** 0.5
    return statistics.mean(differences), float(stdtrit(len(differences) - 1, (1 + CONFIDENCE) / 2)) * spread


def main() -> int:
    """Measure, print, and return 1 when the places do not agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8, help="runs from each place, 3 at least (default 8)")
    parser.add_argument("--requests", type=int, default=100, help="requests of each run (default 100)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    if options.rounds < 3:
        parser.error("fewer than 3 rounds have no interval that says anything")
    places = find_places()
    cluster = Cluster(places.kubeconfig)
    seen: dict[str, list[Mapping[str, Any]]] = {place: [] for place in PLACES}
    with namespaces(cluster, places, ("places",)) as spaces:
        deploy_and_gate(cluster, vllm("chat", spaces["places"], places.models))
        for number in range(options.rounds):
            for place in PLACES if number % 2 else PLACES[::-1]:
                figures = _measure(places, spaces["places"], place, options.requests)
                seen[place].append(figures)
                late = figures["lateness_ms"]["p99"]
                print(
                    f"{number} {place:10} TTFT p50 {figures['ttft_ms']['p50']:.2f} ms, late {late:.2f} ms", flush=True
                )
    rows, goals = [], []
    print(f"\n{'figure':14} {PLACES[0]:>10} {PLACES[1]:>10} difference, 95 % interval (ms)")
    for metric, statistic in FIGURES:
        here, there = ([figures[metric][statistic] for figures in seen[place]] for place in PLACES)
        mean, half = _interval([after - before for before, after in zip(here, there)])
        name, medians = f"{metric[:-3].upper()} {statistic}", (statistics.median(here), statistics.median(there))
        print(f"{name:14} {medians[0]:10.2f} {medians[1]:10.2f} {mean:+.2f} +- {half:.2f}")
        goals.append(Goal(f"{name}: zero outside of the interval by", max(abs(mean) - half, 0.0), 0, "ms"))
        rows.append({"figure": name, **dict(zip(PLACES, medians)), "difference_ms": mean, "half_width_ms": half})
    tokens = {place: {figures["tokens"]["output"] for figures in seen[place]} for place in PLACES}
    goals.append(Goal("places whose tokens differ", float(tokens[PLACES[0]] != tokens[PLACES[1]]), 0, "places"))
    print()
    print_goals(goals)
    versions = {"vllm": VLLM_VERSION, **find_versions(cluster, find_program("kubectl", places.kubeconfig))}
    print("versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    line = shlex.join(["python3", "-m", "benchmarks.places", *sys.argv[1:]])
    print(f"command: {line}")
    data = [goal.data() for goal in goals]
    save(options.json, {"command": line, "versions": versions, "figures": rows, "goals": data})
    return 0 if all(goal.met for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
