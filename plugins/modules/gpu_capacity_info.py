#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_capacity_info
short_description: Tell which accelerators a cluster has, who holds them, and what a model server could get
version_added: "0.1.0"
description:
  - Counts GPUs, MIG slices, replicas of shared GPUs and other vendors' accelerators by node and by product, as the
    scheduler does. Pods that have ended, such as those with C(UnexpectedAdmissionError), hold nothing; pods that are
    being deleted hold theirs until they have ended.
  - What is on nodes that a model server cannot use (not ready, cordoned, a taint that is not tolerated, another label)
    is told apart as C(blocked), with the reason. A taint whose key is the resource's own name, such as
    C(nvidia.com/gpu:NoSchedule), is no obstacle, because M(llmops.kubernetes.model_server) tolerates it.
  - Devices of dynamic resource allocation (ResourceSlices) are told beside that, in RV(devices). The same GPU may be
    offered in both ways; it is never added up, and RV(notes) say so. Nothing is added up over resources either.
  - What labels do not tell is C(unknown) or null, never guessed; what may not be read is null, and RV(unavailable) says
    why.
  - Needs the permission to list nodes and pods of all namespaces. The ClusterRole in
    C(roles/model_server/files/rbac-planner.yml) is enough.
  - Whether CPU, memory, volumes and spread leave room for the pods of a release is the question of
    M(llmops.kubernetes.rollout_plan).
options:
  namespaces:
    description: Namespaces whose quotas of accelerators are told.
    type: list
    elements: str
    default: []
  resources:
    description:
      - Extended resources to count beyond those that are known, such as C(example.com/gpu); V(*) stands for anything.
      - RV(uncounted_resources) names what a cluster has and is not taken for an accelerator.
    type: list
    elements: str
    default: []
  device_drivers:
    description:
      - Drivers of dynamic resource allocation whose devices are accelerators, beyond those that are known (C(gpu.*),
        C(gaudi.*), C(tpu.*), C(npu.*), C(neuron.*)).
    type: list
    elements: str
    default: []
  node_selector:
    description: Labels that a node must have to count as usable, as in C(placement.node_selector) of a model server.
    type: dict
    default: {}
  tolerations:
    description: Taints that do not keep the model server away, as in C(placement.tolerations).
    type: list
    elements: dict
    default: []
extends_documentation_fragment:
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
  - llmops.kubernetes.attributes.read_only
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.rollout_plan
  - module: llmops.kubernetes.model_server
"""

EXAMPLES = r"""
- name: Look for room for a model server with tensor parallelism over 4 GPUs
  llmops.kubernetes.gpu_capacity_info:
    namespaces: [llm]
    node_selector: {nvidia.com/gpu.product: NVIDIA-A100-SXM4-80GB}
    tolerations:
      - {key: dedicated, operator: Equal, value: inference, effect: NoSchedule}
  register: capacity

- name: Stop before a deployment that would hang
  ansible.builtin.assert:
    that:
      - capacity.largest_free_block['nvidia.com/gpu'].free | default(0) >= 4
      - capacity.quotas | selectattr('effective_free', '<', 4) | list == []
    fail_msg: "{{ capacity.table | join('\n') }}"

- name: Show everything to people
  ansible.builtin.debug:
    msg: "{{ capacity.table }}"
