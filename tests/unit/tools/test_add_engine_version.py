# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/add_engine_version.py writes facts into the data files, or says why it does not."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import add_engine_version
import pytest

DATA = Path(__file__).parents[3] / "plugins/module_utils/_domain"
FILES = ("vllm_flags.py", "vllm_environment.py", "vllm_choices.py")
PARTS = {
    "flags.json": {"versions_read": ["0.99.0"], "flags": {"--dtype": {"since": None}}},
    "env.json": {"versions_read": ["0.99.0"], "env": {"VLLM_API_KEY": {"since": None}}},
    "choices.json": {"quantization": {"0.99.0": ["fp8"]}, "kv_cache_dtype": {"0.99.0": ["auto"]}},
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with a copy of the shipped data files."""
    folder = tmp_path / "data"
    folder.mkdir()
    for file in FILES:
        shutil.copy(DATA / file, folder)
    return folder


@pytest.fixture
def facts(tmp_path: Path) -> list[str]:
    """Return files with the facts of one new version, a table or two each."""
    for name, document in PARTS.items():
        (tmp_path / name).write_text(json.dumps(document), encoding="utf-8")
    return [str(tmp_path / name) for name in PARTS]


def run(data: Path, *arguments: str) -> int:
    return add_engine_version.main(["--data", str(data), *arguments])


def content(folder: Path) -> dict[str, bytes]:
    return {file: (folder / file).read_bytes() for file in FILES}


def test_a_new_version_is_added_once_and_a_second_run_changes_nothing(data, facts, capsys):
    assert run(data, "--facts", *facts) == 0
    assert "flags: 0.99.0 is new, with 1 names" in capsys.readouterr().out
    added = content(data)
    assert b"attention-backend 0.13.0 0.99.0\n" in added["vllm_flags.py"]
    assert run(data, "--facts", *facts) == 0
    assert "the data files say the same already" in capsys.readouterr().out
    assert content(data) == added


def test_check_writes_nothing_and_tells_by_its_exit_status_that_something_would_change(data, facts):
    assert run(data, "--check", "--facts", *facts) == 1
    assert content(data) == content(DATA)


def test_facts_with_a_part_missing_are_refused_and_nothing_is_written(data, facts, capsys):
    assert run(data, "--facts", facts[0]) == 2
    assert "vLLM 0.99.0 is new here, and the facts about it lack env" in capsys.readouterr().err
    assert content(data) == content(DATA)


def test_files_that_contradict_each_other_are_refused(data, facts, tmp_path, capsys):
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**PARTS["flags.json"], "versions_read": ["0.98.0"]}), encoding="utf-8")
    assert run(data, "--facts", *facts, str(other)) == 2
    assert "its versions_read differs" in capsys.readouterr().err


def test_a_file_that_is_no_json_is_named(data, tmp_path, capsys):
    (tmp_path / "facts.json").write_text("{", encoding="utf-8")
    assert run(data, "--facts", str(tmp_path / "facts.json")) == 2
    assert "facts.json" in capsys.readouterr().err


def test_an_interpreter_without_vllm_is_refused_with_its_own_words(data, capsys):
    # The development environment has no vLLM.
    assert run(data, "--python", sys.executable) == 2
    message = capsys.readouterr().err
    assert "gave no facts (exit status 1)" in message
    assert "this vLLM has none of vllm.version:__version__" in message


def test_an_interpreter_that_is_not_there_is_refused(data, tmp_path, capsys):
    assert run(data, "--python", str(tmp_path / "nowhere/python")) == 2
    assert "cannot ask the vLLM of" in capsys.readouterr().err
