# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The traffic driver sees each class of loss, sends nothing twice, and counts whole answers as whole."""

from __future__ import annotations

import json
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.traffic import Load, Traffic, run_traffic
from tests.e2e.traffic_report import Expectation, Record, Report
from tests.support.processes import free_port, run_standin

QUICK = Load(2, 20, (3,), 0, 0.3, 0.3, 0.6)
NUMBERS = count()
Script = Callable[[socket.socket, dict[str, Any]], bool]


class _Handler(socketserver.StreamRequestHandler):
    script: Script

    def handle(self) -> None:
        """Answer the requests of one connection for as long as the script keeps it."""
        self.request.settimeout(5)
        length = 0
        with suppress(ConnectionError, TimeoutError):
            while line := self.rfile.readline():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
                elif line == b"\r\n" and not self.script(self.request, json.loads(self.rfile.read(length))):
                    return


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def shutdown_request(self, request: Any) -> None:
        """Close at once: an orderly end first would hide a reset."""
        self.close_request(request)


@contextmanager
def serve(script: Script) -> Iterator[int]:
    """Answer each request by ``script(connection, body)``, which tells whether to keep the connection."""
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"script": staticmethod(script)}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


def answer(body: dict[str, Any], text: str = "a b c", reason: str = "length", **more: Any) -> bytes:
    """Return the content of a whole or a streamed answer."""
    usage = {"prompt_tokens": 1, "completion_tokens": body["max_tokens"], "total_tokens": 4}
    base = {"id": f"chatcmpl-{next(NUMBERS)}", "model": "tiny", "system_fingerprint": "pod-1", "usage": usage, **more}
    if not body["stream"]:
        choice = {"index": 0, "message": {"content": text}, "finish_reason": reason}
        return json.dumps({**base, "choices": [choice]}).encode()
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
    return b"data: " + json.dumps({**base, "choices": [choice]}).encode() + b"\n\ndata: [DONE]\n\n"


def http(content: bytes, status: int = 200, headers: str = "", length: int | None = None) -> bytes:
    size = len(content) if length is None else length
    return f"HTTP/1.1 {status} X\r\nContent-Length: {size}\r\n{headers}\r\n".encode() + content


def say(make: Callable[[dict[str, Any]], bytes], keep: bool = True) -> Script:
    def script(connection: socket.socket, body: dict[str, Any]) -> bool:
        connection.sendall(make(body))
        return keep

    return script


def close(connection: socket.socket, body: dict[str, Any]) -> bool:
    return False


def stall(connection: socket.socket, body: dict[str, Any]) -> bool:
    time.sleep(1.5)
    return False


def stall_after_head(connection: socket.socket, body: dict[str, Any]) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    return stall(connection, body)


def stall_in_the_middle(connection: socket.socket, body: dict[str, Any]) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ndata: ")
    return stall(connection, body)


def reset(connection: socket.socket, body: dict[str, Any]) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def drive(port: int, load: Load = QUICK, seconds: float = 0.3, check_content: bool = True) -> Report:
    with run_traffic("127.0.0.1", port, "tiny", load, check_content=check_content) as traffic:
        time.sleep(seconds)
    return traffic.report


LOSSES: list[tuple[str, Script]] = [
    ("closed_before_answer", close),
    ("reset", reset),
    ("no_first_byte", stall),
    ("no_first_token", stall_after_head),
    ("answer_timeout", stall_in_the_middle),
    ("http_500", say(lambda _: http(b"cannot schedule new futures after shutdown", 500))),
    ("http_503", say(lambda _: http(b"", 503))),
    ("truncated", say(lambda body: http(answer(body)[:-20], length=500), keep=False)),
    ("finish_abort", say(lambda body: http(answer(body, reason="abort")))),
    ("finish_error", say(lambda body: http(answer(body, reason="error")))),
    ("error_in_answer", say(lambda body: http(answer(body, error={"message": "no"})))),
    ("too_few_tokens", say(lambda body: http(answer(body, usage={"completion_tokens": 2})))),
    ("no_usage", say(lambda body: http(answer(body, usage=None)))),
    ("wrong_model", say(lambda body: http(answer(body, model="other")))),
]


