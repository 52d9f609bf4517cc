# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pretended nodes take the pods that are meant for them, no others, and leave nothing."""

from __future__ import annotations

from typing import Any

from tests.e2e.pods import render_pod
from tests.support.cluster import Cluster
from tests.support.kwok import LEASES, PRETENDED, TOLERATION, PretendedNodes
from tests.support.processes import wait_until

NODES = 20
PRODUCT = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
SECONDS_MAX = 60.0


def test_pretended_nodes_run_the_pods_that_tolerate_them_and_go_with_all_that_belongs_to_them(
    cluster: Cluster, namespace: str, pretended: PretendedNodes
) -> None:
    def status(name: str) -> dict[str, Any]:
        found: dict[str, Any] = (cluster.get("Pod", namespace, name) or {"status": {"phase": "gone"}})["status"]
        return found

    with pretended.make(NODES, labels=PRODUCT, gpus="8", memory="2Ti") as names:
        nodes = cluster.items("Node", selector="=".join(*PRODUCT.items()))
        assert sorted(node["metadata"]["name"] for node in nodes) == names
        assert {node["status"]["allocatable"]["nvidia.com/gpu"] for node in nodes} == {"8"}
        assert {node["status"]["allocatable"]["memory"] for node in nodes} == {"2Ti"}
        assert cluster.node not in names
        place = {"tolerations": [TOLERATION], "nodeSelector": {**PRETENDED, **PRODUCT}}
        cluster.create(render_pod(namespace, "meant", "", {"nvidia.com/gpu": "8"}, **place))
        cluster.create(render_pod(namespace, "stray", "", {"nvidia.com/gpu": "8"}))
        wait_until(lambda: status("meant")["phase"] == "Running", SECONDS_MAX, "the pod that is meant", 0.25)
        wait_until(lambda: status("stray").get("conditions"), SECONDS_MAX, "the scheduler's words", 0.25)
        assert "untolerated taint" in status("stray")["conditions"][0]["message"]
    assert status("meant")["phase"] == "gone"
    assert cluster.items("Node", selector="=".join(*PRODUCT.items())) == []
    assert not {lease["metadata"]["name"] for lease in cluster.items("Lease", LEASES)} & set(names)
