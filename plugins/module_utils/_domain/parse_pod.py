# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the sections that describe a model server's pods: resources, placement, times, volumes, containers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import RESERVED_PREFIXES
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import (
    Container,
    Drain,
    NetworkAccess,
    Parallel,
    Placement,
    Probes,
    Resources,
    Security,
    Volume,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.parse_engine import looks_secret, parse_image
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.security import PROFILES
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import parse_bytes, parse_quantity

__all__ = [
    "is_dns_label",
    "parse_containers",
    "parse_drain",
    "parse_network",
    "parse_object_labels",
    "parse_parallel",
    "parse_placement",
    "parse_probes",
    "parse_resources",
    "parse_security",
    "parse_volumes",
]

_DNS_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
_LABEL_KEY = re.compile(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_LABEL_VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
_OWN_VOLUMES = ("tmp", "cache", "shm", "model", "files", "chat-template", "tls")
_VOLUME_KINDS = ("pvc", "configmap", "secret", "csi", "empty_dir")
_DAY_SECONDS = 86400


def is_dns_label(text: str) -> bool:
    """Whether Kubernetes takes a text as the name of a Service or a namespace."""
    return bool(_DNS_LABEL.match(text))


def parse_object_labels(fields: Fields, key: str) -> tuple[tuple[str, str], ...]:
    """Return labels or annotations; those of the collection are refused."""
    pairs = fields.text_map(key)
    for name, value in pairs:
        if name.startswith(RESERVED_PREFIXES):
            fields.problem(f"{key}.{name}", "is set by the collection", hint="Use a prefix of your own.")
        elif not _LABEL_KEY.match(name):
            fields.problem(
                f"{key}.{name}", "is no name of a label", hint="Letters, digits, - _ . with an optional prefix/."
            )
        if key == "labels" and not _LABEL_VALUE.match(value):
            fields.problem(f"{key}.{name}", "is no value of a label", value, "up to 63 letters, digits, - _ .")
    return pairs


def parse_parallel(fields: Fields) -> Parallel:
    """Return the section ``parallel``."""
    parallel = Parallel(
        tensor=fields.integer("tensor", 1, minimum=1),
        pipeline=fields.integer("pipeline", 1, minimum=1),
        data=fields.integer("data", 1, minimum=1),
        expert=bool(fields.boolean("expert", False)),
    )
    if fields.integer("nodes", 1, minimum=1) != 1:
        fields.problem("nodes", "a replica that spans nodes is not supported yet", hint="Use GPUs of one node.")
    fields.finish()
    return parallel


def _quantities(fields: Fields, key: str) -> tuple[tuple[str, str], ...]:
    pairs = fields.text_map(key)
    for name, value in pairs:
        try:
            if parse_quantity(value) <= 0:
                fields.problem(f"{key}.{name}", "must be more than zero", value)
        except ValueError as error:
            fields.problem(f"{key}.{name}", str(error), value)
    return pairs


def parse_resources(fields: Fields, parallel: Parallel) -> Resources:
    """Return the section ``resources``; the number of GPUs follows ``parallel``."""
    accelerator: str | None = fields.text("accelerator", "nvidia.com/gpu")
    if accelerator == "none" or accelerator is None:
        accelerator = None
    elif "/" not in accelerator:
        fields.problem("accelerator", "is no extended resource", accelerator, "none, nvidia.com/gpu, amd.com/gpu, ...")
    gpus = fields.integer("gpus", parallel.gpus, minimum=0)
    wanted = parallel.gpus if accelerator is not None else 0
    if fields.has("gpus") and gpus != wanted:
        fields.problem(
            "gpus",
            f"does not fit parallel: tensor {parallel.tensor} x pipeline {parallel.pipeline} x data {parallel.data} = "
            f"{parallel.gpus} GPUs of {accelerator}"
            if accelerator
            else "no accelerator is asked for",
            gpus,
            str(wanted),
            "Leave resources.gpus out, or change parallel.",
        )
    requests, limits = _quantities(fields, "requests"), _quantities(fields, "limits")
    for section, pairs in (("requests", requests), ("limits", limits)):
        if accelerator is not None and accelerator in dict(pairs):
            fields.problem(f"{section}.{accelerator}", "is computed from parallel", hint="Leave it out.")
    shm: int | None = None
    if fields.has("shm"):
        try:
            shm = parse_bytes(str(fields.raw("shm")))
        except ValueError as error:
            fields.problem("shm", str(error), fields.raw("shm"))
    fields.finish()
    return Resources(accelerator, requests, limits, shm)


def parse_placement(fields: Fields, accelerator: str | None) -> Placement:
    """Return the section ``placement``."""
    affinity = fields.raw("affinity")
    if affinity is not None:
        inner = fields.nested("affinity")
        for kind in ("nodeAffinity", "podAffinity", "podAntiAffinity"):
            inner.raw(kind)
        inner.finish()
    placement = Placement(
        gpu_products=fields.texts("gpu_products"),
        node_pool=fields.text("node_pool", None),
        node_selector=fields.text_map("node_selector"),
        affinity=dict(affinity) if isinstance(affinity, dict) and affinity else None,
        tolerations=fields.mappings("tolerations"),
        spread=fields.text("spread", "hostname", choices=("hostname", "zone", "none")),
        priority_class=fields.text("priority_class", None),
        runtime_class=fields.text("runtime_class", None),
    )
    if placement.gpu_products and accelerator is None:
        fields.problem(
            "gpu_products", "no accelerator is asked for", list(placement.gpu_products), hint="See resources."
        )
    fields.finish()
    return placement


def parse_probes(fields: Fields, *, has_api_key: bool) -> Probes:
    """Return the section ``probes``; every time is a whole number of seconds above zero."""
    numbers: dict[str, Any] = {}
    for name, value in Probes().__dict__.items():
        if name != "path":
            unit = "" if name.endswith("failures") else "seconds"
            numbers[name] = fields.integer(name, value, minimum=1, maximum=_DAY_SECONDS, unit=unit)
    probes = Probes(path=fields.text("path", "/health"), **numbers)
    if not probes.path.startswith("/"):
        fields.problem("path", "must start with /", probes.path)
    if has_api_key and probes.path.startswith(("/v1", "/v2")):
        fields.problem("path", "answers 401 without the API key, which a probe cannot send", probes.path, "/health")
    fields.finish()
    return probes


def parse_drain(fields: Fields) -> Drain:
    """Return the section ``drain``, in seconds."""
    drain = Drain(
        stream_seconds_max=fields.integer("stream_seconds_max", 120, minimum=1, maximum=_DAY_SECONDS, unit="seconds"),
        endpoint_seconds=fields.integer("endpoint_seconds", 15, minimum=0, maximum=_DAY_SECONDS, unit="seconds"),
        grace_seconds=fields.integer("grace_seconds", None, minimum=1, maximum=_DAY_SECONDS, unit="seconds"),
        middleware=fields.boolean("middleware", None),
    )
    fields.finish()
    return drain


def parse_security(holder: Fields) -> Security:
    """Return the section ``security``: a profile's name, or a mapping."""
    value = holder.raw("security")
    if isinstance(value, str):
        return Security(profile=holder.text("security", "restricted", choices=PROFILES))
    fields = holder.nested("security")
    security = Security(
        profile=fields.text("profile", "restricted", choices=PROFILES),
        run_as_user=fields.integer("run_as_user", 65532, minimum=1, maximum=2**31 - 1),
        fs_group=fields.integer("fs_group", None, minimum=1, maximum=2**31 - 1),
        service_account=fields.text("service_account", None),
    )
    fields.finish()
    return security


def parse_network(fields: Fields) -> NetworkAccess:
    """Return the section ``network``."""
    network = NetworkAccess(bool(fields.boolean("enabled", True)), fields.mappings("ingress_from"))
    fields.finish()
    return network


def _parse_volume(fields: Fields) -> Volume | None:
    name = fields.required_text("name", "Name the volume.")
    mount = fields.required_text("mount", "Say where the engine mounts it.")
    kinds = [kind for kind in _VOLUME_KINDS if fields.raw(kind) is not None]
    if name and (not is_dns_label(name) or name in _OWN_VOLUMES):
        fields.problem("name", "is no free name of a volume", name, f"a DNS label other than {', '.join(_OWN_VOLUMES)}")
    if mount and not mount.startswith("/"):
        fields.problem("mount", "must be an absolute path", mount)
    if len(kinds) != 1:
        fields.problem_here("a volume has exactly one source", sorted(fields.keys()), ", ".join(_VOLUME_KINDS))
        return None
    kind = kinds[0]
    by_name = kind in ("pvc", "configmap", "secret")
    source = fields.text(kind, "") if by_name else fields.raw(kind)
    if not by_name and not isinstance(source, dict):
        fields.problem(kind, "expected a mapping", source)
    volume = Volume(
        name=name,
        kind=kind,
        source=source,
        mount=mount,
        read_only=bool(fields.boolean("read_only", kind != "empty_dir")),
        sub_path=fields.text("sub_path", None),
    )
    fields.finish()
    return volume


def parse_volumes(holder: Fields) -> tuple[Volume, ...]:
    """Return the extra volumes; names and mount points must differ."""
    volumes = [volume for item in holder.list_of_fields("volumes") if (volume := _parse_volume(item)) is not None]
    for kind in ("name", "mount"):
        values = [getattr(volume, kind) for volume in volumes]
        for value in sorted({each for each in values if values.count(each) > 1}):
            holder.problem("volumes", f"two volumes have the same {kind}", value)
    return tuple(volumes)


def _plain_secrets(spec: Mapping[str, Any]) -> list[str]:
    """Return the variables of a container that hold a secret as plain text."""
    variables = spec.get("env")
    return [
        str(each.get("name"))
        for each in (variables if isinstance(variables, (list, tuple)) else ())
        if isinstance(each, Mapping) and each.get("value") and looks_secret(str(each.get("name")))
    ]


def parse_containers(holder: Fields, key: str) -> tuple[Container, ...]:
    """Return sidecars or init containers as Kubernetes writes them: pinned image, no privileges."""
    containers = []
    for fields, spec in zip(holder.list_of_fields(key), holder.mappings(key)):
        name = fields.required_text("name", "Name the container.")
        if name and (not is_dns_label(name) or name == "engine"):
            fields.problem("name", "is no free name of a container", name, "a DNS label other than engine")
        parse_image(fields, "image")
        context = spec.get("securityContext")
        if isinstance(context, Mapping) and (context.get("privileged") or context.get("allowPrivilegeEscalation")):
            fields.problem("securityContext", "a privileged container is refused", hint="Use patches if it must be.")
        for variable in _plain_secrets(spec):
            fields.problem(
                f"env.{variable}",
                "looks like a secret and must not stand in the inventory",
                hint="Refer to a Secret of the namespace: valueFrom: {secretKeyRef: {name: NAME, key: KEY}}.",
            )
        containers.append(Container(name, spec))
    return tuple(containers)
