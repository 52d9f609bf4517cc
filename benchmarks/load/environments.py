# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments of the peers, each with pinned versions of its own, in the user's cache; made when they are missing."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.releases import find_places

__all__ = ["Environment", "UnavailableError", "find_engine", "find_tokenizer"]

_INSTALL_SECONDS_MAX = 1200
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llmops.kubernetes" / "peers"


class UnavailableError(Exception):
    """A peer cannot be installed or run here; the words say why."""


def find_engine() -> Path:
    """Return the folder of vLLM's environment, as ``make engine-files`` leaves it."""
    folder = find_places().engine
    if not (folder / "bin" / "vllm").exists():
        raise UnavailableError(f"{folder} has no vLLM: run make engine-files")
    return folder.resolve()


def find_tokenizer() -> Path:
    """Return the folder of the tiny model, whose tokenizer the peers take."""
    folder = find_places().models / "tiny"
    if not (folder / "tokenizer.json").exists():
        raise UnavailableError(f"{folder} has no tokenizer: run make engine-files")
    return folder.resolve()


@dataclass(frozen=True)
class Environment:
    """A virtual environment for one peer.

    ``with_engine`` adds the packages of vLLM's environment, whose torch for CPUs is a tenth of the one for GPUs;
    ``dependencies`` is whether pip follows the requirements of what is named.
    """

    requirements: Sequence[str]
    dependencies: bool = True
    with_engine: bool = False
    python_min: tuple[int, int] = (3, 11)

    @property
    def folder(self) -> Path:
        """Where it is; what decides its content is in the name."""
        content = repr((self, sys.version_info[:2])).encode()
        name = re.sub(r"\[.*\]", "", self.requirements[0]).replace("==", "-")
        return _CACHE / f"{name}-{hashlib.sha256(content).hexdigest()[:8]}"

    def program(self, name: str) -> str:
        """Return the path of one of its programs."""
        return str(self.folder / "bin" / name)

    def make(self) -> None:
        """Make it where it is not there; raises ``UnavailableError`` with pip's words."""
        if (self.folder / ".complete").exists():
            return
        print(f"making {self.folder}", flush=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._run(self._find_python(), "-m", "venv", str(self.folder))
        if self.with_engine:
            packages = next(find_engine().glob("lib/python3.*/site-packages"))
            own = next(self.folder.glob("lib/python3.*/site-packages"))
            if own.parent.name != packages.parent.name:
                raise UnavailableError(
                    f"vLLM's environment is of {packages.parent.name}, this one of {own.parent.name}"
                )
            (own / "engine.pth").write_text(f"{packages}\n")
        options = ["--quiet", "--progress-bar", "off", *([] if self.dependencies else ["--no-deps"])]
        self._run(self.program("pip"), "install", *options, *self.requirements)
        (self.folder / ".complete").touch()

    def version(self, package: str) -> str:
        """Return the version of an installed package."""
        code = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
        return self._run(self.program("python"), "-c", code).strip()

    def _find_python(self) -> str:
        if sys.version_info[:2] >= self.python_min:
            return str(Path(sys.executable).resolve())
        wanted = ".".join(map(str, self.python_min))
        kept = sorted(Path.home().glob(f".pyenv/versions/{wanted}*/bin/python"))
        for candidate in (f"python{wanted}", *map(str, kept)):
            try:
                self._run(candidate, "-c", "")
            except UnavailableError:
                continue
            return candidate
        raise UnavailableError(f"it needs Python {wanted}, which is not here")

    @staticmethod
    def _run(*words: str) -> str:
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=_INSTALL_SECONDS_MAX, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnavailableError(f"{words[0]}: {error}") from None
        if done.returncode:
            raise UnavailableError(f"{' '.join(words[:4])}: {(done.stderr or done.stdout).strip()[-500:]}")
        return done.stdout
