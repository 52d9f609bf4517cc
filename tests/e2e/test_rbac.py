# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped Role is enough for a deployment, its gate and its end, and the least: each verb of it is needed.

Each verb of each resource is taken away once, and what needs it must fail with words that name it. One is different:
without sight of claims a deployment works, but a missing claim cannot be noticed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import MakeNamespace
from tests.e2e.releases import standin, standin_configmap
from tests.e2e.roles import GROUP, bind_role, each_verb, load_rules, rules_without, wait_bound
from tests.support.accounts import make_account
from tests.support.cluster import AuditLog, Cluster
from tests.support.playbooks import run_module

RULES = load_rules("roles/model_server/files/rbac-deployer.yml")
KINDS = {
    "configmaps": "ConfigMap",
    "serviceaccounts": "ServiceAccount",
    "services": "Service",
    "deployments": "Deployment",
    "networkpolicies": "NetworkPolicy",
    "poddisruptionbudgets": "PodDisruptionBudget",
    "leases": "Lease",
}
VERBS = each_verb(RULES)


class Deployers:
    """Users of one namespace by what their Role lacks; ``ready`` and ``crashing`` are releases that are there."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace

    def release(self, name: str) -> dict[str, Any]:
        return standin(name, self.namespace, replicas=0)

    def run(self, module: str, user: str, **arguments: Any) -> dict[str, Any]:
        identity = {"impersonate_user": user} if user else {}
        return run_module(module, {"kubeconfig": str(self.cluster.kubeconfig), **identity, **arguments})

    def gate(self, user: str, name: str) -> dict[str, Any]:
        return self.run("health_gate", user, namespace=self.namespace, name=name, run_from="cluster")


def user_without(verb: str, resource: str) -> str:
    return f"without-{verb}-{resource.replace('/', '-')}"


@pytest.fixture(name="deployers", scope="module")
def _deployers(make_namespace: MakeNamespace, cluster: Cluster) -> Deployers:
    namespace = make_namespace("rbac")
    cluster.create(standin_configmap(namespace))
    deployers = Deployers(cluster, namespace)
    for verb, resource in VERBS:
        user = user_without(verb, resource)
        subject = {"apiGroup": GROUP, "kind": "User", "name": user}
        bind_role(cluster, namespace, user, rules_without(RULES, verb, resource), subject)
    releases = [standin("ready", namespace), standin("crashing", namespace, {"start_exit_code": 1})]
    made = deployers.run("model_server", "", model_servers=[*releases, deployers.release("old")])
    assert not made.get("failed"), made
    cluster.wait_ready(namespace, "ready", 1, 60)
    assert deployers.gate("", "crashing")["verdict"] == "fail"
    wait_bound(cluster, user_without(*VERBS[-1]), rules_without(RULES, *VERBS[-1]), namespace)
    return deployers


@pytest.fixture(name="kubeconfig")
def _kubeconfig(deployers: Deployers, cluster: Cluster, tmp_path: Path) -> Path:
    """Return the kubeconfig of a service account with the shipped Role as it is."""
    subject = {"kind": "ServiceAccount", "name": "deployer", "namespace": deployers.namespace}
    bind_role(cluster, deployers.namespace, "deployer", RULES, subject)
    return make_account(cluster, deployers.namespace, "deployer", tmp_path / "deployer.kubeconfig")


def test_the_role_is_enough_from_the_first_run_to_the_last(
    deployers: Deployers, cluster: Cluster, kubeconfig: Path, make_project: Callable[..., Any]
) -> None:
    project = make_project(standin("full", deployers.namespace), model_server_gate_run_from="cluster")
    chosen = ("-e", f"llmops_kubeconfig={kubeconfig}")
    # The release, and the record of it.
    assert project.run("deploy.yml", *chosen, "--check").ok().changed() == 2
    assert project.run("deploy.yml", *chosen).ok().changed() == 2
    assert project.run("deploy.yml", *chosen).ok().changed() == 0
    project.write([standin("full", deployers.namespace, network={"enabled": False})])
    assert project.run("deploy.yml", *chosen, "--diff").ok().changed() == 2
    assert "1/1" in project.run("playbooks/status.yml", *chosen).ok().stdout
    assert project.run("playbooks/teardown.yml", *chosen, "-e", "teardown_consent=true").ok().changed() == 1
    assert cluster.get("Deployment", deployers.namespace, "full-blue") is None


NOTICED = ("get", "persistentvolumeclaims")


@pytest.mark.parametrize(("verb", "resource"), [each for each in VERBS if each != NOTICED], ids=lambda value: value)
def test_each_verb_is_needed_and_its_absence_is_named(
    verb: str, resource: str, deployers: Deployers, audit: AuditLog
) -> None:
    user = user_without(verb, resource)
    mark = audit.mark()
    if resource in KINDS and verb == "delete":
        result = deployers.run(
            "model_server", user, model_servers=[deployers.release("old")], state="absent", lock_holder="test"
        )
        expected = f"- delete {KINDS[resource]} in namespace {deployers.namespace}"
    elif resource in KINDS and verb != "get":
        result = deployers.run("model_server", user, model_servers=[deployers.release("new")], lock_holder="test")
        expected = f"- {verb} {KINDS[resource]} in namespace {deployers.namespace}"
    elif resource in KINDS:
        result = deployers.run("model_server", user, model_servers=[deployers.release("new")], lock_holder="test")
        expected = f'cannot get resource "{resource}"'
    else:
        result = deployers.gate(user, "crashing" if resource == "events" else "ready")
        expected = f'cannot {verb} resource "{resource}"'
    assert result.get("failed"), f"{verb} {resource} is not needed: {result}"
    assert expected in result["msg"]
    assert "rbac-deployer.yml" in result["msg"]
    if resource in KINDS:
        assert audit.writes(mark, deployers.namespace) == []


def test_without_sight_of_claims_a_missing_one_cannot_be_noticed(deployers: Deployers) -> None:
    assert NOTICED in VERBS
    release = deployers.release("lost")
    release["model"]["source"] = "pvc://nothing/tiny"
    sighted, blind = user_without("delete", "jobs"), user_without(*NOTICED)
    refused = deployers.run("model_server", sighted, model_servers=[release])
    assert refused.get("failed")
    assert f"there is no PersistentVolumeClaim {deployers.namespace}/nothing" in refused["msg"]
    accepted = deployers.run("model_server", blind, model_servers=[release])
    assert not accepted.get("failed"), accepted
    removed = deployers.run("model_server", blind, model_servers=[release], state="absent")
    assert removed["changed"] is True
