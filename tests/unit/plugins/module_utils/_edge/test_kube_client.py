# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's limits in time, held against a server on this machine that accepts and never answers."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.kube_client import KubeClient
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import cluster


@pytest.fixture(name="silent_url")
def _silent_url() -> Iterator[str]:
    """Return the address of a server whose kernel accepts connections and that never reads from them."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def open_client(url: str, **limits: float) -> KubeClient:
    options = {name: spec.get("default") for name, spec in cluster().spec.items()}
    return open_cluster({**options, "host": url, **limits})


def test_a_silent_server_ends_a_request_at_the_deadline_and_the_error_names_both_limits(silent_url: str) -> None:
    client = open_client(silent_url, deadline_seconds=0.5, read_timeout_seconds=20)
    started = time.monotonic()
    with pytest.raises(ClusterError) as raised:
        client.get("ConfigMap", "llm", "chat")
    assert time.monotonic() - started < 2
    assert "did not answer while reading ConfigMap llm/chat" in raised.value.message
    assert "read_timeout_seconds 20, deadline_seconds 0.5" in raised.value.message


def test_requests_that_have_not_begun_are_dropped_after_an_error(silent_url: str) -> None:
    client = open_client(silent_url, deadline_seconds=0.5, read_timeout_seconds=20)
    started = time.monotonic()
    with pytest.raises(ClusterError):
        client.side_by_side([lambda: client.get("ConfigMap", "llm", "chat")] * 40)
    assert time.monotonic() - started < 3
    assert client.attempts < 10


def test_a_request_after_the_deadline_is_tried_once(silent_url: str) -> None:
    client = open_client(silent_url, deadline_seconds=0.01, read_timeout_seconds=0.3)
    time.sleep(0.05)
    started = time.monotonic()
    with pytest.raises(ClusterError):
        client.get("ConfigMap", "llm", "chat")
    assert 0.25 < time.monotonic() - started < 1
    assert client.attempts == 1
