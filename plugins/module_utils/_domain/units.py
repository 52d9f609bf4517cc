# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quantities of Kubernetes and the units of this collection."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

__all__ = ["GIB", "MIB", "parse_bytes", "parse_quantity", "render_bytes"]

MIB = 1024**2
GIB = 1024**3

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_SUFFIXES = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_QUANTITY = re.compile(r"^([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([eE][+-]?[0-9]{1,2})|([numkKMGTPE]i?))?$")


def parse_quantity(text: str) -> Decimal:
    """Return the number that a Kubernetes quantity means (``1500m`` is 1.5); ValueError where it is none."""
    match = _QUANTITY.match(text)
    if match is None or (match[3] or "") not in _SUFFIXES:
        raise ValueError(f"{text!r} is not a Kubernetes quantity such as 500m, 2, 16Gi or 1e3")
    return Decimal(match[1] + (match[2] or "")) * _SUFFIXES[match[3] or ""]


def parse_bytes(text: str) -> int:
    """Return the bytes of a quantity, rounded up; ValueError where it is none or negative."""
    value = parse_quantity(text)
    if value < 0:
        raise ValueError(f"{text!r} is negative")
    return int(value.to_integral_value(ROUND_CEILING))


def render_bytes(value: int) -> str:
    """Return bytes as the shortest exact quantity (``2147483648`` is ``2Gi``)."""
    for suffix in ("Ti", "Gi", "Mi", "Ki"):
        size = int(_SUFFIXES[suffix])
        if value >= size and value % size == 0:
            return f"{value // size}{suffix}"
    return str(value)
