#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_gate
short_description: Wait until a model server really answers, or say why it cannot
version_added: "0.1.0"
description:
  - Passes only when three things hold. The roll-out is true to the revision - every replica of it is ready and none of
    an older one is left. The model answers - the expected id is listed, and a question is answered twice alike and
    completely, through the clients' Service and the slot's, and by every pod. The engine moves - its own counters grow
    while it answers.
  - Fails as soon as it is known that waiting is useless, with the pod's own words - images that cannot be pulled,
    crashes with the last log lines, memory, no node, quota, admission, missing Secrets.
  - While it waits, a line of progress is shown for every change of state.
options:
  name:
    description: Name of the release.
    type: str
    required: true
  namespace:
    description: Its namespace.
    type: str
    required: true
  slot:
    description: The slot to look at; the stable one by default.
    type: str
    choices: [blue, green]
  revision:
    description:
      - The revision that must run, as M(llmops.kubernetes.model_server) returns it; by default the one that is wanted.
    type: str
  served_name:
    description: The model to ask for; by default the release's own served name.
    type: str
  run_from:
    description:
      - V(cluster) asks from a short Job in the model server's own image, which is removed afterwards.
      - V(controller) asks from where this module runs, which must reach the addresses of Services and pods.
    type: str
    choices: [cluster, controller]
    default: cluster
  url:
    description:
      - Ask this address (such as V(https://example.com/llm)) in place of the Services.
      - Its certificate must be valid for it where the gate runs (E(SSL_CERT_FILE) names authorities of your own).
        Services and pods are asked by address, which certificates do not name.
    type: str
  since:
    description:
      - A time in ISO 8601 with its zone, from which on the cluster's words count, such as
        RV(llmops.kubernetes.model_server#module:started_at). What was said before may be about something cured since.
      - By default the beginning of the wait. Name an earlier one where several gates run one after the other.
    type: str
  python:
    description: The Python interpreter in the engine's image, for O(run_from=cluster).
    type: str
    default: python3
  timeout_seconds:
    description:
      - Seconds to wait for the whole roll-out.
      - V(0) takes the Deployment's own progress deadline, which begins anew with every pod that becomes ready.
    type: int
    default: 0
  probe_timeout_seconds:
    description: Seconds that each question may take, above zero.
    type: float
    default: 60.0
  unschedulable_seconds:
    description:
      - Seconds after which a pod without a node is a failure. Raise it where an autoscaler adds nodes that say nothing.
      - While pods of the release are leaving, and may make room, it is no failure.
    type: float
    default: 2.0
  warmup_requests:
    description: Questions to each address before those that are judged; by default what the release says.
    type: int
  slice_seconds:
    description: Return after so many seconds, or at a change of state, with RV(waiting). Used by the action plugin.
    type: float
  resume:
    description: What the slice before has returned as RV(waiting). Used by the action plugin.
    type: dict
extends_documentation_fragment:
  - llmops.kubernetes.gate
  - llmops.kubernetes.lock
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
attributes:
  check_mode:
    support: partial
    details: It changes nothing that lasts. With O(run_from=cluster) the model is not asked in check mode, as that needs
      a Job, and the verdict is V(inconclusive) without failing the task.
  diff_mode:
    support: N/A
    details: This module changes nothing.
  idempotent:
    support: full
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.model_server
"""

EXAMPLES = r"""
- name: Wait until the model answers
  llmops.kubernetes.health_gate:
    name: chat
    namespace: llm

- name: Look without failing
  llmops.kubernetes.health_gate:
    name: chat
    namespace: llm
    run_from: controller
    timeout_seconds: 10
    fail_on: []
  register: health

- name: Say what is wrong
  ansible.builtin.debug:
    var: health.reasons
  when: health.verdict != 'pass'
"""

RETURN = r"""
verdict:
  description: V(pass), V(fail) or V(inconclusive).
  returned: always
  type: str
  sample: pass
reasons:
  description: Why it is not V(pass); each names the object, what was observed and what was expected.
  returned: when the wait is over
  type: list
  elements: str
  sample: ["pod chat-blue-5c: container engine is in ImagePullBackOff: Back-off pulling image. Check engine.image."]
observed:
  description: What was seen.
  returned: when the wait is over
  type: dict
  contains:
    slot:
      description: The slot that was looked at.
      type: str
      returned: always
      sample: blue
    revision:
      description: The revision that was judged.
      type: str
      returned: always
      sample: 3f9a2c1d7e
    rollout:
      description: The roll-out in words.
      type: str
      returned: always
      sample: 2/2 ready
    pods:
      description: Names of the ready pods of the revision.
      type: list
      elements: str
      returned: always
    targets:
      description: What the Service and every pod have answered, with model ids, version and counters.
      type: list
      elements: dict
      returned: always
limits:
  description: The time limits in seconds that were in force.
  returned: when the wait is over
  type: dict
  sample: {timeout_seconds: 600, probe_timeout_seconds: 60.0, unschedulable_seconds: 2.0}
samples:
  description: How many answers were judged.
  returned: when the wait is over
  type: int
  sample: 4
started_at:
  description: When the wait began.
  returned: when the wait is over
  type: str
  sample: "2026-01-31T12:00:00+00:00"
finished_at:
  description: When it ended.
  returned: when the wait is over
  type: str
  sample: "2026-01-31T12:01:30+00:00"
waiting:
  description: State of a wait that goes on.
  returned: at the end of a slice
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.prober import ClusterProber, ControllerProber
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.health_gate import (
    GateRequest,
    Prober,
    judge_health,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.lock import Locking, renew
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster, gate, lock

OPTIONS = Options(
    {
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str", "required": True},
        "slot": {"type": "str", "choices": ["blue", "green"]},
        "revision": {"type": "str"},
        "served_name": {"type": "str"},
        "run_from": {"type": "str", "choices": ["cluster", "controller"], "default": "cluster"},
        "url": {"type": "str"},
        "since": {"type": "str"},
        "python": {"type": "str", "default": "python3"},
        "timeout_seconds": {"type": "int", "default": 0},
        "probe_timeout_seconds": {"type": "float", "default": 60.0},
        "unschedulable_seconds": {"type": "float", "default": 2.0},
        "warmup_requests": {"type": "int"},
        "slice_seconds": {"type": "float"},
        "resume": {"type": "dict"},
    },
    above_zero=("probe_timeout_seconds", "slice_seconds"),
    zero_or_more=("timeout_seconds", "unschedulable_seconds", "warmup_requests"),
).merge(gate(), lock(), cluster())

_OF_THE_GATE = tuple(GateRequest.__dataclass_fields__)


def flow(params: Mapping[str, Any], check_mode: bool) -> Outcome:
    """Return what the module does with its parameters."""
    api, clock = open_cluster(params), SystemClock()
    values = {name: params[name] for name in _OF_THE_GATE}
    if params["lock_holder"] and not check_mode:
        # The gate is read in slices of seconds, so that this is in time however long it waits.
        renew(Locking(params["lock_holder"], params["lock_seconds"]), params["namespace"], params["name"], api, clock)
    prober: Prober | None = ControllerProber(api)
    if params["run_from"] == "cluster":
        prober = ClusterProber(api, clock, params["python"])
        if check_mode:
            prober = None
            values["fail_on"] = [each for each in values["fail_on"] if each != "inconclusive"]
    return judge_health(GateRequest(**values), api, prober, clock)


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
