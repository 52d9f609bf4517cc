# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of NVIDIA's GPU Operator is in a cluster, from the API's objects.

Names of labels and states: https://github.com/NVIDIA/gpu-operator (controllers/state_manager.go), and for the upgrade
of drivers https://github.com/NVIDIA/k8s-operator-libs (pkg/upgrade/consts.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import parse_node, parse_pod
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_stack import is_operand
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pod_state import (
    FINAL_WAITING,
    is_alive,
    is_ready,
    summarise,
)

__all__ = [
    "DRIVER_STATE",
    "SKIP",
    "GpuNode",
    "GpuPod",
    "Operand",
    "OperandPod",
    "OperatorState",
    "Policy",
    "Snapshot",
    "parse_gpu_node",
    "parse_gpu_pods",
    "parse_operand",
    "parse_operand_pod",
    "parse_policy",
    "parse_state",
]

PRESENT = "nvidia.com/gpu.present"
SKIP = "nvidia.com/gpu-driver-upgrade.skip"
DRIVER_STATE = "nvidia.com/gpu-driver-upgrade-state"
_DEPLOY = "nvidia.com/gpu.deploy."
_WORKLOAD = "nvidia.com/gpu.workload.config"
_PAUSED = "paused"  # paused-for-driver-upgrade and the like
# What the operator itself takes for a pod that uses a GPU (cmd/gpu-operator/main.go).
_HELD = ("nvidia.com/gpu", "nvidia.com/mig-")
_OWNERS = ("ClusterPolicy", "NVIDIADriver")
# A container that crashes is started again at growing intervals. Operands crash while what they stand on is not there
# yet; after so many restarts (some five minutes) it is no accident. The operator itself gives a driver pod ten.
_RESTARTS_MAX = 5
_CRASHING = "CrashLoopBackOff"
# The DaemonSet controller's own count, on the set and on each of its pods.
_TEMPLATE_OF_SET, _TEMPLATE_OF_POD = "deprecated.daemonset.template.generation", "pod-template-generation"


@dataclass(frozen=True)
class Policy:
    """A ClusterPolicy; ``state``: ``ready``, ``notReady``, ``ignored`` or empty; ``words``: what its conditions say."""

    name: str
    state: str = ""
    reason: str = ""
    words: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    release: str = ""


@dataclass(frozen=True)
class Operand:
    """A DaemonSet of the operator (or of Node Feature Discovery) and how far the cluster is with it, in nodes.

    ``template`` counts the forms of its pod template; each pod carries the number of the one that it is of.
    """

    namespace: str
    name: str
    desired: int = 0
    updated: int = 0
    available: int = 0
    observed: bool = True
    on_delete: bool = False
    generation: int = 0
    template: int = 0

    @property
    def ready(self) -> bool:
        """Whether every node has it, in its newest form unless that is begun by hand (``OnDelete``)."""
        newest = self.on_delete or self.updated >= self.desired
        return self.observed and newest and self.available >= self.desired


@dataclass(frozen=True)
class OperandPod:
    """A pod of the operator or of an operand; ``trouble`` says why it can never become ready, in its own words."""

    namespace: str
    name: str
    node: str
    owner: str
    summary: str = ""
    trouble: str | None = None
    template: int = 0


@dataclass(frozen=True)
class GpuPod:
    """A pod that holds GPUs of a node, as the operator counts them; ``refused``: the kubelet has not admitted it."""

    namespace: str
    name: str
    node: str
    labels: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    ready: bool = False
    refused: bool = False
    empty_dir: bool = False


@dataclass(frozen=True)
class GpuNode:
    """A node with NVIDIA GPUs; ``allocatable`` and ``capacity`` are pieces by resource.

    ``present``: Node Feature Discovery sees them; where it does not, the operator has nothing to do with the node.

    ``operands`` False: a label keeps the operands away, or gives the GPUs to virtual machines. ``driver`` False: the
    operator's driver is not meant for it. ``held`` is the label that keeps driver upgrades away.
    """

    name: str
    allocatable: Mapping[str, int] = field(default_factory=dict)
    capacity: Mapping[str, int] = field(default_factory=dict)
    present: bool = True
    ready: bool = True
    cordoned: bool = False
    operands: bool = True
    driver: bool = True
    upgrade: str = ""
    held: bool = False
    paused: tuple[str, ...] = ()
    product: str = ""
    driver_version: str = ""
    mig: str = ""
    mig_state: str = ""


@dataclass(frozen=True)
class OperatorState:
    """The operator's own Deployment: replicas wanted and ready, and its image; ``found`` False: there is none."""

    found: bool = False
    wanted: int = 0
    ready: int = 0
    image: str = ""


@dataclass(frozen=True)
class Snapshot:
    """One look at everything that belongs to the operator."""

    policies: tuple[Policy, ...] = ()
    operator: OperatorState = OperatorState()
    operands: tuple[Operand, ...] = ()
    pods: tuple[OperandPod, ...] = ()
    nodes: tuple[GpuNode, ...] = ()
    gpu_pods: tuple[GpuPod, ...] = ()


def _number(text: Any) -> int:
    return int(text) if str(text).isdigit() else 0


def parse_policy(item: Mapping[str, Any]) -> Policy:
    """Return a ClusterPolicy; ``release`` is the Helm release that owns it, as ``namespace/name``."""
    status, notes = item.get("status") or {}, item["metadata"].get("annotations") or {}
    told = {each["type"]: each for each in status.get("conditions") or () if each.get("status") == "True"}
    condition = told.get("Error") or told.get("Ready") or {}
    release = notes.get("meta.helm.sh/release-name", "")
    return Policy(
        item["metadata"]["name"],
        str(status.get("state") or ""),
        str(condition.get("reason") or ""),
        str(condition.get("message") or ""),
        dict(item.get("spec") or {}),
        f"{notes.get('meta.helm.sh/release-namespace', '')}/{release}" if release else "",
    )


