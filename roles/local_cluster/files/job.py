# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run something long in the background, and watch it step by step, so that the screen never stays silent.

``step`` starts the job unless its marker exists or somebody (another playbook, an interrupted one) runs it
already, watches for some seconds, and tells how far it is. The job is a process of its own, but it does not
outlive its watchers for long: when nobody has asked for a while, it is stopped. Its tools keep what is done
(Go's build cache does), so the next step goes on from there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from common import Trouble, exclusive, main, tail

UNWATCHED_SECONDS = 60


def paths(job: dict[str, Any]) -> tuple[Path, Path, Path]:
    """Give the job's lock, log and result files, all beside its marker's folder."""
    base = Path(job["marker"]).parent
    return tuple(base.with_name(f"{base.name}.{kind}") for kind in ("lock", "log", "failed"))  # type: ignore[return-value]


def describe(lines: list[str], seconds: float) -> str:
    """Say in one line how far the job is; ``seconds`` since its start."""
    text = lines[-1].strip()[:110] if lines else "starting"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s, {text}"


def step(job: dict[str, Any]) -> dict[str, Any]:
    """Start or watch the job for ``watch_seconds``; ``done`` tells whether its marker is there.

    ``changed`` is true when the job was at work during this step. A failed job is an error with its last lines.
    """
    marker = Path(job["marker"])
    lock, log, failed = paths(job)
    if marker.exists():
        return {"done": True, "line": "ready"}
    if job["first"]:
        failed.unlink(missing_ok=True)
    spawn(job)
    limit = time.monotonic() + job["watch_seconds"]
    while not marker.exists() and not failed.exists() and time.monotonic() < limit:
        time.sleep(0.2)
        lock.with_suffix(".watched").touch()
    if failed.exists() and not marker.exists():
        said = "\n  ".join(tail(log, 25))
        raise Trouble(f"{job['title']} failed: {failed.read_text().strip()}\nThe log {log} ends with:\n  {said}")
    return {"changed": True, "done": marker.exists(), "line": describe(tail(log, 1), time.time() - started(log))}


def started(log: Path) -> float:
    """Give the time at which the job's log was begun (seconds since the epoch); now when it has no log yet."""
    begun = log.with_suffix(".begun")
    return begun.stat().st_mtime if begun.exists() else time.time()


def spawn(job: dict[str, Any]) -> None:
    """Start a supervisor that outlives this step; it ends at once when another one holds the lock."""
    lock, _rest, _rest = paths(job)
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.with_suffix(".watched").touch()
    # setsid --fork: the supervisor belongs to nobody here, so an interrupt of the playbook does not reach it.
    subprocess.run(
        ["setsid", "--fork", sys.executable, __file__, "supervise"],
        input=json.dumps(job),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        text=True,
        check=True,
    )


def supervise(job: dict[str, Any]) -> dict[str, Any]:
    """Run the job's command under its lock; stop it when it is too long or nobody watches any more."""
    lock, log, failed = paths(job)
    with exclusive(lock, wait=False) as held:
        if not held or Path(job["marker"]).exists():
            return {}
        failed.unlink(missing_ok=True)
        log.with_suffix(".begun").touch()
        with open(log, "wb") as output:
            child = subprocess.Popen(
                job["argv"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **job.get("env", {})},
                start_new_session=True,
            )
            why = watch(child, lock.with_suffix(".watched"), job["limit_seconds"])
        if why:
            failed.with_suffix(".new").write_text(why + "\n")
            failed.with_suffix(".new").rename(failed)
    return {"changed": True}


def watch(child: subprocess.Popen[bytes], watched: Path, limit_seconds: float) -> str:
    """Wait for the child; say why it failed, nothing when it did not."""
    limit = time.monotonic() + limit_seconds
    while True:
        try:
            status = child.wait(timeout=1)
            return f"exit status {status}" if status else ""
        except subprocess.TimeoutExpired:
            why = ""
            if time.monotonic() > limit:
                why = f"not finished within {limit_seconds:g} s"
            elif time.time() - watched.stat().st_mtime > UNWATCHED_SECONDS:
                why = f"stopped: nobody had watched it for {UNWATCHED_SECONDS} s"
            if why:
                os.killpg(child.pid, signal.SIGTERM)
                child.wait()
                return why


if __name__ == "__main__":
    main({"step": step, "supervise": supervise})
