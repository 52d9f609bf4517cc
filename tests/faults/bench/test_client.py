# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load client over real sockets: every fault is in its class, times are right, and nothing is lost.

Faults that the stand-in engine can produce come from it; those that no server produces on purpose come from a server
that sends exactly the bytes of a test.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils import _bench
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench import command as program
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench import run as runs
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench import transport, wire
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.run import run_benchmark
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.settings import parse_settings

from tests.support.processes import StandIn, free_port, run_standin
from tests.support.scripted_server import (
    DONE,
    END,
    HEAD,
    STREAM,
    ScriptedServer,
    Step,
    chunk,
    delta,
    event,
    scripted,
    usage,
    whole,
)
from tests.support.tls import make_certificate

PACKAGE = Path(next(iter(_bench.__path__)))
CLOSED = {"kind": "closed", "concurrency": 2}


def settings(url: str | list[str], requests: int = 4, **change: Any) -> dict[str, Any]:
    urls = [url] if isinstance(url, str) else url
    return {
        "targets": [{"name": f"t{number}", "url": each, "model": "tiny"} for number, each in enumerate(urls)],
        "request": {"ignore_eos": True},
        "workload": {"output": {"mean_tokens": 8}},
        "warmup_requests": 0,
        "phases": [{"name": "one", "load": CLOSED, "stop": {"requests": requests}}],
        **change,
    }


def run(url: str | list[str], requests: int = 4, **change: Any) -> dict[str, Any]:
    return run_benchmark(parse_settings(settings(url, requests, **change)), lambda _progress: None)


def figures(result: dict[str, Any], target: str = "t0", phase: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = result["phases"][phase]["targets"][target]
    return found


def address(engine: StandIn) -> str:
    return f"http://127.0.0.1:{engine.port}"


@pytest.fixture(name="engine")
def _engine(tmp_path: Path) -> Iterator[StandIn]:
    with run_standin(tmp_path, ttft_seconds=0.02, itl_seconds=0.004) as engine:
        yield engine


# Faults of an engine


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"truncate_after_tokens": 3}, "closed_early"),
        ({"finish_reason": "abort"}, "finish_abort"),
        ({"finish_reason": "error"}, "finish_error"),
        ({"error_share": 1.0}, "http_500"),
        ({"dead": True}, "http_500"),
        ({"model_id": "other"}, "http_404"),
        ({"frozen": True}, "timeout"),
    ],
)
def test_every_fault_of_an_engine_is_a_failure_of_its_class(engine: StandIn, fault: dict[str, Any], kind: str) -> None:
    engine.set(**fault)
    found = figures(run(address(engine), limits={"request_seconds_max": 0.5}))
    assert found["classes"] == {kind: 4}
    assert found["requests"] == {"issued": 4, "ok": 0, "without_usage": 0, "failed": 4, "lost": 0}
    assert (found["ttft_ms"], found["itl_ms"], found["tokens"], found["error_ratio"]) == (None, None, None, 1.0)


def test_answers_without_usage_count_for_times_and_not_for_tokens(engine: StandIn) -> None:
    engine.set(missing_usage=True)
    found = figures(run(address(engine)))
    assert (found["classes"], found["requests"]["ok"]) == ({"missing_usage": 4}, 0)
    assert (found["ttft_ms"]["count"], found["tokens"]) == (4, None)


def test_some_failures_are_told_beside_the_successes(engine: StandIn) -> None:
    engine.set(error_share=0.5)
    found = figures(run(address(engine), 40))
    assert found["requests"]["ok"] + found["requests"]["failed"] == 40
    assert 0.2 < found["error_ratio"] < 0.8
    assert found["ttft_ms"]["count"] == found["requests"]["ok"]
    assert "EngineCore encountered an issue" in found["examples"]["http_500"]


