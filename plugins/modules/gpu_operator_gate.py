#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_operator_gate
short_description: Wait until the NVIDIA GPU Operator's GPUs are really usable, or say why they never will be
version_added: "0.1.0"
description:
  - Passes when, for O(stable_seconds) without a break, the ClusterPolicy is ready, the operator and every DaemonSet are
    ready in their newest form, no driver upgrade and no change of MIG profiles is under way, and each node with GPUs
    has them all to allocate. A ClusterPolicy alone says ready in a cluster without a GPU, and flutters in upgrades.
  - Fails as soon as waiting is useless, with the DaemonSet, the node and the pod's own words - images that cannot be
    pulled, containers that crash again and again, driver upgrades that have failed (with the pods that hold the GPUs),
    MIG profiles that could not be set, another ClusterPolicy that rules, fields that the cluster has dropped.
  - Nodes whose driver upgrade is held by the label C(nvidia.com/gpu-driver-upgrade.skip) are told as warnings.
options:
  namespace:
    description: The operator's namespace.
    type: str
    default: gpu-operator
  policy:
    description: Name of the ClusterPolicy; by default the one that is in force.
    type: str
  nodes_min:
    description: Nodes that must have GPUs to allocate; V(0) where an autoscaler makes them.
    type: int
    default: 1
  expected_gpus:
    description:
      - GPUs that each named node must have to allocate, all resources of NVIDIA together; V(0) for none.
      - Of nodes that are not named, all that they have must be allocatable, and one at least.
    type: dict
    default: {}
  expected_spec:
    description:
      - Fields that the ClusterPolicy must have. What is missing was dropped by the cluster, because its
        CustomResourceDefinition is older than the values, and fails the gate at once, by name.
    type: dict
    default: {}
  stable_seconds:
    description: Seconds for which everything must hold without a break.
    type: float
    default: 30.0
  timeout_seconds:
    description:
      - Seconds to wait at most, to which O(deadline_seconds) comes. Building a driver takes up to twenty minutes on
        each node.
    type: float
    default: 1800.0
extends_documentation_fragment:
  - llmops.kubernetes.gate
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
  - llmops.kubernetes.attributes.read_only
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.gpu_operator_info
"""

EXAMPLES = r"""
- name: Wait until the GPUs of three nodes are usable
  llmops.kubernetes.gpu_operator_gate:
    namespace: gpu-operator
    nodes_min: 3
    expected_gpus: {gpu-1: 8}
  register: gate

- name: Say how long it took
  ansible.builtin.debug:
    msg: "{{ gate.verdict }} after {{ gate.samples }} looks, {{ gate.observed.summary }}"
"""

RETURN = r"""
verdict:
  description: V(pass) or V(fail).
  returned: always
  type: str
  sample: pass
reasons:
  description: Why it is not V(pass); each names the object, what was observed and what was expected.
  returned: always
  type: list
  elements: str
  sample: []
observed:
  description: What was seen last.
  returned: always
  type: dict
  contains:
    summary:
      description: All in a line.
      returned: always
      type: str
      sample: 8/8 DaemonSets ready, 3/3 nodes with 24 GPUs
    breaks:
      description: How often it was ready and then was not.
      returned: always
      type: int
      sample: 0
    policies:
      description: The ClusterPolicies, sorted by name.
      returned: always
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
      returned: always
      type: dict
      sample: {replicas: 1, ready_replicas: 1, image: "nvcr.example/nvidia/gpu-operator:v26.7.0"}
    daemon_sets:
      description: The operator's and Node Feature Discovery's DaemonSets, with their nodes by how far they are.
      returned: always
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
      returned: always
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
      returned: always
      type: list
      elements: dict
      sample: []
    refused_pods:
      description: Pods that the kubelet has refused with C(UnexpectedAdmissionError), as C(namespace/name).
      returned: always
      type: list
      elements: str
      sample: []
limits:
  description: The limits that were in force.
  returned: always
  type: dict
  sample: {timeout_seconds: 1800.0, stable_seconds: 30.0, nodes_min: 1}
samples:
  description: How often it was looked.
  returned: always
  type: int
  sample: 42
started_at:
  description: When the wait began.
  returned: always
  type: str
  sample: "2026-01-31T12:00:00+00:00"
finished_at:
  description: When it ended.
  returned: always
  type: str
  sample: "2026-01-31T12:01:30+00:00"
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.gpu_operator import (
    OperatorRequest,
    judge_operator,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster, gate

OPTIONS = Options(
    {
        "namespace": {"type": "str", "default": "gpu-operator"},
        "policy": {"type": "str"},
        "nodes_min": {"type": "int", "default": 1},
        "expected_gpus": {"type": "dict", "default": {}},
        "expected_spec": {"type": "dict", "default": {}},
        "stable_seconds": {"type": "float", "default": 30.0},
        "timeout_seconds": {"type": "float", "default": 1800.0},
    },
    above_zero=("timeout_seconds",),
    zero_or_more=("nodes_min", "stable_seconds"),
).merge(gate(), cluster())


def flow(params: Mapping[str, Any], _check_mode: bool) -> Outcome:
    """Return the verdict; check mode makes no difference."""
    request = OperatorRequest(**{name: params[name] for name in OperatorRequest.__dataclass_fields__})
    # The deadline is for one connection, which the whole wait uses.
    seconds = params["deadline_seconds"] + request.timeout_seconds
    return judge_operator(request, open_cluster({**params, "deadline_seconds": seconds}), SystemClock())


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
