# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A benchmark is checked as a whole, and finds addresses, models, keys and GPUs of the releases it is about."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_job import (
    find_oversize,
    render_benchmark_files,
    render_benchmark_job,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_spec import (
    BenchmarkSpec,
    KeyReference,
    describe_load,
    parse_benchmark,
    resolve_target,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError

PHASE = {"name": "one", "load": {"kind": "closed", "concurrency": 4}, "stop": {"requests": 10}}


def deployment(**change: Any) -> dict[str, Any]:
    """Return a Deployment as the collection writes it, as far as a benchmark looks."""
    engine: dict[str, Any] = {
        "name": "engine",
        "image": "example.com/vllm@sha256:0",
        "ports": [{"name": "http", "containerPort": 8000}],
        "securityContext": {"allowPrivilegeEscalation": False},
        "resources": {"limits": {"nvidia.com/gpu": "2", "memory": "16Gi"}},
        "env": [{"name": "VLLM_API_KEY", "valueFrom": {"secretKeyRef": {"name": "chat-api", "key": "key"}}}],
        **change,
    }
    return {
        "metadata": {"name": "chat-blue", "namespace": "llm", "annotations": {"llmops.dev/served-name": "chat"}},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app.kubernetes.io/instance": "chat", "llmops.dev/slot": "blue"}},
            "template": {
                "spec": {
                    "securityContext": {"runAsNonRoot": True},
                    "tolerations": [{"key": "gpu"}],
                    "containers": [engine],
                }
            },
        },
    }


def parse(*targets: Any, has_release: bool = True, **settings: Any) -> BenchmarkSpec:
    place = "cluster" if has_release else "controller"
    return parse_benchmark(
        targets, {"phases": [PHASE], "sweep": None, **settings}, has_release=has_release, run_from=place
    )


def problems(*targets: Any, has_release: bool = True, **settings: Any) -> dict[str, str]:
    with pytest.raises(InputError) as raised:
        parse(*targets, has_release=has_release, **settings)
    return {problem.path: problem.message for problem in raised.value.problems}


def test_without_targets_the_clients_service_is_asked() -> None:
    (target,) = parse().targets
    assert (target.name, target.slot, target.url, target.model) == ("service", None, None, None)
    assert parse().settings == {"phases": [PHASE]}


def test_targets_are_named_after_what_they_are() -> None:
    names = [target.name for target in parse({"slot": "blue"}, {"url": "http://a"}).targets]
    assert names == ["blue", "url"]
    assert parse({"slot": "blue", "name": "stable"}).targets[0].name == "stable"


@pytest.mark.parametrize(
    ("targets", "path", "words"),
    [
        ([{"slot": "red"}], "targets[0].slot", "no such choice"),
        ([{"slot": "blue", "url": "http://a"}], "targets[0].url", "not both"),
        ([{"slots": "blue"}], "targets[0].slots", "unknown key"),
        ([{"api_key": {"secret": "a"}}], "targets[0].api_key.key", "is required"),
        ([{"url": "a"}], "targets[0].url", "expected http"),
        ([{"slot": "blue"}, {"slot": "blue"}], "targets[1].name", "two targets"),
        ([{}, {"slot": "blue"}, {"slot": "green"}], "targets", "expected one target"),
    ],
)
def test_every_problem_of_a_target_names_its_place(targets: list[Any], path: str, words: str) -> None:
    assert words in problems(*targets)[path]


def test_problems_of_targets_and_of_the_clients_settings_are_told_together() -> None:
    assert set(problems({"slot": "red"}, phases=[], slo={"x": 1})) == {"targets[0].slot", "phases", "slo.x"}


def test_without_a_release_a_target_brings_address_and_model() -> None:
    assert parse({"url": "http://a", "model": "m"}, has_release=False).targets[0].url == "http://a"
    found = problems({"url": "http://a", "api_key": {"secret": "a", "key": "b"}}, has_release=False)
    assert "needs url and model" in found["targets[0]"]
    assert "name one" in found["targets[0].api_key"]


def test_a_job_needs_a_release_to_take_its_image_from() -> None:
    with pytest.raises(InputError, match="Name the release, or set run_from to controller"):
        parse_benchmark([{"url": "http://a", "model": "m"}], {"phases": [PHASE]}, has_release=False, run_from="cluster")


