# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict, what it says, and what it suggests."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit import (
    DOES_NOT_FIT,
    FITS,
    UNKNOWN,
    Fit,
    evaluate_fit,
    render_fit,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_checks import tensor_sizes
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import GpuFacts, WeightFiles
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import GIB
from hypothesis import given
from hypothesis import strategies as st

from .fits import DEEPSEEK, GPT_OSS, LLAMA, gpu, model, settings

H100 = gpu(79.18, product="NVIDIA-H100-80GB-HBM3", compute_capability=(9, 0))
A10 = gpu(22.0)
MISTRAL_SMALL = "mistralai/Mistral-Small-3.2-24B-Instruct-2506"
Q70B = "Qwen/Qwen2.5-72B-Instruct"


def fit(card: GpuFacts = H100, name: str = LLAMA, facts: dict[str, Any] | None = None, **changes: Any) -> Fit:
    return evaluate_fit(model(name, **(facts or {})), card, settings(**changes))


# The verdict


def test_a_model_that_fits_says_so_and_suggests_nothing() -> None:
    found = fit(max_model_len=16384)
    assert (found.verdict, found.problems, found.unknown, found.warnings, found.suggestions) == (FITS, (), (), (), ())
    assert found.concurrency is not None
    assert found.concurrency[0] > found.concurrency[1] > 20


def test_weights_that_fill_the_card_do_not_fit_and_the_sum_is_told() -> None:
    found = fit(A10, name="Qwen/Qwen3-30B-A3B", max_model_len=4096)
    assert found.verdict == DOES_NOT_FIT
    assert re.fullmatch(
        r"nothing is left for the key-value cache \(on each GPU 20\.24 GiB for the engine, 56\.87 for weights, about "
        r"2\.54 for the largest batch, libraries and graphs\)",
        found.problems[0],
    )


def test_a_context_that_is_too_long_does_not_fit_and_shorter_ones_are_suggested() -> None:
    found = fit(A10, max_model_len=131072)
    assert found.verdict == DOES_NOT_FIT
    assert found.problems[0].startswith("one request of 131072 tokens needs 16.00 GiB of cache, at most 4.")
    assert found.longest_tokens is not None
    shorter = found.longest_tokens[1]
    assert f"max_model_len: {shorter} instead of 131072" in found.suggestions
    assert "parallel.tensor: 4 instead of 1" in found.suggestions
    assert fit(A10, max_model_len=shorter).verdict == FITS
    assert fit(A10, max_model_len=131072, tensor=4).verdict == FITS
    assert fit(A10, max_model_len=131072, tensor=2).verdict != FITS


def test_what_depends_on_the_estimates_is_unknown_and_says_the_range() -> None:
    found = fit(A10, max_model_len=24576)
    assert found.verdict == UNKNOWN
    assert found.problems == ()
    assert re.match(
        r"one request of 24576 tokens needs 3\.00 GiB of cache, and between \d\.\d\d and \d\.\d\d are left, depending",
        found.unknown[0],
    )


def test_each_suggestion_alone_makes_the_model_fit() -> None:
    card = replace(A10, compute_capability=(8, 9))
    found = fit(card, max_model_len=32768)
    changes: dict[str, dict[str, Any]] = {
        "parallel.tensor: 2 instead of 1": {"tensor": 2},
        "model.quantization: fp8, which halves the weights; compare the answers": {"quantization": "fp8"},
    }
    for words, change in changes.items():
        assert words in found.suggestions
        assert fit(card, max_model_len=32768, **change).verdict == FITS
    (larger,) = [words for words in found.suggestions if words.startswith("a GPU with")]
    gib = int(larger.split()[3])
    assert fit(replace(gpu(gib), compute_capability=(8, 9)), max_model_len=32768).verdict == FITS
    assert fit(replace(gpu(gib - 2), compute_capability=(8, 9)), max_model_len=32768).verdict != FITS


def test_a_smaller_cache_type_graphs_and_utilization_are_suggested_where_they_suffice() -> None:
    card = replace(A10, compute_capability=(8, 9))
    tight = fit(card, max_model_len=20480)
    assert "kv_cache_dtype: fp8, which halves the cache; compare the answers" in tight.suggestions
    assert "enforce_eager: true, which saves the graphs and costs speed" in tight.suggestions
    assert "gpu_memory_utilization: 0.95 instead of 0.92" in fit(card, max_model_len=12288).suggestions
    assert not [words for words in fit(A10, max_model_len=24576).suggestions if "fp8" in words]