"""

RETURN = r"""
nodes:
  description: Nodes that have accelerators, or say that they have, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the node.
      type: str
      returned: always
      sample: gpu-1
    ready:
      description: Whether the node is ready.
      type: bool
      returned: always
      sample: true
    cordoned:
      description: Whether nothing new is scheduled to it.
      type: bool
      returned: always
      sample: false
    taints:
      description: Its taints, as key, value and effect.
      type: list
      elements: str
      returned: always
      sample: ["dedicated=inference:NoSchedule"]
    free_cpu_millicores:
      description: CPU that no pod asks for, in thousandths of a core; null where only devices of the node are known.
      type: int
      returned: always
      sample: 31500
    free_memory_mib:
      description: Memory that no pod asks for, in MiB.
      type: int
      returned: always
      sample: 380000
    free_pods:
      description: How many more pods the node takes.
      type: int
      returned: always
      sample: 92
    resources:
      description: The accelerators that device plugins offer there.
      type: list
      elements: dict
      returned: always
      contains:
        resource:
          description: Name of the extended resource.
          type: str
          returned: always
          sample: nvidia.com/gpu
        product:
          description: Value of the label that names the product, or C(unknown).
          type: str
          returned: always
          sample: NVIDIA-A100-SXM4-80GB
        product_reason:
          description: Why the product is unknown, else null.
          type: str
          returned: always
          sample: null
        memory_mib:
          description: Memory of one device (GPU or slice) in MiB, which all replicas of it share; null when unknown.
          type: int
          returned: always
          sample: 81920
        compute_capability:
          description: CUDA compute capability; null when unknown.
          type: str
          returned: always
          sample: "8.0"
        mig_profile:
          description: Profile of MIG slices; null for whole GPUs.
          type: str
          returned: always
          sample: null
        sharing:
          description: >-
            C(none), C(time-slicing), C(mps), another strategy that a label names, or C(unknown) for shared devices that
            no label explains.
          type: str
          returned: always
          sample: none
        replicas_per_device:
          description: Units that are offered for each device; 1 where devices are not shared, null when unknown.
          type: int
          returned: always
          sample: 1
        driver_version:
          description: Version of the driver; null when unknown.
          type: str
          returned: always
          sample: 570.86.15
        cuda_version:
          description: The newest CUDA that the driver runs; null when unknown.
          type: str
          returned: always
          sample: "12.8"
        device_count:
          description: GPUs or slices behind the units; null where it is unknown how they are shared.
          type: int
          returned: always
          sample: 8
        capacity:
          description: Units that the kubelet has seen.
          type: int
          returned: always
          sample: 8
        allocatable:
          description: Units that are healthy.
          type: int
          returned: always
          sample: 8
        requested:
          description: Units that pods on the node hold.
          type: int
          returned: always
          sample: 3
        leaving:
          description: Units of RV(nodes[].resources[].requested) that pods hold which are being deleted.
          type: int
          returned: always
          sample: 0
        nominated:
          description: Units that the scheduler keeps for pods that have preempted others here and wait for their end.
          type: int
          returned: always
          sample: 0
        free:
          description: Units that the model server could have.
          type: int
          returned: always
          sample: 5
        blocked:
          description: Units that nobody holds and the model server cannot have.
          type: int
          returned: always
          sample: 0
        reason:
          description: What keeps the model server from this node, else null.
          type: str
          returned: always
          sample: null
        pods:
          description: The pods that hold units.
          type: list
          elements: dict
          returned: always
          sample: [{"namespace": "llm", "name": "chat-blue-5d9c-x7k2p", "amount": 3, "leaving": false}]
        notes:
          description: What does not add up, such as units that are not healthy or other numbers in labels.
          type: list
          elements: str
          returned: always
          sample: []
    devices:
      description: The devices of dynamic resource allocation there, with the keys of RV(devices).
      type: list
      elements: dict
      returned: always
      sample: []
