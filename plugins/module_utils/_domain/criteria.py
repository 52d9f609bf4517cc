# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a benchmark must show: limits for named metrics or expressions, absolute or relative to a baseline."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.metrics import (
    Metric,
    convert,
    find_metric,
    guess_metric,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import Problem

__all__ = ["OPERATORS", "Criterion", "find_contradictions", "parse_criteria", "parse_slo"]

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# What a relative limit can be written in.
_RELATIVE_UNITS = ("ratio", "percent")


@dataclass(frozen=True)
class Criterion:
    """One limit: observed ``sign`` ``limit`` must hold.

    Either ``metric`` or ``expression`` is set. The limit is in the metric's unit; for a relative one it is the ratio
    of observed and baseline (1.1 for "at most 10 percent more").
    """

    path: str
    sign: str
    limit: float
    metric: Metric | None = None
    expression: str | None = None
    relative: bool = False
    unit: str = ""

    @property
    def name(self) -> str:
        """What is judged, in words of the user."""
        if self.metric is None:
            return str(self.expression)
        return self.metric.name + ("_per_gpu" if self.metric.per_gpu else "")

    @property
    def is_upper(self) -> bool:
        """Whether more is worse."""
        return self.sign in ("<", "<=")

    def holds(self, value: float) -> bool:
        """Whether a value, or ratio, is within the limit."""
        return OPERATORS[self.sign](value, self.limit)

    def words(self) -> str:
        """Return the limit as text."""
        if self.relative:
            return f"{self.sign} {self.limit:.6g} x baseline"
        return f"{self.sign} {self.show(self.limit)}"

    def show(self, value: float) -> str:
        """Return a value with the unit as text; a ratio has none."""
        unit = self.metric.unit if self.metric is not None else self.unit
        return f"{value:.6g} {'' if unit == 'ratio' else unit}".rstrip()


def parse_criteria(items: Sequence[Any], problems: list[Problem]) -> list[Criterion]:
    """Return what could be read of a list of criteria; everything that is wrong is added to the problems."""
    found = []
    for index, item in enumerate(items):
        path = f"criteria[{index}]"
        if item is None:
            problems.append(Problem(path, "expected a mapping", hint="Write metric, operator and value."))
            continue
        fields = Fields(item, path, problems)
        criterion = _parse(fields)
        fields.finish()
        if criterion is not None:
            found.append(criterion)
    return found


def _parse(fields: Fields) -> Criterion | None:
    name, expression = fields.text("metric", None), fields.text("expression", None)
    sign = fields.text("operator", "", choices=tuple(OPERATORS))
    value = fields.number("value", None)
    unit = fields.text("unit", None)
    relative, per_gpu = fields.boolean("relative", False), fields.boolean("per_gpu", False)
    if (name is None) == (expression is None):
        fields.problem_here("needs either metric or expression", fields.whole())
        return None
    if not fields.has("operator"):
        fields.problem("operator", "is required", allowed=", ".join(OPERATORS))
    if not fields.has("value"):
        fields.problem("value", "is required", hint="Write the limit as a number.")
    metric = None
    if name is not None:
        metric = _find(fields, "metric", name + ("_per_gpu" if per_gpu else ""))
    elif per_gpu:
        fields.problem("per_gpu", "goes with a metric only", hint="Divide inside of the expression.")
    if not sign or value is None or (name is not None and metric is None):
        return None
    limit, shown_unit = _limit(fields, value, unit, metric, relative)
    if limit is None:
        return None
    return Criterion(fields.path, sign, limit, metric, expression, relative, shown_unit)


def _find(fields: Fields, key: str, name: str) -> Metric | None:
    metric = find_metric(name)
    if metric is None:
        guess = guess_metric(name)
        hint = f"Did you mean {guess}?" if guess else "Take an expression for what only one tool measures."
        fields.problem(key, "there is no such metric", name, hint=hint)
    return metric


def _limit(
    fields: Fields, value: float, unit: str | None, metric: Metric | None, relative: bool
) -> tuple[float | None, str]:
    """Return the limit as a criterion keeps it, and its unit; None after a recorded problem."""
    if relative:
        return _ratio(fields, value, unit), ""
    if metric is None:
        return value, unit or ""
    limit, units = convert(value, unit, metric)
    if limit is None:
        fields.problem("unit", f"does not fit {metric.name}, which is in {metric.unit}", unit, units)
    elif not _is_possible(limit, metric):
        _refuse(fields, "value", value, metric, ", or unit: percent")
        limit = None
    return limit, metric.unit


def _ratio(fields: Fields, value: float, unit: str | None) -> float | None:
    if unit not in _RELATIVE_UNITS:
        hint = "ratio: 1.1 is 1.1 times the baseline; percent: 10 is 10 percent more than it."
        fields.problem("unit", "a relative criterion needs one", unit, ", ".join(_RELATIVE_UNITS), hint)
        return None
    ratio = value if unit == "ratio" else 1 + value / 100
    if ratio <= 0:
        allowed = "a ratio above 0, or more than -100 percent"
        fields.problem("value", "is no possible part of the baseline", value, allowed)
        return None
    return ratio


def _is_possible(limit: float, metric: Metric) -> bool:
    return limit >= 0 and (metric.unit != "ratio" or limit <= 1)


def _refuse(fields: Fields, key: str, value: float, metric: Metric, more: str = "") -> None:
    allowed = f"0 to 1{more}" if metric.unit == "ratio" else "0 or more"
    fields.problem(key, f"is no possible {metric.name}", value, allowed)


def parse_slo(slo: Mapping[str, Any], problems: list[Problem]) -> list[Criterion]:
    """Return the criteria of a model server's ``slo``: {ttft_p95_ms_max: 500, goodput_ratio_min: 0.99}."""
    fields = Fields(slo, "slo", problems)
    found = []
    for key in map(str, slo):
        value = fields.number(key, None)
        name, _separator, end = key.rpartition("_")
        if end not in ("min", "max"):
            fields.problem(key, "a limit ends with _max or _min", hint=f"Did you mean {key}_max or {key}_min?")
            continue
        metric = _find(fields, key, name)
        if metric is None or value is None:
            continue
        if _is_possible(value, metric):
            found.append(Criterion(f"slo.{key}", "<=" if end == "max" else ">=", value, metric, unit=metric.unit))
        else:
            _refuse(fields, key, value, metric)
    return found


def find_contradictions(criteria: Sequence[Criterion]) -> list[Problem]:
    """Return a problem for each pair of limits that no value can keep, such as a minimum above a maximum."""
    found = []
    for low in (each for each in criteria if not each.is_upper):
        for high in (each for each in criteria if each.is_upper):
            if (low.name, low.relative) != (high.name, high.relative) or low.limit < high.limit:
                continue
            if low.limit > high.limit or "=" not in low.sign or "=" not in high.sign:
                message = f"{low.name} {low.words()} contradicts {high.path}: {high.name} {high.words()}"
                found.append(Problem(low.path, message, hint="No value keeps both; change one of them."))
    return found
