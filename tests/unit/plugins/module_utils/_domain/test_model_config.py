# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading config.json: the forms of caches, what is refused, and what is said to be unknown."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import CacheLayers
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_config import parse_model_config
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError

from .fits import DEEPSEEK, GPT_OSS, MODELS, config, model


def cache(name: str, **changes: Any) -> tuple[tuple[int, int | None], ...]:
    """Return layers and window of each form of cache."""
    return tuple((each.layers, each.window) for each in model(name, **changes).cache)


def test_each_layer_of_a_model_with_grouped_heads_keeps_keys_and_values_of_its_key_value_heads() -> None:
    assert model().cache == (CacheLayers(32, 8, 256),)


def test_latent_attention_keeps_one_compressed_head_that_is_not_split() -> None:
    assert model(DEEPSEEK).cache == (CacheLayers(61, 1, 576, latent=True),)
    assert model(DEEPSEEK).latent


def test_layers_that_look_at_a_window_are_told_from_those_that_look_at_everything() -> None:
    assert cache(GPT_OSS) == ((12, None), (12, 128))
    assert cache("google/gemma-2-9b") == ((21, None), (21, 4096))
    gemma_3 = {"model_type": "gemma3_text", "num_hidden_layers": 62, "sliding_window": 1024}
    assert cache("google/gemma-2-9b", **gemma_3) == ((10, None), (52, 1024))
    assert cache("google/gemma-2-9b", **gemma_3, sliding_window_pattern=2) == ((31, None), (31, 1024))


def test_the_window_of_gemma_is_the_library_s_where_config_json_leaves_it_out() -> None:
    assert cache("google/gemma-2-9b", sliding_window=None) == ((21, None), (21, 4096))


def test_a_window_without_kinds_of_layers_is_one_of_all_layers() -> None:
    assert cache("microsoft/Phi-3-mini-4k-instruct") == ((32, 2047),)


def test_a_window_of_qwen_counts_only_when_it_is_switched_on_and_for_the_later_layers() -> None:
    name = "Qwen/Qwen2.5-7B-Instruct"
    assert cache(name) == ((28, None),)
    assert cache(name, use_sliding_window=True, max_window_layers=20) == ((20, None), (8, 131072))
    assert cache(name, use_sliding_window=True, sliding_window=None, max_window_layers=20) == ((28, None),)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"model_type": "qwen3_next"},
            "how models of the type qwen3_next keep their key-value cache is not known here",
        ),
        ({"layer_types": ["full_attention", "linear_attention"] * 12}, "layers of the kind linear_attention keep"),
        ({"layer_types": ["full_attention"] * 3}, "layer_types names 3 layers of 24"),
        ({"sliding_window": None}, "some layers look at a window only, and config.json does not say how long it is"),
        ({"torch_dtype": "float8"}, "the data type of the checkpoint (float8) is not known here"),
        ({"torch_dtype": None}, "the data type of the checkpoint (none is given) is not known here"),
    ],
)
def test_what_is_not_known_is_said_and_not_guessed(changes: dict[str, Any], reason: str) -> None:
    facts = model(GPT_OSS, **changes)
    assert len(facts.unknown) == 1
    assert facts.unknown[0].startswith(reason)
    assert bool(facts.cache) is ("torch_dtype" in changes)


def test_a_model_of_an_unknown_type_with_nothing_else_is_no_error() -> None:
    facts = parse_model_config({"model_type": "mamba", "dtype": "bfloat16"})
    assert (facts.layers, facts.attention_heads, facts.parameters, facts.tokens_max) == (0, 0, None, None)
    assert facts.name == "mamba"


def test_a_known_model_without_its_sizes_is_refused_with_all_that_is_missing() -> None:
    with pytest.raises(InputError) as caught:
        parse_model_config(config(hidden_size=None, vocab_size=None, num_hidden_layers=0))
    assert [problem.path for problem in caught.value.problems] == [
        "config.hidden_size",
        "config.num_hidden_layers",
        "config.vocab_size",
    ]
    assert caught.value.problems[1].message == "is out of range"


def test_a_file_that_is_no_config_json_is_refused() -> None:
    with pytest.raises(InputError, match=r"config\.model_type: is required\. Give the whole content"):
        parse_model_config({})


@pytest.mark.parametrize("missing", ["kv_lora_rank", "n_routed_experts"])
def test_parameters_are_not_counted_where_a_size_is_missing(missing: str) -> None:
    assert model(DEEPSEEK, **{missing: None}).parameters is None


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "num_local_experts"),
        (GPT_OSS, "num_local_experts"),
        ("Qwen/Qwen3-30B-A3B", "moe_intermediate_size"),
    ],
)
def test_parameters_of_experts_are_not_counted_without_their_number_and_size(name: str, missing: str) -> None:
    assert model(name, **{missing: None}).parameters is None


def test_biases_of_the_feed_forward_layers_count() -> None:
    plain, biased = model().parameters, model(mlp_bias=True, attention_bias=True).parameters
    assert plain is not None
    assert biased is not None
    attention = 4096 + 2 * 1024 + 4096
    assert biased.total - plain.total == 32 * (2 * 14336 + 4096 + attention)


def test_layers_without_experts_and_shared_experts_count() -> None:
    name = "Qwen/Qwen3-30B-A3B"
    whole, some = model(name).parameters, model(name, mlp_only_layers=[0, 1], decoder_sparse_step=2).parameters
    assert whole is not None
    assert some is not None
    # Layers 1, 3, 5 ... have experts, but layer 1 was taken out.
    assert some.experts == whole.experts // 48 * 23
    assert some.dense - whole.dense == 25 * 3 * 2048 * 6144
    shared = model(name, model_type="qwen2_moe", shared_expert_intermediate_size=5632).parameters
    assert shared is not None
    assert shared.dense - whole.dense == 48 * 3 * 2048 * 5632


@pytest.mark.parametrize(
    ("rope", "tokens"),
    [
        (None, 131072),
        ({"rope_type": "llama3", "factor": 8.0}, 131072),
        ({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}, 131072),
        ({"rope_type": "linear", "factor": 2.0}, 262144),
    ],
)
def test_the_longest_context_follows_the_rotary_embedding(rope: dict[str, Any] | None, tokens: int) -> None:
    assert model(rope_scaling=rope).tokens_max == tokens
    assert model(rope_scaling=None, rope_parameters=rope).tokens_max == tokens


def test_a_multimodal_model_is_read_from_its_language_part_and_marked() -> None:
    facts = model("mistralai/Mistral-Small-3.2-24B-Instruct-2506", dtype="bfloat16")
    assert facts.multimodal
    assert (facts.model_type, facts.layers, facts.cache[0].kv_heads) == ("mistral", 40, 8)
    assert not model().multimodal


def test_the_data_type_may_stand_beside_the_language_part() -> None:
    text = config()
    text.pop("torch_dtype")
    for key in ("dtype", "torch_dtype"):
        facts = parse_model_config({"model_type": "wrapper", "text_config": text, key: "torch.float16"})
        assert facts.dtype == "float16"


def test_the_language_part_may_carry_the_quantization() -> None:
    quantization = {"quant_method": "fp8"}
    facts = parse_model_config({"model_type": "wrapper", "text_config": config(quantization_config=quantization)})
    assert facts.quantization is not None
    assert facts.quantization.method == "fp8"


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_of_the_data_is_understood(name: str) -> None:
    assert model(name).unknown == ()
