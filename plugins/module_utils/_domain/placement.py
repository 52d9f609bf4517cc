# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a pod may run: selectors, affinity, tolerations, spread; all over labels that the pods really carry."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer

__all__ = ["GPU_PRODUCT", "NODE_POOL", "PREFERRED", "REQUIRED", "own_toleration", "render_placement"]

# GPU Feature Discovery's label; provider labels go through placement.node_selector.
GPU_PRODUCT = "nvidia.com/gpu.product"
NODE_POOL = "llmops.dev/node-pool"
_TOPOLOGY_KEYS = {"hostname": "kubernetes.io/hostname", "zone": "topology.kubernetes.io/zone"}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
# The most that a wish can weigh; wishes of the user's own affinity have their own weights.
_WEIGHT = 100


def _affinity(server: ModelServer, slot: str) -> dict[str, Any]:
    """Return the user's affinity with what named keys ask for; required products go into every term (alternatives)."""
    placement = server.placement
    affinity = copy.deepcopy(placement.affinity or {})
    if placement.gpu_products:
        wanted = _one_of(GPU_PRODUCT, placement.gpu_products)
        node = affinity["nodeAffinity"] = affinity.get("nodeAffinity") or {}
        required = node[REQUIRED] = node.get(REQUIRED) or {"nodeSelectorTerms": [{}]}
        for term in required["nodeSelectorTerms"]:
            term["matchExpressions"] = [*(term.get("matchExpressions") or ()), wanted]
    wishes = [_one_of(key, [value]) for key, value in placement.preferred_node_labels]
    if placement.preferred_gpu_products:
        wishes.insert(0, _one_of(GPU_PRODUCT, placement.preferred_gpu_products))
    if wishes:
        node = affinity["nodeAffinity"] = affinity.get("nodeAffinity") or {}
        terms = [{"weight": _WEIGHT, "preference": {"matchExpressions": [wish]}} for wish in wishes]
        node[PREFERRED] = [*(node.get(PREFERRED) or ()), *terms]
    if placement.anti_affinity != "none":
        # Over labels that the pods really carry; the slots are apart from themselves, not from each other.
        selector = {"matchLabels": labels.slot_selector(server.name, slot)}
        term = {"topologyKey": _TOPOLOGY_KEYS[placement.anti_affinity_by], "labelSelector": selector}
        apart = affinity["podAntiAffinity"] = affinity.get("podAntiAffinity") or {}
        if placement.anti_affinity == "required":
            apart[REQUIRED] = [*(apart.get(REQUIRED) or ()), term]
        else:
            apart[PREFERRED] = [*(apart.get(PREFERRED) or ()), {"weight": _WEIGHT, "podAffinityTerm": term}]
    return affinity


def _one_of(key: str, values: Sequence[str]) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": list(values)}


def own_toleration(accelerator: str) -> dict[str, str]:
    """Return what every model server tolerates: GPU nodes are usually tainted with the resource's own name."""
    return {"key": accelerator, "operator": "Exists", "effect": "NoSchedule"}


def render_placement(server: ModelServer, slot: str) -> dict[str, Any]:
    """Return the fields of a pod spec that say where it may run; only those that are needed."""
    placement, accelerator = server.placement, server.resources.accelerator
    spec: dict[str, Any] = {}
    selector = dict(placement.node_selector)
    if placement.node_pool is not None:
        selector[NODE_POOL] = placement.node_pool
    if selector:
        spec["nodeSelector"] = selector
    if affinity := _affinity(server, slot):
        spec["affinity"] = affinity
    tolerations = [copy.deepcopy(each) for each in placement.tolerations]
    if accelerator is not None:
        own = own_toleration(accelerator)
        tolerations = tolerations if own in tolerations else [own, *tolerations]
    if placement.dedicated:
        tolerations.append({"key": NODE_POOL, "operator": "Equal", "value": placement.node_pool})
    if tolerations:
        spec["tolerations"] = tolerations
    if placement.spread in _TOPOLOGY_KEYS:
        spec["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": _TOPOLOGY_KEYS[placement.spread],
                "whenUnsatisfiable": "DoNotSchedule" if placement.spread_is_required else "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels.slot_selector(server.name, slot)},
            }
        ]
    if placement.priority_class is not None:
        spec["priorityClassName"] = placement.priority_class
    if placement.runtime_class is not None:
        spec["runtimeClassName"] = placement.runtime_class
    return spec
