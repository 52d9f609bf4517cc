# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of the key-value cache."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.kv_cache import (
    CachePlan,
    cache_dtype_bytes,
    plan_cache,
    stage_layers,
)
from hypothesis import given
from hypothesis import strategies as st

from .fits import DEEPSEEK, GPT_OSS, model, settings

GEMMA_2 = "google/gemma-2-9b"


def plan(name: str, dtype_bytes: int = 2, batched: int = 2048, **changes: Any) -> CachePlan:
    found = plan_cache(model(name), settings(**changes), dtype_bytes, batched)
    assert found is not None
    return found


def test_a_token_takes_keys_and_values_of_all_heads_in_all_layers() -> None:
    assert plan("meta-llama/Llama-3.1-8B-Instruct").token_bytes == 131072
    assert plan("meta-llama/Llama-2-7b-hf").token_bytes == 524288
    assert plan("meta-llama/Llama-3.1-8B-Instruct", dtype_bytes=1).token_bytes == 65536


def test_tensor_parallelism_splits_the_heads_and_repeats_them_when_there_are_too_few() -> None:
    name = "Qwen/Qwen2.5-7B-Instruct"
    assert [plan(name, tensor=size).token_bytes for size in (1, 2, 4, 7, 14)] == [57344, 28672, 14336, 14336, 14336]


def test_latent_attention_is_not_split_over_gpus() -> None:
    # kaito-project/kaito#2139: planning as if it were made engines crash.
    assert plan(DEEPSEEK).token_bytes == plan(DEEPSEEK, tensor=8).token_bytes == 61 * 576 * 2


def test_a_stage_of_a_pipeline_keeps_its_own_layers() -> None:
    assert stage_layers(61, 4) == 16
    assert plan("meta-llama/Llama-3.1-8B-Instruct", pipeline=2).token_bytes == 65536


def test_a_request_takes_whole_blocks() -> None:
    llama = plan("meta-llama/Llama-3.1-8B-Instruct")
    assert [llama.request_blocks(tokens) for tokens in (1, 16, 17, 8192)] == [1, 1, 2, 512]
    assert llama.request_bytes(17) == 2 * 16 * 131072


def test_windowed_layers_stop_growing_behind_their_window_and_the_batches_on_their_way() -> None:
    gpt = plan(GPT_OSS, batched=1024)
    kept = -(-(128 - 1 + 2 * 1024) // 16) + 1
    assert gpt.request_blocks(131072) == 8192 + kept
    assert gpt.request_blocks(160) == 10 + 11
    assert gpt.block_bytes == 12 * 2048 * 16


def test_a_pool_of_blocks_serves_groups_of_equal_numbers_of_layers() -> None:
    facts = model(GEMMA_2, num_hidden_layers=62, model_type="gemma3_text", sliding_window=1024)
    found = plan_cache(facts, settings(), 2, 2048)
    assert found is not None
    # Ten layers see everything and 52 a window: six groups of ten, the last one padded.
    assert found.groups == ((1, None), (6, 1024))
    assert found.block_bytes == 10 * 8 * 512 * 2 * 16


def test_kinds_with_nearly_as_many_layers_are_padded_to_the_larger() -> None:
    kinds = ["full_attention"] * 13 + ["sliding_attention"] * 11
    found = plan_cache(model(GPT_OSS, layer_types=kinds), settings(), 2, 2048)
    assert found is not None
    assert found.groups == ((1, None), (1, 128))
    assert found.block_bytes == 13 * 2048 * 16


def test_without_the_manager_for_hybrid_models_all_layers_keep_everything() -> None:
    gpt = plan(GPT_OSS, hybrid_cache=False)
    assert gpt.groups == ((1, None),)
    assert gpt.request_bytes(131072) == 131072 * 24 * 2048


def test_a_window_of_all_layers_counts() -> None:
    phi = plan("microsoft/Phi-3-mini-4k-instruct", batched=256)
    assert phi.request_blocks(4096) == -(-(2046 + 512) // 16) + 1
    assert plan("microsoft/Phi-3-mini-4k-instruct", hybrid_cache=False).request_blocks(4096) == 256


def test_a_cache_of_unknown_form_has_no_plan() -> None:
    assert plan_cache(model(model_type="qwen3_next"), settings(), 2, 2048) is None


@pytest.mark.parametrize(("name", "size"), [("auto", 2), ("fp8", 1), ("fp8_e5m2", 1), ("bfloat16", 2), ("nvfp4", None)])
def test_the_type_of_the_cache_has_its_bytes(name: str, size: int | None) -> None:
    assert cache_dtype_bytes(name, 2) == size


@given(
    name=st.sampled_from([GPT_OSS, GEMMA_2, "microsoft/Phi-3-mini-4k-instruct", "Qwen/Qwen3-8B"]),
    gib=st.floats(0, 40),
    tokens_max=st.integers(1, 200_000),
)
def test_the_longest_request_fits_and_one_token_more_does_not(name: str, gib: float, tokens_max: int) -> None:
    found, room = plan(name), gib * 2**30
    longest = found.longest_request(room, tokens_max)
    assert 0 <= longest <= tokens_max
    if longest:
        assert found.concurrency(room, longest) >= 1
    if longest < tokens_max:
        assert found.concurrency(room, longest + 1) < 1


def test_a_negative_rest_holds_nothing() -> None:
    found = plan(GPT_OSS)
    assert found.concurrency(-1e9, 16) == 0
    assert found.longest_request(-1e9, 1000) == 0
