# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cap on the requests in flight hides: a server with eight slots, an open load near what it can do.

With the cap a client waits instead of the server's queue, and does not count it (coordinated omission).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.load.contenders import Contender
from benchmarks.load.goals import OURS, SGLANG, VLLM
from benchmarks.load.known import Condition
from benchmarks.load.measure import RunError, measure

__all__ = ["measure_omission", "print_omission"]

# 100 ms + 31 * 10 ms each: at most 19.5 requests a second.
_OPEN = Condition("omission", 100, 10, 32, 8, 400, rate_per_second=18, warm=False, slots=8)
_CAPPED = replace(_OPEN, cap=8)
# The others cannot have both, a rate and a cap.
_CLIENTS = (OURS, VLLM, SGLANG, "AIPerf")


def measure_omission(contenders: Sequence[Contender], failures: dict[str, dict[str, str]]) -> dict[str, dict[str, Any]]:
    """Return what each client says the TTFT was, with a cap and without, and what it was to the server."""
    told: dict[str, dict[str, Any]] = {}
    for contender in contenders:
        for condition in (_CAPPED, _OPEN) if contender.name in _CLIENTS else ():
            try:
                figures, remarks = measure(contender, condition)
            except RunError as error:
                failures.setdefault("omission", {})[contender.name] = str(error)
                continue
            word = "capped" if condition.cap else "open"
            said = {"p50_ms": figures.ttft_p50_ms, "p99_ms": figures.ttft_p99_ms, "remarks": list(remarks)}
            told.setdefault(contender.name, {})[word] = {**said, "per_second": round(figures.requests_per_second, 2)}
            print(f"omission, {contender.name}, {word}: {said}", flush=True)
    return told


def print_omission(told: Mapping[str, Mapping[str, Any]]) -> None:
    """Print TTFTs in milliseconds as a table in Markdown."""
    if not told:
        return
    print("\n| Client | TTFT p50 / p99, at most 8 in flight | without a cap | sent per second, capped |")
    print("| --- | --- | --- | --- |")
    for name, said in told.items():
        cells = [
            f"{said[word]['p50_ms']:.0f} / {said[word]['p99_ms']:.0f}" if word in said else "-"
            for word in ("capped", "open")
        ]
        print(f"| {name} | {cells[0]} | {cells[1]} | {said.get('capped', {}).get('per_second', '-')} |")
