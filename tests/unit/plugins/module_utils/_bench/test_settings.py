# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings are checked as a whole before anything is sent; results come back complete or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench import spec, wire
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.reader import SettingsError
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.request import RequestEncoder, read_key
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.settings import parse_settings

TARGET = {"name": "stable", "url": "http://chat:8000/llm/", "model": "chat"}
PHASE = {"name": "one", "load": {"kind": "closed", "concurrency": 4}, "stop": {"requests": 10}}
SWEEP = {"stop": {"requests": 10}}


def parse(**change: Any) -> spec.Settings:
    return parse_settings({"targets": [TARGET], "phases": [PHASE], **change})


def problems(**change: Any) -> dict[str, str]:
    with pytest.raises(SettingsError) as raised:
        parse(**change)
    return dict(raised.value.problems)


def test_what_is_not_written_has_a_default() -> None:
    settings = parse()
    assert settings.targets == (spec.Target("stable", "http://chat:8000/llm", "chat"),)
    assert settings.phases == (spec.Phase("one", spec.Closed(4), spec.Stop(requests=10)),)
    assert settings.workload.input_lengths == spec.Lengths("fixed", 128.0, 0.5, 1, 128)
    assert (settings.endpoint, settings.stream, settings.body) == ("chat", True, {"temperature": 0.0})


@pytest.mark.parametrize(
    ("load", "parsed"),
    [
        ({"kind": "poisson", "rate_per_second": 5}, spec.Poisson(5)),
        ({"kind": "constant", "rate_per_second": 0.5}, spec.Constant(0.5)),
        ({"kind": "ramp", "from_per_second": 1, "to_per_second": 2, "ramp_seconds": 3}, spec.Ramp(1, 2, 3)),
        (
            {"kind": "bursts", "rate_per_second": 1, "burst_per_second": 2, "burst_seconds": 3, "period_seconds": 4},
            spec.Bursts(1, 2, 3, 4),
        ),
    ],
)
def test_every_kind_of_load_is_read(load: dict[str, Any], parsed: spec.Load) -> None:
    assert parse(phases=[{**PHASE, "load": load}]).phases[0].load == parsed


def test_a_trace_ends_by_itself_and_needs_a_file() -> None:
    phases = [{"load": {"kind": "trace", "speed": 2}}]
    assert parse(phases=phases, workload={"file": "/t"}).phases[0] == spec.Phase("phase0", spec.Trace(2), spec.Stop())
    assert problems(phases=phases) == {"phases[0].load": "a trace needs workload.file, whose entries have times"}


