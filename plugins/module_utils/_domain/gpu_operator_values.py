# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of the GPU Operator's chart: the user's over ours, checked key by key against what this chart knows.

Helm ignores a key that no template reads, in silence: a misspelt limit, or one that another version of the chart has
moved, would be no limit at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import merge_defaults, nearest, shown
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["NFD", "Chart", "check_values", "merge_values", "parse_chart"]

NFD = "node-feature-discovery"
Path = tuple[str, ...]
# Mappings whose content is Kubernetes' or another program's, not the chart's.
_FREE = ("affinity", "annotations", "data", "env", "labels", "nodeSelector", "resources", "securityContext")
# What Helm and the chart's helpers read without a line in values.yaml.
_ALWAYS = ("global", "nameOverride", "fullnameOverride")
_ACTIVE = re.compile(r"^(\s*)([\w-]+):(?:\s|$)")
_COMMENTED = re.compile(r"^(\s*)#\s?([a-z]\w*):(?:\s|$)")
# A release (595.91.07), a branch of precompiled drivers (595), or a digest; see the tags of the image nvidia/driver.
_DRIVER_RELEASE = re.compile(r"^\d{3,}\.\d{2,}(\.\d{2})?([-.][\w.-]+)?$")
_DRIVER_BRANCH = re.compile(r"^\d{3,}$")
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
_CHOICES: Mapping[Path, Sequence[str]] = {
    ("mig", "strategy"): ("none", "single", "mixed"),
    ("daemonsets", "updateStrategy"): ("RollingUpdate", "OnDelete"),
    ("sandboxWorkloads", "defaultWorkload"): ("container", "vm-passthrough", "vm-vgpu"),
}
# Ours, wherever the chart knows the key. Every model server has an emptyDir (/dev/shm, caches): without the first, the
# driver upgrade of its node fails before the first pod is asked to go. CustomResourceDefinitions are applied before the
# chart, which needs no Job with the new image, and are kept when it goes.
_OURS: Mapping[Path, Any] = {
    ("driver", "upgradePolicy", "gpuPodDeletion", "deleteEmptyDir"): True,
    ("operator", "upgradeCRD"): False,
    ("operator", "cleanupCRD"): False,
}
# The same for charts before the upgrade policy, in which a list of variables says it.
_OLD_DELETE = "DRAIN_DELETE_EMPTYDIR_DATA"


@dataclass(frozen=True)
class Chart:
    """A chart: its own values, with the sub-chart's below its name, and keys that are only shown as comments."""

    name: str
    version: str
    app_version: str
    values: Mapping[str, Any] = field(default_factory=dict)
    commented: frozenset[Path] = frozenset()
    nfd_version: str = ""


def parse_chart(
    chart: Mapping[str, Any], values: Mapping[str, Any], text: str, nfd: Mapping[str, Any] | None, nfd_version: str
) -> Chart:
    """Return a chart from Chart.yaml, values.yaml (parsed and as text), and the sub-chart's values.

    Raise InputError for a chart that is not the GPU Operator's.
    """
    name, version = str(chart.get("name") or ""), str(chart.get("version") or "")
    if name != "gpu-operator" or "driver" not in values or not version:
        allowed = "a chart named gpu-operator with a version and values.yaml"
        raise InputError([Problem("chart", "is no chart of the GPU Operator", repr(name), allowed)])
    whole = dict(values)
    whole[NFD] = merge_defaults(nfd or {}, values.get(NFD) or {})
    app_version = str(chart.get("appVersion") or version)
    return Chart(name, version, app_version, whole, frozenset(_find_commented(text)), nfd_version)


def _find_commented(text: str) -> Iterator[Path]:
    """Yield the paths of keys that values.yaml only shows as comments, such as ``#version: ""`` below ``operator``."""
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        if found := _ACTIVE.match(line):
            indent = len(found[1])
            above = [each for each in above if each[0] < indent]
            above.append((indent, found[2]))
        elif found := _COMMENTED.match(line):
            indent = len(found[1])
            yield (*(key for depth, key in above if depth < indent), found[2])


def _has(values: Mapping[str, Any], path: Path) -> bool:
    for key in path:
        if not isinstance(values, Mapping) or key not in values:
            return False
        values = values[key]
    return True


