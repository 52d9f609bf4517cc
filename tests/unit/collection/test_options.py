# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options are written twice, as documentation and as what Ansible checks: both say the same."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.parameters import env_fallback
from ansible_collections.llmops.kubernetes.plugins.module_utils import _options
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options

from .conftest import MODULES
from .test_documentation import documentation

PACKAGE = "ansible_collections.llmops.kubernetes.plugins"
GROUPS = [name for name in _options.__all__ if name != "Options"]


def contract(option: dict[str, Any]) -> dict[str, Any]:
    """Return what both sides must say of an option, with the default values of the keywords themselves."""
    said = {name: option.get(name) for name in ("elements", "default")}
    said.update({name: sorted(option.get(name) or []) for name in ("choices", "aliases")})
    said.update(type=option.get("type", "str"), required=bool(option.get("required")))
    inner = option.get("options") or option.get("suboptions") or {}
    return {**said, "suboptions": {name: contract(each) for name, each in inner.items()}}


def contracts(options: dict[str, Any]) -> dict[str, Any]:
    return {name: contract(option) for name, option in options.items()}


def fragment(name: str) -> dict[str, Any]:
    """Return the documented options of a fragment."""
    module = importlib.import_module(f"{PACKAGE}.doc_fragments.{name}")
    options: dict[str, Any] = yaml.safe_load(module.ModuleDocFragment.DOCUMENTATION)["options"]
    return options


def options_of(module: str) -> Options:
    """Return the options that a module gives to Ansible."""
    options: Options = importlib.import_module(f"{PACKAGE}.modules.{module}").OPTIONS
    return options


def text_of(option: dict[str, Any]) -> str:
    description = option["description"]
    return description if isinstance(description, str) else " ".join(description)


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_of_options_says_what_its_fragment_says(name: str) -> None:
    assert contracts(dict(getattr(_options, name)().spec)) == contracts(fragment(name))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_checks_exactly_the_options_that_it_documents(module: str) -> None:
    doc, _examples, _returned = documentation(module)
    assert contracts(dict(options_of(module).spec)) == contracts(doc["options"])


def test_every_fallback_to_a_variable_is_documented_and_no_other_is() -> None:
    documented = {
        name: re.findall(r"E\((K8S_AUTH_\w+)\)", text_of(option)) for name, option in fragment("cluster").items()
    }
    spec = _options.cluster().spec
    checked = {name: option["fallback"] for name, option in spec.items() if "fallback" in option}
    assert {name: [fallback, *names] for name, (fallback, names) in checked.items()} == {
        name: [env_fallback, *names] for name, names in documented.items() if names
    }


def test_options_that_carry_secrets_are_never_logged() -> None:
    secret = {name for name, option in _options.cluster().spec.items() if option.get("no_log")}
    assert secret == {"api_key", "password"}


@pytest.mark.parametrize("module", MODULES)
def test_rules_of_a_module_name_options_that_exist(module: str) -> None:
    options = options_of(module)
    assert options.rules
    assert {name for rules in options.rules.values() for rule in rules for name in rule} <= set(options.spec)


@pytest.mark.parametrize("module", MODULES)
def test_numbers_with_a_limit_are_options_with_numbers_and_say_so(module: str) -> None:
    options = options_of(module)
    limited = (*options.above_zero, *options.zero_or_more)
    assert limited
    assert {options.spec[name]["type"] for name in limited} <= {"int", "float"}
    assert {name for name in options.spec if name.endswith("_seconds")} <= set(limited)


@pytest.mark.parametrize("name", _options.cluster().above_zero)
def test_the_documentation_of_a_time_says_its_limit(name: str) -> None:
    assert "above zero" in text_of(fragment("cluster")[name])


@pytest.mark.parametrize("value", [0, -1.5, float("nan"), float("inf")])
def test_a_number_out_of_range_is_refused_with_what_is_allowed(value: float) -> None:
    options = Options({"a": {"type": "float"}}, above_zero=("a",), zero_or_more=("b",))
    with pytest.raises(InputError, match=rf"^a: is out of range \(got {value:g}\); allowed: a number above zero$"):
        options.check({"a": value, "b": 0})


def test_numbers_in_range_pass_and_all_others_are_told_at_once() -> None:
    options = Options(above_zero=("a",)).merge(Options(zero_or_more=("b", "c")))
    options.check({"a": 0.1, "b": 0, "c": None})
    with pytest.raises(
        InputError, match=r"a: is out of range[^$]*b: is out of range \(got -1\); allowed: zero or more"
    ):
        options.check({"a": 0, "b": -1, "c": 0})


def test_merging_joins_options_and_rules_and_leaves_both_sides_as_they_were() -> None:
    one = Options({"a": {"type": "str"}}, {"required_together": (("a", "b"),)})
    other = Options({"b": {"type": "int"}}, {"required_together": (("b", "c"),), "mutually_exclusive": (("a", "c"),)})
    assert one.merge(other).arguments() == {
        "argument_spec": {"a": {"type": "str"}, "b": {"type": "int"}},
        "required_together": [("a", "b"), ("b", "c")],
        "mutually_exclusive": [("a", "c")],
    }
    assert list(one.spec) == ["a"]
    assert one.rules == {"required_together": (("a", "b"),)}
