# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The domain asks for nothing that differs from one run to the next; imports are held by import-linter."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

DOMAIN = Path(__file__).parents[3] / "plugins/module_utils/_domain"
CLOCKS = {"now", "utcnow", "today", "fromtimestamp", "getenv", "environ", "urandom"}
BUILTINS = {"open", "input", "print", "eval", "exec", "__import__", "globals"}


def impurities(source: str) -> list[str]:
    """Return the names in the source that read a clock, the environment, files or the terminal."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS:
            found.append(f"line {node.lineno}: .{node.attr}")
        elif isinstance(node, ast.Name) and node.id in BUILTINS and isinstance(node.ctx, ast.Load):
            found.append(f"line {node.lineno}: {node.id}")
    return found


@pytest.mark.parametrize("path", sorted(DOMAIN.rglob("*.py")), ids=lambda path: path.name)
def test_domain_reads_no_clock_no_environment_and_no_file(path: Path) -> None:
    assert impurities(path.read_text(encoding="utf-8")) == []


def test_the_search_for_impurities_finds_them() -> None:
    assert impurities("x = datetime.now()\nwith open('f') as y: pass") == ["line 1: .now", "line 2: open"]
