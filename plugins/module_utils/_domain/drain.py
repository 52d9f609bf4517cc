# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a pod leaves without losing a request: the arithmetic of preStop, shutdown time-out and grace period.

What happens when a pod is deleted: the endpoints lose it and preStop starts, at the same time; when preStop ends the
engine gets SIGTERM; when the grace period (counted from the start) ends, SIGKILL. vLLM answers new requests with
HTTP 500 once it has got SIGTERM, so nobody may send any more by then: preStop covers the time until the data path
knows. It aborts what still runs unless ``--shutdown-timeout`` (0.18.0 and later) lets it finish.

Kept connections stay with the pod whatever the endpoints say; the drain middleware (``_engine/drain_middleware.py``)
ends them: from the moment preStop makes its file, every answer carries ``Connection: close`` and ``/health`` says 503.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.engine_args import SHUTDOWN_TIMEOUT_SINCE
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import Drain, EngineVersion

__all__ = ["DRAIN_FILE", "KEEP_ALIVE_SECONDS", "KEEP_ALIVE_VARIABLE", "TEARDOWN_SECONDS", "DrainPlan", "plan_drain"]

# preStop makes this file; it lies on the pod's own writable /tmp.
DRAIN_FILE = "/tmp/llmops-drain"  # noqa: S108 - a path inside the container

# The engine needs some 6 s to end after its last stream (measured on 0.32.0, CPU); ROCm's workers get 15 s.
TEARDOWN_SECONDS = 20

# The engine ends a connection that has been idle for so long, unless its variable says otherwise.
KEEP_ALIVE_SECONDS = 5
KEEP_ALIVE_VARIABLE = "VLLM_HTTP_TIMEOUT_KEEP_ALIVE"


@dataclass(frozen=True)
class DrainPlan:
    """The seconds of a pod's way out; ``shutdown_timeout_seconds`` None: the version has no such argument."""

    pre_stop_seconds: int
    shutdown_timeout_seconds: int | None
    grace_seconds: int
    middleware: bool
    notes: tuple[str, ...] = ()


def plan_drain(drain: Drain, version: EngineVersion) -> DrainPlan:
    """Return the plan; ValueError where the wanted grace period is shorter than its parts."""
    notes = []
    middleware = drain.middleware is not False
    if not middleware:
        notes.append("drain.middleware is off: clients that keep their connections lose requests when a pod leaves")
    if version >= SHUTDOWN_TIMEOUT_SINCE:
        pre_stop, shutdown = drain.endpoint_seconds, drain.stream_seconds_max
        parts = f"endpoint_seconds {pre_stop} + stream_seconds_max {shutdown} + {TEARDOWN_SECONDS} for the engine's end"
        needed = pre_stop + shutdown + TEARDOWN_SECONDS
    else:
        # Everything ends at SIGTERM, so streams must be over before it: preStop waits for the longest.
        pre_stop, shutdown = max(drain.endpoint_seconds, drain.stream_seconds_max), None
        parts = f"{pre_stop} (the longer of endpoint_seconds and stream_seconds_max) + {TEARDOWN_SECONDS}"
        needed = pre_stop + TEARDOWN_SECONDS
        notes.append(
            f"vLLM {version} has no --shutdown-timeout (first in {SHUTDOWN_TIMEOUT_SINCE}): "
            f"every pod waits {pre_stop} s before it ends, so that running streams finish"
        )
    grace = drain.grace_seconds if drain.grace_seconds is not None else needed
    if grace < needed:
        raise ValueError(f"{grace} s are too short: {parts} = {needed} s")
    return DrainPlan(pre_stop, shutdown, grace, middleware, tuple(notes))
