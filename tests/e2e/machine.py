# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine looks like where a cluster might leave a trace: taken before and after, and compared."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

__all__ = ["Traces", "find_traces", "processes_of"]

Traces = dict[str, dict[str, str]]

# What changes by itself from one moment to the next.
RESTLESS = (
    "fs/aio-nr",
    "fs/dentry-state",
    "fs/file-nr",
    "fs/inode-",
    "fs/quota/",
    "kernel/ns_last_pid",
    "kernel/perf_event_max_sample_rate",  # the kernel lowers it by itself when it is busy
    "kernel/pty/nr",
    "kernel/random/",
    "net/netfilter/nf_conntrack_count",
)
SYSCTLS = Path("/proc/sys")
CGROUPS = Path("/sys/fs/cgroup")


def processes_of(folder: Path) -> list[int]:
    """Return the processes that name the folder in their command line or environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        if str(folder).encode() in words and int(path.name) != os.getpid():
            found.append(int(path.name))
    return found


def find_traces(root: Path) -> Traces:
    """Return everything by its kind; ``root`` is the folder that holds the clusters' state."""
    return {
        "interfaces": {link["ifname"]: link.get("ifalias", "") for link in _ask_ip("link")},
        "routes": {
            " ".join(str(route.get(key, "")) for key in ("type", "dst", "gateway", "dev", "table", "metric")): ""
            for route in _ask_ip("route", "show", "table", "all")
        },
        "mounts": {line.split()[4]: line.split(" - ")[1] for line in _lines(Path("/proc/self/mountinfo"))},
        # One of v1 has its hierarchies below, with the cgroups one further down.
        "cgroups": {str(path): "" for depth in ("*", "*/*") for path in CGROUPS.glob(depth) if path.is_dir()},
        "sysctls": dict(_sysctls()),
        "packet filters": {"rules": _say("nft", "--stateless", "list", "ruleset")},
        "folders": {str(path): "" for path in root.glob("*")},
    }


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _say(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def _ask_ip(*words: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(_say("ip", "-json", *words) or "[]")
    return found


def _sysctls() -> list[tuple[str, str]]:
    found = []
    for folder, _folders, files in os.walk(SYSCTLS):
        for name in files:
            path = Path(folder, name)
            if str(path.relative_to(SYSCTLS)).startswith(RESTLESS):
                continue
            try:
                found.append((str(path), path.read_text(errors="replace")))
            except OSError:
                continue  # some can only be written
    return found
