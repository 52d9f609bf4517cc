# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quality gate on the real cluster: right and wrong answers, both slots, from a Job and from the controller."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import MakeNamespace
from tests.e2e.releases import Places, RealServer, put_green_slot, standin, standin_configmap
from tests.support.cluster import AuditLog, Cluster
from tests.support.playbooks import run_module
from tests.support.processes import run_standin

TIMEOUT_SECONDS = 120
KEY = "a-key-that-is-planted"
QUESTIONS = [f"What is {number} plus {number}?" for number in range(6)]


@dataclass(frozen=True)
class Yard:
    """The namespace with the releases of this file."""

    namespace: str
    places: Places
    real: RealServer

    def gate(self, name: str, check: bool = False, **options: Any) -> dict[str, Any]:
        """Return the gate's result for a release."""
        namespace = self.real.namespace if name == "real" else self.namespace
        place = {"kubeconfig": str(self.places.kubeconfig), "namespace": namespace, "name": name}
        return run_module("quality_gate", {**place, "fail_on": [], **options}, check=check)


@pytest.fixture(name="yard", scope="module")
def _yard(make_namespace: MakeNamespace, cluster: Cluster, places: Places, real: RealServer) -> Yard:
    """Return the releases: ``chat`` has a green slot that answers other words, ``locked`` an API key."""
    namespace = make_namespace("quality")
    cluster.create(standin_configmap(namespace))
    meta = {"name": "keys", "namespace": namespace}
    cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"key": KEY}})
    locked = standin("locked", namespace, engine={"api_key": {"secret": "keys", "key": "key"}})
    servers = [standin("chat", namespace), standin("dead", namespace, {"error_share": 1}), locked]
    result = run_module("model_server", {"kubeconfig": str(places.kubeconfig), "model_servers": servers})
    assert not result.get("failed"), result["msg"]
    put_green_slot(cluster, namespace, "chat", STANDIN_ANSWER_SALT="another model")
    for name, slots in (("dead", 1), ("locked", 1), ("chat", 2)):
        cluster.wait_ready(namespace, name, slots, TIMEOUT_SECONDS)
    return Yard(namespace, places, real)


def golden(yard: Yard, name: str, folder: Path, count: int) -> Path:
    """Write a file of prompts whose right answers are those that the release gives now, empty ones left out."""
    plain = [{"prompt": f"What is {number} plus {number}?"} for number in range(count)]
    seen = yard.gate(name, run_from="controller", prompts=[{**each, "regex": "."} for each in plain], max_tokens=16)
    assert seen["observed"]["checks"]["unanswered"] == 0, seen
    pairs = zip(plain, (each["text"] for each in seen["observed"]["answers"]))
    checked = [{**each, "exact": text, "truncated_allowed": True} for each, text in pairs if text.strip()]
    assert len(checked) >= 6, seen
    file = folder / f"{name}.jsonl"
    file.write_text("".join(json.dumps({"id": f"sum-{n}", **each}) + "\n" for n, each in enumerate(checked[:6])))
    return file


def test_a_real_engine_gives_the_same_right_answers_from_a_job_as_from_the_controller(
    yard: Yard, cluster: Cluster, tmp_path: Path
) -> None:
    file = golden(yard, "real", tmp_path, 20)
    # What a random model says is no sense, sometimes nothing, and yet always the same.
    options: dict[str, Any] = {"prompts_file": str(file), "max_tokens": 16, "concurrency": 1}
    here, there = (yard.gate("real", run_from=place, **options) for place in ("controller", "cluster"))
    for result in (here, there):
        assert not result.get("failed"), result["msg"]
        assert (result["verdict"], result["reasons"], result["samples"]) == ("pass", [], 6), result
        assert result["changed"] is False
    assert [each["text"] for each in here["observed"]["answers"]] == [
        each["text"] for each in there["observed"]["answers"]
    ]
    assert cluster.items("Job", yard.real.namespace) == []


def test_wrong_answers_fail_with_the_prompts_that_are_wrong(yard: Yard, tmp_path: Path) -> None:
    file = golden(yard, "chat", tmp_path, 6)
    lines = file.read_text().splitlines()
    wrong = {**json.loads(lines[3]), "exact": "six"}
    file.write_text("\n".join([*lines[:3], json.dumps(wrong), *lines[4:]]))
    result = yard.gate("chat", prompts_file=str(file), fail_on=["fail"])
    assert result["failed"] is True
    assert (result["verdict"], result["observed"]["checks"]["passed"]) == ("fail", 5)
    assert "5 of 6 prompts pass (83.3 %), at least 100 % must" in result["msg"]
    assert "sum-3: exact: is another text" in result["msg"]


