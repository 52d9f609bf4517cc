# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many questions over real HTTP, several at a time, whatever the server answers."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probe_job import join_sources
from ansible_collections.llmops.kubernetes.plugins.module_utils._engine import ask, probe

from tests.support.processes import free_port, run_standin
from tests.unit.plugins.module_utils._engine.test_probe import canned, serving

CHAT = "/v1/chat/completions"


def request_to(*ports: int, questions: int = 1, **change: Any) -> dict[str, Any]:
    targets = [
        {"name": f"service {index}", "url": f"http://127.0.0.1:{port}", "model": "tiny"}
        for index, port in enumerate(ports)
    ]
    asked = [
        {"messages": [{"role": "user", "content": f"question {number}"}], "max_tokens": 20}
        for number in range(questions)
    ]
    times = {"concurrency": 4, "timeout_seconds": 5, "seconds_max": 20}
    return {"targets": targets, "endpoint": "chat", "questions": asked, **times, **change}


def reply(content: Any, **change: Any) -> dict[str, Any]:
    return {"model": "tiny", "choices": [{"message": {"content": content}, "finish_reason": "stop"}], **change}


def ask_page(page: Any, **change: Any) -> dict[str, Any]:
    with serving(canned({CHAT: page})) as port:
        (seen,) = ask.ask(request_to(port, **change), "")
    return seen


def test_each_answer_is_written_down_whole_and_equal_questions_have_equal_answers(tmp_path: Path) -> None:
    with run_standin(tmp_path, ttft_seconds=0.001, itl_seconds=0.0001) as engine:
        first, second = ask.ask(request_to(engine.port, questions=2), "")
        again, _other = ask.ask(request_to(engine.port, questions=2), "")
    assert (first["status"], first["model"], first["finish_reason"]) == (200, "tiny", "stop")
    assert (first["completion_tokens"], first["cut"]) == (16, False)
    assert first["digest"] == hashlib.sha256(first["text"].encode()).hexdigest() == again["digest"]
    assert first["text"] != second["text"]
    assert first["prompt_tokens"] > 0
    assert first["seconds"] > 0


def test_answers_come_in_the_order_of_the_questions_with_the_targets_side_by_side(tmp_path: Path) -> None:
    with run_standin(tmp_path, itl_seconds=0) as blue, run_standin(tmp_path, itl_seconds=0, answer_salt="x") as green:
        answers = ask.ask(request_to(blue.port, green.port, questions=6), "")
        alone = ask.ask(request_to(blue.port, questions=6, concurrency=1), "")
    assert [each["digest"] for each in answers[::2]] == [each["digest"] for each in alone]
    assert len({each["digest"] for each in answers}) == 12


def test_plain_completions_are_asked_with_the_text_itself(tmp_path: Path) -> None:
    with run_standin(tmp_path, itl_seconds=0) as engine:
        (seen,) = ask.ask(request_to(engine.port, endpoint="completions"), "")
    assert seen["completion_tokens"] == 16
    assert seen["text"]


def test_questions_are_deterministic_and_limited() -> None:
    bodies = []

    def answer(handler: Any) -> None:  # with the body that the canned server has read
        bodies.append((handler.headers["authorization"], handler.body))
        canned({CHAT: reply("yes")})(handler)

    with serving(answer) as port:
        ask.ask(request_to(port), "a-key")
    ((key, body),) = bodies
    assert key == "Bearer a-key"
    assert json.loads(body) == {
        "model": "tiny",
        "temperature": 0,
        "seed": 1,
        "max_tokens": 20,
        "messages": [{"role": "user", "content": "question 0"}],
    }


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_questions_are_under_way_than_allowed(limit: int) -> None:
    lock, under_way, most = threading.Lock(), [0], [0]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.05)
        with lock:
            under_way[0] -= 1
        canned({CHAT: reply("yes")})(handler)

    with serving(answer) as port:
        answers = ask.ask(request_to(port, questions=9, concurrency=limit), "")
    assert most[0] == limit
    assert [each["text"] for each in answers] == ["yes"] * 9


