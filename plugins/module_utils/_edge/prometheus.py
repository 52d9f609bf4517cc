# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking Prometheus over its HTTP API."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlencode

from ansible_collections.llmops.kubernetes.plugins.module_utils._engine.probe import ANSWER_ERRORS, request_patiently
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError

__all__ = ["Prometheus"]

_SHOWN_CHARACTERS = 300


class Prometheus:
    """One Prometheus, or what speaks its API (Thanos, Mimir, VictoriaMetrics); implements ``MetricSource``.

    Answers are bounded, redirects refused, certificates checked.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        ca_file: str | None = None,
        timeout_seconds: float = 10.0,
    ) -> None:
        self.url = url
        self._token, self._timeout_seconds = token or "", timeout_seconds
        self._target: dict[str, Any] = {"url": url, "verify": True, "ca_file": ca_file}
        if username is not None:
            pair = base64.b64encode(f"{username}:{password or ''}".encode()).decode()
            self._target["authorization"] = f"Basic {pair}"

    def query(self, text: str, at: float | None = None) -> float | None:
        """Return the one value of an instant query at a time (Unix seconds), None where it has no result."""
        path = "/api/v1/query?" + urlencode({"query": text, **({} if at is None else {"time": f"{at:.3f}"})})
        try:
            status, content = request_patiently(self._target, "GET", path, None, self._token, self._timeout_seconds)
            answer = self._read(status, content, text)
            if answer.get("warnings"):
                raise self._failed(text, f"the answer is partial: {answer['warnings']}")
            data = answer["data"]
            if data["resultType"] == "scalar":
                return float(data["result"][1])
            if data["resultType"] != "vector":
                raise self._failed(
                    text, f"a {data['resultType']} is no single value. Wrap it in a function that gives one"
                )
            values = [float(each["value"][1]) for each in data["result"]]
        except ANSWER_ERRORS as error:
            raise self._failed(text, f"{type(error).__name__}: {error}") from error
        if len(values) > 1:
            raise self._failed(text, f"it has {len(values)} values, one is wanted. Wrap it in sum(), avg() or max()")
        return values[0] if values else None

    def _read(self, status: int, content: bytes, text: str) -> dict[str, Any]:
        """Return the answer; ClusterError with Prometheus' own words where it is none."""
        if status in (200, 400, 422, 503):
            answer: dict[str, Any] = json.loads(content)
            if answer.get("status") == "success":
                return answer
            raise self._failed(text, f"{answer.get('errorType')}: {answer.get('error')}")
        raise self._failed(text, f"HTTP {status}: {content[:_SHOWN_CHARACTERS].decode('utf-8', 'replace')}")

    def _failed(self, text: str, why: str) -> ClusterError:
        return ClusterError(f"Prometheus {self.url} does not answer `{text}`: {why[:_SHOWN_CHARACTERS]}")
