# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that the kubelet restarts inside of its pod serves again, although its preStop hook has run."""

from __future__ import annotations

from tests.e2e.releases import standin, standin_configmap
from tests.support.cluster import Cluster
from tests.support.playbooks import run_module
from tests.support.processes import request, wait_until

PORT = 8000


def test_an_engine_that_liveness_restarts_does_not_go_on_draining(namespace: str, cluster: Cluster) -> None:
    cluster.create(standin_configmap(namespace))
    quick = {"liveness_period_seconds": 1, "liveness_failures": 2, "liveness_timeout_seconds": 1}
    release = standin("chat", namespace, probes=quick, drain={"endpoint_seconds": 1, "stream_seconds_max": 1})
    made = run_module("model_server", {"model_servers": [release], "kubeconfig": str(cluster.kubeconfig)})
    assert not made.get("failed"), made
    (pod,) = cluster.wait_ready(namespace, "chat", 1, 90)
    address = pod["status"]["podIP"]
    assert request(address, PORT, "/health").headers.get("connection") != "close"

    request(address, PORT, "/standin", {"dead": True})
    wait_until(lambda: sum(cluster.restarts(namespace).values()), 60, "a restart by the liveness probe", 0.5)

    (again,) = cluster.wait_ready(namespace, "chat", 1, 60)
    assert again["metadata"]["uid"] == pod["metadata"]["uid"]
    answer = request(address, PORT, "/health")
    assert (answer.status, answer.headers.get("connection")) == (200, None)
