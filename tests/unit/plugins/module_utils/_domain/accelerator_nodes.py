# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes, pods and slices as the API of clusters with accelerators shows them, as far as capacity goes.

Labels are those that GPU Feature Discovery, AMD's node labeller and GKE write; devices those of NVIDIA's DRA driver.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "A100",
    "GKE_T4",
    "H100_SLICES",
    "MI300X",
    "MIXED",
    "SHARED",
    "claim",
    "gpu_device",
    "node",
    "pod",
    "resource_slice",
]

A100 = {
    "nvidia.com/gpu.present": "true",
    "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB",
    "nvidia.com/gpu.count": "8",
    "nvidia.com/gpu.memory": "81920",
    "nvidia.com/gpu.replicas": "1",
    "nvidia.com/gpu.sharing-strategy": "none",
    "nvidia.com/gpu.compute.major": "8",
    "nvidia.com/gpu.compute.minor": "0",
    "nvidia.com/cuda.driver-version.full": "570.86.15",
    "nvidia.com/cuda.driver.major": "570",
    "nvidia.com/cuda.runtime-version.major": "12",
    "nvidia.com/cuda.runtime-version.minor": "8",
    "nvidia.com/mig.capable": "true",
    "nvidia.com/mig.strategy": "single",
}
SHARED = {
    "nvidia.com/gpu.product": "Tesla-T4-SHARED",
    "nvidia.com/gpu.count": "4",
    "nvidia.com/gpu.memory": "15360",
    "nvidia.com/gpu.replicas": "4",
    "nvidia.com/gpu.sharing-strategy": "time-slicing",
    "nvidia.com/cuda.driver.major": "535",
    "nvidia.com/cuda.driver.minor": "104",
    "nvidia.com/cuda.driver.rev": "05",
    "nvidia.com/cuda.runtime.major": "12",
    "nvidia.com/cuda.runtime.minor": "2",
}
# Strategy single: eight GPUs, each cut into seven; count and memory speak of slices.
H100_SLICES = {
    "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb",
    "nvidia.com/gpu.count": "56",
    "nvidia.com/gpu.memory": "9984",
    "nvidia.com/gpu.replicas": "1",
    "nvidia.com/mig.strategy": "single",
}
# Strategy mixed: some GPUs are whole, some are cut.
MIXED = {
    "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB",
    "nvidia.com/gpu.count": "4",
    "nvidia.com/gpu.memory": "40960",
    "nvidia.com/mig.strategy": "mixed",
    "nvidia.com/mig-1g.5gb.count": "14",
    "nvidia.com/mig-1g.5gb.memory": "4864",
    "nvidia.com/mig-1g.5gb.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb",
    "nvidia.com/mig-1g.5gb.replicas": "1",
}
MI300X = {"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM", "amd.com/gpu.vram": "192G"}
GKE_T4 = {
    "cloud.google.com/gke-accelerator": "nvidia-tesla-t4",
    "cloud.google.com/gke-gpu-sharing-strategy": "time-sharing",
    "cloud.google.com/gke-max-shared-clients-per-gpu": "3",
}


def node(
    name: str,
    labels: dict[str, str] | None = None,
    *,
    ready: bool = True,
    cordoned: bool = False,
    taints: tuple[dict[str, str], ...] = (),
    has: dict[str, int] | None = None,
    allocatable: dict[str, int] | None = None,
) -> dict[str, Any]:
    """Return a node that ``has`` some extended resources; ``allocatable`` is what of it differs."""
    capacity = {"cpu": "64", "memory": "512Gi", "pods": "110", **{k: str(v) for k, v in (has or {}).items()}}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {"unschedulable": cordoned, "taints": list(taints)},
        "status": {
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "capacity": capacity,
            "allocatable": {**capacity, **{key: str(value) for key, value in (allocatable or {}).items()}},
        },
    }


def pod(
    name: str,
    where: str | None,
    resource: str = "nvidia.com/gpu",
    amount: int = 1,
    *,
    phase: str = "Running",
    leaving: bool = False,
    nominated: str | None = None,
    priority: int = 0,
    **status: str,
) -> dict[str, Any]:
    """Return a pod of the namespace ``llm`` that asks for some of a resource, and for 4 CPUs and 32 GiB."""
    requests = {"cpu": "4", "memory": "32Gi", resource: str(amount)}
    item: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "llm", "labels": {}},
        "spec": {
            "priority": priority,
            "containers": [{"name": "engine", "resources": {"requests": requests, "limits": {resource: str(amount)}}}],
        },
        "status": {"phase": phase, **status},
    }
    if where is not None:
        item["spec"]["nodeName"] = where
    if nominated is not None:
        item["status"]["nominatedNodeName"] = nominated
    if leaving:
        item["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return item


def gpu_device(name: str, **body: Any) -> dict[str, Any]:
    """Return a whole GPU of the DRA driver."""
    return {
        "name": name,
        "attributes": {
            "type": {"string": "gpu"},
            "productName": {"string": "NVIDIA H100 80GB HBM3"},
            "cudaComputeCapability": {"version": "9.0.0"},
            "driverVersion": {"version": "570.86.15"},
        },
        "capacity": {"memory": {"value": "81559Mi"}},
        **body,
    }


def resource_slice(
    where: str | None, *devices: dict[str, Any], driver: str = "gpu.nvidia.com", pool: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return a slice with the devices of a node."""
    its_pool = {"name": where or "fabric", "generation": 1, "resourceSliceCount": 1, **(pool or {})}
    spec: dict[str, Any] = {"driver": driver, "pool": its_pool, "devices": list(devices)}
    spec.update({"nodeName": where} if where is not None else {"allNodes": True})
    name = f"{its_pool['name']}-{driver}-{len(devices)}-{its_pool['generation']}"
    return {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": name}, "spec": spec}


def claim(name: str, *devices: str, where: str = "dra", **result: Any) -> dict[str, Any]:
    """Return a claim that has got devices of a node's pool."""
    results = [
        {"request": "gpu", "driver": "gpu.nvidia.com", "pool": where, "device": each, **result} for each in devices
    ]
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": name, "namespace": "llm"},
        "status": {"allocation": {"devices": {"results": results}}} if devices else {},
    }
