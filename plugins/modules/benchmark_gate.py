#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_gate
short_description: Judge the result of a benchmark by limits and against a baseline
version_added: "0.1.0"
description:
  - Reads a result of M(llmops.kubernetes.serving_benchmark), C(vllm bench serve), guidellm, AIPerf or inference-perf,
    and judges it by criteria. It sends no load.
  - Counts come first. When no request has succeeded, when counts are missing, or when requests are unaccounted for, no
    latency is looked at - some tools write 0.0 ms and end with success when every request has failed. A value that is
    missing, null, NaN or over zero samples fails its criterion.
  - Unless a criterion says how many requests may fail (V(error_ratio), V(requests_failed) or V(requests_completed)),
    none may. A percentile that falls on a failed request fails.
  - A percentile needs enough samples to be bounded with 95 % confidence - 59 for a p95, 299 for a p99. With fewer, and
    for a run that was interrupted or whose client was too slow, the verdict is V(inconclusive).
  - Names mean the same for every tool. V(ttft) is the time to the first content, V(itl) the gap between two chunks,
    V(tpot) the time per token after the first, of a request, V(e2e) the whole request. What guidellm and AIPerf call
    inter-token latency is V(tpot).
options:
  path:
    description: The result file, on the host where the module runs.
    type: path
  result:
    description: The result as data, in place of O(path).
    type: dict
  target:
    description:
      - Which run is judged when there are several, by its name or its number from 0. A target of
        M(llmops.kubernetes.serving_benchmark), a strategy of guidellm, or a line of
        C(vllm bench serve --append-result).
    type: str
  every_run:
    description:
      - Judge all runs of the result by the same criteria, each target in each phase, in place of one O(target). The
        verdict is the worst of them.
      - Of a search for the highest rate only the best rate that was found counts, as the others are beyond it.
    type: bool
    default: false
  report_path:
    description:
      - File of this machine that gets the verdict and the result as one HTML page, with pictures. Its folder must
        exist. Beside it what this module returns is written as JSON, to the same name with V(-verdict.json) in place of
        V(.html), which O(baseline_path) reads.
      - A report is an output and no change - it is written in check mode too, and never C(changed).
    type: path
  criteria:
    description:
      - Limits that must hold, all of them.
    type: list
    elements: dict
    default: []
    suboptions:
      metric:
        description:
          - V(ttft_p95_ms), or with another of V(ttft), V(ttft_from_schedule), V(itl), V(tpot), V(e2e), V(connect), and
            of V(mean), V(min), V(max), V(p50), V(p99), V(p99_9) and so on.
          - V(throughput_requests_per_second), V(throughput_tokens_per_second) (output),
            V(throughput_total_tokens_per_second), V(goodput_requests_per_second), each also with V(_per_gpu) at its
            end.
          - V(goodput_ratio) and V(error_ratio) (of all requests), V(requests_completed), V(requests_failed),
            V(output_tokens), V(duration_seconds).
        type: str
      expression:
        description:
          - A JMESPath expression over the result as its tool wrote it, in place of a metric, such as
            V('"p99.9_ttft_ms"').
        type: str
      operator:
        description: How the observed value must relate to O(criteria[].value). Required.
        type: str
        choices: ["<", "<=", ">", ">="]
      value:
        description: The limit. Required.
        type: float
      unit:
        description:
          - The unit of the limit, by default the metric's own - V(ms) (or V(s), V(us)), V(ratio) (or V(percent)),
            V(requests/s), V(tokens/s).
          - For a relative criterion V(ratio) (1.1 is 1.1 times the baseline) or V(percent) (10 is 10 percent more than
            the baseline). Required then.
        type: str
      per_gpu:
        description: Divide by the number of GPUs.
        type: bool
        default: false
      relative:
        description:
          - The limit is relative to the baseline.
          - A percentile whose samples are known on both sides is compared by a test, so that noise is no regression.
            Targets of one result of M(llmops.kubernetes.serving_benchmark), which were interleaved request by request,
            are judged by the canary judge, with the limit as its margin; all such criteria share one error. A stored
            baseline is compared by its exceedances, and what is outside the limit but within noise is V(inconclusive).
            All else is judged by the limit alone, and the result says so.
        type: bool
        default: false
  slo:
    description:
      - Limits as a model server has them, a metric's name with V(_max) or V(_min), such as V(ttft_p95_ms_max). They are
        judged together with O(criteria).
    type: dict
    default: {}
  baseline_path:
    description: A file with the baseline - a result of the same tool, or what this module returned when it passed.
    type: path
  baseline:
    description: The baseline as data, in place of O(baseline_path).
    type: dict
  baseline_target:
    description: The run of the same result that is the baseline, named as for O(target).
    type: str
  baseline_release:
    description:
      - Take the last passed verdict that a release keeps in the cluster (in its ConfigMap, under the key
        C(benchmark_verdict)). While there is none, relative criteria are V(inconclusive).
    type: dict
    suboptions:
      name:
        description: Name of the release.
        type: str
        required: true
      namespace:
        description: Its namespace.
        type: str
        required: true
  gpus:
    description: The number of GPUs that served, above zero; by default what the result says.
    type: int
