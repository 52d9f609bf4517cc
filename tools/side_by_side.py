# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run targets of the Makefile side by side, with progress, a log each, and a table of times at the end.

Every argument is a target, optionally with what it waits for: ``cluster``, ``engine:cluster`` (starts when cluster
has succeeded, is left out when it has not), ``e2e:cluster,check?`` (waits for check too, whatever its result).
No minute is silent: each line of a step is shown behind the step's name, or, with --quiet, the last one now and then.
Ctrl-C, and a terminal that is closed, end every step with all of its processes; a second Ctrl-C does so at once.
Runs on the system's Python, before any environment exists.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SILENCE_SECONDS = 15
TAIL_LINES = 60
LAST_WORDS_LINES = 8
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ENDING_SIGNALS = ((signal.SIGINT, 10), (signal.SIGTERM, 5), (signal.SIGKILL, 5))  # signal, seconds to obey


@dataclass
class Step:
    """One target: what it waits for and how it went."""

    name: str
    needs: frozenset[str]
    waits_for: frozenset[str]
    log: Path
    state: str = "waiting"  # waiting, running, ok, failed, left out, interrupted
    process: subprocess.Popen[str] | None = None
    started: float = 0.0
    seconds: float = 0.0
    shown: float = 0.0
    last_line: str = ""
    reader: threading.Thread | None = field(default=None, repr=False)

    @property
    def over(self) -> bool:
        """Whether nothing more will come of this step."""
        return self.state not in ("waiting", "running")


def parse_steps(arguments: list[str], logs: Path) -> list[Step]:
    """Return the steps of the command line; waiting for an unknown step is an error."""
    steps = []
    for argument in arguments:
        name, *after = argument.split(":")
        names = [other for part in after for other in part.split(",") if other]
        needs = frozenset(other for other in names if not other.endswith("?"))
        waits_for = frozenset(other.rstrip("?") for other in names)
        steps.append(Step(name=name, needs=needs, waits_for=waits_for, log=logs / f"{name}.log"))
    known = {step.name for step in steps}
    for step in steps:
        if not step.waits_for <= known:
            sys.exit(f"error: {step.name} waits for {', '.join(sorted(step.waits_for - known))}, which is not run")
    return steps


def signal_group(step: Step, number: int) -> bool:
    """Send a signal to all processes of the step; return whether there were any."""
    if step.process is None:
        return False
    try:
        os.killpg(step.process.pid, number)
    except ProcessLookupError:
        return False
    return True


def is_running(step: Step) -> bool:
    """Return whether the step itself lives."""
    return step.process is not None and step.process.poll() is None


def has_processes(step: Step) -> bool:
    """Return whether the step itself or any of its children lives; children may outlive it."""
    return is_running(step) or signal_group(step, 0)


