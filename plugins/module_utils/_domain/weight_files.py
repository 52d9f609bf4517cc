# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files of a checkpoint say about its size: the index, or the headers of the safetensors files.

A header lists each tensor with its type, shape and place (https://huggingface.co/docs/safetensors, "Format").
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import WeightFiles
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import GIB
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["ModelFolder", "find_weight_files", "has_chat_template", "parse_headers", "parse_index", "stated_size"]

# Types that the engine turns into its own when it loads them; packed and scaled types stay.
_CAST = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")


@dataclass(frozen=True)
class ModelFolder:
    """The parts of a model's folder that describe it; ``headers`` by the file's name, None for what is not there."""

    config: Mapping[str, Any] | None = None
    index: Mapping[str, Any] | None = None
    headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tokenizer_config: Mapping[str, Any] | None = None
    template_file: bool = False


def has_chat_template(tokenizer_config: Mapping[str, Any] | None, template_file: bool = False) -> bool | None:
    """Return whether a model has a chat template, None where neither file was looked at."""
    if template_file:
        return True
    return None if tokenizer_config is None else bool(tokenizer_config.get("chat_template"))


def parse_index(index: Mapping[str, Any], path: str) -> WeightFiles:
    """Return the size that ``model.safetensors.index.json`` declares; InputError where it has none."""
    metadata = index.get("metadata")
    size = metadata.get("total_size") if isinstance(metadata, Mapping) else None
    if isinstance(size, bool) or not isinstance(size, (int, float)) or size <= 0:
        hint = "Give the whole content of model.safetensors.index.json."
        raise InputError([Problem(f"{path}.metadata.total_size", "is no size in bytes", repr(size), hint=hint)])
    return WeightFiles(int(size), "model.safetensors.index.json, metadata.total_size")


def parse_headers(headers: Mapping[str, Mapping[str, Any]], layers: int) -> WeightFiles:
    """Return the sizes of all tensors; those of layers beyond ``layers`` are extra prediction layers.

    InputError names the file and the tensor where a header is not what it should be.
    """
    total = cast = elements = skipped = 0
    for name, header in headers.items():
        for tensor, described in header.items():
            if tensor == "__metadata__":
                continue
            try:
                kind, (begin, end) = described["dtype"], described["data_offsets"]
                size = int(end) - int(begin)
            except (KeyError, TypeError, ValueError):
                message = f"the header of {name} does not describe the tensor {tensor} by dtype and data_offsets"
                raise InputError([Problem("path", message, hint="Is the file whole?")]) from None
            total += size
            layer = _LAYER.search(tensor)
            if layer is not None and layers and int(layer[1]) >= layers:
                skipped += size
            elif kind in _CAST:
                cast += size
                elements += size // _CAST[kind]
    return WeightFiles(total, "headers of the safetensors files", cast, elements, skipped)


def stated_size(size_gib: float, source: str) -> WeightFiles:
    """Return a size that somebody states, as it will be in memory."""
    size = int(size_gib * GIB)
    return WeightFiles(size, source, cast_bytes=0, cast_elements=0)


def find_weight_files(
    folder: ModelFolder, index: Mapping[str, Any] | None, weights_gib: float | None, layers: int
) -> WeightFiles | None:
    """Return the best source of the size: what is said by hand, all headers, the index; None where there is none."""
    if weights_gib is not None:
        return stated_size(weights_gib, "weights_gib")
    listed = folder.index if index is None else index
    wanted = _files_of(listed)
    if folder.headers and set(wanted) <= set(folder.headers):
        named = {name: folder.headers[name] for name in wanted} or folder.headers
        return parse_headers(named, layers)
    return None if listed is None else parse_index(listed, "safetensors_index")


def _files_of(index: Mapping[str, Any] | None) -> Sequence[str]:
    """Return the files that an index names; a folder may hold others, such as a second copy of all weights."""
    places = index.get("weight_map") if index is not None else None
    return sorted({str(name) for name in places.values()}) if isinstance(places, Mapping) else ()
