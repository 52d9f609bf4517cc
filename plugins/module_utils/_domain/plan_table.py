# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as plain data and as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_data import Plan, ReleasePlan
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_words import few
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.table import align

__all__ = ["describe_plan", "describe_release", "refusal", "render_table", "seconds"]

_HEAD = ("RELEASE", "CHANGE", "VERDICT", "STRATEGY", "REPLICAS", "EACH", "PEAK", "TAKES")


def describe_release(plan: ReleasePlan) -> dict[str, Any]:
    """Return the plan of one release as plain data."""
    start = {"seconds": plan.start.seconds, "source": plan.start.source, "is_measured": plan.start.is_measured}
    return {
        "name": plan.name,
        "namespace": plan.namespace,
        "change": plan.kind,
        "verdict": plan.verdict.value,
        "strategy": plan.strategy,
        "replicas": plan.replicas,
        "replicas_now": plan.replicas_now,
        "accelerator": plan.accelerator,
        "per_pod": plan.per_pod,
        "extra_at_peak": plan.extra_at_peak,
        "fits_now": plan.fits_now,
        "reasons": list(plan.reasons),
        "remedies": list(plan.remedies),
        "risks": list(plan.risks),
        "steps": list(plan.steps),
        "nodes": dict(sorted(plan.places.items())),
        "displaced": list(plan.displaced),
        "waits_for": list(plan.waits_for),
        "waits_seconds": plan.waits_seconds,
        "start": start,
        "seconds_expected": plan.seconds_expected,
        "seconds_max": plan.seconds_max,
        "silent_seconds": plan.silent_seconds,
    }


def describe_plan(plan: Plan) -> dict[str, Any]:
    """Return the whole plan as plain data."""
    nodes = [
        {
            "name": node.name,
            "resource": node.resource,
            "amount": node.amount,
            "before": dict(node.before),
            "peak": dict(node.peak),
            "after": dict(node.after),
        }
        for node in plan.nodes
    ]
    return {
        "verdict": plan.verdict.value,
        "releases": [describe_release(each) for each in plan.releases],
        "nodes": nodes,
    }


def seconds(number: int) -> str:
    """Return a time for people: ``90 s``, ``12 min``."""
    return f"{number} s" if number < 120 else f"{round(number / 60)} min"


def _row(plan: ReleasePlan) -> tuple[str, ...]:
    unit = plan.accelerator or ("pod" if plan.per_pod == 1 else "pods")
    now = "" if plan.kind == "new" else f"{plan.replicas_now} -> "
    takes = f"{seconds(plan.seconds_expected)}, at most {seconds(plan.seconds_max)}" if plan.seconds_max else "-"
    return (
        f"{plan.namespace}/{plan.name}",
        plan.kind,
        plan.verdict.value,
        plan.strategy,
        f"{now}{plan.replicas}",
        f"{plan.per_pod} {unit}",
        f"+{plan.extra_at_peak}",
        takes,
    )


def _notes(plan: ReleasePlan) -> list[str]:
    place = f"{plan.namespace}/{plan.name}"
    lines = [f"{place} cannot work: {each}" for each in plan.reasons]
    lines += [f"{place} would work with {each}" for each in plan.remedies]
    nodes = [f"{count} on {name}" for name, count in sorted(plan.places.items())]
    lines += [f"{place} new pods: {few(nodes)}"] if nodes else []
    lines += [f"{place} risk: {each}" for each in plan.risks]
    if plan.seconds_max:
        lines.append(f"{place} a pod starts in about {seconds(plan.start.seconds)} ({plan.start.source})")
    return lines


def render_table(releases: Sequence[ReleasePlan]) -> list[str]:
    """Return the plan as aligned lines with a head line, and a line for each reason, way out and risk."""
    lines = align([_HEAD, *map(_row, releases)])
    return lines + [note for plan in releases for note in _notes(plan)]


def refusal(plan: ReleasePlan) -> str:
    """Return one text for a release that is refused, or that is not sure to work."""
    text = f"{plan.namespace}/{plan.name} ({plan.strategy}): " + "; ".join(plan.reasons or plan.risks)
    return text + (f". It would work with {'; or with '.join(plan.remedies)}" if plan.remedies else "")