def wait_for_end(steps: list[Step], lives: Callable[[Step], bool], seconds: float, hurry: threading.Event) -> None:
    """Wait until none of the steps lives, at most the given time, and no longer once somebody is in a hurry."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not hurry.is_set() and any(lives(step) for step in steps):
        time.sleep(0.02)


class Runner:
    """Starts what may start, shows what happens, and ends everything when interrupted."""

    def __init__(self, steps: list[Step], jobs: int, quiet: bool) -> None:
        self.steps = steps
        self.by_name = {step.name: step for step in steps}
        self.jobs = jobs
        self.quiet = quiet
        self.began = time.monotonic()
        self.width = max(len(step.name) for step in steps)
        self.screen = threading.Lock()
        self.ending = False
        self.hurry = threading.Event()

    def say(self, step: Step, text: str) -> None:
        """Print one line behind the step's name, with the seconds since the start."""
        step.shown = time.monotonic()
        self.show(f"[{step.shown - self.began:5.0f} s] {step.name:<{self.width}} | {text}")

    def show(self, line: str) -> None:
        """Print a line. A screen that is gone (closed terminal, ended pager) is an interrupt; the logs go on."""
        with self.screen:
            try:
                print(line, flush=True)
            except OSError:
                # Nothing more can be shown, and nothing more may fail because of it while the steps are ended.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                if not self.ending:
                    os.kill(os.getpid(), signal.SIGHUP)

    def read(self, step: Step) -> None:
        """Copy the step's output to its log and, line by line, to the screen."""
        assert step.process is not None
        assert step.process.stdout is not None
        with step.log.open("w", encoding="utf-8") as log:
            for line in step.process.stdout:
                log.write(line)
                log.flush()
                text = line.rstrip()
                if text:
                    step.last_line = text
                    if not self.quiet:
                        self.say(step, text)

    def start(self, step: Step) -> None:
        """Run the target in a process group of its own, so that an interrupt reaches all of its children."""
        step.log.parent.mkdir(parents=True, exist_ok=True)
        step.started = step.shown = time.monotonic()
        step.state = "running"
        step.process = subprocess.Popen(
            [os.environ.get("MAKE", "make"), "--no-print-directory", step.name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"},
            start_new_session=True,
        )
        step.reader = threading.Thread(target=self.read, args=(step,), daemon=True)
        step.reader.start()

    def finish(self, step: Step, code: int) -> None:
        """Note the result; a failure shows the end of its log where the lines were not shown before."""
        if step.reader is not None:
            # A daemon that the step left behind may hold the pipe open; the step itself is over.
            step.reader.join(timeout=2)
        step.seconds = time.monotonic() - step.started
        step.state = "ok" if code == 0 else "failed"
        if code == 0:
            self.say(step, f"ok in {step.seconds:.1f} s" + (f": {step.last_line}" if self.quiet else ""))
            return
        if self.quiet:
            for line in step.log.read_text(encoding="utf-8").splitlines()[-TAIL_LINES:]:
                self.say(step, line)
        self.say(step, f"FAILED (exit code {code}) after {step.seconds:.1f} s; log: {step.log}")

    def advance(self) -> None:
        """Start what may start, leave out what cannot, collect what ended."""
        for step in self.steps:
            if step.state == "running" and step.process is not None:
                code = step.process.poll()
                if code is not None:
                    self.finish(step, code)
                elif time.monotonic() - step.shown > SILENCE_SECONDS:
                    self.say(step, f"... for {time.monotonic() - step.started:.0f} s; last: {step.last_line[:140]}")
        for step in self.steps:
            if step.state != "waiting":
                continue
            if any(self.by_name[name].over and self.by_name[name].state != "ok" for name in step.needs):
                step.state = "left out"
                self.say(step, f"left out: needs {', '.join(sorted(step.needs))}")
            elif all(self.by_name[name].over for name in step.waits_for) and self.running() < self.jobs:
                self.start(step)

    def running(self) -> int:
        """Return how many steps run now."""
        return sum(step.state == "running" for step in self.steps)

    def end_all(self) -> None:
        """End every running step with all of its processes: politely first, at once after a further interrupt."""
        self.ending = True
        for number in INTERRUPTS:
            signal.signal(number, lambda _number, _frame: self.hurry.set())
        for number, patience in ENDING_SIGNALS:
            alive = [step for step in self.steps if step.state == "running" and has_processes(step)]
            for step in alive:
                self.say(step, f"ending it ({number.name})")
                signal_group(step, number)
            # The last signal needs no patience, and to whoever was in a hurry before it, its work has to be shown.
            hurry = threading.Event() if number == signal.SIGKILL else self.hurry
            wait_for_end(alive, is_running, patience, hurry)
            # Left-over children of a shell ignore SIGINT; nobody else needs more time once the step itself is gone.
            wait_for_end(alive, has_processes, 0.5, hurry)
        for step in self.steps:
            if step.state == "running":
                step.state, step.seconds = "interrupted", time.monotonic() - step.started

    def run(self) -> int:
        """Run all steps; return the exit code: 0, 1 when any failed, 130 when interrupted."""
        try:
            while not all(step.over for step in self.steps):
                self.advance()
                time.sleep(0.05)
        except KeyboardInterrupt:
            self.end_all()
            self.table()
            return 130
        self.table()
        return 0 if all(step.state == "ok" for step in self.steps) else 1

    def table(self) -> None:
        """Print each step's result and time, the time of the whole, and how the logs of failures end.

        The very end is what a CI system shows first, and sometimes all that it keeps.
        """
        for step in self.steps:
            log = "" if step.state == "ok" or not step.started else f"  log: {step.log}"
            self.show(f"  {step.name:<{self.width}}  {step.seconds:7.1f} s  {step.state}{log}")
        self.show(f"  {'together':<{self.width}}  {time.monotonic() - self.began:7.1f} s")
        for step in self.steps:
            if step.state == "failed":
                lines = [line for line in step.log.read_text(encoding="utf-8").splitlines() if line.strip()]
                for line in lines[-LAST_WORDS_LINES:]:
                    self.show(f"  {step.name:<{self.width}}  {line[:160]}")


def interrupt(_number: int, _frame: object) -> None:
    """Treat SIGTERM (from CI) and SIGHUP (of a closed terminal) like Ctrl-C, also where a caller ignores it."""
    # No further one may come before the steps are being ended: it would end this process alone.
    for number in INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    """Read the command line and run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="+", metavar="TARGET[:AFTER[,AFTER?]]")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many run at the same time")
    parser.add_argument("--quiet", action="store_true", help="show results, not every line")
    parser.add_argument("--logs", type=Path, default=Path("build/logs"), help="folder of the logs")
    options = parser.parse_args()
    # SIGINT too: a shell's background jobs ignore it, Python keeps that, and so would every target.
    for number in INTERRUPTS:
        signal.signal(number, interrupt)
    return Runner(parse_steps(options.steps, options.logs), options.jobs, options.quiet).run()


if __name__ == "__main__":
    sys.exit(main())
