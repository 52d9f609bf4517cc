# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages need nothing else, can be read in both themes, and let no foreign markup through; charts scale as they say."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.chart import (
    Line,
    Scale,
    line_swatch,
    render_chart,
    scale_over,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.page import (
    PALETTES,
    Html,
    breakable,
    bullets,
    join,
    legend,
    moment,
    render_frame,
    table,
)
from hypothesis import given
from hypothesis import strategies as st

EVIL = "</td><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
VOID = {"meta", "img", "br", "wbr", "rect", "line", "circle", "path"}


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


class Balance(HTMLParser):
    """Reads a page and holds that every element is closed where it was opened; keeps all elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert not [name for name, _value in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_contrast_is_computed_as_wcag_has_it() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_drawings_stand_out_in_both_themes(theme: str) -> None:
    palette = PALETTES[theme]
    for name in ("text", "soft", "pass", "fail", "inconclusive"):
        assert contrast(palette[name], palette["back"]) >= 4.5, name
    for name in ("s0", "s1", "s2", "s3", "s4", "s5", "others"):
        assert contrast(palette[name], palette["back"]) >= 3, name
    assert PALETTES["light"].keys() == PALETTES["dark"].keys()


def test_every_colour_of_the_style_is_one_of_the_palette() -> None:
    page = render_frame("t", "pass", [], [])
    assert set(re.findall(r"#[0-9a-f]{6}", page)) == {
        colour for palette in PALETTES.values() for colour in palette.values()
    }
    assert set(re.findall(r"var\(--(\w+)\)", page)) <= PALETTES["light"].keys()


def test_nothing_foreign_becomes_markup_wherever_it_is_put() -> None:
    body = [
        EVIL,
        bullets(EVIL, [EVIL]),
        table(EVIL, [EVIL], [[EVIL, "short"], [breakable(EVIL)]]),
        legend([(line_swatch(0), EVIL)]),
        render_chart(
            EVIL, EVIL, scale_over(EVIL, [1]), scale_over(EVIL, [1]), [Line(0, [(1, 1)], [(1, 1, EVIL)])], EVIL
        ),
        join([EVIL, Html("<b>ours</b>")]),
    ]
    page = render_frame(EVIL, EVIL, [EVIL], body)
    seen = Balance(page).seen
    assert not {"script", "img", "link", "iframe", "object", "form", "a"} & set(seen)
    assert "<script" not in page
    assert "<b>ours</b>" in page
    assert not re.search(r"https?://|url\(|@import|src=[^x]|href=", page)
    assert "default-src 'none'" in page


def test_lists_without_items_are_left_out_and_times_are_as_people_read_them() -> None:
    assert bullets("Why", []) == ""
    assert moment("2026-01-31T12:00:00.123456+00:00") == "2026-01-31 12:00:00 UTC"
    assert moment("20260131-120000") == "20260131-120000"
    assert moment(None) == "an unknown time"


def test_what_may_be_wider_than_a_phone_scrolls_by_itself() -> None:
    cells = table("Numbers", ["A"], [["x" * 41, "short"]])
    assert cells.startswith('<div class="scroll" tabindex="0" role="region" aria-label="Numbers">')
    assert "<td class='words'>" in cells
    assert "<td class='short'>" in cells
    assert "repeat(auto-fit,minmax(min(100%,21rem),1fr))" in render_frame("t", "pass", [], [])


# Charts


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([61, 109], (60, 70, 80, 90, 100, 110)),
        ([0.0, 1.0], (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        ([5], (4.4, 4.6, 4.8, 5.0, 5.2, 5.4, 5.6)),
        ([0], (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        ([], (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
    ],
)
def test_a_linear_scale_has_round_ends(values: list[float], ticks: tuple[float, ...]) -> None:
    scale = scale_over("ms", values)
    assert scale.ticks == pytest.approx(ticks)
    assert (scale.low, scale.high, scale.log, scale.label) == (scale.ticks[0], scale.ticks[-1], False, "ms")


def test_a_wide_range_above_zero_is_logarithmic_and_says_so() -> None:
    scale = scale_over("ms", [3, 170])
    assert (scale.ticks, scale.log, scale.label) == ((2, 5, 10, 20, 50, 100, 200), True, "ms, logarithmic")
    assert scale_over("ms", [0.01, 90_000]).ticks == pytest.approx([10**power for power in range(-2, 6)])
    assert not scale_over("ms", [3, 170], from_zero=True).log
    assert not scale_over("ms", [0, 170]).log
    assert Scale("ms", 1, 100, True).share(10) == pytest.approx(0.5)


@given(st.lists(st.floats(min_value=0, max_value=1e12).filter(lambda value: value == 0 or value > 1e-9), min_size=1))
def test_every_value_lies_on_its_scale_in_order(values: list[float]) -> None:
    scale = scale_over("ms", values)
    shares = [scale.share(value) for value in sorted(values)]
    assert all(-1e-9 <= share <= 1 + 1e-9 for share in shares)
    assert shares == sorted(shares)
    assert 2 <= len(scale.ticks) <= 25
    assert scale.low <= min(values) * (1 + 1e-9)
    assert scale.high >= max(values) * (1 - 1e-9)
    assert all(math.isfinite(tick) for tick in scale.ticks)


def test_a_chart_draws_lines_steps_and_lone_points_and_tells_what_it_shows() -> None:
    x, y = scale_over("s", [0, 20_000]), scale_over("ms", [0, 2_000_000])
    lines = [
        Line(0, [(0, 0), (20_000, 2_000_000)], [(0, 0, "the start")]),
        Line(1, [(0, 0), (20_000, 2_000_000)], thin=True, steps=True),
        Line(0, [(0, 0)]),
        Line(1, [(0, 0)], thin=True),
    ]
    chart = render_chart("Title", "Words for the blind", x, y, lines)
    Balance(chart)
    assert '<path class="s0 curve" d="M46 194L342 22"/>' in chart
    assert '<path class="s1 curve dashed thin" d="M46 194H342V22"/>' in chart
    assert chart.count("<circle") == 3
    assert "<title>Title</title><desc>Words for the blind</desc>" in chart
    assert (">20k<" in chart, ">2M<" in chart, "<small>" in chart) == (True, True, False)
    assert "<small>a note</small>" in render_chart("Title", "", x, y, lines, "a note")


def test_series_are_told_apart_without_colours() -> None:
    assert "dashed" not in line_swatch(0)
    assert "dashed" in line_swatch(1)
