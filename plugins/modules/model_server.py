#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: model_server
short_description: Deploy vLLM model servers as plain Kubernetes objects
version_added: "0.1.0"
description:
  - Makes the cluster hold exactly the given releases. Each is a Deployment per slot, three Services, a
    PodDisruptionBudget, a NetworkPolicy, a ServiceAccount and ConfigMaps, written by server-side apply.
  - With O(lock_holder) it takes the lock of each release that it changes, and leaves it to
    M(llmops.kubernetes.release) to let go of it once the gate has passed.
  - Everything is checked for all releases before anything is written - keys and values, engine arguments against the
    engine's version, namespaces, volumes, Secrets, the permissions that the change needs, and what only the server
    can refuse, by a trial of every write.
  - It does not wait for pods. M(llmops.kubernetes.health_gate) does, and says why they do not come.
options:
  state:
    description:
      - V(present) makes and changes objects, and removes those of its own that are no longer wanted.
      - V(absent) removes all objects of the releases. Volumes, Secrets and namespaces stay.
      - V(rendered) returns the objects as data and needs no cluster.
    type: str
    choices: [present, absent, rendered]
    default: present
  adopt:
    description: Whether objects of these names that something else has made are taken over instead of being an error.
    type: bool
    default: false
  force_conflicts:
    description: Whether fields that another tool has set since are taken back; otherwise they are an error.
    type: bool
    default: false
  plan:
    description:
      - Whether the roll-out of what changes is planned before anything is written. The plan chooses the strategy
        where a release says C(rollout.strategy) V(auto), and refuses what can only hang, as
        M(llmops.kubernetes.rollout_plan) shows. With nothing to change nothing is planned, and no request is sent for
        it.
      - V(auto) plans where nodes and pods of the cluster may be listed; otherwise it warns, and takes the usual
        strategy.
      - V(require) also refuses where there can be no plan, or none that is sure.
      - V(skip) plans nothing.
    type: str
    choices: [auto, require, skip]
    default: auto
  nodes_may_grow:
    description: Whether an autoscaler adds nodes, so that a lack of room is a risk and no end.
    type: bool
    default: false
  take_over:
    description: Whether a lock that another run holds is taken from it. Only for a run that is known to be dead.
    type: bool
    default: false
extends_documentation_fragment:
  - llmops.kubernetes.releases
  - llmops.kubernetes.lock
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
attributes:
  check_mode:
    support: full
    details: The server tries every write without keeping it; inside of a namespace that does not exist yet the result
      is computed.
  diff_mode:
    support: full
  idempotent:
    support: full
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.health_gate
  - module: llmops.kubernetes.model_server_info
  - module: llmops.kubernetes.rollout_plan
"""

EXAMPLES = r"""
- name: Deploy a model server
  llmops.kubernetes.model_server:
    model_servers:
      - name: chat
        namespace: llm
        model:
          source: hf://Qwen/Qwen2.5-7B-Instruct
          revision: a09a35458c702b33eeacc393d103063234e8bc28
          token: {secret: hf, key: token}
        engine:
          image: docker.io/vllm/vllm-openai:v0.18.0
          version: "0.18.0"
  register: deployed

- name: Wait until the new revision answers
  llmops.kubernetes.health_gate:
    name: "{{ item.name }}"
    namespace: "{{ item.namespace }}"
    revision: "{{ item.revision }}"
  loop: "{{ deployed.model_servers }}"

- name: See what a change would do
  llmops.kubernetes.model_server:
    model_servers: "{{ model_servers }}"
  check_mode: true
  diff: true

- name: Get the manifests for another tool
  llmops.kubernetes.model_server:
    model_servers: "{{ model_servers }}"
    state: rendered
  register: rendered
