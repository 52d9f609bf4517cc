# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation shows exists, and what exists is documented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.plugins.loader import fragment_loader, module_loader
from ansible.utils.plugin_docs import get_docstring

from .conftest import MODULES, PLAYBOOKS, ROLES

HEADINGS = [
    "What it guarantees",
    "First run",
    "Your own cluster",
    "Installation",
    "Modules, roles and playbooks",
    "Support matrix",
    "Tests",
    "Licence",
]


def documentation(module: str) -> tuple[dict[str, Any], str, Any]:
    """Return DOCUMENTATION with its fragments merged, EXAMPLES as text, and RETURN of a module of ours."""
    path = module_loader.find_plugin(f"llmops.kubernetes.{module}")
    assert path is not None, f"ansible does not find llmops.kubernetes.{module}"
    doc, examples, returned, _metadata = get_docstring(
        path, fragment_loader, is_module=True, collection_name="llmops.kubernetes", plugin_type="module"
    )
    assert doc is not None, f"{path} has no readable DOCUMENTATION"
    return doc, examples, returned


def tasks_of(items: list[Any]) -> list[dict[str, Any]]:
    """Return the tasks of a list of plays or tasks, also those inside blocks."""
    tasks = []
    for item in items:
        nested = [item[key] for key in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always") if key in item]
        if nested:
            tasks += [task for part in nested for task in tasks_of(part)]
        else:
            tasks.append(item)
    return tasks


def unknown_options(given: Any, options: dict[str, Any], path: str) -> list[str]:
    """Return the paths of keys that the options do not have; free-form dictionaries hold anything."""
    found = []
    aliases = {alias: name for name, option in options.items() for alias in option.get("aliases", [])}
    for key, value in given.items():
        option = options.get(aliases.get(key, key))
        if option is None:
            found.append(f"{path}.{key}")
            continue
        suboptions = option.get("suboptions")
        if suboptions:
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, dict):
                    found += unknown_options(item, suboptions, f"{path}.{key}")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_a_module_use_it_with_options_that_exist(module: str) -> None:
    doc, examples, _returned = documentation(module)
    name = f"llmops.kubernetes.{module}"
    uses = [task for task in tasks_of(yaml.safe_load(examples)) if name in task]
    assert uses, f"EXAMPLES of {name} never use it"
    assert [bad for task in uses for bad in unknown_options(task[name] or {}, doc["options"], name)] == []


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_a_module_name_every_task_and_use_a_result(module: str) -> None:
    _doc, examples, _returned = documentation(module)
    tasks = tasks_of(yaml.safe_load(examples))
    assert [task for task in tasks if not task.get("name")] == []
    registered = [task["register"] for task in tasks if "register" in task]
    assert registered, f"no example of {module} shows what to do with the result"
    assert any(f"{name}." in examples for name in registered)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_check_mode_and_diff_mode_do(module: str) -> None:
    doc, _examples, returned = documentation(module)
    assert {"check_mode", "diff_mode"} <= set(doc["attributes"])
    assert returned, f"{module} documents no result"


@pytest.mark.parametrize("name", [*(f"`{module}`" for module in MODULES), *(f"`{role}`" for role in ROLES)])
def test_readme_lists_every_module_and_role(name: str, root: Path) -> None:
    assert name in (root / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_readme_lists_every_playbook(playbook: str, root: Path) -> None:
    assert f"`{playbook}.yml`" in (root / "README.md").read_text(encoding="utf-8")


def test_readme_has_the_sections_that_a_newcomer_looks_for(root: Path) -> None:
    lines = (root / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line[3:] for line in lines if line.startswith("## ")] == HEADINGS
