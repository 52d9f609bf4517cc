# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Line charts as inline SVG: scales, ticks, lines. Each is as wide as a phone and grows with the page.

Series are told apart by colour and by dash, so that a black and white print is enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.page import Html, join

__all__ = ["Line", "Scale", "line_swatch", "render_chart", "scale_over"]

_WIDTH, _HEIGHT = 360, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 18, 22, 36
_TICKS = 5
# Where the largest value is so many times the smallest, a linear scale shows the tail only.
_LOG_FROM_RATIO = 20


@dataclass(frozen=True)
class Scale:
    """From values to a share of the axis. ``low`` is above 0 where the scale is logarithmic."""

    label: str
    low: float
    high: float
    log: bool = False
    ticks: tuple[float, ...] = ()

    def share(self, value: float) -> float:
        """Return where a value lies, 0 for the low end and 1 for the high one; what is outside lies on the edge."""
        inside = min(max(value, self.low), self.high)
        if self.log:
            return math.log(inside / self.low) / math.log(self.high / self.low)
        return (inside - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Line:
    """Points in the order of x; marks are points with a word for each.

    ``style`` is the number of its series. ``steps`` draws a value until the next one, as a distribution has it.
    """

    style: int
    points: Sequence[tuple[float, float]]
    marks: Sequence[tuple[float, float, str]] = ()
    thin: bool = False
    steps: bool = False


def scale_over(label: str, values: Sequence[float], *, from_zero: bool = False) -> Scale:
    """Return a scale over the values with round ends; logarithmic where they span a wide range above zero."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if not from_zero and low > 0 and high / low >= _LOG_FROM_RATIO:
        return _log_scale(label, low, high)
    low = 0.0 if from_zero else low
    if high <= low:
        low, high = low - abs(low) * 0.1, high + (abs(high) * 0.1 or 1.0)
    step = _round_step((high - low) / _TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(number * step for number in range(first, last + 1))
    return Scale(label, ticks[0], ticks[-1], False, ticks)


def _round_step(step: float) -> float:
    """Return the next of 1, 2, 5, 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def _log_scale(label: str, low: float, high: float) -> Scale:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if high / low <= 1000 else (1,)
    every = [factor * 10.0**power for power in decades for factor in factors]
    first = max(tick for tick in every if tick <= low * (1 + 1e-9))
    last = min(tick for tick in every if tick >= high * (1 - 1e-9))
    return Scale(f"{label}, logarithmic", first, last, True, tuple(t for t in every if first <= t <= last))


def _number(value: float) -> str:
    """Return a tick as text that is short: 12000 is 12k."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if abs(value) >= 1e4 else f"{value:.6g}"


def _x(scale: Scale, value: float) -> float:
    return round(_LEFT + scale.share(value) * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(scale: Scale, value: float) -> float:
    return round(_HEIGHT - _BOTTOM - scale.share(value) * (_HEIGHT - _TOP - _BOTTOM), 1)


def _classes(line: Line) -> str:
    return f"s{line.style} curve" + (" dashed" if line.style else "") + (" thin" if line.thin else "")


def _path(line: Line, x: Scale, y: Scale) -> str:
    places = [(_x(x, across), _y(y, up)) for across, up in line.points]
    first, rest = places[0], places[1:]
    pattern = "H{0:g}V{1:g}" if line.steps else "L{0:g} {1:g}"
    return f"M{first[0]:g} {first[1]:g}" + "".join(pattern.format(*place) for place in rest)


def _dot(line: Line, x: Scale, y: Scale) -> str:
    """Return a lone point, of which no line would show anything."""
    ((across, up),) = line.points
    return f'<circle class="s{line.style}" cx="{_x(x, across):g}" cy="{_y(y, up):g}" r="{2 if line.thin else 3}"/>'


def _axes(x: Scale, y: Scale) -> list[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = []
    for tick in y.ticks:
        up = _y(y, tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{up:g}" y2="{up:g}"/>')
        parts.append(f'<text class="soft" x="{_LEFT - 5}" y="{up + 4:g}" text-anchor="end">{_number(tick)}</text>')
    for tick in x.ticks:
        across = _x(x, tick)
        parts.append(f'<line class="axis" x1="{across:g}" x2="{across:g}" y1="{bottom}" y2="{bottom + 4}"/>')
        parts.append(f'<text class="soft" x="{across:g}" y="{bottom + 16}" text-anchor="middle">{_number(tick)}</text>')
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(f'<text class="soft" x="4" y="11">{escape(y.label)}</text>')
    parts.append(f'<text class="soft" x="{right}" y="{_HEIGHT - 4}" text-anchor="end">{escape(x.label)}</text>')
    return parts


def render_chart(title: str, description: str, x: Scale, y: Scale, lines: Sequence[Line], note: str = "") -> Html:
    """Return a figure; ``description`` is for those who do not see it, ``note`` says below how it was drawn."""
    curves = [
        f'<path class="{_classes(line)}" d="{_path(line, x, y)}"/>' if len(line.points) > 1 else _dot(line, x, y)
        for line in lines
    ]
    marks = [
        f'<circle class="s{line.style}" cx="{_x(x, across):g}" cy="{_y(y, up):g}" r="3.5">'
        f"<title>{escape(word)}</title></circle>"
        for line in lines
        for across, up, word in line.marks
    ]
    below = join((Html("<small>"), note, Html("</small>"))) if note else ""
    drawing = "".join((*_axes(x, y), *curves, *marks))
    return Html(
        f'<figure><figcaption>{escape(title)}</figcaption><svg class="chart" role="img" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}"><title>{escape(title)}</title><desc>{escape(description)}</desc>'
        f"{drawing}</svg>{below}</figure>"
    )


def line_swatch(style: int) -> Html:
    """Return a piece of a series' line, for the legend."""
    line = Line(style, ())
    return Html(f'<svg width="34" height="10" aria-hidden="true"><path class="{_classes(line)}" d="M1 5H33"/></svg>')
