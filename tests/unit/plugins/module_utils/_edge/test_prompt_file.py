# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of prompts: what is read, and what is told of what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge import prompt_file
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.prompt_file import read_prompts
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError


def write(folder: Path, name: str, text: str) -> str:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return str(file)


def complaint(path: str) -> str:
    with pytest.raises(InputError) as raised:
        read_prompts(path)
    return raised.value.message


YAML = """---
# What the model must know.
- prompt: Who?
  exact: I

- &second
  prompt: Wer?
- *second
"""


def test_a_yaml_list_is_read_with_the_line_of_each_item(tmp_path: Path) -> None:
    expected: list[tuple[str, Any]] = [
        ("golden.yml:3", {"prompt": "Who?", "exact": "I"}),
        ("golden.yml:6", {"prompt": "Wer?"}),
    ]
    first, second, _same = read_prompts(write(tmp_path, "golden.yml", YAML))
    assert [first, second] == expected


def test_lines_of_json_are_read_with_their_numbers_and_empty_ones_left_out(tmp_path: Path) -> None:
    text = '\ufeff{"prompt": "Wer\u2028?"}\n\n{"prompt": "Who?"}\r\n'
    assert read_prompts(write(tmp_path, "golden.jsonl", text)) == [
        ("golden.jsonl:1", {"prompt": "Wer\u2028?"}),
        ("golden.jsonl:3", {"prompt": "Who?"}),
    ]


def test_every_line_that_is_no_json_is_told(tmp_path: Path) -> None:
    message = complaint(write(tmp_path, "golden.jsonl", '{"a": 1\n{}\n' + "[" * 100_000))
    assert "golden.jsonl:1: is not JSON: Expecting" in message
    assert "golden.jsonl:3: is not JSON: " in message
    assert "golden.jsonl:2" not in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a: 1\n- b: [\n", "golden.yml:3: is not YAML: "),
        ("- !!python/object:os.system x\n", "golden.yml:1: is not YAML: could not determine a constructor"),
        ("- a: 2026-99-99\n", "golden.yml: is not YAML: month must be in 1..12"),
        ("a: 1\n", "golden.yml: is no YAML list of prompts"),
        ("", "golden.yml: is no YAML list of prompts"),
    ],
)
def test_a_file_that_is_no_yaml_list_is_told_with_the_line(tmp_path: Path, text: str, words: str) -> None:
    assert words in complaint(write(tmp_path, "golden.yml", text))


def test_without_yaml_a_list_is_refused_and_lines_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_file, "HAS_YAML", False)
    assert "PyYAML, which reads it, is missing (got golden.yml)" in complaint(write(tmp_path, "golden.yml", YAML))
    assert read_prompts(write(tmp_path, "golden.jsonl", "{}")) == [("golden.jsonl:1", {})]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    absent = tmp_path / "absent.yml"
    assert f"prompts_file: cannot read {absent}: No such file or directory" in complaint(str(absent))
    (tmp_path / "latin.yml").write_bytes(b"- \xe4\n")
    assert "latin.yml is no UTF-8 text (byte 2)" in complaint(str(tmp_path / "latin.yml"))
    huge = tmp_path / "huge.yml"
    with huge.open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    assert f"prompts_file: {huge} is larger than 16 MiB" in complaint(str(huge))
