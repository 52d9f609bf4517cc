# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the archive of a small Debian root file system with Python, for pods that need no more than that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from common import SYSTEM_PATH, remove_tree
from oci_image import write_archive

# Documentation, translations and old character sets are half of the files and no program here reads them.
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/lib/*/gconv/*")
MERGED_USR = "/usr/share/mmdebstrap/hooks/maybe-merged-usr"


def mmdebstrap(suite: str, packages: list[str], target: Path) -> list[str]:
    """Give the command that writes the root file system as a tar."""
    leave_out = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    # Without usr-is-merged a package for moving old systems comes along, and with it 45 MB of Perl.
    options = ["--variant=essential", '--aptopt=APT::Install-Recommends "false"', f"--hook-dir={MERGED_USR}"]
    include = f"--include={','.join(['usr-is-merged', *packages])}"
    return ["mmdebstrap", *options, include, *leave_out, suite, str(target)]


def build() -> None:
    """Build the image given as JSON in the first argument: reference, suite, packages, folder, architecture."""
    job = json.loads(sys.argv[1])
    folder = Path(job["folder"])
    temporary = folder.with_name(f".{folder.name}.new")
    remove_tree(temporary)
    temporary.mkdir(parents=True)
    rootfs = temporary / "rootfs.tar"
    command = mmdebstrap(job["suite"], job["packages"], rootfs)
    # SOURCE_DATE_EPOCH: the same packages give the same image, whatever the day.
    environment = {"PATH": SYSTEM_PATH, "SOURCE_DATE_EPOCH": "1767225600", **job["proxies"]}
    status = subprocess.run(command, check=False, env=environment).returncode
    if status:
        sys.exit(status)
    image = {"ref": job["ref"], "layers": [str(rootfs)], "cmd": ["python3"]}
    digest = write_archive(image, job["architecture"], temporary / "image.tar")
    rootfs.unlink()
    (temporary / ".complete").write_text(f"{job['ref']} {digest}\n")
    remove_tree(folder)
    temporary.rename(folder)


if __name__ == "__main__":
    build()
