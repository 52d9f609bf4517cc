# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as one HTML page that needs nothing else: verdict, table, and the nodes before, at the peak and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

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
# Told apart with every common colour blindness (Okabe and Ito), readable on white and on black.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
_OTHERS_COLOUR = "#8a8f98"
_STYLE = """
:root{color-scheme:light dark;--text:#1b1f24;--back:#fff;--line:#d0d7de;--soft:#57606a;--pass:#1a7f37;--fail:#b42318;
--inconclusive:#9a6700}
@media (prefers-color-scheme:dark){:root{--text:#e6edf3;--back:#0d1117;--line:#30363d;--soft:#9198a1;--pass:#3fb950;
--fail:#ff7b72;--inconclusive:#d29922}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);max-width:75rem;margin:2rem auto;
padding:0 1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;vertical-align:top;
border-bottom:1px solid var(--line)}th{color:var(--soft);font-weight:600}
.pass{color:var(--pass)}.fail{color:var(--fail)}.inconclusive{color:var(--inconclusive)}
.scroll{overflow-x:auto}svg text{fill:var(--text);font:12px system-ui,sans-serif}svg .soft{fill:var(--soft)}
svg .free{stroke:var(--line);fill:none}small{color:var(--soft)}
"""


def _colours(nodes: Sequence[NodePicture]) -> dict[str, str]:
    holders = sorted({name for node in nodes for side in (node.before, node.peak, node.after) for name in side})
    named = [name for name in holders if name != OTHERS]
    return {**{name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(named)}, OTHERS: _OTHERS_COLOUR}


def _box(x: int, y: int, width: int, title: str, colour: str | None) -> str:
    paint = 'class="free"' if colour is None else f'fill="{colour}"'
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{_CELL}" rx="2" {paint}><title>{escape(title)}</title></rect>'
    )


def _side(node: NodePicture, held: Mapping[str, int], x: int, y: int, colours: Mapping[str, str]) -> list[str]:
    """Return a node at one moment: a cell for each accelerator, or a bar in proportion where there are many."""
    total = max(node.amount, sum(held.values()), 1)
    unit = _CELL + _GAP if total <= _CELLS_MAX else 0
    parts, at = [], x
    free = node.amount - sum(held.values())
    for holder, amount in [*sorted(held.items()), *([("free", free)] if free > 0 else [])]:
        colour = None if holder == "free" else colours[holder]
        title = f"{holder}: {amount} of {node.amount} {node.resource}"
        if unit:
            for _piece in range(amount):
                parts.append(_box(at, y, _CELL, title, colour))
                at += unit
        else:
            width = max(1, _BAR_WIDTH * amount // total)
            parts.append(_box(at, y, width, title, colour))
            at += width
    return parts


def _picture(nodes: Sequence[NodePicture]) -> str:
    shown = sorted(nodes, key=lambda node: (node.before == node.after == node.peak, node.name))[:_NODES_MAX]
    if not shown:
        return "<p>No node has the accelerators that the releases ask for.</p>"
    colours = _colours(shown)
    parts = [
        f'<text class="soft" x="{_LABEL_WIDTH + number * _SIDE_WIDTH}" y="14">{title}</text>'
        for number, title in enumerate(("before", "at the peak", "after"))
    ]
    for row, node in enumerate(shown):
        y = 26 + row * _ROW
        parts.append(f'<text x="0" y="{y + 12}">{escape(node.name[:34])}</text>')
        for number, held in enumerate((node.before, node.peak, node.after)):
            parts += _side(node, held, _LABEL_WIDTH + number * _SIDE_WIDTH, y, colours)
    width, height = _LABEL_WIDTH + 3 * _SIDE_WIDTH, 30 + len(shown) * _ROW
    swatch = f'<svg width="{_CELL}" height="{_CELL}">'
    legend = " ".join(
        f"<span>{swatch}{_box(0, 0, _CELL, name, colours[name])}</svg> {escape(name)}</span>"
        for name in sorted(colours)
    )
    more = f"<p><small>{len(nodes) - len(shown)} more nodes</small></p>" if len(nodes) > len(shown) else ""
    label = "Nodes and who holds their accelerators before, at the peak of and after the roll-out"
    return (
        f'<div class="scroll"><svg role="img" aria-label="{label}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{"".join(parts)}</svg></div><p>{legend}</p>{more}'
    )


def _list(title: str, items: Sequence[str]) -> str:
    points = "".join(f"<li>{escape(each)}</li>" for each in items)
    return f"<b>{title}</b><ul>{points}</ul>" if items else ""


def _release(plan: ReleasePlan) -> str:
    verdict, unit = plan.verdict.value, escape(plan.accelerator or "pods")
    nodes = ", ".join(f"{count} on {escape(name)}" for name, count in sorted(plan.places.items())) or "-"
    takes = f"{seconds(plan.seconds_expected)}, at most {seconds(plan.seconds_max)}" if plan.seconds_max else "-"
    words = (
        _list("Cannot work", plan.reasons)
        + _list("Would work with", plan.remedies)
        + _list("Risks", plan.risks)
        + _list("Steps", plan.steps)
        + _list("Displaced", plan.displaced)
    )
    return (
        f"<tr><td>{escape(plan.namespace)}/{escape(plan.name)}</td><td class='{verdict}'>{verdict}</td>"
        f"<td>{plan.kind}</td><td>{plan.strategy}</td><td>{plan.replicas_now} &rarr; {plan.replicas}</td>"
        f"<td>{plan.per_pod} {unit}</td><td>{plan.extra_at_peak} {unit}</td><td>{nodes}</td>"
        f"<td>{takes}<br><small>{escape(plan.start.source)}</small></td></tr><tr><td colspan='9'>{words}</td></tr>"
    )


def render_page(plan: Plan | None, cluster: str, created_at: str, notes: Sequence[str] = ()) -> str:
    """Return the page; ``plan`` None where there is none, ``notes`` say why or what it does not know."""
    verdict = plan.verdict.value if plan is not None else "inconclusive"
    heads = ("Release", "Verdict", "Change", "Strategy", "Replicas", "Each asks", "More at peak", "New pods", "Takes")
    table = ""
    if plan is not None and plan.releases:
        rows = "".join(map(_release, plan.releases))
        head = "".join(f"<th>{each}</th>" for each in heads)
        table = f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div><h2>Nodes</h2>{_picture(plan.nodes)}'
    elif plan is not None:
        table = "<p>No release changes.</p>"
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' "
        f"content='width=device-width,initial-scale=1'><title>Roll-out plan: {verdict}</title><style>{_STYLE}</style>"
        f"</head><body><h1>Roll-out plan: <span class='{verdict}'>{verdict}</span></h1>"
        f"<p><small>{escape(cluster)}, {escape(created_at)}</small></p>{_list('Notes', notes)}{table}</body></html>\n"
    )