def test_everything_that_can_be_written_is_read() -> None:
    settings = parse(
        targets=[
            {**TARGET, "accelerators": 2, "verify_certificate": False, "api_key_env": "KEY"},
            {**TARGET, "name": "b"},
        ],
        endpoint="completions",
        stream=False,
        workload={
            "seed": 7,
            "input": {"distribution": "lognormal", "mean_tokens": 500, "sigma": 1, "min_tokens": 9, "max_tokens": 2000},
            "output": {"distribution": "uniform", "min_tokens": 3, "max_tokens": 9},
            "shared_prefix": {"tokens": 100, "groups": 3},
            "tokens_per_word": 1.3,
        },
        request={"ignore_eos": True, "seed": 3, "temperature": 0.5, "extra_body": {"top_k": 1}},
        request_slo={"ttft_ms_max": 500},
        slo={"ttft_p95_ms_max": 500, "throughput_tokens_per_second_per_gpu_min": 900, "error_ratio_max": 0},
        limits={"request_seconds_max": 9, "connect_seconds_max": 1},
        client={"busy_ratio_max": 0.5, "samples_max": 0, "event_loop": "asyncio"},
        phases=[{**PHASE, "stop": {"requests": 99, "confidence": {"metric": "e2e", "statistic": "mean"}}}],
        warmup_requests=0,
    )
    assert (settings.targets[0].accelerators, settings.targets[0].api_key_env) == (2, "KEY")
    assert settings.workload.input_lengths == spec.Lengths("lognormal", 500.0, 1.0, 9, 2000)
    assert settings.workload.prefix == spec.Prefix(100, 3)
    assert settings.body == {"temperature": 0.5, "seed": 3, "ignore_eos": True, "top_k": 1}
    assert settings.slo["error_ratio_max"] == 0
    assert settings.phases[0].stop.confidence == spec.Confidence("e2e", "mean", 0.1, 0.95, 100)
    assert (settings.warmup_requests, settings.samples_max, settings.stream) == (0, 0, False)


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"targets": []}, "targets", "got 0"),
        ({"targets": [{**TARGET, "name": str(number)} for number in range(3)]}, "targets", "got 3"),
        ({"targets": 3}, "targets", "expected a list"),
        ({"targets": [TARGET, TARGET]}, "targets[1].name", "two targets are called 'stable'"),
        ({"targets": [{"url": "http://a"}]}, "targets[0].model", "is required"),
        ({"targets": [{"model": "a"}]}, "targets[0].url", "is required"),
        ({"targets": [{**TARGET, "api_key": "k"}]}, "targets[0].api_key", "never part of the settings"),
        ({"targets": [3]}, "targets[0]", "expected a mapping"),
        ({"endpoint": "chats"}, "endpoint", "Did you mean chat?"),
        ({"stream": "yes"}, "stream", "expected true or false"),
        ({"warmup": 3}, "warmup", "unknown key"),
        ({"phases": []}, "phases", "exactly one of phases and sweep"),
        ({"sweep": SWEEP, "slo": {"e2e_p95_ms_max": 1}}, "phases", "exactly one of phases and sweep"),
        ({"phases": [], "sweep": SWEEP}, "slo", "name a limit of a latency"),
        ({"phases": [PHASE, PHASE]}, "phases", "two phases are called 'one'"),
        ({"phases": [{**PHASE, "stop": {}}]}, "phases[0].stop.requests", "may never be reached"),
        ({"phases": [{**PHASE, "load": {}}]}, "phases[0].load.kind", "is required"),
        ({"phases": [{**PHASE, "load": {"kind": "poisson"}}]}, "phases[0].load.rate_per_second", "is required"),
        ({"phases": [{**PHASE, "load": {"kind": "closed", "concurrency": 0}}]}, "phases[0].load.concurrency", "from 1"),
        ({"phases": [{**PHASE, "load": {"kind": "closed", "rate": 1}}]}, "phases[0].load.rate", "unknown key"),
        ({"limits": {"max_in_flight": 3}}, "limits.max_in_flight", "bounded by its concurrency"),
        ({"limits": {"request_seconds_max": float("inf")}}, "limits.request_seconds_max", "finite"),
        ({"limits": {"request_seconds_max": True}}, "limits.request_seconds_max", "above 0"),
        ({"client": {"busy_ratio_max": 2}}, "client.busy_ratio_max", "at most 1"),
        ({"slo": {"ttft_p96_ms_max": 2}}, "slo.ttft_p96_ms_max", "no such limit"),
        ({"slo": {"ttft_p95_ms_max": 0}}, "slo.ttft_p95_ms_max", "above 0"),
        ({"request_slo": {"ttft_ms": 2}}, "request_slo.ttft_ms", "Did you mean ttft_ms_max?"),
        ({"request": {"extra_body": {"stream": False}}}, "request.extra_body.stream", "set by the client itself"),
        ({"request": {"extra_body": [1]}}, "request.extra_body", "expected a mapping"),
        ({"workload": {"input": {"min_tokens": 9, "max_tokens": 3}}}, "workload.input.min_tokens", "9 is more than"),
        ({"workload": {"file": " "}}, "workload.file", "not empty"),
        (
            {"phases": [], "sweep": {**SWEEP, "rate_min_per_second": 9, "rate_max_per_second": 3}},
            "sweep.rate_min_per_second",
            "more than",
        ),
    ],
)
def test_every_problem_names_its_place(change: dict[str, Any], path: str, words: str) -> None:
    assert words in problems(**change)[path]


@pytest.mark.parametrize(
    "url",
    [
        "chat:8000",
        "ftp://a",
        "http://",
        "http://a:0",
        "http://a:99999",
        "http://u:p@a",
        "http://a?x=1",
        "http://a b",
        "http://a/\r\nx: y",
    ],
)
def test_an_address_is_a_host_with_a_path_at_most(url: str) -> None:
    assert "expected http://host:port" in problems(targets=[{**TARGET, "url": url}])["targets[0].url"]


