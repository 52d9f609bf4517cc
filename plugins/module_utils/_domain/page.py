# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTML page that needs nothing else: no script, no link, no font; for light and dark, for a desk and a phone.

What is shown may come from a server that nobody trusts. So text is escaped unless its type is ``Html``, which only the
functions of this package make, and the page forbids scripts and requests to any browser that reads its policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = [
    "OTHERS",
    "PALETTES",
    "Html",
    "breakable",
    "bullets",
    "join",
    "legend",
    "moment",
    "render_frame",
    "result_word",
    "scroll",
    "table",
]

# Colours by theme. Text keeps a contrast of 4.5 to the background, what is drawn 3 (WCAG 2.2, 1.4.3 and 1.4.11); a test
# computes it. The series follow the hues of Okabe and Ito, which are told apart with every common colour blindness.
PALETTES = {
    "light": {
        "back": "#ffffff",
        "text": "#1b1f24",
        "soft": "#57606a",
        "line": "#d0d7de",
        "pass": "#1a7f37",
        "fail": "#b42318",
        "inconclusive": "#8a5c00",
        "s0": "#0072b2",
        "s1": "#bf4b00",
        "s2": "#007a58",
        "s3": "#a24a88",
        "s4": "#7d6a00",
        "s5": "#4b57c4",
        "others": "#7b838c",
    },
    "dark": {
        "back": "#0d1117",
        "text": "#e6edf3",
        "soft": "#9198a1",
        "line": "#30363d",
        "pass": "#3fb950",
        "fail": "#ff7b72",
        "inconclusive": "#d29922",
        "s0": "#56b4e9",
        "s1": "#f5a45d",
        "s2": "#2fc99a",
        "s3": "#dd94c4",
        "s4": "#e6d84a",
        "s5": "#a3adff",
        "others": "#8a8f98",
    },
}
# The class of what is drawn for nobody in particular.
OTHERS = "others"
_SERIES = ("s0", "s1", "s2", "s3", "s4", "s5", OTHERS)
# Characters of a cell that does not wrap.
_SHORT_MAX = 40
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);max-width:75rem;margin:2rem auto;
padding:0 1rem;overflow-wrap:break-word}
h1{line-height:1.2}h2{margin-top:2.2rem}h3{margin-bottom:.3rem}small,figcaption small,.soft{color:var(--soft)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.35rem .6rem;vertical-align:top;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600}td.short,th{white-space:nowrap}td.words{min-width:16rem}
.pass{color:var(--pass);font-weight:600}.fail{color:var(--fail);font-weight:600}
.inconclusive{color:var(--inconclusive);font-weight:600}
.scroll{overflow-x:auto;margin-bottom:1rem}.scroll:focus-visible{outline:2px solid var(--s0)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,21rem),1fr));gap:1rem}
figure{margin:0;max-width:34rem}figcaption{font-weight:600}figure small{font-weight:400}
svg.chart{display:block;width:100%;height:auto}svg text{fill:var(--text);font:11px system-ui,sans-serif}
svg .soft{fill:var(--soft)}svg .axis{stroke:var(--soft)}svg .grid{stroke:var(--line)}
svg .free{stroke:var(--soft);fill:none}
svg .curve{fill:none;stroke-width:2;stroke-linejoin:round}svg .thin{stroke-width:1}svg .dashed{stroke-dasharray:6 3}
.legend span{display:inline-block;margin-right:1.2rem}
details{margin:.5rem 0}summary{cursor:pointer;font-weight:600}pre{overflow-x:auto;font-size:13px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{font-weight:600}dd{margin:0}
@media (max-width:40rem){body{margin:1rem auto}dl{display:block}dd{margin:0 0 .5rem}th,td{padding:.3rem .4rem}
td.short{white-space:normal;min-width:3.5rem}}
"""


class Html(str):
    """Text that is HTML already; every other text is escaped where it is put in."""

    __slots__ = ()


def _safe(value: str) -> str:
    return value if isinstance(value, Html) else escape(value)


def join(parts: Iterable[str], between: str = "") -> Html:
    """Return parts, escaped where they are no HTML, one after the other."""
    return Html(between.join(map(_safe, parts)))


def _colours() -> str:
    def variables(theme: str) -> str:
        return ";".join(f"--{name}:{colour}" for name, colour in PALETTES[theme].items())

    series = "".join(
        f"svg .{name}{{fill:var(--{name})}}svg .{name}.curve{{stroke:var(--{name});fill:none}}" for name in _SERIES
    )
    dark = f"@media (prefers-color-scheme:dark){{:root{{{variables('dark')}}}}}"
    return f":root{{color-scheme:light dark;{variables('light')}}}{dark}{series}"


def render_frame(title: str, verdict: str, below: Sequence[str], body: Sequence[str]) -> str:
    """Return the whole page: the title with a verdict, lines below it in small, and the parts of the body."""
    lines = join(Html(f"<p><small>{_safe(line)}</small></p>") for line in below)
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<title>{_safe(title)}: {_safe(verdict)}</title><style>{_colours()}{_STYLE}</style></head><body>"
        f"<h1>{_safe(title)}: {result_word(verdict)}</h1>{lines}{join(body)}</body></html>\n"
    )


def result_word(result: str) -> Html:
    """Return a verdict in its colour; it is told by the word, not by the colour alone."""
    return Html(f"<span class='{_safe(result)}'>{_safe(result)}</span>")


def bullets(title: str, items: Sequence[str]) -> Html:
    """Return a list below a title; nothing at all for no items."""
    points = join(Html(f"<li>{_safe(each)}</li>") for each in items)
    return Html(f"<b>{_safe(title)}</b><ul>{points}</ul>") if items else Html("")


def scroll(label: str, content: str) -> Html:
    """Return what may be wider than a phone in a box that scrolls, also by the keyboard."""
    return Html(f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">{_safe(content)}</div>')


def table(label: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """Return a table that scrolls by itself; long cells are words that may wrap, short ones do not."""
    head = join(Html(f"<th scope='col'>{_safe(each)}</th>") for each in heads)
    body = join(Html(f"<tr>{join(map(_cell, row))}</tr>") for row in rows)
    return scroll(label, Html(f"<table><tr>{head}</tr>{body}</table>"))


def _cell(value: str) -> Html:
    if isinstance(value, Html):
        return Html(f"<td>{value}</td>")
    return Html(f"<td class='{'words' if len(value) > _SHORT_MAX else 'short'}'>{_safe(value)}</td>")


def breakable(name: str) -> Html:
    """Return a long name that a phone may break at its underscores."""
    return Html(escape(name).replace("_", "_<wbr>"))


def moment(timestamp: str | None) -> str:
    """Return an ISO 8601 time to the second, as people read it."""
    if timestamp is None:
        return "an unknown time"
    shown = timestamp[:19].replace("T", " ")
    return f"{shown} UTC" if timestamp.endswith(("+00:00", "Z")) else timestamp


def legend(entries: Iterable[tuple[str, str]]) -> Html:
    """Return pairs of a swatch, which is HTML, and what it stands for."""
    return Html(
        f'<p class="legend">{join(Html(f"<span>{swatch} {_safe(name)}</span>") for swatch, name in entries)}</p>'
    )
