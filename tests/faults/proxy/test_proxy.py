# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy hurts exactly the requests that it was told to hurt, and passes the others byte for byte."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.faults.proxy.proxy import Fault, FaultProxy, Seen, run_proxy
from tests.support.processes import request


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    heard: list[str]

    def do_GET(self) -> None:
        self.heard.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"hello " * 100
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Real", "yes")
        self.end_headers()
        if self.path == "/watch":
            self.wfile.write(body[:6])
            self.wfile.flush()
            time.sleep(0.5)
            body = body[6:]
        self.wfile.write(body)

    do_POST = do_PATCH = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay quiet."""


@pytest.fixture(name="heard")
def _heard() -> list[str]:
    return []


@pytest.fixture(name="proxy")
def _proxy(heard: list[str]) -> Iterator[FaultProxy]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Echo", (_Echo,), {"heard": heard}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    with run_proxy(("127.0.0.1", server.server_address[1])) as proxy:
        yield proxy
    server.shutdown()
    server.server_close()
    thread.join()


def test_unhurt_requests_pass_whole_with_headers_and_body(proxy: FaultProxy, heard: list[str]) -> None:
    answer = request("127.0.0.1", proxy.port, "/a?b=c", {"x": 1})
    assert (answer.status, answer.json(), answer.headers["x-real"]) == (200, {"x": 1}, "yes")
    assert heard == ["POST /a?b=c"]
    assert proxy.seen == [Seen("POST", "/a?b=c", None, 200)]


def test_parts_of_a_watch_are_handed_on_at_once(proxy: FaultProxy) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
    started = time.monotonic()
    connection.request("GET", "/watch")
    response = connection.getresponse()
    assert response.read(6) == b"hello "
    assert time.monotonic() - started < 0.4
    response.read()
    connection.close()


def test_only_the_chosen_request_of_the_method_and_path_is_hurt(proxy: FaultProxy, heard: list[str]) -> None:
    proxy.set(Fault("status", method="POST", path="^/a$", nth=(2,), status=503))
    asked: list[tuple[str, dict[str, int] | None]] = [("/a", {}), ("/b", {}), ("/a", None), ("/a", {}), ("/a", {})]
    assert [request("127.0.0.1", proxy.port, path, body).status for path, body in asked] == [200, 200, 200, 503, 200]
    assert heard == ["POST /a", "POST /b", "GET /a", "POST /a"]


def test_a_status_carries_retry_after_and_never_reaches_the_server(proxy: FaultProxy, heard: list[str]) -> None:
    proxy.set(Fault("status", status=429, headers=(("Retry-After", "1"),), body=b"{}"))
    answer = request("127.0.0.1", proxy.port, "/")
    assert (answer.status, answer.headers["retry-after"], answer.body, heard) == (429, "1", b"{}", [])


@pytest.mark.parametrize(("kind", "reached"), [("reset", []), ("reset_after", ["PATCH /"])])
def test_a_reset_is_seen_before_or_after_the_server_did_it(
    proxy: FaultProxy, heard: list[str], kind: str, reached: list[str]
) -> None:
    proxy.set(Fault(kind))
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
    connection.request("PATCH", "/", b"x")
    with pytest.raises(ConnectionError):
        connection.getresponse()
    connection.close()
    assert heard == reached


@pytest.mark.parametrize(("kind", "reached"), [("stall", []), ("stall_after", ["GET /"])])
def test_a_stall_never_answers(proxy: FaultProxy, heard: list[str], kind: str, reached: list[str]) -> None:
    proxy.set(Fault(kind))
    with pytest.raises(TimeoutError):
        request("127.0.0.1", proxy.port, "/", seconds_max=0.3)
    assert heard == reached


def test_a_cut_answer_is_short(proxy: FaultProxy) -> None:
    proxy.set(Fault("cut"))
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        request("127.0.0.1", proxy.port, "/")


def test_without_a_number_every_matching_request_is_hurt(proxy: FaultProxy) -> None:
    proxy.set(Fault("status", nth=(), status=500))
    assert [request("127.0.0.1", proxy.port, "/").status for _rest in range(3)] == [500] * 3
