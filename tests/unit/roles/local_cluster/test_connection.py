# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of the local cluster go to the local cluster, whatever the shell says about another one."""

from __future__ import annotations

import os
import subprocess

import pytest

PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: llmops.kubernetes.local_cluster, tasks_from: connection.yml}
"""


@pytest.fixture
def play(tmp_path, role):
    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "play.yml").write_text(PLAY)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("K8S_AUTH_")}
        return subprocess.run(
            ["ansible-playbook", str(tmp_path / "play.yml")],
            env={**inherited, "ANSIBLE_CONFIG": str(role.parents[1] / "ansible.cfg"), **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_variables_that_win_over_the_kubeconfig_are_refused_by_name_also_when_empty(play):
    done = play(K8S_AUTH_HOST="", K8S_AUTH_API_KEY="abc", K8S_AUTH_KUBECONFIG="/mine")
    assert done.returncode == 2
    assert "sets K8S_AUTH_API_KEY, K8S_AUTH_HOST: objects meant for local cluster llmops" in done.stdout + done.stderr
    assert "env -u K8S_AUTH_API_KEY -u K8S_AUTH_HOST" in done.stdout + done.stderr


def test_a_kubeconfig_in_the_environment_changes_nothing_and_is_let_through(play):
    assert play(K8S_AUTH_KUBECONFIG="/mine").returncode == 0
