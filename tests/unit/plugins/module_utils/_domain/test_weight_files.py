# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files of a checkpoint say about its size."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import WeightFiles
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import GIB
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.weight_files import (
    ModelFolder,
    find_weight_files,
    has_chat_template,
    parse_headers,
    parse_index,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError

INDEX = {"metadata": {"total_size": 1000}, "weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}


def tensor(kind: str, size: int) -> dict[str, Any]:
    return {"dtype": kind, "shape": [size], "data_offsets": [8, 8 + size]}


HEADERS = {
    "one.safetensors": {"__metadata__": {"format": "pt"}, "model.layers.0.w": tensor("BF16", 100)},
    "two.safetensors": {"model.layers.1.w": tensor("F32", 40), "model.layers.1.q": tensor("F8_E4M3", 7)},
}


def test_headers_count_every_tensor_and_tell_those_that_the_engine_casts() -> None:
    assert parse_headers(HEADERS, 2) == WeightFiles(147, "headers of the safetensors files", 140, 60)


def test_layers_beyond_those_of_the_model_are_skipped() -> None:
    found = parse_headers(HEADERS, 1)
    assert (found.total_bytes, found.skipped_bytes, found.cast_bytes) == (147, 47, 100)
    assert parse_headers(HEADERS, 0).skipped_bytes == 0


@pytest.mark.parametrize("described", [{}, {"dtype": "BF16"}, {"dtype": "BF16", "data_offsets": [1]}, "text", None])
def test_a_tensor_that_is_not_described_is_refused_with_file_and_name(described: Any) -> None:
    with pytest.raises(InputError, match=r"path: the header of one\.safetensors does not describe the tensor a by"):
        parse_headers({"one.safetensors": {"a": described}}, 1)


@pytest.mark.parametrize("index", [{}, {"metadata": {}}, {"metadata": {"total_size": 0}}, {"metadata": "no"}])
def test_an_index_without_a_size_is_refused(index: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"safetensors_index\.metadata\.total_size: is no size in bytes"):
        parse_index(index, "safetensors_index")


def test_what_is_said_by_hand_goes_before_headers_and_these_before_the_index() -> None:
    whole = ModelFolder(index=INDEX, headers=HEADERS)
    assert find_weight_files(whole, None, 2.0, 2) == WeightFiles(2 * GIB, "weights_gib", 0, 0)
    assert find_weight_files(whole, None, None, 2) == parse_headers(HEADERS, 2)
    assert find_weight_files(ModelFolder(headers=HEADERS), None, None, 2) == parse_headers(HEADERS, 2)
    assert find_weight_files(ModelFolder(), None, None, 2) is None


def test_the_index_counts_when_a_file_is_not_there() -> None:
    part = ModelFolder(index=INDEX, headers={"one.safetensors": HEADERS["one.safetensors"]})
    found = find_weight_files(part, None, None, 2)
    assert found == WeightFiles(1000, "model.safetensors.index.json, metadata.total_size")
    assert find_weight_files(ModelFolder(), INDEX, None, 2) == found


def test_files_that_the_index_does_not_name_do_not_count() -> None:
    copies = {**HEADERS, "consolidated.safetensors": {"w": tensor("BF16", 1000)}}
    assert find_weight_files(ModelFolder(index=INDEX, headers=copies), None, None, 2) == parse_headers(HEADERS, 2)


def test_a_chat_template_is_a_file_of_its_own_or_a_key_of_the_tokenizer() -> None:
    assert has_chat_template(None, template_file=True)
    assert has_chat_template({"chat_template": "{{ messages }}"})
    assert has_chat_template({"chat_template": ""}) is False
    assert has_chat_template(None) is None
