# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An execution environment can be made of the collection; no container engine is needed to know."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml


def test_ansible_builder_finds_what_the_modules_need(root: Path, tmp_path: Path) -> None:
    command = ["ansible-builder", "introspect", str(root / "collections")]
    found = yaml.safe_load(subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, text=True).stdout)
    ours = [line.partition("#")[0].strip() for line in found["python"] if "llmops.kubernetes" in line]
    # PyYAML is in every execution environment; the builder leaves it out.
    assert ours == ["kubernetes>=29.0.0,!=36.0.0", "jmespath"]
    assert found["system"] == []


def test_ansible_builder_writes_a_context_from_the_example(root: Path, tmp_path: Path) -> None:
    example = root / "docs/execution-environment.yml"
    context = tmp_path / "context"
    command = ["ansible-builder", "create", "--file", str(example), "--context", str(context)]
    command += ["--output-filename", "Containerfile"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    asked = yaml.safe_load((context / "_build/requirements.yml").read_text(encoding="utf-8"))
    assert [collection["name"] for collection in asked["collections"]] == ["llmops.kubernetes", "kubernetes.core"]
    assert "FROM" in (context / "Containerfile").read_text(encoding="utf-8")
