# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quantized checkpoints: bits of a parameter, and which GPU can run them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.engine_args import parse_version
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import Quantization
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quantization import (
    find_capability,
    online_quantization,
    parse_quantization,
)


def parse(**config: Any) -> Quantization:
    found = parse_quantization(Fields({"quantization_config": config}, "config", []))
    assert found is not None
    return found


def groups(*pairs: tuple[dict[str, Any], dict[str, Any] | None]) -> dict[str, Any]:
    return {
        f"group_{i}": {"weights": weights, "input_activations": inputs} for i, (weights, inputs) in enumerate(pairs)
    }


INT4 = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}
INT8 = {"num_bits": 8, "type": "int", "strategy": "channel"}
FP8 = {"num_bits": 8, "type": "float", "strategy": "channel"}
NVFP4 = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}


@pytest.mark.parametrize(
    ("config", "bits", "divisor"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, 4 + 20 / 128, 128),
        ({"quant_method": "awq", "w_bit": 4, "q_group_size": 64}, 4 + 20 / 64, 64),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1}, 8, 1),
        ({"quant_method": "gptq", "bits": 4}, None, 1),
        ({"quant_method": "fp8"}, 8, 1),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, 8 + 32 / 128**2, 128),
        ({"quant_method": "fbgemm_fp8"}, 8, 1),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, 4.5, 1),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, 8, 1),
        ({"quant_method": "mxfp4"}, 4.25, 1),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, 8, 1),
        ({"quant_algo": "NVFP4"}, 4.5, 16),
        ({"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8"}}, 8, 1),
        ({"quant_method": "modelopt_fp4", "quant_algo": "NVFP4"}, 4.5, 16),
        ({"quant_method": "compressed-tensors", "config_groups": groups((INT4, None))}, 4 + 16 / 128, 128),
        ({"quant_method": "compressed_tensors", "config_groups": groups((INT8, {"num_bits": 8}))}, 8, 1),
        ({"quant_method": "compressed-tensors", "config_groups": groups((NVFP4, {"num_bits": 4}))}, 4.5, 16),
        ({"quant_method": "compressed-tensors", "config_groups": groups((INT4, None), (FP8, None))}, None, 1),
        ({"quant_method": "compressed-tensors", "config_groups": groups(({}, None))}, None, 1),
        ({"quant_method": "compressed-tensors"}, None, 1),
        ({"quant_method": "something-new"}, None, 1),
    ],
)
def test_the_bits_of_a_parameter_include_its_scales(config: dict[str, Any], bits: float | None, divisor: int) -> None:
    found = parse(**config)
    assert (found.bits, found.divisor) == (bits, divisor)


@pytest.mark.parametrize(
    ("weights", "inputs", "scheme"),
    [
        (INT4, None, "w4a16"),
        ({**INT8, "group_size": 128}, None, "w4a16"),
        (INT8, {"num_bits": 8}, "w8a8_int8"),
        (INT4, {"num_bits": 8}, "w4a8_int"),
        (FP8, {"num_bits": 8}, "w8a8_fp8"),
        (FP8, None, "w8a16_fp8"),
        (NVFP4, {"num_bits": 4}, "w4a4_nvfp4"),
        (NVFP4, None, "w4a4_nvfp4"),
    ],
)
def test_the_scheme_of_compressed_tensors_is_that_of_its_groups(
    weights: dict[str, Any], inputs: dict[str, Any] | None, scheme: str
) -> None:
    assert parse(quant_method="compressed-tensors", config_groups=groups((weights, inputs))).scheme == scheme


def test_linear_layers_that_are_left_alone_make_the_bits_unknown() -> None:
    # Llama 3.1 405B FP8 keeps its attention in 16 bits: vllm-project/vllm#6746 loads 57.75 GiB on each of eight GPUs.
    harmless = ["lm_head", "re:.*mlp.gate$", "model.layers.0.mlp.gate", "re:visual.*", "model.norm"]
    assert parse(quant_method="fp8", modules_to_not_convert=harmless).bits == 8
    assert parse(quant_method="fp8", modules_to_not_convert=["model.layers.0.self_attn.q_proj"]).bits is None
    assert parse(quant_method="compressed-tensors", ignore=["model.layers.0.mlp.down_proj"]).bits is None
    assert parse(quant_method="mxfp4", modules_to_not_convert=["model.layers.*.self_attn"]).bits == 4.25


def test_an_unquantized_model_has_no_quantization() -> None:
    assert parse_quantization(Fields({}, "config", [])) is None


def test_the_older_key_of_compressed_tensors_counts() -> None:
    config = {"compression_config": {"quant_method": "compressed-tensors"}}
    found = parse_quantization(Fields(config, "config", []))
    assert found == Quantization("compressed-tensors", None)


def test_what_the_engine_quantizes_itself_has_bits_where_they_are_known() -> None:
    assert online_quantization("fp8").bits == 8
    assert online_quantization("fp8_per_tensor").bits == 8
    assert online_quantization("torchao").bits is None


@pytest.mark.parametrize(
    ("quantization", "version", "needed"),
    [
        (Quantization("awq", 4.2), None, (7, 5)),
        (Quantization("fp8", 8), "0.18.0", (8, 0)),
        (Quantization("fp8", 8), "0.32.0", (7, 5)),
        (Quantization("auto_gptq", 4.2), "0.32.0", (7, 0)),
        (Quantization("compressed-tensors", 8, "w4a8_fp8"), None, (9, 0)),
        (Quantization("mxfp4", 4.25), None, (8, 0)),
    ],
)
def test_a_scheme_needs_a_compute_capability_by_version(
    quantization: Quantization, version: str | None, needed: tuple[int, int]
) -> None:
    found = find_capability(quantization, parse_version(version) if version else None)
    assert found is not None
    assert found[0] == needed


def test_an_unknown_scheme_has_no_known_capability() -> None:
    assert find_capability(Quantization("compressed-tensors", 4, "w4a8_int"), None) is None
