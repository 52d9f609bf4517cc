# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding what runs, over a cluster in memory."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_server import Request, deploy
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_server_info import inspect_releases

from tests.unit.plugins.module_utils._domain.releases import DRAIN_TEXT, written
from tests.unit.plugins.module_utils._flows.memory import MemoryCluster


@pytest.fixture
def cluster() -> MemoryCluster:
    """Return a cluster with the namespaces llm and default."""
    return MemoryCluster("llm", "default")


def request(*changes: dict[str, Any]) -> Request:
    return Request(parse_model_servers([written(change) for change in changes or ({},)]), DRAIN_TEXT)


def test_releases_are_found_with_their_slots_by_their_labels_alone(cluster):
    deploy(request({"replicas": 2}, {"name": "other"}), cluster)
    cluster.find("Deployment", "llm", "chat-blue")["status"] = {"readyReplicas": 1, "updatedReplicas": 2}
    outcome = inspect_releases([], cluster)
    first, second = outcome.result["model_servers"]
    assert (first["name"], first["slot"], first["stable"], first["ready_replicas"]) == ("chat", "blue", True, 1)
    assert second["name"] == "other"
    assert [line.split()[:5] for line in outcome.result["table"]] == [
        ["NAMESPACE", "RELEASE", "SLOT", "STABLE", "READY"],
        ["llm", "chat", "blue", "yes", "1/2"],
        ["llm", "other", "blue", "yes", "0/1"],
    ]


def test_releases_are_looked_for_in_the_named_namespaces_only(cluster):
    deploy(request(), cluster)
    assert inspect_releases(["default"], cluster).result["model_servers"] == []
    assert len(inspect_releases(["default", "llm"], cluster).result["model_servers"]) == 1


def test_the_address_of_clients_is_told_and_unknown_to_who_may_not_list_services(cluster):
    deploy(request(), cluster)
    cluster.find("Service", "llm", "chat")["spec"]["clusterIP"] = "10.96.0.7"
    assert inspect_releases(["llm"], cluster).result["model_servers"][0]["address"] == "10.96.0.7:8000"
    cluster.denied.add(("list", "Service"))
    assert inspect_releases(["llm"], cluster).result["model_servers"][0]["address"] is None
    cluster.denied.add(("list", "Deployment"))
    with pytest.raises(ClusterError, match="list Deployment is forbidden"):
        inspect_releases(["llm"], cluster)
