# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roll a model server over to another revision while clients ask it, and account for every request."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tests.e2e.traffic import Load, run_traffic
from tests.e2e.traffic_report import Report
from tests.support.cluster import Cluster
from tests.support.playbooks import run_module

__all__ = ["deploy_and_gate", "roll"]

SETTLE_SECONDS = 3.0
LEAVE_SECONDS_MAX = 120.0


def deploy_and_gate(cluster: Cluster, release: Mapping[str, Any]) -> None:
    """Deploy a release and wait until its gate passes."""
    kubeconfig = str(cluster.kubeconfig)
    made = run_module("model_server", {"model_servers": [release], "kubeconfig": kubeconfig})
    assert not made.get("failed"), made
    (described,) = made["model_servers"]
    asked = {"name": release["name"], "namespace": release["namespace"], "revision": described["revision"]}
    gate = run_module("health_gate", {**asked, "kubeconfig": kubeconfig, "run_from": "controller"})
    assert gate["verdict"] == "pass", gate


def roll(cluster: Cluster, release: Mapping[str, Any], load: Load, requests_min: int = 0) -> Report:
    """Deploy a changed release under load, until its old pods are gone and enough was asked; return the report."""
    namespace, name = release["namespace"], release["name"]
    host, port = cluster.address(namespace, name)
    with run_traffic(host, port, name, load) as traffic:
        time.sleep(SETTLE_SECONDS)
        traffic.mark("roll-out")
        deploy_and_gate(cluster, release)
        # Until the last old pod is gone: its clients are the ones that may lose.
        end = time.monotonic() + LEAVE_SECONDS_MAX
        while any("deletionTimestamp" in pod["metadata"] for pod in cluster.items("Pod", namespace)):
            assert time.monotonic() < end, (
                f"old pods of {namespace}/{name} are still there {LEAVE_SECONDS_MAX:g} s later"
            )
            time.sleep(0.5)
        traffic.mark("after")
        time.sleep(SETTLE_SECONDS)
        while len(traffic.report.records) < requests_min:
            time.sleep(0.5)
    return traffic.report
