# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a model server many questions, several at a time, and writes down what came back; judging is done elsewhere.

Standard library only, Python 3.9 or newer: on the controller a module, in a Job a script with ``probe.py`` beside it.
There each answer is printed as one line behind ``MARK``. The server is not trusted: its answers are bounded, and what
comes too late is not waited for.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections import deque
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._engine.probe import (
    ANSWER_ERRORS,
    MARK,
    read_environment,
    request_patiently,
)

# Longer answers are cut, and told to be.
TEXT_CHARACTERS_MAX = 8000
ERROR_CHARACTERS_MAX = 200
PATHS = {"chat": "/v1/chat/completions", "completions": "/v1/completions"}


def _body(request: dict[str, Any], question: dict[str, Any], model: str) -> dict[str, Any]:
    common = {"model": model, "temperature": 0, "seed": 1, "max_tokens": question["max_tokens"]}
    if request["endpoint"] == "chat":
        return {"messages": question["messages"], **common}
    return {"prompt": question["messages"][0]["content"], **common}


def _read(content: bytes, endpoint: str) -> dict[str, Any]:
    """Return what an OpenAI server's answer says; one of the ANSWER_ERRORS where it is none."""
    answer = json.loads(content)
    choice = answer["choices"][0]
    text = (choice["message"].get("content") if endpoint == "chat" else choice["text"]) or ""
    if not isinstance(text, str):
        raise TypeError("the answer's content is no text")
    usage = answer.get("usage") or {}
    return {
        "model": answer.get("model"),
        "finish_reason": choice.get("finish_reason"),
        "prompt_tokens": usage.get("prompt_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
        "text": text[:TEXT_CHARACTERS_MAX],
        "cut": len(text) > TEXT_CHARACTERS_MAX,
        "digest": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
    }


def ask_once(request: dict[str, Any], question: dict[str, Any], target: dict[str, Any], api_key: str) -> dict[str, Any]:
    """Return one answer: status, seconds, model, finish reason, tokens, text and its digest; or an error."""
    timeout, path = float(request["timeout_seconds"]), PATHS[request["endpoint"]]
    begin = time.monotonic()
    try:
        status, content = request_patiently(
            target, "POST", path, _body(request, question, target["model"]), api_key, timeout
        )
        seen: dict[str, Any] = {"status": status, "seconds": round(time.monotonic() - begin, 3)}
        if status != 200:
            return {**seen, "error": content[:ERROR_CHARACTERS_MAX].decode("utf-8", "replace")}
        return {**seen, **_read(content, request["endpoint"])}
    except ANSWER_ERRORS as error:
        return {"error": f"{type(error).__name__}: {str(error)[:ERROR_CHARACTERS_MAX]}"}


def ask(request: dict[str, Any], api_key: str) -> list[dict[str, Any]]:
    """Put every question to every target, those of one question after each other; return the answers in this order.

    ``request`` has targets (name, url, model, and ``verify`` where the certificate must be the url's), endpoint (chat
    or completions), questions (messages, max_tokens), concurrency, timeout_seconds for each answer and seconds_max,
    after which nothing more is asked.
    """
    jobs = [(question, target) for question in request["questions"] for target in request["targets"]]
    waiting = deque(enumerate(jobs))
    answers: dict[int, dict[str, Any]] = {}
    end = time.monotonic() + float(request["seconds_max"])

    def work() -> None:
        while waiting and time.monotonic() < end:
            try:
                index, (question, target) = waiting.popleft()
            except IndexError:
                return  # another one has taken the last
            answers[index] = {"error": f"was not answered within {request['timeout_seconds']:g} s"}
            answers[index] = ask_once(request, question, target, api_key)

    # Daemons: a server that sends one byte a minute keeps its thread, and not the whole program.
    threads = [threading.Thread(target=work, daemon=True) for _number in range(int(request["concurrency"]))]
    for thread in threads:
        thread.start()
    last = end + float(request["timeout_seconds"]) + 1
    for thread in threads:
        thread.join(max(0.0, last - time.monotonic()))
    missing = {"error": f"was not asked: {request['seconds_max']:g} s for all questions were over"}
    return [dict(answers.get(index, missing)) for index in range(len(jobs))]


if __name__ == "__main__":
    for answer in ask(*read_environment()):
        sys.stdout.write(MARK + json.dumps(answer) + "\n")
