# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics that a gate judges, as users write them: what is better, how much worse it may be, and when it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.engine_metrics import (
    Definition,
    find_definition,
    known_names,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields, nearest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import EngineVersion
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["Criterion", "parse_criteria"]

DIRECTIONS = ("lower", "higher")
NAN_POLICIES = ("inconclusive", "fail", "skip")
SAMPLES_MIN = 10.0


@dataclass(frozen=True)
class Criterion:
    """One metric with its limits; ``direction`` says what is better.

    ``limit`` is the worst value that is allowed; ``tolerance_ratio`` and ``tolerance`` together how much worse than the
    other slot's it may be. ``nan`` says what a value that is no number means.
    """

    name: str
    definition: Definition
    limit: float | None = None
    tolerance_ratio: float | None = None
    tolerance: float | None = None
    samples_min: float = SAMPLES_MIN
    nan: str = "inconclusive"
    critical: bool = True

    @property
    def is_relative(self) -> bool:
        """Whether the other slot's value is needed."""
        return self.tolerance_ratio is not None or self.tolerance is not None

    @property
    def lower_is_better(self) -> bool:
        """Whether a smaller value is the better one."""
        return self.definition.direction == "lower"

    def bound(self, baseline: float) -> float:
        """Return the worst value that is allowed beside the other slot's."""
        room = abs(baseline) * (self.tolerance_ratio or 0.0) + (self.tolerance or 0.0)
        return baseline + room if self.lower_is_better else baseline - room

    def allows(self, value: float, worst: float) -> bool:
        """Whether a value is no worse than another."""
        return value <= worst if self.lower_is_better else value >= worst


def parse_criteria(items: Sequence[object], version: EngineVersion) -> tuple[Criterion, ...]:
    """Return the criteria for a version of vLLM; InputError with every problem."""
    problems: list[Problem] = []
    criteria = [_parse(Fields(item, f"metrics[{index}]", problems), version) for index, item in enumerate(items)]
    if not items:
        problems.append(Problem("metrics", "there is none", hint=f"Known are {', '.join(known_names())}."))
    names = [criterion.name for criterion in criteria]
    for index, name in enumerate(names):
        if name and name in names[:index]:
            problems.append(Problem(f"metrics[{index}].name", "is used twice", name))
    if problems:
        raise InputError(problems)
    return tuple(criteria)


def _parse(fields: Fields, version: EngineVersion) -> Criterion:
    name = fields.required_text("name", f"Known are {', '.join(known_names())}; or give query and series.")
    direction = fields.text("direction", None, choices=DIRECTIONS)
    samples = _zero_or_more(fields, "samples_min")
    criterion = Criterion(
        name=name,
        definition=_parse_definition(fields, name, direction, version),
        limit=fields.number("limit", None, above=float("-inf")),
        tolerance_ratio=_zero_or_more(fields, "tolerance_ratio"),
        tolerance=_zero_or_more(fields, "tolerance"),
        samples_min=SAMPLES_MIN if samples is None else samples,
        nan=fields.text("nan", "inconclusive", choices=NAN_POLICIES),
        critical=fields.boolean("critical", True),
    )
    if criterion.limit is None and not criterion.is_relative:
        hint = "Give limit, tolerance_ratio or tolerance."
        fields.problem_here("has no limit", name, hint=hint)
    fields.finish()
    return criterion


def _parse_definition(fields: Fields, name: str, direction: str | None, version: EngineVersion) -> Definition:
    query, series = fields.text("query", None), fields.text("series", None)
    if query is not None or series is not None:
        for key, value in (("query", query), ("series", series), ("direction", direction)):
            if value is None and not fields.has(key):
                fields.problem(key, "is required for a query of your own")
        if query is not None and "$selector" not in query:
            fields.problem("query", "does not say whose series it means", query, hint="Write {$selector} behind names.")
        samples = f"min(count_over_time({series}{{$selector}}[$window]))"
        return Definition(series or "", query or "", samples, direction or "lower")
    found = find_definition(name, version)
    if found is None:
        guess = nearest(name, known_names())
        hint = f"Did you mean {guess}?" if guess else "Or give query and series."
        if name:
            fields.problem("name", "no such metric", name, ", ".join(known_names()), hint)
        return Definition("", "", "")
    if direction is not None and direction != found.direction:
        fields.problem("direction", "is not how this metric is better", direction, found.direction)
    return found


def _zero_or_more(fields: Fields, key: str) -> float | None:
    value = fields.number(key, None, above=float("-inf"))
    if value is not None and value < 0:
        fields.problem(key, "is below zero", value, "0 or more")
    return value
