# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks as a user runs them, on the real cluster; pods run the stand-in engine, test_rolling_update.py vLLM."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.e2e.releases import standin, standin_configmap
from tests.support.cluster import AuditLog, Cluster
from tests.support.playbooks import Project, run_module

MakeProject = Callable[..., Project]
OWNED_OF_A_RELEASE = 9
RECORDED = {"ConfigMap/chat-revision-1", "Lease/chat-release"}


@pytest.fixture(name="place")
def _place(namespace: str, cluster: Cluster) -> str:
    """Return a namespace with the stand-in engine."""
    cluster.create(standin_configmap(namespace))
    return namespace


def test_deploy_is_predicted_made_once_and_then_left_alone(
    place: str, cluster: Cluster, audit: AuditLog, make_project: MakeProject
) -> None:
    # Long enough that the gate finds it loading, and has progress to show, also where the machine is slow.
    project = make_project(standin("chat", place, {"start_delay_seconds": 8}, replicas=2))
    before, mark = cluster.versions(place), audit.mark()

    predicted = project.run("deploy.yml", "--check", results=True).ok().task_results()
    assert audit.writes(mark, place) == []
    assert cluster.versions(place) == before

    first = project.run("deploy.yml").ok()
    assert first.changed() == 2
    after = cluster.versions(place)
    (release,) = predicted["llmops.kubernetes.model_server : Ensure the releases are present"][0]["model_servers"]
    made = {f"{item['kind']}/{item['name']}" for item in release["objects"] if item["action"] == "created"}
    assert made | RECORDED == set(after) - set(before)
    (record,) = predicted["llmops.kubernetes.model_server : Record the releases"]
    assert [each["number"] for each in record["releases"]] == [1]
    assert len(made) == OWNED_OF_A_RELEASE
    assert "ready" in first.stdout

    settled, restarts, mark = cluster.versions(place), cluster.restarts(place), audit.mark()
    second = project.run("deploy.yml", "-e", "model_server_gate_run_from=controller").ok()
    assert second.changed() == 0
    assert cluster.versions(place) == settled
    assert cluster.restarts(place) == restarts
    assert audit.writes(mark, place) == []

    asked = project.run(
        "deploy.yml", "--tags", "model_server_verify", "-e", "model_server_gate_run_from=controller"
    ).ok()
    assert "Ensure the releases are present" not in asked.stdout
    assert "Wait until the releases answer" in asked.stdout


def test_a_planted_secret_shows_nowhere(place: str, cluster: Cluster, make_project: MakeProject) -> None:
    planted = "planted-secret-7f3a91"
    data = {"key": planted}
    cluster.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "api", "namespace": place}, "stringData": data}
    )
    project = make_project(standin("chat", place, engine={"api_key": {"secret": "api", "key": "key"}}))
    shown = project.run("deploy.yml", "--diff", "-vvv", "-e", "model_server_gate_run_from=cluster").ok().output
    assert planted not in shown
    texts = [str(cluster.items(kind, place)) for kind in ("ConfigMap", "Deployment", "Event", "Pod", "ReplicaSet")]
    assert all(planted not in text for text in texts)


def test_deploy_that_is_killed_is_finished_by_the_next_run(
    place: str, cluster: Cluster, make_project: MakeProject
) -> None:
    project = make_project(standin("chat", place))
    for seconds in (1.2, 1.8, 2.4):
        process = project.start("deploy.yml")
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    # Whichever of them was killed with the lock in its hand still has it.
    project.run("deploy.yml", "-e", "model_server_take_over=true").ok()
    assert project.run("deploy.yml").ok().changed() == 0
    cluster.wait_ready(place, "chat", 1, 30)
    records = [each["metadata"]["name"] for each in cluster.items("ConfigMap", place, "llmops.dev/revision")]
    assert records == ["chat-revision-1"]


