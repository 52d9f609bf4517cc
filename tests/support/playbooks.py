# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the project's playbooks as a user does, and its modules as Ansible does."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.testing import patch_module_args

__all__ = ["ROOT", "PlayResult", "Project", "run_module", "start_module"]

ROOT = Path(__file__).parents[2]
RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class PlayResult:
    """What a run of ansible-playbook printed and how it ended."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def output(self) -> str:
        """Everything that the user sees."""
        return self.stdout + self.stderr

    def changed(self, host: str = "cluster") -> int:
        """Return the number of changed tasks of a host, from the recap."""
        counts = {name: int(changed) for name, _rest, changed, _rest, _rest in RECAP.findall(self.stdout)}
        assert host in counts, f"no recap of {host}:\n{self.output[-3000:]}"
        return counts[host]

    def ok(self) -> PlayResult:
        """Return itself; raises ``AssertionError`` with the output when the run failed."""
        assert self.code == 0, f"ansible-playbook ended with {self.code}:\n{self.output[-6000:]}"
        return self

    def failed(self) -> PlayResult:
        """Return itself; raises ``AssertionError`` when the run did not fail by a failed task."""
        assert self.code == 2, (
            f"ansible-playbook ended with {self.code}, a failed task expected:\n{self.output[-3000:]}"
        )
        return self

    def task_results(self) -> dict[str, list[Any]]:
        """Return the results of each task by its name; the run must have had ``results=True``."""
        found: dict[str, list[Any]] = {}
        for play in json.loads(self.stdout[self.stdout.index("{") :])["plays"]:
            for task in play["tasks"]:
                found.setdefault(task["task"]["name"], []).extend(task["hosts"].values())
        return found


class Project:
    """An inventory of one cluster in a folder of its own, and the playbooks of this checkout."""

    def __init__(self, folder: Path, kubeconfig: Path, model_servers: Sequence[Mapping[str, Any]], **variables: Any):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "llmops_kubeconfig": str(kubeconfig),
            **variables,
        }
        self.inventory = folder / "hosts.yml"
        self.inventory.write_text(yaml.safe_dump({"all": {"hosts": {"cluster": host}}}))
        self.write(model_servers)

    def write(self, model_servers: Sequence[Mapping[str, Any]]) -> None:
        """Replace the list of model servers."""
        group = self.folder / "group_vars" / "all"
        group.mkdir(parents=True, exist_ok=True)
        (group / "model_servers.yml").write_text(yaml.safe_dump({"model_servers": list(model_servers)}))

    def command(self, playbook: str, *args: str) -> list[str]:
        """Return the words that run a playbook of the checkout (path relative to its root)."""
        program = str(Path(sys.executable).parent / "ansible-playbook")
        return [program, "-i", str(self.inventory), str(ROOT / playbook), *args]

    def environment(self, results: bool = False) -> dict[str, str]:
        """Return the environment of a run: the checkout's ansible.cfg, no colour, ``results`` for JSON output."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "K8S_AUTH_", "KUBECONFIG"))}
        return {
            **clean,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            **({"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"} if results else {}),
        }

    def start(self, playbook: str, *args: str) -> subprocess.Popen[str]:
        """Start a run in a session of its own, for tests that end it early."""
        return subprocess.Popen(
            self.command(playbook, *args),
            env=self.environment(),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, playbook: str, *args: str, results: bool = False, seconds_max: float = 300) -> PlayResult:
        """Run a playbook to its end."""
        started = time.monotonic()
        done = subprocess.run(
            self.command(playbook, *args),
            env=self.environment(results),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=seconds_max,
            check=False,
        )
        stdout, stderr = (COLOUR.sub("", text) for text in (done.stdout, done.stderr))
        return PlayResult(done.returncode, stdout, stderr, time.monotonic() - started)


def run_module(name: str, arguments: Mapping[str, Any], check: bool = False, diff: bool = False) -> dict[str, Any]:
    """Run a module's ``main()`` here and return the JSON that it ended with (``failed`` is a key of it)."""
    module = importlib.import_module(f"ansible_collections.llmops.kubernetes.plugins.modules.{name}")
    output = io.StringIO()
    options = {"_ansible_check_mode": check, "_ansible_diff": diff}
    with patch_module_args({**arguments, **options}), redirect_stdout(output):
        try:
            module.main()
        except SystemExit:
            text = output.getvalue()
            result: dict[str, Any] = json.loads(text[text.index("{") :])
            return result
    raise AssertionError(f"module {name} did not end with exit_json or fail_json")


def start_module(name: str, arguments: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    """Start a module's ``main()`` in a process of its own, for tests that end it early."""
    program = "import json, sys; from tests.support.playbooks import run_module; run_module(*json.load(sys.stdin))"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'collections'}"}
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(json.dumps([name, arguments]).encode())
    process.stdin.close()
    process.stdin = None
    return process
