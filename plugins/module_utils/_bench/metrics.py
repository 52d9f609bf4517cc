# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From records to figures: latencies, throughput, goodput, error classes, lateness, and how all of it went over time.

Pure. What failed enters no latency and no token figure; where nothing succeeded there are no such figures at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .distribution import Distribution
from .record import OK, UNCOUNTED, Record
from .spec import RequestSlo

__all__ = ["DEFINITIONS", "count_classes", "find_examples", "is_good", "samples_of", "series_of", "summarize"]

# Printed beside the numbers: other tools call other things by the same names.
DEFINITIONS = {
    "ttft": "first byte of the request sent to the read with the first content (text, reasoning, tool call)",
    "ttft_from_schedule": "the same from the moment that the request was due, with connecting and the client's waiting",
    "itl": "gap between the reads of two following events with content; 0 where both came in one read (merged_reads)",
    "tpot": "(last content - first content) / (completion_tokens - 1), none for one token",
    "e2e": "first byte of the request sent to the end of the answer ([DONE] of a stream)",
    "tokens": "as the server's usage counts them, never events",
    "throughput": "of ok requests, over the time from the start of the phase to the end of its last request",
    "goodput": "ok requests within every limit of request_slo, over all issued requests",
    "percentile": "linear between neighbours (numpy.percentile's default)",
    "lateness": "sent - due - connecting: what the client itself was late",
}


def is_good(record: Record, slo: RequestSlo) -> bool:
    """Whether a request is ok and within every limit; a figure that is missing holds none, but for one token's."""
    if record.kind != OK:
        return False
    single = record.completion_tokens == 1
    itl = sum(record.gaps) / len(record.gaps) if record.gaps else None
    for limit, value, excused in (
        (slo.ttft_ms_max, record.ttft_seconds, False),
        (slo.itl_ms_max, itl, single),
        (slo.tpot_ms_max, record.tpot_seconds, single),
        (slo.e2e_ms_max, record.e2e_seconds, False),
    ):
        if limit is None or (value is None and excused):
            continue
        if value is None or value * 1000 > limit:
            return False
    return True


def summarize(
    records: Sequence[Record], *, begin: float, issued: int, slo: RequestSlo, accelerators: int
) -> dict[str, Any]:
    """Return the figures of one target in one phase that began at ``begin`` (seconds of the monotonic clock).

    ``issued`` comes from the sender's own count: a request that is in no record is lost, and said so. ``accelerators``
    are those that serve the target; with 0 there are no figures per GPU.
    """
    ok = [record for record in records if record.kind == OK]
    whole = [record for record in records if record.answered]
    uncounted = len(whole) - len(ok)
    failed = len(records) - len(whole)
    seconds = max((record.end for record in records), default=begin) - begin
    result: dict[str, Any] = {
        "requests": {
            "issued": issued,
            "ok": len(ok),
            "without_usage": uncounted,
            "failed": failed,
            "lost": issued - len(records),
        },
        "error_ratio": round((issued - len(whole)) / issued, 6) if issued else None,
        "classes": count_classes(records),
        "examples": find_examples(records),
        "duration_seconds": round(seconds, 3),
        **_latencies(whole),
        "merged_reads_ratio": _merged(whole),
        **_tokens(ok, uncounted, seconds, accelerators),
        "lateness_ms": _ms(record.lateness_seconds for record in records),
        "connect_ms": _ms(record.connect for record in records if record.connect),
    }
    if not slo.empty:
        good = sum(1 for record in ok if is_good(record, slo))
        result["goodput"] = {
            "good": good,
            "ratio": round(good / issued, 6) if issued else None,
            "requests_per_second": _per_second(good, seconds),
        }
    return result


def count_classes(records: Iterable[Record]) -> dict[str, int]:
    """Return how many requests ended in each class that is not ``ok``."""
    counts: dict[str, int] = {}
    for record in records:
        if record.kind != OK:
            counts[record.kind] = counts.get(record.kind, 0) + 1
    return dict(sorted(counts.items()))


def find_examples(records: Iterable[Record]) -> dict[str, str]:
    """Return the words of the first request of each class."""
    words: dict[str, str] = {}
    for record in records:
        if record.kind != OK and record.text and record.kind not in words:
            words[record.kind] = record.text
    return words