def parse_operand(item: Mapping[str, Any]) -> Operand | None:
    """Return a DaemonSet of the operator or of Node Feature Discovery; None for any other."""
    metadata, status = item["metadata"], item.get("status") or {}
    owned = any(each.get("kind") in _OWNERS for each in metadata.get("ownerReferences") or ())
    if not owned and not is_operand(item):
        return None
    generation = int(metadata.get("generation") or 0)
    strategy = (item["spec"].get("updateStrategy") or {}).get("type")
    return Operand(
        metadata.get("namespace", ""),
        metadata["name"],
        int(status.get("desiredNumberScheduled") or 0),
        int(status.get("updatedNumberScheduled") or 0),
        int(status.get("numberAvailable") or 0),
        int(status.get("observedGeneration") or 0) >= generation,
        strategy == "OnDelete",
        generation,
        _number((metadata.get("annotations") or {}).get(_TEMPLATE_OF_SET)),
    )


def _trouble(pod: Mapping[str, Any]) -> str | None:
    """Return why a pod can never become ready, in the words of the kubelet and the container runtime."""
    status = pod.get("status") or {}
    if status.get("phase") == "Failed":
        return f"{status.get('reason') or 'it has failed'}: {status.get('message') or 'no message'}"
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason, restarts = waiting.get("reason", ""), int(container.get("restartCount") or 0)
        if reason not in FINAL_WAITING or (reason == _CRASHING and restarts < _RESTARTS_MAX):
            continue
        ended = (container.get("lastState") or {}).get("terminated") or {}
        code = f" after exit code {ended['exitCode']}" if "exitCode" in ended else ""
        said = str(ended.get("message") or waiting.get("message") or "no message").strip()
        return f"container {container['name']} is in {reason}{code}: {said}"
    return None


def parse_operand_pod(item: Mapping[str, Any]) -> OperandPod:
    """Return a pod of the operator's namespace; ``owner`` is the name of its DaemonSet or ReplicaSet."""
    pod = parse_pod(item)
    return OperandPod(
        pod.namespace,
        pod.name,
        pod.node or "",
        pod.owner.partition("/")[2],
        summarise(item),
        _trouble(item) if not pod.leaving else None,
        _number(pod.labels.get(_TEMPLATE_OF_POD)),
    )


def parse_gpu_pods(items: Iterable[Mapping[str, Any]]) -> tuple[GpuPod, ...]:
    """Return the pods that hold GPUs of a node, and those that the kubelet refused for want of one."""
    found = []
    for item in items:
        pod = parse_pod(item)
        if pod.node is None or not any(name.startswith(_HELD) for name, amount in pod.requests.items() if amount > 0):
            continue
        refused = pod.reason == "UnexpectedAdmissionError"
        if not refused and not pod.holds_resources:
            continue
        volumes = (item.get("spec") or {}).get("volumes") or ()
        found.append(
            GpuPod(
                pod.namespace,
                pod.name,
                pod.node,
                pod.labels,
                pod.owner,
                is_ready(item) and is_alive(item),
                refused,
                any(volume.get("emptyDir") is not None for volume in volumes),
            )
        )
    return tuple(sorted(found, key=lambda each: (each.node, each.namespace, each.name)))


def parse_gpu_node(item: Mapping[str, Any]) -> GpuNode | None:
    """Return a node with NVIDIA GPUs, or that the operator has had to do with; None for any other."""
    node = parse_node(item)
    labels = node.labels
    allocatable = {name: n for name, n in node.allocatable.items() if name.startswith(_HELD)}
    capacity = {name: n for name, n in node.capacity.items() if name.startswith(_HELD)}
    if PRESENT not in labels and not capacity:
        return None
    deploy = {k[len(_DEPLOY) :]: value for k, value in labels.items() if k.startswith(_DEPLOY)}
    virtual = labels.get(_WORKLOAD, "container").startswith("vm-")
    version = [labels.get(f"nvidia.com/cuda.driver-version.{part}") for part in ("full", "major")]
    return GpuNode(
        node.name,
        allocatable,
        capacity,
        labels.get(PRESENT) == "true",
        node.ready,
        node.cordoned,
        deploy.get("operands") != "false" and not virtual,
        deploy.get("driver", "true") != "false",
        labels.get(DRIVER_STATE, ""),
        labels.get(SKIP) == "true",
        tuple(sorted(name for name, value in deploy.items() if value.startswith(_PAUSED))),
        labels.get("nvidia.com/gpu.product", ""),
        next((each for each in version if each), ""),
        labels.get("nvidia.com/mig.config", ""),
        labels.get("nvidia.com/mig.config.state", ""),
    )


def parse_state(deployments: Sequence[Mapping[str, Any]]) -> OperatorState:
    """Return the state of the operator's own Deployment among those of its namespace."""
    for item in deployments:
        template = item["spec"]["template"]
        if (template.get("metadata", {}).get("labels") or {}).get("app") != "gpu-operator":
            continue
        status = item.get("status") or {}
        fresh = int(status.get("observedGeneration") or 0) >= int(item["metadata"].get("generation") or 0)
        # A pod of an older revision is ready, but not what was asked for.
        ready = min(int(status.get("readyReplicas") or 0), int(status.get("updatedReplicas") or 0))
        wanted = item["spec"].get("replicas")
        image = str(template["spec"]["containers"][0].get("image", ""))
        return OperatorState(True, 1 if wanted is None else int(wanted), ready if fresh else 0, image)
    return OperatorState()
