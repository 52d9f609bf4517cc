# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/side_by_side.py runs targets in order, tells failures from successes, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[3] / "tools/side_by_side.py"
MAKEFILE = """
good: ; @echo good has worked
bad: ; @echo bad says why; exit 3
slow: ; @sleep 0.5; echo slow has worked
stubborn: ; @trap '' INT TERM; echo $$$$ > child.pid; sleep 66 & wait; sleep 66
talker: ; @echo $$$$ > child.pid; while sleep 0.1; do echo so much to say; done
daemon: ; @sleep 77 & echo $$! > child.pid; wait
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a Makefile of targets that succeed, fail, take their time and never end."""
    (tmp_path / "Makefile").write_text(MAKEFILE, encoding="utf-8")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=30)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that ended but that nobody collected is not alive either.
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split(")")[1].split()[0] != "Z"


def wait_until(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within 10 s"
        time.sleep(0.02)


def test_all_targets_that_succeed_make_a_success_with_a_table_of_times(folder: Path) -> None:
    result = run(folder, "good", "slow")
    assert result.returncode == 0, result.stdout
    assert "good | good has worked" in result.stdout
    assert "together" in result.stdout.splitlines()[-1]


def test_a_failure_is_named_with_its_exit_code_and_log(folder: Path) -> None:
    result = run(folder, "--quiet", "bad", "good")
    assert result.returncode == 1
    assert "bad says why" in result.stdout
    assert "FAILED (exit code 2)" in result.stdout
    assert "build/logs/bad.log" in result.stdout
    assert "bad says why" in (folder / "build/logs/bad.log").read_text(encoding="utf-8")


def test_a_quiet_success_shows_its_last_line_only(folder: Path) -> None:
    result = run(folder, "--quiet", "good")
    assert result.stdout.count("good has worked") == 1
    assert ": good has worked" in result.stdout


def test_a_target_waits_for_what_it_needs(folder: Path) -> None:
    result = run(folder, "good:slow", "slow")
    lines = [line for line in result.stdout.splitlines() if "has worked" in line]
    assert ["slow" in line for line in lines] == [True, False]


def test_a_target_whose_need_failed_is_left_out(folder: Path) -> None:
    result = run(folder, "bad", "good:bad")
    assert result.returncode == 1
    assert "left out: needs bad" in result.stdout
    assert "good has worked" not in result.stdout


def test_a_target_runs_after_one_that_it_only_waits_for_even_when_that_failed(folder: Path) -> None:
    result = run(folder, "bad", "good:bad?")
    assert result.returncode == 1
    assert "good has worked" in result.stdout


def test_waiting_for_a_target_that_is_not_run_is_refused(folder: Path) -> None:
    result = run(folder, "good:nobody")
    assert result.returncode == 1
    assert "good waits for nobody, which is not run" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_the_children_of_every_target(folder: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, str(TOOL), "daemon"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        wait_until("the target starts its child", (folder / "child.pid").exists)
        child = int((folder / "child.pid").read_text(encoding="utf-8"))
        process.send_signal(number)
        output, _errors = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert "interrupted" in output
    wait_until("the child ends", lambda: not is_alive(child))


def test_a_second_interrupt_ends_at_once_what_does_not_obey_the_first(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, str(TOOL), "stubborn"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        wait_until("the target starts", lambda: (folder / "child.pid").exists() and child_of(folder) > 0)
        child = child_of(folder)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert is_alive(child)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, _errors = process.communicate(timeout=30)
    assert time.monotonic() - began < 3, output
    assert process.returncode == 130, output
    wait_until("the child ends", lambda: not is_alive(child))


def test_a_screen_that_goes_away_ends_the_children_of_every_target(folder: Path) -> None:
    with subprocess.Popen([sys.executable, str(TOOL), "talker"], cwd=folder, stdout=subprocess.PIPE) as process:
        wait_until("the target starts", lambda: (folder / "child.pid").exists() and child_of(folder) > 0)
        child = child_of(folder)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=30) == 130
    wait_until("the child ends", lambda: not is_alive(child))


def child_of(folder: Path) -> int:
    """Return the process that a target has noted, 0 while the note is not yet written."""
    return int((folder / "child.pid").read_text(encoding="utf-8") or 0)