def test_a_long_answer_is_cut_and_its_digest_is_of_the_whole() -> None:
    text = "a" * 9000
    seen = ask_page(reply(text))
    assert (len(seen["text"]), seen["cut"]) == (8000, True)
    assert seen["digest"] == hashlib.sha256(text.encode()).hexdigest()


def test_an_answer_without_content_is_an_empty_one() -> None:
    seen = ask_page(reply(None))
    assert (seen["text"], seen["completion_tokens"], seen["finish_reason"]) == ("", None, "stop")


def test_half_a_character_is_an_answer() -> None:
    assert len(ask_page('{"choices": [{"message": {"content": "\\\\ud800"}}]}')["digest"]) == 64


@pytest.mark.parametrize(
    "page",
    [
        "not json",
        "[" * 100_000,
        {"choices": []},
        {"choices": [{}]},
        {"choices": [{"message": "text"}]},
        {"choices": [{"message": {"content": ["a"]}}]},
        ["a"],
        reply("a", usage=3),
    ],
)
def test_what_is_no_openai_answer_is_an_error_and_no_answer(page: Any) -> None:
    seen = ask_page(page)
    assert list(seen) == ["error"]
    assert len(seen["error"]) < 300


def test_an_error_keeps_its_status_and_its_first_words() -> None:
    with serving(lambda handler: handler.send_error(503, "x" * 1000)) as port:
        (seen,) = ask.ask(request_to(port), "")
    assert seen["status"] == 503
    assert len(seen["error"]) == 200


def test_a_redirect_is_not_followed() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(307)
        handler.send_header("location", "http://127.0.0.1:1/")
        handler.send_header("content-length", "0")
        handler.end_headers()

    with serving(answer) as port:
        (seen,) = ask.ask(request_to(port), "")
    assert seen["status"] == 307


def test_a_server_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "CONNECT_SECONDS_MAX", 0.1)
    (seen,) = ask.ask(request_to(free_port()), "")
    assert seen["error"].startswith("ConnectionRefusedError")


def test_what_does_not_come_in_time_is_not_waited_for_and_the_rest_is_not_asked() -> None:
    held = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        # Drops that keep every time-out of the socket from coming, before the headers are whole.
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not held.wait(0.05):
            handler.wfile.write(b"x: y\r\n")

    begin = time.monotonic()
    with serving(answer) as port:
        answers = ask.ask(request_to(port, questions=3, concurrency=1, timeout_seconds=0.3, seconds_max=0.2), "")
        held.set()
    assert time.monotonic() - begin < 4
    assert [each["error"] for each in answers] == [
        "was not answered within 0.3 s",
        "was not asked: 0.2 s for all questions were over",
        "was not asked: 0.2 s for all questions were over",
    ]


def test_the_script_runs_alone_and_prints_each_answer_behind_the_mark(tmp_path: Path) -> None:
    script = join_sources(*((each.__name__, Path(each.__file__).read_text(encoding="utf-8")) for each in (probe, ask)))
    with run_standin(tmp_path, itl_seconds=0, env={"VLLM_API_KEY": "long-enough-key"}) as engine:
        text = json.dumps(request_to(engine.port, questions=2))
        parts = {"LLMOPS_PROBE": text[:50], "LLMOPS_PROBE_1": text[50:90], "LLMOPS_PROBE_2": text[90:]}
        env = {**parts, "PATH": os.environ["PATH"], "VLLM_API_KEY": "long-enough-key"}
        command = [sys.executable, "-I", "-c", script]
        said = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=30).stdout
    lines = said.splitlines()
    assert [line.startswith(probe.MARK) for line in lines] == [True, True]
    assert [json.loads(line[len(probe.MARK) :])["status"] for line in lines] == [200, 200]
