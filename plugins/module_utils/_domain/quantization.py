# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quantized checkpoints: how many bits a parameter takes, and which GPU can run them.

Smallest compute capabilities are those that vLLM 0.32.0 asks for (``get_min_capability`` of each method in
``vllm/model_executor/layers/quantization``) and those of the table "Supported Hardware" in its documentation from 0.9
to 0.15 (docs.vllm.ai; Volta is 7.0, Turing 7.5, Ampere 8.0 and 8.6, Ada 8.9, Hopper 9.0).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Callable

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import Quantization
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import EngineVersion

__all__ = ["CAPABILITIES_SOURCE", "Capability", "find_capability", "online_quantization", "parse_quantization"]

CAPABILITIES_SOURCE = "vLLM 0.32.0, get_min_capability; docs.vllm.ai 0.9 to 0.15, Supported Hardware"


@dataclass(frozen=True)
class Capability:
    """Smallest compute capabilities: ``minimum`` in all known versions, ``newest`` in vLLM 0.32 and later.

    Below ``native`` the weights stay small, but the GPU computes in 16 bits.
    """

    minimum: tuple[int, int]
    newest: tuple[int, int]
    native: tuple[int, int] | None = None


_NEWEST_SINCE = EngineVersion(0, 32, 0)
_CAPABILITIES: Mapping[str, Capability] = {
    "awq": Capability((7, 5), (7, 5)),
    "awq_marlin": Capability((8, 0), (7, 5)),
    "bitsandbytes": Capability((7, 0), (7, 0)),
    "experts_int8": Capability((8, 0), (8, 0)),
    "fbgemm_fp8": Capability((8, 0), (8, 0), (8, 9)),
    "fp8": Capability((8, 0), (7, 5), (8, 9)),
    "fp_quant": Capability((10, 0), (10, 0)),
    "gguf": Capability((7, 0), (7, 0)),
    "gptq": Capability((7, 0), (7, 0)),
    "gptq_marlin": Capability((8, 0), (7, 5)),
    "modelopt": Capability((8, 9), (8, 0), (8, 9)),
    "modelopt_fp4": Capability((8, 0), (7, 5), (10, 0)),
    "moe_wna16": Capability((7, 0), (7, 0)),
    "mxfp4": Capability((8, 0), (8, 0), (10, 0)),
    "torchao": Capability((7, 5), (7, 5)),
    "w4a16": Capability((8, 0), (7, 5)),
    "w8a16_fp8": Capability((8, 0), (7, 5)),
    "w8a8_fp8": Capability((8, 0), (7, 5), (8, 9)),
    "w8a8_int8": Capability((7, 5), (7, 5)),
    "w4a4_nvfp4": Capability((8, 0), (7, 5), (10, 0)),
    "w4a8_fp8": Capability((9, 0), (9, 0)),
}
_SAME = {
    "auto_awq": "awq",
    "auto_gptq": "gptq",
    "fp8_per_tensor": "fp8",
    "fp8_per_block": "fp8",
    "fp8_per_channel": "fp8",
    "gpt_oss_mxfp4": "mxfp4",
    "nvfp4": "modelopt_fp4",
}
# Modules that stay as they are in every checkpoint, or are counted apart; anything else is a part of the linear layers.
_LEFT_ALONE = re.compile(r"lm_head|embed|norm|router|gate\$?$|visual|vision|multi_modal|eh_proj|shared_head")
# What vLLM makes of an unquantized checkpoint while it loads, in bits a parameter with its scales.
_ONLINE_BITS = {"fp8": 8.0, "bitsandbytes": 4.5}


def find_capability(
    quantization: Quantization, version: EngineVersion | None
) -> tuple[tuple[int, int], Capability] | None:
    """Return the capability that a version of the engine needs, and all that is known; None for unknown schemes."""
    found = _CAPABILITIES.get(quantization.scheme or _SAME.get(quantization.method, quantization.method))
    if found is None:
        return None
    return (found.newest if version is not None and version >= _NEWEST_SINCE else found.minimum), found


def online_quantization(method: str) -> Quantization:
    """Return what ``--quantization`` makes of a checkpoint that is not quantized."""
    return Quantization(method, _ONLINE_BITS.get(_SAME.get(method, method)))


def parse_quantization(fields: Fields) -> Quantization | None:
    """Return the quantization of a ``config.json``; problems are recorded in ``fields``."""
    key = "quantization_config" if fields.has("quantization_config") else "compression_config"
    if not fields.has(key):
        return None
    config = fields.nested(key)
    method = config.text("quant_method", "").lower().replace("_tensors", "-tensors")
    inner = config.nested("quantization")
    algorithm = (config.text("quant_algo", "") or inner.text("quant_algo", "")).upper()
    if algorithm and not method.startswith("modelopt_"):
        method = "modelopt_fp4" if "FP4" in algorithm else "modelopt"
    found = _READERS.get(method, _unknown)(method, config)
    if _leaves_layers_alone(config):
        return replace(found, bits=None)
    return found


