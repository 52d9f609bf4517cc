# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roll-out plan of a large fleet costs: CPU seconds and memory; no cluster takes part.

1,000 nodes with eight GPUs, most of them held, and 200 releases that roll over to another revision, every one with
requests, labels and products of its own. ``python3 -m benchmarks.plan --help`` names the options.
"""

from __future__ import annotations

import argparse
import resource
import shlex
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import parse_node
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.plan_page import render_page
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout import plan_rollout
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_data import Capacity, Change
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import parse_needs, parse_placed

from benchmarks.common import Goal, Spread, print_goals, save

NODES, RELEASES, REPLICAS, GPUS = 1000, 200, 8, 8
PRODUCTS = ("NVIDIA-A100-SXM4-80GB", "NVIDIA-H100-80GB-HBM3", "NVIDIA-L40S", "NVIDIA-H200")
CPU_SECONDS_MAX, MEMORY_MIB_MAX = 1.0, 200.0
GPU, OLD, NEW = "nvidia.com/gpu", "aaaaaaaaaa", "bbbbbbbbbb"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def _nodes() -> list[dict[str, Any]]:
    amounts = {"cpu": "96", "memory": "1Ti", "pods": "110", GPU: str(GPUS)}
    status = {"conditions": [{"type": "Ready", "status": "True"}], "capacity": amounts, "allocatable": amounts}
    return [
        {
            "metadata": {
                "name": f"node-{number:04}",
                "labels": {
                    "kubernetes.io/hostname": f"node-{number:04}",
                    "topology.kubernetes.io/zone": f"zone-{number % 3}",
                    "nvidia.com/gpu.product": PRODUCTS[number % len(PRODUCTS)],
                },
            },
            "spec": {"taints": [{"key": GPU, "effect": "NoSchedule"}]},
            "status": status,
        }
        for number in range(NODES)
    ]


def _template(release: int, revision: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/instance": f"chat-{release}", "llmops.dev/slot": "blue"}
    apart = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": labels}}
    product = {"key": "nvidia.com/gpu.product", "operator": "In", "values": [PRODUCTS[release % len(PRODUCTS)]]}
    return {
        "metadata": {"labels": {**labels, "llmops.dev/revision": revision}},
        "spec": {
            "containers": [
                {
                    "name": "vllm",
                    "resources": {
                        "requests": {"cpu": f"{4000 + release}m", "memory": "32Gi"},
                        "limits": {GPU: str(1 + release % 2)},
                    },
                }
            ],
            "tolerations": [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}],
            "affinity": {
                "nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [product]}]}},
                "podAntiAffinity": {REQUIRED: [apart]},
            },
        },
    }


def _pods() -> list[dict[str, Any]]:
    pods = []
    for release in range(RELEASES):
        for replica in range(REPLICAS):
            node = (release + len(PRODUCTS) * (replica * 29 + release)) % NODES
            made = _template(release, OLD)
            meta = {"name": f"chat-{release}-{replica}", "namespace": "llm", "labels": made["metadata"]["labels"]}
            spec = {**made["spec"], "nodeName": f"node-{node:04}"}
            pods.append({"metadata": meta, "spec": spec, "status": {"phase": "Running"}})
    for number in range(NODES):
        limits = {GPU: "4"}
        spec = {"nodeName": f"node-{number:04}", "containers": [{"name": "job", "resources": {"limits": limits}}]}
        meta = {"name": f"job-{number}", "namespace": "batch", "labels": {"app": "job"}}
        pods.append({"metadata": meta, "spec": spec, "status": {"phase": "Running"}})
    return pods


def _change(release: int) -> Change:
    labels = {"app.kubernetes.io/instance": f"chat-{release}", "llmops.dev/slot": "blue"}
    needs = parse_needs("llm", _template(release, NEW))
    return Change(
        name=f"chat-{release}",
        namespace="llm",
        needs=needs,
        replicas=REPLICAS,
        revision=NEW,
        pod_labels=labels,
        accelerator=GPU,
        replicas_now=REPLICAS,
        changes_template=True,
    )


def main() -> int:
    """Measure, print, and return 1 when a goal is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often the plan is made (default 5)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    raw_nodes, raw_pods = _nodes(), _pods()
    begin = time.process_time()
    capacity = Capacity(tuple(map(parse_node, raw_nodes)), tuple(map(parse_placed, raw_pods)))
    parsed = time.process_time() - begin
    changes = [_change(release) for release in range(RELEASES)]
    rounds = []
    for _round in range(options.rounds):
        begin = time.process_time()
        plan = plan_rollout(changes, capacity)
        rounds.append(time.process_time() - begin)
    begin = time.process_time()
    page = render_page(plan, "https://benchmark", "now")
    drawn = time.process_time() - begin
    tracemalloc.start()
    plan_rollout(changes, capacity)
    traced_mib = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    resident_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    spread = Spread(rounds)
    goals = [
        Goal("the plan, CPU", spread.median, CPU_SECONDS_MAX, "s"),
        Goal("the whole process, resident memory at its peak", resident_mib, MEMORY_MIB_MAX, "MiB"),
    ]
    verdicts = sorted({f"{each.strategy} {each.verdict.value}" for each in plan.releases})
    print(f"{NODES} nodes, {len(raw_pods)} pods, {RELEASES} releases of {REPLICAS}: {', '.join(verdicts)}")
    print(f"plan: {min(rounds):.2f} {spread.median:.2f} {max(rounds):.2f} s of CPU (min, median, max)")
    print(
        f"nodes and pods from JSON's dictionaries: {parsed:.2f} s; the page: {drawn:.2f} s, {len(page) / 1024:.0f} KiB"
    )
    print(f"memory that the plan takes: {traced_mib:.0f} MiB; the process: {resident_mib:.0f} MiB")
    print_goals(goals)
    line = shlex.join(["python3", "-m", "benchmarks.plan", *sys.argv[1:]])
    print(f"command: {line}")
    figures = {"plan": spread.data(), "parse_seconds": round(parsed, 3), "page_seconds": round(drawn, 3)}
    memory = {"traced_mib": round(traced_mib, 1), "resident_mib": round(resident_mib, 1)}
    save(options.json, {"command": line, "figures": figures, "memory": memory, "goals": [g.data() for g in goals]})
    return 0 if all(goal.met for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
