# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counting the parameters of a model from its ``config.json``.

The sums follow the model classes of the transformers library (``transformers/models/<model_type>``); the tests compare
them with the sizes that published checkpoints declare. A family is listed only when its sum is known to be right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import Parameters

__all__ = ["FAMILIES", "Family", "Shape", "count_parameters"]


@dataclass(frozen=True)
class Family:
    """What the models of one ``model_type`` have in common.

    ``feed_forward`` is ``gated`` (three matrices) or the name of a kind of experts; ``norms`` and ``head_norms`` count
    the normalisations of a layer over the hidden size and over the size of a head; ``tied`` is the default of
    ``tie_word_embeddings``. ``local_pattern`` N: all layers but every Nth look at a window only.
    """

    feed_forward: str = "gated"
    norms: int = 2
    head_norms: int = 0
    qkv_bias: bool = False
    tied: bool = False
    latent: bool = False
    local_pattern: int | None = None


FAMILIES: Mapping[str, Family] = {
    "deepseek_v2": Family("deepseek", latent=True),
    "deepseek_v3": Family("deepseek", latent=True),
    "gemma": Family(tied=True),
    "gemma2": Family(norms=4, tied=True, local_pattern=2),
    "gemma3_text": Family(norms=4, head_norms=2, tied=True, local_pattern=6),
    "gpt_oss": Family("gpt_oss"),
    "granite": Family(),
    "kimi_k2": Family("deepseek", latent=True),
    "llama": Family(),
    "mistral": Family(),
    "mixtral": Family("mixtral"),
    "phi3": Family(),
    "qwen2": Family(qkv_bias=True),
    "qwen2_moe": Family("qwen_moe", qkv_bias=True),
    "qwen3": Family(head_norms=2),
    "qwen3_moe": Family("qwen_moe", head_norms=2),
}


@dataclass(frozen=True)
class Shape:
    """The sizes that all families have."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    feed_forward: int


def count_parameters(fields: Fields, family: Family, shape: Shape) -> Parameters | None:
    """Return the parameters of a model, None where a size is missing."""
    tied = bool(fields.boolean("tie_word_embeddings", family.tied))
    embedding = shape.vocabulary * shape.hidden
    attention = _latent_attention(fields, shape) if family.latent else _attention(fields, family, shape)
    feed_forward = _FEED_FORWARD[family.feed_forward](fields, shape)
    if attention is None or feed_forward is None:
        return None
    norms = shape.layers * (family.norms * shape.hidden + family.head_norms * shape.head_size) + shape.hidden
    return Parameters(
        embedding=embedding,
        head=0 if tied else embedding,
        dense=attention.dense + feed_forward.dense,
        kv=attention.kv,
        experts=feed_forward.experts,
        latent=attention.latent,
        plain=attention.plain + feed_forward.plain + norms,
    )


def _attention(fields: Fields, family: Family, shape: Shape) -> Parameters:
    """Query, key, value and output projections."""
    wide, narrow = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    all_biased = bool(fields.boolean("attention_bias", False))
    biases = wide + 2 * narrow if family.qkv_bias or all_biased else 0
    biases += shape.hidden if all_biased and not family.qkv_bias else 0
    sinks = shape.heads if family.feed_forward == "gpt_oss" else 0
    return Parameters(
        dense=shape.layers * 2 * shape.hidden * wide,
        kv=shape.layers * 2 * shape.hidden * narrow,
        plain=shape.layers * (biases + sinks),
    )


def _latent_attention(fields: Fields, shape: Shape) -> Parameters | None:
    """DeepSeek's latent attention: what squeezes is held whole by every GPU, what widens again is split."""
    rank = fields.integer("kv_lora_rank", 0, minimum=1)
    rope = fields.integer("qk_rope_head_dim", 0, minimum=1)
    nope = fields.integer("qk_nope_head_dim", 0, minimum=1)
    value = fields.integer("v_head_dim", 0, minimum=1)
    query_rank = fields.integer("q_lora_rank", 0, minimum=1)
    if not (rank and rope and nope and value):
        return None
    query = shape.heads * (nope + rope)
    return Parameters(
        dense=shape.layers
        * (
            (query_rank or shape.hidden) * query
            + rank * shape.heads * (nope + value)
            + shape.heads * value * shape.hidden
        ),
        latent=shape.layers * shape.hidden * (rank + rope + query_rank),
        plain=shape.layers * (rank + query_rank),
    )


