#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_node
short_description: Label and taint the nodes of GPU pools
version_added: "0.1.0"
description:
  - Gives the nodes of each pool the labels, annotations and taints that the pool names, and the label
    C(llmops.dev/node-pool) with the pool's name, by which C(placement.node_pool) of a model server selects.
  - One list of all nodes, then one patch for each node that differs, side by side. What others have set is never
    touched; what this module has set and is no longer wanted is removed. It remembers that in the annotation
    C(llmops.dev/node-pool-applied) of the node.
  - A taint goes on only where the DaemonSets of the GPU stack tolerate it. Afterwards the module looks whether the
    accelerators of the nodes can still be allocated, and fails with the names of the nodes where not.
  - A node that fails does not stop the others, and the next run finishes the work.
options:
  pools:
    description:
      - The pools, as in the inventory. All of them are checked before anything is written; a node must not be in two.
      - A pool that is not in the list keeps its nodes as they are, see O(prune).
      - C(name) becomes the value of the pool's label.
      - C(selector) says which nodes, those that meet all criteria that are given - C(names), C(label_selector) (as
        C(kubectl -l) takes it), C(gpu_products) (as GPU Feature Discovery, GKE, EKS Auto Mode, Karpenter or AMD say
        them), C(instance_types).
      - C(labels), C(annotations) and C(taints) (each with C(key), C(effect) and, if need be, C(value)) are what the
        nodes are to have. Those of Kubernetes (kubernetes.io, k8s.io) are refused.
      - C(accelerator) is the resource of which they must keep something allocatable (C(nvidia.com/gpu)), or C(none).
      - C(allow_empty) with V(true) allows the pool to have no nodes now, as where an autoscaler makes them.
      - C(state) with V(absent) removes from all nodes what the pool has set; the other keys do not matter then.
    type: list
    elements: dict
    required: true
  derive_labels:
    description:
      - Whether nodes with GPUs get the labels C(gpu-type) (such as V(A100)) and C(node-type) (V(gpu-node)), which many
        manifests select by and nobody sets, where nobody else has set them.
      - They are derived from GPU Feature Discovery's label, from that of GKE, EKS Auto Mode, Karpenter or AMD, or from
        the instance type on EKS and AKS. A node of which no label tells its GPU is an error.
    type: bool
    default: false
  allow_eviction:
    description:
      - Whether taints with V(NoExecute) may evict pods. Without it, a run that would add such a taint fails and lists
        the pods that would go.
    type: bool
    default: false
  force_conflicts:
    description: Whether labels, annotations and taints that others have set to other values are taken over.
    type: bool
    default: false
  prune:
    description: Whether what pools have set that are not in the list any more is removed.
    type: bool
    default: false
  verify_seconds:
    description:
      - Seconds, zero or more, for which the accelerators are watched after a new taint with V(NoExecute).
      - After other taints, which move no pod, one look is enough.
    type: float
    default: 5.0
  parallel_requests:
    description: Number of nodes, above zero, that are patched at a time.
    type: int
    default: 16
extends_documentation_fragment:
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
attributes:
  check_mode:
    support: full
    details: All checks are made, and the server tries every patch without keeping it.
  diff_mode:
    support: full
  idempotent:
    support: full
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.model_server
  - module: kubernetes.core.k8s_taint
"""

EXAMPLES = r"""
- name: Reserve the A100 nodes for inference
  llmops.kubernetes.gpu_node:
    pools:
      - name: inference
        selector:
          gpu_products: [NVIDIA-A100-SXM4-80GB]
          label_selector: "!spot"
        labels: {team: search}
        taints:
          - {key: nvidia.com/gpu, value: present, effect: NoSchedule}
    derive_labels: true
  register: pools

- name: Show how many nodes changed
  ansible.builtin.debug:
    msg: "{{ pools.table }}"

- name: Take everything back that a pool has set
  llmops.kubernetes.gpu_node:
    pools:
      - name: inference
        state: absent
