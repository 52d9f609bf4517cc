# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A benchmark from inside of the cluster: under Pod Security `restricted`, whole or failed, and gone afterwards."""

from __future__ import annotations

import base64
import json
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_schema import find_deviation

from tests.e2e.conftest import MakeNamespace, MakeProject
from tests.e2e.releases import Places, RealServer, standin, standin_configmap
from tests.e2e.roles import GROUP, bind_role, each_verb, load_rules, rules_without, wait_bound
from tests.support.cluster import Cluster
from tests.support.playbooks import run_module, start_module
from tests.support.processes import wait_until

PLACES = ("cluster", "controller")
KEY = "open-sesame-1234"
RULES = load_rules("roles/model_server/files/rbac-benchmark.yml")
LOAD = {
    "phases": [{"name": "one", "load": {"kind": "closed", "concurrency": 2}, "stop": {"requests": 12}}],
    "workload": {"output": {"mean_tokens": 8}},
    "request": {"ignore_eos": True},
}


@dataclass(frozen=True)
class Yard:
    """A namespace with a release whose engine wants an API key."""

    namespace: str
    places: Places
    cluster: Cluster

    def measure(self, check: bool = False, **options: Any) -> dict[str, Any]:
        """Run the benchmark to its end."""
        arguments = {"kubeconfig": str(self.places.kubeconfig), "namespace": self.namespace, "name": "chat", **LOAD}
        return run_module("serving_benchmark", {**arguments, "timeout_seconds": 120, **options}, check=check)

    def log(self) -> str:
        """Return the last lines of the clients that have started."""
        pods = [pod for pod in self.cluster.pods(self.namespace) if "-bench-" in pod["metadata"]["name"]]
        names = [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] != "Pending"]
        return "".join(self.cluster.log(self.namespace, name, 5) for name in names)

    def left(self) -> list[str]:
        """Return the names of Jobs and ConfigMaps of benchmarks that are there and not on their way out."""
        items = [*self.cluster.items("Job", self.namespace), *self.cluster.items("ConfigMap", self.namespace)]
        named = [item["metadata"] for item in items if "-bench-" in item["metadata"]["name"]]
        return [meta["name"] for meta in named if "deletionTimestamp" not in meta]


@pytest.fixture(name="yard", scope="module")
def _yard(make_namespace: MakeNamespace, cluster: Cluster, places: Places) -> Yard:
    namespace = make_namespace("bench")
    cluster.create(standin_configmap(namespace))
    data = {"key": base64.b64encode(KEY.encode()).decode()}
    meta = {"name": "chat-api", "namespace": namespace}
    cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data})
    arguments = {"kubeconfig": str(places.kubeconfig), "model_servers": [chat(namespace)]}
    result = run_module("model_server", arguments)
    assert not result.get("failed"), result["msg"]
    cluster.wait_ready(namespace, "chat", 1, 120)
    return Yard(namespace, places, cluster)


def chat(namespace: str, **more: Any) -> dict[str, Any]:
    """Return the release."""
    release = standin("chat", namespace, {"ttft_seconds": 0.05, "itl_seconds": 0.01})
    release["engine"]["api_key"] = {"secret": "chat-api", "key": "key"}
    return {**release, **more}


def figures(result: Mapping[str, Any]) -> dict[str, Any]:
    assert not result.get("failed"), result["msg"]
    found: dict[str, Any] = result["benchmark"]["phases"][0]["targets"]
    return found


def test_a_job_measures_the_clients_service_and_leaves_nothing(yard: Yard) -> None:
    result = yard.measure()
    found = figures(result)["service"]
    assert found["requests"] == {"issued": 12, "ok": 12, "without_usage": 0, "failed": 0, "lost": 0}
    assert (found["tokens"]["output"], found["ttft_ms"]["count"]) == (96, 12)
    assert found["ttft_ms"]["min"] >= 50
    assert result["changed"] is False
    # The gate judges it as it is; a client that had no processor to itself may have been too slow.
    criterion = {"metric": "ttft_p50_ms", "operator": ">=", "value": 50}
    judged = run_module("benchmark_gate", {"result": result["benchmark"], "criteria": [criterion], "fail_on": []})
    assert judged["verdict"] == ("inconclusive" if result["inconclusive"] else "pass"), judged
    wait_until(lambda: not yard.left(), 30, "the end of the Job and its ConfigMap")


