# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in engine does what it is told: healthy answers, and each fault as the one fault that it is."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import Answer, StandIn, run_standin, wait_until

CHAT: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}
MIDDLEWARE = """
class Closing:
    def __init__(self, app):
        self.app = app
    async def __call__(self, scope, receive, send):
        async def closing(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)
        await self.app(scope, receive, closing)
"""


@pytest.fixture(name="engine")
def _engine(tmp_path: Path) -> Iterator[StandIn]:
    with run_standin(tmp_path, ttft_seconds=0.005, itl_seconds=0.001) as engine:
        yield engine


def chat(engine: StandIn, seconds_max: float = 10, **more: Any) -> Answer:
    return engine.ask("/v1/chat/completions", {**CHAT, **more}, seconds_max)


def test_chat_answers_with_the_asked_number_of_tokens_and_usage(engine: StandIn) -> None:
    body = chat(engine, max_tokens=5, ignore_eos=True).json()
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 5
    assert len(body["choices"][0]["message"]["content"].split()) == 5


def test_chat_stops_by_itself_unless_told_to_go_on(engine: StandIn) -> None:
    body = chat(engine, max_tokens=100).json()
    assert (body["choices"][0]["finish_reason"], body["usage"]["completion_tokens"]) == ("stop", 16)


def test_answers_are_equal_for_equal_prompts_and_differ_with_the_salt(engine: StandIn) -> None:
    first, second = (chat(engine).json()["choices"][0]["message"]["content"] for _rest in range(2))
    engine.set(answer_salt="other weights")
    assert first == second != chat(engine).json()["choices"][0]["message"]["content"]


def test_stream_ends_with_reason_usage_and_done(engine: StandIn) -> None:
    events = chat(engine, max_tokens=3, stream=True, stream_options={"include_usage": True}).events()
    assert [e["choices"][0]["finish_reason"] for e in events if e != "[DONE]" and e["choices"]] == [
        None,
        None,
        None,
        "length",
    ]
    assert events[-2]["usage"]["completion_tokens"] == 3
    assert events[-1] == "[DONE]"


def test_completions_route_answers_text(engine: StandIn) -> None:
    body = engine.ask("/v1/completions", {"model": "tiny", "prompt": "hi", "max_tokens": 2}).json()
    assert (body["object"], len(body["choices"][0]["text"].split())) == ("text_completion", 2)


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/v1/chat/completions", {**CHAT, "model": "nope"}, 404, "The model `nope` does not exist"),
        ("/v1/chat/completions", {"model": "tiny"}, 400, "messages: Field required"),
        ("/v1/chat/completions", b"{", 400, "JSON decode error"),
        ("/v1/chat/completions", {**CHAT, "max_tokens": 5000}, 400, "max_model_len=4096"),
        ("/v1/chat/completions", None, 405, "Method Not Allowed"),
        ("/nothing", None, 404, "Not Found"),
    ],
)
def test_bad_requests_get_vllms_status_and_text(engine: StandIn, path: str, body: Any, status: int, text: str) -> None:
    answer = engine.ask(path, body)
    assert answer.status == status
    assert text in answer.body.decode()


def test_connection_is_kept_between_requests(engine: StandIn) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=5)
    for _rest in range(3):
        connection.request("GET", "/health")
        assert connection.getresponse().read() == b""
    first = connection.sock
    connection.request("GET", "/version")
    assert b"0.32.0" in connection.getresponse().read()
    assert connection.sock is first
    connection.close()


def test_metrics_count_tokens_requests_and_running_streams(engine: StandIn) -> None:
    chat(engine, max_tokens=4)
    page = engine.ask("/metrics").body.decode()
    assert 'vllm:generation_tokens_total{engine="0",model_name="tiny"} 4.0' in page
    assert 'finished_reason="length",model_name="tiny"} 1.0' in page
    assert 'vllm:num_requests_running{engine="0",model_name="tiny"} 0.0' in page
    assert 'http_requests_total{handler="/v1/chat/completions",method="POST",status="2xx"} 1.0' in page


def test_middleware_of_asgi_form_is_applied(tmp_path: Path) -> None:
    (tmp_path / "closing.py").write_text(MIDDLEWARE)
    with run_standin(tmp_path, "--middleware", "closing.Closing", env={"PYTHONPATH": str(tmp_path)}) as engine:
        assert engine.ask("/health").headers["connection"] == "close"


def test_api_key_guards_v1_only(tmp_path: Path) -> None:
    with run_standin(tmp_path, env={"VLLM_API_KEY": "long-enough-key"}) as engine:
        assert engine.ask("/v1/models").status == 401
        assert engine.ask("/v1/models", authorization="Bearer long-enough-key").status == 200
        assert engine.ask("/health").status == 200


def test_frozen_engine_is_healthy_and_never_answers(engine: StandIn) -> None:
    engine.set(frozen=True)
    assert engine.ask("/health").status == 200
    with pytest.raises(TimeoutError):
        chat(engine, 0.3)


def test_dead_engine_says_503_and_500(engine: StandIn) -> None:
    engine.set(dead=True)
    assert (engine.ask("/health").status, chat(engine).status) == (503, 500)


