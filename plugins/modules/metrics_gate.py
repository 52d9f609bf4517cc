#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: metrics_gate
short_description: Judge a slot of a release by its metrics in Prometheus
version_added: "0.1.0"
description:
  - Holds metrics of a slot against limits, and against the stable slot's at the same time. vLLM's metrics are known by
    the version of the engine, as their names change; queries of your own serve for everything else.
  - First it is asked whether the series exist, are fresh, and are of every pod. A query over nothing, over pods that
    are gone, or over some of the pods is V(inconclusive), never a pass.
  - Relative limits count only where both slots were about equally busy, as an idle slot is fast.
  - Quantiles out of Prometheus' buckets are coarse, and no test of significance. Where a canary is decided by latency,
    measure it at the client; this gate says whether something is plainly wrong.
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
    description:
      - The slot to judge. By default the stable one; where a metric has O(metrics[].tolerance_ratio) or
        O(metrics[].tolerance), the other.
    type: str
    choices: [blue, green]
  revision:
    description:
      - The revision that must run, as M(llmops.kubernetes.model_server) returns it; by default the one that is wanted.
    type: str
  prometheus_url:
    description:
      - Address of Prometheus, or of what speaks its HTTP API, as this module reaches it from where it runs.
    type: str
    required: true
  prometheus_token:
    description: A bearer token.
    type: str
  prometheus_username:
    description: User for basic authentication.
    type: str
  prometheus_password:
    description: Password for basic authentication.
    type: str
  prometheus_ca_cert:
    description: File with the authorities that its certificate must come from; by default the system's.
    type: path
  prometheus_timeout_seconds:
    description: Seconds that each query may take, above zero.
    type: float
    default: 10.0
  engine_version:
    description: The version of vLLM that names the metrics; by default the release's C(engine.version).
    type: str
  label_names:
    description:
      - Which labels of the series carry what. The scrape configuration must put them there. The defaults are what a
        PodMonitor of the Prometheus operator makes of
        C(podTargetLabels) V([app.kubernetes.io/instance, llmops.dev/slot, llmops.dev/revision]); by hand it takes
        C(relabel_configs) from C(__meta_kubernetes_namespace),
        C(__meta_kubernetes_pod_label_app_kubernetes_io_instance), C(__meta_kubernetes_pod_label_llmops_dev_slot) and
        C(__meta_kubernetes_pod_label_llmops_dev_revision).
      - An empty name leaves a label out. Without the revision's, pods of an older one count too.
    type: dict
    suboptions:
      namespace:
        description: Label with the namespace.
        type: str
        default: namespace
      instance:
        description: Label with the release's name.
        type: str
        default: app_kubernetes_io_instance
      slot:
        description: Label with the slot.
        type: str
        default: llmops_dev_slot
      revision:
        description: Label with the revision.
        type: str
        default: llmops_dev_revision
  selector:
    description: Further matchers, such as V(cluster="eu-1") where one Prometheus holds many clusters.
    type: str
    default: ''
  metrics:
    description: What is judged; each with O(metrics[].limit), a tolerance, or both.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - One of V(error_ratio) (requests that ended by C(abort) or C(error); a client that goes away is an abort),
            V(requests_waiting), V(requests_running), V(kv_cache_usage_ratio), V(preemptions_per_request),
            V(throughput_tokens_per_second) (of each engine), or a latency such as V(ttft_p95_ms) - V(ttft), V(itl),
            V(e2e) or V(queue), with a percentile such as V(p50) or V(p99_9).
          - Any other name together with O(metrics[].query) and O(metrics[].series).
        type: str
        required: true
      query:
        description:
          - A query of your own that gives one value. C($selector) stands for the matchers of the slot's series,
            C($window) for the time, such as V(avg(rate(my_total{$selector}[$window]))).
        type: str
      series:
        description: The name of the series that O(metrics[].query) needs.
        type: str
      direction:
        description: Which values are better; known for vLLM's metrics.
        type: str
        choices: [lower, higher]
      limit:
        description: The worst value that is allowed.
        type: float
      tolerance_ratio:
        description: How much worse than the stable slot's the value may be, as a share of that.
        type: float
      tolerance:
        description: How much worse it may be, in its own unit; both tolerances add up.
        type: float
      samples_min:
        description:
          - How many samples it takes - requests for latencies and ratios, scrapes for the others. V(10) by default.
        type: float
      nan:
        description:
          - What a value means that is no finite number, such as a ratio of nothing. V(skip) leaves the metric out;
            where all are left out the verdict is V(inconclusive). V(fail) and V(skip) count for too few samples without
            a value, too.
        type: str
        choices: [inconclusive, fail, skip]
        default: inconclusive
      critical:
        description: Whether it decides. Others are returned, and warned about.
        type: bool
        default: true
  window_seconds:
    description: The time that is looked at, in whole seconds above zero; at least four times the scrape interval.
    type: int
    default: 300
  age_max_seconds:
    description: How old the last sample of any engine may be, above zero.
    type: float
    default: 60.0
  load_drift_ratio_max:
    description: How far the requests for each engine may be apart, as a share of the stable slot's, to be compared.
    type: float
    default: 0.5
extends_documentation_fragment:
  - llmops.kubernetes.gate
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
  - llmops.kubernetes.attributes.read_only
notes:
  - In the namespace of the release it needs C(get) of C(configmaps), and C(list) of C(deployments) and C(pods). The
    deployer's Role of M(llmops.kubernetes.model_server) holds them.
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.health_gate
  - module: llmops.kubernetes.quality_gate