def test_the_other_slot_is_compared_with_the_stable_one(yard: Yard) -> None:
    prompts = [{"prompt": text} for text in QUESTIONS]
    result = yard.gate("chat", prompts=prompts, comparison={})
    assert result["verdict"] == "fail", result
    assert [each["slot"] for each in result["observed"]["targets"]] == ["green", "blue"]
    assert result["reasons"] == ["0 of 6 answers equal the baseline's (0 %), at least 90 % must"]
    # Other words, as long and as full: all that is asked where the model is another one.
    allowed = yard.gate("chat", prompts=prompts, comparison={"exact_match_ratio_min": 0})
    assert (allowed["verdict"], allowed["reasons"]) == ("pass", [])


def test_an_engine_that_answers_errors_fails(yard: Yard) -> None:
    result = yard.gate("dead", run_from="controller", prompts=[{"prompt": text, "regex": "."} for text in QUESTIONS])
    assert result["verdict"] == "fail"
    assert "was answered with HTTP 500" in result["reasons"][1]


@pytest.mark.parametrize("place", ["cluster", "controller"])
def test_the_key_of_the_secret_opens_the_engine_and_is_told_nowhere(yard: Yard, place: str) -> None:
    result = yard.gate("locked", run_from=place, prompts=[{"prompt": text, "regex": "."} for text in QUESTIONS])
    assert result["verdict"] == "pass", result
    assert KEY not in json.dumps(result)


def test_texts_that_kubernetes_would_expand_arrive_as_they_are(yard: Yard) -> None:
    """The stand-in's words depend on every letter of the prompt."""
    prompts = [
        {"prompt": f"$(VLLM_API_KEY) $$x $(POD_NAME) {'long ' * 6000}{number} é", "regex": "."} for number in range(5)
    ]
    here, there = (yard.gate("chat", run_from=place, prompts=prompts) for place in ("controller", "cluster"))
    assert here["verdict"] == there["verdict"] == "pass", there
    assert [each["text"] for each in here["observed"]["answers"]] == [
        each["text"] for each in there["observed"]["answers"]
    ]


def test_check_mode_reads_and_asks_nothing(yard: Yard, audit: AuditLog) -> None:
    mark = audit.mark()
    options = {"prompts": [{"prompt": text, "regex": "."} for text in QUESTIONS], "fail_on": ["fail", "inconclusive"]}
    result = yard.gate("chat", check=True, **options)
    assert (result["verdict"], result.get("failed", False)) == ("inconclusive", False)
    assert result["reasons"] == ["nothing was asked: check mode sends no load"]
    assert audit.writes(mark, yard.namespace) == []


def test_wrong_prompts_are_told_with_their_line_before_anything_is_asked(
    yard: Yard, audit: AuditLog, tmp_path: Path
) -> None:
    mark = audit.mark()
    file = tmp_path / "golden.yml"
    file.write_text("- prompt: Who?\n  exact: I\n- prompt: Why?\n  regex: (\n  exakt: a\n")
    result = yard.gate("chat", prompts_file=str(file))
    assert "golden.yml:3.regex: is no regular expression" in result["msg"]
    assert "golden.yml:3.exakt: unknown key" in result["msg"]
    assert audit.writes(mark, yard.namespace) == []


def test_a_server_outside_of_any_cluster_is_judged_by_its_address(tmp_path: Path) -> None:
    prompts = [{"prompt": text, "regex": "."} for text in QUESTIONS]
    with run_standin(tmp_path, "--api-key", KEY, itl_seconds=0) as engine:
        options = {"url": f"http://127.0.0.1:{engine.port}", "served_name": "tiny", "prompts": prompts}
        opened = run_module("quality_gate", {**options, "url_api_key": KEY})
        locked = run_module("quality_gate", options)
    assert opened["verdict"] == "pass", opened
    assert "HTTP 401" in locked["msg"]
    assert (locked["failed"], locked["verdict"]) == (True, "inconclusive")
    refused = run_module("quality_gate", {**options, "run_from": "cluster"})
    assert "run_from: needs a release (name)" in refused["msg"]
