# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three probes and the start budget that they, the roll-out's deadline and the engine's own time-out share.

A liveness probe never runs before the startup probe has passed, so that no load is killed; it is lenient, because a
busy engine may answer late (and ``/health`` cannot see a frozen one: that is what ``health_gate`` is for).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import GIB, MIB

__all__ = ["StartBudget", "estimate_model_bytes", "estimate_start", "plan_start", "render_probes"]

# Imports, compilation and graph capture until the port opens. vLLM's own time-out for this, with the load, is 600 s.
_ENGINE_START_SECONDS = 180
# A hub behind a shared line, and a network file system with several readers: low on purpose, a budget costs nothing.
_DOWNLOAD_BYTES_PER_SECOND = 50 * MIB
_LOAD_BYTES_PER_SECOND = 200 * MIB
_MARGIN = 1.5
_BUDGET_SECONDS_MIN = 300
# What is assumed when neither size nor name tell: the size of a model of 8 billion parameters at 16 bits.
_ASSUMED_BYTES = 16 * GIB

_PARAMETERS = re.compile(r"(?:^|[-_/.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?=$|[-_/.])", re.IGNORECASE)
_HALF_BYTE = re.compile(r"awq|gptq|4bit|int4|w4a16|nvfp4|mxfp4|fp4", re.IGNORECASE)
_ONE_BYTE = re.compile(r"fp8|int8|w8a8|8bit", re.IGNORECASE)
_DOWNLOADED = ("hf", "s3")


@dataclass(frozen=True)
class StartBudget:
    """How long a pod may take until it serves, in seconds, and what that was computed from.

    ``is_assumed`` tells that neither the user nor the model's name has said how large it is.
    """

    seconds: int
    computed_from: str
    is_assumed: bool = False


def estimate_model_bytes(name: str, quantization: str | None) -> int | None:
    """Return the weights' bytes from a name such as ``Qwen2.5-7B-Instruct-AWQ``, or None where it says nothing."""
    match = _PARAMETERS.search(name)
    if match is None:
        return None
    parameters = int(match[1] or 1) * float(match[2]) * (1e9 if match[3].lower() == "b" else 1e6)
    hints = f"{name} {quantization or ''}"
    width = 0.5 if _HALF_BYTE.search(hints) else 1.0 if _ONE_BYTE.search(hints) else 2.0
    return math.ceil(parameters * width)


def plan_start(server: ModelServer) -> StartBudget:
    """Return the start budget: the user's own, or the estimate with a margin."""
    if server.probes.startup_seconds_max is not None:
        return StartBudget(server.probes.startup_seconds_max, "probes.startup_seconds_max")
    estimate = estimate_start(server)
    return replace(estimate, seconds=max(_BUDGET_SECONDS_MIN, math.ceil(estimate.seconds * _MARGIN / 60) * 60))


def estimate_start(server: ModelServer) -> StartBudget:
    """Return how long a pod is expected to take: a fixed start, the download and the load of the weights."""
    model, estimate = server.model, None
    name = f"{model.source.root}/{model.source.path}"
    if model.size_gib is not None:
        size, source = model.size_gib * GIB, f"model.size_gib {model.size_gib:g}"
    else:
        estimate = estimate_model_bytes(name, model.quantization)
        size = estimate if estimate is not None else _ASSUMED_BYTES
        known = "estimated from the model's name" if estimate is not None else "assumed; set model.size_gib"
        source = f"{size / GIB:.1f} GiB of weights ({known})"
    seconds = _ENGINE_START_SECONDS + size / _LOAD_BYTES_PER_SECOND
    if model.source.scheme in _DOWNLOADED:
        seconds += size / _DOWNLOAD_BYTES_PER_SECOND
        source += ", with the download"
    return StartBudget(math.ceil(seconds), source, is_assumed=model.size_gib is None and estimate is None)


def render_probes(server: ModelServer) -> dict[str, Any]:
    """Return the container's startupProbe, readinessProbe and livenessProbe."""
    probes = server.probes
    http: dict[str, Any] = {"path": probes.path, "port": "http"}
    if server.engine.tls_secret is not None:
        http["scheme"] = "HTTPS"
    budget = plan_start(server).seconds
    return {
        "startupProbe": {
            "httpGet": http,
            "periodSeconds": probes.startup_period_seconds,
            "timeoutSeconds": probes.readiness_timeout_seconds,
            "failureThreshold": math.ceil(budget / probes.startup_period_seconds),
        },
        "readinessProbe": {
            "httpGet": http,
            "periodSeconds": probes.readiness_period_seconds,
            "timeoutSeconds": probes.readiness_timeout_seconds,
            "failureThreshold": probes.readiness_failures,
        },
        "livenessProbe": {
            "httpGet": http,
            "periodSeconds": probes.liveness_period_seconds,
            "timeoutSeconds": probes.liveness_timeout_seconds,
            "failureThreshold": probes.liveness_failures,
        },
    }
