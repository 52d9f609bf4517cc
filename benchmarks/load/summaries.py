# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each client says in the file that a machine would read: its own counts and figures, whatever they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._bench import wire

__all__ = ["SUMMARIES"]

Told = dict[str, Any]


def _told(ok: Any, failed: Any, ttft: Any, gap: Any) -> Told:
    """Return counts, and TTFT and gap at p50 in milliseconds."""
    return {"ok": ok, "failed": failed, "ttft_p50_ms": ttft, "gap_p50_ms": gap}


def _load(folder: Path, pattern: str) -> Any:
    return json.loads(next(iter(sorted(folder.rglob(pattern)))).read_text().splitlines()[0])


def _whole(folder: Path, pattern: str) -> Any:
    return json.loads(next(iter(sorted(folder.rglob(pattern)))).read_text())


def _ours(folder: Path) -> Told:
    result = wire.decode_result((folder / "output").read_text(errors="replace").splitlines())
    if result is None:
        raise LookupError("no result")
    found = result["phases"][0]["targets"]["known"]
    requests, ttft, gap = found["requests"], found["ttft_ms"] or {}, found["itl_ms"] or {}
    told = _told(requests["ok"], requests["failed"], ttft.get("p50"), gap.get("p50"))
    return {**told, "classes": ", ".join(f"{kind} {count}" for kind, count in found["classes"].items())}


def _vllm(folder: Path) -> Told:
    found = _whole(folder, "vllm.json")
    return _told(found["completed"], found["failed"], found["median_ttft_ms"], found["median_itl_ms"])


def _sglang(folder: Path) -> Told:
    found = _load(folder, "sglang.jsonl")
    failed = sum(1 for error in found["errors"] if error)
    return _told(found["completed"], failed, found["median_ttft_ms"], found["median_itl_ms"])


def _guidellm(folder: Path) -> Told:
    found = _whole(folder, "guidellm.json")["benchmarks"][0]["metrics"]
    totals = found["request_totals"]

    def middle(name: str) -> Any:
        return ((found[name] or {}).get("successful") or {}).get("median")

    times = middle("time_to_first_token_ms"), middle("inter_token_latency_ms")
    return _told(totals["successful"], totals["errored"], *times)


def _aiperf(folder: Path) -> Told:
    found = _whole(folder, "profile_export_aiperf.json")

    def value(name: str, key: str) -> Any:
        return (found.get(name) or {}).get(key)

    counts = value("request_count", "avg"), value("error_request_count", "avg")
    return _told(*counts, value("time_to_first_token", "p50"), value("inter_token_latency", "p50"))


def _inference_perf(folder: Path) -> Told:
    found = _whole(folder, "summary_lifecycle_metrics.json")
    latency = (found.get("successes") or {}).get("latency") or {}

    def middle(name: str) -> Any:
        value = (latency.get(name) or {}).get("median")
        return None if value is None else value * 1000

    counts = found["successes"]["count"], found["failures"]["count"]
    return _told(*counts, middle("time_to_first_token"), middle("inter_token_latency"))


def _evalscope(folder: Path) -> Told:
    found = _whole(folder, "benchmark_summary.json")
    shares = {each["Percentiles"]: each for each in _whole(folder, "benchmark_percentile.json")}
    middle = shares.get("50%", {})
    return _told(found["Success Requests"], found["Failed Requests"], middle.get("TTFT (ms)"), middle.get("ITL (ms)"))


SUMMARIES: Mapping[str, Callable[[Path], Told]] = {
    "ours": _ours,
    "vllm bench serve": _vllm,
    "sglang (Rust)": _sglang,
    "guidellm": _guidellm,
    "AIPerf": _aiperf,
    "inference-perf": _inference_perf,
    "evalscope": _evalscope,
}
