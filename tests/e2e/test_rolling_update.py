# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rolling update of two replicas of real vLLM under constant load: nothing is lost, and the test can see losses."""

from __future__ import annotations

import time
from typing import Any

from tests.e2e.conftest import MakeNamespace
from tests.e2e.releases import Places, vllm
from tests.e2e.traffic import Load, run_traffic
from tests.e2e.traffic_report import Report
from tests.support.cluster import Cluster
from tests.support.playbooks import run_module

LOAD = Load(clients=8, rate_per_client=2.0, tokens=(20, 60))
SETTLE_SECONDS = 3.0
REQUESTS_MIN = 200


def apply(cluster: Cluster, release: dict[str, Any]) -> None:
    """Deploy a release and wait until it answers."""
    kubeconfig = str(cluster.kubeconfig)
    made = run_module("model_server", {"model_servers": [release], "kubeconfig": kubeconfig})
    assert not made.get("failed"), made
    (described,) = made["model_servers"]
    gate = run_module(
        "health_gate",
        {
            "name": release["name"],
            "namespace": release["namespace"],
            "revision": described["revision"],
            "kubeconfig": kubeconfig,
            "run_from": "controller",
        },
    )
    assert gate["verdict"] == "pass", gate


def roll(cluster: Cluster, release: dict[str, Any]) -> Report:
    """Change a running release under load and return what the clients saw."""
    host, port = cluster.address(release["namespace"], release["name"])
    changed = {**release, "annotations": {"example.com/rolled": "yes"}}
    with run_traffic(host, port, release["name"], LOAD) as traffic:
        time.sleep(SETTLE_SECONDS)
        traffic.mark("roll-out")
        apply(cluster, changed)
        # Until the last old pod is gone: its clients are the ones that may lose.
        cluster.wait_ready(release["namespace"], release["name"], 2, 120)
        old = [pod for pod in cluster.items("Pod", release["namespace"]) if "deletionTimestamp" in pod["metadata"]]
        end = time.monotonic() + 60
        while old and time.monotonic() < end:
            time.sleep(0.5)
            old = [p for p in cluster.items("Pod", release["namespace"]) if "deletionTimestamp" in p["metadata"]]
        traffic.mark("after")
        time.sleep(SETTLE_SECONDS)
    return traffic.report


def test_a_rolling_update_of_real_vllm_loses_nothing(
    make_namespace: MakeNamespace, cluster: Cluster, places: Places
) -> None:
    namespace = make_namespace("roll")
    release = vllm("chat", namespace, places.models, replicas=2, drain={"endpoint_seconds": 8})
    apply(cluster, release)
    report = roll(cluster, release)
    assert len(report.records) >= REQUESTS_MIN, report.text()
    assert report.dropped() == [], report.text()
