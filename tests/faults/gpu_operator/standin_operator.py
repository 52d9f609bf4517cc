# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does for a ClusterPolicy what the GPU Operator does, as far as others can see it, with its bad days.

The operator's own image needs GPUs. This one labels nodes, keeps four DaemonSets from the spec, begins drivers anew
node by node (evicting the pods that hold GPUs, unless the node is to be skipped), and writes ``.status.state``. It runs
beside the tests, as an administrator of the cluster; its pods are those of pretended nodes.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.support.cluster import Cluster, ClusterRefusal

__all__ = ["DRIVER", "STATE", "Operator", "run_operator"]

POLICY = "cluster-policy"
DRIVER = "nvidia-driver-daemonset"
DEPLOY = "nvidia.com/gpu.deploy."
STATE = "nvidia.com/gpu-driver-upgrade-state"
SKIP = "nvidia.com/gpu-driver-upgrade.skip"
HASH = "nvidia.com/last-applied-hash"
# Operand, section of the spec, DaemonSet.
OPERANDS = (
    ("driver", "driver", DRIVER),
    ("container-toolkit", "toolkit", "nvidia-container-toolkit-daemonset"),
    ("device-plugin", "devicePlugin", "nvidia-device-plugin-daemonset"),
    ("operator-validator", "validator", "nvidia-operator-validator"),
)
HELD = ("nvidia.com/gpu", "nvidia.com/mig-")
LOOK_SECONDS = 0.3


