# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings from options and from a model server."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_settings import parse_settings
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import Settings
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError

from .releases import server


def complaint(options: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        parse_settings(options)
    return caught.value.message


def test_nothing_given_is_the_engine_s_default() -> None:
    assert parse_settings({}) == Settings()


@pytest.mark.parametrize(
    ("written", "tokens"),
    [("8192", 8192), ("32k", 32000), ("32K", 32768), ("25.6k", 25600), ("1M", 1048576), ("auto", 0), ("-1", 0)],
)
def test_a_length_is_read_as_the_engine_reads_it(written: str, tokens: int) -> None:
    assert parse_settings({"max_model_len": written}).max_model_len == tokens


def test_a_model_server_says_everything() -> None:
    release = server(
        {
            "engine.image": "docker.io/vllm/vllm-openai:v0.26.0-cu129",
            "engine.version": "0.26.0",
            "engine.env": {"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1"},
            "engine.args": {
                "max_model_len": "32K",
                "max_num_seqs": 64,
                "max_num_batched_tokens": 4096,
                "gpu_memory_utilization": 0.85,
                "kv_cache_dtype": "fp8",
                "kv_cache_memory_bytes": 2**30,
                "dtype": "bfloat16",
                "block_size": 32,
                "enforce_eager": True,
            },
            "model.quantization": "fp8",
            "model.chat_template": "{{ messages }}",
            "parallel": {"tensor": 2, "pipeline": 2, "data": 2, "expert": True},
        }
    )
    found = parse_settings({}, release)
    assert found == Settings(
        tensor=2,
        pipeline=2,
        data=2,
        expert=True,
        max_model_len=32768,
        max_num_seqs=64,
        max_num_batched_tokens=4096,
        gpu_memory_utilization=0.85,
        kv_cache_dtype="fp8",
        kv_cache_bytes=2**30,
        quantization="fp8",
        dtype="bfloat16",
        block_size_tokens=32,
        enforce_eager=True,
        engine_version=release.engine.version,
        cuda_version=(12, 9),
        chat_template_given=True,
        long_context_allowed=True,
    )


def test_options_go_before_the_model_server() -> None:
    release = server({"engine.args": {"max_model_len": 8192}, "parallel": {"tensor": 2}})
    options = {"tensor": 4, "max_model_len": "4096", "engine_version": "0.9.0", "cuda_version": "13.0", "dtype": "half"}
    found = parse_settings(options, release)
    assert (found.tensor, found.max_model_len, found.dtype, found.cuda_version) == (4, 4096, "half", (13, 0))
    assert str(found.engine_version) == "0.9.0"
    assert not found.hybrid_cache


@pytest.mark.parametrize(
    ("args", "hybrid"),
    [
        ({}, True),
        ({"disable_hybrid_kv_cache_manager": True}, False),
        ({"kv_transfer_config": {"kv_connector": "LMCacheConnectorV1"}}, False),
    ],
)
def test_windowed_layers_save_memory_only_with_their_own_manager(args: dict[str, Any], hybrid: bool) -> None:
    assert parse_settings({}, server({"engine.args": args})).hybrid_cache is hybrid


def test_older_engines_have_no_such_manager() -> None:
    change = {"engine.version": "0.9.2", "engine.image": "docker.io/vllm/vllm-openai:v0.9.2"}
    assert not parse_settings({}, server(change)).hybrid_cache


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"enable_lora": True}, "engine.args.enable_lora: adapters take memory of their own"),
        ({"cpu_offload_gb": 1}, "engine.args.cpu_offload_gb: a part of the weights is kept in the memory of the node"),
        ({"speculative_config": {"model": "draft"}}, "engine.args.speculative_config: a draft model takes memory"),
        ({"decode_context_parallel_size": 2}, "engine.args.decode_context_parallel_size: the cache is split over GPUs"),
        ({"hf_overrides": {"rope_theta": 1}}, "engine.args.hf_overrides: config.json is changed"),
        ({"enable_lora": False}, None),
        ({"cpu_offload_gb": 0}, None),
        ({"decode_context_parallel_size": 1}, None),
        ({"speculative_config": {"method": "ngram", "num_speculative_tokens": 4}}, None),
    ],
)
def test_arguments_whose_memory_is_not_counted_are_reasons_not_to_be_sure(
    args: dict[str, Any], reason: str | None
) -> None:
    found = parse_settings({}, server({"engine.args": args})).uncounted
    assert [each.startswith(reason) for each in found] == [True] if reason else found == ()


def test_a_tag_without_cuda_says_nothing_about_it() -> None:
    assert parse_settings({}, server()).cuda_version is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"max_model_len": "long"},
            "options.max_model_len: is no number of tokens (got 'long'); allowed: such as 8192",
        ),
        ({"max_model_len": "0"}, "options.max_model_len: is no number of tokens"),
        ({"engine_version": "newest"}, "options.engine_version: "),
        ({"cuda_version": "12"}, "options.cuda_version: is no version of CUDA (got '12'); allowed: such as \"12.9\""),
        (
            {"gpu_memory_utilization": 1.5},
            "options.gpu_memory_utilization: is out of range (got 1.5); allowed: above 0",
        ),
        ({"dtype": "int8"}, "options.dtype: no such choice (got 'int8'); allowed: auto, float32"),
    ],
)
def test_what_cannot_be_read_is_refused(options: dict[str, Any], words: str) -> None:
    assert complaint(options).startswith(words)


def test_what_is_wrong_in_the_arguments_of_a_release_names_the_release() -> None:
    with pytest.raises(InputError, match=r"model_servers\[chat\]\.engine\.args\.max_model_len: is no number of tokens"):
        parse_settings({}, server({"engine.args": {"max_model_len": "endless"}}))