@pytest.mark.parametrize(("outcome", "script"), LOSSES, ids=[name for name, _rest in LOSSES])
def test_each_class_of_loss_is_seen_by_both_kinds_of_clients(outcome: str, script: Script) -> None:
    with serve(script) as port:
        report = drive(port)
    assert {record.outcome for record in report.records} == {outcome}
    assert {record.kept for record in report.dropped()} == {True, False}


def test_a_stream_without_done_is_truncated() -> None:
    with serve(say(lambda body: http(answer(body).replace(b"data: [DONE]\n\n", b"")))) as port:
        report = drive(port)
    assert {(r.expectation.stream, r.outcome) for r in report.records} == {(True, "truncated"), (False, "ok")}


def test_a_refused_connection_is_a_loss() -> None:
    assert set(drive(free_port()).summary()["classes"]) == {"connect_refused"}


def test_a_connection_that_is_never_made_is_a_loss() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # The queue of the listener is full from here on: the kernel answers no further connection.
        with socket.create_connection(listener.getsockname()):
            assert "connect_timeout" in drive(listener.getsockname()[1], seconds=0.6).summary()["classes"]


def test_an_identity_seen_twice_is_a_loss() -> None:
    with serve(say(lambda body: http(answer(body, id="chatcmpl-1")))) as port:
        report = drive(port)
    assert len(report.dropped()) == len(report.records) - 1
    assert set(report.summary()["classes"]) == {"duplicate_id"}


def test_other_content_is_a_loss_unless_it_may_differ() -> None:
    numbers = count()
    with serve(say(lambda body: http(answer(body, text=f"answer {next(numbers) // 4}")))) as port:
        assert set(drive(port).summary()["classes"]) == {"other_content"}
        assert drive(port, check_content=False).dropped() == []


def test_whole_answers_are_no_losses_and_connections_are_kept_or_not(tmp_path: Path) -> None:
    with run_standin(tmp_path, "--fingerprint-value", "pod-7", ttft_seconds=0, itl_seconds=0.001) as engine:
        report = drive(engine.port, Load(4, 20, (5, 30), long_tokens=200), seconds=1.5)
        served = engine.ask("/metrics").body.decode()
    data = report.summary()
    assert (data["dropped"], data["classes"]) == (0, {})
    assert set(data["pod"]) == {"pod-7"}
    assert set(data["tokens"]) == {"5", "30", "200"}
    assert {r.reused for r in report.records if not r.kept} == {False}
    kept = [r for r in report.records if r.kept]
    assert sum(not r.reused for r in kept) == 3  # one connection for each of the three clients that keep theirs
    assert 90 <= data["requests"] <= 180
    assert f'finished_reason="length",model_name="tiny"}} {float(data["requests"])}' in served


def test_connection_close_is_honoured_and_costs_nothing() -> None:
    with serve(say(lambda body: http(answer(body), headers="Connection: close\r\n"), keep=False)) as port:
        report = drive(port)
    assert report.dropped() == []
    assert not any(record.reused for record in report.records)


def test_a_kept_connection_that_ended_while_idle_is_opened_again() -> None:
    with serve(say(lambda body: http(answer(body)), keep=False)) as port:
        assert drive(port).dropped() == []


def test_a_loss_belongs_to_the_phase_in_which_it_was_seen() -> None:
    traffic = Traffic("127.0.0.1", 1, "tiny", QUICK)
    traffic.mark("change")
    record = Record(0, True, Expectation("tiny", 3, True), time.monotonic() - 5, time.monotonic(), outcome="reset")
    early = Record(0, True, Expectation("tiny", 3, True), 0, 1)
    traffic.report.records += [record, early]
    assert traffic.report.summary()["phase"] == {"before": [1, 0], "change": [1, 1]}
    assert "lost in change: reset (kept" in traffic.report.text()


def test_the_driver_is_on_time_at_hundreds_of_requests_per_second(tmp_path: Path) -> None:
    with run_standin(tmp_path, ttft_seconds=0, itl_seconds=0) as engine:
        report = drive(engine.port, Load(12, 20, (5,)), seconds=2)
    assert report.dropped() == []
    assert len(report.records) > 300
    assert report.loop_lag_p99_seconds() < 0.1
