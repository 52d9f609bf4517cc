# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from decimal import Decimal

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import (
    parse_bytes,
    parse_quantity,
    render_bytes,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("1500m", "1.5"),
        ("2", 2),
        ("16Gi", 16 * 2**30),
        ("1e3", 1000),
        ("1.5Ki", 1536),
        (".5", "0.5"),
        ("3k", 3000),
        ("5u", "0.000005"),
        ("-1M", -1_000_000),
    ],
)
def test_parse_quantity_reads_every_form(text: str, value: object) -> None:
    assert parse_quantity(text) == Decimal(str(value))


@pytest.mark.parametrize("text", ["", "16 GB", "16GB", "1mi", "ki", "1ni", "1e", "NaN", "0x10", "1e999"])
def test_parse_quantity_refuses_other_text_and_shows_it(text: str) -> None:
    with pytest.raises(ValueError, match="is not a Kubernetes quantity such as 500m"):
        parse_quantity(text)


def test_parse_bytes_rounds_up() -> None:
    assert parse_bytes("1500m") == 2


def test_negative_amounts_are_refused() -> None:
    with pytest.raises(ValueError, match="'-1' is negative"):
        parse_bytes("-1")


@pytest.mark.parametrize(
    ("value", "text"), [(2**31, "2Gi"), (2**40, "1Ti"), (1536, "1536"), (3 * 2**20, "3Mi"), (0, "0")]
)
def test_render_bytes_is_short_and_exact(value: int, text: str) -> None:
    assert render_bytes(value) == text


@given(st.integers(min_value=0, max_value=2**60))
def test_bytes_survive_rendering_and_parsing(value: int) -> None:
    assert parse_bytes(render_bytes(value)) == value
