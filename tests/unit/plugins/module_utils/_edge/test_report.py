# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports are written as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.report import check_folder, write_report
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import LlmopsError


def test_a_report_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "plan.html"
    write_report(str(path), "one")
    write_report(str(path), "two")
    assert path.read_text() == "two"
    assert [each.name for each in tmp_path.iterdir()] == ["plan.html"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LlmopsError, match=r"Failed writing the report to .*/no/plan\.html: No such file"):
        write_report(str(tmp_path / "no" / "plan.html"), "x")


def test_nothing_is_left_where_the_place_is_taken(tmp_path: Path) -> None:
    (tmp_path / "plan.html").mkdir()
    with pytest.raises(LlmopsError, match="Is a directory"):
        write_report(str(tmp_path / "plan.html"), "x")
    assert [each.name for each in tmp_path.iterdir()] == ["plan.html"]


def test_where_a_report_could_not_go_is_told_before_anything_starts(tmp_path: Path, monkeypatch: Any) -> None:
    check_folder(str(tmp_path / "result.json"))
    with pytest.raises(LlmopsError, match=r"Nothing was started, because .*/no/result\.json could not be written"):
        check_folder(str(tmp_path / "no" / "result.json"))
    # Root may write everywhere, so the answer of the system is given here.
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(LlmopsError, match="the folder may not be written to"):
        check_folder(str(tmp_path / "result.json"))