def test_what_is_set_already_is_not_suggested() -> None:
    card = replace(A10, compute_capability=(8, 9))
    set_already = {"kv_cache_dtype": "fp8", "enforce_eager": True, "gpu_memory_utilization": 0.95}
    found = fit(card, max_model_len=131072, **set_already)
    assert found.verdict == DOES_NOT_FIT
    assert not [words for words in found.suggestions if words.startswith(tuple(set_already))]


def test_a_smaller_batch_is_suggested_where_the_peak_is_what_does_not_fit() -> None:
    found = fit(name="Qwen/Qwen3-32B", max_model_len=16000, gpu_memory_utilization=0.9)
    assert found.verdict == UNKNOWN
    assert "max_num_seqs: 256 instead of 1024, for a smaller peak" in found.suggestions
    assert not [words for words in fit(name=Q70B, max_num_seqs=1024).suggestions if "max_num_seqs" in words]


def test_nothing_is_suggested_that_would_not_help() -> None:
    found = fit(name=Q70B, tensor=3, max_model_len=4096)
    assert found.verdict == DOES_NOT_FIT
    assert found.suggestions == ("parallel.tensor: 4 instead of 3",)


def test_auto_takes_the_context_that_fits() -> None:
    found = fit(A10, max_model_len=0)
    assert found.verdict == FITS
    assert found.longest_tokens is not None
    assert found.tokens == found.longest_tokens[1]
    assert fit(A10, name=Q70B, max_model_len=0).verdict == DOES_NOT_FIT
    assert fit(A10, facts={"model_type": "qwen3_next"}, max_model_len=0).tokens == 131072


def test_a_given_size_of_the_cache_has_to_hold_a_request_and_to_fit_beside_the_weights() -> None:
    assert fit(A10, max_model_len=8192, kv_cache_bytes=2 * GIB).verdict == FITS
    small = fit(A10, max_model_len=32768, kv_cache_bytes=2 * GIB)
    assert small.problems[0].startswith("one request of 32768 tokens needs 4.00 GiB of cache, at most 2.00 are left")
    big = fit(A10, max_model_len=8192, kv_cache_bytes=8 * GIB)
    assert big.problems[0].startswith("the cache of kv_cache_memory_bytes does not fit beside the weights")
    assert "a GPU with 27 GiB or more" in big.suggestions
    tight = fit(A10, max_model_len=8192, kv_cache_bytes=4 * GIB)
    assert tight.verdict == UNKNOWN
    assert tight.unknown[0].startswith("whether the cache of kv_cache_memory_bytes fits depends on the estimates")


@given(gib=st.floats(2, 200), tokens=st.integers(1, 131072), tensor=st.sampled_from([1, 2, 4, 8]))
def test_more_memory_never_makes_the_verdict_worse(gib: float, tokens: int, tensor: int) -> None:
    order = (DOES_NOT_FIT, UNKNOWN, FITS)
    limits = {"max_num_seqs": 256, "max_num_batched_tokens": 2048, "max_model_len": tokens, "tensor": tensor}
    small, large = (fit(gpu(size), **limits).verdict for size in (gib, gib * 1.5))
    assert order.index(small) <= order.index(large)


# Missing data never passes


