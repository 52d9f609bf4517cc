# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pretended nodes, by the thousand: kwok renews their leases and says of their pods that they run.

Everything about them is owned by one namespace of the tests, so that a killed session leaves nothing for ever: the next
one ends that namespace, and the cluster then collects the nodes and their leases. kwok itself ends with its parent.
"""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.accounts import make_administrator
from tests.support.cluster import Cluster
from tests.support.processes import find_program, wait_until

__all__ = ["CONNECTIONS", "LEASES", "PRETENDED", "TAINT", "TOLERATION", "PretendedNodes", "run_kwok"]

PRETENDED = {"type": "kwok"}  # a label of every pretended node
ANNOTATION = "kwok.x-k8s.io/node"
# On every pretended node: a pod that does not ask for one never lands there, where no container would run.
TAINT = {"key": ANNOTATION, "value": "fake", "effect": "NoSchedule"}
TOLERATION = {"key": ANNOTATION, "operator": "Exists"}
SET = "llmops.dev/pretended-set"
LEASES = "kube-node-lease"
CAPACITY = {"cpu": "64", "memory": "512Gi", "ephemeral-storage": "1Ti", "pods": "110"}
# kwok renews a lease when a quarter of it is over; the cluster holds a node for lost after 20 s without.
LEASE_SECONDS = 40
# The API server takes no more at a time from the two cores of a small machine.
CONNECTIONS = 8
WAIT_SECONDS_MAX = 180.0
QUIET_SECONDS = 1.5
# kwok's own stages for nodes report a status twice a minute, which nobody asks of a node with a lease. This one only
# heals a node that was held for lost, for instance after the machine was suspended.
STAGES = """\
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: heal}
spec:
  resourceRef: {apiGroup: v1, kind: Node}
  selector:
    matchExpressions:
      - {key: '.status.conditions.[] | select(.type == "Ready") | .status', operator: NotIn, values: ["True"]}
  next:
    statusTemplate: |
      conditions:
        - type: Ready
          status: "True"
          reason: Pretended
          message: healed
          lastHeartbeatTime: {{ Now | Quote }}
          lastTransitionTime: {{ Now | Quote }}