# Resolving


def test_a_service_is_asked_for_the_served_name_with_the_engines_key() -> None:
    resolved, key = resolve_target(parse({"slot": "blue"}).targets[0], 1, deployment(), "http://10.0.0.1:8000")
    assert resolved == {
        "name": "blue",
        "url": "http://10.0.0.1:8000",
        "model": "chat",
        "verify_certificate": False,
        "accelerators": 6,
        "api_key_env": "LLMOPS_BENCH_KEY_1",
    }
    assert key == KeyReference("chat-api", "key")


def test_what_a_target_says_wins_over_what_is_found() -> None:
    written = {"model": "lora", "accelerators": 1, "verify_certificate": True, "api_key": {"secret": "a", "key": "b"}}
    resolved, key = resolve_target(parse(written).targets[0], 0, deployment(), "https://[fd00::1]:8000")
    assert (resolved["url"], resolved["model"], resolved["accelerators"]) == ("https://[fd00::1]:8000", "lora", 1)
    assert (resolved["verify_certificate"], key) == (True, KeyReference("a", "b"))


def test_an_engine_without_key_and_gpus_has_neither() -> None:
    plain = [{"name": "VLLM_API_KEY", "value": "x"}, {"name": "A", "valueFrom": {"fieldRef": {}}}]
    resolved, key = resolve_target(parse().targets[0], 0, deployment(env=plain, resources={}), "http://10.0.0.1:8000")
    assert (resolved["accelerators"], key) == (0, None)
    assert "api_key_env" not in resolved


def test_an_address_of_the_users_own_is_checked_and_has_no_key() -> None:
    resolved, key = resolve_target(parse({"url": "https://a", "model": "m"}).targets[0], 0, None, None)
    assert resolved == {"name": "url", "url": "https://a", "model": "m", "verify_certificate": True, "accelerators": 0}
    assert key is None


# What the cluster gets


def test_the_job_has_the_key_by_reference_and_the_identity_of_the_release() -> None:
    job = render_benchmark_job(deployment(), "chat-bench-1", {"K": KeyReference("chat-api", "key")}, "python3", 900)
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == ["python3", "-m", "llmops_bench.command", "/opt/llmops/llmops_bench/settings.json"]
    assert {"name": "K", "valueFrom": {"secretKeyRef": {"name": "chat-api", "key": "key"}}} in container["env"]
    assert (container["image"], container["securityContext"]) == (
        "example.com/vllm@sha256:0",
        {"allowPrivilegeEscalation": False},
    )
    assert pod["volumes"] == [{"name": "llmops-bench", "configMap": {"name": "chat-bench-1"}}]
    assert (job["spec"]["activeDeadlineSeconds"], job["spec"]["backoffLimit"]) == (900, 0)
    assert (pod["automountServiceAccountToken"], pod["tolerations"]) == (False, [{"key": "gpu"}])


def test_the_configmap_belongs_to_the_job() -> None:
    job = render_benchmark_job(deployment(), "chat-bench-1", {}, "python3", 900)
    job["metadata"]["uid"] = "u-1"
    made = render_benchmark_files(job, {"endpoint": "chat"}, {"sse.py": "x"})
    assert made["metadata"]["ownerReferences"] == [
        {"apiVersion": "batch/v1", "kind": "Job", "name": "chat-bench-1", "uid": "u-1"}
    ]
    assert made["data"]["sse.py"] == "x"
    assert json.loads(made["data"]["settings.json"]) == {"endpoint": "chat"}


def test_files_that_no_configmap_holds_are_counted() -> None:
    assert find_oversize({"a": "x" * 1000}) is None
    assert find_oversize({"a": "é" * 600_000}) == 1_200_001


def test_a_load_is_told_in_words() -> None:
    phases = [PHASE, {"load": {"kind": "poisson", "rate_per_second": 5}, "stop": {"duration_seconds": 60}}]
    assert describe_load({"phases": phases}) == [
        "one: closed load, concurrency 4, requests 10",
        "phase1: poisson load, rate_per_second 5, duration_seconds 60",
    ]
    assert describe_load({"sweep": {"x": 1}}) == ["sweep for the highest rate that meets the SLO"]
    assert describe_load({}) == []
