# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.drain import TEARDOWN_SECONDS, plan_drain
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.engine_args import (
    check_arg,
    check_choice,
    check_variable,
    parse_version,
    render_args,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import Drain, EngineVersion
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils._domain.releases import server


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.18", (0, 18, 0)),
        ("v0.18.1", (0, 18, 1)),
        ("0.10.1.1", (0, 10, 1)),
        ("0.8.5.post1", (0, 8, 5)),
        ("0.20.0+cu130", (0, 20, 0)),
        ("1.0.0rc1", (1, 0, 0)),
    ],
)
def test_versions_are_read(text: str, version: tuple[int, int, int]) -> None:
    assert parse_version(text) == EngineVersion(*version)


@pytest.mark.parametrize("text", ["latest", "18", "", "0.18-nightly"])
def test_other_text_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version of vLLM such as"):
        parse_version(text)


def complaint(finding: Any) -> str:
    assert finding is not None
    return f"{finding.message}. {finding.hint}"


@pytest.mark.parametrize(
    ("name", "version", "text"),
    [
        ("port", "0.18", "is set by the collection. Use engine.port, which the Service and the probes follow."),
        ("no-enforce-eager", "0.18", "is the negative of a switch. Write enforce_eager: false."),
        ("max_modl_len", "0.18", "vLLM 0.18.0 does not know the argument --max-modl-len. Did you mean max_model_len?"),
        ("zzzz", "0.18", "vLLM 0.18.0 does not know the argument --zzzz. See `vllm serve --help` of 0.18.0."),
        ("swap_space", "0.18", "it was removed in 0.18.0. Use kv_offloading_size instead."),
        (
            "preemption_mode",
            "0.18",
            "it was removed in 0.11.0. Leave it out, or change engine.image and engine.version.",
        ),
        ("kv_offloading_size", "0.11.0", "it exists from 0.11.1. Leave it out"),
    ],
)
def test_arguments_that_a_version_does_not_take_are_named_with_the_cure(name: str, version: str, text: str) -> None:
    assert text in complaint(check_arg(name, parse_version(version)))


@pytest.mark.parametrize("name", ["max_model_len", "--max-model-len".lstrip("-"), "speculative_config.method"])
def test_known_arguments_pass(name: str) -> None:
    assert check_arg(name, parse_version("0.32.0")) is None


def test_what_the_facts_cannot_know_is_uncertain() -> None:
    finding = check_arg("brand_new_flag", parse_version("9.0"))
    assert finding is not None
    assert not finding.certain


@pytest.mark.parametrize(
    ("flag", "value", "version", "text"),
    [
        ("quantization", "gguf", "0.24", "vLLM 0.24.0 does not know quantization gguf: it was removed in 0.24.0"),
        ("quantization", "awk", "0.24", "Did you mean awq?"),
        ("kv_cache_dtype", "zzzzzz", "0.24", "Leave it out: the checkpoint's own configuration decides."),
    ],
)
def test_values_that_a_version_does_not_take_are_named(flag: str, value: str, version: str, text: str) -> None:
    assert text in complaint(check_choice(flag, value, parse_version(version)))


def test_known_values_pass() -> None:
    assert check_choice("quantization", "fp8", parse_version("0.24")) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("VLLM_ATTENTION_BACKEND", "it was removed in 0.16.0"),
        ("VLLM_NO_USAGE_STATZ", "Did you mean VLLM_NO_USAGE_STATS?"),
        ("VLLM_QQQQQQQQQQQ", "does not read the variable VLLM_QQQQQQQQQQQ. None"),
    ],
)
def test_variables_that_nothing_reads_are_named(name: str, text: str) -> None:
    assert text in complaint(check_variable(name, parse_version("0.20")))


@pytest.mark.parametrize("name", ["NCCL_DEBUG", "VLLM_NO_USAGE_STATS"])
def test_other_variables_pass(name: str) -> None:
    assert check_variable(name, parse_version("0.20")) is None