def _latencies(whole: Sequence[Record]) -> dict[str, Any]:
    gaps = Distribution()
    for record in whole:
        for gap in record.gaps:
            gaps.add(gap)
    return {
        "ttft_ms": _ms(record.ttft_seconds for record in whole),
        "ttft_from_schedule_ms": _ms(record.ttft_from_schedule_seconds for record in whole),
        "itl_ms": gaps.summary_ms(),
        "tpot_ms": _ms(record.tpot_seconds for record in whole),
        "e2e_ms": _ms(record.e2e_seconds for record in whole),
    }


def _ms(values: Iterable[float | None]) -> dict[str, float | int] | None:
    return Distribution(value for value in values if value is not None).summary_ms()


def _merged(whole: Sequence[Record]) -> float | None:
    gaps = sum(len(record.gaps) for record in whole)
    return round(sum(record.merged for record in whole) / gaps, 6) if gaps else None


def _tokens(ok: Sequence[Record], uncounted: int, seconds: float, accelerators: int) -> dict[str, Any]:
    """Return tokens and throughput; no token figure at all where tokens of some answers are unknown."""
    if not ok or uncounted:
        throughput = {"requests_per_second": _per_second(len(ok), seconds) if ok else None}
        return {"tokens": None, "throughput": throughput}
    prompt = sum(record.prompt_tokens or 0 for record in ok)
    output = sum(record.completion_tokens or 0 for record in ok)
    throughput = {
        "requests_per_second": _per_second(len(ok), seconds),
        "output_tokens_per_second": _per_second(output, seconds),
        "total_tokens_per_second": _per_second(prompt + output, seconds),
    }
    if accelerators and output and seconds > 0:
        for name in ("requests", "output_tokens", "total_tokens"):
            whole = throughput[f"{name}_per_second"]
            throughput[f"{name}_per_second_per_gpu"] = round(whole / accelerators, 4) if whole is not None else None
    return {"tokens": {"prompt": prompt, "output": output}, "throughput": throughput}


def _per_second(amount: float, seconds: float) -> float | None:
    return round(amount / seconds, 4) if seconds > 0 else None


def series_of(records: Iterable[Record], *, begin: float, step_seconds: float) -> list[dict[str, Any]]:
    """Return the course of a phase in steps: sent, ended, failed, tokens by the end, TTFT of those that were due then.

    A latency belongs to the step in which the request was due, so that a stall shows where it began.
    """
    steps: dict[int, dict[str, Any]] = {}

    def step(moment: float) -> dict[str, Any]:
        number = max(int((moment - begin) / step_seconds), 0)
        if number not in steps:
            steps[number] = {"due": 0, "ok": 0, "failed": 0, "output_tokens": 0, "ttft": Distribution()}
        return steps[number]

    for record in records:
        planned, ended = step(record.due), step(record.end)
        planned["due"] += 1
        if record.kind == OK:
            ended["ok"] += 1
            ended["output_tokens"] += record.completion_tokens or 0
        elif record.kind not in UNCOUNTED:
            ended["failed"] += 1
        if record.answered and record.ttft_seconds is not None:
            planned["ttft"].add(record.ttft_seconds)
    return [_series_step(number * step_seconds, steps[number]) for number in sorted(steps)]


def _series_step(start_seconds: float, step: Mapping[str, Any]) -> dict[str, Any]:
    summary = step["ttft"].summary_ms() or {}
    kept = {name: step[name] for name in ("due", "ok", "failed", "output_tokens")}
    return {
        "start_seconds": round(start_seconds, 3),
        **kept,
        "ttft_p50_ms": summary.get("p50"),
        "ttft_p95_ms": summary.get("p95"),
    }


def samples_of(records: Sequence[Record], *, begin: float) -> dict[str, list[Any]]:
    """Return each request by columns in the order of their due times: what a comparison of two targets needs.

    Times are whole microseconds; a figure that a request does not have is null.
    """
    ordered = sorted(records, key=lambda record: (record.due, record.number))
    return {
        "number": [record.number for record in ordered],
        "due_us": [_us(record.due - begin) for record in ordered],
        "class": [record.kind for record in ordered],
        "ttft_us": [_us(record.ttft_seconds) if record.answered else None for record in ordered],
        "itl_mean_us": [
            _us(sum(record.gaps) / len(record.gaps)) if record.answered and record.gaps else None for record in ordered
        ],
        "tpot_us": [_us(record.tpot_seconds) for record in ordered],
        "e2e_us": [_us(record.e2e_seconds) if record.answered else None for record in ordered],
        "output_tokens": [record.completion_tokens if record.kind == OK else None for record in ordered],
    }


def _us(seconds: float | None) -> int | None:
    return round(seconds * 1_000_000) if seconds is not None else None
