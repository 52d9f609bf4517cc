# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the user wrote to ``ModelServer`` values: one parse, all problems at once, before anything changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import (
    engine_args,
    labels,
    parse_containers,
    parse_pod,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.drain import plan_drain
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.engine_container import own_mounts, shm_bytes
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields, merge_defaults, nearest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import EngineVersion, ModelServer
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.parse_benchmark import parse_benchmark_sections
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.parse_engine import parse_engine, parse_model
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.parse_resources import parse_resources
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.patched import find_breakage
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pod import sample_template
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import parse_bytes, render_bytes
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["NAME_LENGTH_MAX", "parse_model_servers"]

# The longest derived name, NAME-revision-NNNNNNNNN, has to be a label's value too (63 characters).
NAME_LENGTH_MAX = 40
_STRATEGIES = ("auto", "surge", "in_place", "recreate")
_LATER_STRATEGIES = ("blue_green",)
# Sections that are planned and not there yet: saying so is better than ignoring them.
_LATER_SECTIONS = ("canary", "route", "scaling")


def parse_model_servers(
    raw: Sequence[Any], defaults: Mapping[str, Any] | None = None, only: Sequence[str] = ()
) -> tuple[ModelServer, ...]:
    """Return the releases of a list, narrowed to the names in ``only``; InputError with every problem of every release.

    ``defaults`` lie under each item, merged recursively. All releases are checked, also those that ``only`` leaves out.
    """
    problems: list[Problem] = []
    servers = [_parse_one(item, index, defaults or {}, problems) for index, item in enumerate(raw)]
    _check_duplicates(servers, problems)
    names = [server.name for server in servers]
    for name in only:
        if name not in names:
            guess = nearest(name, names)
            hint = f"Did you mean {guess}?" if guess else None
            problems.append(Problem("only", "there is no such release", repr(name), ", ".join(names), hint))
    if problems:
        raise InputError(problems)
    return tuple(server for server in servers if not only or server.name in only)


def _parse_one(item: Any, index: int, defaults: Mapping[str, Any], problems: list[Problem]) -> ModelServer:
    name = item.get("name") if isinstance(item, Mapping) else None
    merged = merge_defaults(defaults, item) if isinstance(item, Mapping) else item
    fields = Fields(merged, f"model_servers[{name if isinstance(name, str) else index}]", problems)
    before = len(problems)
    server = _read(fields)
    if len(problems) == before:
        _check_whole(fields, server)
    return server


def _read(fields: Fields) -> ModelServer:
    name = _name(fields, "name", NAME_LENGTH_MAX, "Name the release.", of_service=True)
    namespace = _name(fields, "namespace", 63, "Say in which namespace it runs.")
    version = _version(fields.nested("engine"))
    engine = parse_engine(fields.nested("engine"), version)
    parallel = parse_pod.parse_parallel(fields.nested("parallel"))
    resources = parse_resources(fields.nested("resources"), parallel)
    warmup = fields.nested("warmup")
    sidecars = parse_containers.parse_containers(fields, "sidecars")
    slo, benchmark = parse_benchmark_sections(fields)
    server = ModelServer(
        name=name,
        namespace=namespace,
        model=parse_model(fields.nested("model"), name, version),
        engine=engine,
        parallel=parallel,
        replicas=fields.integer("replicas", 1, minimum=0),
        resources=resources,
        placement=parse_pod.parse_placement(fields.nested("placement"), resources.accelerator),
        probes=parse_pod.parse_probes(fields.nested("probes"), has_api_key=engine.api_key is not None),
        drain=parse_pod.parse_drain(fields.nested("drain")),
        security=parse_pod.parse_security(fields),
        network=parse_pod.parse_network(fields.nested("network")),
        labels=parse_pod.parse_object_labels(fields, "labels"),
        annotations=parse_pod.parse_object_labels(fields, "annotations"),
        volumes=parse_containers.parse_volumes(fields),
        sidecars=sidecars,
        init=parse_containers.parse_containers(fields, "init", sidecars),
        rollout_strategy=_strategy(fields.nested("rollout")),
        warmup_requests=warmup.integer("requests", 0, minimum=0, maximum=10000),
        create_namespace=bool(fields.boolean("create_namespace", False)),
        patches=fields.mappings("patches"),
        slo=slo,
        benchmark=benchmark,
    )
    warmup.finish()
    for section in _LATER_SECTIONS:
        if fields.has(section):
            fields.problem(section, f"{section} is not supported yet", hint="Leave the section out.")
    fields.finish()
    return server


