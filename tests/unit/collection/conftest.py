# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the contract tests share: the checkout's root and readers of its files."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]


def names(folder: str, pattern: str) -> list[str]:
    """Return the sorted stems of the matching files of a folder of the checkout."""
    return sorted(path.stem for path in (ROOT / folder).glob(pattern) if not path.name.startswith("_"))


MODULES = names("plugins/modules", "*.py")
ROLES = names("roles", "[a-z]*")
PLAYBOOKS = names("playbooks", "*.yml")


@pytest.fixture
def root() -> Path:
    """Return the root of the checkout."""
    return ROOT


@pytest.fixture
def read_yaml() -> Any:
    """Return a function that reads a YAML file of the checkout."""

    def read(path: str) -> Any:
        return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))

    return read


@pytest.fixture
def text_files() -> dict[str, str]:
    """Return the text of every file that git knows or would take in, by its path in the checkout."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    texts = {}
    for name in filter(None, listing.split("\0")):
        path = ROOT / name
        if path.is_file() and not path.is_symlink():
            texts[name] = path.read_text(encoding="utf-8")
    return texts
