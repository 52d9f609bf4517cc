#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_plan
short_description: Tell what a deployment of model servers would mean, before anything changes
version_added: "0.1.0"
description:
  - Says for each release whose pods would come, go or be replaced whether that fits, on which nodes, by which
    strategy, what it needs at the peak, whose pods would be evicted, how long it takes, and refuses what can only
    hang.
  - It looks at the rendered pods as the scheduler does - resources of all kinds, node selectors and affinity, taints,
    anti-affinity, hard topology spread, ports and volumes - and at the namespace's quotas.
  - C(pass) is only said of what works whatever the scheduler and the controllers choose, C(fail) only of what no
    choice of theirs brings to an end (and of a volume of one node whose pods may come to two). Everything else, and
    what cannot be judged, is C(inconclusive).
  - Several releases are planned in the order of the list, each with what those before it leave.
    M(llmops.kubernetes.model_server) makes the same plan before it writes.
options:
  nodes_may_grow:
    description: Whether an autoscaler adds nodes, so that a lack of room is a risk and no end.
    type: bool
    default: false
  fail_on:
    description: Verdicts that fail the task; the result is the same either way.
    type: list
    elements: str
    choices: [fail, inconclusive]
    default: [fail]
  report_path:
    description:
      - File of this machine that gets the plan as one HTML page, with the nodes in pictures. Its folder must exist.
      - A report is an output and no change - it is written in check mode too, and never C(changed).
    type: path
extends_documentation_fragment:
  - llmops.kubernetes.releases
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
attributes:
  check_mode:
    support: full
    details: Nothing is written to the cluster in any mode.
  diff_mode:
    support: none
  idempotent:
    support: full
notes:
  - Needed permissions are to list nodes and pods of the whole cluster (C(roles/model_server/files/rbac-planner.yml)).
    Without them the verdict is C(inconclusive). Quotas, volumes and classes that may not be read do not count, which
    is told.
  - Not known are limit ranges that add requests to pods, dynamic resource allocation, other schedulers than the
    default one (the last two are told), and what other tools change meanwhile.
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.model_server
  - module: llmops.kubernetes.health_gate
"""

EXAMPLES = r"""
- name: Plan the roll-out
  llmops.kubernetes.rollout_plan:
    model_servers: "{{ model_servers }}"
    report_path: "{{ playbook_dir }}/plan.html"
    fail_on: []
  register: planned

- name: Show it
  ansible.builtin.debug:
    msg: "{{ planned.table }}"

- name: Refuse what is not sure to work
  llmops.kubernetes.rollout_plan:
    model_servers: "{{ model_servers }}"
    fail_on: [fail, inconclusive]
"""

RETURN = r"""
verdict:
  description: C(pass), C(fail) or C(inconclusive), the worst of all releases; C(pass) where nothing changes.
  returned: success
  type: str
  sample: pass
releases:
  description: The plan of each release whose pods change.
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
    change:
      description: C(new), C(roll) (pods are replaced), C(scale) (more or fewer of the same) or C(stop).
      type: str
      returned: always
      sample: roll
    verdict:
      description: C(pass), C(fail) or C(inconclusive).
      type: str
      returned: always
      sample: pass
    strategy:
      description: The strategy to take - C(surge), C(in_place) or C(recreate).
      type: str
      returned: always
      sample: in_place
    replicas:
      description: Wanted replicas.
      type: int
      returned: always
      sample: 3
    replicas_now:
      description: Replicas that the Deployment has now.
      type: int
      returned: always
      sample: 3
    accelerator:
      description: The accelerator that pods ask for; null for CPUs.
      type: str
      returned: always
      sample: nvidia.com/gpu
    per_pod:
      description: Accelerators of one pod; C(1) for CPUs.
      type: int
      returned: always
      sample: 1
    extra_at_peak:
      description: Accelerators (for CPUs, pods) that are needed at the peak on top of what the release holds now.
      type: int
      returned: always
      sample: 0
    fits_now:
      description: New pods that find a place beside all that runs.
      type: int
      returned: always
      sample: 0
    reasons:
      description: Why it can only hang.
      type: list
      elements: str
      returned: always
    remedies:
      description: What would make it work.
      type: list
      elements: str
      returned: always
    risks:
      description: What can go wrong, or is not known.
      type: list
      elements: str
      returned: always
    steps:
      description: What happens, in order.
      type: list
      elements: str
      returned: always
    nodes:
      description: New pods by the node that likely takes them.
      type: dict
      returned: always
      sample: {gpu-1: 2, gpu-2: 1}
    displaced:
      description: Pods of lower priority that Kubernetes would evict.
      type: list
      elements: str
      returned: always
    waits_for:
      description: Earlier releases of the list that hold the same last free places while they roll.
      type: list
      elements: str
      returned: always
    waits_seconds:
      description: Seconds after which those are over at the latest.
      type: int
      returned: always
      sample: 0
    start:
      description: Expected C(seconds) from a pod's node to its first answer, their C(source), and whether they are
        measured.
      type: dict
      returned: always
      sample: {seconds: 140, source: measured on 3 pods that serve, is_measured: true}
    seconds_expected:
      description: Seconds until the last new pod serves.
      type: int
      returned: always
      sample: 525
    seconds_max:
      description: The same with the longest allowed start and end of every pod.
      type: int
      returned: always
      sample: 1965
    silent_seconds:
      description: Seconds for which nobody answers.
      type: int
      returned: always
      sample: 0
nodes:
  description: Nodes with the accelerators, or with pods of the releases, and who holds how much C(before), at the
    C(peak) and
    C(after).
  returned: success
  type: list
  elements: dict
unchanged:
  description: Releases whose pods do not change.
  returned: success
  type: list
  elements: str
notes:
  description: What the plan does not know, because it may not be read.
  returned: success
  type: list
  elements: str
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

import inspect
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.report import write_report
from ansible_collections.llmops.kubernetes.plugins.module_utils._engine import drain_middleware
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.planning import Planning
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.release import Request
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.rollout_plan import preview
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster, releases

OPTIONS = Options(
    {
        "nodes_may_grow": {"type": "bool", "default": False},
        "fail_on": {"type": "list", "elements": "str", "choices": ["fail", "inconclusive"], "default": ["fail"]},
        "report_path": {"type": "path"},
    }
).merge(releases(), cluster())


def flow(params: Mapping[str, Any], _check_mode: bool) -> Outcome:
    """Return the plan; check mode makes no difference."""
    request = Request(
        servers=parse_model_servers(params["model_servers"], params["model_server_defaults"], params["only"]),
        drain_middleware=inspect.getsource(drain_middleware),
        # Whose objects they are is asked by who writes over them.
        adopt=True,
        planning=Planning(may_grow=params["nodes_may_grow"]),
    )
    now = SystemClock().now().isoformat(timespec="seconds")
    found = preview(request, open_cluster(params), now, params["fail_on"])
    if params["report_path"]:
        write_report(params["report_path"], found.page)
    return found.outcome


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