products:
  description: The accelerators of device plugins by resource and product, over all nodes.
  returned: success
  type: list
  elements: dict
  contains:
    resource:
      description: As for a node, like the other keys up to RV(products[].replicas_per_device).
      type: str
      returned: always
      sample: nvidia.com/gpu
    product:
      description: As for a node.
      type: str
      returned: always
      sample: NVIDIA-A100-SXM4-80GB
    product_reason:
      description: As for a node.
      type: str
      returned: always
      sample: null
    memory_mib:
      description: As for a node, in MiB.
      type: int
      returned: always
      sample: 81920
    compute_capability:
      description: As for a node.
      type: str
      returned: always
      sample: "8.0"
    mig_profile:
      description: As for a node.
      type: str
      returned: always
      sample: null
    sharing:
      description: As for a node.
      type: str
      returned: always
      sample: none
    replicas_per_device:
      description: As for a node.
      type: int
      returned: always
      sample: 1
    nodes:
      description: Nodes that offer it.
      type: int
      returned: always
      sample: 4
    device_count:
      description: Sum over the nodes; null where it is unknown for one of them.
      type: int
      returned: always
      sample: 32
    capacity:
      description: Sum over the nodes, like the amounts that follow.
      type: int
      returned: always
      sample: 32
    allocatable:
      description: Units that are healthy.
      type: int
      returned: always
      sample: 32
    requested:
      description: Units that pods hold.
      type: int
      returned: always
      sample: 15
    leaving:
      description: Units of them that pods hold which are being deleted.
      type: int
      returned: always
      sample: 0
    nominated:
      description: Units that the scheduler keeps for pods that wait after preemption.
      type: int
      returned: always
      sample: 0
    free:
      description: Units that the model server could have.
      type: int
      returned: always
      sample: 9
    blocked:
      description: Units that nobody holds and the model server cannot have.
      type: int
      returned: always
      sample: 8
    largest_free_block:
      description: The node with most free units, and how many; tensor parallelism needs them on one node.
      type: dict
      returned: always
      sample: {"node": "gpu-2", "free": 6}
    free_blocks:
      description: How many nodes have how many free units, the largest first.
      type: list
      elements: dict
      returned: always
      sample: [{"free": 6, "nodes": 1}, {"free": 1, "nodes": 3}]
    blocked_by:
      description: The reasons that keep the model server from nodes, with the nodes and the units that nobody holds.
      type: list
      elements: dict
      returned: always
      sample: [{"reason": "cordoned", "nodes": 1, "blocked": 8}]
devices:
  description: >-
    Devices of dynamic resource allocation, alike ones together; null where ResourceSlices may not be read, empty where
    there are none.
  returned: success
  type: list
  elements: dict
  contains:
    driver:
      description: The driver that publishes them.
      type: str
      returned: always
      sample: gpu.nvidia.com
    kind:
      description: What the driver calls the kind of device; null when it does not say.
      type: str
      returned: always
      sample: gpu
    product:
      description: The product as the driver names it, or C(unknown).
      type: str
      returned: always
      sample: NVIDIA H100 80GB HBM3
    profile:
      description: Profile of slices; null for whole devices.
      type: str
      returned: always
      sample: null
    memory_mib:
      description: Memory of one device in MiB; null when the driver does not say.
      type: int
      returned: always
      sample: 81559
    compute_capability:
      description: CUDA compute capability; null when the driver does not say.
      type: str
      returned: always
      sample: 9.0.0
    driver_version:
      description: Version of the driver, for devices of a node only.
      type: str
      returned: for devices of a node
      sample: 570.86.15
    reach:
      description: Which nodes can use them, in the list over all nodes only.
      type: str
      returned: over all nodes
      sample: one node each
    nodes:
      description: Nodes that have them, in the list over all nodes only.
      type: int
      returned: over all nodes
      sample: 2
    capacity:
      description: Devices that are published.
      type: int
      returned: always
      sample: 16
    allocated:
      description: Devices that ResourceClaims have taken; null where claims may not be read.
      type: int
      returned: always
      sample: 4
    free:
      description: >-
        Devices that could be allocated now, each for itself; null where claims may not be read. RV(devices[].notes) say
        where fewer can be had together.
      type: int
      returned: always
      sample: 12
    blocked:
      description: Devices that are not taken, on nodes that the model server cannot use or in incomplete pools.
      type: int
      returned: always
      sample: 0
    reason:
      description: What keeps the model server from them, for devices of a node only, else null.
      type: str
      returned: for devices of a node
      sample: null
    largest_free_block:
      description: The node with most free devices, and how many; null where claims may not be read.
      type: dict
      returned: over all nodes
      sample: {"node": "gpu-1", "free": 8}
    blocked_by:
      description: As for products.
      type: list
      elements: dict
      returned: over all nodes
      sample: []
    notes:
      description: What the numbers do not say, such as taints of devices and devices that are cut from the same chip.
      type: list
      elements: str
      returned: always
      sample: []
devices_api:
  description: >-
    The version of the API of dynamic resource allocation that was read, C(absent) where the cluster does not serve it,
    or C(unknown) where it may not be read.
  returned: success
  type: str
  sample: resource.k8s.io/v1
