# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Showing the roll-out plan; nothing is written to the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.plan_page import render_page
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.plan_table import (
    describe_plan,
    refusal,
    render_table,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_data import Plan
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.planning import find_changing
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi, Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.release import Request, prepare
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.rollout import Foresight, foresee

__all__ = ["Preview", "preview"]


@dataclass(frozen=True)
class Preview:
    """The outcome of the module, and the page that shows the same to people."""

    outcome: Outcome
    page: str


def preview(request: Request, api: ClusterApi, created_at: str, fail_on: Sequence[str]) -> Preview:
    """Return the plan for what would change; ``fail_on`` are the verdicts that fail the module."""
    present, works = prepare(request, api)
    drafts = [work.subject for work in works]
    changing = find_changing(drafts)
    foresight = Foresight(Plan(Result.PASS, ()))
    if changing:
        foresight = foresee(changing, present, api, may_grow=request.planning.may_grow)
    plan, notes = foresight.plan, list(foresight.unseen)
    if plan is None:
        notes.append(f"there is no plan, because nodes and pods of the cluster may not be listed: {foresight.blind}")
    unchanged = [f"{each.server.namespace}/{each.server.name}" for each in drafts if each not in changing]
    data = describe_plan(plan) if plan is not None else {"verdict": "inconclusive", "releases": [], "nodes": []}
    table = render_table(plan.releases) if plan is not None and plan.releases else []
    table += [f"{name}: no pod changes" for name in unchanged]
    result = {**data, "unchanged": unchanged, "notes": notes, "table": [*table, *notes], "cluster": api.cluster}
    failure = None
    if data["verdict"] in fail_on:
        bad = [each for each in plan.releases if each.verdict.value == data["verdict"]] if plan is not None else []
        lines = "".join(f"\n- {words}" for words in (*map(refusal, bad), *([] if bad else notes)))
        failure = f"The roll-out plan on {api.cluster} is {data['verdict']}:{lines}"
    page = render_page(plan, api.cluster, created_at, notes)
    return Preview(Outcome(False, result, warnings=tuple(notes), failure=failure), page)
