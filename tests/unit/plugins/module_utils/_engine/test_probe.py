# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe asks a server over real HTTP and writes down what came back, whatever it is."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probe_verdict import evaluate_probe
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result
from ansible_collections.llmops.kubernetes.plugins.module_utils._engine import probe

from tests.support.processes import StandIn, free_port, run_standin
from tests.support.tls import make_certificate

SCRIPT = Path(probe.__file__)
METRICS = """# HELP vllm:generation_tokens_total Tokens
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="tiny"} 7.0
vllm:generation_tokens_total{engine="1",model_name="tiny"} 5.0
vllm:iteration_tokens_total_bucket{le="+Inf"} 99.0
vllm:iteration_tokens_total_count{engine="0"} 3.0
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[StandIn]:
    """Return a stand-in engine that is well."""
    with run_standin(tmp_path, ttft_seconds=0.005, itl_seconds=0.001) as running:
        yield running


def request_to(*ports: int, scheme: str = "http", **change: Any) -> dict[str, Any]:
    targets = [{"name": f"Pod chat-{index}", "url": f"{scheme}://127.0.0.1:{port}"} for index, port in enumerate(ports)]
    return {"targets": targets, "model": "tiny", "max_tokens": 8, "warmup_requests": 0, "timeout_seconds": 5, **change}


def ask(port: int, **change: Any) -> dict[str, Any]:
    (seen,) = probe.probe(request_to(port, **change), "")["targets"]
    return seen


def judge(seen: dict[str, Any]) -> Any:
    return evaluate_probe({"targets": [seen]}, model="tiny", version="0.32.0", services=(), pods=["Pod chat-0"])


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[int]:
    """Serve every request by a function, on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def do_POST(self) -> None:
            self.body = self.rfile.read(int(self.headers["content-length"]))
            answer(self)

        def log_message(self, *_arguments: Any) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def canned(pages: dict[str, Any]) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return what answers each path with JSON, or with text as it is; unknown paths with 404."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        page = pages.get(handler.path)
        body = page.encode() if isinstance(page, str) else json.dumps(page).encode()
        handler.send_response(200 if page is not None else 404)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


HEALTHY: dict[str, Any] = {
    "/v1/models": {"data": [{"id": "tiny"}]},
    "/version": {"version": "0.32.0"},
    "/metrics": METRICS,
    "/v1/chat/completions": {"model": "tiny", "choices": [{"message": {"content": "Earth"}, "finish_reason": "stop"}]},
}


# Of a server that is well


def test_a_healthy_engine_is_asked_twice_and_passes(engine):
    seen = ask(engine.port)
    assert seen["models"] == ["tiny"]
    assert (seen["version"], seen["endpoint"], seen["warmed_up"]) == ("0.32.0", "chat/completions", 0)
    first, second = seen["answers"]
    assert first["text"] == second["text"] != ""
    assert (first["model"], first["finish_reason"], first["completion_tokens"]) == ("tiny", "length", 8)
    assert judge(seen).result is Result.PASS


def test_the_counters_move_by_the_tokens_that_were_asked_for(engine):
    seen = ask(engine.port)
    name = "vllm:generation_tokens_total"
    # One question that finds the endpoint and the two that are judged.
    assert seen["counters_after"][name] - seen["counters_before"][name] == 3 * 8


def test_warm_up_requests_are_sent_and_counted(engine):
    assert ask(engine.port, warmup_requests=3)["warmed_up"] == 3
    assert 'handler="/v1/chat/completions",method="POST",status="2xx"} 6.0' in engine.ask("/metrics").body.decode()


def test_every_target_is_asked_and_one_that_fails_does_not_stop_the_others(engine, monkeypatch):
    monkeypatch.setattr(probe, "CONNECT_SECONDS_MAX", 0.3)
    down, up = probe.probe(request_to(free_port(), engine.port), "")["targets"]
    assert down["error"].startswith("ConnectionRefusedError")
    assert len(up["answers"]) == 2


def test_a_refused_connection_is_tried_again_until_the_server_listens(tmp_path):
    port = free_port()
    seen: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: seen.append(ask(port)))
    asking.start()
    time.sleep(0.5)
    with run_standin(tmp_path, "--port", str(port), wait=False, ttft_seconds=0.001):
        asking.join(15)
    assert judge(seen[0]).result is Result.PASS


