# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge import files
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.expressions import JmesPath
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.files import LocalFiles
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError


def test_a_file_is_read_as_text(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("ü", encoding="utf-8")
    assert LocalFiles().read(str(tmp_path / "r.json"), "path") == "ü"


def test_a_file_that_is_not_there_is_told_with_its_option(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"path: cannot read .*/no.json: No such file or directory.*where the module runs"
    ):
        LocalFiles().read(str(tmp_path / "no.json"), "path")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is a directory"):
        LocalFiles().read(str(tmp_path), "path")


def test_what_is_no_text_is_told_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(b"ab\xff")
    with pytest.raises(InputError, match=r"r.json is no UTF-8 text \(byte 2\)"):
        LocalFiles().read(str(tmp_path / "r.json"), "path")


def test_what_is_too_large_to_be_a_result_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_BYTES_MAX", 3)
    (tmp_path / "r.json").write_text("1234")
    with pytest.raises(InputError, match="is larger than"):
        LocalFiles().read(str(tmp_path / "r.json"), "path")


def test_an_expression_finds_a_value_or_nothing() -> None:
    document = {"a": [{"b": 1}, {"b": 3}], "p99.9_ttft_ms": 7}
    assert JmesPath().search("max(a[].b)", document, "criteria[0]") == 3
    assert JmesPath().search('"p99.9_ttft_ms"', document, "criteria[0]") == 7
    assert JmesPath().search("a.c", document, "criteria[0]") is None


@pytest.mark.parametrize("expression", ["a..b", "max(a)", "no_such(a)", ""])
def test_an_expression_that_cannot_be_evaluated_is_told_with_its_path(expression: str) -> None:
    with pytest.raises(InputError, match=r"^criteria\[0\]: cannot be evaluated: "):
        JmesPath().search(expression, {"a": ["x", 1]}, "criteria[0]")


def test_a_missing_package_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jmespath", None)
    with pytest.raises(InputError, match=r"needs the Python package jmespath \(got a\). pip install jmespath"):
        JmesPath().search("a", {}, "criteria[0]")
