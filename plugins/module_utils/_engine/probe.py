# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a model server what a user would ask, and writes down what came back; judging is done elsewhere.

Standard library only, Python 3.9 or newer: the same file runs on the controller and, as ``python3 -c``, in a Job in the
model server's own image. There the request comes as JSON in ``LLMOPS_PROBE`` (long ones go on in ``LLMOPS_PROBE_1`` and
so on) and the API key in ``VLLM_API_KEY``; the observation is printed as one line behind ``MARK``. The server is not
trusted: answers are bounded, redirects refused.
"""

from __future__ import annotations

import errno
import http.client
import json
import os
import ssl
import sys
import time
from typing import Any
from urllib.parse import urlsplit

MARK = "LLMOPS-PROBE "
ANSWER_BYTES_MAX = 4 * 1024 * 1024
QUESTION = "Answer in one word: which planet do we live on?"
# A Service may refuse, or lead nowhere, for a moment after its pod has become ready: the data path learns of it
# a little later, and kube-proxy writes its tables one after the other.
CONNECT_SECONDS_MAX = 10.0
NOT_REACHED = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH)
# Besides the network's errors: whatever JSON of another shape makes of the code that reads it.
ANSWER_ERRORS = (
    OSError,
    http.client.HTTPException,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    RecursionError,
)
COUNTERS = ("vllm:generation_tokens_total", "vllm:iteration_tokens_total_count")


def _connection(target: dict[str, Any], timeout_seconds: float) -> http.client.HTTPConnection:
    parts = urlsplit(target["url"])
    host, port = parts.hostname or "", parts.port
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=timeout_seconds)
    context = ssl.create_default_context(cafile=target.get("ca_file"))
    if not target.get("verify"):
        # Services and pods are asked by their addresses, which no certificate names; the API server has told them.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=timeout_seconds, context=context)


def _request(
    target: dict[str, Any], method: str, path: str, body: Any, api_key: str, timeout_seconds: float
) -> tuple[int, bytes]:
    headers = {"Accept": "application/json, text/plain", "Connection": "close"}
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    if api_key:
        headers["Authorization"] = "Bearer " + api_key
    elif target.get("authorization"):
        headers["Authorization"] = target["authorization"]
    headers.update(target.get("headers") or {})
    connection = _connection(target, timeout_seconds)
    try:
        end = time.monotonic() + timeout_seconds
        connection.request(method, urlsplit(target["url"]).path.rstrip("/") + path, body=data, headers=headers)
        answer = connection.getresponse()
        return answer.status, _read(answer, end, timeout_seconds)
    finally:
        connection.close()


def _read(answer: http.client.HTTPResponse, end: float, timeout_seconds: float) -> bytes:
    """Return the body; ValueError where it is too large, or comes in drops (which no time-out of a socket sees)."""
    content = b""
    while part := answer.read1(64 * 1024):
        content += part
        if len(content) > ANSWER_BYTES_MAX:
            raise ValueError(f"the answer is larger than {ANSWER_BYTES_MAX} bytes")
        if time.monotonic() > end:
            raise ValueError(f"the answer was not whole after {timeout_seconds:g} s")
    if answer.length:
        raise http.client.IncompleteRead(content, answer.length)
    return content


def request_patiently(
    target: dict[str, Any], method: str, path: str, body: Any, api_key: str, timeout_seconds: float
) -> tuple[int, bytes]:
    """Send a request, again while no connection comes about and for CONNECT_SECONDS_MAX at most."""
    end = time.monotonic() + CONNECT_SECONDS_MAX
    while True:
        try:
            return _request(target, method, path, body, api_key, timeout_seconds)
        except OSError as error:
            if error.errno not in NOT_REACHED or time.monotonic() > end:
                raise
            time.sleep(0.25)


def _read_models(content: bytes) -> list[str]:
    return [str(item.get("id")) for item in json.loads(content).get("data", [])]


def _read_counters(text: str) -> dict[str, float]:
    """Return the sums of the progress counters over all their series."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        name = line.split("{", 1)[0].split(" ", 1)[0]
        if name in COUNTERS:
            sums[name] = sums.get(name, 0.0) + float(line.rsplit(" ", 1)[1])
    return sums


def _body(model: str, chat: bool, tokens: int) -> dict[str, Any]:
    common = {"model": model, "temperature": 0, "seed": 1, "max_tokens": tokens}
    if chat:
        return {"messages": [{"role": "user", "content": QUESTION}], **common}
    return {"prompt": QUESTION, **common}


def _ask(target: dict[str, Any], request: dict[str, Any], api_key: str, chat: bool) -> dict[str, Any]:
    """Return one answer: status, model, finish reason, token count, text and seconds; or an error."""
    path = "/v1/chat/completions" if chat else "/v1/completions"
    body = _body(request["model"], chat, int(request["max_tokens"]))
    begin = time.monotonic()
    status, content = request_patiently(target, "POST", path, body, api_key, float(request["timeout_seconds"]))
    seconds = round(time.monotonic() - begin, 3)
    if status != 200:
        return {"status": status, "seconds": seconds, "error": content[:300].decode("utf-8", "replace")}
    answer = json.loads(content)
    choice = (answer.get("choices") or [{}])[0]
    text = (choice.get("message") or {}).get("content") if chat else choice.get("text")
    return {
        "status": status,
        "seconds": seconds,
        "model": answer.get("model"),
        "finish_reason": choice.get("finish_reason"),
        "completion_tokens": (answer.get("usage") or {}).get("completion_tokens"),
        "text": (text or "")[:200],
    }


def _warm_up(target: dict[str, Any], request: dict[str, Any], api_key: str, chat: bool) -> int:
    done = 0
    for _number in range(int(request["warmup_requests"])):
        done += _ask(target, request, api_key, chat)["status"] == 200
    return done


def probe_target(target: dict[str, Any], request: dict[str, Any], api_key: str) -> dict[str, Any]:
    """Return what one address answers: model ids, version, two answers to one question, counters before and after.

    ``target`` has a name and a url, and ``verify`` where the server's certificate must be the url's.
    """
    timeout = float(request["timeout_seconds"])
    seen: dict[str, Any] = {"name": target["name"], "answers": []}
    try:
        status, content = request_patiently(target, "GET", "/v1/models", None, api_key, timeout)
        if status != 200:
            seen["error"] = f"GET /v1/models: HTTP {status}"
            return seen
        seen["models"] = _read_models(content)
        status, content = _request(target, "GET", "/version", None, api_key, timeout)
        seen["version"] = json.loads(content).get("version") if status == 200 else None
        seen["counters_before"] = _counters(target, timeout)
        first = _ask(target, request, api_key, True)
        # 400: the model has no chat template; 404: the server has no chat endpoint.
        chat = first["status"] not in (400, 404)
        seen["endpoint"] = "chat/completions" if chat else "completions"
        seen["warmed_up"] = _warm_up(target, request, api_key, chat)
        seen["answers"] = [_ask(target, request, api_key, chat), _ask(target, request, api_key, chat)]
        seen["counters_after"] = _counters(target, timeout)
    except ANSWER_ERRORS as error:
        seen["error"] = f"{type(error).__name__}: {str(error)[:300]}"
    return seen


def _counters(target: dict[str, Any], timeout_seconds: float) -> dict[str, float] | None:
    status, content = _request(target, "GET", "/metrics", None, "", timeout_seconds)
    return _read_counters(content.decode("utf-8", "replace")) if status == 200 else None


def probe(request: dict[str, Any], api_key: str) -> dict[str, Any]:
    """Ask every target in turn; ``request`` has targets, model, max_tokens, warmup_requests and timeout_seconds."""
    return {"targets": [probe_target(target, request, api_key) for target in request["targets"]]}


def read_environment() -> tuple[dict[str, Any], str]:
    """Return the request and the API key of a Job."""
    parts = [os.environ["LLMOPS_PROBE"]]
    while f"LLMOPS_PROBE_{len(parts)}" in os.environ:
        parts.append(os.environ[f"LLMOPS_PROBE_{len(parts)}"])
    return json.loads("".join(parts)), os.environ.get("VLLM_API_KEY", "")


if __name__ == "__main__":
    seen = probe(*read_environment())
    sys.stdout.write(MARK + json.dumps(seen) + "\n")
