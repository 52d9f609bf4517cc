# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the screen shows while a benchmark runs; the module's results are given, one per slice."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import connection_loader
from ansible_collections.llmops.kubernetes.plugins.action import serving_benchmark

ENDED = {"benchmark": {}, "inconclusive": []}
PROGRESS = {
    "phase": "one",
    "done": 7,
    "failed": 0,
    "requests_per_second": 3.5,
    "ttft_p95_ms": 51.2,
    "seconds_left": 4.4,
}


def waiting(seconds: float, **progress: Any) -> dict[str, Any]:
    return {"waiting": {"waited_seconds": seconds, "progress": {**PROGRESS, **progress} if progress else None}}


class Screen:
    """Takes the place of Ansible's display."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(name="screen")
def _screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    screen = Screen()
    monkeypatch.setattr(serving_benchmark, "display", screen)
    return screen


def run_through(*results: dict[str, Any], **arguments: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run the action over the module's results; return the last one and the arguments of every slice."""
    task, context = Task(), PlayContext()
    task.args = {"name": "chat", "namespace": "llm", **arguments}
    action = serving_benchmark.ActionModule(task, connection_loader.get("local", context), context, None, None, None)
    left, asked = list(results), []

    def execute(module_name: str, module_args: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        assert module_name == "llmops.kubernetes.serving_benchmark"
        asked.append(dict(module_args))
        return left.pop(0)

    action._execute_module = execute
    return action.run(task_vars={}), asked


def test_every_slice_shows_how_far_the_run_is_and_goes_on_from_the_one_before(screen: Screen) -> None:
    slices = waiting(5), waiting(10, done=7), waiting(15, done=9, failed=2, ttft_p95_ms=None, seconds_left=None)
    result, asked = run_through(*slices, ENDED)
    assert result == ENDED
    assert screen.lines == [
        "  benchmark after 5 s: no request has been sent yet",
        "  one after 10 s: 7 requests done, 3.5/s, TTFT p95 51.2 ms, 4 s left",
        "  one after 15 s: 9 requests done, 3.5/s, 2 failed",
    ]
    assert [each.get("resume") for each in asked] == [None, *(each["waiting"] for each in slices)]
    assert {each["slice_seconds"] for each in asked} == {serving_benchmark.SLICE_SECONDS}


def test_a_slice_of_the_users_own_length_is_kept(screen: Screen) -> None:
    assert run_through(ENDED, slice_seconds=1)[1][0]["slice_seconds"] == 1
    assert screen.lines == []


def test_a_failure_ends_the_run_at_once(screen: Screen) -> None:
    failed = {**waiting(5), "failed": True, "msg": "no"}
    assert run_through(failed)[0] == failed
