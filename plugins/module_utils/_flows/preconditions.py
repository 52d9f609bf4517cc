# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be there before anything is written: namespaces, objects that are referred to, permissions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.changes import MANAGED_KINDS, references
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi

__all__ = ["check_permissions", "check_references", "read_live", "read_namespaces"]

# What Kubernetes puts into a new namespace by itself.
_IN_EVERY_NAMESPACE = (("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt"))


def read_namespaces(servers: Sequence[ModelServer], api: ClusterApi, *, strict: bool = True) -> frozenset[str]:
    """Return the namespaces that are there; where ``strict``, a missing one that is not to be made is an error."""
    names = sorted({server.namespace for server in servers})
    found = api.side_by_side([partial(_namespace_exists, api, name) for name in names])
    present = frozenset(name for name, there in zip(names, found) if there)
    missing = [each for each in servers if each.namespace not in present and not each.create_namespace]
    if missing and strict:
        raise InputError(
            [
                Problem(
                    f"model_servers[{server.name}].namespace",
                    f"there is no namespace {server.namespace} on {api.cluster}",
                    hint="Create it, or set create_namespace: true.",
                )
                for server in missing
            ]
        )
    return present


def _namespace_exists(api: ClusterApi, name: str) -> bool:
    try:
        return api.get("Namespace", None, name, metadata_only=True) is not None
    except ClusterError as error:
        if error.details.get("status") == 403:
            return True  # who may work only inside of a namespace cannot look at it; writing will tell
        raise


def read_live(
    servers: Sequence[ModelServer], present: frozenset[str], api: ClusterApi
) -> dict[tuple[str, str], dict[tuple[str, str], dict[str, Any]]]:
    """Return our live objects by release: one list per kind and namespace, whatever the number of releases."""
    namespaces = sorted({server.namespace for server in servers} & present)
    selector = f"{labels.MANAGED_BY}={labels.FIELD_MANAGER}"
    if len({server.name for server in servers}) == 1:
        selector = labels.release_selector(servers[0].name)
    pairs = [(kind, namespace) for namespace in namespaces for kind in MANAGED_KINDS]
    try:
        lists = api.side_by_side([partial(api.list_objects, *pair, selector) for pair in pairs])
    except ClusterError as error:
        if error.details.get("status") == 403:
            check_permissions([(namespace, "list", kind) for kind, namespace in pairs], api)
        raise
    live: dict[tuple[str, str], dict[tuple[str, str], dict[str, Any]]] = {
        (server.namespace, server.name): {} for server in servers
    }
    for (kind, namespace), items in zip(pairs, lists):
        for item in items:
            instance = (item["metadata"].get("labels") or {}).get(labels.INSTANCE, "")
            if (namespace, instance) in live:
                live[namespace, instance][kind, item["metadata"]["name"]] = item
    return live


def check_references(servers: Sequence[ModelServer], present: frozenset[str], api: ClusterApi) -> None:
    """Report every object that a specification refers to and that is not there.

    A namespace that is yet to be made holds nothing but what Kubernetes itself puts there.
    """
    named = {
        (server.namespace, kind, name, server.namespace in present)
        for server in servers
        for kind, name, _path in references(server)
    }
    wanted = sorted((place, kind, name) for place, kind, name, is_there in named if is_there)
    found = api.side_by_side([partial(_exists, api, *each) for each in wanted])
    missing = {key for key, there in zip(wanted, found) if not there}
    missing |= {
        (place, kind, name)
        for place, kind, name, is_there in named
        if not is_there and (kind, name) not in _IN_EVERY_NAMESPACE
    }
    problems = [
        Problem(
            f"model_servers[{server.name}].{path}",
            f"there is no {kind} {server.namespace}/{name} on {api.cluster}",
            hint="Create it first, or correct the name."
            if server.namespace in present
            else f"Create the namespace with its {kind} first: create_namespace makes an empty one.",
        )
        for server in servers
        for kind, name, path in references(server)
        if (server.namespace, kind, name) in missing
    ]
    if problems:
        raise InputError(problems)


def _exists(api: ClusterApi, namespace: str, kind: str, name: str) -> bool:
    try:
        return api.get(kind, namespace, name, metadata_only=True) is not None
    except ClusterError as error:
        if error.details.get("status") == 403:
            return True  # not ours to see; the kubelet will tell, and the gate repeats its words
        raise


def check_permissions(
    needed: Sequence[tuple[str | None, str, str]],
    api: ClusterApi,
    enough: str = "roles/model_server/files/rbac-deployer.yml holds a Role that is enough",
) -> None:
    """Raise an error that names every missing permission (namespace, verb, kind); return when none is missing."""
    allowed = api.side_by_side([partial(api.may, verb, kind, namespace) for namespace, verb, kind in needed])
    missing = [each for each, is_allowed in zip(needed, allowed) if not is_allowed]
    if missing:
        places = {each[0]: f"namespace {each[0]}" if each[0] else "the whole cluster" for each in missing}
        lines = "\n".join(f"- {verb} {kind} in {places[namespace]}" for namespace, verb, kind in missing)
        raise ClusterError(
            f"The credentials for {api.cluster} lack permissions; nothing was changed. Missing:\n{lines}\n{enough}",
            {"missing": [{"namespace": n, "verb": v, "kind": k} for n, v, k in missing]},
        )
