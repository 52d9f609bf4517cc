# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What new taints would do: keep the GPU stack's DaemonSets away, evict pods, make GPUs vanish."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Taint
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.label_selector import (
    Requirement,
    fits,
    parse_expressions,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_plan import LiveNode, NodePlan
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_pool import NO_EXECUTE, NodePool
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.placement import REQUIRED
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import parse_toleration

__all__ = [
    "SOFT",
    "Evicted",
    "Operand",
    "find_blocked",
    "find_evicted",
    "find_lost",
    "is_operand",
    "parse_operands",
    "stays_seconds",
]

SOFT = "PreferNoSchedule"
_FOR_EVER = float("inf")
# How DaemonSets of the GPU stack are known: the GPU Operator's label of its operands, the names that NVIDIA, NFD and
# their charts give them, and the folder through which any vendor's device plugin offers its devices to the kubelet.
_OPERATOR = ("app.kubernetes.io/managed-by", "gpu-operator")
_NAME_LABELS = ("app", "app.kubernetes.io/name", "k8s-app", "name")
_NAMES = ("nvidia-", "gpu-feature-discovery", "node-feature-discovery", "nfd-worker", "dcgm-exporter")
_PLUGIN_FOLDER = "/var/lib/kubelet/device-plugins"
# NFD and the operator set these when they have reached a node: a selector that asks for them will be met later.
_SET_LATER = ("nvidia.com/", "feature.node.kubernetes.io/")


@dataclass(frozen=True)
class Operand:
    """A DaemonSet of the GPU stack: its tolerations as the API writes them, and where it runs (any of ``terms``)."""

    namespace: str
    name: str
    tolerations: tuple[Mapping[str, Any], ...] = ()
    node_selector: tuple[Requirement, ...] = ()
    terms: tuple[tuple[Requirement, ...], ...] = ((),)

    def concerns(self, labels: Mapping[str, str]) -> bool:
        """Whether it runs on a node with these labels, or will once NFD and the operator have labelled it."""

        def may_run(requirements: Iterable[Requirement]) -> bool:
            return fits([r for r in requirements if r.key in labels or not r.key.startswith(_SET_LATER)], labels)

        return may_run(self.node_selector) and any(may_run(term) for term in self.terms)


@dataclass(frozen=True)
class Evicted:
    """A pod that a taint would evict, ``after_seconds`` of its toleration."""

    namespace: str
    name: str
    node: str
    after_seconds: float = 0.0


def is_operand(item: Mapping[str, Any]) -> bool:
    """Whether a DaemonSet belongs to the GPU stack."""
    template = item["spec"]["template"]
    labels = [item["metadata"].get("labels") or {}, (template.get("metadata") or {}).get("labels") or {}]
    names = [item["metadata"]["name"], *(each[key] for each in labels for key in _NAME_LABELS if key in each)]
    volumes = (template.get("spec") or {}).get("volumes") or ()
    paths = [str((volume.get("hostPath") or {}).get("path") or "") for volume in volumes]
    return (
        any(each.get(_OPERATOR[0]) == _OPERATOR[1] for each in labels)
        or any(name.startswith(_NAMES) for name in names)
        or any(path.rstrip("/") == _PLUGIN_FOLDER for path in paths)
    )


def parse_operands(items: Sequence[Mapping[str, Any]]) -> tuple[Operand, ...]:
    """Return the DaemonSets of the GPU stack among all DaemonSets."""
    operands = []
    for item in items:
        if not is_operand(item):
            continue
        spec = item["spec"]["template"].get("spec") or {}
        affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED) or {}
        terms = [parse_expressions(term.get("matchExpressions")) for term in affinity.get("nodeSelectorTerms") or ()]
        operands.append(
            Operand(
                item["metadata"].get("namespace", ""),
                item["metadata"]["name"],
                tuple(spec.get("tolerations") or ()),
                tuple(Requirement(key, "In", (value,)) for key, value in (spec.get("nodeSelector") or {}).items()),
                tuple(terms) or ((),),
            )
        )
    return tuple(operands)


def stays_seconds(tolerations: Iterable[Mapping[str, Any]], taint: Taint) -> float:
    """Return how long a pod stays on a node with a taint: 0 without a toleration, infinity with an unlimited one."""
    fitting = [each for each in tolerations if parse_toleration(each).covers(taint)]
    limits = [each["tolerationSeconds"] for each in fitting if each.get("tolerationSeconds") is not None]
    if not fitting:
        return 0.0
    return max(0.0, float(min(limits))) if limits and taint.effect == NO_EXECUTE else _FOR_EVER


def find_blocked(operands: Sequence[Operand], plans: Sequence[NodePlan]) -> dict[tuple[str, Taint], list[str]]:
    """Return the operands (``namespace/name``) and new taints that they do not tolerate, with the nodes concerned."""
    blocked: dict[tuple[str, Taint], list[str]] = {}
    refused: dict[Taint, list[Operand]] = {}
    for plan in plans:
        for taint in plan.added:
            if taint.effect == SOFT:
                continue
            if taint not in refused:
                refused[taint] = [each for each in operands if stays_seconds(each.tolerations, taint) < _FOR_EVER]
            labels = plan.labels_after if refused[taint] else {}
            for operand in refused[taint]:
                if operand.concerns(labels):
                    blocked.setdefault((f"{operand.namespace}/{operand.name}", taint), []).append(plan.node.name)
    return blocked


def find_evicted(pods: Sequence[Mapping[str, Any]], plans: Sequence[NodePlan]) -> tuple[Evicted, ...]:
    """Return the pods that new NoExecute taints would evict, at once or after the seconds that they tolerate."""
    new = {plan.node.name: [each for each in plan.added if each.effect == NO_EXECUTE] for plan in plans}
    evicted = []
    for pod in pods:
        metadata, spec = pod["metadata"], pod.get("spec") or {}
        taints = new.get(spec.get("nodeName") or "")
        ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed") or metadata.get("deletionTimestamp")
        if not taints or ended:
            continue
        seconds = min(stays_seconds(spec.get("tolerations") or (), taint) for taint in taints)
        if seconds < _FOR_EVER:
            evicted.append(Evicted(metadata.get("namespace", ""), metadata["name"], spec["nodeName"], seconds))
    return tuple(evicted)


def find_lost(
    before: Mapping[str, tuple[LiveNode, NodePool]], after: Sequence[LiveNode]
) -> dict[str, tuple[str, int, int]]:
    """Return the nodes whose accelerators cannot be allocated any more: resource, pieces before, pieces after."""
    lost = {}
    for node in after:
        if node.name not in before:
            continue
        earlier, pool = before[node.name]
        had, has = earlier.count(pool.accelerator), node.count(pool.accelerator)
        if had > 0 and has == 0:
            lost[node.name] = (str(pool.accelerator), had, has)
    return lost
