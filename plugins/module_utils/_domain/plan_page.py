# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as one HTML page that needs nothing else: verdict, table, and the nodes before, at the peak and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.page import (
    OTHERS as OTHERS_CLASS,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.page import (
    Html,
    bullets,
    join,
    legend,
    moment,
    render_frame,
    result_word,
    scroll,
    table,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.plan_table import seconds
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_data import (
    NodePicture,
    Plan,
    ReleasePlan,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_picture import OTHERS

__all__ = ["render_page"]

_NODES_MAX = 40
_CELLS_MAX = 16
_CELL, _GAP, _BAR_WIDTH, _SIDE_WIDTH, _LABEL_WIDTH, _ROW = 14, 3, 260, 290, 230, 30
_COLOURS = 6
_FREE = "free"


def _classes(nodes: Sequence[NodePicture]) -> dict[str, str]:
    holders = sorted({name for node in nodes for side in (node.before, node.peak, node.after) for name in side})
    named = [name for name in holders if name != OTHERS]
    return {**{name: f"s{i % _COLOURS}" for i, name in enumerate(named)}, OTHERS: OTHERS_CLASS, _FREE: _FREE}


def _box(x: int, y: int, width: int, title: str, kind: str) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{_CELL}" rx="2" class="{kind}">'
        f"<title>{escape(title)}</title></rect>"
    )


def _side(node: NodePicture, held: Mapping[str, int], x: int, y: int, classes: Mapping[str, str]) -> list[str]:
    """Return a node at one moment: a cell for each accelerator, or a bar in proportion where there are many."""
    total = max(node.amount, sum(held.values()), 1)
    unit = _CELL + _GAP if total <= _CELLS_MAX else 0
    parts, at = [], x
    free = node.amount - sum(held.values())
    for holder, amount in [*sorted(held.items()), *([(_FREE, free)] if free > 0 else [])]:
        kind = classes[holder]
        title = f"{holder}: {amount} of {node.amount} {node.resource}"
        if unit:
            for _piece in range(amount):
                parts.append(_box(at, y, _CELL, title, kind))
                at += unit
        else:
            width = max(1, _BAR_WIDTH * amount // total)
            parts.append(_box(at, y, width, title, kind))
            at += width
    return parts


def _picture(nodes: Sequence[NodePicture]) -> Html:
    shown = sorted(nodes, key=lambda node: (node.before == node.after == node.peak, node.name))[:_NODES_MAX]
    if not shown:
        return Html("<p>No node has the accelerators that the releases ask for.</p>")
    classes = _classes(shown)
    parts = [
        f'<text class="soft" x="{_LABEL_WIDTH + number * _SIDE_WIDTH}" y="14">{title}</text>'
        for number, title in enumerate(("before", "at the peak", "after"))
    ]
    for row, node in enumerate(shown):
        y = 26 + row * _ROW
        parts.append(f'<text x="0" y="{y + 12}">{escape(node.name[:34])}</text>')
        for number, held in enumerate((node.before, node.peak, node.after)):
            parts += _side(node, held, _LABEL_WIDTH + number * _SIDE_WIDTH, y, classes)
    width, height = _LABEL_WIDTH + 3 * _SIDE_WIDTH, 30 + len(shown) * _ROW
    swatch = f'<svg width="{_CELL}" height="{_CELL}">'
    names = legend(
        (Html(f"{swatch}{_box(0, 0, _CELL, name, kind)}</svg>"), name) for name, kind in sorted(classes.items())
    )
    more = f"<p><small>{len(nodes) - len(shown)} more nodes</small></p>" if len(nodes) > len(shown) else ""
    label = "Nodes and who holds their accelerators before, at the peak of and after the roll-out"
    drawing = Html(
        f'<svg role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"<title>{label}</title>{''.join(parts)}</svg>"
    )
    return Html(f"{scroll(label, drawing)}{names}{more}")


def _row(plan: ReleasePlan) -> tuple[str, ...]:
    unit = plan.accelerator or "pods"
    takes = f"{seconds(plan.seconds_expected)}, at most {seconds(plan.seconds_max)}" if plan.seconds_max else "-"
    return (
        f"{plan.namespace}/{plan.name}",
        result_word(plan.verdict.value),
        plan.kind,
        plan.strategy,
        f"{plan.replicas_now} \N{RIGHTWARDS ARROW} {plan.replicas}",
        f"{plan.per_pod} {unit}",
        f"{plan.extra_at_peak} {unit}",
        takes,
    )


def _words(plan: ReleasePlan) -> Html:
    """Return what there is to say of a release: below the table, so that a phone need not scroll to read it."""
    nodes = [f"{count} on {name}" for name, count in sorted(plan.places.items())]
    start = [f"in about {seconds(plan.start.seconds)} ({plan.start.source})"] if plan.seconds_max else []
    lists = join(
        (
            bullets("Cannot work", plan.reasons),
            bullets("Would work with", plan.remedies),
            bullets("Risks", plan.risks),
            bullets("New pods", nodes),
            bullets("A pod starts", start),
            bullets("Steps", plan.steps),
            bullets("Displaced", plan.displaced),
        )
    )
    return join((Html("<h3>"), f"{plan.namespace}/{plan.name}", Html("</h3>"), lists)) if lists else lists


def render_page(plan: Plan | None, cluster: str, created_at: str, notes: Sequence[str] = ()) -> str:
    """Return the page; ``plan`` None where there is none, ``notes`` say why or what it does not know."""
    verdict = plan.verdict.value if plan is not None else "inconclusive"
    heads = ("Release", "Verdict", "Change", "Strategy", "Replicas", "Each asks", "More at peak", "Takes")
    body: list[str] = [bullets("Notes", notes)]
    if plan is not None and plan.releases:
        body += [table("Releases", heads, map(_row, plan.releases)), *map(_words, plan.releases)]
        body += [Html("<h2>Nodes</h2>"), _picture(plan.nodes)]
    elif plan is not None:
        body.append(Html("<p>No release changes.</p>"))
    return render_frame("Roll-out plan", verdict, [f"{cluster}, {moment(created_at)}"], body)
