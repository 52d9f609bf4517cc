# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How soon the first request comes when Ansible starts the client: a play with ``serving_benchmark`` alone."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.common import environment
from benchmarks.load.known import Condition, known_server
from tests.support.playbooks import Project

__all__ = ["measure_start"]

_ONE = Condition("one", 1, 0, 1, 1, 1)


def _play(project: Project, folder: Path, task: Mapping[str, Any]) -> None:
    """Run a play of one task; SystemExit with its output when it fails."""
    file = folder / "play.yml"
    file.write_text(yaml.safe_dump([{"name": "Play", "hosts": "all", "gather_facts": False, "tasks": [task]}]))
    words, variables = project.command(str(file)), environment(project)
    done = subprocess.run(words, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the play ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")


def measure_start(folder: Path, rounds: int) -> dict[str, Any]:
    """Return medians in seconds: from the start of the play to the first request, and an empty play from start to end.

    The first play of each kind is not counted, as Python keeps what it has compiled then.
    """
    project = Project(folder / "inventory", folder / "no-kubeconfig", [])
    phase = {"load": {"kind": "closed", "concurrency": 1}, "stop": {"requests": 1}}
    first, empty = [], []
    for _round in range(rounds + 1):
        with known_server(_ONE, folder) as known:
            options = {
                "targets": [{"url": known.url, "model": "tiny"}],
                "run_from": "controller",
                "phases": [phase],
                "warmup_requests": 0,
            }
            started = time.monotonic()
            _play(project, folder, {"name": "Measure", "llmops.kubernetes.serving_benchmark": options})
        truth = known.truth(1)
        if truth is None:
            raise SystemExit("the play has sent no request")
        first.append(truth.first_seconds - started)
        started = time.monotonic()
        _play(project, folder, {"name": "Do nothing", "ansible.builtin.meta": "noop"})
        empty.append(time.monotonic() - started)
    of_first, of_empty = statistics.median(first[1:]), statistics.median(empty[1:])
    above = of_first - of_empty
    return {
        "first_request_seconds": round(of_first, 3),
        "empty_play_seconds": round(of_empty, 3),
        "above_seconds": round(above, 3),
    }
