# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The goals of the load client, from the medians of each client under each condition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.common import Goal
from benchmarks.load.measure import Figures

__all__ = ["FLOOR", "OURS", "SGLANG", "UVLOOP", "VLLM", "find_goals"]

OURS, UVLOOP, FLOOR, VLLM, SGLANG = "ours", "ours, uvloop", "floor (C)", "vllm bench serve", "sglang (Rust)"
_OWN = (OURS, UVLOOP, FLOOR)
_MISSING = float("inf")


def _size(error: float | None) -> float:
    return abs(error) if error is not None else _MISSING


def _closed(found: Mapping[str, Figures]) -> Iterator[Goal]:
    ours, floor = found[OURS], found[FLOOR]
    yield Goal("A: TTFT p50, error", _size(ours.ttft_p50_error_ms), 1.0, "ms")
    limit = round(_size(floor.ttft_p99_error_ms) + 1.0, 2)
    yield Goal("A: TTFT p99, error, at most the floor's plus 1 ms", _size(ours.ttft_p99_error_ms), limit, "ms")
    yield Goal("A: gap p99, error", _size(ours.gap_p99_error_ms), 1.0, "ms")
    yield Goal("A: memory at its peak", ours.memory_mib, 64.0, "MiB")
    yield Goal("A: first request, as a process", ours.first_request_seconds, 0.3, "s")
    each, peers = ours.cpu_ms_per_1000_tokens, {name: each for name, each in found.items() if name not in _OWN}
    if VLLM in peers:
        yield Goal("A: CPU per token, of vLLM's", each / peers[VLLM].cpu_ms_per_1000_tokens, 0.65, "times")
        yield Goal("A: CPU of the whole run, of vLLM's", ours.cpu_seconds / peers[VLLM].cpu_seconds, 0.3, "times")
    if SGLANG in peers:
        yield Goal("A: CPU per token, of sglang's", each / peers[SGLANG].cpu_ms_per_1000_tokens, 1.5, "times")
        if UVLOOP in found:
            share = found[UVLOOP].cpu_ms_per_1000_tokens / peers[SGLANG].cpu_ms_per_1000_tokens
            yield Goal("A: CPU per token with uvloop, of sglang's", share, 0.75, "times")
    if peers:
        least = min(peer.cpu_seconds for peer in peers.values())
        yield Goal("A: CPU of the whole run, of the best peer's", ours.cpu_seconds / least, 0.5, "times")
        soonest = min(peer.first_request_seconds for peer in peers.values())
        yield Goal("A: first request, of the best peer's", ours.first_request_seconds / soonest, 0.07, "times")


def _open(found: Mapping[str, Figures]) -> Iterator[Goal]:
    yield Goal("B: TTFT p99, error", _size(found[OURS].ttft_p99_error_ms), 1.0, "ms")
    yield Goal("B: lateness p99", _size(found[OURS].lateness_p99_ms), 1.0, "ms")


def _tokens(found: Mapping[str, Figures]) -> Iterator[Goal]:
    rate = found[OURS].tokens_per_second
    yield Goal(f"S: 100,000 tokens, at {rate:,.0f} a second, take", 100_000 / rate, 1.0, "s")
    if VLLM in found:
        yield Goal("S: tokens a second, vLLM's of ours", found[VLLM].tokens_per_second / rate, 1 / 1.8, "times")


def _requests(found: Mapping[str, Figures]) -> Iterator[Goal]:
    rate = found[OURS].requests_per_second
    yield Goal(f"S: 15,000 requests, at {rate:,.0f} a second, take", 15_000 / rate, 1.0, "s")
    if VLLM in found:
        yield Goal("S: requests a second, vLLM's of ours", found[VLLM].requests_per_second / rate, 1 / 12, "times")


def find_goals(medians: Mapping[str, Mapping[str, Figures]]) -> list[Goal]:
    """Return the goals of the conditions that were measured; what is missing meets none."""
    kinds = {"A": _closed, "B": _open, "S-tokens": _tokens, "S-requests": _requests}
    return [goal for name, found in medians.items() for goal in kinds[name](found)]