def test_arguments_become_words_in_the_users_order() -> None:
    args = {
        "speculative_config": {"method": "ngram", "num": 2},
        "enforce_eager": True,
        "enable_prefix_caching": False,
        "download_dir": "$(CACHE)/x",
        "max_num_seqs": 8,
        "gpu_memory_utilization": 0.8,
        "seed": None,
        "allowed_origins": ["*"],
        "cudagraph_capture_sizes": [1, 2],
    }
    assert render_args(server({"engine.args": args})) == (
        *("--speculative-config", '{"method":"ngram","num":2}'),
        "--enforce-eager",
        "--no-enable-prefix-caching",
        *("--download-dir", "$(CACHE)/x"),
        *("--max-num-seqs", "8"),
        *("--gpu-memory-utilization", "0.8"),
        *("--allowed-origins", '["*"]'),
        *("--cudagraph-capture-sizes", "1", "2"),
    )


@pytest.mark.parametrize(
    "args",
    [
        {"disable_log_stats": False, "aggregate_engine_logging": False, "prefill_context_parallel_size": 1},
        {"runner": "generate", "convert": None, "data_parallel_multi_port_external_lb": False},
    ],
)
def test_a_switch_without_a_negative_is_left_out_when_it_is_false(args: dict[str, Any]) -> None:
    words = render_args(server({"engine.args": args, "engine.version": "0.32.0"}))
    assert [word for word in words if word.startswith("--no-")] == []


def test_the_drain_adds_up_where_the_engine_can_finish_streams() -> None:
    plan = plan_drain(Drain(stream_seconds_max=60, endpoint_seconds=10), parse_version("0.18"))
    assert (plan.pre_stop_seconds, plan.shutdown_timeout_seconds) == (10, 60)
    assert plan.grace_seconds == 70 + TEARDOWN_SECONDS
    assert plan.middleware
    assert plan.notes == ()


def test_an_engine_that_cannot_finish_streams_waits_for_them_before_its_end() -> None:
    plan = plan_drain(Drain(stream_seconds_max=60, endpoint_seconds=10), parse_version("0.17.1"))
    assert (plan.pre_stop_seconds, plan.shutdown_timeout_seconds) == (60, None)
    assert "vLLM 0.17.1 has no --shutdown-timeout (first in 0.18.0)" in plan.notes[0]


def test_a_drain_without_middleware_says_what_it_costs() -> None:
    plan = plan_drain(Drain(middleware=False), parse_version("0.18"))
    assert not plan.middleware
    assert "clients that keep their connections lose requests" in plan.notes[0]


def test_a_grace_period_that_is_too_short_is_refused_with_the_sum() -> None:
    with pytest.raises(
        ValueError, match=r"30 s are too short: endpoint_seconds 15 \+ stream_seconds_max 120 .* = 155 s"
    ):
        plan_drain(Drain(grace_seconds=30), parse_version("0.18"))


@given(st.integers(1, 5000), st.integers(0, 5000), st.sampled_from(["0.8.5", "0.17.1", "0.18", "0.33"]))
def test_the_grace_period_is_always_longer_than_its_parts(stream: int, endpoint: int, version: str) -> None:
    plan = plan_drain(Drain(stream_seconds_max=stream, endpoint_seconds=endpoint), parse_version(version))
    assert plan.grace_seconds > plan.pre_stop_seconds + (plan.shutdown_timeout_seconds or 0)
    assert max(plan.pre_stop_seconds, plan.shutdown_timeout_seconds or 0) >= stream


def test_a_value_without_a_form_on_a_command_line_is_refused() -> None:
    odd = dataclasses.replace(server().engine, args=(("seed", object()),))
    with pytest.raises(TypeError, match=r"engine\.args\.seed: .* has no form on a command line"):
        render_args(dataclasses.replace(server(), engine=odd))
