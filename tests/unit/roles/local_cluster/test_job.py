# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long jobs: watched in steps, run once, stopped when nobody watches, failures told with their last words."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import common
import job
import pytest
from common import Trouble


@pytest.fixture
def order(tmp_path):
    def make(script: str, **more):
        return {
            "title": "Build of x",
            "marker": str(tmp_path / "x-1" / ".complete"),
            "argv": ["sh", "-c", script],
            "limit_seconds": 30,
            "watch_seconds": 10,
            "first": True,
            **more,
        }

    return make


def test_step_runs_the_job_until_its_marker_is_there_and_then_has_nothing_to_do(order, tmp_path):
    finish = f"mkdir -p {tmp_path}/x-1 && touch {tmp_path}/x-1/.complete"
    assert job.step(order(finish))["changed"]
    again = job.step(order("exit 1"))
    assert (again["done"], again.get("changed", False)) == (True, False)


def test_step_returns_while_the_job_goes_on_and_shows_its_last_line(order, tmp_path):
    script = f"echo 3 packages compiled; sleep 2; mkdir -p {tmp_path}/x-1; touch {tmp_path}/x-1/.complete"
    early = job.step(order(script, watch_seconds=1))
    assert not early["done"]
    assert early["line"].endswith("3 packages compiled")
    assert job.step(order(script, first=False))["done"]


def test_second_watcher_joins_the_running_job_instead_of_starting_another(order, tmp_path):
    script = f"echo run >>{tmp_path}/runs; sleep 1.5; mkdir -p {tmp_path}/x-1; touch {tmp_path}/x-1/.complete"
    job.step(order(script, watch_seconds=0.5))
    assert job.step(order(script))["done"]
    assert (tmp_path / "runs").read_text() == "run\n"


def test_job_whose_supervisor_was_killed_is_joined_and_not_started_a_second_time(order, tmp_path):
    script = f"echo run >>{tmp_path}/runs; sleep 2; mkdir -p {tmp_path}/x-1; touch {tmp_path}/x-1/.complete"
    with subprocess.Popen([sys.executable, job.__file__, "supervise"], stdin=subprocess.PIPE, text=True) as supervisor:
        supervisor.stdin.write(json.dumps(order(script)))
        supervisor.stdin.close()
        common.wait_until("the job at work", (tmp_path / "runs").exists, 10)
        supervisor.kill()
    assert job.step(order(script))["done"]
    assert (tmp_path / "runs").read_text() == "run\n"


def test_trouble_of_the_supervisor_itself_is_told_and_its_job_stopped(order, tmp_path):
    with pytest.raises(Trouble, match=r"of x failed: its supervisor failed \(FileNotFoundError: .*no-such-program"):
        job.step({**order(""), "argv": ["no-such-program"]})
    (tmp_path / "x-1.watched").touch()
    began = time.monotonic()
    job.supervise(order("sleep 20", limit_seconds="30"))
    assert time.monotonic() - began < 5
    assert "its supervisor failed (TypeError" in (tmp_path / "x-1.failed").read_text()


def test_step_gives_up_on_a_job_far_over_its_limit_that_nobody_stops(order, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "STOP_SECONDS", 0)
    with common.exclusive(tmp_path / "x-1.lock"):
        (tmp_path / "x-1.begun").touch()
        with pytest.raises(Trouble, match=r"Build of x is at work for 1 s, 0\.5 s were allowed.*fuser .*x-1\.lock"):
            job.step(order("", limit_seconds=0.5, watch_seconds=1))


def test_failed_job_is_told_with_its_status_its_log_and_its_last_words(order):
    with pytest.raises(Trouble, match=r"Build of x failed: exit status 3\n.*x-1\.log ends with:\n  no such module"):
        job.step(order("echo no such module; exit 3"))


def test_failure_of_an_earlier_run_does_not_stop_the_next_one(order, tmp_path):
    with pytest.raises(Trouble):
        job.step(order("exit 3"))
    finish = f"mkdir -p {tmp_path}/x-1 && touch {tmp_path}/x-1/.complete"
    assert job.step(order(finish))["done"]


def test_job_over_its_limit_is_stopped(order):
    with pytest.raises(Trouble, match="not finished within 1 s"):
        job.step(order("sleep 20", limit_seconds=1))


def test_job_that_nobody_watches_is_stopped(order, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "UNWATCHED_SECONDS", 0.5)
    (tmp_path / "x-1.watched").touch()
    began = time.monotonic()
    job.supervise(order("sleep 20"))
    assert time.monotonic() - began < 5
    assert "nobody had watched it" in (tmp_path / "x-1.failed").read_text()


def test_progress_line_names_the_time_and_the_last_words():
    assert job.describe(["a", "12 of at most 99 packages compiled: net/http"], 75) == (
        "1 min 15 s, 12 of at most 99 packages compiled: net/http"
    )