def _get(values: Any, path: Path) -> Any:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _nest(path: Path, value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    nested: dict[str, Any] = value
    return nested


def merge_values(chart: Chart, user: Mapping[str, Any], nfd_included: bool) -> dict[str, Any]:
    """Return the values to install with: the user's over ours; what equals the chart's own is left to it."""
    ours: dict[str, Any] = {}
    wanted = {**_OURS, ("nfd", "enabled"): nfd_included}
    for path, value in wanted.items():
        if _has(chart.values, path):
            ours = merge_defaults(ours, _nest(path, value))
    path = ("driver", "manager", "env")
    env = _get(chart.values, path)
    if isinstance(env, list) and any(each.get("name") == _OLD_DELETE for each in env):
        told = [{**each, "value": "true"} if each.get("name") == _OLD_DELETE else each for each in env]
        ours = merge_defaults(ours, _nest(path, told))
    return merge_defaults(ours, user)


def check_values(chart: Chart, user: Mapping[str, Any], path: str = "values") -> None:
    """Raise InputError with every value that this chart does not know or that cannot be."""
    problems: list[Problem] = []
    _check(user, chart.values, (), chart, path, problems)
    problems += _check_choices(user, path)
    problems += _check_driver(merge_defaults(chart.values, user), path)
    if problems:
        raise InputError(problems)


def _check(
    user: Mapping[str, Any], known: Mapping[str, Any], at: Path, chart: Chart, path: str, problems: list[Problem]
) -> None:
    comments = [each[-1] for each in chart.commented if each[:-1] == at]
    allowed = [*known, *comments, *(_ALWAYS if not at else ())]
    for key, value in user.items():
        here = f"{path}.{key}"
        if key not in allowed:
            guess = nearest(str(key), allowed)
            words = f"chart {chart.name} {chart.version} has no such value"
            hint = f"Did you mean {guess}?" if guess else "Its values.yaml lists what there is."
            problems.append(Problem(here, words, hint=hint))
        elif key in known and value is not None:
            _check_value(value, known[key], (*at, str(key)), chart, here, problems)


def _check_value(value: Any, default: Any, at: Path, chart: Chart, path: str, problems: list[Problem]) -> None:
    free = at[-1] in _FREE or (at[0] == NFD and at[-1] == "config")
    if isinstance(default, Mapping):
        if not isinstance(value, Mapping):
            problems.append(Problem(path, "expected a mapping", shown(value)))
        elif default and not free:
            _check(value, default, at, chart, path, problems)
    elif isinstance(default, list):
        if not isinstance(value, list):
            problems.append(Problem(path, "expected a list", shown(value)))
    elif isinstance(default, bool):
        if not isinstance(value, bool):
            # Any text is true in a template, "false" as well.
            problems.append(Problem(path, "expected true or false, without quotes", shown(value)))
    elif default is not None and isinstance(value, (Mapping, list)):
        problems.append(Problem(path, "expected a single value", shown(value), f"such as {default!r}"))


def _check_choices(user: Mapping[str, Any], path: str) -> list[Problem]:
    problems = []
    for at, choices in _CHOICES.items():
        value = _get(user, at)
        if value is not None and value not in choices:
            problems.append(Problem(f"{path}.{'.'.join(at)}", "no such choice", shown(value), ", ".join(choices)))
    return problems


def _check_driver(values: Mapping[str, Any], path: str) -> list[Problem]:
    driver = values["driver"] if isinstance(values.get("driver"), Mapping) else {}
    version = driver.get("version")
    if driver.get("enabled") is False or version in (None, ""):
        return []
    allowed = "a release such as 580.105.08, or a digest sha256:..."
    fits = _DRIVER_BRANCH if driver.get("usePrecompiled") is True else _DRIVER_RELEASE
    if fits is _DRIVER_BRANCH:
        allowed = "the branch of a precompiled driver such as 580, or a digest sha256:..."
    if isinstance(version, str) and (fits.match(version) or _DIGEST.match(version)):
        return []
    hint = "Put quotes around it." if isinstance(version, (int, float)) else None
    return [Problem(f"{path}.driver.version", "is no version of a driver", shown(version), allowed, hint)]
