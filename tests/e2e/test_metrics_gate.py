# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics gate with a real Prometheus that scrapes pods of the real cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.conftest import MakeNamespace
from tests.e2e.releases import Places, put_green_slot, standin, standin_configmap
from tests.support.cluster import AuditLog, Cluster
from tests.support.playbooks import run_module
from tests.support.processes import free_port, request, wait_until
from tests.support.prometheus import PrometheusServer, run_prometheus

TIMEOUT_SECONDS = 120
REQUESTS = 60
SLOW_SECONDS = 0.3
LABEL = "app_kubernetes_io_instance"
TTFT = {"name": "ttft_p95_ms", "limit": 250}
LIKE_STABLE = {"name": "ttft_p95_ms", "tolerance_ratio": 0.5}


@dataclass(frozen=True)
class Yard:
    """A namespace with releases that were asked something, and the Prometheus that has seen it.

    ``chat`` has a slow green slot, equally busy; ``lopsided`` a green slot that nobody asked; ``idle`` was never asked.
    """

    namespace: str
    places: Places
    prometheus: PrometheusServer

    def gate(self, name: str, *metrics: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Return the gate's result for a release."""
        arguments = {
            "kubeconfig": str(self.places.kubeconfig),
            "namespace": self.namespace,
            "name": name,
            "prometheus_url": self.prometheus.url,
            "metrics": list(metrics),
            "fail_on": [],
            **options,
        }
        return run_module("metrics_gate", arguments)


def ask(pod: dict[str, Any], count: int) -> None:
    """Send requests to a pod, several at a time."""
    name = pod["metadata"]["labels"]["app.kubernetes.io/instance"]
    body = {"model": name, "prompt": "hi", "max_tokens": 4}

    def once(_number: int) -> int:
        return request(pod["status"]["podIP"], 8000, "/v1/completions", body).status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(once, range(count))) <= {200}


@pytest.fixture(name="yard", scope="module")
def _yard(
    make_namespace: MakeNamespace, cluster: Cluster, places: Places, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Yard]:
    namespace = make_namespace("metrics")
    cluster.create(standin_configmap(namespace))
    servers = [standin(name, namespace) for name in ("chat", "lopsided", "idle")]
    result = run_module("model_server", {"kubeconfig": str(places.kubeconfig), "model_servers": servers})
    assert not result.get("failed"), result["msg"]
    put_green_slot(cluster, namespace, "chat", STANDIN_TTFT_SECONDS=str(SLOW_SECONDS))
    put_green_slot(cluster, namespace, "lopsided")
    pods = {name: cluster.wait_ready(namespace, name, count, TIMEOUT_SECONDS) for name, count in COUNTS.items()}
    everyone = [pod for each in pods.values() for pod in each]
    with run_prometheus(tmp_path_factory.mktemp("prometheus"), everyone) as prometheus:
        wait_until(
            lambda: (
                len(prometheus.query("count_over_time(vllm:num_requests_running[1m]) >= 2")) == sum(COUNTS.values())
            ),
            60,
            "two scrapes of every pod",
            0.5,
        )
        busy = [*pods["chat"], *(pod for pod in pods["lopsided"] if "blue" in pod["metadata"]["name"])]
        for pod in busy:
            ask(pod, REQUESTS)
        ended = f"sum by (pod) (vllm:request_success_total) == {REQUESTS}"
        wait_until(lambda: len(prometheus.query(ended)) == len(busy), 30, "scrapes of all requests", 0.5)
        yield Yard(namespace, places, prometheus)


COUNTS = {"chat": 2, "lopsided": 2, "idle": 1}


