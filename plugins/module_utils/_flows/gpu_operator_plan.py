# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning the GPU Operator: values and images from a chart, and what applying them would do to a cluster.

Nothing is written here. Everything that would go wrong is told before anything is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.diff import is_covered, normalise
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator import Policy, Snapshot
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator_change import (
    Change,
    NodeLoss,
    find_floors,
    find_losses,
    plan_change,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator_images import (
    find_images,
    find_pod_images,
    redirect,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator_table import (
    compare_objects,
    render_namespace,
    render_plan,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator_values import (
    Chart,
    check_values,
    merge_values,
    parse_chart,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator_verdict import find_differences
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.helm_release import (
    Repair,
    find_age_seconds,
    plan_repair,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pruning import find_pruned, find_schema
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.gpu_operator import read_policies, read_snapshot
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi, Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.preconditions import check_permissions

__all__ = ["ChartFiles", "Charts", "Installation", "plan_operator", "plan_values"]

_POLICY, _POLICY_CRD = "ClusterPolicy", "clusterpolicies.nvidia.com"
_ENOUGH = "roles/gpu_operator/files/rbac-gpu-operator.yml holds a ClusterRole that is enough"
# What Helm writes itself, beside the kinds that the chart renders. Of the others that a chart may have, such as a
# ServiceMonitor, the permission shows when it is written.
_NEEDED = ("ClusterPolicy", "ClusterRole", "ClusterRoleBinding", "ConfigMap", "DaemonSet", "Deployment", "Job")
_NEEDED_MORE = ("Secret", "Service", "ServiceAccount")
# Helm's own storage: a Secret for each revision.
_VERBS: Mapping[str, Sequence[str]] = {"Secret": ("get", "list", "create", "update", "delete")}
_IN_NAMESPACE = ("ConfigMap", "DaemonSet", "Deployment", "Job", "Secret", "Service", "ServiceAccount")


@dataclass(frozen=True)
class ChartFiles:
    """An unpacked chart: Chart.yaml, values.yaml (parsed and as text), the sub-chart's values, and definitions."""

    chart: Mapping[str, Any]
    values: Mapping[str, Any]
    text: str
    nfd_values: Mapping[str, Any] | None
    nfd_version: str
    definitions: Sequence[Mapping[str, Any]]


class Charts(Protocol):
    """Charts on the machine where the module runs."""

    def read(self, path: str, nfd: bool) -> ChartFiles:
        """Return the files of a chart; ``InputError`` where they cannot be read."""


@dataclass(frozen=True)
class Installation:
    """What is to be installed, and how far drivers and model servers may be touched.

    ``driver_upgrade``: ``refuse`` whatever evicts pods with GPUs, ``hold`` the drivers of all nodes as they are, or go
    through them in ``waves``, for which they are held first.
    """

    chart: str
    values: Mapping[str, Any] = field(default_factory=dict)
    nfd: str = "included"
    registry: str | None = None
    driver_systems: Sequence[str] = ()
    namespace: str = "gpu-operator"
    release_name: str = "gpu-operator"
    driver_upgrade: str = "refuse"
    pending_seconds: float = 300.0


def _values(request: Installation, charts: Charts) -> tuple[ChartFiles, Chart, dict[str, Any]]:
    files = charts.read(request.chart, request.nfd == "included")
    chart = parse_chart(files.chart, files.values, files.text, files.nfd_values, files.nfd_version)
    check_values(chart, request.values)
    user = redirect(chart, request.values, request.registry) if request.registry else dict(request.values)
    return files, chart, merge_values(chart, user, request.nfd == "included")


def plan_values(request: Installation, charts: Charts) -> Outcome:
    """Return the values to render and the images that they need; no cluster is asked."""
    _files, chart, values = _values(request, charts)
    images = find_images(chart, values, request.driver_systems)
    told = {"name": chart.name, "version": chart.version, "app_version": chart.app_version}
    return Outcome(False, {"chart": told, "values": values, "images": images})


def plan_operator(
    request: Installation,
    charts: Charts,
    rendered: Sequence[Mapping[str, Any]],
    release: Mapping[str, Any] | None,
    deployed: Sequence[Mapping[str, Any]],
    api: ClusterApi,
    now: datetime,
) -> Outcome:
    """Return what applying would do; ``deployed`` are the objects of the release as Helm has them now."""
    files, chart, values = _values(request, charts)
    policy = _find_policy(rendered, files)
    check_permissions(_needed(request.namespace), api, _ENOUGH)
    definitions = [render_namespace(request.namespace), *files.definitions]
    policies, budgets, namespace, *known = api.side_by_side(
        [
            partial(read_policies, api),
            partial(api.list_objects, "PodDisruptionBudget", None, f"{labels.MANAGED_BY}={labels.FIELD_MANAGER}"),
            *(partial(api.get, each["kind"], None, each["metadata"]["name"]) for each in definitions),
        ]
    )
    found = [namespace, *known]
    live = _find_live(request, policies or ())
    snapshot = read_snapshot(api, request.namespace) or Snapshot()
    repair = _plan_repair(request, release, namespace, api, now)
    before = _find_policy_in(deployed)
    # Half of a broken upgrade may be in the cluster: what runs there is not what it goes back to first.
    old_image = "" if repair.action == "rollback" else snapshot.operator.image
    change = _plan_change(live, before, policy, old_image, _find_operator_image(rendered))
    losses = find_losses(snapshot, find_floors(budgets))
    problems = _find_refusals(request, change, losses)
    if repair.action == "refuse":
        problems.append(Problem("release_name", repair.reason))
    if problems:
        raise InputError(problems)
    objects, diff = compare_objects(deployed, rendered)
    images = sorted({*find_images(chart, values, request.driver_systems), *find_pod_images(rendered)})
    result = {
        "chart": {"name": chart.name, "version": chart.version, "app_version": chart.app_version},
        "values": values,
        "images": images,
        "policy_spec": policy,
        "definitions": [each for each, there in zip(definitions, found) if not is_covered(normalise(each), there)],
        "repair": {"action": repair.action, "reason": repair.reason, "revision": repair.revision},
        "objects": objects,
        "operands": list(change.operands),
        "drivers": change.drivers,
        "driver_reasons": list(change.reasons),
        "nodes": [{"name": each.node, "pods": list(each.pods), "broken": list(each.broken)} for each in losses],
        "hold_nodes": [each.node for each in losses] if _holds(request, change) else [],
    }
    return Outcome(
        False,
        {**result, "table": render_plan(result, f"{request.namespace}/{request.release_name}"), "cluster": api.cluster},
        diff,
    )


def _holds(request: Installation, change: Change) -> bool:
    return request.driver_upgrade in ("hold", "waves") and change.drivers == "evicts"


def _needed(namespace: str) -> list[tuple[str | None, str, str]]:
    kinds = [(namespace if kind in _IN_NAMESPACE else None, kind) for kind in (*_NEEDED, *_NEEDED_MORE)]
    cluster: list[tuple[str | None, str]] = [(None, "CustomResourceDefinition"), (None, "Namespace"), *kinds]
    return [(place, verb, kind) for place, kind in cluster for verb in _VERBS.get(kind, ("get", "create", "patch"))]


def _find_policy_in(objects: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((dict(each.get("spec") or {}) for each in objects if each.get("kind") == _POLICY), None)


def _find_policy(rendered: Sequence[Mapping[str, Any]], files: ChartFiles) -> Mapping[str, Any]:
    """Return the rendered ClusterPolicy's spec; raise InputError for fields that its own definition would drop."""
    policy = _find_policy_in(rendered)
    if policy is None:
        hint = "Installations with a GPUCluster (dynamic resource allocation) are not supported."
        raise InputError([Problem("values.clusterPolicy", "the chart renders no ClusterPolicy", hint=hint)])
    definition = next((each for each in files.definitions if each["metadata"]["name"] == _POLICY_CRD), None)
    schema = find_schema(definition, "v1") if definition is not None else None
    if schema is None:
        words = f"its crds/ hold no CustomResourceDefinition {_POLICY_CRD} with version v1"
        raise InputError([Problem("chart", words, hint="Take the chart as it was published.")])
    dropped = find_pruned(policy, (schema.get("properties") or {}).get("spec") or {}, "spec")
    if dropped:
        words = f"the CustomResourceDefinition of the chart does not know {', '.join(dropped)}; the API would drop it"
        raise InputError([Problem("values", words)])
    return policy


def _find_operator_image(rendered: Sequence[Mapping[str, Any]]) -> str:
    items = [each for each in rendered if each.get("kind") == "Deployment" and "nfd" not in str(each["metadata"])]
    images = find_pod_images(each for each in items if each["metadata"]["name"] == "gpu-operator")
    return images[0] if images else ""


def _find_live(request: Installation, policies: Sequence[Policy]) -> Policy | None:
    """Return the ClusterPolicy of our release; raise InputError where one of somebody else rules the cluster."""
    ours = f"{request.namespace}/{request.release_name}"
    foreign = [each for each in policies if each.release != ours]
    if foreign:
        raise InputError(
            [
                Problem(
                    "release_name",
                    f"ClusterPolicy {each.name} belongs to "
                    + (
                        f"the Helm release {each.release}"
                        if each.release
                        else "no Helm release (made by OLM or by hand)"
                    ),
                    ours,
                    hint="Name that release and namespace, or remove it first: a cluster has one ClusterPolicy.",
                )
                for each in foreign
            ]
        )
    return policies[0] if policies else None


def _plan_repair(
    request: Installation, release: Mapping[str, Any] | None, namespace: Any, api: ClusterApi, now: datetime
) -> Repair:
    if not release:
        return plan_repair(None, ours=False)
    history = []
    if release.get("status") != "deployed":
        # Helm keeps each revision in a Secret whose labels say how it ended.
        secrets = api.list_objects("Secret", request.namespace, f"owner=helm,name={request.release_name}")
        told = [each["metadata"].get("labels") or {} for each in secrets]
        history = [{"revision": each.get("version"), "status": each.get("status")} for each in told]
    marks = ((namespace or {}).get("metadata") or {}).get("labels") or {}
    ours = marks.get(labels.MANAGED_BY) == labels.FIELD_MANAGER
    age = find_age_seconds(release, now)
    return plan_repair({**release, "history": history}, ours, age, request.pending_seconds)


def _plan_change(
    live: Policy | None, before: Mapping[str, Any] | None, wanted: Mapping[str, Any], old_image: str, new_image: str
) -> Change:
    if live is None:
        return plan_change(None, wanted, "", "")
    if before is None:
        before = live.spec
    # What somebody has changed in the cluster is put back by Helm only where it changes too, but the plan must not
    # call it unchanged.
    drifted = {path.split(".")[1].split("[")[0] for path, _wanted, _live in find_differences(wanted, live.spec)}
    known = {key: value for key, value in before.items() if key not in drifted}
    return plan_change({**known, **{key: live.spec.get(key) for key in drifted}}, wanted, old_image, new_image)


def _find_refusals(request: Installation, change: Change, losses: Sequence[NodeLoss]) -> list[Problem]:
    if change.drivers != "evicts" or request.driver_upgrade == "hold":
        return []
    why = "; ".join(change.reasons)
    if request.driver_upgrade == "waves":
        hint = "Give it another replica, or set driver_upgrade: hold and begin the node when it suits."
        return [Problem("driver_upgrade", words, "waves", hint=hint) for each in losses for words in each.broken]
    return [
        Problem(
            "driver_upgrade",
            f"the driver of node {each.node} would begin anew ({why}), which evicts {', '.join(each.pods)}"
            + "".join(f"; {words}" for words in each.broken),
            request.driver_upgrade,
            hint="hold leaves all drivers as they are until somebody takes the label "
            "nvidia.com/gpu-driver-upgrade.skip from the node.",
        )
        for each in losses
        if each.pods
    ]