def test_both_ways_measure_a_slot_with_the_engines_key_which_is_told_nowhere(yard: Yard) -> None:
    for place in PLACES:
        result = yard.measure(run_from=place, targets=[{"slot": "blue"}])
        assert figures(result)["blue"]["requests"]["ok"] == 12, place
        assert KEY not in json.dumps(result)


def test_real_vllm_is_measured_alike_from_a_job_and_from_the_controller(real: RealServer, places: Places) -> None:
    """Both send the very same requests; how fast they are answered is compared by benchmarks/places.py."""
    options = {
        "kubeconfig": str(places.kubeconfig),
        "namespace": real.namespace,
        "name": "real",
        **LOAD,
        # At temperature 0 the random model may repeat one token that is no text; others are none, too.
        "workload": {"output": {"mean_tokens": 24}},
        "request": {"ignore_eos": True, "seed": 1, "temperature": 1.0},
    }
    seen = {place: figures(run_module("serving_benchmark", {**options, "run_from": place})) for place in PLACES}
    for place, found in seen.items():
        assert found["service"]["classes"] == {}, place
        assert found["service"]["requests"]["ok"] == 12, place
        assert found["service"]["tokens"] == seen["controller"]["service"]["tokens"], place
    assert seen["cluster"]["service"]["tokens"]["output"] == 288


def test_check_mode_says_what_would_be_sent_and_sends_nothing(yard: Yard) -> None:
    result = yard.measure(check=True)
    assert "benchmark" not in result
    assert "model chat" in result["planned"]["targets"][0]
    assert result["planned"]["load"] == ["one: closed load, concurrency 2, requests 12"]
    assert yard.left() == []


def test_an_image_without_the_interpreter_fails_in_its_own_words(yard: Yard) -> None:
    result = yard.measure(python="python9")
    assert result["failed"]
    assert "Is `python9` in the engine's image (option python)?" in result["msg"]
    wait_until(lambda: not yard.left(), 30, "the end of the Job and its ConfigMap")


