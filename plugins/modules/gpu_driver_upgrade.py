#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_driver_upgrade
short_description: Give nodes their new NVIDIA drivers one after the other, while every model server keeps its floor
version_added: "0.1.0"
description:
  - Takes the label C(nvidia.com/gpu-driver-upgrade.skip) from one node after the other, and waits each time until the
    GPU Operator has begun its driver anew and all its GPUs can be allocated again.
  - A node may leave only while every model server with pods on it keeps the ready replicas that its
    PodDisruptionBudget asks for, and one at least; until then it is waited for.
  - The operator evicts all pods that hold GPUs of the node, those of nobody's model server as well.
  - Whatever goes wrong ends it with the node, the pods that hold its GPUs, and the driver's own words. Nodes that are
    still held stay as they are, and the next run goes on from there.
options:
  namespace:
    description: The operator's namespace.
    type: str
    default: gpu-operator
  nodes:
    description: Only these nodes; all that are held when empty.
    type: list
    elements: str
    default: []
  timeout_seconds:
    description:
      - Seconds that each node may take to be allowed to leave, and again to come back, to which O(deadline_seconds)
        comes.
    type: float
    default: 1800.0
  allow_interruption:
    description: Whether model servers may fall below their floor.
    type: bool
    default: false
extends_documentation_fragment:
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
attributes:
  check_mode:
    support: full
    details: Returns the nodes in their order.
  diff_mode:
    support: N/A
    details: One label goes from each node.
  idempotent:
    support: full
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.gpu_operator_plan
  - module: llmops.kubernetes.gpu_operator_gate
"""

EXAMPLES = r"""
- name: Upgrade the drivers of all nodes that are held
  llmops.kubernetes.gpu_driver_upgrade:
    namespace: gpu-operator
  register: drivers

- name: Show the nodes
  ansible.builtin.debug:
    var: drivers.nodes
"""

RETURN = r"""
nodes:
  description:
    - The nodes that were held, in the order of the waves, with the pods that held their GPUs before, and C(result),
      which is V(upgraded), V(released) (its driver was the newest already), V(held), V(failed), or in check mode
      V(would be begun).
  returned: always
  type: list
  elements: dict
  sample: [{name: gpu-1, result: upgraded, pods: [llm/chat-blue-5d9c]}]
refused_pods:
  description: Pods that the kubelet has refused with C(UnexpectedAdmissionError), as C(namespace/name).
  returned: always
  type: list
  elements: str
  sample: []
cluster:
  description: Address of the API server.
  returned: always
  type: str
  sample: https://192.0.2.1:6443
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.gpu_driver_upgrade import (
    WavesRequest,
    upgrade_drivers,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster

OPTIONS = Options(
    {
        "namespace": {"type": "str", "default": "gpu-operator"},
        "nodes": {"type": "list", "elements": "str", "default": []},
        "timeout_seconds": {"type": "float", "default": 1800.0},
        "allow_interruption": {"type": "bool", "default": False},
    },
    above_zero=("timeout_seconds",),
).merge(cluster())


def flow(params: Mapping[str, Any], check_mode: bool) -> Outcome:
    """Return what was done."""
    request = WavesRequest(
        params["namespace"], params["nodes"], params["timeout_seconds"], params["allow_interruption"], check_mode
    )
    # The deadline is for one connection, which serves a node through both of its waits.
    seconds = params["deadline_seconds"] + 2 * request.timeout_seconds
    return upgrade_drivers(request, partial(open_cluster, {**params, "deadline_seconds": seconds}), SystemClock())


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
