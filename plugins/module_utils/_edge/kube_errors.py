# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a refusal of the API server means, in words with a next step."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["describe_status"]

_NEXT_STEPS = {
    401: "The credentials are not accepted or have expired: renew the token or the client certificate",
    403: "Ask for this permission: roles/model_server/files/rbac-deployer.yml holds what is enough for releases, "
    "rbac-planner.yml beside it to see what the cluster has, rbac-benchmark.yml to send load, "
    "rbac-traffic.yml to share traffic, roles/gpu_node/files/rbac-nodes.yml to change nodes",
    404: "Check the name, and that the cluster's version has this API",
    409: "Another tool owns these fields: stop it, or set force_conflicts: true to take them over",
    413: "The object is larger than the API server takes",
    422: "Correct the field that is named",
    429: "The API server is overloaded: try again later",
}


def _words(answer: bytes) -> tuple[str, list[dict[str, Any]]]:
    try:
        status = json.loads(answer)
    except ValueError:
        return answer.decode("utf-8", "replace")[:500].strip(), []
    if not isinstance(status, dict):
        return str(status)[:500], []
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    # A proxy may answer with JSON of its own.
    listed = [each for each in causes if isinstance(each, dict)] if isinstance(causes, list) else []
    return str(status.get("message") or ""), listed


def describe_status(status: int, answer: bytes) -> str:
    """Return the server's own words for a status, with the fields that it names and the next step."""
    message, causes = _words(answer)
    text = f"HTTP {status} {message}".strip()
    named = [f"{cause.get('field')}: {cause.get('message')}" for cause in causes if cause.get("field")]
    missing = [each for each in named if each.split(": ", 1)[-1] not in message]
    if missing:
        text += " (" + "; ".join(missing) + ")"
    return f"{text}. {_NEXT_STEPS[status]}" if status in _NEXT_STEPS else text
