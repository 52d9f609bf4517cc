# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of module options that carry their constraints; each mirrors a documentation fragment of the same name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from ansible.module_utils.common.parameters import env_fallback
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["Options", "cluster", "gate", "lock", "releases"]


@dataclass(frozen=True)
class Options:
    """An argument specification with the rules that belong to it; ``merge`` joins both.

    ``above_zero`` and ``zero_or_more`` name options with numbers; Ansible has no rule for that.
    """

    spec: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    above_zero: tuple[str, ...] = ()
    zero_or_more: tuple[str, ...] = ()

    def merge(self, *others: Options) -> Options:
        """Return all options and all rules together."""
        spec, rules = dict(self.spec), dict(self.rules)
        for other in others:
            spec.update(other.spec)
            for name, value in other.rules.items():
                rules[name] = (*rules.get(name, ()), *value)
        above_zero = tuple(name for each in (self, *others) for name in each.above_zero)
        zero_or_more = tuple(name for each in (self, *others) for name in each.zero_or_more)
        return Options(spec, rules, above_zero, zero_or_more)

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of ``AnsibleModule``."""
        return {"argument_spec": dict(self.spec), **{name: list(value) for name, value in self.rules.items()}}

    def check(self, params: Mapping[str, Any]) -> None:
        """Raise InputError for every number that is out of range; an option without a value is none."""
        numbers = {name: params[name] for name in (*self.above_zero, *self.zero_or_more) if params[name] is not None}
        problems = [
            Problem(name, "is out of range", f"{number:g}", "a number above zero" if strict else "zero or more")
            for name, number in numbers.items()
            for strict in [name in self.above_zero]
            if not isfinite(number) or number < 0 or (strict and number == 0)
        ]
        if problems:
            raise InputError(problems)


def _from_environment(option: str, **spec: Any) -> dict[str, Any]:
    return {**spec, "fallback": (env_fallback, [f"K8S_AUTH_{option.upper()}"])}


def cluster() -> Options:
    """Return how to reach the cluster: names, aliases and variables of kubernetes.core, and our time limits."""
    return Options(
        {
            "kubeconfig": _from_environment("kubeconfig", type="raw"),
            "context": _from_environment("context", type="str"),
            "host": _from_environment("host", type="str"),
            "api_key": _from_environment("api_key", type="str", no_log=True),
            "username": _from_environment("username", type="str"),
            "password": _from_environment("password", type="str", no_log=True),
            "validate_certs": _from_environment("verify_ssl", type="bool", aliases=["verify_ssl"]),
            "ca_cert": _from_environment("ssl_ca_cert", type="path", aliases=["ssl_ca_cert"]),
            "client_cert": _from_environment("cert_file", type="path", aliases=["cert_file"]),
            "client_key": _from_environment("key_file", type="path", aliases=["key_file"], no_log=False),
            "proxy": _from_environment("proxy", type="str"),
            "no_proxy": _from_environment("no_proxy", type="str"),
            "impersonate_user": _from_environment("impersonate_user", type="str"),
            "impersonate_groups": _from_environment("impersonate_groups", type="list", elements="str"),
            "connect_timeout_seconds": {"type": "float", "default": 5.0},
            "read_timeout_seconds": {"type": "float", "default": 30.0},
            "deadline_seconds": {"type": "float", "default": 120.0},
        },
        {"required_together": (("username", "password"), ("client_cert", "client_key"))},
        above_zero=("connect_timeout_seconds", "read_timeout_seconds", "deadline_seconds"),
    )


def gate() -> Options:
    """Return what every gate lets its user decide."""
    verdicts = ["fail", "inconclusive"]
    return Options({"fail_on": {"type": "list", "elements": "str", "choices": verdicts, "default": verdicts}})


def lock() -> Options:
    """Return who holds the locks of the releases that a module works on, and for how long without renewal."""
    return Options(
        {"lock_holder": {"type": "str"}, "lock_seconds": {"type": "int", "default": 300}}, above_zero=("lock_seconds",)
    )


def releases() -> Options:
    """Return the list of model servers that a module works on."""
    return Options(
        {
            "model_servers": {"type": "list", "elements": "dict", "required": True},
            "model_server_defaults": {"type": "dict", "default": {}},
            "only": {"type": "list", "elements": "str", "default": []},
        }
    )