"""


class PretendedNodes:
    """What makes pretended nodes and removes them; ``run_kwok`` yields it."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._owner = cluster.owner(namespace)

    @contextmanager
    def make(
        self,
        count: int,
        labels: Mapping[str, str] | None = None,
        taints: Sequence[Mapping[str, str]] = (),
        annotations: Mapping[str, str] | None = None,
        **capacity: str,
    ) -> Iterator[list[str]]:
        """Yield the names of so many ready nodes; after the block they, their pods and their leases are gone.

        ``capacity`` adds to what a node offers, with ``gpus`` for ``nvidia.com/gpu``: ``gpus="8", memory="2Ti"``.
        """
        word = uuid.uuid4().hex[:6]
        names = [f"kwok-{word}-{number:04}" for number in range(count)]
        offered = {**CAPACITY, **{"nvidia.com/gpu" if k == "gpus" else k: v for k, v in capacity.items()}}
        marks = {**(labels or {}), SET: word}
        try:
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                made = pool.map(lambda name: self._create(name, marks, taints, annotations or {}, offered), names)
                list(made)
            wait_until(lambda: self._count_ready(word) == count, WAIT_SECONDS_MAX, f"{count} ready nodes", 0.5)
            wait_until(lambda: self._is_quiet(word), WAIT_SECONDS_MAX, f"end of changes of {count} nodes")
            yield names
        finally:
            self._remove(word, names)

    def _create(
        self,
        name: str,
        labels: Mapping[str, str],
        taints: Sequence[Mapping[str, str]],
        annotations: Mapping[str, str],
        offered: Mapping[str, str],
    ) -> None:
        # The cluster's controllers set these on every node, some twenty a second, and who works on the nodes meanwhile
        # runs into conflicts. The second is what they set in a cluster of 900 to 2,000 nodes.
        old = {"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "amd64"}
        caching = {"node.alpha.kubernetes.io/ttl": "60"}
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        ready = {"type": "Ready", "status": "True", "reason": "Pretended", "message": "it is pretended"}
        common = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        self._cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": name,
                    "labels": {**common, **old, **PRETENDED, **labels},
                    "annotations": {ANNOTATION: "fake", **caching, **annotations},
                    "ownerReferences": [self._owner],
                },
                "spec": {"taints": [TAINT, *taints]},
                "status": {
                    "phase": "Running",
                    "capacity": dict(offered),
                    "allocatable": dict(offered),
                    "conditions": [{**ready, "lastHeartbeatTime": now, "lastTransitionTime": now}],
                },
            }
        )
        # The API server adds this taint to every new node, and the controller that removes it again takes one second
        # for some ten nodes.
        self._cluster.merge("Node", "", name, {"spec": {"taints": [TAINT, *taints]}})

    def _count_ready(self, word: str) -> int:
        """Count the nodes that are ready, free of the cluster's own taints, and held by kwok."""
        held = {lease["metadata"]["name"] for lease in self._cluster.items("Lease", LEASES)}
        nodes = self._cluster.items("Node", selector=f"{SET}={word}")
        return sum(node["metadata"]["name"] in held and _is_ready(node) for node in nodes)

    def _is_quiet(self, word: str) -> bool:
        """Look twice whether somebody still changes the nodes."""

        def versions() -> list[str]:
            nodes = self._cluster.items("Node", selector=f"{SET}={word}")
            return [node["metadata"]["resourceVersion"] for node in nodes]

        before = versions()
        time.sleep(QUIET_SECONDS)
        return versions() == before

    def _remove(self, word: str, names: Sequence[str]) -> None:
        """Remove the nodes, then their pods, which nothing can put there again, then their leases."""
        self._cluster.call("DELETE", f"{self._cluster.path('Node')}?labelSelector={SET}={word}")
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            pods = [pod for pod in self._cluster.all_pods() if pod["spec"].get("nodeName", "") in set(names)]
            list(pool.map(self._end_pod, pods))
            wait_until(lambda: not self._count_leases(pool, set(names)), WAIT_SECONDS_MAX, "end of the leases", 0.5)

    def _end_pod(self, pod: Mapping[str, Any]) -> None:
        self._cluster.delete("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"], grace_seconds=0)

    def _count_leases(self, pool: ThreadPoolExecutor, names: set[str]) -> int:
        """Delete the leases that are left, and tell how many there were: kwok may have been about to make one."""
        left = names & {lease["metadata"]["name"] for lease in self._cluster.items("Lease", LEASES)}
        list(pool.map(lambda name: self._cluster.delete("Lease", LEASES, name), left))
        return len(left)


def _is_ready(node: Mapping[str, Any]) -> bool:
    conditions = {each["type"]: each["status"] for each in node["status"]["conditions"]}
    cluster_taints = [t for t in node["spec"].get("taints", []) if t["key"].startswith("node.kubernetes.io/")]
    return conditions.get("Ready") == "True" and not cluster_taints


@contextmanager
def run_kwok(cluster: Cluster, namespace: str, folder: Path) -> Iterator[PretendedNodes]:
    """Run kwok until the block ends, as an account of ``namespace``, with its files in ``folder``."""
    kubeconfig = make_administrator(cluster, namespace, "kwok", folder / "kwok.kubeconfig")
    stages, log = folder / "stages.yaml", folder / "kwok.log"
    stages.write_text(STAGES)
    # Its own settings would come from the user's home.
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "KWOK_WORKDIR": str(folder)}
    command = [
        *("setpriv", "--pdeathsig", "KILL"),  # it must not outlive a killed test session
        find_program("kwok", cluster.kubeconfig),
        f"--kubeconfig={kubeconfig}",
        f"--config={stages}",
        "--manage-all-nodes=false",
        f"--manage-nodes-with-annotation-selector={ANNOTATION}=fake",
        f"--node-lease-duration-seconds={LEASE_SECONDS}",
        "--v=WARN",  # else a line for each renewal
    ]
    with log.open("w") as sink:
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT)
    try:
        yield PretendedNodes(cluster, namespace)
        assert process.poll() is None, f"kwok ended with {process.returncode}: {log.read_text()[-2000:]}"
    finally:
        process.terminate()
        process.wait(timeout=10)
