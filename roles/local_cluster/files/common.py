# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role's helper programs share: settings in, facts out, files written whole or not at all.

A helper reads one JSON object on standard input and prints one JSON object. Trouble is a ``Trouble``:
its text goes to standard error, the exit status is 1 and Ansible shows it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
from pathlib import Path
from typing import Any, TextIO

NODE_MARK = "LLMOPS_CLUSTER_FOLDER"
LOG_LINES = 12
# A user's PATH may put wrappers of version managers before the system's programs.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Trouble(Exception):  # noqa: N818  not every trouble is a programming error
    """Something the person at the screen has to know; the text names the object and the next step."""


def main(actions: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]], root: bool = False) -> None:
    """Run the action named by the first argument with the JSON of standard input and print its result.

    ``root`` says that it cannot work for another user: to one, every process of the node looks as if it were not there.
    """
    settings = json.load(sys.stdin)
    if root and os.geteuid() != 0:
        sys.exit(
            f"Only root can see and change the parts of a local cluster, this is user {os.geteuid()}. Run with sudo."
        )
    try:
        result = actions[sys.argv[1]](settings)
    except Trouble as trouble:
        sys.exit(str(trouble))
    print(json.dumps({"changed": False, **result}, sort_keys=True))


def run(argv: Sequence[str], check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program of the system and keep its output; a failure names the command and quotes what it said."""
    environment = {**os.environ, "PATH": SYSTEM_PATH, **options.pop("env", {})}
    try:
        done = subprocess.run(
            list(argv),
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=environment,
            **options,
        )
    except FileNotFoundError as error:
        raise Trouble(
            f"Command cannot be started: {' '.join(argv)}\n{error}. Install {argv[0]}, then run again."
        ) from error
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise Trouble(f"Command failed with status {done.returncode}: {' '.join(argv)}\n{said}")
    return done


def write_whole(path: Path, content: str | bytes, mode: int = 0o644) -> bool:
    """Write a file by temporary name and rename; say whether content or mode differed before."""
    data = content.encode() if isinstance(content, str) else content
    if path.is_file() and path.read_bytes() == data and path.stat().st_mode & 0o7777 == mode:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as stream:
        stream.write(data)
        os.fchmod(stream.fileno(), mode)
    os.replace(temporary, path)
    return True


def read_json(path: Path) -> dict[str, Any]:
    """Give the object stored in a file, or an empty one where there is no file yet."""
    try:
        loaded: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise Trouble(f"File {path} holds no valid JSON ({error}). Remove the file and run again.") from error
    return loaded


def digest_of_tree(folder: Path, names: Iterable[str] = ()) -> str:
    """Reduce names and contents of the regular files below a folder to one SHA-256, caches of Python aside."""
    total = hashlib.sha256("\0".join(names).encode())
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        total.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


@contextmanager
def exclusive(path: Path, wait: bool = True) -> Iterator[TextIO | None]:
    """Hold a lock file while the block runs; without ``wait`` yield None when somebody else holds it.

    The lock belongs to the open file: a child that inherits it goes on holding it when this process is killed.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a") as stream:
            try:
                flock(stream, LOCK_EX if wait else LOCK_EX | LOCK_NB)
            except BlockingIOError:
                yield None
                return
            # Who held it before may have removed the file, with the folder around it: then this is nobody's lock.
            if not is_file_at(stream, path):
                continue
            try:
                yield stream
            finally:
                flock(stream, LOCK_UN)
            return


def is_file_at(stream: TextIO, path: Path) -> bool:
    """Say whether the open file is still the one at the path."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False


def wait_until(what: str, test: Callable[[], bool], seconds: float, step: float = 0.05) -> None:
    """Ask until the answer is yes; after the limit say what was waited for."""
    limit = time.monotonic() + seconds
    while not test():
        if time.monotonic() > limit:
            raise Trouble(f"Waited {seconds:g} s in vain: {what}.")
        time.sleep(step)


def tail(path: Path, lines: int = LOG_LINES) -> list[str]:
    """Give the last lines of a log file; none when there is no such file."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - 16384))
            return stream.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def namespace_pids(pid: int) -> list[int]:
    """Give the process' numbers in every PID namespace from ours inwards; none when it has gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    line = next((line for line in status.splitlines() if line.startswith("NSpid:")), "NSpid:")
    return [int(number) for number in line.split()[1:]]


def environment_has(pid: int, entry: bytes) -> bool:
    """Say whether the process was started with this environment entry."""
    try:
        return entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


def marked(folder: Path) -> list[int]:
    """Give the processes that were started for the node whose state lies in the folder.

    No PID file: the mark in the environment survives every exec, cannot go stale, and finds what a killed run
    left half started as well.
    """
    entry = f"{NODE_MARK}={folder}".encode()
    return [pid for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()) if environment_has(pid, entry)]


def find_node(folder: Path) -> int | None:
    """Find the node's first process: it alone has the number 1 exactly one PID namespace further in."""
    return next((pid for pid in marked(folder) if namespace_pids(pid)[1:] == [1]), None)


def in_node(pid: int) -> list[str]:
    """Give the command prefix that enters the node's namespaces."""
    return ["nsenter", "-t", str(pid), "-n", "-m", "-p", "-u", "-i", "--"]


def remove_tree(folder: Path) -> None:
    """Remove a folder, never what is mounted below it."""
    if folder.exists():
        run(["rm", "-rf", "--one-file-system", str(folder)])


def have(program: str) -> bool:
    """Say whether the system offers a program."""
    return shutil.which(program, path=SYSTEM_PATH) is not None
