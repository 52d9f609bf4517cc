# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vLLM's metrics by version, and the Prometheus queries that a gate judges a slot by.

Names, kinds and versions are those of vLLM's ``vllm/v1/metrics/loggers.py`` at its tags. A query is rendered for one
slot: ``$selector`` stands for the matchers of its series, ``$window`` for the time that is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import EngineVersion

__all__ = ["ENGINES", "LOAD", "Definition", "Queries", "find_definition", "known_names", "render", "render_selector"]

# One series for each engine of each pod, in every version: who is scraped.
ENGINES = "vllm:num_requests_running"
# Requests that ended, for each engine: how busy a slot was.
_ENDED = "vllm:request_success_total"
LOAD = f"sum(increase({_ENDED}{{$selector}}[$window])) / count({ENGINES}{{$selector}})"

# The name since a version, and the one before.
_KV_CACHE = ("vllm:kv_cache_usage_perc", EngineVersion(0, 9, 2), "vllm:gpu_cache_usage_perc")
_INTER_TOKEN = ("vllm:inter_token_latency_seconds", EngineVersion(0, 10, 2), "vllm:time_per_output_token_seconds")
_HISTOGRAMS = {
    "ttft": "vllm:time_to_first_token_seconds",
    "itl": "",  # by version
    "e2e": "vllm:e2e_request_latency_seconds",
    "queue": "vllm:request_queue_time_seconds",
}
_LATENCY = re.compile(r"(ttft|itl|e2e|queue)_p(\d{2})(?:_(\d))?_ms")
# Shown by name where a wrong one is written; every other percentile exists too.
_EXAMPLES = ("ttft_p95_ms", "itl_p95_ms", "e2e_p95_ms", "queue_p95_ms")


@dataclass(frozen=True)
class Definition:
    """A metric: the series that it needs, its query, the one that counts its samples, and what is better.

    ``other`` is the name that the series has in other versions, which explains why it is not there.
    """

    series: str
    query: str
    samples: str
    direction: str = "lower"
    other: str | None = None


@dataclass(frozen=True)
class Queries:
    """What to ask Prometheus for one metric of one slot."""

    exists: str
    samples: str
    value: str
    anywhere: str
    other: str | None


def _by_version(names: tuple[str, EngineVersion, str], version: EngineVersion) -> tuple[str, str]:
    """Return the name of a series in a version, and the one that it has in others."""
    new, since, old = names
    return (new, old) if version >= since else (old, new)


def _gauge(series: str, other: str | None = None) -> Definition:
    query = f"avg(avg_over_time({series}{{$selector}}[$window]))"
    return Definition(series, query, f"min(count_over_time({series}{{$selector}}[$window]))", other=other)


def _latency(family: str, quantile: float, version: EngineVersion) -> Definition:
    histogram, other = _HISTOGRAMS[family], None
    if family == "itl":
        histogram, other = _by_version(_INTER_TOKEN, version)
    buckets = f"sum by (le) (rate({histogram}_bucket{{$selector}}[$window]))"
    return Definition(
        f"{histogram}_count",
        f"1000 * histogram_quantile({quantile:g}, {buckets})",
        f"sum(increase({histogram}_count{{$selector}}[$window]))",
        other=f"{other}_count" if other else None,
    )


def _per_request(part: str, series: str) -> Definition:
    ended = f"sum(increase({_ENDED}{{$selector}}[$window]))"
    return Definition(series, f"sum(increase({part}[$window])) / {ended}", ended)


def known_names() -> tuple[str, ...]:
    """Return the names of metrics, of the latencies the 95th percentiles."""
    return tuple(sorted((*_plain(EngineVersion(0, 0, 0)), *_EXAMPLES)))


def _plain(version: EngineVersion) -> Mapping[str, Definition]:
    tokens = "vllm:generation_tokens_total"
    return {
        "requests_waiting": _gauge("vllm:num_requests_waiting"),
        "requests_running": _gauge(ENGINES),
        "kv_cache_usage_ratio": _gauge(*_by_version(_KV_CACHE, version)),
        # "success" has every reason: stop and length are the good ones.
        "error_ratio": _per_request(f'{_ENDED}{{$selector,finished_reason=~"abort|error"}}', _ENDED),
        "preemptions_per_request": _per_request("vllm:num_preemptions_total{$selector}", "vllm:num_preemptions_total"),
        "throughput_tokens_per_second": Definition(
            tokens,
            f"avg(rate({tokens}{{$selector}}[$window]))",
            f"min(count_over_time({tokens}{{$selector}}[$window]))",
            "higher",
        ),
    }


def find_definition(name: str, version: EngineVersion) -> Definition | None:
    """Return a metric as a version of vLLM has it, or None for a name that there is not."""
    if found := _LATENCY.fullmatch(name):
        family, whole, tenths = found.groups()
        return _latency(family, float(f"{whole}.{tenths or 0}") / 100, version)
    return _plain(version).get(name)


def render_selector(matchers: Mapping[str, str], more: str = "") -> str:
    """Return the matchers of a slot's series, with further ones as they were written."""
    texts = []
    for label, value in matchers.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        texts.append(f'{label}="{escaped}"')
    return ",".join([*texts, *([more] if more else [])])


def render(definition: Definition, selector: str, window_seconds: int) -> Queries:
    """Return the queries of a metric for the series of one slot."""

    def filled(text: str) -> str:
        return Template(text).safe_substitute(selector=selector, window=f"{window_seconds}s")

    return Queries(
        exists=f"count({definition.series}{{{selector}}})",
        samples=filled(definition.samples),
        value=filled(definition.query),
        anywhere=f"count({definition.series})",
        other=f"count({definition.other}{{{selector}}})" if definition.other else None,
    )
