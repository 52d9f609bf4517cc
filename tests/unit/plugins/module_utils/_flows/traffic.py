# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release with two slots in memory, and what counts for it as its pods would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import slot_selector

from tests.unit.plugins.module_utils._flows.memory import MemoryCluster

PORTS = [{"name": "http", "containerPort": 8000}]


def put_pods(cluster: MemoryCluster, slot: str, count: int, ready: str = "True") -> None:
    """Let a slot have so many pods; earlier ones are gone."""
    for key in [key for key in cluster.objects if key[0] == "Pod" and key[2].startswith(f"chat-{slot}-")]:
        del cluster.objects[key]
    for number in range(count):
        metadata = {
            "name": f"chat-{slot}-{number}",
            "namespace": "llm",
            "labels": slot_selector("chat", slot),
        }
        status = {"podIP": f"192.0.2.{number}", "conditions": [{"type": "Ready", "status": ready}]}
        cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})


def put_deployment(cluster: MemoryCluster, slot: str, replicas: int | None) -> None:
    """Put the Deployment of a slot."""
    containers = [{"name": "engine", "ports": PORTS}]
    spec = {"replicas": replicas, "template": {"spec": {"containers": containers}}}
    metadata = {"name": f"chat-{slot}", "namespace": "llm", "annotations": {"llmops.dev/served-name": "chat"}}
    cluster.put({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})


def make_release(blue: int = 1, green: int = 1) -> MemoryCluster:
    """Return a cluster with a release of so many replicas, all ready, and its Service."""
    cluster = MemoryCluster("llm")
    for slot, count in (("blue", blue), ("green", green)):
        put_deployment(cluster, slot, count)
        put_pods(cluster, slot, count)
    metadata = {"name": "chat", "namespace": "llm"}
    spec = {"clusterIP": "192.0.2.100", "selector": slot_selector("chat", "blue")}
    cluster.put({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    return cluster


class Counter:
    """Implements ``TrafficCounter``: answers are shared as told, by percentages of a slot's first pod."""

    def __init__(self, **percents: int) -> None:
        self.percents = percents
        self.requests: list[Mapping[str, Any]] = []
        self.change: dict[str, Any] = {}
        self.error: Exception | None = None

    def count(self, _deployment: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the observation of ``_engine/count.py``."""
        if self.error is not None:
            raise self.error
        self.requests.append(request)
        number = request["requests"]
        before = {pod["name"]: 7.0 for pod in request["pods"]}
        after = dict(before)
        for slot, percent in self.percents.items():
            after[f"chat-{slot}-0"] = 7.0 + number * percent / 100
        return {
            "before": before,
            "after": after,
            "sent": number,
            "answered": number,
            "failures": {},
            **self.change,
        }
