# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet of ``inventories/example`` as somebody meets it who has a cluster, and nothing of the local one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from kubernetes.config import list_kube_config_contexts

from tests.e2e.releases import Places
from tests.support.cluster import AuditLog, Cluster
from tests.support.playbooks import ROOT, Project


def aim(way: str, cluster: Cluster, places: Places) -> Mapping[str, str]:
    """Return the variables that name the cluster: a kubeconfig with a context, or what AWX's credential sets."""
    if way == "kubeconfig":
        _all, context = list_kube_config_contexts(str(places.kubeconfig))
        return {"K8S_AUTH_KUBECONFIG": str(places.kubeconfig), "K8S_AUTH_CONTEXT": context["name"]}
    found = cluster.configuration
    return {
        "K8S_AUTH_HOST": cluster.server,
        "K8S_AUTH_SSL_CA_CERT": found.ssl_ca_cert,
        "K8S_AUTH_CERT_FILE": found.cert_file,
        "K8S_AUTH_KEY_FILE": found.key_file,
    }


def run_example(variables: Mapping[str, str], places: Places, tmp_path: Path, *words: str) -> tuple[int, str]:
    """Run deploy.yml in check mode for the example; return its exit code and output."""
    clean = Project(tmp_path / "unused", places.kubeconfig, []).environment()
    program = str(Path(sys.executable).parent / "ansible-playbook")
    done = subprocess.run(
        [program, "-i", "inventories/example", "deploy.yml", "--check", *words],
        env={**clean, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("way", ["kubeconfig", "host"])
def test_the_example_is_aimed_by_variables_alone_and_check_mode_writes_nothing(
    way: str, cluster: Cluster, places: Places, audit: AuditLog, tmp_path: Path
) -> None:
    mark = audit.mark()
    # The local cluster has no room for the example's GPUs, as its plan would say.
    words = ("--limit", "staging-1", "-e", "model_server_plan=skip")
    code, output = run_example(aim(way, cluster, places), places, tmp_path, *words)
    assert code == 0, output
    assert "changed=2" in output
    assert audit.writes(mark, "llm") == []


def test_the_example_is_refused_by_a_cluster_without_its_gpus(
    cluster: Cluster, places: Places, audit: AuditLog, tmp_path: Path
) -> None:
    mark = audit.mark()
    code, output = run_example(aim("kubeconfig", cluster, places), places, tmp_path, "--limit", "staging-1")
    assert code == 2, output
    words = " ".join(output.split())
    assert "The roll-out plan refuses 1 of 1 releases" in words
    assert "1 nvidia.com/gpu" in words
    assert audit.writes(mark, "llm") == []


@pytest.mark.parametrize("way", ["kubeconfig", "host"])
def test_a_fleet_is_not_sent_to_the_one_cluster_that_variables_mean(
    way: str, cluster: Cluster, places: Places, tmp_path: Path
) -> None:
    code, output = run_example(aim(way, cluster, places), places, tmp_path)
    assert code == 2, output
    words = " ".join(output.split())
    assert "means one cluster, and this play is for 3: production-east, production-west, staging-1" in words
    assert "Ensure the releases are present" not in output
