# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that tests make: plain objects without a kubelet, on which no pod of any other test is scheduled.

The cluster's own controllers see that nobody reports for them and add their taints: these are other people's taints.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from tests.support.cluster import AuditLog, Cluster

__all__ = ["GPU", "KEEP_AWAY", "TestNodes", "make_nodes"]

GPU = "nvidia.com/gpu"
MARK = "llmops.dev/test-node"
KEEP_AWAY = {"key": MARK, "effect": "NoSchedule"}
# No test takes that long: what is older was left by a killed session.
STALE_SECONDS = 1800


class TestNodes:
    """Nodes of one test; ``word`` is the value of their label ``llmops.dev/test-node``, by which pools select them."""

    __test__ = False

    def __init__(self, cluster: Cluster, count: int) -> None:
        self.cluster = cluster
        # Who takes the first of all nodes by its name means a real one.
        self.word = f"zz-test-{uuid.uuid4().hex[:8]}"
        self.names = [f"{self.word}-{number}" for number in range(1, count + 1)]
        self.selector = {"label_selector": f"{MARK}={self.word}"}

    def make(self, labels: Mapping[str, str]) -> None:
        """Create them with these labels."""
        for name in self.names:
            meta = {"name": name, "labels": {MARK: self.word, **labels}}
            self.cluster.create({"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": {"taints": [KEEP_AWAY]}})
            self.set_gpus(name, 8)

    def set_gpus(self, name: str, count: int) -> None:
        """Set how many GPUs can be allocated on a node."""
        amounts = {"cpu": "8", "memory": "32Gi", "pods": "110", GPU: str(count)}
        change = {"status": {"allocatable": amounts, "capacity": amounts}}
        path = f"{self.cluster.path('Node', '', name)}/status"
        self.cluster.call("PATCH", path, change, "application/merge-patch+json")

    def get(self, name: str) -> dict[str, Any]:
        """Return a node that must be there."""
        found = self.cluster.get("Node", "", name)
        assert found is not None, f"node {name} is gone"
        return found

    def labels(self, name: str) -> dict[str, str]:
        """Return the labels of a node without those that it was made with."""
        labels: dict[str, str] = self.get(name)["metadata"]["labels"]
        return {key: value for key, value in labels.items() if key != MARK}

    def taints(self, name: str) -> set[str]:
        """Return ``key=value:effect`` of the taints of a node, without those of the cluster itself."""
        taints = self.get(name)["spec"].get("taints", [])
        return {
            f"{each['key']}={each.get('value', '')}:{each['effect']}"
            for each in taints
            if not each["key"].startswith("node.kubernetes.io/") and each != KEEP_AWAY
        }

    def keeps_others_away(self, name: str) -> bool:
        """Whether the taint is still there that the node was made with."""
        return KEEP_AWAY in self.get(name)["spec"].get("taints", [])

    def remove(self) -> None:
        """Delete them."""
        for name in self.names:
            self.cluster.delete("Node", "", name)

    def requests(self, audit: AuditLog, mark: tuple[int, int]) -> list[str]:
        """Return what our client asked since a mark, such as ``list nodes`` and ``patch nodes/n1``."""
        found = []
        for event in audit.since(mark):
            ref = event.get("objectRef", {})
            if event.get("userAgent") == "llmops.kubernetes":
                name = f"/{ref['name']}" if ref.get("name") else ""
                dry = " (dry run)" if "dryRun=All" in event["requestURI"] else ""
                found.append(f"{event['verb']} {ref.get('resource')}{name}{dry}")
        return found


def _remove_left_over(cluster: Cluster) -> None:
    for item in cluster.items("Node", selector=MARK):
        created = datetime.strptime(item["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ")
        if time.time() - created.replace(tzinfo=timezone.utc).timestamp() > STALE_SECONDS:
            cluster.delete("Node", "", item["metadata"]["name"])


@contextmanager
def make_nodes(cluster: Cluster, count: int, **labels: str) -> Iterator[TestNodes]:
    """Yield so many nodes with eight GPUs each; they are gone after the block, also on an error or an interrupt."""
    _remove_left_over(cluster)
    nodes = TestNodes(cluster, count)
    try:
        nodes.make(labels)
        yield nodes
    finally:
        nodes.remove()