@pytest.mark.parametrize("number", [errno.EHOSTUNREACH, errno.ENETUNREACH])
def test_a_service_that_leads_nowhere_yet_is_tried_again(engine, monkeypatch, number):
    """What the kernel says while kube-proxy has taken the old rule away and not written the new one yet."""
    connect, left = probe.http.client.HTTPConnection.connect, [number, number]

    def late(connection):
        if left:
            raise OSError(left.pop(), "not yet")
        connect(connection)

    monkeypatch.setattr(probe.http.client.HTTPConnection, "connect", late)
    assert judge(ask(engine.port)).result is Result.PASS
    assert left == []


def test_a_service_that_goes_on_leading_nowhere_is_an_error(engine, monkeypatch):
    def never(_connection):
        raise OSError(errno.EHOSTUNREACH, "No route to host")

    monkeypatch.setattr(probe, "CONNECT_SECONDS_MAX", 0.3)
    monkeypatch.setattr(probe.http.client.HTTPConnection, "connect", never)
    assert "No route to host" in ask(engine.port)["error"]


def test_the_api_key_is_sent(tmp_path):
    with run_standin(tmp_path, env={"VLLM_API_KEY": "long-enough-key"}) as engine:
        (locked,) = probe.probe(request_to(engine.port), "")["targets"]
        (opened,) = probe.probe(request_to(engine.port), "long-enough-key")["targets"]
    assert locked["error"] == "GET /v1/models: HTTP 401"
    assert judge(opened).result is Result.PASS


def test_a_server_with_a_certificate_that_nobody_knows_is_asked(tmp_path):
    certificate, key = make_certificate(tmp_path, "engine")
    with run_standin(tmp_path, "--ssl-certfile", str(certificate), "--ssl-keyfile", str(key)) as engine:
        assert judge(ask(engine.port, scheme="https")).result is Result.PASS


def test_an_address_of_the_users_must_have_the_certificate_that_it_names(tmp_path, monkeypatch):
    certificate, key = make_certificate(tmp_path, "engine")
    with run_standin(tmp_path, "--ssl-certfile", str(certificate), "--ssl-keyfile", str(key)) as engine:
        request = request_to(engine.port, scheme="https")
        request["targets"][0]["verify"] = True
        (unknown,) = probe.probe(request, "")["targets"]
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        (known,) = probe.probe(request, "")["targets"]
    assert "certificate verify failed" in unknown["error"]
    assert judge(known).result is Result.PASS


def test_an_address_below_a_path_is_asked_there():
    pages = {f"/llm{path}": page for path, page in HEALTHY.items()}
    with serving(canned(pages)) as port:
        request = request_to(port)
        request["targets"][0]["url"] += "/llm/"
        (seen,) = probe.probe(request, "")["targets"]
    assert seen["models"] == ["tiny"]


def test_the_script_runs_alone_and_prints_its_observation_behind_the_mark(engine):
    env = {"LLMOPS_PROBE": json.dumps(request_to(engine.port)), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-I", "-c", SCRIPT.read_text(encoding="utf-8")]
    said = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=30).stdout
    assert said.startswith(probe.MARK)
    (seen,) = json.loads(said[len(probe.MARK) :])["targets"]
    assert judge(seen).result is Result.PASS


def test_a_model_without_a_chat_template_is_asked_for_completions():
    pages = {**HEALTHY, "/v1/completions": {"model": "tiny", "choices": [{"text": "Earth", "finish_reason": "stop"}]}}
    del pages["/v1/chat/completions"]
    with serving(canned(pages)) as port:
        seen = ask(port)
    assert seen["endpoint"] == "completions"
    assert [answer["text"] for answer in seen["answers"]] == ["Earth", "Earth"]


# Of a server that is not


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"dead": True}, "a completion was answered with HTTP 500"),
        ({"model_id": "somebody-else"}, "/v1/models does not list 'tiny'; it lists somebody-else"),
        ({"finish_reason": "abort"}, "the answer ended with finish_reason 'abort'"),
        ({"missing_usage": True}, "does not say how many tokens"),
        ({"version": "0.31.0"}, "runs vLLM 0.31.0, engine.version says 0.32.0"),
    ],
)
def test_what_is_wrong_with_an_engine_reaches_the_verdict(engine, fault, words):
    engine.set(**fault)
    verdict = judge(ask(engine.port))
    assert verdict.result is not Result.PASS
    assert words in " ".join(verdict.reasons)


