# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release with both slots rolled out, on a cluster and a clock in memory."""

from __future__ import annotations

import copy
import json
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_server import Request, deploy

from tests.unit.plugins.module_utils._domain.releases import DRAIN_TEXT, written
from tests.unit.plugins.module_utils._flows.memory import MemoryClock, MemoryCluster

__all__ = ["TwoSlots"]


class TwoSlots:
    """A release with both slots rolled out, blue the stable one."""

    def __init__(self) -> None:
        self.cluster, self.clock = MemoryCluster("llm"), MemoryClock()
        deploy(Request(parse_model_servers([written()]), DRAIN_TEXT), self.cluster)
        blue = copy.deepcopy(self.cluster.objects)
        for number, slot in enumerate(("blue", "green")):
            for kind in ("Deployment", "Service"):
                text = json.dumps(blue[kind, "llm", "chat-blue"]).replace("blue", slot)
                self.cluster.put({**json.loads(text), "kind": kind})
            self.cluster.find("Service", "llm", f"chat-{slot}")["spec"]["clusterIP"] = f"10.0.0.{number}"
            self.deployment(slot)["status"] = {"observedGeneration": 0, "updatedReplicas": 1}
            self.put_pod(slot, f"{slot}-1")

    def deployment(self, slot: str) -> dict[str, Any]:
        return self.cluster.find("Deployment", "llm", f"chat-{slot}")

    def put_pod(self, slot: str, name: str) -> None:
        """Show a ready pod of a slot."""
        metadata = {**copy.deepcopy(self.deployment(slot)["spec"]["template"]["metadata"]), "name": name}
        running = [{"name": "engine", "state": {"running": {}}, "started": True}]
        status = {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": running,
        }
        self.cluster.put({"kind": "Pod", "metadata": {**metadata, "namespace": "llm"}, "spec": {}, "status": status})

    def replace_pod(self, slot: str) -> None:
        """Let another pod take the place of the one that is there."""
        del self.cluster.objects["Pod", "llm", f"{slot}-1"]
        self.put_pod(slot, f"{slot}-2")