free:
  description: Free units of each resource in the whole cluster, by the resource's name.
  returned: success
  type: dict
  sample: {"nvidia.com/gpu": 9}
largest_free_block:
  description: >-
    For each resource the node with most free units of it, with its product; the node is null where nothing is free.
    A resource that nobody offers is not in it.
  returned: success
  type: dict
  sample: {"nvidia.com/gpu": {"node": "gpu-2", "product": "NVIDIA-A100-SXM4-80GB", "free": 6}}
quotas:
  description: The limits of accelerators that quotas of O(namespaces) set.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: Namespace of the quota.
      type: str
      returned: always
      sample: llm
    name:
      description: Name of the ResourceQuota.
      type: str
      returned: always
      sample: gpus
    resource:
      description: The resource that it limits.
      type: str
      returned: always
      sample: nvidia.com/gpu
    scopes:
      description: Which pods it counts; empty for all.
      type: list
      elements: str
      returned: always
      sample: []
    hard:
      description: Units that pods of the namespace may ask for.
      type: int
      returned: always
      sample: 8
    used:
      description: Units that they ask for.
      type: int
      returned: always
      sample: 5
    free:
      description: Units that the quota leaves.
      type: int
      returned: always
      sample: 3
    effective_free:
      description: The least of what this quota, the namespace's other quotas without scopes, and the cluster leave.
      type: int
      returned: always
      sample: 3
waiting_pods:
  description: Pods that want accelerators and have no node yet, those of the highest priority first.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: Namespace of the pod.
      type: str
      returned: always
      sample: llm
    name:
      description: Name of the pod.
      type: str
      returned: always
      sample: chat-blue-5d9c-q8r4t
    owner:
      description: Kind and name of its controller, or null.
      type: str
      returned: always
      sample: ReplicaSet/chat-blue-5d9c
    priority:
      description: Its priority.
      type: int
      returned: always
      sample: 0
    nominated_node:
      description: The node on which it has preempted others, or null.
      type: str
      returned: always
      sample: null
    requests:
      description: Units by resource.
      type: dict
      returned: always
      sample: {"nvidia.com/gpu": 4}
orphaned_pods:
  description: Pods that hold accelerators of nodes that are gone.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: Namespace of the pod.
      type: str
      returned: always
      sample: llm
    name:
      description: Name of the pod.
      type: str
      returned: always
      sample: old-7f6b-abcde
    node:
      description: The node that is gone.
      type: str
      returned: always
      sample: gpu-9
    requests:
      description: Units by resource.
      type: dict
      returned: always
      sample: {"nvidia.com/gpu": 1}
uncounted_resources:
  description: Extended resources of the cluster that are not taken for accelerators; see O(resources).
  returned: success
  type: list
  elements: str
  sample: [rdma/hca]
notes:
  description: What does not add up, by node; for people.
  returned: success
  type: list
  elements: str
  sample: ["node gpu-3: nvidia.com/gpu: 1 of 8 are not healthy"]
unavailable:
  description: What may not be read and is unknown for that.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: C(devices), C(devices.allocated), or the quotas of a namespace.
      type: str
      returned: always
      sample: devices.allocated
    reason:
      description: The server's refusal.
      type: str
      returned: always
      sample: "Failed listing resourceclaims in the cluster on https://192.0.2.1:6443: HTTP 403"
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
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.gpu_capacity_info import (
    Question,
    inspect_capacity,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster

OPTIONS = Options(
    {
        "namespaces": {"type": "list", "elements": "str", "default": []},
        "resources": {"type": "list", "elements": "str", "default": []},
        "device_drivers": {"type": "list", "elements": "str", "default": []},
        "node_selector": {"type": "dict", "default": {}},
        "tolerations": {"type": "list", "elements": "dict", "default": []},
    }
).merge(cluster())


def flow(params: Mapping[str, Any], _check_mode: bool) -> Outcome:
    """Return what the module finds; check mode makes no difference."""
    question = Question(
        namespaces=params["namespaces"],
        resources=params["resources"],
        drivers=params["device_drivers"],
        node_selector=params["node_selector"],
        tolerations=params["tolerations"],
    )
    return inspect_capacity(question, open_cluster(params))


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