def test_an_engine_that_hangs_is_an_error_within_the_time_out(engine):
    engine.set(frozen=True)
    begun = time.monotonic()
    seen = ask(engine.port, timeout_seconds=0.5)
    assert seen["error"] == "TimeoutError: timed out"
    assert time.monotonic() - begun < 3
    assert judge(seen).result is Result.FAIL


@pytest.mark.parametrize(
    ("page", "content", "error"),
    [
        ("/v1/models", "<html>", "JSONDecodeError: Expecting value"),
        ("/v1/models", [], "AttributeError: 'list' object has no attribute 'get'"),
        ("/v1/models", {"data": ["tiny"]}, "AttributeError: 'str' object"),
        ("/v1/models", "[" * 200_000, "RecursionError: maximum recursion depth"),
        ("/version", [], "AttributeError: 'list' object"),
        ("/metrics", "vllm:generation_tokens_total\n", "IndexError"),
        ("/metrics", "vllm:generation_tokens_total many\n", "ValueError: could not convert"),
        ("/v1/chat/completions", {"choices": {"first": 1}}, "KeyError: 0"),
        ("/v1/chat/completions", {"choices": [{"message": {"content": 5}}]}, "TypeError: 'int' object"),
        ("/v1/chat/completions", {"choices": ["Earth"]}, "AttributeError: 'str' object"),
    ],
)
def test_an_answer_of_another_shape_is_an_observed_error_and_fails(page, content, error):
    with serving(canned({**HEALTHY, page: content})) as port:
        seen = ask(port)
    assert seen["error"].startswith(error)
    assert judge(seen).result is Result.FAIL


def test_an_answer_without_choices_is_written_down_as_it_is_and_fails():
    with serving(canned({**HEALTHY, "/v1/chat/completions": {"model": "tiny", "choices": []}})) as port:
        seen = ask(port)
    assert [(answer["finish_reason"], answer["text"]) for answer in seen["answers"]] == [(None, ""), (None, "")]
    assert judge(seen).result is Result.FAIL


def test_a_redirect_is_not_followed():
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        handler.send_response(302)
        handler.send_header("location", "/elsewhere")
        handler.send_header("content-length", "0")
        handler.end_headers()

    with serving(answer) as port:
        assert ask(port)["error"] == "GET /v1/models: HTTP 302"
    assert asked == ["/v1/models"]


def test_an_answer_without_end_is_cut_at_the_limit(monkeypatch):
    monkeypatch.setattr(probe, "ANSWER_BYTES_MAX", 1000)
    with serving(canned({**HEALTHY, "/v1/models": "x" * 1001})) as port:
        assert ask(port)["error"] == "ValueError: the answer is larger than 1000 bytes"


def test_an_answer_that_comes_in_drops_ends_at_the_time_out():
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "1000")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x")
                time.sleep(0.05)
        except OSError:
            handler.close_connection = True  # the probe has gone away, as it should

    with serving(answer) as port:
        begun = time.monotonic()
        assert ask(port, timeout_seconds=0.5)["error"] == "ValueError: the answer was not whole after 0.5 s"
    assert time.monotonic() - begun < 3


def test_an_answer_that_is_cut_is_an_error():
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"data": []}')
        handler.close_connection = True

    with serving(answer) as port:
        assert ask(port)["error"].startswith("IncompleteRead")


def test_a_long_answer_is_kept_in_its_beginning_only(tmp_path):
    long = {"model": "tiny", "choices": [{"message": {"content": "x" * 500}, "finish_reason": "length"}]}
    with serving(canned({**HEALTHY, "/v1/chat/completions": long})) as port:
        assert len(ask(port)["answers"][0]["text"]) == 200


def test_counters_are_summed_over_their_series_and_others_are_left_out():
    assert probe._read_counters(METRICS) == {
        "vllm:generation_tokens_total": 12.0,
        "vllm:iteration_tokens_total_count": 3.0,
    }


def test_a_server_without_metrics_is_written_down_as_such():
    pages = {path: page for path, page in HEALTHY.items() if path != "/metrics"}
    with serving(canned(pages)) as port:
        seen = ask(port)
    assert (seen["counters_before"], seen["counters_after"]) == (None, None)
    assert judge(seen).result is Result.INCONCLUSIVE