@pytest.mark.parametrize(
    ("name", "facts", "changes", "reason"),
    [
        (LLAMA, {"model_type": "jamba"}, {}, "how models of the type jamba keep their key-value cache is not known"),
        (LLAMA, {"max_position_embeddings": None}, {}, "neither max_model_len nor max_position_embeddings is given"),
        (LLAMA, {}, {"kv_cache_dtype": "nvfp4"}, "how many bytes a value of kv_cache_dtype nvfp4 takes is not known"),
        (LLAMA, {}, {"uncounted": ("adapters take memory",)}, "adapters take memory"),
        (LLAMA, {"quantization_config": {"quant_method": "quark"}}, {}, "how many bits the weights take with quark"),
        (LLAMA, {}, {"quantization": "torchao"}, "how many bits the weights take with torchao can not be told"),
        (DEEPSEEK, {"n_routed_experts": None}, {}, "the size of the weights of models of the type deepseek_v3"),
        (MISTRAL_SMALL, {}, {}, "the size of the weights of the part that is no language model is not computed here"),
        (MISTRAL_SMALL, {}, {}, "what the part for images or sound takes while it runs is not estimated here"),
        (LLAMA, {"torch_dtype": None}, {}, "the data type of the checkpoint (none is given) is not known here"),
    ],
)
def test_what_is_not_known_is_unknown(name: str, facts: dict[str, Any], changes: dict[str, Any], reason: str) -> None:
    found = fit(gpu(1000, compute_capability=(9, 0)), name, facts, **{"max_num_seqs": 256, **changes})
    assert found.verdict == UNKNOWN
    assert [words for words in found.unknown if words.startswith(reason)]


def test_a_card_that_is_shared_in_time_is_unknown() -> None:
    found = fit(replace(H100, shared=True), max_model_len=4096)
    assert found.verdict == UNKNOWN
    assert found.unknown == (
        "the GPU is shared in time: other pods take memory of the same card, how much is not known",
    )


def test_what_does_not_fit_for_certain_does_not_become_unknown_by_missing_data() -> None:
    found = fit(A10, Q70B, uncounted=("adapters take memory",))
    assert found.verdict == DOES_NOT_FIT


# Weights from files


def with_files(files: WeightFiles, name: str = LLAMA, **changes: Any) -> Fit:
    return evaluate_fit(replace(model(name), files=files), H100, settings(max_model_len=4096, **changes))


def test_the_declared_size_goes_before_the_sum_and_is_split_like_it() -> None:
    one = with_files(WeightFiles(16060522496, "the index"))
    two = with_files(WeightFiles(16060522496, "the index"), tensor=2)
    assert one.memory.weights is not None
    assert two.memory.weights is not None
    assert (one.memory.weights.how, one.memory.weights.source) == ("computed", "the index")
    assert one.memory.weights.gib == pytest.approx(16060522496 / GIB)
    assert two.memory.weights.gib == pytest.approx(16060522496 / GIB / 2, rel=0.001)


def test_an_unknown_split_is_an_estimate() -> None:
    files = WeightFiles(20 * GIB, "the index")
    found = evaluate_fit(replace(model(model_type="new"), files=files), H100, settings(tensor=2))
    weights = found.memory.weights
    assert weights is not None
    assert (weights.gib_min, weights.gib, round(weights.gib_max, 6), weights.how) == (10, 10, 10.5, "estimated")
    assert found.verdict == UNKNOWN


def test_a_checkpoint_in_32_bits_is_loaded_in_16() -> None:
    files = WeightFiles(32121044992, "the index")
    by_total = replace(model(torch_dtype="float32"), files=files)
    by_headers = replace(by_total, files=replace(files, cast_bytes=32121044992, cast_elements=8030261248))
    for facts in (by_total, by_headers):
        weights = evaluate_fit(facts, H100, settings()).memory.weights
        assert weights is not None
        assert weights.gib == pytest.approx(16060522496 / GIB)
    whole = evaluate_fit(by_total, H100, settings(dtype="float32")).memory.weights
    assert whole is not None
    assert whole.gib == pytest.approx(32121044992 / GIB)


