# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drain middleware in a real uvicorn, with both of its HTTP parsers: nothing is lost, and nobody stays."""

from __future__ import annotations

import asyncio
import http.client
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._engine import drain_middleware

from tests.unit.plugins.module_utils._engine.draining_server import (
    STREAM,
    Server,
    run_server,
)


@pytest.fixture(params=["h11", "httptools"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """Return a running server that is not draining."""
    with run_server(tmp_path, request.param) as running:
        yield running


def test_before_the_drain_a_connection_is_kept_and_health_is_good(server):
    client = server.connect()
    for path in ("/answer", "/health", "/stream", "/answer"):
        answer = client.ask(path)
        assert answer.status == 200
        assert answer.headers.get("connection", "keep-alive") == "keep-alive"
        assert answer.body == (STREAM if path == "/stream" else path.encode())
    assert not client.is_closed_by_server(0.2)


def test_draining_the_next_answer_on_a_kept_connection_is_whole_and_ends_it(server):
    client = server.connect()
    assert client.ask().body == b"/answer"
    server.drain()
    answer = client.ask("/echo", b"question")
    assert (answer.status, answer.headers["connection"], answer.body) == (200, "close", b"question")
    assert client.is_closed_by_server(2)


def test_a_stream_that_runs_when_the_drain_begins_ends_whole_and_the_next_answer_ends_its_connection(server):
    client = server.connect()
    response = client.begin("/stream")
    first = response.read(len(b"data: 0\n\n"))
    server.drain()
    assert first + response.read() == STREAM
    answer = client.ask()
    assert (answer.headers["connection"], answer.body) == ("close", b"/answer")
    assert client.is_closed_by_server(2)


def test_a_stream_that_begins_while_draining_is_whole_and_ends_its_connection(server):
    server.drain()
    client = server.connect()
    with client.begin("/stream") as response:
        # The application's own header is replaced: two that contradict each other would be an error of the protocol.
        assert response.headers.get_all("connection") == ["close"]
        assert response.read() == STREAM
    assert client.is_closed_by_server(2)


def test_draining_new_connections_are_still_answered_and_then_closed(server):
    server.drain()
    for number in range(5):
        answer = server.connect().ask("/echo", b"%d" % number)
        assert (answer.status, answer.headers["connection"], answer.body) == (200, "close", b"%d" % number)


def test_draining_health_says_503_with_an_empty_body(server):
    server.drain()
    answer = server.connect().ask("/health")
    assert (answer.status, answer.headers["connection"], answer.body) == (503, "close", b"")
    assert answer.headers["content-length"] == "0"


def test_draining_a_failure_of_the_application_is_still_its_own_500(server):
    server.drain()
    assert server.connect().ask("/broken").status == 500
    assert server.connect().ask().status == 200


def test_sigterm_after_the_drain_lets_running_streams_end_whole_and_closes_idle_connections(server):
    idle = server.connect()
    assert idle.ask().status == 200
    server.drain()
    bodies: list[bytes] = []
    threads = [threading.Thread(target=lambda: bodies.append(server.connect().ask("/stream").body)) for _n in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    server.terminate()
    assert idle.is_closed_by_server(2)
    for thread in threads:
        thread.join(10)
    assert bodies == [STREAM] * 4
    # uvicorn ends by raising the signal that it got.
    assert server.process.wait(10) == -signal.SIGTERM


def test_no_request_is_lost_through_a_drain_with_clients_that_keep_their_connections(server):
    lost: list[str] = []
    answered: list[float] = []
    stop = threading.Event()

    def talk() -> None:
        client = server.connect()
        while not stop.is_set():
            try:
                answer = client.ask()
            except (OSError, http.client.HTTPException) as error:
                lost.append(repr(error))
                return
            answered.append(time.monotonic())
            if (answer.status, answer.body) != (200, b"/answer"):
                lost.append(f"HTTP {answer.status}")
            if answer.headers.get("connection") == "close":
                client = server.connect()

    threads = [threading.Thread(target=talk) for _n in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(0.4)
    server.drain()
    drained_at = time.monotonic()
    time.sleep(0.4)
    stop.set()
    for thread in threads:
        thread.join(10)
    assert lost == []
    assert sum(moment < drained_at for moment in answered) > 20
    assert sum(moment > drained_at for moment in answered) > 20


@pytest.mark.parametrize("parser", ["h11", "httptools"])
def test_an_idle_connection_is_closed_by_the_keep_alive_time_out_while_draining(tmp_path, parser):
    with run_server(tmp_path, parser, keep_alive_seconds=1) as server:
        client = server.connect()
        assert client.ask().status == 200
        server.drain()
        assert not client.is_closed_by_server(0.3)
        assert client.is_closed_by_server(3)


def test_a_file_that_a_container_before_left_behind_counts_for_nothing_until_it_is_touched_again(tmp_path):
    (tmp_path / "drain").touch()
    with run_server(tmp_path, "httptools") as server:
        client = server.connect()
        assert client.ask("/health").status == 200
        assert not client.is_closed_by_server(0.2)
        server.drain()
        assert client.ask("/health").status == 503


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
def test_other_protocols_pass_untouched_while_draining(tmp_path, monkeypatch, kind):
    (tmp_path / "drain").touch()
    monkeypatch.setattr(drain_middleware, "DRAIN_FILE", str(tmp_path / "drain"))
    seen: list[Any] = []

    async def application(*arguments: Any) -> None:
        seen.extend(arguments)

    scope, receive, send = {"type": kind, "path": "/health"}, object(), object()
    asyncio.run(drain_middleware.DrainMiddleware(application)(scope, receive, send))
    assert seen == [scope, receive, send]
