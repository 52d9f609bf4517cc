# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What applying a chart would make, change and remove, and the plan as lines for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.diff import show

__all__ = ["compare_objects", "render_namespace", "render_plan"]


def render_namespace(name: str) -> dict[str, Any]:
    """Return the operator's namespace: its pods are privileged, and the label marks it as made by us."""
    modes = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "audit", "warn")}
    marks = {**modes, labels.MANAGED_BY: labels.FIELD_MANAGER}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": marks}}


def compare_objects(
    deployed: Sequence[Mapping[str, Any]], rendered: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, list[str]], list[dict[str, str]]]:
    """Return which objects Helm would make, change and remove, and their texts before and after."""

    def index(items: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        # Hooks come and go with each run of Helm and are no part of a release.
        plain = [each for each in items if "helm.sh/hook" not in (each["metadata"].get("annotations") or {})]
        return {f"{each['kind']} {each['metadata']['name']}": each for each in plain}

    old, new = index(deployed), index(rendered)
    changed = sorted(name for name in old.keys() & new.keys() if show(old[name]) != show(new[name]))
    made, removed = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
    diff = [
        {
            "before_header": name,
            "after_header": name,
            "before": show(old.get(name)),
            "after": show(new.get(name)),
        }
        for name in (*made, *changed, *removed)
    ]
    return {"made": made, "changed": changed, "removed": removed}, diff


def render_plan(result: Mapping[str, Any], place: str) -> list[str]:
    """Return the plan as lines for people; ``place`` is namespace and name of the release."""
    objects, chart = result["objects"], result["chart"]
    lines = [f"chart {chart['name']} {chart['version']}, release {place}"]
    if result["repair"]["reason"]:
        lines.append(f"{result['repair']['action']}: {result['repair']['reason']}")
    lines += [f"{word}: {', '.join(objects[word])}" for word in ("made", "changed", "removed") if objects[word]]
    if not any(objects.values()):
        lines.append("no object of the release changes")
    if result["operands"]:
        lines.append(f"operands that begin anew: {', '.join(result['operands'])}")
    words = {"none": "stay as they are", "in_place": "begin anew in place", "evicts": "begin anew, node by node"}
    held = ", held on every node" if result["hold_nodes"] else ""
    why = f" ({'; '.join(result['driver_reasons'])})" if result["driver_reasons"] else ""
    lines.append(f"drivers {words[result['drivers']]}{held}{why}")
    for node in result["nodes"] if result["drivers"] == "evicts" else ():
        lines.append(f"node {node['name']}: {', '.join(node['pods']) or 'no pod with GPUs'}")
        lines += [f"  {words}" for words in node["broken"]]
    return lines
