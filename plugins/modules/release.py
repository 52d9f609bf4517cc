#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Record, lock and roll back releases of model servers
version_added: "0.1.0"
description:
  - Keeps in the cluster what is needed to go back. Each revision that was recorded is an immutable ConfigMap
    C(NAME-revision-N) with its specification, its objects, the digest of the image as it ran, and verdicts;
    C(NAME-release) says which one each slot runs.
  - A lock is a Lease C(NAME-release). It says who works on the release, since when, and until when that counts.
options:
  state:
    description:
      - V(recorded) records what was deployed and has passed its gate, removes records beyond O(history_max), and lets
        go of the lock. What is not as specified, or not rolled out, is refused. Equal to the last record is no new one.
      - V(restored) brings a record back into the stable slot, as M(llmops.kubernetes.model_server) deploys a
        specification - with a plan, a trial of every write, and a lock. It does not wait; let
        M(llmops.kubernetes.health_gate) do that, and record it then.
      - V(locked) takes the lock, or renews it.
      - V(unlocked) lets go of the lock where it is that of O(lock_holder).
    type: str
    choices: [recorded, restored, locked, unlocked]
    default: recorded
  name:
    description: Name of a release that is restored, locked or unlocked, or recorded after it was restored.
    type: str
  namespace:
    description: Its namespace.
    type: str
  model_servers:
    description:
      - The releases to record, as in the inventory.
      - The keys of a release are described in the README of the role C(llmops.kubernetes.model_server).
    type: list
    elements: dict
  model_server_defaults:
    description: What every release starts from; its own keys are merged over it recursively, lists are replaced.
    type: dict
    default: {}
  only:
    description: Names of the releases of O(model_servers) to record; all when empty.
    type: list
    elements: str
    default: []
  to_revision:
    description:
      - Number of the record to restore; by default the one before what runs. That is the last one, where what was
        deployed since has never been recorded, and the one that a roll-back was on its way to that was interrupted.
      - What was rolled back to is recorded with a number of its own; the next roll-back goes further back from there.
    type: int
  verdicts:
    description:
      - Results of gates to record, by the name of the gate; each a result or a list of them, as registered. Those that
        name a revision count for the release that has it, the others only where one release is recorded.
      - A passed result of M(llmops.kubernetes.benchmark_gate) under the name C(benchmark) becomes what its option
        C(baseline_release) finds.
    type: dict
    default: {}
  history_max:
    description: How many records are kept, one or more; those that slots run are kept anyway.
    type: int
    default: 10
  take_over:
    description: Whether a lock that another run holds is taken from it. Only for a run that is known to be dead.
    type: bool
    default: false
  plan:
    description:
      - Whether the roll-out of what is restored is planned, as with the option of that name of
        M(llmops.kubernetes.model_server).
    type: str
    choices: [auto, require, skip]
    default: auto
  nodes_may_grow:
    description: Whether an autoscaler adds nodes, so that a lack of room is a risk and no end.
    type: bool
    default: false
  force_conflicts:
    description: Whether fields that another tool has set since are taken back; otherwise they are an error.
    type: bool
    default: false
extends_documentation_fragment:
  - llmops.kubernetes.lock
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
attributes:
  check_mode:
    support: full
    details: Images of pods are not looked at.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: Without O(to_revision), V(restored) goes one record further back each time. V(locked) renews the lock.
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.model_server
  - module: llmops.kubernetes.model_server_info
"""

EXAMPLES = r"""
- name: Record what has passed its gate
  llmops.kubernetes.release:
    model_servers: "{{ model_servers }}"
    verdicts:
      health: "{{ health.results }}"
    lock_holder: "{{ lookup('llmops.kubernetes.lock_holder') }}"

- name: Go back to the revision before
  llmops.kubernetes.release:
    name: chat
    namespace: llm
    state: restored
    lock_holder: "{{ lookup('llmops.kubernetes.lock_holder') }}"
  register: restored

- name: Wait until it answers
  llmops.kubernetes.health_gate:
    name: chat
    namespace: llm
    revision: "{{ restored.model_servers[0].revision }}"

- name: Record that, and let go of the lock
  llmops.kubernetes.release:
    name: chat
    namespace: llm
    lock_holder: "{{ lookup('llmops.kubernetes.lock_holder') }}"
