# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what accelerators a cluster has and who holds them.

Each kind is listed once. Nodes and pods are needed; where anything else may not be read, it is unknown and said so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Callable

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.accelerators import (
    DRIVERS,
    RESOURCES,
    is_accelerator,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.capacity import evaluate_supply
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.capacity_report import Stock, describe_stock
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.capacity_table import render_table
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.devices import (
    DeviceKey,
    Slice,
    evaluate_devices,
    parse_allocated,
    parse_slice,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.parse_pod import parse_toleration
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quota import parse_quota
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import Needs, parse_needs
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi, Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.supply import read_nodes, read_pods

__all__ = ["Question", "inspect_capacity", "parse_placement_needs"]

# Versions of resource.k8s.io, newest first; what a cluster does not serve is answered with 404.
_VERSIONS = ("", ".v1beta2", ".v1beta1")
_ABSENT, _UNKNOWN = "absent", "unknown"


@dataclass(frozen=True)
class Question:
    """What to look for: accelerators beyond the known ones, quotas of namespaces, and where the pods may run."""

    namespaces: Sequence[str] = ()
    resources: Sequence[str] = ()
    drivers: Sequence[str] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class _Seen:
    """An answer, or why there is none."""

    value: Any = None
    refusal: str | None = None


def parse_placement_needs(question: Question) -> Needs:
    """Return where the pods may run; raise InputError with every problem of the selector and the tolerations."""
    problems: list[Problem] = []
    options = {"node_selector": question.node_selector, "tolerations": list(question.tolerations)}
    fields = Fields(options, "gpu_capacity_info", problems)
    selector = dict(fields.text_map("node_selector"))
    tolerations = [parse_toleration(each) for each in fields.list_of_fields("tolerations")]
    if problems:
        raise InputError(problems)
    return parse_needs("", {"spec": {"nodeSelector": selector, "tolerations": tolerations}})


def inspect_capacity(question: Question, api: ClusterApi) -> Outcome:
    """Return nodes, products, quotas and who waits."""
    needs = parse_placement_needs(question)
    accelerators = (*RESOURCES, *question.resources)
    drivers = (*DRIVERS, *question.drivers)
    calls: list[Callable[[], Any]] = [
        partial(read_nodes, api),
        partial(read_pods, api),
        partial(_read_slices, api),
        *(partial(_try, api, "ResourceQuota", each, parse_quota) for each in question.namespaces),
    ]
    nodes, pods, (version, slices), *quotas = api.side_by_side(calls)
    unavailable = [_Unavailable("devices", slices.refusal)] if slices.refusal is not None else []
    taken, refusal = _read_taken(api, version, slices.value or (), drivers)
    if refusal is not None:
        unavailable.append(_Unavailable("devices.allocated", refusal))
    for place, seen in zip(question.namespaces, quotas):
        if seen.refusal is not None:
            unavailable.append(_Unavailable(f"quotas of {place}", seen.refusal))
    by_name = {node.name: node for node in nodes}
    groups = None
    if slices.refusal is None:
        groups = evaluate_devices(slices.value or (), taken, drivers, by_name, needs)
    stock = Stock(
        supply=evaluate_supply(nodes, pods, accelerators, needs),
        nodes=by_name,
        groups=groups,
        api=version if version in (_ABSENT, _UNKNOWN) else f"resource.k8s.io/{version.lstrip('.') or 'v1'}",
        quotas=[quota for seen in quotas for quota in seen.value or ()],
        accelerators=accelerators,
    )
    data = describe_stock(stock)
    lines = [f"{each.what} unknown: {each.reason}" for each in unavailable]
    return Outcome(
        False,
        {
            **data,
            "unavailable": [vars(each) for each in unavailable],
            "table": [*render_table(data), *lines],
            "cluster": api.cluster,
        },
    )


@dataclass(frozen=True)
class _Unavailable:
    what: str
    reason: str


def _try(api: ClusterApi, kind: str, namespace: str | None, parse: Callable[[Mapping[str, Any]], Any]) -> _Seen:
    try:
        return _Seen(api.list_parsed(kind, namespace, parse))
    except ClusterError as error:
        if error.details.get("status") == 403:
            return _Seen(refusal=error.message)
        raise


def _read_slices(api: ClusterApi) -> tuple[str, _Seen]:
    """Return the version of the API (a suffix of the kind's name, ``absent`` or ``unknown``) and the slices."""
    for version in _VERSIONS:
        try:
            seen = _try(api, f"ResourceSlice{version}", None, parse_slice)
        except ClusterError as error:
            if error.details.get("status") != 404:
                raise
            continue
        return (version, seen) if seen.refusal is None else (_UNKNOWN, seen)
    return _ABSENT, _Seen(())


def _read_taken(
    api: ClusterApi, version: str, slices: Sequence[Slice], drivers: Sequence[str]
) -> tuple[frozenset[DeviceKey] | None, str | None]:
    """Return the devices that claims have taken, or why they are unknown; without accelerators none is asked for."""
    if not any(is_accelerator(each.driver, drivers) for each in slices):
        return frozenset(), None
    seen = _try(api, f"ResourceClaim{version}", None, parse_allocated)
    if seen.refusal is not None:
        return None, seen.refusal
    return frozenset(key for keys in seen.value for key in keys), None
