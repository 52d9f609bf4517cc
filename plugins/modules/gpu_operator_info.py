#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_operator_info
short_description: Tell what the NVIDIA GPU Operator of a cluster does
version_added: "0.1.0"
description:
  - Returns the ClusterPolicies, the operator's Deployment, how far each DaemonSet is, and for each node with GPUs what
    it has to allocate, its driver, the state of a driver upgrade, its MIG profile, and the pods that hold its GPUs.
options:
  namespace:
    description: The operator's namespace.
    type: str
    default: gpu-operator
extends_documentation_fragment:
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
  - llmops.kubernetes.attributes.read_only
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.gpu_operator_gate
  - module: llmops.kubernetes.gpu_capacity_info
"""

EXAMPLES = r"""
- name: Look at the operator
  llmops.kubernetes.gpu_operator_info:
    namespace: gpu-operator
  register: operator

- name: Show nodes whose driver upgrade has failed
  ansible.builtin.debug:
    msg: "{{ operator.nodes | selectattr('driver_upgrade_state', 'equalto', 'upgrade-failed') }}"
"""

RETURN = r"""
installed:
  description: Whether the operator's Deployment and the kind ClusterPolicy are there.
  returned: success
  type: bool
  sample: true
policies:
  description: The ClusterPolicies, sorted by name.
  returned: success
  type: list
  elements: dict
  sample:
    - name: cluster-policy
      state: ready
      reason: Reconciled
      message: ""
      release: gpu-operator/gpu-operator
operator:
  description: The operator's own Deployment.
  returned: success
  type: dict
  sample: {replicas: 1, ready_replicas: 1, image: "nvcr.example/nvidia/gpu-operator:v26.7.0"}
daemon_sets:
  description: The operator's and Node Feature Discovery's DaemonSets, with their nodes by how far they are.
  returned: success
  type: list
  elements: dict
  sample:
    - namespace: gpu-operator
      name: nvidia-driver-daemonset
      desired: 3
      updated: 2
      available: 3
      generation: 4
      on_delete: true
      ready: true
nodes:
  description: The nodes with NVIDIA GPUs, sorted by name; C(pods) are those that hold GPUs, as C(namespace/name).
  returned: success
  type: list
  elements: dict
  sample:
    - name: gpu-1
      present: true
      ready: true
      cordoned: false
      operands: true
      product: NVIDIA-H100-80GB-HBM3
      driver_version: 580.105.08
      driver_upgrade_state: upgrade-done
      driver_upgrade_held: false
      mig_profile: all-disabled
      mig_state: success
      allocatable: {nvidia.com/gpu: 8}
      capacity: {nvidia.com/gpu: 8}
      pods: [llm/chat-blue-5d9c]
troubles:
  description: Pods of the operator's namespace that cannot become ready, with their own words.
  returned: success
  type: list
  elements: dict
  sample: []
refused_pods:
  description: Pods that the kubelet has refused with C(UnexpectedAdmissionError), as C(namespace/name).
  returned: success
  type: list
  elements: str
  sample: []
table:
  description: The same as lines of text, for people.
  returned: success
  type: list
  elements: str
cluster:
  description: Address of the API server.
  returned: success
  type: str
  sample: https://192.0.2.1:6443
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.gpu_operator import inspect_operator
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster

OPTIONS = Options({"namespace": {"type": "str", "default": "gpu-operator"}}).merge(cluster())


def flow(params: Mapping[str, Any], _check_mode: bool) -> Outcome:
    """Return what the module finds; check mode makes no difference."""
    return inspect_operator(params["namespace"], open_cluster(params))


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
