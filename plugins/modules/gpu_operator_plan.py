#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_operator_plan
short_description: Tell what installing or upgrading the NVIDIA GPU Operator would do, and refuse what must not happen
version_added: "0.1.0"
description:
  - Without O(rendered) it returns the values to render the chart with - the user's over ours - and the images that they
    need. Each key is checked against the chart's own values; Helm ignores what no template reads, in silence.
  - With O(rendered) it compares with the cluster, and returns which objects change, which operands and drivers begin
    anew, and which pods the operator would evict for that. It fails, before anything is written, where a pod with GPUs
    would be evicted without being told to, where a field would be dropped, where a permission is missing, where another
    release rules, or where Helm is at work.
  - Ours are the values C(driver.upgradePolicy.gpuPodDeletion.deleteEmptyDir=true), without which the driver upgrade of
    every node with a model server fails, C(operator.upgradeCRD=false), because definitions are applied before the
    chart, and C(operator.cleanupCRD=false). Where a chart has none of these, they are left out.
options:
  chart:
    description: Folder of the unpacked chart, on the machine where the module runs.
    type: path
    required: true
  values:
    description: Values of the chart, as data.
    type: dict
    default: {}
  nfd:
    description: Whether Node Feature Discovery comes with the chart (V(included)) or is there already (V(existing)).
    type: str
    choices: [included, existing]
    default: included
  registry:
    description:
      - Registry, with a path if need be, that all images are taken from, such as V(mirror.example.com/nvidia-mirror).
      - The path of each image stays. A C(repository) in O(values) stays as it is.
    type: str
  driver_systems:
    description:
      - Operating systems of the nodes as they end the tags of driver images, such as V(ubuntu22.04), for RV(images).
    type: list
    elements: str
    default: []
  namespace:
    description: The operator's namespace.
    type: str
    default: gpu-operator
  release_name:
    description: Name of the Helm release.
    type: str
    default: gpu-operator
  rendered:
    description: What C(helm template) makes of the chart with RV(values).
    type: str
  release:
    description: What M(kubernetes.core.helm_info) returns as C(status), with C(release_state=[all]); empty without one.
    type: dict
    default: {}
  driver_upgrade:
    description:
      - V(refuse) fails where the driver of a node with pods that hold GPUs would begin anew, as they are evicted then.
      - V(hold) has no driver begin anew; RV(hold_nodes) are to be labelled before the chart is applied.
      - V(waves) does the same, for M(llmops.kubernetes.gpu_driver_upgrade) to follow, and fails where a model server
        would fall below its floor.
    type: str
    choices: [refuse, hold, waves]
    default: refuse
  pending_seconds:
    description: Seconds after which a Helm that has not ended is held for killed, and its release repaired.
    type: float
    default: 300.0
extends_documentation_fragment:
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
  - llmops.kubernetes.attributes.read_only
attributes:
  diff_mode:
    support: full
    details: Shows each object of the release before and after.
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.gpu_driver_upgrade
  - module: llmops.kubernetes.gpu_operator_gate
  - module: kubernetes.core.helm
"""

EXAMPLES = r"""
- name: Find the values and the images
  llmops.kubernetes.gpu_operator_plan:
    chart: /srv/charts/gpu-operator
    values: {driver: {version: 580.105.08}}
    registry: mirror.example.com
  register: prepared

- name: Show the images
  ansible.builtin.debug:
    var: prepared.images
"""

RETURN = r"""
chart:
  description: Name, version and version of the application.
  returned: success
  type: dict
  sample: {name: gpu-operator, version: v26.7.0, app_version: v26.7.0}
values:
  description: The values to install with.
  returned: success
  type: dict
  sample: {operator: {upgradeCRD: false}}
images:
  description: The images that are needed, sorted.
  returned: success
  type: list
  elements: str
  sample: ["nvcr.example/nvidia/gpu-operator:v26.7.0"]
policy_spec:
  description: The spec of the ClusterPolicy as it is to be.
  returned: with O(rendered)
  type: dict
definitions:
  description: The namespace and the CustomResourceDefinitions that differ, to be applied before the chart.
  returned: with O(rendered)
  type: list
  elements: dict
repair:
  description: What to do with a release that a killed Helm has left; C(action) is none, rollback or uninstall.
  returned: with O(rendered)
  type: dict
  sample: {action: rollback, reason: release gpu-operator is in pending-upgrade, revision: 3}
objects:
  description: Kinds and names of what Helm would make, change and remove.
  returned: with O(rendered)
  type: dict
  sample: {made: [], changed: [ClusterPolicy cluster-policy], removed: []}
operands:
  description: DaemonSets that begin anew.
  returned: with O(rendered)
  type: list
  elements: str
  sample: [nvidia-dcgm-exporter]
drivers:
  description: V(none), V(in_place) (no pod is evicted), or V(evicts).
  returned: with O(rendered)
  type: str
  sample: none
driver_reasons:
  description: Why drivers begin anew.
  returned: with O(rendered)
  type: list
  elements: str
  sample: [spec.driver changes]
nodes:
  description: The nodes with the operator's driver, the pods that hold GPUs, and who would lose too many replicas.
  returned: with O(rendered)
  type: list
  elements: dict
  sample: [{name: gpu-1, pods: [llm/chat-blue-5d9c], broken: []}]
hold_nodes:
  description: Nodes to label C(nvidia.com/gpu-driver-upgrade.skip=true) before the chart is applied.
  returned: with O(rendered)
  type: list
  elements: str
  sample: []
table:
  description: The plan as lines of text, for people.
  returned: with O(rendered)
  type: list
  elements: str
cluster:
  description: Address of the API server.
  returned: with O(rendered)
  type: str
  sample: https://192.0.2.1:6443
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.chart_folder import ChartFolder, parse_manifests
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.gpu_operator_plan import (
    Installation,
    plan_operator,
    plan_values,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster

OPTIONS = Options(
    {
        "chart": {"type": "path", "required": True},
        "values": {"type": "dict", "default": {}},
        "nfd": {"type": "str", "choices": ["included", "existing"], "default": "included"},
        "registry": {"type": "str"},
        "driver_systems": {"type": "list", "elements": "str", "default": []},
        "namespace": {"type": "str", "default": "gpu-operator"},
        "release_name": {"type": "str", "default": "gpu-operator"},
        "rendered": {"type": "str"},
        "release": {"type": "dict", "default": {}},
        "driver_upgrade": {"type": "str", "choices": ["refuse", "hold", "waves"], "default": "refuse"},
        "pending_seconds": {"type": "float", "default": 300.0},
    },
    zero_or_more=("pending_seconds",),
).merge(cluster())


def flow(params: Mapping[str, Any], _check_mode: bool) -> Outcome:
    """Return the values, or the plan; check mode makes no difference."""
    request, charts = Installation(**{name: params[name] for name in Installation.__dataclass_fields__}), ChartFolder()
    if params["rendered"] is None:
        return plan_values(request, charts)
    rendered = parse_manifests(params["rendered"], "rendered")
    release = params["release"]
    deployed = parse_manifests(release.get("manifest") or "", "release.manifest")
    return plan_operator(request, charts, rendered, release, deployed, open_cluster(params), SystemClock().now())


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