def test_layers_for_prediction_ahead_are_not_loaded() -> None:
    total = 688586727753
    unknown = with_files(WeightFiles(total, "the index"), DEEPSEEK, tensor=8).memory.weights
    headers = with_files(WeightFiles(total, "headers", 0, 0, total // 62), DEEPSEEK, tensor=8).memory.weights
    assert unknown is not None
    assert headers is not None
    assert unknown.how == "estimated"
    assert unknown.gib_min == pytest.approx(headers.gib, rel=1e-6)
    assert headers.how == "computed"
    assert unknown.gib_max == pytest.approx(unknown.gib_min * 62 / 61)


def test_online_quantization_is_counted_from_the_parameters_not_from_the_files() -> None:
    found = with_files(WeightFiles(16060522496, "the index"), quantization="fp8").memory.weights
    assert found is not None
    assert found.how == "estimated"
    embeddings = 2 * 128256 * 4096 * 2
    assert found.gib == pytest.approx((8030261248 - embeddings / 2 + embeddings) / GIB, rel=0.001)


def test_the_experts_are_shared_by_engines_and_pipelines_hold_stages() -> None:
    def gib(**changes: Any) -> float:
        weights = fit(name="Qwen/Qwen3-30B-A3B", **changes).memory.weights
        assert weights is not None
        return weights.gib

    experts = 48 * 128 * 3 * 2048 * 768 * 2 / GIB
    assert gib() - gib(data=2) == pytest.approx(experts / 2)
    embedding = 151936 * 2048 * 2 / GIB
    assert gib(pipeline=2) == pytest.approx((gib() - 2 * embedding) / 2 + embedding)


# What else keeps a model from running


@pytest.mark.parametrize(
    ("name", "facts", "changes", "words"),
    [
        (LLAMA, {}, {"tensor": 3}, "32 attention heads can not be split evenly"),
        (
            LLAMA,
            {"num_key_value_heads": 6, "num_attention_heads": 24},
            {"tensor": 4},
            "6 key-value heads can neither be",
        ),
        (
            "Qwen/Qwen2.5-0.5B",
            {},
            {"tensor": 7},
            "a vocabulary of 151936 (filled up to 151936) can not be split evenly",
        ),
        (LLAMA, {"intermediate_size": 14338}, {"tensor": 4}, "the feed-forward size 14338 can not be split evenly"),
        (
            Q70B,
            {"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128}},
            {"tensor": 8},
            "the feed-forward size 29568 leaves 3696 for each GPU, no multiple of the group size 128",
        ),
        (DEEPSEEK, {}, {"tensor": 32}, "the size of an expert 2048 leaves 64 for each GPU, no multiple of the group"),
    ],
)
def test_tensor_parallelism_has_to_divide_the_model(
    name: str, facts: dict[str, Any], changes: dict[str, Any], words: str
) -> None:
    found = fit(gpu(400, compute_capability=(9, 0)), name, facts, max_model_len=1024, **changes)
    assert found.verdict == DOES_NOT_FIT
    assert [each for each in found.problems if f"over {changes['tensor']} GPUs: {words}" in each]


def test_the_sizes_that_divide_a_model_are_listed() -> None:
    assert tensor_sizes(model(), settings()) == (1, 2, 4, 8, 16, 32)
    # llm-d-planner lists 7 and 14 for this model too; vLLM can not split its vocabulary so.
    assert tensor_sizes(model("Qwen/Qwen2.5-0.5B"), settings()) == (1, 2)
    assert tensor_sizes(model(DEEPSEEK), settings()) == (1, 2, 4, 8, 16)
    assert tensor_sizes(model(DEEPSEEK), settings(expert=True)) == (1, 2, 4, 8, 16)
    assert tensor_sizes(model("Qwen/Qwen3-30B-A3B", moe_intermediate_size=96), settings(expert=True))[-1] == 32
    assert tensor_sizes(model(GPT_OSS), settings())[:4] == (1, 2, 4, 8)


def test_a_pipeline_has_no_more_stages_than_layers() -> None:
    assert "pipeline parallelism over 64 stages: the model has 32 layers only" in fit(pipeline=64).problems


@pytest.mark.parametrize(
    ("capability", "cuda", "words"),
    [
        ((6, 1), None, "vLLM needs compute capability 7.0 or more, the GPU has 6.1"),
        ((7, 0), (13, 0), "vLLM with CUDA 13.0 needs compute capability 7.5 or more, the GPU has 7.0"),
    ],
)
def test_cards_that_are_too_old_are_refused(
    capability: tuple[int, int], cuda: tuple[int, int] | None, words: str
) -> None:
    card = replace(H100, compute_capability=capability, driver_version=(580, 0))
    assert words in fit(card, cuda_version=cuda, max_model_len=1024).problems


def test_bfloat16_on_turing_is_refused_when_it_is_asked_for_and_replaced_when_it_is_not() -> None:
    card = gpu(60, compute_capability=(7, 5))
    asked, auto = (fit(card, max_model_len=1024, dtype=dtype) for dtype in ("bfloat16", "auto"))
    assert asked.verdict == DOES_NOT_FIT
    assert asked.problems[0].endswith("the GPU has 7.5: set dtype to float16")
    assert auto.verdict == FITS
    assert auto.warnings[0].endswith("the engine takes float16 instead, which has less range")
    assert fit(card, facts={"torch_dtype": "float16"}, max_model_len=1024).warnings == ()


FP8 = {"quantization_config": {"quant_method": "fp8"}}


@pytest.mark.parametrize(
    ("capability", "version", "facts", "verdict", "words"),
    [
        ((9, 0), "0.32.0", FP8, FITS, None),
        ((8, 0), "0.32.0", FP8, FITS, "fp8 is computed in 16 bits below compute capability 8.9: it saves memory, not"),
        ((7, 5), "0.18.0", FP8, DOES_NOT_FIT, "fp8 needs compute capability 8.0 or more, the GPU has 7.5 (vLLM 0.32"),
        ((7, 5), None, FP8, UNKNOWN, "fp8 needs compute capability 8.0 or more, the GPU has 7.5; vLLM 0.32 and later"),
        ((7, 0), None, FP8, DOES_NOT_FIT, "fp8 needs compute capability 8.0 or more, the GPU has 7.0"),
        (None, "0.32.0", FP8, UNKNOWN, "the GPU's compute capability is not given, and fp8 needs one"),
        (
            (9, 0),
            "0.32.0",
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
            DOES_NOT_FIT,
            "vLLM 0.32.0 does not know quantization bitsandbytes",
        ),
        (
            (9, 0),
            "99.0.0",
            {"quantization_config": {"quant_method": "quantum"}},
            UNKNOWN,
            "vLLM 99.0.0 does not know quantization quantum",
        ),
        ((9, 0), None, {"quantization_config": {"quant_method": "quantum"}}, UNKNOWN, "which GPUs can run quantum is"),
    ],
)
def test_quantization_is_held_against_the_card_and_the_version(
    capability: tuple[int, int] | None, version: str | None, facts: dict[str, Any], verdict: str, words: str | None
) -> None:
    card = gpu(60, compute_capability=capability)
    found = evaluate_fit(model(**facts), card, settings(version, max_model_len=1024, dtype="float16"))
    assert found.verdict == verdict
    said = (*found.problems, *found.unknown, *found.warnings)
    assert [each for each in said if words is not None and each.startswith(words)] or (words is None and not said)


@pytest.mark.parametrize(
    ("driver", "cuda", "kind", "words"),
    [
        ((550, 54, 15), (12, 9), None, ""),
        (
            (525, 60, 12),
            (12, 4),
            "problems",
            "CUDA 12.4 needs driver 525.60.13 or newer, the node has 525.60.12: update",
        ),
        ((550, 54), (13, 0), "problems", "CUDA 13.0 needs driver 580 or newer, the node has 550.54: update the driver"),
        ((580, 65, 6), (13, 0), None, ""),
        ((580, 65, 6), (14, 0), "unknown", "which driver CUDA 14.0 needs is not known here"),
        (None, (12, 9), "warnings", "the driver was not checked: the version of the node's driver is not given"),
        ((550,), None, "warnings", "the driver was not checked: the version of CUDA inside of the image is not given"),
        (None, None, None, ""),
    ],
)
def test_the_driver_has_to_know_the_cuda_of_the_image(
    driver: tuple[int, ...] | None, cuda: tuple[int, int] | None, kind: str | None, words: str
) -> None:
    found = fit(replace(H100, driver_version=driver), max_model_len=4096, cuda_version=cuda)
    assert found.verdict == {"problems": DOES_NOT_FIT, "unknown": UNKNOWN}.get(kind or "", FITS)
    for each in ("problems", "unknown", "warnings"):
        said = getattr(found, each)
        assert said == () if each != kind else said[0].startswith(words)


def test_a_context_beyond_the_model_s_own_is_refused_unless_it_is_allowed() -> None:
    found = fit(max_model_len=200_000)
    assert "max_model_len is 200000 tokens, the model is made for 131072: the engine refuses more" in found.problems
    assert fit(max_model_len=200_000, long_context_allowed=True).verdict == FITS


def test_a_missing_chat_template_is_a_problem_of_chat_only() -> None:
    facts = model(template=False)
    found = evaluate_fit(facts, H100, settings(max_model_len=4096))
    assert found.verdict == FITS
    assert found.problems == (
        "the model has no chat template: chat requests end with HTTP 400. Set model.chat_template",
    )
    for change in ({"chat": False}, {"chat_template_given": True}):
        assert evaluate_fit(facts, H100, settings(max_model_len=4096, **change)).problems == ()
    unseen = evaluate_fit(model(template=None), H100, settings(max_model_len=4096))
    assert unseen.warnings == ("whether the model has a chat template was not checked: give path or tokenizer_config",)


# Defaults of the engine


@pytest.mark.parametrize(
    ("card", "limits"),
    [
        (gpu(180), (1024, 16384)),
        (gpu(79, product="NVIDIA-H100-80GB-HBM3"), (1024, 8192)),
        (gpu(79), (1024, 8192)),
        (gpu(79, product="NVIDIA-A100-SXM4-80GB"), (256, 2048)),
        (gpu(44), (256, 2048)),
    ],
)
def test_the_largest_batch_is_the_engine_s_default_for_the_card(card: GpuFacts, limits: tuple[int, int]) -> None:
    assert fit(card).batch == limits
    assert fit(card, max_num_seqs=8, max_num_batched_tokens=512).batch == (8, 512)


@pytest.mark.parametrize(
    ("version", "changes", "share"),
    [
        ("0.19.1", {}, 0.9),
        ("0.20.0", {}, 0.92),
        (None, {}, 0.9),
        ("0.32.0", {"gpu_memory_utilization": 0.5}, 0.5),
    ],
)
def test_the_share_of_the_card_follows_the_version(version: str | None, changes: dict[str, Any], share: float) -> None:
    found = evaluate_fit(model(), H100, settings(version, **changes))
    assert found.utilization == share
    assert found.memory.budget.gib == pytest.approx(79.18 * share)


def test_graphs_count_from_the_version_that_counts_them_and_not_when_there_are_none() -> None:
    def graphs(version: str | None, **changes: Any) -> float:
        return evaluate_fit(model(), H100, settings(version, **changes)).memory.graphs.gib_max

    assert [graphs("0.20.0"), graphs("0.21.0"), graphs(None), graphs("0.32.0", enforce_eager=True)] == [0, 2, 2, 0]


# The answer as data


def test_the_answer_is_plain_data_with_the_origin_of_every_part() -> None:
    facts, chosen = model(), settings(max_model_len=16384)
    found = render_fit(evaluate_fit(facts, H100, chosen), facts, H100, chosen)
    assert json.loads(json.dumps(found)) == found
    parts = found["memory"].values()
    assert {part["how"] for part in parts} == {"computed", "estimated"}
    assert all(part["source"] and part["gib_min"] <= part["gib"] <= part["gib_max"] for part in parts)
    assert found["kv_cache"]["bytes_per_token"] == 131072
    assert found["kv_cache"]["request_gib"] == 2.0
    assert found["kv_cache"]["tokens"] == pytest.approx(found["kv_cache"]["concurrency"] * 16384, rel=0.001)
    assert found["model"]["parameters"] == 8030261248
    assert found["gpus"] == 1


def test_the_answer_about_an_unknown_model_has_nulls_and_no_invented_numbers() -> None:
    facts, chosen = model(model_type="jamba", max_position_embeddings=None), settings()
    found = render_fit(evaluate_fit(facts, H100, chosen), facts, H100, chosen)
    assert found["verdict"] == UNKNOWN
    assert set(found["kv_cache"].values()) == {None}
    assert found["memory"]["weights"] is None
    assert found["memory"]["kv_cache"] is None
    assert (found["max_model_len"], found["max_model_len_that_fits"], found["model"]["parameters"]) == (None,) * 3


def test_a_known_cache_without_known_weights_still_says_what_a_token_takes() -> None:
    facts, chosen = model(MISTRAL_SMALL), settings()
    found = render_fit(evaluate_fit(facts, H100, chosen), facts, H100, chosen)
    assert found["kv_cache"]["bytes_per_token"] == 163840
    assert found["kv_cache"]["tokens"] is None