"""

RETURN = r"""
nodes:
  description: One item for each node of a pool, and for each that has left one, sorted by name.
  returned: when the nodes could be listed and nothing was refused
  type: list
  elements: dict
  contains:
    name:
      description: Name of the node.
      type: str
      returned: always
      sample: gpu-1
    pool:
      description: Its pool, or the one that it has left.
      type: str
      returned: always
      sample: inference
    action:
      description: >-
        V(changed), V(unchanged), V(failed), V(vanished) (it was deleted meanwhile), or V(not_tried) (the API server was
        out of reach before its turn).
      type: str
      returned: always
      sample: changed
    labels:
      description: Labels that change; null for those that are removed.
      type: dict
      returned: when labels change
      sample: {llmops.dev/node-pool: inference}
    annotations:
      description: Annotations that change; null for those that are removed.
      type: dict
      returned: when annotations change
    taints_added:
      description: New taints.
      type: list
      elements: str
      returned: when there are some
      sample: ["nvidia.com/gpu=present:NoSchedule"]
    taints_removed:
      description: Taints that are removed.
      type: list
      elements: str
      returned: when there are some
    error:
      description: Why it failed.
      type: str
      returned: when it failed
table:
  description: A line per pool with the number of its nodes by what happened to them, for people.
  returned: when RV(nodes) is
  type: list
  elements: str
evicted_pods:
  description: Pods that new taints with C(NoExecute) evict, after the seconds that they tolerate.
  returned: when RV(nodes) is
  type: list
  elements: dict
  contains:
    namespace:
      description: Namespace of the pod.
      type: str
      returned: always
      sample: batch
    name:
      description: Name of the pod.
      type: str
      returned: always
      sample: train-0
    node:
      description: Its node.
      type: str
      returned: always
      sample: gpu-1
    after_seconds:
      description: Seconds that it may stay.
      type: float
      returned: always
      sample: 0.0
verified:
  description: What was seen of accelerators after new taints.
  returned: when RV(nodes) is
  type: dict
  contains:
    nodes:
      description: Number of nodes with new taints that had something to allocate before.
      type: int
      returned: always
      sample: 12
    seconds:
      description: Seconds after which they were seen last.
      type: float
      returned: always
      sample: 5.0
    lost:
      description: Names of those that have nothing to allocate any more.
      type: list
      elements: str
      returned: always
      sample: []
cluster:
  description: Address of the API server.
  returned: when RV(nodes) is
  type: str
  sample: https://192.0.2.1:6443
api_calls:
  description: Requests that were sent, repeated ones and pages of lists among them.
  returned: when RV(nodes) is
  type: int
  sample: 17
retried_on:
  description: Why requests were sent again.
  returned: when RV(nodes) is
  type: list
  elements: str
  sample: [HTTP 429]
details:
  description: The error as data.
  returned: failure
  type: dict
  contains:
    problems:
      description: Each problem of the input with its C(path), C(message), C(value), C(allowed) and C(hint).
      type: list
      elements: dict
      returned: when the input is wrong
    nodes:
      description: Names of the nodes in conflict, or of those that were not changed.
      type: list
      elements: str
      returned: when others have set fields, or nodes failed
    daemonsets:
      description: DaemonSets of the GPU stack that do not tolerate a new taint, as namespace/name.
      type: list
      elements: str
      returned: when there are some
    pods:
      description: Pods that would be evicted, as namespace/name.
      type: list
      elements: str
      returned: when consent is missing
    missing:
      description: Permissions that are missing.
      type: list
      elements: str
      returned: when there are some
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_pool import parse_node_pools
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.gpu_node import Request, apply_pools
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster

# The keys of a pool are checked by its parser, all problems of all pools at once and with the nearest valid name.
OPTIONS = Options(
    {
        "pools": {"type": "list", "elements": "dict", "required": True},
        "derive_labels": {"type": "bool", "default": False},
        "allow_eviction": {"type": "bool", "default": False},
        "force_conflicts": {"type": "bool", "default": False},
        "prune": {"type": "bool", "default": False},
        "verify_seconds": {"type": "float", "default": 5.0},
        "parallel_requests": {"type": "int", "default": 16},
    },
    above_zero=("parallel_requests",),
    zero_or_more=("verify_seconds",),
).merge(cluster())


def flow(params: Mapping[str, Any], check_mode: bool) -> Outcome:
    """Return what the module does with its parameters."""
    request = Request(
        pools=parse_node_pools(params["pools"]),
        check_mode=check_mode,
        force_conflicts=params["force_conflicts"],
        allow_eviction=params["allow_eviction"],
        derive_labels=params["derive_labels"],
        prune=params["prune"],
        verify_seconds=params["verify_seconds"],
    )
    api = open_cluster(params, params["parallel_requests"])
    outcome = apply_pools(request, api, SystemClock())
    sent = {"api_calls": api.attempts, "retried_on": api.retried_on}
    return replace(outcome, result={**outcome.result, **sent})


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
