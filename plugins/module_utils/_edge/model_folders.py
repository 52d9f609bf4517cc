# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders with models on the controller. Of the weights only the headers are read, a few kilobytes of each file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.weight_files import ModelFolder
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["LocalFolders"]

# The safetensors library refuses longer headers too.
_HEADER_BYTES_MAX = 100_000_000
_LENGTH_BYTES = 8
_TEMPLATES = ("chat_template.jinja", "chat_template.json")


class LocalFolders:
    """Reads folders of this machine."""

    def read(self, path: str) -> ModelFolder:
        """Return what describes the model in a folder; InputError where it cannot be read."""
        folder = Path(os.path.expanduser(path))
        try:
            names = sorted(each.name for each in folder.iterdir())
            return ModelFolder(
                config=_read_json(folder / "config.json", names),
                index=_read_json(folder / "model.safetensors.index.json", names),
                headers={name: _read_header(folder / name) for name in names if name.endswith(".safetensors")},
                tokenizer_config=_read_json(folder / "tokenizer_config.json", names),
                template_file=any(name in names for name in _TEMPLATES),
            )
        except OSError as error:
            hint = "Give the folder of a model on the machine where the task runs, with its config.json."
            raise InputError(
                [Problem("path", f"can not be read: {error.strerror}", repr(str(folder)), hint=hint)]
            ) from error


def _read_json(path: Path, names: list[str]) -> Mapping[str, Any] | None:
    if path.name not in names:
        return None
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError([Problem("path", f"{path.name} is no JSON: {error}", repr(str(path)))]) from error
    if not isinstance(content, Mapping):
        raise InputError([Problem("path", f"{path.name} holds no mapping", repr(str(path)))])
    return content


def _read_header(path: Path) -> Mapping[str, Any]:
    """Return the header of a safetensors file: eight bytes with its length, little-endian, and the header as JSON."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        text = file.read(length) if 0 < length <= _HEADER_BYTES_MAX else b""
    try:
        if len(text) != length or not text:
            raise ValueError(f"{length} bytes of header are announced, {len(text)} were read")
        header = json.loads(text)
        if not isinstance(header, Mapping):
            raise ValueError("the header is no mapping")
    except ValueError as error:
        hint = "A pointer of Git LFS in place of the file looks like this; download the file itself."
        raise InputError(
            [Problem("path", f"{path.name} is no safetensors file: {error}", repr(str(path)), hint=hint)]
        ) from error
    return header
