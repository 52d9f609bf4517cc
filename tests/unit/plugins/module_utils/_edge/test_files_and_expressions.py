# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality_checks import SearchTimeError
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge import expressions
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.expressions import (
    JmesPath,
    compile_jmespath,
    search,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.files import LocalFiles
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, LlmopsError


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


def test_what_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("1234")
    with pytest.raises(InputError, match="is larger than"):
        LocalFiles(3).read(str(tmp_path / "r.json"), "path")


def test_an_expression_finds_a_value_or_nothing() -> None:
    document = {"a": [{"b": 1}, {"b": 3}], "p99.9_ttft_ms": 7}
    assert JmesPath().search("max(a[].b)", document, "criteria[0]") == 3
    assert JmesPath().search('"p99.9_ttft_ms"', document, "criteria[0]") == 7
    assert JmesPath().search("a.c", document, "criteria[0]") is None


@pytest.mark.parametrize("expression", ["a..b", "max(a)", "no_such(a)", ""])
def test_an_expression_that_cannot_be_evaluated_is_told_with_its_path(expression: str) -> None:
    with pytest.raises(InputError, match=r"^criteria\[0\]: cannot be evaluated: "):
        JmesPath().search(expression, {"a": ["x", 1]}, "criteria[0]")


def test_an_expression_is_found_or_not() -> None:
    assert search("b+", "abbc", False)
    assert not search("B", "abc", False)
    assert search("B", "abc", True)


def test_a_search_that_would_take_for_ever_ends_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "SEARCH_SECONDS_MAX", 0.1)
    before, begin = signal.getsignal(signal.SIGALRM), time.monotonic()
    with pytest.raises(SearchTimeError, match=r"regex: '\(a\+\)\+\$' was searched for more than 0.1 s"):
        search("(a+)+$", "a" * 60 + "!", False)
    assert time.monotonic() - begin < 2
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_jmespath_expression_is_evaluated_or_is_none() -> None:
    assert compile_jmespath("a.b")({"a": {"b": 3}}) == 3
    with pytest.raises(ValueError, match="Invalid jmespath expression"):
        compile_jmespath("a[")
    with pytest.raises(ValueError, match="Unknown function"):
        compile_jmespath("no_such(a)")({})


def test_a_missing_jmespath_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "HAS_JMESPATH", False)
    with pytest.raises(LlmopsError, match=r"jmespath is missing where this module runs\. Install"):
        compile_jmespath("a")
    with pytest.raises(LlmopsError, match=r"^'a' cannot be read: "):
        JmesPath().search("a", {}, "criteria[0]")