"""

RETURN = r"""
model_servers:
  description: What stands behind each release, in the order of the list.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the release.
      type: str
      returned: always
      sample: chat
    namespace:
      description: Its namespace.
      type: str
      returned: always
      sample: llm
    objects:
      description: Each object and what happened to it - V(created), V(changed), V(unchanged) or V(deleted).
      type: list
      elements: dict
      returned: always
      sample:
        - {kind: Deployment, name: chat-blue, action: unchanged}
    slot:
      description: The slot that this specification went to.
      type: str
      returned: when O(state) is not V(absent)
      sample: blue
    revision:
      description: Ten hexadecimal digits that name the content of the pod template.
      type: str
      returned: when O(state) is not V(absent)
      sample: 3f9a2c1d7e
    strategy:
      description: How pods are replaced - V(surge), V(in_place) or V(recreate).
      type: str
      returned: when O(state) is not V(absent)
      sample: surge
    plan:
      description: The roll-out plan of this release, as M(llmops.kubernetes.rollout_plan) returns it; null where
        nothing
        was planned.
      type: dict
      returned: when O(state) is V(present)
    locked:
      description: Whether the release is locked by O(lock_holder) now, because it was changed.
      type: bool
      returned: when O(state) is V(present)
      sample: false
    replicas:
      description: Wanted replicas.
      type: int
      returned: when O(state) is not V(absent)
      sample: 3
    gpus_per_replica:
      description: GPUs that each replica needs.
      type: int
      returned: when O(state) is not V(absent)
      sample: 1
    served_name:
      description: The model's name that clients ask for.
      type: str
      returned: when O(state) is not V(absent)
      sample: chat
    service:
      description: Address of the clients' Service.
      type: str
      returned: when O(state) is not V(absent)
      sample: chat.llm.svc:8000
    start_seconds_max:
      description: Seconds that a pod may take until it serves.
      type: int
      returned: when O(state) is not V(absent)
      sample: 900
    start_computed_from:
      description: What that was computed from.
      type: str
      returned: when O(state) is not V(absent)
      sample: 14.2 GiB of weights (estimated from the model's name), with the download
    grace_seconds:
      description: Seconds that a pod has to leave.
      type: int
      returned: when O(state) is not V(absent)
      sample: 155
    drain_middleware:
      description: Whether pods end kept connections when they leave.
      type: bool
      returned: when O(state) is not V(absent)
      sample: true
    slo:
      description: The release's limits, for M(llmops.kubernetes.benchmark_gate).
      type: dict
      returned: when O(state) is V(rendered)
      sample: {ttft_p95_ms_max: 500}
    benchmark:
      description: Options of M(llmops.kubernetes.serving_benchmark) for the release, always with a load.
      type: dict
      returned: when O(state) is V(rendered)
    manifests:
      description: All objects of the release, in the order in which they are to be applied.
      type: list
      elements: dict
      returned: when O(state) is V(rendered)
cluster:
  description: Address of the API server.
  returned: when O(state) is not V(rendered)
  type: str
  sample: https://192.0.2.1:6443
started_at:
  description: When the cluster was asked first.
  returned: when O(state) is not V(rendered)
  type: str
  sample: "2026-01-31T12:00:00+00:00"
attempts:
  description: Requests that were sent.
  returned: when O(state) is not V(rendered)
  type: int
  sample: 12
retried_on:
  description: Why requests were sent again.
  returned: when O(state) is not V(rendered)
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
"""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._engine import drain_middleware
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.lock import Locking, Locks
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_server import (
    Request,
    deploy,
    remove,
    render,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.planning import Planning
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster, lock, releases

OPTIONS = Options(
    {
        "state": {"type": "str", "choices": ["present", "absent", "rendered"], "default": "present"},
        "adopt": {"type": "bool", "default": False},
        "force_conflicts": {"type": "bool", "default": False},
        "plan": {"type": "str", "choices": ["auto", "require", "skip"], "default": "auto"},
        "nodes_may_grow": {"type": "bool", "default": False},
        "take_over": {"type": "bool", "default": False},
    }
).merge(releases(), lock(), cluster())


def flow(params: Mapping[str, Any], check_mode: bool) -> Outcome:
    """Return what the module does with its parameters."""
    request = Request(
        servers=parse_model_servers(params["model_servers"], params["model_server_defaults"], params["only"]),
        drain_middleware=inspect.getsource(drain_middleware),
        check_mode=check_mode,
        adopt=params["adopt"],
        force_conflicts=params["force_conflicts"],
        planning=Planning(params["plan"], params["nodes_may_grow"]),
    )
    if params["state"] == "rendered":
        return render(request)
    api, clock = open_cluster(params), SystemClock()
    started = clock.now()
    if params["lock_holder"]:
        locking = Locking(params["lock_holder"], params["lock_seconds"], params["take_over"])
        request = replace(request, locks=Locks(locking, api, clock))
    outcome = deploy(request, api) if params["state"] == "present" else remove(request, api)
    sent = {"started_at": started.isoformat(), "attempts": api.attempts, "retried_on": api.retried_on}
    return replace(outcome, result={**outcome.result, **sent})


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