def test_wrong_model_id_is_listed_and_the_served_name_unknown(engine: StandIn) -> None:
    engine.set(model_id="somebody-else")
    assert [card["id"] for card in engine.ask("/v1/models").json()["data"]] == ["somebody-else"]
    assert chat(engine).status == 404


def test_truncated_stream_ends_without_reason_and_done(engine: StandIn) -> None:
    engine.set(truncate_after_tokens=2)
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=5)
    connection.request("POST", "/v1/chat/completions", b'{"messages": [], "stream": true}')
    with pytest.raises(http.client.IncompleteRead) as cut:
        connection.getresponse().read()
    assert b"DONE" not in cut.value.partial
    assert cut.value.partial.count(b"data: ") == 3
    connection.close()


@pytest.mark.parametrize("reason", ["abort", "error"])
def test_finish_reason_can_be_forced(engine: StandIn, reason: str) -> None:
    engine.set(finish_reason=reason)
    assert chat(engine).json()["choices"][0]["finish_reason"] == reason
    assert f'finished_reason="{reason}",model_name="tiny"}} 1.0' in engine.ask("/metrics").body.decode()


def test_usage_can_be_missing(engine: StandIn) -> None:
    engine.set(missing_usage=True)
    assert "usage" not in chat(engine).json()


def test_share_of_errors_is_kept(engine: StandIn) -> None:
    engine.set(error_share=0.5, ttft_seconds=0, itl_seconds=0)
    statuses = [chat(engine, max_tokens=1).status for _rest in range(60)]
    assert 15 < statuses.count(500) < 45
    assert set(statuses) == {200, 500}


def test_unknown_setting_ends_the_process_and_names_what_is_known(tmp_path: Path) -> None:
    with run_standin(tmp_path, wait=False, ttft_milliseconds=3) as engine:
        assert engine.process.wait(10) == 1
        assert "unknown setting 'ttft_milliseconds'; known: answer_salt" in engine.log.read_text()


def test_start_delay_keeps_the_port_closed(tmp_path: Path) -> None:
    with run_standin(tmp_path, wait=False, start_delay_seconds=0.8) as engine:
        time.sleep(0.4)
        assert not engine.listens()
        wait_until(engine.listens, 5, "port")


@pytest.mark.parametrize(
    ("settings", "code", "text"),
    [
        ({"start_exit_code": 2}, 2, "Engine core initialization failed"),
        ({"crash_after_seconds": 0.2, "crash_exit_code": 3}, 3, "EngineDeadError"),
        ({"fill_shm_bytes": 1 << 21}, 1, "Engine core initialization failed"),
    ],
)
def test_crashes_end_with_their_code_and_words(tmp_path: Path, settings: dict[str, Any], code: int, text: str) -> None:
    with run_standin(tmp_path, wait=False, shm_path=tmp_path, **settings) as engine:
        assert engine.process.wait(10) == code
        assert text in engine.log.read_text()


def test_what_filled_the_shared_memory_stays_behind(tmp_path: Path) -> None:
    with run_standin(tmp_path, wait=False, shm_path=tmp_path, fill_shm_bytes=3 << 20) as engine:
        engine.process.wait(10)
    assert [file.stat().st_size for file in tmp_path.glob("standin-*")] == [3 << 20]


def test_sigterm_aborts_what_runs_without_a_shutdown_timeout(engine: StandIn) -> None:
    answer, code = stream_over_sigterm(engine, max_tokens=1000)
    assert code == 0
    assert answer.events()[-2]["choices"][0]["finish_reason"] == "abort"


def test_drain_finishes_what_runs_refuses_the_rest_with_500_and_stays_healthy(tmp_path: Path) -> None:
    with run_standin(tmp_path, "--shutdown-timeout", "20", itl_seconds=0.01) as engine:
        seen: list[tuple[int, int]] = []

        def meanwhile() -> None:
            seen.append((chat(engine).status, engine.ask("/health").status))

        answer, code = stream_over_sigterm(engine, meanwhile, max_tokens=100)
    assert (code, seen) == (0, [(500, 200)])
    assert answer.events()[-2]["choices"][0]["finish_reason"] == "length"
    assert answer.events()[-1] == "[DONE]"


def test_drain_aborts_at_its_limit(tmp_path: Path) -> None:
    with run_standin(tmp_path, "--shutdown-timeout", "0.3", itl_seconds=0.01) as engine:
        answer, code = stream_over_sigterm(engine, max_tokens=2000)
    assert code == 0
    assert answer.events()[-2]["choices"][0]["finish_reason"] == "abort"


def test_ignored_sigterm_changes_nothing(engine: StandIn) -> None:
    engine.set(ignore_sigterm=True)
    engine.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert chat(engine).status == 200


def stream_over_sigterm(engine: StandIn, meanwhile: Any = None, **more: Any) -> tuple[Answer, int]:
    """Send SIGTERM while a stream runs; return the stream's whole answer and the exit code."""
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(chat(engine, 30, stream=True, ignore_eos=True, **more)))
    thread.start()
    wait_until(lambda: b'running{engine="0",model_name="tiny"} 1.0' in engine.ask("/metrics").body, 5, "running stream")
    engine.process.send_signal(signal.SIGTERM)
    if meanwhile:
        time.sleep(0.1)
        meanwhile()
    thread.join(30)
    return answers[0], engine.process.wait(10)
