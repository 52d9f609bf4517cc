# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import render_objects
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probe_job import (
    asking_job_seconds_max,
    job_seconds_max,
    join_sources,
    render_probe_job,
    uses_tls,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probe_verdict import evaluate_probe
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Verdict

from tests.unit.plugins.module_utils._domain.releases import DRAIN_TEXT, server
from tests.unit.plugins.module_utils._domain.test_manifests import EVERYTHING

ANSWER = {"status": 200, "model": "chat", "finish_reason": "length", "completion_tokens": 8, "text": "Earth"}
POD: dict[str, Any] = {
    "name": "pod a",
    "models": ["chat"],
    "version": "0.18.0",
    "answers": [ANSWER, ANSWER],
    "counters_before": {"vllm:generation_tokens_total": 1.0},
    "counters_after": {"vllm:generation_tokens_total": 17.0},
}
SERVICE = {**POD, "name": "service chat", "counters_after": None}


QUESTIONS = {"targets": [{}, {}], "timeout_seconds": 60.0, "warmup_requests": 30}


def judge(*targets: dict[str, Any], version: str | None = "0.18.0") -> Verdict:
    observation = {"targets": list(targets)}
    return evaluate_probe(observation, model="chat", version=version, services=["service chat"], pods=["pod a"])


def pod(**change: Any) -> dict[str, Any]:
    return {**POD, **change}


def test_a_server_that_answers_completely_passes() -> None:
    assert judge(SERVICE, POD).result.value == "pass"
    assert judge(SERVICE, pod(version="0.18.0+cu130")).result.value == "pass"
    assert judge(SERVICE, pod(version="0.18.0rc1.dev3+g1234")).result.value == "pass"
    assert judge(SERVICE, pod(version="0.10.1.1"), version="0.10.1").result.value == "pass"
    assert judge(SERVICE, pod(version=None), version=None).result.value == "pass"


@pytest.mark.parametrize(
    ("target", "result", "text"),
    [
        (pod(error="ConnectionResetError: gone"), "fail", "pod a: ConnectionResetError: gone"),
        (pod(models=["other"]), "fail", "/v1/models does not list 'chat'; it lists other"),
        (pod(models=[]), "fail", "it lists none"),
        (pod(version="0.17.0"), "fail", "runs vLLM 0.17.0, engine.version says 0.18.0"),
        (pod(version=None), "inconclusive", "/version does not say which engine this is, but None"),
        (pod(version="nightly"), "inconclusive", "/version does not say which engine this is, but 'nightly'"),
        (pod(answers=[ANSWER]), "inconclusive", "1 of 2 answers were observed"),
        (pod(answers=[{"status": 500, "error": "boom"}] * 2), "fail", "answered with HTTP 500: boom"),
        (pod(answers=[{**ANSWER, "model": "x"}] * 2), "fail", "comes from model 'x', expected 'chat'"),
        (
            pod(answers=[{**ANSWER, "finish_reason": "abort"}] * 2),
            "fail",
            "finish_reason 'abort', expected stop or length",
        ),
        (pod(answers=[{**ANSWER, "completion_tokens": None}] * 2), "inconclusive", "does not say how many tokens"),
        (pod(answers=[{**ANSWER, "completion_tokens": 0}] * 2), "fail", "the answer has no tokens"),
        (pod(answers=[ANSWER, {**ANSWER, "text": "Mars"}]), "inconclusive", "at temperature 0 differ"),
        (pod(counters_after=POD["counters_before"]), "fail", "the engine's counters did not move"),
        (pod(counters_after={}), "inconclusive", "/metrics shows none of the engine's progress counters"),
        (pod(name="pod b"), "inconclusive", "pod a: was not asked"),
    ],
)
def test_anything_less_does_not_pass_and_says_why(target: dict[str, Any], result: str, text: str) -> None:
    verdict = judge(SERVICE, target)
    assert verdict.result.value == result
    assert text in "; ".join(verdict.reasons)


def test_an_empty_observation_never_passes() -> None:
    verdict = evaluate_probe({}, model="chat", version=None, services=[], pods=[])
    assert verdict.result.value == "inconclusive"


def job(change: dict[str, Any]) -> dict[str, Any]:
    deployment = render_objects(server(change), DRAIN_TEXT)[-1]
    return render_probe_job(
        deployment, "chat-blue-probe-1", QUESTIONS, "print()", "python3", job_seconds_max(QUESTIONS)
    )


def test_the_job_takes_image_identity_and_security_of_the_server_and_no_gpu() -> None:
    rendered = job(EVERYTHING)
    spec = rendered["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["image"].startswith("docker.io/vllm/vllm-openai:v0.18.0@sha256:")
    assert container["command"] == ["python3", "-c", "print()"]
    assert "nvidia.com/gpu" not in str(container["resources"])
    assert [each["name"] for each in container["env"]] == ["LLMOPS_PROBE", "PYTHONDONTWRITEBYTECODE", "VLLM_API_KEY"]
    assert spec["serviceAccountName"] == "own"
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["tolerations"]
    assert rendered["spec"]["backoffLimit"] == 0


def test_the_job_has_time_for_every_question_to_every_address() -> None:
    assert job({})["spec"]["activeDeadlineSeconds"] == 120 + 2 * (4 * 60 + 30 * 2)


def test_a_long_request_is_given_in_parts_that_linux_takes_and_the_kubelet_leaves_alone() -> None:
    request = {**QUESTIONS, "questions": ["costs $$5, $(POD_NAME) é" * 4000]}
    deployment = render_objects(server(), DRAIN_TEXT)[-1]
    (container,) = render_probe_job(deployment, "probe", request, "print('$$')", "python3", 60)["spec"]["template"][
        "spec"
    ]["containers"]
    parts = [each for each in container["env"] if each["name"].startswith("LLMOPS_PROBE")]
    assert [each["name"] for each in parts] == ["LLMOPS_PROBE", "LLMOPS_PROBE_1"]
    # What the kubelet makes of a value: `$$` becomes `$`; there is no other `$` left that it could expand.
    expanded = [each["value"].replace("$$", "$") for each in parts]
    assert all(each["value"].count("$") == 2 * text.count("$") for each, text in zip(parts, expanded))
    assert all(len(text) <= 100_000 for text in expanded)
    assert json.loads("".join(expanded)) == request
    assert container["command"][2] == "print('$$$$')"


def test_the_job_that_asks_many_questions_has_time_for_the_last_one() -> None:
    assert asking_job_seconds_max({"seconds_max": 600, "timeout_seconds": 60.5}) == 120 + 661


def test_sources_are_joined_to_one_script_in_which_the_last_imports_the_others() -> None:
    script = join_sources(("a.b", "x = 'it''s'"), ("main", "from __future__ import annotations\nfrom a.b import x\nx"))
    loaded: dict[str, Any] = {}
    names = set(sys.modules)
    main = sys.modules["__main__"]
    try:
        exec(script, loaded)
        assert sys.modules["__main__"].x == "its"
    finally:
        sys.modules["__main__"] = main
        for name in set(sys.modules) - names:
            del sys.modules[name]


def test_the_job_is_never_reached_by_the_services() -> None:
    marks = job({})["spec"]["template"]["metadata"]["labels"]
    assert labels.SLOT not in marks
    assert marks[labels.COMPONENT] == labels.PROBE


def test_tls_is_read_from_the_probes() -> None:
    assert uses_tls(render_objects(server(EVERYTHING), DRAIN_TEXT)[-1])
    assert not uses_tls(render_objects(server(), DRAIN_TEXT)[-1])
