# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask every part of the cluster how it is: for ``status``, for the quick way out of a second run, for the waits.

Three actions. ``check`` looks once and says whether the cluster stands as the settings want it. ``status`` looks
once and reports every part. ``wait`` looks until the parts named in ``until`` are well, within a limit, gives up
early on a daemon that keeps dying, and then quotes the log of the sick part.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from common import Trouble, digest_of_tree, find_node, main, read_json, tail, write_whole
from node import generation
from oci_image import bring, images_in, read_index
from probes import Part, observe

DEATHS_MAX = 6
STEP_SECONDS = 0.3
LINE_WIDTH = 200


def inputs_digest(settings: dict[str, Any]) -> str:
    """Reduce what the caller asks for to one digest: the settings, the role's own files, further image archives."""
    archives = []
    for archive in settings["extra_archives"]:
        path = Path(archive)
        archives.append(f"{archive} {path.stat().st_mtime_ns} {path.stat().st_size}" if path.exists() else archive)
    wanted = json.dumps([settings["wanted"], archives], sort_keys=True)
    # Of the role, what reaches the cluster; editing its documentation restarts nothing.
    parts = [digest_of_tree(Path(settings["role"], part)) for part in ("files", "templates", "vars", "tasks")]
    return hashlib.sha256("\0".join([wanted, *parts]).encode()).hexdigest()


def check(settings: dict[str, Any]) -> dict[str, Any]:
    """Say whether nothing is left to do, and if something is, what was seen first."""
    folder = Path(settings["folder"])
    applied = read_json(folder / "run" / "applied.json")
    reason = ""
    if not applied or find_node(folder) is None:
        reason = "the cluster does not run"
    elif applied["inputs"] != inputs_digest(settings):
        reason = "other settings are wanted than were applied"
    elif applied["generation"] != generation(folder):
        reason = "a configuration file was changed"
    else:
        sick = [part for part in observe(settings) if not part.well]
        held = images_in(folder) if not sick else {}
        gone = [ref for ref, digest in applied["images"].items() if held.get(ref) != digest] if not sick else []
        reason = f"{sick[0].name}: {sick[0].says}" if sick else f"image {gone[0]} is gone" if gone else ""
    return {"stands": not reason, "reason": reason}


def status(settings: dict[str, Any]) -> dict[str, Any]:
    """Report every part, and how the log of each sick one ends."""
    parts = observe(settings)
    return {
        "well": all(part.well for part in parts),
        "lines": [line for part in parts for line in render(part)],
        "parts": [{"name": part.name, "well": part.well, "says": part.says, "log": part.log} for part in parts],
    }


def render(part: Part) -> list[str]:
    """Give one line for a part, and for a sick one its log file with the last lines."""
    first = f"{'ok  ' if part.well else 'SICK'} {part.name:<24} {part.says}"
    if part.well or not part.log:
        return [first]
    return [first, f"     log {part.log}:", *(f"     | {line[:LINE_WIDTH]}" for line in tail(Path(part.log)))]


def deaths(services: dict[str, set[str]], name: str) -> int:
    """Count how often a daemon was seen dead or replaced so far."""
    return max(0, len(services.get(name, set())) - 1)


def wait(settings: dict[str, Any]) -> dict[str, Any]:
    """Import ``archives``, then wait for the parts in ``until`` (all when empty) for at most ``limit_seconds``.

    Both in one go: the parts come up while containerd unpacks.
    """
    imported = bring(settings)["imported"]
    began = time.monotonic()
    seen: dict[str, set[str]] = {}
    until = settings["until"]
    while True:
        parts = [part for part in observe(settings, only=until) if not until or part.name in until]
        for part in parts:
            if part.process:
                seen.setdefault(part.name, set()).add(part.process)
        sick = [part for part in parts if not part.well]
        passed = time.monotonic() - began
        if not sick and parts:
            break
        dying = [part for part in sick if deaths(seen, part.name) >= DEATHS_MAX]
        if dying or passed > settings["limit_seconds"] or find_node(Path(settings["folder"])) is None:
            raise Trouble(explain(settings, dying or sick, passed, bool(dying)))
        time.sleep(STEP_SECONDS)
    if settings["record"]:
        record(settings)
    names = [part.name for part in parts]
    return {"changed": bool(imported), "imported": imported, "seconds": round(passed, 1), "parts": names}


def explain(settings: dict[str, Any], sick: list[Part], passed: float, dying: bool) -> str:
    """Say what did not become well, with what it wrote last."""
    name, folder = settings["name"], Path(settings["folder"])
    if find_node(folder) is None:
        lines = "\n  ".join(tail(folder / "run" / "node.log") or ["(nothing)"])
        return f"Node {name} ended while its parts came up. Its log {folder}/run/node.log ends with:\n  {lines}"
    why = f"keeps dying ({DEATHS_MAX} times)" if dying else f"not well within {settings['limit_seconds']:g} s"
    first = f"Local cluster {name}: {', '.join(part.name for part in sick)} {why}; gave up after {passed:.0f} s."
    told = [line for part in sick for line in render(part)]
    return "\n".join([first, *told, "Next: look at the log named above; local_cluster_state=status shows every part."])


def record(settings: dict[str, Any]) -> None:
    """Note what stands now, so that the next run sees at once that there is nothing to do."""
    folder = Path(settings["folder"])
    images: dict[str, str] = {}
    for archive in settings["archives"]:
        images.update(read_index(Path(archive)))
    applied = {"inputs": inputs_digest(settings), "generation": generation(folder), "images": images}
    write_whole(folder / "run" / "applied.json", json.dumps(applied, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main({"check": check, "status": status, "wait": wait}, root=True)