extends_documentation_fragment:
  - llmops.kubernetes.gate
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
  - llmops.kubernetes.attributes.read_only
notes:
  - The cluster is asked for O(baseline_release) only; all else needs none.
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.health_gate
"""

EXAMPLES = r"""
- name: Judge a result by the model server's own limits
  llmops.kubernetes.benchmark_gate:
    path: /tmp/chat.json
    slo:
      ttft_p95_ms_max: 500
      itl_p95_ms_max: 50
      error_ratio_max: 0.001
      throughput_tokens_per_second_per_gpu_min: 900
    gpus: 2

- name: No more than 10 percent slower than the release's last passed benchmark
  llmops.kubernetes.benchmark_gate:
    path: /tmp/chat.json
    criteria:
      - {metric: ttft_p95_ms, operator: "<=", value: 10, unit: percent, relative: true}
      - {metric: throughput_tokens_per_second, operator: ">=", value: 0.95, unit: ratio, relative: true}
    baseline_release: {name: chat, namespace: llm}

- name: Judge both targets of a result by the model server's limits, and write the page
  llmops.kubernetes.benchmark_gate:
    path: /tmp/reports/chat.json
    every_run: true
    slo: {ttft_p95_ms_max: 500, error_ratio_max: 0.001}
    report_path: /tmp/reports/chat.html

- name: What only one tool measures
  llmops.kubernetes.benchmark_gate:
    path: /tmp/vllm.json
    criteria:
      - {expression: '"p99.9_ttft_ms"', operator: "<=", value: 2000, unit: ms}
    fail_on: []
  register: benchmark

- name: Show it
  ansible.builtin.debug:
    var: benchmark.table
"""

RETURN = r"""
verdict:
  description: V(pass), V(fail) or V(inconclusive).
  returned: always
  type: str
  sample: pass
reasons:
  description: Why it is not V(pass); each names the criterion, what was observed and the limit.
  returned: always
  type: list
  elements: str
  sample: ["ttft_p95_ms is 612.4 ms, limit <= 500 ms (slo.ttft_p95_ms_max)"]
criteria:
  description: Each criterion with its own result.
  returned: always
  type: list
  elements: dict
  contains:
    criterion:
      description: The metric or expression.
      type: str
      returned: always
      sample: ttft_p95_ms
    limit:
      description: The limit in words.
      type: str
      returned: always
      sample: <= 500 ms
    observed:
      description: The value in the metric's unit, null when it is missing.
      type: float
      returned: always
      sample: 412.7
    baseline:
      description: The baseline's value, null when there is none or none is needed.
      type: float
      returned: always
      sample: 398.2
    result:
      description: V(pass), V(fail) or V(inconclusive).
      type: str
      returned: always
      sample: pass
    reason:
      description: Why; of a passed comparison, how far it can be trusted.
      type: str
      returned: always
runs:
  description: Each run with its own RV(verdict), RV(reasons), RV(criteria) and RV(observed), by its C(target).
  returned: with O(every_run)
  type: list
  elements: dict
