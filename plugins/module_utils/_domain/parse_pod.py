# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the sections that describe a model server's pods: labels, GPUs, placement, times, security, network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.label_rules import (
    VALUE_ALLOWED,
    is_label_key,
    is_label_value,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import RESERVED_PREFIXES
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import (
    Drain,
    NetworkAccess,
    Parallel,
    Placement,
    Probes,
    Security,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.placement import REQUIRED
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.security import PROFILES

__all__ = [
    "is_dns_label",
    "parse_drain",
    "parse_network",
    "parse_object_labels",
    "parse_parallel",
    "parse_placement",
    "parse_probes",
    "parse_security",
    "parse_toleration",
]

_DNS_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
_DAY_SECONDS = 86400
_MODES = ("none", "preferred", "required")


def is_dns_label(text: str) -> bool:
    """Whether Kubernetes takes a text as the name of a namespace, a volume or a container (RFC 1123)."""
    return bool(_DNS_LABEL.match(text))


def parse_object_labels(fields: Fields, key: str) -> tuple[tuple[str, str], ...]:
    """Return labels or annotations; those of the collection are refused."""
    pairs = fields.text_map(key)
    for name, value in pairs:
        if name.startswith(RESERVED_PREFIXES):
            fields.problem(f"{key}.{name}", "is set by the collection", hint="Use a prefix of your own.")
        elif not is_label_key(name):
            fields.problem(
                f"{key}.{name}", "is no name of a label", hint="Letters, digits, - _ . with an optional prefix/."
            )
        if key == "labels" and not is_label_value(value):
            fields.problem(f"{key}.{name}", "is no value of a label", value, VALUE_ALLOWED)
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


def _check_node_affinity(fields: Fields) -> None:
    """Check the part of a node affinity that ``placement.gpu_products`` is added to; alternatives need not be many."""
    fields.raw("preferredDuringSchedulingIgnoredDuringExecution")
    if fields.has(REQUIRED):
        required = fields.nested(REQUIRED)
        terms = required.list_of_fields("nodeSelectorTerms")
        if required.raw("nodeSelectorTerms") in (None, []):
            required.problem("nodeSelectorTerms", "needs at least one term", required.raw("nodeSelectorTerms"))
        for term in terms:
            for key in ("matchExpressions", "matchFields"):
                term.mappings(key)
            term.finish()
        required.finish()
    fields.finish()


def parse_toleration(fields: Fields) -> dict[str, Any]:
    """Return a toleration as Kubernetes has it, checked as far as a typing error would change what it means."""
    for field in ("key", "value"):
        fields.raw(field)
    fields.text("operator", None, choices=("Exists", "Equal", "Gt", "Lt"))
    fields.text("effect", None, choices=("NoSchedule", "PreferNoSchedule", "NoExecute"))
    fields.raw("tolerationSeconds")
    fields.finish()
    return fields.whole()


def _parse_spread(placement: Fields) -> tuple[str, bool]:
    """Return by what pods are spread and whether they must be: a word, or a mapping with ``by`` and ``required``."""
    if not isinstance(placement.raw("spread"), Mapping):
        return placement.text("spread", "hostname", choices=("hostname", "zone", "none")), False
    fields = placement.nested("spread")
    found = fields.text("by", "hostname", choices=("hostname", "zone")), bool(fields.boolean("required", False))
    fields.finish()
    return found


def _parse_anti_affinity(placement: Fields) -> tuple[str, str]:
    """Return how strictly the release's own pods are apart and by what: a word, or a mapping of ``mode`` and ``by``."""
    if not isinstance(placement.raw("anti_affinity"), Mapping):
        return placement.text("anti_affinity", "none", choices=_MODES), "hostname"
    fields = placement.nested("anti_affinity")
    found = (
        fields.text("mode", "required", choices=_MODES),
        fields.text("by", "hostname", choices=("hostname", "zone")),
    )
    fields.finish()
    return found


def parse_placement(fields: Fields, accelerator: str | None) -> Placement:
    """Return the section ``placement``."""
    affinity = fields.raw("affinity")
    if affinity is not None:
        inner = fields.nested("affinity")
        _check_node_affinity(inner.nested("nodeAffinity"))
        for kind in ("podAffinity", "podAntiAffinity"):
            inner.nested(kind)
        inner.finish()
    spread, spread_is_required = _parse_spread(fields)
    anti_affinity, anti_affinity_by = _parse_anti_affinity(fields)
    placement = Placement(
        gpu_products=fields.texts("gpu_products"),
        preferred_gpu_products=fields.texts("preferred_gpu_products"),
        node_pool=fields.text("node_pool", None),
        dedicated=bool(fields.boolean("dedicated", False)),
        node_selector=fields.text_map("node_selector"),
        preferred_node_labels=fields.text_map("preferred_node_labels"),
        affinity=dict(affinity) if isinstance(affinity, dict) and affinity else None,
        tolerations=tuple(parse_toleration(each) for each in fields.list_of_fields("tolerations")),
        spread=spread,
        spread_is_required=spread_is_required,
        anti_affinity=anti_affinity,
        anti_affinity_by=anti_affinity_by,
        priority_class=fields.text("priority_class", None),
        runtime_class=fields.text("runtime_class", None),
    )
    for key, products in (
        ("gpu_products", placement.gpu_products),
        ("preferred_gpu_products", placement.preferred_gpu_products),
    ):
        if products and accelerator is None:
            fields.problem(key, "no accelerator is asked for", list(products), hint="See resources.")
    if placement.dedicated and placement.node_pool is None:
        fields.problem("dedicated", "needs node_pool", hint="Nodes are dedicated to a pool: name it.")
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
