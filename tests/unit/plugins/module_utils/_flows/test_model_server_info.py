# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding what runs, over a cluster in memory."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_data import render_canary
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_state import CanaryState
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.lock import Locking, take
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_server import Request, deploy
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_server_info import inspect_releases

from tests.unit.plugins.module_utils._domain.releases import DRAIN_TEXT, written
from tests.unit.plugins.module_utils._flows.memory import MemoryCluster
from tests.unit.plugins.module_utils._flows.running import Running


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


def test_what_is_recorded_and_who_holds_the_lock_is_told():
    running = Running()
    running.release(health={"verdict": "pass", "observed": {}})
    running.release({"replicas": 2}, health={"verdict": "pass", "observed": {}})
    (slot,) = inspect_releases(["llm"], running.cluster).result["model_servers"]
    assert (slot["number"], slot["lock"], slot["canary"], slot["restored_from"]) == (2, None, None, None)
    assert [(each["number"], each["verdicts"]) for each in slot["history"]] == [
        (1, {"health": "pass"}),
        (2, {"health": "pass"}),
    ]
    running.restore(1)
    running.record_restored()
    take(Locking("AWX job 7", 60), "llm", "chat", running.cluster, running.clock)
    outcome = inspect_releases(["llm"], running.cluster)
    (slot,) = outcome.result["model_servers"]
    assert (slot["number"], slot["history"][-1]["copy_of"], slot["restored_from"]) == (3, 1, 1)
    line = outcome.result["table"][1]
    assert "3 of 3" in line
    assert "AWX job 7 until 2026-01-01T12:01:10+00:00" in line
    running.cluster.denied.add(("get", "Lease"))
    assert inspect_releases(["llm"], running.cluster).result["model_servers"][0]["lock"] is None
    running.cluster.denied.clear()
    running.cluster.broken.add(("get", "Lease"))
    with pytest.raises(ClusterError, match="HTTP 500"):
        inspect_releases(["llm"], running.cluster)


def test_what_was_deployed_and_not_recorded_says_so():
    running = Running()
    running.release(health={"verdict": "pass", "observed": {}})
    assert "1 of 1" in inspect_releases(["llm"], running.cluster).result["table"][1]
    assert "health:pass" in inspect_releases(["llm"], running.cluster).result["table"][1]
    running.deploy({"engine.args": {"max_model_len": 4096}})
    line = inspect_releases(["llm"], running.cluster).result["table"][1].split()
    assert line[6:8] == ["none", "-"]


@pytest.mark.parametrize(("canary", "phase"), [("{}", "unknown"), (render_canary(CanaryState()), "idle")])
def test_the_phase_of_a_canary_is_told_and_one_that_cannot_be_read_hides_nothing_else(canary, phase):
    running = Running()
    running.deploy()
    running.state["canary"] = canary
    assert inspect_releases(["llm"], running.cluster).result["model_servers"][0]["canary"] == phase
