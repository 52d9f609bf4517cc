# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that runs in memory: each deployment is rolled out at once, by a pod for each replica."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.lock import Locking, Locks
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_server import deploy
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.recording import (
    Recording,
    record_releases,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.release import Request
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.rollback import (
    record_restored,
    restore_release,
)

from tests.unit.plugins.module_utils._domain.releases import DRAIN_TEXT, written
from tests.unit.plugins.module_utils._flows.memory import MemoryClock, MemoryCluster

ME = "me@desk:1"


class Running:
    """A cluster in memory and the moves of a deployment; ``image_id`` is what nodes say that pods run."""

    def __init__(self) -> None:
        self.cluster, self.clock = MemoryCluster("llm"), MemoryClock()
        self.image_id, self.holder, self.check_mode = "docker.io/vllm/vllm-openai@sha256:" + "a" * 64, ME, False

    def request(self, *changes: dict[str, Any]) -> Request:
        """Return a request for a release with each of these changes."""
        locks = Locks(Locking(self.holder, 60), self.cluster, self.clock)
        servers = parse_model_servers([self.spec(change) for change in changes])
        return Request(servers, DRAIN_TEXT, check_mode=self.check_mode, locks=locks)

    def spec(self, change: dict[str, Any]) -> dict[str, Any]:
        return written(change)

    def deploy(self, change: dict[str, Any] | None = None) -> Outcome:
        """Deploy, and roll out."""
        outcome = deploy(self.request(change or {}), self.cluster)
        self.roll_out()
        return outcome

    def roll_out(self) -> None:
        """Let a pod of the template be there for each replica, and no other one."""
        for key in [key for key in self.cluster.objects if key[0] == "Pod"]:
            del self.cluster.objects[key]
        deployment = self.deployment
        count = deployment["spec"]["replicas"]
        deployment["status"] = {"observedGeneration": 0, "updatedReplicas": count}
        for number in range(count):
            metadata = {**copy.deepcopy(deployment["spec"]["template"]["metadata"]), "name": f"chat-{number}"}
            running = [{"name": "engine", "state": {"running": {}}, "started": True, "imageID": self.image_id}]
            status = {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": running,
            }
            pod = {"kind": "Pod", "metadata": {**metadata, "namespace": "llm"}, "spec": {}, "status": status}
            self.cluster.put(pod)

    def record(self, change: dict[str, Any] | None = None, *, history_max: int = 10, **verdicts: Any) -> dict[str, Any]:
        """Record, and return what the result says of the release."""
        return self.recorded(change, history_max, **verdicts).result["releases"][0]  # type: ignore[no-any-return]

    def recorded(self, change: dict[str, Any] | None = None, history_max: int = 10, **verdicts: Any) -> Outcome:
        given = {gate: [result] for gate, result in verdicts.items()}
        specs = {("llm", "chat"): self.spec(change or {})}
        recording = Recording(self.request(change or {}), specs, self.holder, given, history_max)
        return record_releases(recording, self.cluster, self.clock)

    def release(self, change: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """Deploy and record."""
        self.deploy(change)
        return self.record(change, **more)

    def restore(self, to_revision: int | None = None) -> Outcome:
        """Roll back, and roll out."""
        outcome = restore_release("llm", "chat", to_revision, replace(self.request(), servers=()), self.cluster)
        self.roll_out()
        return outcome

    def record_restored(self) -> dict[str, Any]:
        recording = Recording(self.request(), {}, self.holder)
        outcome = record_restored("llm", "chat", recording, self.cluster, self.clock)
        return outcome.result["releases"][0]  # type: ignore[no-any-return]

    @property
    def deployment(self) -> dict[str, Any]:
        return self.cluster.find("Deployment", "llm", "chat-blue")

    @property
    def template(self) -> dict[str, Any]:
        return copy.deepcopy(self.deployment["spec"]["template"])

    @property
    def state(self) -> dict[str, str]:
        return self.cluster.find("ConfigMap", "llm", "chat-release")["data"]

    @property
    def holder_now(self) -> str | None:
        return self.cluster.find("Lease", "llm", "chat-release")["spec"].get("holderIdentity")
