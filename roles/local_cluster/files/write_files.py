# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a folder of small files in one go, each whole or not at all, and remove what is no longer wanted.

The contents come rendered from the role's templates. One task for all of them: a template task costs most of
a second for every file, the cluster has nearly thirty.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common import main, remove_tree, write_whole


def write(settings: dict[str, Any]) -> dict[str, Any]:
    """Write the files; ``owned`` names folders of which nothing else may stay.

    ``files`` maps a path below ``folder`` to ``content`` and ``mode`` (octal text); every program in the folders
    ``programs`` gets a link in ``bin``, where no other link stays.
    """
    folder = Path(settings["folder"])
    written = []
    for name, file in sorted(settings["files"].items()):
        if write_whole(folder / name, file["content"], int(file["mode"], 8)):
            written.append(name)
    removed = [path for owned in settings["owned"] for path in surplus(folder / owned, folder, list(settings["files"]))]
    for path in removed:
        remove_tree(path)
    for name in settings["folders"]:
        if not (folder / name).is_dir():
            (folder / name).mkdir(parents=True)
            written.append(name)
    programs = programs_in(settings["programs"])
    for name, target in sorted(programs.items()):
        if link(folder / "bin" / name, target):
            written.append(f"bin/{name}")
    dropped = [path for path in folder.glob("bin/*") if path.name not in programs]
    for path in dropped:
        path.unlink()
    removed += dropped
    return {"changed": bool(written or removed), "written": written, "removed": [str(path) for path in removed]}


def programs_in(folders: list[str]) -> dict[str, str]:
    """Map the name of every program in the cache's folders to its path."""
    paths = [path for folder in folders for path in Path(folder).iterdir()]
    return {path.name: str(path) for path in paths if path.name[0] != "."}


def surplus(owned: Path, folder: Path, names: list[str]) -> list[Path]:
    """Name the entries of an owned folder below which none of the wanted files lies."""
    wanted = {
        name.split("/")[len(owned.relative_to(folder).parts)] for name in names if (folder / name).is_relative_to(owned)
    }
    return sorted(path for path in owned.iterdir() if path.name not in wanted) if owned.is_dir() else []


def link(path: Path, target: str) -> bool:
    """Point a symbolic link at its target; say whether it did not before."""
    if path.is_symlink() and str(path.readlink()) == target:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)
    return True


if __name__ == "__main__":
    main({"write": write})
