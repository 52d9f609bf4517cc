# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start and remove the node: a set of namespaces whose first process supervises every daemon.

``start`` brings up a missing node, replaces one that runs with other settings, and raises daemons that were
put down. ``remove`` ends it and leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import host
from common import (
    NODE_MARK,
    SYSTEM_PATH,
    Trouble,
    exclusive,
    find_node,
    main,
    marked,
    namespace_pids,
    read_json,
    remove_tree,
    run,
    tail,
    wait_until,
    write_whole,
)

START_SECONDS = 20


def generation(folder: Path) -> str:
    """Reduce everything that the daemons are started with to one digest; it names a generation of the node."""
    total = hashlib.sha256()
    for path in sorted([*folder.glob("etc/**/*"), *folder.glob("pki/*.crt"), *folder.glob("sv/*/run")]):
        if path.is_file():
            total.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    # Tools for people lie there too; a node goes on when one comes or goes.
    daemons = {path.parent.name for path in folder.glob("sv/*/run")}
    for link in sorted(path for path in folder.glob("bin/*") if path.name in daemons):
        total.update(f"{link.name}\0{os.readlink(link)}\0".encode())
    return total.hexdigest()


def is_up(pid: int) -> bool:
    """Say whether the node's init has done its work and become the supervisor."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "runsvdir"
    except (FileNotFoundError, ProcessLookupError):
        return False


def start(settings: dict[str, Any]) -> dict[str, Any]:
    """Make the node run with the settings on disk; tell what was done."""
    folder = Path(settings["folder"])
    with exclusive(folder / "run" / "lock"):
        if not (folder / "etc" / "node-init").exists():
            drop_lock(folder)
            host.drop_root(settings)
            raise Trouble(f"Node {settings['name']} was removed while it was set up. Run again to have it.")
        wanted = generation(folder)
        pid = find_node(folder)
        why = reason_to_launch(settings, pid, wanted)
        if pid and not why:
            done = mend(settings)
            return {"changed": bool(done), "did": ", ".join(done) or "nothing", "pid": pid}
        end(settings)
        pid = launch(settings)
        write_whole(folder / "run" / "generation", wanted)
        return {"changed": True, "did": f"started: {why}", "pid": pid}


def drop_lock(folder: Path) -> None:
    """Remove a lock that was taken in a folder which is gone, and the folders that were made for it alone."""
    (folder / "run" / "lock").unlink()
    for path in (folder / "run", folder):
        with suppress(OSError):  # something else is in it
            path.rmdir()


def reason_to_launch(settings: dict[str, Any], pid: int | None, wanted: str) -> str:
    """Say why a node has to be started, in place of the one that runs where there is one; empty when it may stay."""
    noted = Path(settings["folder"], "run", "generation")
    if not pid or not is_up(pid) or not noted.exists():
        return "it did not run"
    if noted.read_text() != wanted:
        return "other settings are wanted"
    return "" if host.has_cable(settings) else "its cable to the host was lost"


def mend(settings: dict[str, Any]) -> list[str]:
    """Put right around and in a running node what somebody has taken away; tell what was done."""
    raised = raise_daemons(Path(settings["folder"]))
    missing = host.missing_routes(settings)
    host.lay_routes(settings, missing)
    return [*(f"raised {name}" for name in raised), *(f"laid the {name} again" for name in missing)]


def raise_daemons(folder: Path) -> list[str]:
    """Start daemons again that somebody put down; name them."""
    services = sorted(path for path in (folder / "sv").iterdir() if (path / "run").exists())
    told = run(["sv", "status", *map(str, services)], check=False).stdout.splitlines()
    down = [line.split(": ")[1] for line in told if line.startswith("down:")]
    for service in down:
        run(["sv", "up", service])
    return [Path(service).name for service in down]


def launch(settings: dict[str, Any]) -> int:
    """Start the init in namespaces of its own, connect it, and wait until it supervises the daemons."""
    folder = Path(settings["folder"])
    # What is laid on the host is noted before, so that the end finds it again after a change of the settings.
    write_whole(folder / "run" / "launched.json", json.dumps(settings, indent=2, sort_keys=True))
    host.acquire(settings)
    host.make_cgroups(settings["cgroup"])
    host.lay_routes(settings, ["backstop route"])
    log = folder / "run" / "node.log"
    log.write_bytes(b"")
    log.chmod(0o644)
    command = [
        "unshare",
        "--net",
        "--mount",
        "--pid",
        "--uts",
        "--ipc",
        "--fork",
        "--mount-proc",
        "--propagation",
        "private",
    ]
    with open(log, "ab") as output:
        subprocess.Popen(
            [*command, str(folder / "etc" / "node-init")],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
            umask=0o022,
            env={"PATH": SYSTEM_PATH, NODE_MARK: str(folder)},
        )
    try:
        wait_until("the node's first process", lambda: find_node(folder) is not None, START_SECONDS)
        pid = find_node(folder) or 0
        wait_until("the node's network namespace", lambda: own_network(pid), START_SECONDS)
        host.connect(settings, pid)
        wait_until("the node's supervisor", lambda: is_up(pid), START_SECONDS)
    except Trouble as trouble:
        said = "\n  ".join(tail(log) or ["(nothing)"])
        raise Trouble(
            f"Node {settings['name']} did not start: {trouble}\nIts log {log} ends with:\n  {said}"
        ) from trouble
    return pid


def own_network(pid: int) -> bool:
    """Say whether the process has left the host's network namespace."""
    return os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")


def end(settings: dict[str, Any]) -> bool:
    """End the node and take its cable and cgroups away; its state stays.

    Killing the first process is enough and is safe: the kernel ends everything in its PID namespace, frees
    mounts, interfaces and packet filters with the namespaces, and etcd's log survives the end of its process.
    """
    folder = Path(settings["folder"])
    ours = marked(folder)
    # Outside the node's PID namespace: its first process, and the one that waits for it.
    for pid in ours:
        if namespace_pids(pid)[1:] in ([], [1]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    wait_until(f"the end of the processes of {folder}", lambda: not marked(folder), START_SECONDS)
    laid = read_json(folder / "run" / "launched.json") or settings
    cut = host.disconnect(laid)
    removed = host.remove_cgroups(laid["cgroup"])
    (folder / "run" / "generation").unlink(missing_ok=True)
    return bool(ours) or cut or removed


def remove(settings: dict[str, Any]) -> dict[str, Any]:
    """End the node and remove its state, then give the host back what no other cluster needs."""
    folder = Path(settings["folder"])
    if settings["check_mode"]:
        return {"changed": folder.exists() or bool(marked(folder)) or host.is_known(settings), "stays": []}
    changed = folder.exists()
    if changed:
        # A run that starts the node at this moment comes to its end before.
        with exclusive(folder / "run" / "lock"):
            end(settings)
            refuse_mounts(folder)
            remove_tree(folder)
    else:
        changed = end(settings)
    known, stays = host.release(settings)
    return {"changed": changed or known, "stays": stays}


def refuse_mounts(folder: Path) -> None:
    """Stop before removing a folder into which something is mounted on the host."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    inside = [mount for mount in mounts if mount.startswith(f"{folder}/")]
    if inside:
        raise Trouble(f"Cannot remove {folder}: {', '.join(inside)} is mounted inside. Unmount it and run again.")


if __name__ == "__main__":
    main({"start": start, "remove": remove}, root=True)
