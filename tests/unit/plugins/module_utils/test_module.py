# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell of every module: what it hides, and what it refuses before a use case begins."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule

from tests.support.api_server import Asked, Reply, json_reply, run_api_server
from tests.support.playbooks import run_module
from tests.unit.plugins.module_utils._domain.releases import written

USER = {"name": "u", "user": {"token": "planted-token", "client-key-data": "planted-key"}}
KUBECONFIG = {"apiVersion": "v1", "kind": "Config", "current-context": "default", "users": [USER]}


def test_secrets_of_a_kubeconfig_that_is_data_are_neither_returned_nor_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[Any] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda _module, *words, **more: logged.append((words, more)))
    arguments = {"kubeconfig": KUBECONFIG, "model_servers": [written()], "state": "rendered"}
    result = run_module("model_server", arguments)
    text = json.dumps(result) + str(logged)
    assert result["invocation"]["module_args"]["kubeconfig"]["current-context"] == "default"
    assert "current-context" in str(logged)
    assert "planted" not in text
    assert '"apiVersion": "v1"' in text


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [("connect_timeout_seconds", -1, "a number above zero"), ("deadline_seconds", 0, "a number above zero")],
)
def test_a_time_that_is_none_is_refused_before_the_server_is_asked(option: str, value: float, allowed: str) -> None:
    arguments = {"host": "https://127.0.0.1:1", "model_servers": [written()], option: value}
    result = run_module("model_server", arguments)
    assert result["failed"]
    assert result["msg"] == f"{option}: is out of range (got {value}); allowed: {allowed}"
    assert result["details"] == {
        "problems": [{"path": option, "message": "is out of range", "value": str(value), "allowed": allowed}]
    }


def node(request: Asked) -> Reply:
    """Answer as the API server of a cluster with one node."""
    meta = {"name": "gpu-1", "resourceVersion": "7", "labels": {"accelerated": "yes"}}
    if request.method == "POST":
        return json_reply({"status": {"allowed": True}})
    return json_reply(
        {"metadata": {}, "items": [{"metadata": meta}]} if request.method == "GET" else {"metadata": meta}
    )


@pytest.mark.parametrize("diff", [False, True])
def test_a_diff_is_part_of_the_result_only_where_ansible_asks_for_it(diff: bool) -> None:
    with run_api_server(node) as api:
        pools = [{"name": "p", "selector": {"names": ["gpu-1"]}}]
        result = run_module("gpu_node", {"host": api.url, "pools": pools}, diff=diff)
    assert result["changed"]
    assert ("diff" in result) is diff
    assert [each.method for each in api.asked] == ["GET", "POST", "POST", "PATCH"]
    assert result["api_calls"] == 4


@pytest.mark.parametrize(("option", "value"), [("parallel_requests", 0), ("verify_seconds", -1.0)])
def test_numbers_of_nodes_and_seconds_have_their_limits(option: str, value: float) -> None:
    result = run_module("gpu_node", {"host": "https://127.0.0.1:1", "pools": [], option: value})
    assert result["msg"].startswith(f"{option}: is out of range")
