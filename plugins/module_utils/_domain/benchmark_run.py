# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of a load tool, in one form for all tools: what a gate judges.

Names and definitions are the same whatever the tool calls them. ``ttft``: from the request to the first content.
``itl``: the gap between two chunks. ``tpot``: per request, from the first to the last token, divided by the tokens but
the first. ``e2e``: the whole request. What a tool does not measure so is absent.

A latency of exactly zero, a value that is null or no number, and any value over zero samples is no measurement: two of
the tools write 0.0 for every latency when every request has failed. ``missing`` keeps why, by metric.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import shown
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import Problem

__all__ = ["FAMILIES", "BenchmarkRun", "Metrics", "Node", "find_lateness", "percentile_name"]

FAMILIES = ("ttft", "itl", "tpot", "e2e")
# A client that sends so much later than planned, in parts of the mean request, hides a queue from its figures.
_LATENESS_MAX = 0.1


@dataclass(frozen=True)
class BenchmarkRun:
    """One run against one target. ``metrics`` are finite numbers by canonical name (``ttft_p95_ms``), all measured.

    Counts are None where the file has none. ``samples`` holds values by family in ms, in the order of sending, None for
    a request that failed. ``samples_behind`` counts the values behind a family's figures. ``doubts`` are reasons for
    which the run cannot be taken for a measurement of the server, such as a client that was too slow. Targets of one
    document and ``phase`` were measured side by side.
    """

    tool: str
    tool_version: str | None
    target: str
    requested: int | None
    completed: int | None
    failed: int | None
    errors: Mapping[str, int] = field(default_factory=dict)
    duration_seconds: float | None = None
    output_tokens: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    samples_behind: Mapping[str, int] = field(default_factory=dict)
    samples: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    partial: bool = False
    doubts: tuple[str, ...] = ()
    gpus: int | None = None
    phase: str = ""
    started_at: str | None = None
    finished_at: str | None = None


class Node:
    """A value inside of a result file, at ``path``; what has the wrong type is a problem, what is absent is None."""

    def __init__(self, value: Any, path: str, problems: list[Problem]) -> None:
        self.value, self.path, self.problems = value, path, problems

    def at(self, *keys: str) -> Node:
        """Return the value below some keys; absent below what is absent or null."""
        node = self
        for key in keys:
            value = node.value
            if value is not None and not isinstance(value, Mapping):
                node.wrong("a mapping")
                value = None
            node = Node((value or {}).get(key), f"{node.path}.{key}" if node.path else key, self.problems)
        return node

    def items(self) -> list[Node]:
        """Return the entries of a list; none when it is absent."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            self.wrong("a list")
            return []
        return [Node(item, f"{self.path}[{index}]", self.problems) for index, item in enumerate(self.value)]

    def names(self) -> list[str]:
        """Return the keys of a mapping; none when it is absent."""
        self.at("")
        return [str(key) for key in self.value] if isinstance(self.value, Mapping) else []

    def number(self) -> float | None:
        """Return a number; None for what is absent, null, NaN or infinite."""
        if self.value is None:
            return None
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            self.wrong("a number or null")
            return None
        return float(self.value) if math.isfinite(self.value) else None

    def count(self) -> int | None:
        """Return a number of things; AIPerf writes them as 24.0."""
        number = self.number()
        if number is None:
            return None
        if number < 0 or not number.is_integer():
            self.wrong("a whole number, zero or more")
            return None
        return int(number)

    def text(self) -> str | None:
        """Return a text."""
        if self.value is not None and not isinstance(self.value, str):
            self.wrong("a text or null")
            return None
        return self.value

    def flag(self) -> bool:
        """Return a truth value; absent is false."""
        if self.value is not None and not isinstance(self.value, bool):
            self.wrong("true or false")
            return False
        return bool(self.value)

    def wrong(self, expected: str) -> None:
        """Record that this value has the wrong type."""
        self.problems.append(Problem(self.path or "the document", f"expected {expected}", shown(self.value)))


class Metrics:
    """Collects the metrics of one run; ``done`` returns what was measured, and why the rest was not."""

    def __init__(self, completed: int | None) -> None:
        self._completed = completed
        self._values: dict[str, float] = {}
        self._missing: dict[str, str] = {}

    def latency(self, name: str, node: Node, factor: float = 1.0) -> None:
        """Take a latency; ``factor`` makes milliseconds of it."""
        self.number(name, node, factor)
        if self._values.get(name) == 0:
            self.lacks(name, f"{node.path} is 0.0, which no tool measures")

    def number(self, name: str, node: Node, factor: float = 1.0) -> None:
        """Take a number, if the run has completed requests to measure it on."""
        value = node.number()
        if not self._completed:
            self.lacks(name, "no request has succeeded")
        elif value is None:
            self.lacks(name, f"{node.path} is {_absence(node.value)}")
        else:
            self._values[name] = value * factor

    def set(self, name: str, value: float) -> None:
        """Take a value that was computed of measured ones."""
        self._values[name] = value

    def lacks(self, name: str, reason: str) -> None:
        """Say why a metric is missing."""
        self._values.pop(name, None)
        self._missing[name] = reason

    def done(self) -> tuple[dict[str, float], dict[str, str]]:
        """Return the values and the reasons for missing ones."""
        return self._values, {name: why for name, why in self._missing.items() if name not in self._values}


def _absence(value: Any) -> str:
    if value is None:
        return "null or absent"
    return repr(value) if isinstance(value, float) else "no number"


def percentile_name(key: str) -> str:
    """Return the part of a metric's name for a percentile or statistic of a tool: p99.9 is p99_9, median is p50."""
    return {"median": "p50", "avg": "mean"}.get(key, key).replace(".", "_")


def find_lateness(what: str, delay_ms: float | None, metrics: Mapping[str, float]) -> tuple[str, ...]:
    """Return a doubt when requests waited in the client, where no latency counts them, ``delay_ms`` on average."""
    mean_ms = metrics.get("e2e_mean_ms")
    if delay_ms is None or mean_ms is None or delay_ms <= _LATENESS_MAX * mean_ms:
        return ()
    limit = f"{_LATENESS_MAX:.0%} of the mean request of {mean_ms:.3g} ms"
    cure = "give the client more concurrency or less load"
    return (f"requests waited {delay_ms:.3g} ms in the client ({what}), more than {limit}: {cure}",)