def _gated(fields: Fields, shape: Shape) -> Parameters:
    biases = 2 * shape.feed_forward + shape.hidden if fields.boolean("mlp_bias", False) else 0
    return Parameters(dense=shape.layers * 3 * shape.hidden * shape.feed_forward, plain=shape.layers * biases)


def _mixtral(fields: Fields, shape: Shape) -> Parameters | None:
    experts = fields.integer("num_local_experts", 0, minimum=1)
    if not experts:
        return None
    return Parameters(
        experts=shape.layers * experts * 3 * shape.hidden * shape.feed_forward,
        plain=shape.layers * experts * shape.hidden,
    )


def _gpt_oss(fields: Fields, shape: Shape) -> Parameters | None:
    """Experts and routers have biases."""
    experts = fields.integer("num_local_experts", 0, minimum=1)
    if not experts:
        return None
    return Parameters(
        experts=shape.layers * experts * 3 * shape.hidden * shape.feed_forward,
        plain=shape.layers * experts * (2 * shape.feed_forward + shape.hidden + shape.hidden + 1),
    )


def _qwen_moe(fields: Fields, shape: Shape) -> Parameters | None:
    """Every layer with experts, unless ``mlp_only_layers`` or ``decoder_sparse_step`` say otherwise."""
    experts = fields.integer("num_experts", 0, minimum=1)
    size = fields.integer("moe_intermediate_size", 0, minimum=1)
    step = fields.integer("decoder_sparse_step", 1, minimum=1)
    shared = fields.integer("shared_expert_intermediate_size", 0, minimum=0)
    plain_layers = {layer for layer in fields.items("mlp_only_layers") if isinstance(layer, int)}
    if not (experts and size):
        return None
    sparse = [layer for layer in range(shape.layers) if layer not in plain_layers and (layer + 1) % step == 0]
    gate = shape.hidden if shared else 0
    return Parameters(
        dense=(shape.layers - len(sparse)) * 3 * shape.hidden * shape.feed_forward
        + len(sparse) * 3 * shape.hidden * shared,
        experts=len(sparse) * experts * 3 * shape.hidden * size,
        plain=len(sparse) * (experts * shape.hidden + gate),
    )


def _deepseek(fields: Fields, shape: Shape) -> Parameters | None:
    """The first layers are dense; the others have routed and shared experts, and in V3 a bias of the router."""
    experts = fields.integer("n_routed_experts", 0, minimum=1)
    size = fields.integer("moe_intermediate_size", 0, minimum=1)
    shared = fields.integer("n_shared_experts", 0, minimum=0)
    dense_layers = min(fields.integer("first_k_dense_replace", 0, minimum=0), shape.layers)
    step = fields.integer("moe_layer_freq", 1, minimum=1)
    if not (experts and size) or step != 1:
        return None
    sparse_layers = shape.layers - dense_layers
    bias = experts if fields.text("topk_method", "") == "noaux_tc" else 0
    return Parameters(
        dense=3 * shape.hidden * (dense_layers * shape.feed_forward + sparse_layers * shared * size),
        experts=sparse_layers * experts * 3 * shape.hidden * size,
        plain=sparse_layers * (experts * shape.hidden + bias),
    )


_FEED_FORWARD = {
    "deepseek": _deepseek,
    "gated": _gated,
    "gpt_oss": _gpt_oss,
    "mixtral": _mixtral,
    "qwen_moe": _qwen_moe,
}
