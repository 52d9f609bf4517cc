# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts which pods answer: reads their counters, sends requests through a route, reads the counters again.

Standard library only, Python 3.9 or newer: on the controller a module, in a Job a script with ``probe.py`` beside it,
where the observation is printed as one line behind ``MARK``. A pod whose counter cannot be read has none; judging is
done elsewhere.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._engine.probe import (
    ANSWER_ERRORS,
    MARK,
    read_environment,
    request_patiently,
)

# Requests that a pod has finished, whatever the reason; in every version of vLLM.
COUNTER = "vllm:request_success_total"
PATHS = {"chat": "/v1/chat/completions", "completions": "/v1/completions"}
QUESTION = "Count."
# A request counts a little after its answer is whole.
SETTLING_SECONDS_MAX = 5.0
_PERIOD_SECONDS = 0.1
_ERROR_CHARACTERS_MAX = 120


def read_counter(target: dict[str, Any], timeout_seconds: float) -> float | None:
    """Return how many requests a pod has finished, None where it does not say."""
    try:
        status, content = request_patiently(target, "GET", "/metrics", None, "", timeout_seconds)
        lines = content.decode("utf-8", "replace").splitlines() if status == 200 else []
        values = [float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{", 1)[0] == COUNTER]
    except ANSWER_ERRORS:
        return None
    # An engine that has the metric shows it, with zeros, before its first request.
    return sum(values) if values else None


def read_counters(request: dict[str, Any]) -> dict[str, float | None]:
    """Return the counter of every pod by name."""
    timeout = float(request["timeout_seconds"])
    return {pod["name"]: read_counter(pod, timeout) for pod in request["pods"]}


def send_one(request: dict[str, Any], api_key: str) -> str:
    """Send one request; return an empty text, or what came in place of an answer."""
    question: dict[str, Any] = {"model": request["model"], "max_tokens": 1, "temperature": 0}
    chat = request["endpoint"] == "chat"
    question.update({"messages": [{"role": "user", "content": QUESTION}]} if chat else {"prompt": QUESTION})
    try:
        path, timeout = PATHS[request["endpoint"]], float(request["timeout_seconds"])
        status, _content = request_patiently(request["target"], "POST", path, question, api_key, timeout)
    except ANSWER_ERRORS as error:
        return f"{type(error).__name__}: {str(error)[:_ERROR_CHARACTERS_MAX]}"
    return "" if status == 200 else f"HTTP {status}"


def send_all(request: dict[str, Any], api_key: str) -> list[str]:
    """Send so many requests, several at a time and each on a connection of its own; return what became of each."""
    left, done, guard = [int(request["requests"])], [], threading.Lock()
    end = time.monotonic() + float(request["seconds_max"])

    def work() -> None:
        while time.monotonic() < end:
            with guard:
                if left[0] <= 0:
                    return
                left[0] -= 1
            done.append(send_one(request, api_key))

    # Daemons: a server that sends one byte a minute keeps its thread, and not the whole program.
    threads = [threading.Thread(target=work, daemon=True) for _number in range(int(request["concurrency"]))]
    for thread in threads:
        thread.start()
    last = end + float(request["timeout_seconds"]) + 1
    for thread in threads:
        thread.join(max(0.0, last - time.monotonic()))
    return list(done)


def _grown(before: dict[str, float | None], after: dict[str, float | None]) -> float:
    """Return how many requests pods have finished in between, those aside that could not be read twice."""
    pairs = [(value, after[name]) for name, value in before.items()]
    return sum(new - old for old, new in pairs if old is not None and new is not None)


def count(request: dict[str, Any], api_key: str) -> dict[str, Any]:
    """Return the counters before and after, how many requests were sent and answered, and the failures by kind.

    ``request`` has pods (name, url), target (url, headers, and ``verify`` where the certificate must be the url's),
    model, endpoint (chat or completions), requests, concurrency, timeout_seconds for each, seconds_max for all, and
    watch_seconds, for which the traffic of others is counted where no requests are to be sent.
    """
    before = read_counters(request)
    outcomes: list[str] = []
    if request["requests"]:
        outcomes = send_all(request, api_key)
    else:
        time.sleep(float(request["watch_seconds"]))
    answered = outcomes.count("")
    end = time.monotonic() + SETTLING_SECONDS_MAX
    after = read_counters(request)
    while _grown(before, after) < answered and time.monotonic() < end:
        time.sleep(_PERIOD_SECONDS)
        after = read_counters(request)
    failures: dict[str, int] = {}
    for kind in filter(None, outcomes):
        failures[kind] = failures.get(kind, 0) + 1
    return {"before": before, "after": after, "sent": len(outcomes), "answered": answered, "failures": failures}


if __name__ == "__main__":
    sys.stdout.write(MARK + json.dumps(count(*read_environment())) + "\n")
