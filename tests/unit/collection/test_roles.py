# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument specification of a role is its only option reference, so it must be true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import ROLES

TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "dict": (dict,),
    "float": (float, int),
    "int": (int,),
    "list": (list,),
    "path": (str,),
    "raw": (object,),
    "str": (str,),
}


def is_template(value: Any) -> bool:
    """Return whether the value is computed when it is used, so that its type shows only then."""
    return isinstance(value, str) and "{{" in value


@pytest.fixture(params=ROLES)
def role(request: pytest.FixtureRequest) -> str:
    """Return the name of each role in turn."""
    return str(request.param)


@pytest.fixture
def options(role: str, read_yaml: Any) -> dict[str, Any]:
    """Return the options that the role's main entry point specifies."""
    specified = read_yaml(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert isinstance(specified, dict)
    return specified


@pytest.fixture
def defaults(role: str, read_yaml: Any) -> dict[str, Any]:
    """Return the role's defaults."""
    return read_yaml(f"roles/{role}/defaults/main.yml") or {}


def own(role: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the role itself, without the inventory's variables that it reads besides."""
    return {name: option for name, option in options.items() if name.startswith(f"{role}_")}


def test_role_specifies_exactly_what_it_has_defaults_for_or_requires(
    role: str, options: dict[str, Any], defaults: dict[str, Any]
) -> None:
    without_default = {name for name, option in options.items() if "default" not in option}
    assert set(defaults) == set(options) - (without_default - set(defaults))
    assert {name for name in without_default - set(defaults) if not options[name].get("required")} == set()


def test_role_documents_the_defaults_that_it_has(options: dict[str, Any], defaults: dict[str, Any]) -> None:
    specified = {name: option.get("default") for name, option in options.items() if name in defaults}
    assert specified == defaults


def test_role_defaults_have_the_type_that_the_specification_names(
    options: dict[str, Any], defaults: dict[str, Any]
) -> None:
    wrong = {
        name: value
        for name, value in defaults.items()
        if value is not None
        and not is_template(value)
        and (
            not isinstance(value, TYPES[options[name].get("type", "str")])
            or (isinstance(value, bool) and options[name].get("type") in ("int", "float"))
            or ("choices" in options[name] and value not in options[name]["choices"])
        )
    }
    assert wrong == {}


def test_role_describes_every_option(options: dict[str, Any]) -> None:
    assert [name for name, option in options.items() if not option.get("description")] == []


def test_role_variables_carry_the_name_of_the_role(role: str, defaults: dict[str, Any]) -> None:
    assert [name for name in defaults if not name.startswith(f"{role}_")] == []


def test_role_has_a_readme_that_says_how_it_is_used(role: str, root: Path) -> None:
    text = (root / "roles" / role / "README.md").read_text(encoding="utf-8")
    assert f"llmops.kubernetes.{role}" in text


def test_role_names_the_ansible_that_the_collection_requires(role: str, read_yaml: Any) -> None:
    role_info = read_yaml(f"roles/{role}/meta/main.yml")["galaxy_info"]
    floor = read_yaml("meta/runtime.yml")["requires_ansible"].removeprefix(">=")
    assert floor.startswith(role_info["min_ansible_version"])