def test_a_dead_engine_is_not_measured_after_the_warm_up(engine: StandIn) -> None:
    engine.set(dead=True)
    result = run(address(engine), warmup_requests=2)
    assert result["phases"] == []
    assert "no warm-up request was answered" in result["inconclusive"][0]
    assert "http_500 2 times (EngineCore encountered an issue" in result["inconclusive"][0]


def test_a_model_that_is_not_served_is_told_with_those_that_are(engine: StandIn) -> None:
    engine.set(model_id="llama")
    result = run(address(engine), warmup_requests=2)
    assert "t0 serves llama and not tiny" in result["inconclusive"][0]


@pytest.mark.parametrize("body", [b"{}", b'{"data": 1}', b"<html>"])
def test_a_server_that_does_not_tell_its_models_is_told_as_it_answered(body: bytes) -> None:
    for status in (b"200 OK", b"404 Not Found"):
        length = str(len(body)).encode()
        with scripted(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n") as server:
            answer = server._answer

            def listing(
                connection: socket.socket,
                server: ScriptedServer = server,
                answer: Callable[[socket.socket], bool] = answer,
                head: bytes = b"HTTP/1.1 " + status + b"\r\ncontent-length: " + length + b"\r\n\r\n",
            ) -> bool:
                if not server.requests[-1].startswith(b"GET "):
                    return answer(connection)
                connection.sendall(head + body)
                return True

            server._answer = listing  # type: ignore[method-assign]
            result = run(server.url, warmup_requests=1)
        assert result["inconclusive"][0].endswith("so nothing was measured: http_404 1 times")
        assert b"GET /v1/models HTTP/1.1" in server.requests[-1]


# Faults that no server has on purpose


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ([STREAM, delta("a"), "reset"], "reset"),
        (["close"], "closed_early"),
        ([STREAM, delta("a"), delta("b", "stop"), usage(2), DONE, "close"], "closed_early"),
        ([STREAM, delta("a"), END], "missing_finish_reason"),
        ([STREAM, delta("a", "stop"), usage(1), END], "truncated"),
        ([STREAM, delta("a"), event(error={"message": "out of memory"}), DONE, END], "stream_error"),
        ([STREAM, delta("a", "stop", "other"), usage(1), DONE, END], "wrong_model"),
        ([STREAM, delta("", "stop"), usage(1), DONE, END], "no_content"),
        ([b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"], "redirect"),
        ([b"HTTP/1.1 429 Too Many\r\nretry-after: 1\r\ncontent-length: 4\r\n\r\nbusy"], "http_429"),
        ([b"SSH-2.0-OpenSSH\r\n\r\n"], "malformed"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"], "malformed"),
        ([STREAM, chunk(b"data: {\n\n"), DONE, END], "malformed"),
        ([STREAM, delta("a"), 0.7, delta("b")], "timeout"),
    ],
)  # fmt: skip
def test_every_broken_answer_is_a_failure_of_its_class(steps: list[Step], kind: str) -> None:
    with scripted(*steps) as server:
        found = figures(run(server.url, limits={"request_seconds_max": 0.5}))
    assert found["classes"] == {kind: 4}
    assert found["requests"] == {"issued": 4, "ok": 0, "without_usage": 0, "failed": 4, "lost": 0}
    assert (found["ttft_ms"], found["e2e_ms"]) == (None, None)
    assert len(server.requests) == 4


def test_an_endless_line_ends_at_its_bound() -> None:
    with scripted(STREAM, *[chunk(b"x" * 65536)] * 64, 5.0) as server:
        found = figures(run(server.url, 2))
    assert found["classes"] == {"too_large": 2}
    assert found["duration_seconds"] < 4


def test_a_server_that_is_not_there_is_connect_failed() -> None:
    result = run(f"http://127.0.0.1:{free_port()}")
    assert figures(result)["classes"] == {"connect_failed": 4}


def test_a_server_that_accepts_nobody_is_connect_timeout() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # The queue is full with these; further connections are neither taken nor refused.
        queued = [socket.socket() for _number in range(4)]
        for each in queued:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        time.sleep(0.05)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        found = figures(run(url, 2, limits={"connect_seconds_max": 0.3}))
        for each in queued:
            each.close()
    assert found["classes"] == {"connect_timeout": 2}


def test_a_name_that_does_not_resolve_is_connect_failed() -> None:
    assert figures(run("http://no-such-host.invalid", 2))["classes"] == {"connect_failed": 2}


# Whole answers in every form


@pytest.mark.parametrize("size", [1, 7, 100])
def test_an_answer_in_any_pieces_is_the_same(size: int) -> None:
    content = b"".join(each for each in whole("a", "b", "c") if isinstance(each, bytes))
    steps: list[Step] = [content[begin : begin + size] for begin in range(0, len(content), size)]
    with scripted(*steps) as server:
        found = figures(run(server.url))
        assert server.connections == 2
    assert (found["requests"]["ok"], found["tokens"]) == (4, {"prompt": 36, "output": 12})


def test_a_stream_that_ends_with_its_connection_is_whole() -> None:
    # Without the sizes and ends of chunks.
    body = b"".join(each.partition(b"\r\n")[2][:-2] for each in (delta("a", "stop"), usage(1), DONE))
    with scripted(HEAD + b"connection: close\r\n\r\n" + body, "close") as server:
        found = figures(run(server.url))
        assert server.connections == 4
    assert (found["requests"]["ok"], found["classes"]) == (4, {})


@pytest.mark.parametrize("endpoint", ["chat", "completions"])
@pytest.mark.parametrize("stream", [True, False])
def test_both_endpoints_are_asked_with_and_without_streams(engine: StandIn, endpoint: str, stream: bool) -> None:
    found = figures(run(address(engine), endpoint=endpoint, stream=stream))
    assert (found["requests"]["ok"], found["tokens"]["output"]) == (4, 32)
    assert (found["ttft_ms"] is not None, found["e2e_ms"]["count"]) == (stream, 4)


def test_two_events_in_one_read_have_one_time_and_are_told() -> None:
    with scripted(STREAM, delta("a"), 0.03, delta("b") + delta("c", "stop"), usage(3), DONE, END) as server:
        found = figures(run(server.url))
    assert found["merged_reads_ratio"] == 0.5
    assert found["itl_ms"]["min"] == 0.0


def test_several_tokens_in_an_event_are_told_apart_from_events() -> None:
    parts: list[Step] = [each for _number in range(4) for each in (0.04, delta("a b c d"))]
    with scripted(STREAM, *parts, delta("e", "stop"), usage(17), DONE, END) as server:
        found = figures(run(server.url, 2))
    assert found["itl_ms"]["p90"] == pytest.approx(40, abs=8)
    assert found["tpot_ms"]["p50"] == pytest.approx(120 / 16, abs=2)


# Times


def test_times_agree_with_those_that_the_server_noted_within_two_milliseconds() -> None:
    steps: list[Step] = [STREAM, delta(""), 0.1, delta("a"), 0.02, delta("b"), 0.02, delta("c", "stop"), usage(3)]
    with scripted(*steps, DONE, END) as server:
        found = figures(run(server.url, 20))
        times = server.times
    assert len(times) == 20
    # Pieces: request read, head, role, a, b, c, usage, [DONE], end.
    truth = {
        "ttft": [each[3] - each[0] for each in times],
        "itl": [after - before for each in times for before, after in zip(each[3:5], each[4:6])],
        "tpot": [(each[5] - each[3]) / 2 for each in times],
        "e2e": [each[7] - each[0] for each in times],
    }
    for name, values in truth.items():
        assert found[f"{name}_ms"]["p50"] == pytest.approx(1000 * statistics.median(values), abs=2), name
        assert found[f"{name}_ms"]["count"] == len(values)


def test_an_open_load_does_not_wait_for_a_slow_server() -> None:
    """Coordinated omission: 40 requests per second to a server that takes 0.5 s are sent when they are due."""
    load = {"kind": "constant", "rate_per_second": 40}
    with scripted(0.5, *whole("a")) as server:
        phases = [{"name": "one", "load": load, "stop": {"duration_seconds": 1.0}}]
        result = run(server.url, phases=phases, client={"lateness_p99_ms_max": 50, "lag_p99_ms_max": 50})
    found = figures(result)
    assert found["requests"]["issued"] == 41
    assert found["lateness_ms"]["p50"] < 5
    assert found["ttft_from_schedule_ms"]["p50"] == pytest.approx(500, abs=30)
    assert (result["phases"][0]["closed_loop"], result["phases"][0]["inconclusive"]) == (False, [])


def test_a_cap_makes_a_closed_loop_and_the_result_says_so() -> None:
    phases = [{"name": "one", "load": {"kind": "constant", "rate_per_second": 40}, "stop": {"requests": 20}}]
    with scripted(0.1, *whole("a")) as server:
        result = run(server.url, phases=phases, limits={"max_in_flight": 1})
    phase = result["phases"][0]
    assert phase["closed_loop"]
    assert any("max_in_flight (1) held requests back" in doubt for doubt in phase["inconclusive"])
    assert (figures(result)["requests"]["ok"], server.connections) == (20, 1)
    # The waiting in the client is in the figure from the schedule, and in no other.
    assert figures(result)["ttft_ms"]["p50"] == pytest.approx(100, abs=10)
    assert figures(result)["ttft_from_schedule_ms"]["max"] > 1000


# Kinds of runs


def test_two_targets_get_the_same_requests_in_turns() -> None:
    with scripted(*whole("a")) as first, scripted(0.05, *whole("a")) as second:
        result = run([first.url, second.url], 10)
        bodies = [[each.partition(b"\r\n\r\n")[2] for each in server.requests] for server in (first, second)]
    assert sorted(bodies[0]) == sorted(bodies[1])
    assert len(set(bodies[0])) == 10
    assert [figures(result, name)["requests"]["issued"] for name in ("t0", "t1")] == [10, 10]


def test_two_targets_of_an_open_load_are_asked_at_the_same_due_times() -> None:
    load = {"kind": "poisson", "rate_per_second": 50}
    with scripted(*whole("a")) as first, scripted(*whole("a")) as second:
        result = run([first.url, second.url], phases=[{"name": "one", "load": load, "stop": {"requests": 20}}])
    dues = [figures(result, name)["samples"]["due_us"] for name in ("t0", "t1")]
    assert dues[0] == dues[1]
    assert dues[0] == sorted(set(dues[0]))


def test_the_warm_up_is_in_no_figure(engine: StandIn) -> None:
    result = run(address(engine), 6, warmup_requests=None)
    assert result["warmup"] == {"requests": 2, "ok": 2, "classes": {}, "examples": {}}
    assert figures(result)["requests"]["issued"] == 6
    assert figures(result)["connect_ms"] is None


def test_a_phase_ends_when_the_interval_is_narrow_enough() -> None:
    stop = {
        "requests": 5000,
        "confidence": {"metric": "ttft", "statistic": "mean", "requests_min": 20, "width_ratio_max": 0.5},
    }
    with scripted(0.01, *whole("a")) as server:
        result = run(server.url, phases=[{"name": "one", "load": CLOSED, "stop": stop}])
    assert result["phases"][0]["stopped_by"] == "confidence"
    assert 20 <= figures(result)["requests"]["issued"] < 1000


def test_a_duration_ends_a_closed_loop_and_what_is_in_flight_is_waited_for() -> None:
    with scripted(0.2, *whole("a")) as server:
        result = run(server.url, phases=[{"name": "one", "load": CLOSED, "stop": {"duration_seconds": 0.5}}])
    assert result["phases"][0]["stopped_by"] == "duration_seconds"
    found = figures(result)["requests"]
    # Three rounds of two begin within 0.5 s on a machine that is not busy with something else.
    assert 2 <= found["issued"] <= 6
    assert (found["ok"], found["failed"], found["lost"]) == (found["issued"], 0, 0)
    assert figures(result)["duration_seconds"] >= 0.2


def test_a_trace_is_sent_at_its_times(tmp_path: Path) -> None:
    lines = [json.dumps({"timestamp": time_ms, "input_length": 8, "output_length": 1}) for time_ms in (0, 100, 300)]
    (tmp_path / "trace.jsonl").write_text("\n".join(lines))
    with scripted(*whole("a")) as server:
        workload = {"file": str(tmp_path / "trace.jsonl")}
        result = run(server.url, workload=workload, phases=[{"name": "one", "load": {"kind": "trace", "speed": 2}}])
    assert figures(result)["samples"]["due_us"] == [0, 50000, 150000]
    assert result["phases"][0]["stopped_by"] == "trace"


def test_a_sweep_finds_the_rate_up_to_which_the_slo_is_met() -> None:
    """A server that refuses at 40 and at 33.6 per second, told by the numbers of the requests: no clock takes part."""
    with scripted(*whole("a")) as server:
        answer = server._answer

        def refusing(connection: socket.socket) -> bool:
            if 9 <= len(server.requests) <= 12 or 17 <= len(server.requests) <= 20:
                connection.sendall(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n")
                return True
            return answer(connection)

        server._answer = refusing  # type: ignore[method-assign]
        sweep = {
            "rate_min_per_second": 10,
            "rate_max_per_second": 200,
            "precision_ratio": 0.2,
            "process": "constant",
            "stop": {"requests": 4},
        }
        client = {"lateness_p99_ms_max": 60_000, "lag_p99_ms_max": 60_000}
        slo = {"ttft_p95_ms_max": 60_000, "error_ratio_max": 0}
        result = run(server.url, phases=[], sweep=sweep, slo=slo, client=client)
    assert [round(step["rate_per_second"], 1) for step in result["sweep"]["steps"]] == [10, 20, 40, 28.3, 33.6]
    assert round(result["sweep"]["rate_per_second_max"], 1) == 28.3
    assert result["sweep"]["ended"] == "precision_ratio is reached"
    assert [phase["name"] for phase in result["phases"]][:2] == ["rate0", "rate1"]


# TLS, keys, and the program


def test_a_certificate_is_checked_against_its_authority(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "engine")
    arguments = ["--ssl-certfile", str(certificate), "--ssl-keyfile", str(key)]
    with run_standin(tmp_path, *arguments) as engine:
        url = f"https://127.0.0.1:{engine.port}"
        target = {"name": "t0", "url": url, "model": "tiny"}
        kinds = [
            figures(run(url, 2, targets=[{**target, **change}]))["classes"]
            for change in ({"ca_file": str(certificate)}, {"verify_certificate": False}, {})
        ]
    assert kinds == [{}, {}, {"tls_failed": 2}]


def test_a_key_is_sent_and_told_nowhere(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("open-sesame-1234")
    with run_standin(tmp_path, env={"VLLM_API_KEY": "open-sesame-1234"}) as engine:
        target = {"name": "t0", "url": address(engine), "model": "tiny"}
        result = run("", 2, targets=[{**target, "api_key_file": str(tmp_path / "key")}])
        assert figures(run("", 2, targets=[target]))["classes"] == {"http_401": 2}
    assert figures(result)["requests"]["ok"] == 2
    assert "open-sesame" not in json.dumps(result)


def test_a_server_that_repeats_the_key_does_not_bring_it_into_the_result(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("open-sesame-1234")
    body = b"bad key open-sesame-1234"
    with scripted(b"HTTP/1.1 401 No\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)) as server:
        target = {"name": "t0", "url": server.url, "model": "tiny", "api_key_file": str(tmp_path / "key")}
        result = run("", 2, targets=[target])
    assert figures(result)["examples"] == {"http_401": "bad key ***"}


def start(folder: Path, content: Any, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    """Run the client as a program from flat files, as a ConfigMap gives them, without the rest of the collection."""
    package = folder / "llmops_bench"
    package.mkdir()
    for file in PACKAGE.glob("*.py"):
        shutil.copy(file, package)
    (folder / "settings.json").write_text(json.dumps(content))
    # -I: neither the environment nor the folder of the tests is searched for modules.
    code = "import runpy, sys; sys.path.insert(0, '.'); runpy.run_module('llmops_bench.command', run_name='__main__')"
    words = [python, "-I", "-B", "-c", code, "settings.json"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_it_runs_from_flat_files_without_the_collection(engine: StandIn, tmp_path: Path) -> None:
    ended = start(tmp_path, settings(address(engine), client={"progress_seconds": 0.02}))
    assert (ended.returncode, ended.stderr) == (0, "")
    result = wire.decode_result(ended.stdout.splitlines())
    assert result is not None
    assert figures(result)["requests"]["ok"] == 4
    assert (wire.decode_progress(ended.stdout.splitlines()) or {})["done"] == 4
    # A ConfigMap holds 1 MiB.
    assert sum(file.stat().st_size for file in PACKAGE.glob("*.py")) < 256 * 1024


def test_a_run_that_cannot_begin_says_why_and_has_no_result(tmp_path: Path) -> None:
    ended = start(tmp_path, {"targets": [], "endpoint": "x"})
    assert ended.returncode == 2
    assert wire.decode_result(ended.stdout.splitlines()) is None
    words = wire.decode_error(ended.stdout.splitlines()) or []
    assert len(words) == 3
    assert "targets: expected one target" in " ".join(words)


def test_a_file_that_is_not_there_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"workload.file: /no/such: .*No such file"):
        run("http://127.0.0.1:1", workload={"file": "/no/such"})
    (tmp_path / "plain.jsonl").write_text('{"prompt": "a"}')
    with pytest.raises(ValueError, match="have no times"):
        run(
            "http://127.0.0.1:1", workload={"file": str(tmp_path / "plain.jsonl")}, phases=[{"load": {"kind": "trace"}}]
        )


def test_bytes_that_nobody_asked_for_end_their_connection_and_no_request() -> None:
    with scripted(*whole("a"), 0.02, b"HTTP/1.1 200 OK\r\n\r\n", 0.05) as server:
        load = {"kind": "constant", "rate_per_second": 10}
        found = figures(run(server.url, phases=[{"name": "one", "load": load, "stop": {"requests": 3}}]))
        assert server.connections == 3
    assert found["requests"]["ok"] == 3


def test_a_connection_that_has_been_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_IDLE_SECONDS_MAX", 0.0)
    with scripted(*whole("a")) as server:
        found = figures(run(server.url))
        assert server.connections == 4
    assert (found["requests"]["ok"], found["connect_ms"]["count"]) == (4, 4)


def test_an_authority_that_cannot_be_read_is_told_before_anything_is_sent() -> None:
    target = {"name": "t0", "url": "https://127.0.0.1:1", "model": "tiny", "ca_file": "/no/such"}
    with pytest.raises(ValueError, match="target t0: /no/such cannot be read"):
        run("", targets=[target])


def test_an_event_loop_that_is_not_there_is_refused_only_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with pytest.raises(ValueError, match="uvloop, which is not installed"):
        run("http://127.0.0.1:1", client={"event_loop": "uvloop"})
    with scripted(*whole("a")) as server:
        assert run(server.url)["client"]["event_loop"] == "asyncio"


def test_the_program_reads_standard_input_and_tells_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ends(content: str, *arguments: str) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(content))
        code = program.main(arguments)
        return code, capsys.readouterr().out.splitlines()

    with scripted(*whole("a")) as server:
        code, lines = ends(json.dumps(settings(server.url)), "-")
    assert (code, (wire.decode_result(lines) or {})["schema"]) == (0, 1)
    for content, arguments, words in (
        ("", (), "expected one argument"),
        ("{", ("-",), "Expecting property name"),
        ("{}", ("-",), "targets: expected one target"),
        ("", ("/no/such",), "No such file"),
    ):
        code, lines = ends(content, *arguments)
        assert code == 2
        assert words in " ".join(wire.decode_error(lines) or [])


# Runs that end early


def test_a_run_that_nobody_waits_for_any_more_ends(
    engine: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_ABANDONED_SECONDS", 0.2)
    engine.set(frozen=True)
    (tmp_path / "alive").touch()
    for path in (tmp_path / "alive", tmp_path / "gone"):
        result = run(address(engine), client={"alive_file": str(path), "progress_seconds": 0.1})
        assert result["partial"] is True
        assert "the run was interrupted: nobody has waited for the result for 0.2 s" in result["inconclusive"]


def test_a_clock_that_jumps_does_not_end_a_run_that_somebody_waits_for(engine: StandIn, tmp_path: Path) -> None:
    (tmp_path / "alive").touch()
    os.utime(tmp_path / "alive", (0, 0))
    result = run(address(engine), client={"alive_file": str(tmp_path / "alive"), "progress_seconds": 0.01})
    assert (result["partial"], figures(result)["requests"]["ok"]) == (False, 4)


@pytest.mark.parametrize("load", [CLOSED, {"kind": "constant", "rate_per_second": 0.2}])
def test_a_run_that_takes_too_long_keeps_what_it_has_measured_and_says_that_it_is_partial(load: dict[str, Any]) -> None:
    """Two answers come at once, all others never."""
    with scripted(*whole("a")) as server:
        answer = server._answer

        def stopping(connection: socket.socket) -> bool:
            if len(server.requests) > 2:
                time.sleep(30)
            return answer(connection)

        server._answer = stopping  # type: ignore[method-assign]
        phases = [{"name": name, "load": load, "stop": {"requests": 40}} for name in ("one", "two")]
        result = run(server.url, phases=phases, limits={"run_seconds_max": 1.5})
    assert result["partial"] is True
    assert [phase["name"] for phase in result["phases"]] == ["one"]
    assert result["phases"][0]["stopped_by"] == "interrupted"
    assert "it was interrupted" in result["phases"][0]["inconclusive"]
    assert "the run was interrupted: limits.run_seconds_max, 1.5 s, was over" in result["inconclusive"]
    requests = figures(result)["requests"]
    assert 1 <= requests["ok"] <= 2
    assert requests["issued"] == requests["ok"] + requests["lost"]


def test_a_sweep_that_is_interrupted_names_no_reason_of_its_own(engine: StandIn) -> None:
    engine.set(frozen=True)
    sweep = {"stop": {"requests": 4}}
    limits = {"run_seconds_max": 0.3}
    result = run(address(engine), phases=[], sweep=sweep, slo={"ttft_p95_ms_max": 60_000}, limits=limits)
    assert result["sweep"] == {"rate_per_second_max": None, "ended": "the run was interrupted", "steps": []}


def test_an_interrupted_warm_up_measures_nothing(engine: StandIn) -> None:
    engine.set(frozen=True)
    result = run(address(engine), warmup_requests=2, limits={"run_seconds_max": 0.2})
    assert (result["phases"], result["partial"]) == ([], True)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_the_program_with_what_it_has(engine: StandIn, tmp_path: Path, name: str) -> None:
    shutil.copytree(PACKAGE, tmp_path / "llmops_bench")
    plan = settings(address(engine), 100_000, client={"progress_seconds": 0.05})
    (tmp_path / "settings.json").write_text(json.dumps(plan))
    words = [sys.executable, "-m", "llmops_bench.command", "settings.json"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        for line in client.stdout:
            if (wire.decode_progress([line]) or {"done": 0})["done"]:
                break
        client.send_signal(signal.Signals[name])
        result = wire.decode_result(client.stdout) or {}
    assert (client.returncode, result["partial"]) == (3, True)
    assert f"the run was interrupted: it got {name}" in result["inconclusive"]
    assert figures(result)["requests"]["ok"] > 0