def test_progress_reaches_the_screen_of_a_playbook(yard: Yard, make_project: MakeProject, tmp_path: Path) -> None:
    task = {
        "name": "Measure",
        "llmops.kubernetes.serving_benchmark": {
            "kubeconfig": str(yard.places.kubeconfig),
            "name": "chat",
            "namespace": yard.namespace,
            **LOAD,
            "phases": [{"load": {"kind": "constant", "rate_per_second": 5}, "stop": {"duration_seconds": 8}}],
            "slice_seconds": 1,
        },
    }
    play = {"hosts": "all", "gather_facts": False, "tasks": [task]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    output = make_project().run(str(tmp_path / "play.yml")).ok()
    assert output.changed() == 0
    assert "requests done, " in output.stdout
    assert "TTFT p95 " in output.stdout
    assert "s left" in output.stdout


def test_what_a_job_has_measured_is_kept_when_the_run_is_interrupted(yard: Yard, tmp_path: Path) -> None:
    """By SIGTERM, as Ansible ends modules; that of the keyboard is tested with a client on the controller."""
    kept = tmp_path / "result.json"
    phases = [{"load": {"kind": "constant", "rate_per_second": 5}, "stop": {"duration_seconds": 600}}]
    words = {"kubeconfig": str(yard.places.kubeconfig), "namespace": yard.namespace, "name": "chat"}
    process = start_module("serving_benchmark", {**words, **LOAD, "phases": phases, "result_path": str(kept)})
    wait_until(lambda: "PROGRESS" in yard.log(), 60, "the first progress of the Job")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    result = json.loads(kept.read_text())
    assert result["partial"] is True
    assert "the run was interrupted: it got SIGTERM" in result["inconclusive"]
    assert result["phases"][0]["targets"]["service"]["requests"]["ok"] > 0
    judged = run_module("benchmark_gate", {"path": str(kept), "slo": {"error_ratio_max": 1}, "fail_on": []})
    assert judged["verdict"] != "pass"
    wait_until(lambda: not yard.left(), 30, "the end of the Job and its ConfigMap")


def test_the_shipped_role_is_enough(yard: Yard) -> None:
    bind_role(yard.cluster, yard.namespace, "measurer", RULES, {"apiGroup": GROUP, "kind": "User", "name": "measurer"})
    wait_bound(yard.cluster, "measurer", RULES, yard.namespace)
    assert figures(yard.measure(impersonate_user="measurer"))["service"]["requests"]["ok"] == 12
    wait_until(lambda: not yard.left(), 30, "the end of the Job and its ConfigMap")


@pytest.mark.parametrize(("verb", "resource"), each_verb(RULES), ids=lambda value: value)
def test_each_verb_of_the_role_is_needed_and_its_absence_is_named(yard: Yard, verb: str, resource: str) -> None:
    user, left = f"without-{verb}-{resource.replace('/', '-')}", rules_without(RULES, verb, resource)
    bind_role(yard.cluster, yard.namespace, user, left, {"apiGroup": GROUP, "kind": "User", "name": user})
    wait_bound(yard.cluster, user, left, yard.namespace)
    result = yard.measure(impersonate_user=user)
    assert result.get("failed"), f"{verb} {resource} is not needed: {result}"
    assert f'cannot {verb} resource "{resource}"' in result["msg"]
    assert "rbac-benchmark.yml" in result["msg"]


def test_the_playbook_passes_and_fails_by_the_slo_and_leaves_result_verdict_and_page(
    yard: Yard, make_project: MakeProject, tmp_path: Path
) -> None:
    # What a busy machine does to the client is not what this is about.
    patient = {"busy_ratio_max": 1, "lag_p99_ms_max": 60_000}
    load = {"phases": [{"name": "one", "load": {"kind": "closed", "concurrency": 8}, "stop": {"requests": 60}}]}
    section = {**LOAD, **load, "client": patient}
    wide = {"ttft_p95_ms_max": 60_000, "error_ratio_max": 0}
    project = make_project(chat(yard.namespace, slo=wide, benchmark=section))
    folder = tmp_path / "reports"
    playbook = ("playbooks/benchmark.yml", "-e", f"benchmark_report_folder={folder}")

    checked = project.run(*playbook, "--check").ok()
    assert "one: closed load, concurrency 8, requests 60" in checked.stdout
    assert not folder.exists()

    # Two targets in turns: the clients' Service, and that of the slot.
    pair = json.dumps({"benchmark_run_from": "controller", "benchmark_targets": [{}, {"slot": "blue"}]})
    passed = project.run(*playbook, "-e", pair).ok()
    assert f"{yard.namespace}/chat: pass\n" in passed.stdout
    assert re.search(r"\n +blue +ttft_p95_ms +[\d.]+ +<= 60000 ms +pass\n", passed.stdout)
    assert passed.changed() == 0
    (page,) = folder.glob("*.html")
    assert "Benchmark: <span class='pass'>pass</span>" in page.read_text()
    result = json.loads(page.with_suffix(".json").read_text())
    assert find_deviation(result) is None
    assert {name: each["requests"]["ok"] for name, each in figures({"benchmark": result}).items()} == {
        "service": 60,
        "blue": 60,
    }
    verdict = json.loads(page.with_name(f"{page.stem}-verdict.json").read_text())
    assert [run["verdict"] for run in verdict["runs"]] == ["pass", "pass"]
    assert KEY not in "".join(each.read_text() for each in folder.iterdir()) + passed.stdout

    project.write([chat(yard.namespace, slo={"ttft_p95_ms_max": 1}, benchmark=section)])
    failed = project.run(*playbook)
    assert failed.code != 0
    assert f"{yard.namespace}/chat: fail" in failed.stdout
    assert "limit <= 1 ms (slo.ttft_p95_ms_max)" in failed.stdout
    assert len(list(folder.glob("*.html"))) == 2
