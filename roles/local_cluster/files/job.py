# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run something long in the background, and watch it step by step, so that the screen never stays silent.

``step`` starts the job unless its marker exists or somebody (another playbook, an interrupted one) runs it
already, watches for some seconds, and tells how far it is. The job is a process of its own, but it does not
outlive its watchers for long: when nobody has asked for a while, its supervisor stops it. Its tools keep what is
done (Go's build cache does), so the next step goes on from there. The job itself holds the lock too: when its
supervisor is killed, no second one starts beside it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from common import Trouble, exclusive, main, tail

UNWATCHED_SECONDS = 60
# What a supervisor may need after the limit to stop the job and to say so.
STOP_SECONDS = 30


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
    passed = time.time() - started(log)
    if not marker.exists() and passed > job["limit_seconds"] + STOP_SECONDS:
        raise Trouble(
            f"{job['title']} is at work for {passed:.0f} s, {job['limit_seconds']:g} s were allowed, and its "
            f"supervisor did not stop it. Its log is {log}. "
            f"Next: end the process that holds {lock} (fuser {lock} names it), then run again."
        )
    return {"changed": True, "done": marker.exists(), "line": describe(tail(log, 1), passed)}


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
        if held is None or Path(job["marker"]).exists():
            return {}
        try:
            failed.unlink(missing_ok=True)
            log.with_suffix(".begun").touch()
            why = work(job, log, lock, held)
        except Exception as error:
            # Nobody sees the output of this process: the file is the one place where it can say what went wrong.
            why = f"its supervisor failed ({type(error).__name__}: {error})"
        if why:
            failed.with_suffix(".new").write_text(why + "\n")
            failed.with_suffix(".new").rename(failed)
    return {"changed": True}


def work(job: dict[str, Any], log: Path, lock: Path, held: TextIO) -> str:
    """Run the command to its end or stop it; say why it failed, nothing when it did not."""
    with open(log, "wb") as output:
        child = subprocess.Popen(
            job["argv"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **job.get("env", {})},
            start_new_session=True,
            pass_fds=(held.fileno(),),
        )
        try:
            return watch(child, lock.with_suffix(".watched"), job["limit_seconds"])
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


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
