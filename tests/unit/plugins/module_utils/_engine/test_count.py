# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counting which pods answer, with real HTTP servers on loopback."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._engine import count as counting

COUNTER = "vllm:request_success_total"


class Pod(http.server.BaseHTTPRequestHandler):
    """Counts what it answers, and does as its server is told."""

    server: Any

    def do_GET(self) -> None:
        lines = [f'{COUNTER}{{finished_reason="{reason}"}} {value}' for reason, value in self.server.counts.items()]
        self.answer(self.server.metrics_status, "# TYPE x counter\nother 5\n" + "\n".join(lines))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, self.headers["Host"], self.headers.get("x-llmops-slot")))
        if self.server.status == 200:
            self.server.counts["stop"] += 1
        self.answer(self.server.status, "{}")

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""


@contextmanager
def serve(status: int = 200, metrics_status: int = 200) -> Iterator[Any]:
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pod)
    server.status, server.metrics_status = status, metrics_status
    server.counts, server.seen = {"stop": 5.0, "length": 1.0}, []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def request(server: Any, **change: Any) -> dict[str, Any]:
    url = f"http://127.0.0.1:{server.server_port}"
    return {
        "pods": [{"name": "a", "url": url}],
        "target": {"url": url, "headers": {"Host": "llm.example.com", "x-llmops-slot": "green"}},
        "model": "chat",
        "endpoint": "completions",
        "requests": 6,
        "concurrency": 2,
        "timeout_seconds": 5.0,
        "seconds_max": 30.0,
        "watch_seconds": 0.0,
        **change,
    }


def test_requests_are_counted_by_the_pod_that_answers() -> None:
    with serve() as pod:
        seen = counting.count(request(pod), "")
    assert seen == {"before": {"a": 6.0}, "after": {"a": 12.0}, "sent": 6, "answered": 6, "failures": {}}
    assert pod.seen == [("/v1/completions", "llm.example.com", "green")] * 6


def test_chat_is_asked_where_it_is_wanted() -> None:
    with serve() as pod:
        counting.count(request(pod, endpoint="chat", requests=1), "")
    assert pod.seen[0][0] == "/v1/chat/completions"


def test_failures_are_told_by_kind() -> None:
    with serve(status=503) as pod:
        seen = counting.count(request(pod, requests=2), "")
    assert (seen["answered"], seen["failures"]) == (0, {"HTTP 503": 2})


def test_a_router_that_does_not_answer_is_a_failure_of_each_request() -> None:
    with serve() as pod:
        seen = counting.count(request(pod, requests=1, target={"url": "http://no-such-host.invalid"}), "")
    assert seen["answered"] == 0
    assert next(iter(seen["failures"])).startswith("gaierror: ")


@pytest.mark.parametrize("status", [404, 200])
def test_a_pod_without_the_counter_has_none(status: int) -> None:
    with serve(metrics_status=status) as pod:
        pod.counts = {}
        seen = counting.count(request(pod, requests=0), "")
    assert (seen["before"], seen["sent"]) == ({"a": None}, 0)


def test_a_pod_that_is_gone_has_no_counter() -> None:
    with serve() as pod:
        gone = [{"name": "b", "url": "http://no-such-host.invalid"}]
        seen = counting.count(request(pod, requests=0, pods=gone), "")
    assert seen["after"] == {"b": None}


def test_no_more_is_sent_when_the_time_is_over() -> None:
    with serve() as pod:
        seen = counting.count(request(pod, seconds_max=0.0), "")
    assert (seen["sent"], seen["answered"], pod.seen) == (0, 0, [])


def test_a_counter_that_comes_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "SETTLING_SECONDS_MAX", 0.3)
    with serve() as pod, serve() as other:
        pods = request(other)["pods"]
        seen = counting.count(request(pod, requests=1, pods=pods), "")
    assert (seen["answered"], seen["after"]) == (1, {"a": 6.0})
