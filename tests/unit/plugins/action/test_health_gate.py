# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the screen shows while the gate waits; the module's results are given, one per slice."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import connection_loader
from ansible_collections.llmops.kubernetes.plugins.action import health_gate

PASSED = {"verdict": "pass", "reasons": []}


def waiting(summary: str, seconds: float = 0) -> dict[str, Any]:
    started = datetime.now(timezone.utc) - timedelta(seconds=seconds)
    return {"verdict": "inconclusive", "waiting": {"summary": summary, "started_at": started.isoformat(), "ready": 0}}


class Screen:
    """Takes the place of Ansible's display."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(name="screen")
def _screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    screen = Screen()
    monkeypatch.setattr(health_gate, "display", screen)
    return screen


def wait_through(*results: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run the action over the module's results; return the last one and the arguments of every slice."""
    task = Task()
    task.args = {"name": "chat", "namespace": "llm"}
    context = PlayContext()
    action = health_gate.ActionModule(task, connection_loader.get("local", context), context, None, None, None)
    left, asked = list(results), []

    def execute(module_name: str, module_args: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        assert module_name == "llmops.kubernetes.health_gate"
        asked.append(dict(module_args))
        return left.pop(0)

    action._execute_module = execute
    return action.run(task_vars={}), asked


def test_every_change_of_state_is_one_line_with_the_seconds_since_the_start(screen):
    slices = (
        waiting("0/1 ready: a creating", 2),
        waiting("0/1 ready: a loading", 7),
        waiting("0/1 ready: a loading", 27),
    )
    result, asked = wait_through(*slices, PASSED)
    assert result == PASSED
    assert screen.lines == [
        "  llm/chat after 2 s: 0/1 ready: a creating",
        "  llm/chat after 7 s: 0/1 ready: a loading",
    ]
    assert [each.get("resume") for each in asked] == [None, *(each["waiting"] for each in slices)]
    assert {each["slice_seconds"] for each in asked} == {health_gate.SLICE_SECONDS}


def test_a_state_that_lasts_is_shown_again_after_a_while(screen, monkeypatch):
    monkeypatch.setattr(health_gate, "SILENCE_SECONDS_MAX", 0.0)
    wait_through(waiting("0/1 ready: a loading", 5), waiting("0/1 ready: a loading", 70), PASSED)
    assert len(screen.lines) == 2
    assert screen.lines[1].startswith("  llm/chat after 70 s")


def test_a_failed_module_ends_the_wait(screen):
    failed = {"failed": True, "msg": "no", **waiting("x")}
    result, _asked = wait_through(failed)
    assert result is failed
    assert screen.lines == []