def test_a_slot_within_its_limits_passes_and_every_metric_of_vllm_is_found(yard: Yard) -> None:
    limits = {"requests_waiting": 5, "kv_cache_usage_ratio": 0.9, "error_ratio": 0, "preemptions_per_request": 0}
    latencies = {"ttft_p95_ms": 250, "itl_p95_ms": 100, "e2e_p95_ms": 1000, "queue_p50_ms": 50}
    metrics = [{"name": name, "limit": limit, "samples_min": 5} for name, limit in {**limits, **latencies}.items()]
    own = {
        "name": "tokens_per_answer",
        "query": "sum(increase(vllm:generation_tokens_total{$selector}[$window]))"
        " / sum(increase(vllm:request_success_total{$selector}[$window]))",
        "series": "vllm:generation_tokens_total",
        "direction": "higher",
        "limit": 3.9,
        "samples_min": 2,
    }
    throughput = {"name": "throughput_tokens_per_second", "limit": 0.1, "samples_min": 2}
    result = yard.gate("chat", *metrics, own, throughput, slot="blue")
    assert (result["verdict"], result["reasons"], result["changed"]) == ("pass", [], False), result
    (slot,) = result["observed"]["slots"]
    assert (slot["slot"], slot["engines"], len(slot["pods"])) == ("blue", 1.0, 1)
    assert slot["age_seconds"] < 10
    values = {each["name"]: each["value"] for each in result["observed"]["metrics"]}
    assert values["tokens_per_answer"] == pytest.approx(4, abs=0.01)
    assert 10 < values["ttft_p95_ms"] < 100


def test_a_slower_slot_fails_beside_the_stable_one(yard: Yard) -> None:
    result = yard.gate("chat", LIKE_STABLE, {"name": "error_ratio", "tolerance": 0.01}, fail_on=["fail"])
    assert (result["verdict"], result["failed"]) == ("fail", True), result
    ttft, errors = result["observed"]["metrics"]
    assert ttft["value"] > 1000 * SLOW_SECONDS * 0.8
    assert ttft["baseline"] < 100
    assert errors["verdict"] == "pass"
    assert "ttft_p95_ms of slot green is" in result["msg"]


def test_an_idle_slot_is_not_praised_for_being_fast(yard: Yard) -> None:
    result = yard.gate(
        "lopsided", {**LIKE_STABLE, "nan": "skip"}, {"name": "requests_waiting", "tolerance": 1, "samples_min": 2}
    )
    assert result["verdict"] == "inconclusive", result
    assert "slot green had 0 requests for each engine, slot blue" in result["reasons"][0]


def test_no_traffic_is_no_pass(yard: Yard) -> None:
    result = yard.gate("idle", TTFT)
    assert result["verdict"] == "inconclusive", result
    assert "ttft_p95_ms of slot blue has 0 samples in the window, at least 10 are wanted" in result["reasons"]
    assert yard.gate("idle", {**TTFT, "nan": "fail"})["verdict"] == "fail"
    assert yard.gate("idle", {**TTFT, "nan": "skip"})["verdict"] == "inconclusive"


def test_series_under_other_labels_are_no_pass_and_told_so(yard: Yard) -> None:
    result = yard.gate("chat", TTFT, label_names={"slot": "no_such_label"})
    assert result["verdict"] == "inconclusive"
    assert "slot blue has 1 ready pods, and series of none are there" in result["reasons"][0]
    assert "but with other labels" in result["observed"]["metrics"][0]["reason"]


def test_names_of_another_version_are_no_pass_and_told_so(yard: Yard) -> None:
    result = yard.gate("chat", {"name": "kv_cache_usage_ratio", "limit": 1}, engine_version="0.9.0")
    assert result["verdict"] == "inconclusive"
    assert "has no series vllm:gpu_cache_usage_perc{" in result["reasons"][0]
    assert "but vllm:kv_cache_usage_perc: is engine_version right?" in result["reasons"][0]


def test_old_data_is_no_pass(yard: Yard) -> None:
    result = yard.gate("chat", TTFT, age_max_seconds=0.000001)
    assert result["verdict"] == "inconclusive"
    assert "the oldest last sample of slot blue is" in result["reasons"][0]


def test_a_query_that_prometheus_refuses_or_cannot_be_sent_is_no_pass(yard: Yard) -> None:
    wrong = {"name": "m", "query": "sum(up{$selector}", "series": "up", "direction": "lower", "limit": 1}
    result = yard.gate("chat", wrong)
    assert result["verdict"] == "inconclusive"
    assert "bad_data" in result["reasons"][0]
    gone = yard.gate("chat", TTFT, prometheus_url=f"http://127.0.0.1:{free_port()}")
    assert gone["verdict"] == "inconclusive"
    assert "ConnectionRefusedError" in gone["reasons"][0]


def test_the_gate_writes_nothing(yard: Yard, audit: AuditLog) -> None:
    mark = audit.mark()
    yard.gate("chat", TTFT)
    assert audit.writes(mark, yard.namespace) == []