observed:
  description:
    - What was measured, in one form for all tools; empty when the result could not be read, or when several runs were
      judged at once.
  returned: always
  type: dict
  contains:
    tool:
      description: The tool that measured.
      type: str
      returned: always
      sample: vllm bench serve
    tool_version:
      description: Its version, null when the file has none.
      type: str
      returned: always
    target:
      description: Which run was judged.
      type: str
      returned: always
    requests:
      description: Requests that were wanted, completed and failed; null for what the file does not say.
      type: dict
      returned: always
      sample: {requested: 400, completed: 400, failed: 0}
    errors:
      description: Failed requests by the tool's own words.
      type: dict
      returned: always
    duration_seconds:
      description: How long was measured; null when the file does not say.
      type: float
      returned: always
      sample: 60.0
    output_tokens:
      description: Tokens of all answers by the server's count; null when it is unknown.
      type: int
      returned: always
      sample: 6400
    metrics:
      description: All metrics by the names that criteria use.
      type: dict
      returned: always
      sample: {ttft_p95_ms: 412.7, error_ratio: 0.0}
    missing:
      description: Why a metric is missing, by its name.
      type: dict
      returned: always
    samples_behind:
      description: How many values a latency's figures are of, by V(ttft), V(itl), V(tpot), V(e2e).
      type: dict
      returned: always
      sample: {ttft: 400, itl: 6000}
    expressions:
      description: What each expression has found.
      type: dict
      returned: always
    gpus:
      description: The number of GPUs that figures were divided by; null when it is unknown.
      type: int
      returned: always
      sample: 2
    partial:
      description: Whether the run was interrupted.
      type: bool
      returned: always
    doubts:
      description: Why the run may say more of its client than of the server.
      type: list
      elements: str
      returned: always
    started_at:
      description: When the run began, as its tool wrote it; null when it did not.
      type: str
      returned: always
    finished_at:
      description: When the run ended.
      type: str
      returned: always
limits:
  description: The limits that were applied, with where they were written.
  returned: always
  type: list
  elements: dict
  sample: [{criterion: ttft_p95_ms, path: slo.ttft_p95_ms_max, operator: "<=", value: 500.0, unit: ms}]
samples:
  description: How many requests have completed, of all runs that were judged.
  returned: always
  type: int
  sample: 400
table:
  description: The criteria as lines of text, for people.
  returned: always
  type: list
  elements: str
schema:
  description: What this data is, for those who find it in a file.
  returned: always
  type: str
  sample: llmops.dev/benchmark-verdict/v1
report_path:
  description: The page that was written.
  returned: with O(report_path)
  type: str
  sample: /tmp/reports/chat.html
started_at:
  description: When the gate began; RV(observed) says when the run did.
  returned: always
  type: str
  sample: "2026-01-31T12:00:00+00:00"
finished_at:
  description: When the gate ended.
  returned: always
  type: str
  sample: "2026-01-31T12:00:00+00:00"
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.expressions import JmesPath
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.files import LocalFiles
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.report import write_report
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.benchmark_gate import (
    BenchmarkGateRequest,
    judge_benchmark,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster, gate

_PAGE = ".html"
_RELEASE = {"name": {"type": "str", "required": True}, "namespace": {"type": "str", "required": True}}

OPTIONS = Options(
    {
        "path": {"type": "path"},
        "result": {"type": "dict"},
        "target": {"type": "str"},
        "every_run": {"type": "bool", "default": False},
        "report_path": {"type": "path"},
        "criteria": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "metric": {"type": "str"},
                "expression": {"type": "str"},
                "operator": {"type": "str", "choices": ["<", "<=", ">", ">="]},
                "value": {"type": "float"},
                "unit": {"type": "str"},
                "per_gpu": {"type": "bool", "default": False},
                "relative": {"type": "bool", "default": False},
            },
        },
        "slo": {"type": "dict", "default": {}},
        "baseline_path": {"type": "path"},
        "baseline": {"type": "dict"},
        "baseline_target": {"type": "str"},
        "baseline_release": {"type": "dict", "options": _RELEASE},
        "gpus": {"type": "int"},
    },
    {
        "mutually_exclusive": (
            ("path", "result"),
            ("baseline_path", "baseline", "baseline_target", "baseline_release"),
        ),
        "required_one_of": (("path", "result"),),
    },
    above_zero=("gpus",),
).merge(gate(), cluster())


def flow(params: Mapping[str, Any], _check_mode: bool) -> Outcome:
    """Return what the module does with its parameters; check mode makes no difference."""
    request = BenchmarkGateRequest(**{name: params[name] for name in BenchmarkGateRequest.__dataclass_fields__})
    page_path = params["report_path"]
    if page_path and not page_path.endswith(_PAGE):
        raise InputError(
            [Problem("report_path", "is no name of an HTML page", page_path, f"a name that ends in {_PAGE}")]
        )
    judged = judge_benchmark(request, LocalFiles(), JmesPath(), SystemClock(), partial(open_cluster, params))
    if not page_path:
        return judged.outcome
    write_report(page_path, judged.render_page())
    verdict = json.dumps(judged.outcome.result, indent=1, ensure_ascii=False) + "\n"
    write_report(page_path[: -len(_PAGE)] + "-verdict.json", verdict)
    return replace(judged.outcome, result={**judged.outcome.result, "report_path": page_path})


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