def _name(fields: Fields, key: str, length_max: int, hint: str, *, of_service: bool = False) -> str:
    name = fields.required_text(key, hint)
    starts = "a letter" if of_service else "a letter or digit"
    if name and (not parse_pod.is_dns_label(name) or len(name) > length_max or (of_service and name[0].isdigit())):
        allowed = (
            f"up to {length_max} lower-case letters, digits and hyphens, starting with {starts}, without a hyphen last"
        )
        fields.problem(key, "is no name of a Service" if of_service else "is no DNS label", name, allowed)
    return name


def _version(fields: Fields) -> EngineVersion:
    text = fields.required_text("version", 'Say which vLLM is inside of the image, for example "0.18.0".')
    try:
        version = engine_args.parse_version(text) if text else engine_args.NEWEST
    except ValueError as error:
        fields.problem("version", str(error))
        return engine_args.NEWEST
    if version < engine_args.OLDEST:
        fields.problem("version", "is older than what is known here", text, f"{engine_args.OLDEST} or newer")
    return version


def _strategy(fields: Fields) -> str:
    value = fields.raw("strategy")
    if value in _LATER_STRATEGIES:
        fields.problem("strategy", f"{value} is not supported yet", value, ", ".join(_STRATEGIES))
        return "auto"
    strategy = fields.text("strategy", "auto", choices=_STRATEGIES)
    fields.finish()
    return strategy


def _check_whole(fields: Fields, server: ModelServer) -> None:
    """Check what only all sections together can tell."""
    source, names = server.model.source, [volume.name for volume in server.volumes]
    if source.scheme == "volume" and source.root not in names:
        guess = nearest(source.root, names)
        hint = f"Did you mean {guess}?" if guess else "Add it to volumes, with a mount."
        fields.problem("model.source", f"there is no volume {source.root}", allowed=", ".join(names) or None, hint=hint)
        return
    parse_containers.check_mounts(fields, server.volumes, own_mounts(server))
    try:
        plan_drain(server.drain, server.engine.version)
    except ValueError as error:
        hint = "Leave drain.grace_seconds out to have it computed, or shorten the drain."
        fields.problem("drain.grace_seconds", str(error), server.drain.grace_seconds, hint=hint)
        return
    limit = dict(server.resources.limits).get("memory")
    if limit is not None and parse_bytes(limit) <= shm_bytes(server):
        size = render_bytes(shm_bytes(server))
        fields.problem(
            "resources.limits.memory",
            f"is not larger than /dev/shm ({size}), which counts against it",
            limit,
            f"more than {size}",
            "Raise the limit or set resources.shm.",
        )
    _check_template(fields, server)


def _check_template(fields: Fields, server: ModelServer) -> None:
    """Render the pods as a run does, so that what has been parsed can be rendered, and look at what patches leave."""
    hint = "`state: rendered` shows the template that patches start from."
    for slot in labels.SLOTS:
        try:
            template = sample_template(server, slot)
        except ValueError as error:
            fields.problem("patches", str(error), hint=hint)
            return
        if breakage := find_breakage(template, server, slot):
            for each in breakage:
                fields.problem("patches", each, hint=hint)
            return


def _check_duplicates(servers: Sequence[ModelServer], problems: list[Problem]) -> None:
    seen: set[tuple[str, str]] = set()
    for server in servers:
        key = (server.namespace, server.name)
        if key in seen and server.name:
            problems.append(
                Problem(
                    f"model_servers[{server.name}].name",
                    f"there are two releases of this name in namespace {server.namespace}",
                    hint="Give one of them another name or namespace.",
                )
            )
        seen.add(key)
