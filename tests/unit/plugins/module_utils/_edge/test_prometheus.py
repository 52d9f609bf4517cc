# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking Prometheus: one value or none, and its own words for everything else."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.prometheus import Prometheus
from ansible_collections.llmops.kubernetes.plugins.module_utils._engine import probe
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError

from tests.support.processes import free_port, run_standin
from tests.support.tls import make_certificate
from tests.unit.plugins.module_utils._engine.test_probe import serving


def answering(body: Any, status: int = 200, seen: list[Any] | None = None) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if seen is not None:
            seen.append((handler.path, handler.headers["authorization"]))
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def success(kind: str, result: Any, **more: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}, **more}


def vector(*values: str) -> dict[str, Any]:
    return success("vector", [{"metric": {}, "value": [1.0, value]} for value in values])


def query(body: Any, status: int = 200) -> float | None:
    with serving(answering(body, status)) as port:
        return Prometheus(f"http://127.0.0.1:{port}", timeout_seconds=2).query("up")


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (vector("1.5"), 1.5),
        (vector("+Inf"), float("inf")),
        (vector(), None),
        (success("scalar", [1.0, "7"]), 7.0),
    ],
)
def test_one_value_or_none_is_an_answer(body: Any, value: float | None) -> None:
    assert query(body) == value


def test_a_value_that_is_no_number_stays_one() -> None:
    assert str(query(vector("NaN"))) == "nan"


def test_the_query_is_sent_as_it_is_below_the_addresss_path_with_time_and_token() -> None:
    seen: list[Any] = []
    with serving(answering(vector("1"), seen=seen)) as port:
        address = f"http://127.0.0.1:{port}/select/0/prometheus/"
        Prometheus(address, token="t0k").query('a{b="c d+&"}[5m]', 1700000000.25)
        Prometheus(address, username="me", password="pä").query("up")
    (path, bearer), (_path, basic) = seen
    parts = urlsplit(path)
    assert parts.path == "/select/0/prometheus/api/v1/query"
    assert parse_qs(parts.query) == {"query": ['a{b="c d+&"}[5m]'], "time": ["1700000000.250"]}
    assert bearer == "Bearer t0k"
    assert base64.b64decode(basic.removeprefix("Basic ")).decode() == "me:pä"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"status": "error", "errorType": "bad_data", "error": "parse error"}, 400, "bad_data: parse error"),
        ({"status": "error", "errorType": "timeout", "error": "too long"}, 503, "timeout: too long"),
        (vector("1", "2"), 200, "it has 2 values, one is wanted. Wrap it in sum(), avg() or max()"),
        (success("matrix", []), 200, "a matrix is no single value"),
        ({**vector("1"), "warnings": ["a store did not answer"]}, 200, "the answer is partial: ['a store"),
        ("Unauthorized", 401, "HTTP 401: Unauthorized"),
        ("moved", 302, "HTTP 302: moved"),
        ("<html>", 200, "JSONDecodeError"),
        ([], 200, "AttributeError"),
        ({"status": "success"}, 200, "KeyError: 'data'"),
        (vector("x" * 1000), 200, "could not convert"),
    ],
)
def test_everything_else_is_an_error_in_its_own_words(body: Any, status: int, words: str) -> None:
    with pytest.raises(ClusterError) as raised:
        query(body, status)
    assert raised.value.message.startswith("Prometheus http://127.0.0.1:")
    assert "does not answer `up`: " in raised.value.message
    assert words in raised.value.message
    assert len(raised.value.message) < 500


def test_a_prometheus_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "CONNECT_SECONDS_MAX", 0.1)
    with pytest.raises(ClusterError, match="ConnectionRefusedError"):
        Prometheus(f"http://127.0.0.1:{free_port()}").query("up")


def test_a_certificate_must_come_from_the_authorities_that_are_named(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "prometheus")
    with run_standin(tmp_path, "--ssl-certfile", str(certificate), "--ssl-keyfile", str(key)) as server:
        url = f"https://127.0.0.1:{server.port}"
        with pytest.raises(ClusterError, match="certificate verify failed"):
            Prometheus(url).query("up")
        # It is no Prometheus, and that is said over a connection that is trusted.
        with pytest.raises(ClusterError, match="HTTP 404"):
            Prometheus(url, ca_file=str(certificate)).query("up")