class Operator:
    """Works on the nodes with these labels; ``flutters`` is how often the state is turned once more after all is ready.

    ``stuck`` names nodes whose driver upgrade fails; ``evicted`` are the pods that it has taken GPUs from.
    """

    def __init__(self, cluster: Cluster, namespace: str, selector: str) -> None:
        self._cluster, self._namespace, self._selector = cluster, namespace, selector
        self.flutters = 0
        self.stuck: set[str] = set()
        self.evicted: list[str] = []

    def reconcile(self) -> None:
        """Do one round; what is not there yet is left for the next."""
        policy = self._cluster.get("ClusterPolicy", "", POLICY)
        if policy is None or policy["metadata"].get("deletionTimestamp"):
            return
        self._label_nodes()
        for operand, section, name in OPERANDS:
            self._keep(policy, operand, policy["spec"].get(section) or {}, name)
        self._upgrade_drivers()
        self._tell(policy)

    def _nodes(self) -> list[dict[str, Any]]:
        return self._cluster.items("Node", selector=self._selector)

    def _label(self, name: str, **labels: str | None) -> None:
        self._cluster.merge("Node", "", name, {"metadata": {"labels": labels}})

    def _label_nodes(self) -> None:
        wanted = {f"{DEPLOY}{operand}": "true" for operand, _section, _name in OPERANDS}
        for node in self._nodes():
            if not wanted.items() <= node["metadata"]["labels"].items():
                self._label(node["metadata"]["name"], **wanted)

    def _keep(self, policy: Mapping[str, Any], operand: str, spec: Mapping[str, Any], name: str) -> None:
        """Make or change a DaemonSet where the hash of what it is to be differs, as the operator does."""
        image = f"{spec.get('repository')}/{spec.get('image')}:{spec.get('version')}"
        daemon_sets = policy["spec"].get("daemonsets") or {}
        pod = {
            "nodeSelector": {f"{DEPLOY}{operand}": "true"},
            "tolerations": daemon_sets.get("tolerations") or [],
            "containers": [{"name": f"{operand}-ctr", "image": image}],
            "terminationGracePeriodSeconds": 0,
        }
        mark = hashlib.sha256(json.dumps(pod, sort_keys=True).encode()).hexdigest()[:10]
        found = self._cluster.get("DaemonSet", self._namespace, name)
        if found is not None and found["metadata"].get("annotations", {}).get(HASH) == mark:
            return
        meta = policy["metadata"]
        owner = {"apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy", "name": meta["name"], "uid": meta["uid"]}
        labels = {"app": name}
        self._cluster.apply(
            {
                "apiVersion": "apps/v1",
                "kind": "DaemonSet",
                "metadata": {
                    "name": name,
                    "namespace": self._namespace,
                    "annotations": {HASH: mark},
                    "ownerReferences": [{**owner, "controller": True}],
                },
                "spec": {
                    "selector": {"matchLabels": labels},
                    "updateStrategy": {"type": "OnDelete" if name == DRIVER else "RollingUpdate"},
                    "template": {"metadata": {"labels": {**labels, "mark": mark}}, "spec": pod},
                },
            }
        )

    def _upgrade_drivers(self) -> None:
        """Take one step for each node, and begin one node at a time, as the operator does by default."""
        driver = self._cluster.get("DaemonSet", self._namespace, DRIVER)
        if driver is None:
            return
        newest = driver["spec"]["template"]["metadata"]["labels"]["mark"]
        pods = {
            pod["spec"].get("nodeName"): pod for pod in self._cluster.items("Pod", self._namespace, f"app={DRIVER}")
        }
        busy = False
        for node in self._nodes():
            labels, name = node["metadata"]["labels"], node["metadata"]["name"]
            pod, state = pods.get(name), labels.get(STATE, "")
            stale = pod is not None and pod["metadata"]["labels"]["mark"] != newest
            if not stale:
                if pod is not None and state != "upgrade-done" and pod["status"].get("phase") == "Running":
                    self._label(name, **{STATE: "upgrade-done"})
                continue
            if name in self.stuck:
                self._label(name, **{STATE: "upgrade-failed"})
            elif state != "upgrade-required" and state != "pod-restart-required":
                self._label(name, **{STATE: "upgrade-required"})
            elif labels.get(SKIP) != "true" and not busy:
                busy = True
                self._begin_anew(name, pod)

    def _begin_anew(self, node: str, driver: Mapping[str, Any] | None) -> None:
        for pod in self._cluster.all_pods():
            wants = [key for each in pod["spec"]["containers"] for key in each.get("resources", {}).get("limits", {})]
            if pod["spec"].get("nodeName") == node and any(key.startswith(HELD) for key in wants):
                meta = pod["metadata"]
                self.evicted.append(meta["name"])
                self._cluster.delete("Pod", meta["namespace"], meta["name"], grace_seconds=0)
        self._label(node, **{STATE: "pod-restart-required"})
        assert driver is not None
        self._cluster.delete("Pod", self._namespace, driver["metadata"]["name"], grace_seconds=0)

    def _tell(self, policy: Mapping[str, Any]) -> None:
        sets = {item["metadata"]["name"]: item for item in self._cluster.items("DaemonSet", self._namespace)}
        ready = len(sets) >= len(OPERANDS) and all(
            item["status"].get("observedGeneration") == item["metadata"]["generation"]
            and item["status"].get("numberAvailable", 0) >= item["status"].get("desiredNumberScheduled", 0)
            for item in sets.values()
        )
        old = (policy.get("status") or {}).get("state")
        state = "ready" if ready else "notReady"
        if ready and old == "ready" and self.flutters > 0:
            self.flutters -= 1
            state = "notReady"
        if state != old:
            path = f"{self._cluster.path('ClusterPolicy', '', POLICY)}/status"
            self._cluster.call("PATCH", path, {"status": {"state": state}}, "application/merge-patch+json")


@contextmanager
def run_operator(cluster: Cluster, namespace: str, selector: str) -> Iterator[Operator]:
    """Yield an operator that works until the block ends; an error of it ends the block's test."""
    operator, end, errors = Operator(cluster, namespace, selector), threading.Event(), []

    def work() -> None:
        while not end.wait(LOOK_SECONDS):
            try:
                operator.reconcile()
            except ClusterRefusal as refusal:
                # Objects go and come between two requests, and the kind is not there before the first installation.
                if refusal.status not in (404, 409):
                    errors.append(refusal)
                    return

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield operator
    finally:
        end.set()
        thread.join()
    assert errors == []
