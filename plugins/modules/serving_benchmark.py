#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: serving_benchmark
short_description: Measure how fast a model server answers under load
version_added: "0.1.0"
description:
  - Sends load to any OpenAI-compatible server and returns what its users would see - times to the first token, gaps
    between tokens, throughput, goodput, and every failure in a class of its own. Times are taken at the socket, tokens
    are those that the server counts.
  - What fails is in no latency, and where nothing succeeds there are no latencies. What the client itself was late by
    is part of the result; where the client was the bottleneck, RV(inconclusive) says so.
  - Two targets are asked the same requests in turns, so that drift hits both alike.
  - It judges nothing. While it runs, a line of progress is shown every few seconds.
options:
  name:
    description: Name of the release; needed with O(run_from=cluster).
    type: str
  namespace:
    description: Its namespace.
    type: str
  targets:
    description:
      - Whom to ask, at most two. By default the clients' Service of the release.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name in the result; by default the slot, C(service) or C(url).
        type: str
      slot:
        description: The Service of this slot.
        type: str
        choices: [blue, green]
      url:
        description: An address of your own, such as V(https://example.com/llm); C(/v1/...) is added.
        type: str
      model:
        description: The model to ask for; by default the release's served name.
        type: str
      accelerators:
        description: How many GPUs serve it, for figures per GPU; by default those that the release asks for.
        type: int
      verify_certificate:
        description: Whether its certificate must be valid. By default only for O(targets[].url).
        type: bool
      api_key:
        description: The C(secret) and its C(key) that hold the API key; by default those of the engine.
        type: dict
        suboptions:
          secret:
            description: Name of the Secret, in the release's namespace.
            type: str
            required: true
          key:
            description: Key of the Secret.
            type: str
            required: true
  phases:
    description:
      - Parts of the run, each with figures of its own. A phase has a C(name), a C(load) and a C(stop).
      - C(load.kind) is V(closed) with C(concurrency), V(poisson) or V(constant) with C(rate_per_second), V(ramp) with
        C(from_per_second), C(to_per_second) and C(ramp_seconds), V(bursts) with C(rate_per_second),
        C(burst_per_second), C(burst_seconds) and C(period_seconds), or V(trace) with C(speed), for the times of
        C(workload.file). Rates are for each target.
      - C(stop) has C(requests), C(duration_seconds), C(confidence), whatever comes first. C(confidence) ends the phase
        when the interval of C(metric) (V(ttft), V(tpot), V(e2e)) and C(statistic) (V(p95), V(mean), ...) is narrower
        than C(width_ratio_max) of its value.
    type: list
    elements: dict
    default: []
  sweep:
    description:
      - In place of O(phases), look for the highest rate that meets O(slo), from C(rate_min_per_second) to
        C(rate_max_per_second), until both sides are within C(precision_ratio). Every rate runs until C(stop), with
        arrivals that are V(poisson) or V(constant) by C(process).
    type: dict
  workload:
    description:
      - What to ask. C(seed) repeats a run; C(input) and C(output) have a C(distribution) (V(fixed), V(uniform),
        V(lognormal)) with C(mean_tokens), C(sigma), C(min_tokens), C(max_tokens); C(shared_prefix) has C(tokens) and
        C(groups).
      - C(file) is a file where the module runs, in the forms of ShareGPT, lines of JSON with C(prompt) or C(messages),
        or a trace with C(time_seconds), C(input_tokens) and C(output_tokens) (or Mooncake's names).
    type: dict
    default: {}
  request:
    description: Fields of every request - C(ignore_eos), C(temperature), C(seed), and C(extra_body) for all others.
    type: dict
    default: {}
  endpoint:
    description: The endpoint to ask.
    type: str
    choices: [chat, completions]
    default: chat
  stream:
    description: Whether answers are streamed; without it there are no times of tokens.
    type: bool
    default: true
  warmup_requests:
    description: Requests before all phases that are in no figure; by default one round.
    type: int
  slo:
    description:
      - Limits of the figures, such as C(ttft_p95_ms_max), C(itl_p95_ms_max), C(error_ratio_max) or
        C(throughput_tokens_per_second_per_gpu_min). What misses them is listed in the result, and O(sweep) needs them.
    type: dict
    default: {}
  request_slo:
    description: Limits of one request, for the goodput - C(ttft_ms_max), C(itl_ms_max), C(tpot_ms_max), C(e2e_ms_max).
    type: dict
    default: {}
  limits:
    description:
      - C(request_seconds_max), C(connect_seconds_max), C(run_seconds_max) where the run is to end before
        O(timeout_seconds), and C(max_in_flight), which turns an open load into a closed one where it is reached.
    type: dict
    default: {}
  client:
    description:
      - Limits beyond which the client was the bottleneck - C(lateness_p99_ms_max), C(lag_p99_ms_max),
        C(busy_ratio_max) - and C(samples_max), C(series_step_seconds), C(progress_seconds), C(event_loop).
    type: dict
    default: {}
  run_from:
    description:
      - V(cluster) sends from a Job in the model server's own image, which is removed afterwards.
      - V(controller) sends from where this module runs, which must reach the addresses.
    type: str
    choices: [cluster, controller]
    default: cluster
  python:
    description: The Python interpreter in the engine's image, 3.9 or newer, for O(run_from=cluster).
    type: str
    default: python3
  timeout_seconds:
    description:
      - Seconds after which the whole run ends, above zero. What was measured until then is returned, says that it is
        C(partial), and passes no gate.
    type: int
    default: 3600
  result_path:
    description:
      - File of this machine that gets the whole result as JSON as soon as it is measured or interrupted, for
        M(llmops.kubernetes.benchmark_gate) and others. Its folder must exist. C(docs/benchmark-result.md) and
        C(docs/benchmark-result.schema.json) of the collection describe it.
    type: path
  slice_seconds:
    description: Return after so many seconds with RV(waiting). Used by the action plugin.
    type: float
  resume:
    description: What the slice before has returned as RV(waiting). Used by the action plugin.
    type: dict
extends_documentation_fragment:
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
attributes:
  check_mode:
    support: full
    details: No load is sent; RV(planned) says what would be.
  diff_mode:
    support: N/A
    details: This module changes nothing.
  idempotent:
    support: N/A
    details: Every run measures anew.
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.benchmark_gate
    description: Judges what this module has measured.
notes:
  - What it needs in the namespace of the release is in C(roles/model_server/files/rbac-benchmark.yml).
"""

EXAMPLES = r"""
- name: Measure at five requests per second for a minute
  llmops.kubernetes.serving_benchmark:
    name: chat
    namespace: llm
    phases:
      - name: steady
        load: {kind: poisson, rate_per_second: 5}
        stop: {duration_seconds: 60}
    workload:
      input: {distribution: lognormal, mean_tokens: 500}
      output: {mean_tokens: 128}
    request: {ignore_eos: true}
    request_slo: {ttft_ms_max: 500}
  register: measured

- name: Show the times to the first token
  ansible.builtin.debug:
    msg: "{{ measured.benchmark.phases[0].targets.service.ttft_ms }}"

- name: Compare both slots under the same load
  llmops.kubernetes.serving_benchmark:
    name: chat
    namespace: llm
    targets: [{slot: blue}, {slot: green}]
    phases:
      - load: {kind: closed, concurrency: 8}
        stop: {requests: 600}

- name: Measure, and keep the result
  llmops.kubernetes.serving_benchmark:
    name: chat
    namespace: llm
    phases:
      - load: {kind: constant, rate_per_second: 10}
        stop: {duration_seconds: 300}
    result_path: /tmp/reports/chat.json

- name: Look for the highest rate that meets the SLO
  llmops.kubernetes.serving_benchmark:
    name: chat
    namespace: llm
    sweep: {rate_min_per_second: 1, rate_max_per_second: 64, stop: {duration_seconds: 60}}
    slo: {ttft_p95_ms_max: 500, error_ratio_max: 0.001}
"""

RETURN = r"""
benchmark:
  description:
    - The whole result as data. C(phases[].targets.NAME) has C(requests), C(error_ratio), C(classes), C(ttft_ms),
      C(ttft_from_schedule_ms), C(itl_ms), C(tpot_ms), C(e2e_ms), C(tokens), C(throughput), C(goodput), C(lateness_ms),
      C(series) and C(samples); a figure that was not measured is null. C(definitions) says what each means.
  returned: when the run is over
  type: dict
inconclusive:
  description: Why the figures say nothing about the server; empty where the client kept up.
  returned: when the run is over
  type: list
  elements: str
  sample: ["phase steady: client too slow: it was busy for 0.81 of the time, limit 0.7"]
result_path:
  description: The file that holds the result.
  returned: when the run is over, with O(result_path)
  type: str
  sample: /tmp/reports/chat.json
started_at:
  description: When the run began.
  returned: when the run is over
  type: str
  sample: "2026-01-31T12:00:00+00:00"
finished_at:
  description: When it ended.
  returned: when the run is over
  type: str
  sample: "2026-01-31T12:01:30+00:00"
planned:
  description: From where, to which targets, and which load would be sent.
  returned: in check mode
  type: dict
waiting:
  description: State of a run that goes on.
  returned: at the end of a slice
  type: dict
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_schema import render_result
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_spec import parse_benchmark
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.interrupts import take_termination_for_interrupt
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.load_runner import ClusterRunner, ControllerRunner
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.report import check_folder, write_report
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.serving_benchmark import (
    BenchmarkRequest,
    LoadRunner,
    benchmark,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster

_SETTINGS = ("workload", "request", "slo", "request_slo", "limits", "client")
_TARGET = {
    "name": {"type": "str"},
    "slot": {"type": "str", "choices": ["blue", "green"]},
    "url": {"type": "str"},
    "model": {"type": "str"},
    "accelerators": {"type": "int"},
    "verify_certificate": {"type": "bool"},
    "api_key": {
        "type": "dict",
        "no_log": False,
        "options": {
            "secret": {"type": "str", "required": True, "no_log": False},
            "key": {"type": "str", "required": True, "no_log": False},
        },
    },
}
OPTIONS = Options(
    {
        "name": {"type": "str"},
        "namespace": {"type": "str"},
        "targets": {"type": "list", "elements": "dict", "default": [], "options": _TARGET},
        "phases": {"type": "list", "elements": "dict", "default": []},
        "sweep": {"type": "dict"},
        **{name: {"type": "dict", "default": {}} for name in _SETTINGS},
        "endpoint": {"type": "str", "choices": ["chat", "completions"], "default": "chat"},
        "stream": {"type": "bool", "default": True},
        "warmup_requests": {"type": "int"},
        "run_from": {"type": "str", "choices": ["cluster", "controller"], "default": "cluster"},
        "python": {"type": "str", "default": "python3"},
        "timeout_seconds": {"type": "int", "default": 3600},
        "result_path": {"type": "path"},
        "slice_seconds": {"type": "float"},
        "resume": {"type": "dict"},
    },
    {"required_together": (("name", "namespace"),)},
    above_zero=("timeout_seconds", "slice_seconds"),
    zero_or_more=("warmup_requests",),
).merge(cluster())

_OF_THE_CLIENT = ("phases", "sweep", *_SETTINGS, "endpoint", "stream", "warmup_requests")


def flow(params: Mapping[str, Any], check_mode: bool) -> Outcome:
    """Return what the module does with its parameters."""
    path = params["result_path"]
    if path:
        # Before the first request: what has been measured for an hour must not be lost for want of a folder.
        check_folder(path)
    has_release = params["name"] is not None
    settings = {name: params[name] for name in _OF_THE_CLIENT}
    spec = parse_benchmark(params["targets"], settings, has_release=has_release, run_from=params["run_from"])
    api, clock = open_cluster(params) if has_release else None, SystemClock()
    runner: LoadRunner = ControllerRunner(api, params["namespace"])
    if params["run_from"] == "cluster" and api is not None:
        runner = ClusterRunner(api, clock, params["python"])
    request = BenchmarkRequest(
        spec,
        params["name"],
        params["namespace"],
        params["timeout_seconds"],
        params["slice_seconds"],
        params["resume"] or {},
    )
    with take_termination_for_interrupt():
        outcome = benchmark(request, api, runner, clock, check_mode=check_mode)
    if not path or "benchmark" not in outcome.result:
        return outcome
    write_report(path, render_result(outcome.result["benchmark"]))
    return replace(outcome, result={**outcome.result, "result_path": path})


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