def test_all_problems_are_told_at_once() -> None:
    assert len(problems(endpoint="x", stream=3, nothing=1, phases=[])) == 4


@pytest.mark.parametrize("value", [None, 3, []])
def test_settings_that_are_no_mapping_are_refused(value: Any) -> None:
    with pytest.raises(SettingsError):
        parse_settings(value)


# Requests and keys


def test_a_request_says_all_that_the_server_needs() -> None:
    settings = parse(request={"extra_body": {"top_k": 1}})
    sent = RequestEncoder(settings.targets[0], settings, "open-sesame")(b'[{"role":"user","content":"Hi"}]', 7)
    head, _blank, body = sent.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /llm/v1/chat/completions HTTP/1.1"
    assert {"Host: chat:8000", "Authorization: Bearer open-sesame", f"Content-Length: {len(body)}"} <= set(lines)
    assert json.loads(body) == {
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 7,
        "model": "chat",
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.0,
        "top_k": 1,
    }


def test_a_completion_without_a_stream_asks_for_none() -> None:
    settings = parse(endpoint="completions", stream=False)
    head, _blank, body = RequestEncoder(settings.targets[0], settings, "")(b'"Hi"', 7).partition(b"\r\n\r\n")
    assert b"/v1/completions" in head
    assert b"Authorization" not in head
    assert json.loads(body) == {"prompt": "Hi", "max_tokens": 7, "model": "chat", "stream": False, "temperature": 0.0}


def test_a_key_comes_from_a_file_or_the_environment(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("from-file\n")
    monkeypatch.setenv("SOME_KEY", "from-env")
    assert read_key(spec.Target("a", "http://a", "m", api_key_file=str(tmp_path / "key"))) == "from-file"
    assert read_key(spec.Target("a", "http://a", "m", api_key_env="SOME_KEY")) == "from-env"
    assert read_key(spec.Target("a", "http://a", "m")) == ""


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"api_key_file": "/no/such/file"}, "cannot be read"),
        ({"api_key_env": "LLMOPS_NOT_SET"}, "is empty"),
        ({"api_key_env": "LLMOPS_ODD"}, "characters that a header cannot hold"),
    ],
)
def test_a_key_that_is_missing_or_odd_is_refused_without_being_told(
    target: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMOPS_ODD", "sesame\r\nx: y")
    with pytest.raises(ValueError, match=words) as raised:
        read_key(spec.Target("a", "http://a", "m", **target))
    assert "sesame" not in str(raised.value)


# Results

RESULT = {"schema": 1, "text": "x" * 3, "numbers": list(range(20_000))}


def test_a_result_comes_back_as_it_was_among_lines_of_others() -> None:
    lines = wire.encode_result(RESULT)
    assert len(lines) > 3
    assert wire.decode_result(["a warning", *lines[:2], "another", *lines[2:], "bye"]) == RESULT


@pytest.mark.parametrize("lost", range(4))
def test_a_result_with_a_lost_line_is_none(lost: int) -> None:
    lines = wire.encode_result(RESULT)
    del lines[lost * (len(lines) - 1) // 3]
    assert wire.decode_result(lines) is None


def test_a_result_that_was_changed_is_none() -> None:
    first, *rest = wire.encode_result(RESULT)
    assert wire.decode_result([first[:-9] + "AAAAAAAAA", *rest]) is None
    assert wire.decode_result([first + "!", *rest]) is None
    assert wire.decode_result([*wire.encode_result(RESULT)[:-1], wire.encode_result({"a": 1})[-1]]) is None
    assert wire.decode_result([]) is None


def test_a_figure_that_is_no_number_is_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        wire.encode_result({"a": float("nan")})


def test_progress_and_errors_are_found_again() -> None:
    lines = [
        wire.encode_progress({"done": 1}),
        wire.encode_progress({"done": 2}),
        wire.PROGRESS + "{",
        wire.PROGRESS + "3",
    ]
    assert wire.decode_progress(lines) == {"done": 2}
    assert wire.decode_progress([]) is None
    assert wire.decode_error([wire.encode_error(["a: b"])]) == ["a: b"]
    assert wire.decode_error(lines) is None