"""

EXAMPLES = r"""
- name: Nothing is plainly wrong
  llmops.kubernetes.metrics_gate:
    name: chat
    namespace: llm
    prometheus_url: https://prometheus.example.com
    prometheus_token: "{{ prometheus_token }}"
    metrics:
      - {name: error_ratio, limit: 0.01}
      - {name: ttft_p95_ms, limit: 500}
      - {name: kv_cache_usage_ratio, limit: 0.95, critical: false}

- name: The canary is no worse than the stable slot
  llmops.kubernetes.metrics_gate:
    name: chat
    namespace: llm
    prometheus_url: http://prometheus.monitoring:9090
    metrics:
      - {name: ttft_p95_ms, tolerance_ratio: 0.2, samples_min: 200}
      - {name: error_ratio, tolerance: 0.005}
      - name: tokens_per_answer
        query: sum(rate(vllm:generation_tokens_total{$selector}[$window])) /
          sum(rate(vllm:request_success_total{$selector}[$window]))
        series: vllm:generation_tokens_total
        direction: higher
        tolerance_ratio: 0.3
    fail_on: []
  register: metrics

- name: Say what is wrong
  ansible.builtin.debug:
    var: metrics.reasons
  when: metrics.verdict != 'pass'
"""

RETURN = r"""
verdict:
  description: V(pass), V(fail) or V(inconclusive).
  returned: always
  type: str
  sample: pass
reasons:
  description: Why it is not V(pass); each names the metric, what was observed and what was allowed.
  returned: always
  type: list
  elements: str
  sample: ["ttft_p95_ms of slot green is 812.5, slot blue has 240: at most 288 is allowed"]
observed:
  description: What was seen.
  returned: always
  type: dict
  contains:
    prometheus:
      description: Its address.
      type: str
      returned: always
    slots:
      description: Of each slot, the judged one first, its revision and pods, the matchers of its series, how many
        engines have series, the age of the oldest last sample in seconds, and the requests for each engine in the
        window.
      type: list
      elements: dict
      returned: always
    metrics:
      description: Of each metric its verdict (or V(skipped)), the reason, value, samples, the stable slot's value
        (RV(ignore:baseline)), and the worst value that was allowed.
      type: list
      elements: dict
      returned: always
limits:
  description: The limits that were in force.
  returned: always
  type: dict
samples:
  description: How many metrics had a value.
  returned: always
  type: int
  sample: 3
started_at:
  description: When the gate began.
  returned: always
  type: str
  sample: "2026-01-31T12:00:00+00:00"
finished_at:
  description: When it ended.
  returned: always
  type: str
  sample: "2026-01-31T12:00:01+00:00"
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.prometheus import Prometheus
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.metrics_gate import MetricsRequest, judge_metrics
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster, gate

LABEL_NAMES = {
    "namespace": "namespace",
    "instance": "app_kubernetes_io_instance",
    "slot": "llmops_dev_slot",
    "revision": "llmops_dev_revision",
}
OPTIONS = Options(
    {
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str", "required": True},
        "slot": {"type": "str", "choices": ["blue", "green"]},
        "revision": {"type": "str"},
        "prometheus_url": {"type": "str", "required": True},
        "prometheus_token": {"type": "str", "no_log": True},
        "prometheus_username": {"type": "str"},
        "prometheus_password": {"type": "str", "no_log": True},
        "prometheus_ca_cert": {"type": "path"},
        "prometheus_timeout_seconds": {"type": "float", "default": 10.0},
        "engine_version": {"type": "str"},
        "label_names": {
            "type": "dict",
            "options": {name: {"type": "str", "default": label} for name, label in LABEL_NAMES.items()},
        },
        "selector": {"type": "str", "default": ""},
        "metrics": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "name": {"type": "str", "required": True},
                "query": {"type": "str"},
                "series": {"type": "str"},
                "direction": {"type": "str", "choices": ["lower", "higher"]},
                "limit": {"type": "float"},
                "tolerance_ratio": {"type": "float"},
                "tolerance": {"type": "float"},
                "samples_min": {"type": "float"},
                "nan": {"type": "str", "choices": ["inconclusive", "fail", "skip"], "default": "inconclusive"},
                "critical": {"type": "bool", "default": True},
            },
        },
        "window_seconds": {"type": "int", "default": 300},
        "age_max_seconds": {"type": "float", "default": 60.0},
        "load_drift_ratio_max": {"type": "float", "default": 0.5},
    },
    {
        "required_together": (("prometheus_username", "prometheus_password"),),
        "mutually_exclusive": (("prometheus_username", "prometheus_token"),),
    },
    above_zero=("window_seconds", "age_max_seconds", "prometheus_timeout_seconds"),
    zero_or_more=("load_drift_ratio_max",),
).merge(gate(), cluster())

_OF_THE_GATE = (
    *("name", "namespace", "metrics", "slot", "revision", "engine_version", "selector", "window_seconds"),
    *("age_max_seconds", "load_drift_ratio_max", "fail_on"),
)


def flow(params: Mapping[str, Any], _check_mode: bool) -> Outcome:
    """Return what the module does with its parameters."""
    source = Prometheus(
        params["prometheus_url"],
        token=params["prometheus_token"],
        username=params["prometheus_username"],
        password=params["prometheus_password"],
        ca_file=params["prometheus_ca_cert"],
        timeout_seconds=params["prometheus_timeout_seconds"],
    )
    request = MetricsRequest(
        label_names=params["label_names"] or LABEL_NAMES, **{name: params[name] for name in _OF_THE_GATE}
    )
    return judge_metrics(request, open_cluster(params), source, SystemClock())


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
