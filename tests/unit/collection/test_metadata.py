# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metadata of the collection agrees with itself and with what is there."""

from __future__ import annotations

import os
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from .conftest import MODULES, PLAYBOOKS, ROLES


def requirements(path: Path) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def test_the_collection_is_there_so_that_no_test_below_passes_for_want_of_anything_to_look_at() -> None:
    assert {"benchmark_gate", "gpu_node", "health_gate", "model_server", "model_server_info"} <= set(MODULES)
    assert {"gpu_node", "local_cluster", "local_engine", "model_server"} <= set(ROLES)
    assert {"deploy", "gpu_nodes", "status", "render", "teardown", "local_cluster", "demo"} <= set(PLAYBOOKS)


def test_action_group_lists_every_module_so_that_module_defaults_reach_it(read_yaml: Any) -> None:
    group = read_yaml("meta/runtime.yml")["action_groups"]["llmops"]
    listed = [entry for entry in group if isinstance(entry, str)]
    assert sorted(listed) == MODULES


def test_action_group_extends_that_of_kubernetes_core(read_yaml: Any) -> None:
    group = read_yaml("meta/runtime.yml")["action_groups"]["llmops"]
    assert {"metadata": {"extend_group": ["kubernetes.core.k8s", "kubernetes.core.helm"]}} in group


def test_the_claimed_ansible_core_is_the_tested_one(read_yaml: Any) -> None:
    claimed = SpecifierSet(read_yaml("meta/runtime.yml")["requires_ansible"])
    tested = Version(version("ansible-core"))
    assert tested in claimed
    assert Version(f"{tested.major}.{tested.minor - 1}.99") not in claimed


def test_kubernetes_core_has_the_same_floor_wherever_it_is_asked_for(read_yaml: Any) -> None:
    in_galaxy = read_yaml("galaxy.yml")["dependencies"]
    in_requirements = {
        entry["name"]: entry["version"] for entry in read_yaml("collections/requirements.yml")["collections"]
    }
    assert in_galaxy == in_requirements


def test_requirements_neither_pin_nor_cap(root: Path) -> None:
    for name in ("requirements.txt", "requirements-openshift.txt"):
        for requirement in requirements(root / name):
            operators = {specifier.operator for specifier in requirement.specifier}
            assert operators <= {">=", "!="}, f"{name}: {requirement} caps or pins; environments hold many collections"
            assert not requirement.name.startswith("ansible"), f"{name}: {requirement} is the environment's business"


def test_requirements_refuse_the_kubernetes_client_that_drops_the_token(root: Path) -> None:
    (kubernetes,) = [item for item in requirements(root / "requirements.txt") if item.name == "kubernetes"]
    assert "36.0.0" not in kubernetes.specifier
    assert "36.0.3" in kubernetes.specifier


def test_development_requirements_are_pinned_so_that_runs_agree(root: Path) -> None:
    for requirement in requirements(root / "requirements-dev.txt"):
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], requirement


def test_execution_environment_takes_its_python_packages_from_requirements(read_yaml: Any) -> None:
    assert read_yaml("meta/execution-environment.yml") == {"version": 1, "dependencies": {"python": "requirements.txt"}}


def test_version_is_the_newest_release_or_has_fragments_waiting(root: Path, read_yaml: Any) -> None:
    current = Version(read_yaml("galaxy.yml")["version"])
    changelog = root / "changelogs/changelog.yaml"
    releases = read_yaml("changelogs/changelog.yaml")["releases"] if changelog.exists() else {}
    newest = max(map(Version, releases), default=Version("0.0.0"))
    waiting = list((root / "changelogs/fragments").glob("*.yml"))
    assert current == newest or (current > newest and waiting), f"galaxy.yml says {current}, the changelog {newest}"


def test_the_checkout_is_a_collection_through_a_relative_link(root: Path) -> None:
    link = root / "collections/ansible_collections/llmops/kubernetes"
    assert link.is_symlink()
    assert not os.path.isabs(link.readlink())
    assert link.resolve() == root.resolve()


def test_the_artifact_leaves_out_what_serves_the_checkout_alone(read_yaml: Any) -> None:
    ignored = set(read_yaml("galaxy.yml")["build_ignore"])
    assert {
        "collections",
        "tests",
        "tools",
        "benchmarks",
        "build",
        ".ci",
        "Makefile",
        "requirements-dev.txt",
    } <= ignored


def test_no_file_names_a_path_of_the_machine_it_was_written_on(root: Path, text_files: dict[str, str]) -> None:
    folders = "|".join(re.escape(str(path)) for path in (root, root.resolve(), Path.home()))
    machine_paths = re.compile(rf"(?<![\w.}}~/-])(?:{folders}|/home/[a-z]+|/Users/[a-z]+)/")
    offending = [
        f"{name}:{number}: {line.strip()}"
        for name, text in text_files.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if machine_paths.search(line)
    ]
    assert offending == []
