# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects of a release are made, changed, left alone and removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.diff import APPLIED, is_covered
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import anchor_name
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import (
    ConfigMapKey,
    EnvValue,
    ModelServer,
    SecretKey,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.release_record import (
    find_record_files,
    is_record_name,
)

__all__ = ["MANAGED_KINDS", "Live", "identity", "is_unchanged", "plan_prune", "references"]

# Every kind that a release may consist of, in the order in which leftovers are removed.
MANAGED_KINDS = ("Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount", "ConfigMap")

Live = Mapping[tuple[str, str], Mapping[str, Any]]


def identity(item: Mapping[str, Any]) -> tuple[str, str]:
    """Return kind and name."""
    return str(item["kind"]), str(item["metadata"]["name"])


def is_unchanged(wanted: Mapping[str, Any], live: Mapping[str, Any] | None) -> bool:
    """Whether the live object is what was rendered: same rendering as last time, and nobody has touched its fields."""
    if live is None:
        return False
    applied = wanted["metadata"]["annotations"][APPLIED]
    if (live["metadata"].get("annotations") or {}).get(APPLIED) != applied:
        return False
    # Items of lists lack these two.
    return is_covered({key: value for key, value in wanted.items() if key not in ("apiVersion", "kind")}, live)


_REFERRED_KINDS = {"pvc": "PersistentVolumeClaim", "configmap": "ConfigMap", "secret": "Secret"}


def _env_references(server: ModelServer) -> Iterator[tuple[str, str, str]]:
    values: list[tuple[str, EnvValue | None]] = [(f"engine.env.{name}", value) for name, value in server.engine.env]
    values += [("model.token", server.model.token), ("engine.api_key", server.engine.api_key)]
    for path, value in values:
        if isinstance(value, SecretKey) and not value.optional:
            yield "Secret", value.secret, path
        elif isinstance(value, ConfigMapKey) and not value.optional:
            yield "ConfigMap", value.configmap, path


def references(server: ModelServer) -> tuple[tuple[str, str, str], ...]:
    """Return what must exist already: kind, name and the path of the key that names it; optional references not."""
    model, engine = server.model, server.engine
    template = model.chat_template.configmap if model.chat_template is not None else None
    named: list[tuple[str, str | None, str]] = [
        ("PersistentVolumeClaim", model.source.root if model.source.scheme == "pvc" else None, "model.source"),
        ("PersistentVolumeClaim", model.cache_claim, "model.cache"),
        ("Secret", model.credentials_secret, "model.credentials"),
        ("ConfigMap", template.configmap if template is not None else None, "model.chat_template"),
        ("Secret", engine.tls_secret, "engine.tls"),
        ("ServiceAccount", server.security.service_account, "security.service_account"),
        *(("Secret", name, "engine.pull_secrets") for name in engine.pull_secrets),
        *(
            (_REFERRED_KINDS[volume.kind], str(volume.source), f"volumes[{volume.name}]")
            for volume in server.volumes
            if volume.kind in _REFERRED_KINDS
        ),
    ]
    found = [(kind, name, path) for kind, name, path in named if name is not None]
    return (*found, *_env_references(server))


def _mounted(deployment: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ConfigMaps that pods of a Deployment mount."""
    template = (deployment.get("spec") or {}).get("template") or {}
    for volume in (template.get("spec") or {}).get("volumes") or ():
        yield str((volume.get("configMap") or {}).get("name"))


def plan_prune(server_name: str, wanted: Sequence[tuple[str, str]], live: Live) -> tuple[tuple[str, str], ...]:
    """Return kind and name of our own leftovers: objects that an earlier specification had and this one has not.

    Deployments of both slots stay (an idle one may be a canary, or what a rollback needs), so do all records of
    revisions, and the files that pods of either mount.
    """
    kept = {*wanted, ("ConfigMap", anchor_name(server_name))}
    for (kind, name), item in live.items():
        if kind == "Deployment" and name in [f"{server_name}-{slot}" for slot in labels.SLOTS]:
            kept |= {(kind, name), *(("ConfigMap", each) for each in _mounted(item))}
        if kind == "ConfigMap" and is_record_name(server_name, name):
            kept |= {(kind, name), *(("ConfigMap", each) for each in find_record_files(item))}
    return tuple(key for kind in MANAGED_KINDS for key in sorted(live) if key[0] == kind and key not in kept)
