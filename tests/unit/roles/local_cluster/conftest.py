# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the role's helper programs importable by their file names, as they import each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

ROLE = Path(__file__).parents[4] / "roles" / "local_cluster"
sys.path.insert(0, str(ROLE / "files"))


@pytest.fixture
def role() -> Path:
    """Give the role's folder."""
    return ROLE


@pytest.fixture
def run_tasks(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Give what runs one tasks file of the role with variables, in a shell without or with K8S_AUTH_* variables."""

    def run(
        file: str, variables: Mapping[str, Any] | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        include = {"name": "llmops.kubernetes.local_cluster", "tasks_from": file}
        tasks = [{"ansible.builtin.include_role": include}]
        # JSON is YAML.
        (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("K8S_AUTH_")}
        return subprocess.run(
            ["ansible-playbook", str(tmp_path / "play.yml"), "-e", json.dumps(variables or {})],
            env={**inherited, "ANSIBLE_CONFIG": str(ROLE.parents[1] / "ansible.cfg"), **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run