def test_only_narrows_a_deployment_and_status_shows_what_runs(
    place: str, cluster: Cluster, make_project: MakeProject
) -> None:
    project = make_project(standin("chat", place), standin("embed", place))
    project.run("deploy.yml", "-e", "only=embed").ok()
    assert {pod["metadata"]["labels"]["app.kubernetes.io/instance"] for pod in cluster.pods(place)} == {"embed"}
    shown = project.run("playbooks/status.yml").ok()
    assert "embed" in shown.stdout
    assert "1/1" in shown.stdout
    misspelt = project.run("deploy.yml", "-e", "only=embd").failed()
    assert "Did you mean embed?" in misspelt.output


def test_rendered_files_are_accepted_by_the_server(
    place: str, cluster: Cluster, make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project(standin("chat", place))
    project.run("playbooks/render.yml", "-e", f"render_folder={tmp_path}/out").ok()
    file = tmp_path / "out" / "cluster" / place / "chat.yaml"
    manifests = [item for item in yaml.safe_load_all(file.read_text()) if item]
    assert len(manifests) == OWNED_OF_A_RELEASE
    for manifest in manifests:
        cluster.apply(manifest, dry_run=True)
    assert cluster.get("Deployment", place, "chat-blue") is None
    assert project.run("playbooks/render.yml", "-e", f"render_folder={tmp_path}/out").ok().changed() == 0


def test_teardown_asks_first_and_leaves_nothing_of_ours(
    place: str, cluster: Cluster, make_project: MakeProject
) -> None:
    before = set(cluster.versions(place))
    project = make_project(standin("chat", place, replicas=0))
    project.run("deploy.yml").ok()
    refused = project.run("playbooks/teardown.yml").failed()
    assert "teardown_consent=true" in refused.output
    assert project.run("playbooks/teardown.yml", "-e", "teardown_consent=true", "--check").ok().changed() == 1
    assert cluster.get("Deployment", place, "chat-blue") is not None
    assert project.run("playbooks/teardown.yml", "-e", "teardown_consent=true").ok().changed() == 1
    assert set(cluster.versions(place)) == before
    assert project.run("playbooks/teardown.yml", "-e", "teardown_consent=true").ok().changed() == 0
    assert {item["metadata"]["name"] for item in cluster.items("PersistentVolumeClaim", place)} == {"models", "runtime"}


def test_bad_input_changes_nothing_and_says_what_to_do(
    place: str, cluster: Cluster, audit: AuditLog, make_project: MakeProject
) -> None:
    good, bad = standin("chat", place), standin("other", place, engine={"args": {"max_modl_len": 8}})
    mark = audit.mark()
    failed = make_project(good, bad).run("deploy.yml").failed()
    assert "model_servers[other].engine.args.max_modl_len" in failed.output
    assert "Did you mean max_model_len?" in failed.output
    assert audit.writes(mark, place) == []


def test_gpus_affinity_and_spread_of_the_usual_tutorial_are_admitted_and_scheduled(
    place: str, places: object, cluster: Cluster
) -> None:
    """Two GPUs with tensor parallelism, tolerations, required and preferred affinity, all over labels that exist."""
    affinity = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {
                        "matchExpressions": [
                            {"key": "kubernetes.io/hostname", "operator": "In", "values": [cluster.node]}
                        ]
                    }
                ]
            }
        }
    }
    release = standin(
        "seed",
        place,
        parallel={"tensor": 2},
        resources={"accelerator": "nvidia.com/gpu", "shm": "16Mi"},
        placement={"affinity": affinity, "tolerations": [{"key": "gpu", "operator": "Exists"}], "spread": "hostname"},
    )
    kubeconfig = str(cluster.kubeconfig)
    made = run_module("model_server", {"model_servers": [release], "kubeconfig": kubeconfig})
    assert made["changed"], made
    asked = {"name": "seed", "namespace": place, "kubeconfig": kubeconfig, "run_from": "controller"}
    gate = run_module("health_gate", asked)
    assert gate["verdict"] == "pass", gate
    (pod,) = cluster.pods(place, "seed")
    assert pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert "--tensor-parallel-size" in pod["spec"]["containers"][0]["args"]