def _leaves_layers_alone(config: Fields) -> bool:
    """Whether some of the linear layers are not quantized, so that the bits of a parameter are no single number."""
    names = [config.raw(key) for key in ("modules_to_not_convert", "ignore", "ignored_layers", "exclude_modules")]
    listed = [str(name) for part in names if isinstance(part, (list, tuple)) for name in part]
    return _method_of(config) != "mxfp4" and any(not _LEFT_ALONE.search(name) for name in listed)


def _method_of(config: Fields) -> str:
    """Return the method as it was written."""
    return config.text("quant_method", "").lower()


def _unknown(method: str, _config: Fields) -> Quantization:
    return Quantization(method, None)


def _grouped(method: str, config: Fields) -> Quantization:
    """AWQ and GPTQ: a 16-bit scale and a zero point for each group of rows; -1 is one group."""
    bits = config.integer("bits", None, minimum=1, maximum=16)
    if bits is None:
        bits = config.integer("w_bit", None, minimum=1, maximum=16)
    group = config.integer("group_size", None, minimum=-1)
    if group is None:
        group = config.integer("q_group_size", None, minimum=-1)
    if bits is None or group is None or group == 0:
        return Quantization(method, None)
    return Quantization(method, bits + ((16 + bits) / group if group > 0 else 0), divisor=max(group, 1))


def _fp8(method: str, config: Fields) -> Quantization:
    """One byte, and a 32-bit scale for each block where there are blocks."""
    block = config.items("weight_block_size")
    sizes = [size for size in block if isinstance(size, int) and size > 0]
    if len(sizes) != 2:
        return Quantization(method, 8.0)
    return Quantization(method, 8 + 32 / (sizes[0] * sizes[1]), divisor=max(sizes))


def _bitsandbytes(method: str, config: Fields) -> Quantization:
    """Four bits with a float32 scale for each block of 64, or eight bits."""
    return Quantization(method, 4.5 if config.boolean("load_in_4bit", False) else 8.0)


def _mxfp4(method: str, _config: Fields) -> Quantization:
    """Four bits with an 8-bit scale for each block of 32, for the experts; the engine pads them for its kernels.

    The padding: 64.38 GiB in memory of 60.77 GiB on disk (gpt-oss-120b), 13.47 of 12.82 (gpt-oss-20b), see
    llm-d-incubation/llm-d-planner, docs/empirical-vllm-memory-results.md.
    """
    return Quantization(method, 4.25, experts_only=True, growth=1.055, growth_max=1.07)


def _modelopt(method: str, _config: Fields) -> Quantization:
    """FP8, or NVFP4 with an 8-bit scale for each block of 16."""
    return Quantization(method, 4.5 if method == "modelopt_fp4" else 8.0, divisor=16 if method == "modelopt_fp4" else 1)


def _compressed(method: str, config: Fields) -> Quantization:
    """compressed-tensors: the scheme of its groups, when all of them are the same."""
    groups = config.nested("config_groups")
    schemes = [_compressed_group(groups.nested(str(name))) for name in groups.whole()]
    if not schemes or any(each != schemes[0] for each in schemes):
        return Quantization(method, None)
    scheme, bits, divisor = schemes[0]
    return Quantization(method, bits, scheme, divisor=divisor)


def _compressed_group(group: Fields) -> tuple[str, float | None, int]:
    weights, inputs = group.nested("weights"), group.nested("input_activations")
    bits = weights.integer("num_bits", None, minimum=1, maximum=16)
    size = weights.integer("group_size", 0, minimum=-1)
    kind, strategy = weights.text("type", "int"), weights.text("strategy", "")
    activation_bits = inputs.integer("num_bits", 16, minimum=1, maximum=16)
    if bits is None:
        return "", None, 1
    scheme = f"w{bits}a{activation_bits}"
    if kind == "float":
        scheme += "_nvfp4" if bits == 4 else "_fp8"
    elif activation_bits == 8:
        scheme += "_int8" if bits == 8 else "_int"
    scale_bits = 8 if scheme.endswith("nvfp4") else 16
    grouped = strategy in ("group", "tensor_group") and size > 0
    named = {"w4a16_nvfp4": "w4a4_nvfp4", "w8a16": "w4a16"}.get(scheme, scheme)
    return named, bits + (scale_bits / size if grouped else 0), size if grouped else 1


_READERS: Mapping[str, Callable[[str, Fields], Quantization]] = {
    "awq": _grouped,
    "gptq": _grouped,
    "fp8": _fp8,
    "fbgemm_fp8": _fp8,
    "bitsandbytes": _bitsandbytes,
    "mxfp4": _mxfp4,
    "modelopt": _modelopt,
    "modelopt_fp4": _modelopt,
    "compressed-tensors": _compressed,
}
