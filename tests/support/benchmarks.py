# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of load tools for tests: files that the tools have written (tests/data/benchmarks), and our own by hand.

The files of the tools were written against a server with 100 ms to the first token and 20 ms for each further one, 24
requests, 4 at once. In those with "faults" every fifth request got HTTP 500 and every seventh stream was cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["DATA", "own_result", "own_target"]

DATA = Path(__file__).parents[1] / "data" / "benchmarks"


def own_target(
    name: str = "chat",
    completed: int = 400,
    failed: int = 0,
    samples: Sequence[float | None] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return one target of a result of our own client."""
    latencies = {f"ttft_{each}_ms": value for each, value in (("mean", 105.0), ("p50", 101.0), ("p95", 150.0))}
    target: dict[str, Any] = {
        "name": name,
        "gpus": 2,
        "requests": {"issued": completed + failed, "completed": completed, "failed": failed, "errors": {}},
        "tokens": {"input": 32 * completed, "output": 16 * completed},
        "metrics": {
            **latencies,
            "ttft_p99_ms": 190.0,
            "itl_p95_ms": 21.0,
            "tpot_mean_ms": 20.0,
            "e2e_p95_ms": 460.0,
            "throughput_tokens_per_second": 1800.0,
            "goodput_ratio": 0.99,
        },
        "counts": {"ttft": completed, "itl": 15 * completed, "tpot": completed, "e2e": completed},
    }
    if failed:
        target["requests"]["errors"] = {"http_500": failed}
    if samples is not None:
        target["samples"] = {"ttft_ms": list(samples)}
    return {**target, **more}


def own_result(*targets: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a result of our own client with the given targets, one by default."""
    return {
        "schema": "llmops.dev/benchmark-result/v1",
        "state": "complete",
        "started_at": "2026-01-31T12:00:00+00:00",
        "finished_at": "2026-01-31T12:01:00+00:00",
        "duration_seconds": 60.0,
        "client": {"version": "0.1.0", "too_slow": False, "reasons": [], "closed_loop": False},
        "targets": list(targets or [own_target()]),
        **more,
    }
