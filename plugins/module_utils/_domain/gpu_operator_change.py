# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change of the GPU Operator would do to drivers, operands and the model servers that hold GPUs.

The operator's DaemonSet of drivers is begun anew only node by node, by its upgrade controller, which evicts all pods
with GPUs from the node first. Before version 26.7 any change of its pod template is a reason, such as a label that came
with another chart version (https://github.com/NVIDIA/gpu-operator/pull/2527).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator import GpuPod, Snapshot

__all__ = ["Change", "NodeLoss", "find_floors", "find_losses", "parse_version", "plan_change"]

ALL = "every operand"
_DRIVER_SET = "nvidia-driver-daemonset"
_SETS: Mapping[str, str] = {
    "driver": _DRIVER_SET,
    "gds": _DRIVER_SET,
    "gdrcopy": _DRIVER_SET,
    "toolkit": "nvidia-container-toolkit-daemonset",
    "devicePlugin": "nvidia-device-plugin-daemonset",
    "gfd": "gpu-feature-discovery",
    "dcgm": "nvidia-dcgm",
    "dcgmExporter": "nvidia-dcgm-exporter",
    "migManager": "nvidia-mig-manager",
    "nodeStatusExporter": "nvidia-node-status-exporter",
}
# Settings of the upgrade itself: they are read by the controller and are in no pod.
_NO_POD = ("upgradePolicy",)
_OWN_DRIVER = ("driver", "gds", "gdrcopy")
_IN_PLACE_FROM = (26, 7)
_VERSION = re.compile(r"^v?(\d+)\.(\d+)")


@dataclass(frozen=True)
class Change:
    """What the new values touch; ``drivers``: ``none``, ``in_place`` (no pod is evicted) or ``evicts``, and why."""

    sections: tuple[str, ...] = ()
    operands: tuple[str, ...] = ()
    drivers: str = "none"
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeLoss:
    """What leaves when a node's driver is begun anew; ``broken``: model servers below their floor, in words."""

    node: str
    pods: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Server:
    ready: int = 0
    by_node: Mapping[str, int] = field(default_factory=dict)


def parse_version(text: str) -> tuple[int, int] | None:
    """Return major and minor of a version or of an image's tag; None where it has none."""
    found = _VERSION.match(text.rpartition(":")[2])
    return (int(found[1]), int(found[2])) if found else None


def _without(spec: Mapping[str, Any], section: str) -> Any:
    value = spec.get(section)
    if section == "driver" and isinstance(value, Mapping):
        return {key: each for key, each in value.items() if key not in _NO_POD}
    return value


def plan_change(live: Mapping[str, Any] | None, wanted: Mapping[str, Any], before: str, after: str) -> Change:
    """Compare two specs of the ClusterPolicy, and the operator's versions; ``live`` None is a first installation."""
    if live is None:
        return Change()
    # Empty sections come and go with the API's defaults.
    keys = sorted({*live, *wanted})
    changed = [key for key in keys if (_without(live, key) or None) != (_without(wanted, key) or None)]
    touched = sorted({_SETS.get(key, ALL) for key in changed})
    old, new = parse_version(before), parse_version(after)
    newer = before != after
    if newer or ALL in touched:
        touched = [ALL]
    driver = wanted.get("driver") or {}
    if not changed and not newer:
        return Change()
    reasons = [f"spec.{key} changes" for key in changed if key in _OWN_DRIVER]
    cosmetic = [f"spec.{key} changes" for key in changed if key not in _SETS]
    if newer:
        cosmetic.append(f"the operator goes from {before or 'unknown'} to {after}")
    drivers = "none"
    if driver.get("enabled") is False or (driver.get("upgradePolicy") or {}).get("autoUpgrade") is False:
        reasons, cosmetic = [], []
    elif reasons:
        drivers = "evicts"
    elif cosmetic:
        known = old is not None and new is not None
        drivers = "in_place" if known and min(old or (), new or ()) >= _IN_PLACE_FROM else "evicts"
    told = (*reasons, *cosmetic)
    if drivers == "evicts" and not reasons:
        told = (*told, "before 26.7 the operator begins drivers anew when only labels of their pods differ")
    return Change(tuple(changed), tuple(touched), drivers, told)


def find_floors(budgets: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """Return the ready replicas that each release (namespace, name) must keep, from its PodDisruptionBudget."""
    floors = {}
    for item in budgets:
        meta = item["metadata"]
        name = (meta.get("labels") or {}).get(labels.INSTANCE)
        if name is not None:
            floors[meta.get("namespace", ""), name] = int((item.get("status") or {}).get("desiredHealthy") or 0)
    return floors


def _servers(pods: Sequence[GpuPod]) -> dict[tuple[str, str], _Server]:
    servers: dict[tuple[str, str], _Server] = {}
    for pod in pods:
        name = pod.labels.get(labels.INSTANCE)
        if name is None or pod.labels.get(labels.COMPONENT) != labels.MODEL_SERVER or not pod.ready:
            continue
        server = servers.get((pod.namespace, name), _Server())
        by_node = {**server.by_node, pod.node: server.by_node.get(pod.node, 0) + 1}
        servers[pod.namespace, name] = _Server(server.ready + 1, by_node)
    return servers


def find_losses(snapshot: Snapshot, floors: Mapping[tuple[str, str], int]) -> tuple[NodeLoss, ...]:
    """Return, for each node with the operator's driver, who would leave it, and which model servers would suffer.

    A model server without a budget keeps one ready replica; one that has none to lose on a node is not concerned.
    """
    servers = _servers(snapshot.gpu_pods)
    losses = []
    for node in sorted(snapshot.nodes, key=lambda each: each.name):
        if not (node.present and node.operands and node.driver):
            continue
        pods = tuple(f"{p.namespace}/{p.name}" for p in snapshot.gpu_pods if p.node == node.name and not p.refused)
        broken = []
        for (namespace, name), server in sorted(servers.items()):
            lost = server.by_node.get(node.name, 0)
            floor = max(1, floors.get((namespace, name), 1))
            if lost and server.ready - lost < floor:
                broken.append(
                    f"model server {namespace}/{name} would have {server.ready - lost} ready replicas without node "
                    f"{node.name}, and must keep {floor}"
                )
        losses.append(NodeLoss(node.name, pods, tuple(broken)))
    return tuple(losses)
