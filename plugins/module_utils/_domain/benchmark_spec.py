# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a benchmark asks for: checked as a whole, and joined with what is known about the releases. Pure.

The part that the load client reads is checked by the client's own parser, so that there is one truth about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.reader import SettingsError
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.settings import parse_settings
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probe_job import API_KEY, find_engine
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = [
    "ANY_URL",
    "BenchmarkSpec",
    "KeyReference",
    "TargetSpec",
    "describe_load",
    "key_variable",
    "parse_benchmark",
    "resolve_target",
]

# Never asked: it only stands where an address will be known later.
ANY_URL = "http://address.invalid"


@dataclass(frozen=True)
class KeyReference:
    """Where an API key is: a Secret of the release's namespace and its key."""

    secret: str
    key: str


@dataclass(frozen=True)
class TargetSpec:
    """One target as it was written: the clients' Service, the Service of a slot, or an address of the user's own."""

    name: str
    slot: str | None
    url: str | None
    model: str | None
    accelerators: int | None
    verify_certificate: bool | None
    api_key: KeyReference | None


@dataclass(frozen=True)
class BenchmarkSpec:
    """A benchmark: targets, and the settings of the client without them."""

    targets: tuple[TargetSpec, ...]
    settings: Mapping[str, Any]


def parse_benchmark(
    targets: Sequence[Any], settings: Mapping[str, Any], *, has_release: bool, run_from: str
) -> BenchmarkSpec:
    """Return the benchmark; InputError with every problem. ``has_release`` tells whether a release is named."""
    problems: list[Problem] = []
    if run_from == "cluster" and not has_release:
        hint = "Name the release, or set run_from to controller."
        problems.append(Problem("name", "a Job in the cluster runs in the image of a release", hint=hint))
    parsed = tuple(
        _parse_target(Fields(item, f"targets[{number}]", problems), has_release)
        for number, item in enumerate(targets or [{}])
    )
    wanted = {name: value for name, value in settings.items() if value is not None}
    written = [{"name": target.name, "url": target.url or ANY_URL, "model": target.model or "any"} for target in parsed]
    try:
        parse_settings({**wanted, "targets": written})
    except SettingsError as error:
        problems += [Problem(path, text) for path, text in error.problems]
    if problems:
        raise InputError(problems)
    return BenchmarkSpec(parsed, wanted)


def _parse_target(item: Fields, has_release: bool) -> TargetSpec:
    slot = item.text("slot", None, choices=labels.SLOTS)
    url = item.text("url", None)
    if slot is not None and url is not None:
        item.problem("url", "a target is a slot or an address, not both", url)
    key, reference = item.nested("api_key"), None
    if item.has("api_key"):
        reference = KeyReference(
            key.required_text("secret", "Name the Secret that holds the key."),
            key.required_text("key", "Name the key of the Secret."),
        )
        key.finish()
    target = TargetSpec(
        name=item.text("name", slot or ("url" if url else "service")),
        slot=slot,
        url=url,
        model=item.text("model", None),
        accelerators=item.integer("accelerators", None, minimum=0),
        verify_certificate=item.boolean("verify_certificate", None),
        api_key=reference,
    )
    item.finish()
    if not has_release and (url is None or target.model is None):
        item.problem_here("without a release a target needs url and model", None)
    if not has_release and reference is not None:
        item.problem("api_key", "a Secret is looked for in the namespace of a release: name one")
    return target


def key_variable(number: int) -> str:
    """Return the environment variable that carries the API key of a target."""
    return f"LLMOPS_BENCH_KEY_{number}"


def resolve_target(
    target: TargetSpec, number: int, deployment: Mapping[str, Any] | None, url: str | None
) -> tuple[dict[str, Any], KeyReference | None]:
    """Return a target as the client reads it, and where its key is.

    ``deployment`` is the one behind it and ``url`` its Service's; both are None for an address of the user's own.
    Services are asked by their address, which no certificate names: it is not checked there unless asked for.
    """
    reference = target.api_key or (_engine_key(deployment) if deployment is not None else None)
    resolved: dict[str, Any] = {"name": target.name, "url": target.url, "model": target.model}
    resolved["verify_certificate"] = target.verify_certificate is not False
    resolved["accelerators"] = target.accelerators or 0
    if deployment is not None and url is not None:
        notes = deployment["metadata"].get("annotations") or {}
        resolved["url"] = url
        resolved["model"] = target.model or notes.get(labels.SERVED_NAME, "")
        resolved["verify_certificate"] = bool(target.verify_certificate)
        if target.accelerators is None:
            resolved["accelerators"] = _count_accelerators(deployment)
    if reference is not None:
        resolved["api_key_env"] = key_variable(number)
    return resolved, reference


def _engine_key(deployment: Mapping[str, Any]) -> KeyReference | None:
    for variable in find_engine(deployment).get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if variable["name"] == API_KEY and reference:
            return KeyReference(reference["name"], reference["key"])
    return None


def _count_accelerators(deployment: Mapping[str, Any]) -> int:
    """Return the extended resources of all replicas: what throughput per GPU is divided by."""
    limits = (find_engine(deployment).get("resources") or {}).get("limits") or {}
    return int(deployment["spec"].get("replicas", 1)) * sum(int(n) for name, n in limits.items() if "/" in name)


def describe_load(settings: Mapping[str, Any]) -> list[str]:
    """Return in words what will be sent, a line for each phase; for check mode."""
    lines = []
    for number, phase in enumerate(settings.get("phases") or ()):
        load, stop = dict(phase.get("load") or {}), dict(phase.get("stop") or {})
        kind = load.pop("kind", "")
        words = ", ".join(f"{name} {value}" for name, value in {**load, **stop}.items())
        lines.append(f"{phase.get('name', f'phase{number}')}: {kind} load, {words}")
    if settings.get("sweep"):
        lines.append("sweep for the highest rate that meets the SLO")
    return lines
