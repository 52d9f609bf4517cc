# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in memory with the GPU Operator in it: everything well, to be made worse by the tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .memory import MemoryClock, MemoryCluster, node

__all__ = ["DRIVER", "GPU", "SPACE", "GpuCluster"]

SPACE, GPU = "gpu-operator", "nvidia.com/gpu"
DRIVER = "nvidia-driver-daemonset"
RELEASE = {"meta.helm.sh/release-name": "gpu-operator", "meta.helm.sh/release-namespace": SPACE}
READY = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}


class GpuCluster:
    """Two nodes with eight GPUs each, two DaemonSets, the operator, and its ClusterPolicy."""

    def __init__(self) -> None:
        self.api, self.clock = MemoryCluster(SPACE, "llm"), MemoryClock()
        self.api.objects.pop(("Node", "", "roomy"))
        self.policy = self.put_policy()
        for name in ("gpu-1", "gpu-2"):
            self.put_node(name)
        self.put_set(DRIVER, strategy="OnDelete")
        self.put_set("nvidia-device-plugin-daemonset")
        self.put_operator()

    def put_policy(self, name: str = "cluster-policy", state: str = "ready", **more: Any) -> dict[str, Any]:
        """Store a ClusterPolicy, with ``spec`` and ``conditions`` as wanted."""
        status = {"state": state, "conditions": more.get("conditions", [])}
        meta = {"name": name, "annotations": dict(more.get("annotations", RELEASE))}
        item = {"kind": "ClusterPolicy", "metadata": meta, "spec": more.get("spec", {}), "status": status}
        return self.api.put({"apiVersion": "nvidia.com/v1", **item})

    def put_node(self, name: str, gpus: str = "8", has: str = "8", **labels: str) -> dict[str, Any]:
        """Store a node with GPUs to allocate of what it has; labels of nvidia.com/ with ``__`` for ``.``."""
        item = node(name, **{GPU: has})
        item["status"]["allocatable"] = {**item["status"]["allocatable"], GPU: gpus}
        named = {"nvidia.com/" + key.replace("__", ".").replace("_", "-"): value for key, value in labels.items()}
        item["metadata"]["labels"].update({"nvidia.com/gpu.present": "true", **named})
        return self.api.put(item)

    def put_set(self, name: str, desired: int = 2, updated: int = 2, available: int = 2, **more: Any) -> dict[str, Any]:
        """Store a DaemonSet of the operator."""
        owner = [{"kind": "ClusterPolicy", "name": "cluster-policy"}]
        meta = {"name": name, "namespace": SPACE, "generation": 1, "ownerReferences": owner}
        strategy = {"type": more.get("strategy", "RollingUpdate")}
        status = {
            "desiredNumberScheduled": desired,
            "updatedNumberScheduled": updated,
            "numberAvailable": available,
            "observedGeneration": more.get("observed", 1),
        }
        spec = {"updateStrategy": strategy, "template": {"metadata": {}, "spec": {}}}
        return self.api.put({"kind": "DaemonSet", "metadata": meta, "spec": spec, "status": status})

    def put_operator(self, ready: int = 1, replicas: int | None = 1, **more: Any) -> dict[str, Any]:
        """Store the operator's Deployment."""
        pod = {"containers": [{"name": "gpu-operator", "image": "nvcr.example/nvidia/gpu-operator:v26.7.0"}]}
        template = {"metadata": {"labels": {"app": more.get("app", "gpu-operator")}}, "spec": pod}
        meta = {"name": more.get("name", "gpu-operator"), "namespace": SPACE, "generation": 2}
        status = {"readyReplicas": ready, "updatedReplicas": ready, "observedGeneration": more.get("observed", 2)}
        spec = {"replicas": replicas, "template": template}
        return self.api.put({"kind": "Deployment", "metadata": meta, "spec": spec, "status": status})

    def put_pod(
        self, name: str, namespace: str = SPACE, status: Mapping[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        """Store a pod, of a DaemonSet or, with ``gpus``, one that holds some."""
        owner = [{"kind": more.get("kind", "DaemonSet"), "name": more.get("owner", DRIVER), "controller": True}]
        limits = {GPU: more["gpus"]} if "gpus" in more else {}
        spec = {
            "nodeName": more.get("node", "gpu-1"),
            "containers": [{"name": "main", "resources": {"limits": limits}}],
            "volumes": more.get("volumes", []),
        }
        meta = {"name": name, "namespace": namespace, "ownerReferences": owner, "labels": more.get("labels", {})}
        return self.api.put({"kind": "Pod", "metadata": meta, "spec": spec, "status": dict(status or READY)})
