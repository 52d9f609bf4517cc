#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_split
short_description: Share the traffic of a model server among its two slots
version_added: "0.1.0"
description:
  - Sets which part of a release's traffic each of its slots gets, by the weights of a route or by replicas behind a
    plain Service, and proves it by what the pods have counted. Some routers ignore weights, and say nothing of it.
  - All weights of a route change in one request, and only those of the backends C(NAME-blue) and C(NAME-green); both
    stay named, one of them perhaps with weight 0. Backends of others keep their weights and their share. Rules with one
    slot alone are pins and stay as they are.
  - It changes no route that others write - one with a controller as its owner, or whose backends another field manager
    has set - unless O(force=true) says so. It sends no traffic to a slot without a ready pod.
  - Settings of the route that cut streamed answers, repeat requests or hold clients in a slot are named as warnings.
options:
  name:
    description: Name of the release.
    type: str
    required: true
  namespace:
    description: Its namespace, where its route is too.
    type: str
    required: true
  weights:
    description: Percentages for V(blue) and V(green), whole numbers with a sum of 100.
    type: dict
    required: true
  provider:
    description:
      - What shares the traffic - V(gateway_api) (HTTPRoute), V(istio) (VirtualService), V(traefik) (TraefikService),
        V(openshift_route) (Route), or V(replicas), which needs no router.
      - V(replicas) lets the clients' Service select the pods of both slots and shares by their number, so it reaches
        steps of one pod only, and says which. It scales the Deployments, the growing one first, and their sum stays. It
        refuses where an autoscaler sets their replicas. With all traffic in one slot, the Service selects that slot
        alone.
    type: str
    choices: [gateway_api, istio, openshift_route, replicas, traefik]
    required: true
  route:
    description: Name of the object that holds the weights; by default the release's.
    type: str
  create:
    description:
      - Makes a route where there is none, with both slots, without limits that cut answers and, where the provider can
        match headers, with a rule for each slot that takes requests with the header C(x-llmops-slot) and the slot's
        name.
      - One that is there is not changed by these.
    type: dict
    suboptions:
      hosts:
        description: Names that clients use; OpenShift takes one.
        type: list
        elements: str
        default: []
      gateway:
        description: Name of the Gateway (Gateway API, Istio).
        type: str
      gateway_namespace:
        description: Its namespace; by default the release's.
        type: str
      section:
        description: Name of the Gateway's listener, where not all of them.
        type: str
      entry_points:
        description: Traefik's entry points, where not the default ones.
        type: list
        elements: str
        default: []
      port:
        description: Port of the release's Services.
        type: int
        default: 8000
      pin:
        description: Whether requests can be pinned to a slot by the header.
        type: bool
        default: true
  disable_timeouts:
    description: Whether the settings that warnings would name are changed for the better, in the same request.
    type: bool
    default: false
  replicas:
    description:
      - Sum of the replicas of both slots with O(provider=replicas); by default what it is.
      - With it a run that was ended in the middle, when both are larger together, is finished by the next one.
    type: int
  verify:
    description:
      - How to prove the split. Without it, nothing is counted and RV(verdict) is V(inconclusive).
      - The counters C(vllm:request_success_total) of all ready pods are read before and after. The part of a slot must
        be within four standard deviations of what its weight lets expect; too few requests to tell are inconclusive.
    type: dict
    suboptions:
      url:
        description:
          - Address of the router, such as V(http://gateway.example.com). Requests are sent to it, each on a connection
            of its own.
          - With O(provider=replicas), by default the clients' Service.
        type: str
      host:
        description: Host to ask for; by default the first that the route names.
        type: str
      slot:
        description: Send all requests pinned to this slot, by a header that the route matches.
        type: str
        choices: [blue, green]
      requests:
        description:
          - Number of requests, of one token each. By default as many as tell the smaller share from half and double of
            it, such as 576 for 10 %, 1216 for 5 %.
          - V(0) sends none, and counts those of others for O(verify.seconds).
        type: int
      seconds:
        description: Seconds after which no more requests are sent, or for which others' are counted.
        type: float
        default: 60.0
      concurrency:
        description: Number of requests at a time.
        type: int
        default: 4
      timeout_seconds:
        description: Seconds that one request may take.
        type: float
        default: 30.0
      endpoint:
        description: What to ask.
        type: str
        choices: [chat, completions]
        default: completions
      verify_certificate:
        description: Whether the router's certificate must be valid.
        type: bool
        default: true
      run_from:
        description:
          - V(cluster) asks from a Job in the image of the engine, which needs no way from the controller to gateway and
            pods. V(controller) asks from the machine that the module runs on.
        type: str
        choices: [cluster, controller]
        default: cluster
      python:
        description: The interpreter in the engine's image.
        type: str
        default: python3
  force:
    description:
      - Whether weights are taken over that others have set, or replicas of an autoscaler. Once is enough where they do
        not set them again.
    type: bool
    default: false
  confirm_seconds:
    description:
      - Seconds that the router may take to accept the route, or new pods to become ready.
      - Also, after a change, for how long a count that fails is repeated, since routers say that they have taken a
        route a moment before it is in force.
    type: float
    default: 60.0
  state:
    description: The split is there.
    type: str
    choices: [present]
    default: present
extends_documentation_fragment:
  - llmops.kubernetes.gate
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
attributes:
  check_mode:
    support: full
    details: The server tries the patch without keeping it. No requests are sent.
  diff_mode:
    support: full
  idempotent:
    support: full
notes:
  - What it needs in the namespace of the release is in C(roles/model_server/files/rbac-traffic.yml).
  - O(fail_on) matters with O(verify) only; that a router does not accept the route is always a failure. Weights stay as
    they were written then, for whoever runs the canary to decide.
  - While replicas share, the Service selects both slots and the Deployments have other numbers than the release says.
    M(llmops.kubernetes.model_server) refuses to write over them then, and works again with all traffic in the stable
    slot.
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.health_gate
  - module: llmops.kubernetes.metrics_gate
"""

EXAMPLES = r"""
- name: Send a twentieth of the traffic to the canary, and count who answers
  llmops.kubernetes.traffic_split:
    name: chat
    namespace: llm
    provider: gateway_api
    weights: {blue: 95, green: 5}
    verify:
      url: http://gateway.ingress.svc.cluster.local
  register: split

- name: Show how many requests each slot has answered
  ansible.builtin.debug:
    msg: "{{ split.observed.requests_by_slot }}"

- name: Make a route first where there is none
  llmops.kubernetes.traffic_split:
    name: chat
    namespace: llm
    provider: gateway_api
    weights: {blue: 100, green: 0}
    create:
      gateway: public
      gateway_namespace: ingress
      hosts: [llm.example.com]

- name: Share among four replicas without a router
  llmops.kubernetes.traffic_split:
    name: chat
    namespace: llm
    provider: replicas
    replicas: 4
    weights: {blue: 75, green: 25}
"""

RETURN = r"""
provider:
  description: What shares the traffic.
  returned: when nothing was refused
  type: str
  sample: gateway_api
route:
  description: The object that holds the weights, with its C(kind), C(namespace) and C(name).
  returned: when nothing was refused
  type: dict
weights_before:
  description: >-
    Percentages of the slots in each C(rule) that names both, as they were; null where there was no route. With
    replicas, by the ready pods that the Service selects.
  returned: when nothing was refused
  type: list
  elements: dict
  sample: [{rule: "rules[0]", blue: 100.0, green: 0.0}]
weights_after:
  description: The same, read back after the change. With replicas, those that are asked for.
  returned: when nothing was refused
  type: list
  elements: dict
  sample: [{rule: "rules[0]", blue: 95.0, green: 5.0}]
replicas:
  description: Replicas of each slot, as wanted.
  returned: with replicas
  type: dict
  sample: {blue: 3, green: 1}
reachable:
  description: Percentages that so many replicas can give to a slot.
  returned: with replicas
  type: list
  elements: int
  sample: [0, 25, 50, 75, 100]
timeouts:
  description: >-
    Settings of the route that may end answers, repeat requests or hold clients, with C(where), C(value) (null for the
    router's default) and C(advice) (null where all is well).
  returned: when nothing was refused
  type: list
  elements: dict
pins:
  description: Ways to ask one slot alone, each with C(slot), C(header) and C(value).
  returned: when nothing was refused
  type: list
  elements: dict
  sample: [{slot: green, header: x-llmops-slot, value: green}]
verdict:
  description: Whether the weights are in force - V(pass), V(fail) or V(inconclusive).
  returned: when nothing was refused
  type: str
  sample: pass
reasons:
  description: Why, each a sentence with what was observed and expected.
  returned: when nothing was refused
  type: list
  elements: str
  sample: ["slot green answered 58 of 1216 requests (4.8 %) with a weight of 5 %; 31 to 91 were expected"]
observed:
  description: What was counted; empty without O(verify).
  returned: when nothing was refused
  type: dict
  contains:
    requests_by_slot:
      description: Requests that the pods of each slot have finished; null where not all of them could be read.
      type: dict
      returned: when requests were counted
      sample: {blue: 1158, green: 58}
    rounds:
      description: How often it was counted; the last count is shown.
      type: int
      returned: when requests were counted
      sample: 1
    sent:
      description: Requests that were sent.
      type: int
      returned: when requests were counted
      sample: 1216
    answered:
      description: Those that were answered well.
      type: int
      returned: when requests were counted
      sample: 1216
    failures:
      description: Those that were not, by what came instead.
      type: dict
      returned: when requests were counted
      sample: {"HTTP 503": 2}
    requests_needed:
      description: How many requests it takes to tell.
      type: int
      returned: when requests were counted
      sample: 1216
    expected_percent:
      description: What each slot was to get.
      type: dict
      returned: when requests were counted
      sample: {blue: 95, green: 5}
cluster:
  description: Address of the API server.
  returned: when nothing was refused
  type: str
  sample: https://192.0.2.1:6443
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
    owners:
      description: Who else sets the weights.
      type: list
      elements: str
      returned: when somebody does
    autoscalers:
      description: Autoscalers that set the replicas.
      type: list
      elements: str
      returned: when there are some
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic import (
    Provider,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_gateway import GatewayApi
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_istio import Istio
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_openshift import OpenShiftRoute
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_parse import parse_wish
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_traefik import Traefik
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.prober import ClusterProber, ControllerProber
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.traffic_count import (
    TrafficCounter,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.traffic_replicas import split_replicas
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.traffic_split import (
    TrafficRequest,
    split_route,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster, gate

_PROVIDERS: Mapping[str, Provider] = {each.name: each for each in (GatewayApi(), Istio(), OpenShiftRoute(), Traefik())}
_CREATE = {
    "hosts": {"type": "list", "elements": "str", "default": []},
    "gateway": {"type": "str"},
    "gateway_namespace": {"type": "str"},
    "section": {"type": "str"},
    "entry_points": {"type": "list", "elements": "str", "default": []},
    "port": {"type": "int", "default": 8000},
    "pin": {"type": "bool", "default": True},
}
_VERIFY = {
    "url": {"type": "str"},
    "host": {"type": "str"},
    "slot": {"type": "str", "choices": ["blue", "green"]},
    "requests": {"type": "int"},
    "seconds": {"type": "float", "default": 60.0},
    "concurrency": {"type": "int", "default": 4},
    "timeout_seconds": {"type": "float", "default": 30.0},
    "endpoint": {"type": "str", "choices": ["chat", "completions"], "default": "completions"},
    "verify_certificate": {"type": "bool", "default": True},
    "run_from": {"type": "str", "choices": ["cluster", "controller"], "default": "cluster"},
    "python": {"type": "str", "default": "python3"},
}
OPTIONS = Options(
    {
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str", "required": True},
        "weights": {"type": "dict", "required": True},
        "provider": {"type": "str", "required": True, "choices": sorted([*_PROVIDERS, "replicas"])},
        "route": {"type": "str"},
        "create": {"type": "dict", "options": _CREATE},
        "disable_timeouts": {"type": "bool", "default": False},
        "replicas": {"type": "int"},
        "verify": {"type": "dict", "options": _VERIFY},
        "force": {"type": "bool", "default": False},
        "confirm_seconds": {"type": "float", "default": 60.0},
        "state": {"type": "str", "choices": ["present"], "default": "present"},
    },
    above_zero=("replicas",),
    zero_or_more=("confirm_seconds",),
).merge(gate(), cluster())


def flow(params: Mapping[str, Any], check_mode: bool) -> Outcome:
    """Return what the module does with its parameters."""
    name, namespace, route = params["name"], params["namespace"], params["route"] or params["name"]
    verify = None if params["verify"] is None else dict(params["verify"])
    run_from, python = (verify or {}).pop("run_from", None), (verify or {}).pop("python", "")
    wish = parse_wish((namespace, name, route), params["provider"], params["weights"], params["create"], verify)
    request = TrafficRequest(
        name=name,
        namespace=namespace,
        weights=wish.weights,
        route=route,
        create=wish.create,
        check_mode=check_mode,
        force=params["force"],
        disable_timeouts=params["disable_timeouts"],
        replicas=params["replicas"],
        confirm_seconds=params["confirm_seconds"],
        verify=wish.verify,
        fail_on=params["fail_on"],
    )
    api, clock = open_cluster(params), SystemClock()
    counter: TrafficCounter = ClusterProber(api, clock, python) if run_from == "cluster" else ControllerProber(api)
    if params["provider"] == "replicas":
        return split_replicas(request, api, counter, clock)
    return split_route(request, _PROVIDERS[params["provider"]], api, counter, clock)


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
