# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a model's ``config.json``, as vLLM does (``vllm/transformers_utils/model_arch_config_convertor.py``).

What is not known here is never guessed: ``ModelFacts.unknown`` says it in words, and no verdict passes on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import (
    CacheLayers,
    ModelFacts,
    WeightFiles,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_parameters import (
    FAMILIES,
    Family,
    Shape,
    count_parameters,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quantization import parse_quantization
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["DTYPE_BYTES", "parse_model_config"]

DTYPE_BYTES = {"float32": 4, "float": 4, "float16": 2, "half": 2, "bfloat16": 2}
# Kinds of rotary embedding that stretch the context by their factor; the others name the stretched length itself.
_STRETCHING = ("linear", "dynamic", "yarn")
_FULL, _WINDOW = "full_attention", "sliding_attention"
# The sizes of these families that a config.json leaves to the library when they are the library's own.
_WINDOW_DEFAULTS = {"gemma2": 4096, "gemma3_text": 4096}


def parse_model_config(
    config: Mapping[str, Any], name: str = "", files: WeightFiles | None = None, chat_template: bool | None = None
) -> ModelFacts:
    """Return the facts of a model; InputError where a known kind of model lacks one of its sizes."""
    problems: list[Problem] = []
    root = Fields(config, "config", problems)
    text = root.nested("text_config") if root.has("text_config") else root
    model_type = text.required_text("model_type", "Give the whole content of the model's config.json.")
    family = FAMILIES.get(model_type)
    shape = _shape(text, required=family is not None)
    unknown: list[str] = []
    cache: tuple[CacheLayers, ...] = ()
    if family is None:
        known = ", ".join(sorted(FAMILIES))
        unknown.append(
            f"how models of the type {model_type} keep their key-value cache is not known here; known: {known}"
        )
    elif not problems:
        cache = _cache_layers(text, model_type, family, shape, unknown)
    dtype = (text.text("dtype", "") or text.text("torch_dtype", "") or root.text("dtype", "")).replace("torch.", "")
    dtype = dtype or root.text("torch_dtype", "").replace("torch.", "")
    if dtype not in DTYPE_BYTES:
        unknown.append(f"the data type of the checkpoint ({dtype or 'none is given'}) is not known here")
    quantization = parse_quantization(root) or (parse_quantization(text) if text is not root else None)
    extra = text.integer("num_nextn_predict_layers", 0, minimum=0)
    parameters = count_parameters(text, family, shape) if family is not None and not problems else None
    expert_size = text.integer("moe_intermediate_size", None, minimum=1)
    if problems:
        raise InputError(problems)
    return ModelFacts(
        name=name or root.text("_name_or_path", "") or model_type,
        model_type=model_type,
        layers=shape.layers,
        hidden_size=shape.hidden,
        attention_heads=shape.heads,
        kv_heads=shape.kv_heads,
        vocab_size=shape.vocabulary,
        feed_forward_size=shape.feed_forward,
        dtype=dtype,
        dtype_bytes=DTYPE_BYTES.get(dtype, 2),
        tokens_max=_tokens_max(text),
        cache=cache,
        parameters=parameters,
        quantization=quantization,
        files=files,
        expert_size=expert_size,
        extra_prediction_layers=extra,
        multimodal=text is not root or root.has("vision_config"),
        chat_template=chat_template,
        unknown=tuple(unknown),
    )


def _shape(fields: Fields, *, required: bool) -> Shape:
    def size(key: str) -> int:
        if required and not fields.has(key):
            fields.problem(key, "is missing", hint="Give the whole content of the model's config.json.")
        return fields.integer(key, 0, minimum=1)

    hidden, heads = size("hidden_size"), size("num_attention_heads")
    return Shape(
        layers=size("num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=fields.integer("num_key_value_heads", heads, minimum=1),
        head_size=fields.integer("head_dim", 0, minimum=0) or hidden // max(heads, 1),
        vocabulary=size("vocab_size"),
        feed_forward=size("intermediate_size"),
    )


def _cache_layers(
    fields: Fields, model_type: str, family: Family, shape: Shape, unknown: list[str]
) -> tuple[CacheLayers, ...]:
    """Return the forms of the layers' caches; empty after a reason was added to ``unknown``."""
    if family.latent:
        values = fields.integer("kv_lora_rank", 0, minimum=1) + fields.integer("qk_rope_head_dim", 0, minimum=1)
        return (CacheLayers(shape.layers, 1, values, latent=True),)
    window = fields.integer("sliding_window", _WINDOW_DEFAULTS.get(model_type, 0), minimum=0)
    kinds = [str(kind) for kind in fields.items("layer_types")]
    strange = sorted(set(kinds) - {_FULL, _WINDOW})
    if strange:
        unknown.append(f"layers of the kind {', '.join(strange)} keep another cache than attention does")
        return ()
    if kinds and len(kinds) != shape.layers:
        unknown.append(f"layer_types names {len(kinds)} layers of {shape.layers}")
        return ()
    local = kinds.count(_WINDOW) if kinds else _local_layers(fields, family, shape, window)
    if local and not window:
        unknown.append("some layers look at a window only, and config.json does not say how long it is")
        return ()
    full = CacheLayers(shape.layers - local, shape.kv_heads, 2 * shape.head_size)
    windowed = CacheLayers(local, shape.kv_heads, 2 * shape.head_size, window)
    return tuple(each for each in (full, windowed) if each.layers)


def _local_layers(fields: Fields, family: Family, shape: Shape, window: int) -> int:
    """Return how many layers look at a window where ``layer_types`` does not say it."""
    if fields.has("use_sliding_window"):
        first = fields.integer("max_window_layers", shape.layers, minimum=0)
        return max(shape.layers - first, 0) if fields.boolean("use_sliding_window", False) and window else 0
    if family.local_pattern is not None:
        pattern = fields.integer("sliding_window_pattern", family.local_pattern, minimum=1)
        return shape.layers - shape.layers // pattern
    # One window for all layers, as in Mistral 7B v0.1.
    return shape.layers if window else 0


def _tokens_max(fields: Fields) -> int | None:
    """Return the longest context in tokens that the model is made for; None where config.json does not say it."""
    positions = fields.integer("max_position_embeddings", None, minimum=1)
    rope = fields.nested("rope_scaling" if fields.has("rope_scaling") else "rope_parameters")
    kind = rope.text("rope_type", "") or rope.text("type", "")
    if positions is None or kind not in _STRETCHING:
        return positions
    original = rope.integer("original_max_position_embeddings", positions, minimum=1)
    return int(original * rope.number("factor", 1.0, above=0))