"""

RETURN = r"""
releases:
  description: What stands behind each release.
  returned: when O(state) is V(recorded)
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
    slot:
      description: The slot that runs it.
      type: str
      returned: always
      sample: blue
    revision:
      description: Ten hexadecimal digits that name the content of the pod template.
      type: str
      returned: always
      sample: 3f9a2c1d7e
    number:
      description: Number of the record.
      type: int
      returned: always
      sample: 4
    action:
      description: V(recorded), or V(unchanged) where the last record says the same.
      type: str
      returned: always
      sample: recorded
    kept:
      description: Numbers of the records that are kept.
      type: list
      elements: int
      returned: always
      sample: [2, 3, 4]
    removed:
      description: Numbers of the records that went.
      type: list
      elements: int
      returned: always
      sample: [1]
model_servers:
  description: What M(llmops.kubernetes.model_server) returns of a release, here of the one that is restored.
  returned: when O(state) is V(restored)
  type: list
  elements: dict
to_revision:
  description: Number of the record that is restored.
  returned: when O(state) is V(restored)
  type: int
  sample: 2
started_at:
  description: When the cluster was asked first.
  returned: when O(state) is V(restored)
  type: str
  sample: "2026-01-31T12:00:00+00:00"
cluster:
  description: Address of the API server.
  returned: success
  type: str
  sample: https://192.0.2.1:6443
details:
  description: The error as data, such as C(holder), C(taken_at) and C(ends_at) of a lock that another holds.
  returned: failure
  type: dict
"""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import merge_defaults
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._engine import drain_middleware
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.lock import (
    Locking,
    Locks,
    apply_lock,
    apply_unlock,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.planning import Planning
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.recording import Recording, record_releases
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.release import Request
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.rollback import record_restored, restore_release
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster, lock

OPTIONS = Options(
    {
        "state": {
            "type": "str",
            "choices": ["recorded", "restored", "locked", "unlocked"],
            "default": "recorded",
        },
        "name": {"type": "str"},
        "namespace": {"type": "str"},
        "model_servers": {"type": "list", "elements": "dict"},
        "model_server_defaults": {"type": "dict", "default": {}},
        "only": {"type": "list", "elements": "str", "default": []},
        "to_revision": {"type": "int"},
        "verdicts": {"type": "dict", "default": {}},
        "history_max": {"type": "int", "default": 10},
        "take_over": {"type": "bool", "default": False},
        "plan": {"type": "str", "choices": ["auto", "require", "skip"], "default": "auto"},
        "nodes_may_grow": {"type": "bool", "default": False},
        "force_conflicts": {"type": "bool", "default": False},
    },
    {
        "required_one_of": (("name", "model_servers"),),
        "required_together": (("name", "namespace"),),
        "mutually_exclusive": (("name", "model_servers"),),
    },
    above_zero=("to_revision", "history_max"),
).merge(lock(), cluster())


def _check(params: Mapping[str, Any]) -> None:
    """Refuse a state without what it needs."""
    needed = {"restored": ("name",), "locked": ("name", "lock_holder"), "unlocked": ("name", "lock_holder")}
    state = params["state"]
    problems = [
        Problem(option, f"is required for state {state}", hint="Say which release, and who works on it.")
        for option in needed.get(state, ())
        if not params[option]
    ]
    if problems:
        raise InputError(problems)


def flow(params: Mapping[str, Any], check_mode: bool) -> Outcome:
    """Return what the module does with its parameters."""
    _check(params)
    written, defaults = params["model_servers"] or [], params["model_server_defaults"]
    servers = parse_model_servers(written, defaults, params["only"])
    api, clock = open_cluster(params), SystemClock()
    started, place = clock.now(), (params["namespace"], params["name"])
    locking = Locking(params["lock_holder"] or "", params["lock_seconds"], params["take_over"])
    if params["state"] == "locked":
        return apply_lock(locking, *place, api, clock, check_mode=check_mode)
    if params["state"] == "unlocked":
        return apply_unlock(locking.holder, *place, api, check_mode=check_mode)
    request = Request(
        servers=servers,
        drain_middleware=inspect.getsource(drain_middleware),
        check_mode=check_mode,
        force_conflicts=params["force_conflicts"],
        planning=Planning(params["plan"], params["nodes_may_grow"]),
        locks=Locks(locking, api, clock) if locking.holder else None,
    )
    if params["state"] == "restored":
        outcome = restore_release(*place, params["to_revision"], request, api)
        return replace(outcome, result={**outcome.result, "started_at": started.isoformat()})
    merged = [merge_defaults(defaults, each) for each in written]
    recording = Recording(
        request,
        {(each["namespace"], each["name"]): each for each in merged},
        locking.holder,
        {gate: found if isinstance(found, list) else [found] for gate, found in params["verdicts"].items()},
        params["history_max"],
    )
    if params["name"]:
        return record_restored(*place, recording, api, clock)
    return record_releases(recording, api, clock)


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
