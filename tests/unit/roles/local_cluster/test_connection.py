# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of the local cluster go to the local cluster, whatever the shell says about another one."""

from __future__ import annotations


def test_variables_that_win_over_the_kubeconfig_are_refused_by_name_also_when_empty(run_tasks):
    done = run_tasks("connection.yml", K8S_AUTH_HOST="", K8S_AUTH_API_KEY="abc", K8S_AUTH_KUBECONFIG="/mine")
    assert done.returncode == 2
    assert "sets K8S_AUTH_API_KEY, K8S_AUTH_HOST: objects meant for local cluster llmops" in done.stdout + done.stderr
    assert "env -u K8S_AUTH_API_KEY -u K8S_AUTH_HOST" in done.stdout + done.stderr


def test_a_kubeconfig_in_the_environment_changes_nothing_and_is_let_through(run_tasks):
    assert run_tasks("connection.yml", K8S_AUTH_KUBECONFIG="/mine").returncode == 0
