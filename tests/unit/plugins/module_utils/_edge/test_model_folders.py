# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading folders with models, with files as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.model_folders import LocalFolders
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError

HEADER: Mapping[str, Any] = {"w": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}


def write_safetensors(path: Path, header: Any = None, data: bytes = b"\0\0\0\0") -> None:
    text = json.dumps(HEADER if header is None else header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def complaint(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        LocalFolders().read(str(folder))
    return caught.value.message


def test_all_that_describes_a_model_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "model.safetensors.index.json").write_text('{"metadata": {"total_size": 4}}')
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    (tmp_path / "chat_template.jinja").write_text("x")
    write_safetensors(tmp_path / "model.safetensors")
    found = LocalFolders().read(str(tmp_path))
    assert found.config == {"model_type": "llama"}
    assert found.index == {"metadata": {"total_size": 4}}
    assert found.tokenizer_config == {"chat_template": "x"}
    assert found.headers == {"model.safetensors": HEADER}
    assert found.template_file


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    found = LocalFolders().read(str(tmp_path))
    assert (found.config, found.index, found.tokenizer_config) == (None, None, None)
    assert (dict(found.headers), found.template_file) == ({}, False)


def test_the_weights_themselves_are_not_read(tmp_path: Path) -> None:
    # A sparse file of a terabyte: reading it would take hours.
    write_safetensors(tmp_path / "model.safetensors")
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.truncate(2**40)
    assert LocalFolders().read(str(tmp_path)).headers == {"model.safetensors": HEADER}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = complaint(tmp_path / "nowhere")
    assert text.startswith("path: can not be read: No such file or directory (got ")
    assert text.endswith("with its config.json.")


@pytest.mark.parametrize(
    ("content", "words"), [("{", "config.json is no JSON: "), ("[]", "config.json holds no mapping")]
)
def test_a_file_that_is_no_mapping_is_named(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "config.json").write_text(content)
    assert complaint(tmp_path).startswith(f"path: {words}")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 bytes of header are announced, 0 were read"),
        (b"version https://git-lfs.github.com/spec/v1\n", "bytes of header are announced, 0 were read"),
        ((50).to_bytes(8, "little") + b"{}", "50 bytes of header are announced, 2 were read"),
        ((2).to_bytes(8, "little") + b"[]", "the header is no mapping"),
        ((2).to_bytes(8, "little") + b"{{", "Expecting property name"),
        ((2).to_bytes(8, "little") + b"\xff\xff", "can't decode"),
    ],
)
def test_a_file_that_is_no_safetensors_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    text = complaint(tmp_path)
    assert text.startswith("path: model.safetensors is no safetensors file: ")
    assert words in text
