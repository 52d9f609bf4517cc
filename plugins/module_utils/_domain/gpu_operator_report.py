# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen of the GPU Operator, as plain data and as lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator import Snapshot
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator_verdict import find_blockers
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.table import align

__all__ = ["describe_snapshot", "render_snapshot"]


def describe_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    """Return policies, operator, DaemonSets, nodes and pods as plain data, sorted by name."""
    operator = snapshot.operator
    return {
        "policies": [
            {
                "name": each.name,
                "state": each.state,
                "reason": each.reason,
                "message": each.words,
                "release": each.release,
            }
            for each in sorted(snapshot.policies, key=lambda each: each.name)
        ],
        "operator": {"replicas": operator.wanted, "ready_replicas": operator.ready, "image": operator.image},
        "daemon_sets": [
            {
                "namespace": each.namespace,
                "name": each.name,
                "desired": each.desired,
                "updated": each.updated,
                "available": each.available,
                "generation": each.generation,
                "on_delete": each.on_delete,
                "ready": each.ready,
            }
            for each in sorted(snapshot.operands, key=lambda each: (each.namespace, each.name))
        ],
        "nodes": [
            {
                "name": each.name,
                "present": each.present,
                "ready": each.ready,
                "cordoned": each.cordoned,
                "operands": each.operands,
                "product": each.product,
                "driver_version": each.driver_version,
                "driver_upgrade_state": each.upgrade,
                "driver_upgrade_held": each.held,
                "mig_profile": each.mig,
                "mig_state": each.mig_state,
                "allocatable": dict(sorted(each.allocatable.items())),
                "capacity": dict(sorted(each.capacity.items())),
                "pods": find_blockers(each.name, snapshot.gpu_pods),
            }
            for each in sorted(snapshot.nodes, key=lambda each: each.name)
        ],
        "troubles": [
            {
                "namespace": each.namespace,
                "pod": each.name,
                "node": each.node,
                "owner": each.owner,
                "words": each.trouble,
            }
            for each in snapshot.pods
            if each.trouble is not None
        ],
        "refused_pods": [f"{each.namespace}/{each.name}" for each in snapshot.gpu_pods if each.refused],
    }


def render_snapshot(data: Mapping[str, Any]) -> list[str]:
    """Return the data of ``describe_snapshot`` as lines of text."""
    lines = [
        f"ClusterPolicy {each['name']}: {each['state'] or 'no state'}"
        + (f" ({each['reason']}: {each['message']})" if each["reason"] else "")
        for each in data["policies"]
    ] or ["no ClusterPolicy"]
    operator = data["operator"]
    if operator["image"]:
        lines.append(f"operator {operator['image']}: {operator['ready_replicas']}/{operator['replicas']} ready")
    rows = [("DAEMONSET", "NODES", "UPDATED", "AVAILABLE")]
    rows += [
        (f"{each['namespace']}/{each['name']}", str(each["desired"]), str(each["updated"]), str(each["available"]))
        for each in data["daemon_sets"]
    ]
    lines += align(rows)
    rows_of_nodes = [("NODE", "GPUS", "PRODUCT", "DRIVER", "UPGRADE", "PODS")]
    rows_of_nodes += [
        (
            each["name"],
            f"{sum(each['allocatable'].values())}/{sum(each['capacity'].values())}",
            each["product"] or "-",
            each["driver_version"] or "-",
            (each["driver_upgrade_state"] or "-") + (" (held)" if each["driver_upgrade_held"] else ""),
            str(len(each["pods"])),
        )
        for each in data["nodes"]
    ]
    lines += align(rows_of_nodes)
    lines += [f"{each['owner']} on {each['node']}: {each['words']}" for each in data["troubles"]]
    return lines
