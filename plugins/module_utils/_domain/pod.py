# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod template of a model server: volumes, containers, and the revision that names its content."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.drain import plan_drain
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.engine_container import (
    CACHE_PATH,
    FILES_PATH,
    HUB_PATH,
    MODELS_PATH,
    SHM_PATH,
    TEMPLATE_PATH,
    TLS_PATH,
    TMP_PATH,
    render_engine,
    shm_bytes,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.json_patch import apply_patches
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer, Volume
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.placement import render_placement
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.security import (
    render_extra_security,
    render_pod_security,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import render_bytes

__all__ = [
    "DRAIN_MODULE",
    "canonical",
    "name_revision",
    "render_files",
    "render_template",
    "sample_template",
    "service_account",
]

DRAIN_MODULE = "llmops_drain.py"
_REVISION_LENGTH = 10


def canonical(value: Any) -> str:
    """Return JSON that is equal for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:_REVISION_LENGTH]


def service_account(server: ModelServer) -> str:
    """Return the name of the ServiceAccount that the pods run under."""
    return server.security.service_account or server.name


def render_files(server: ModelServer, drain_middleware: str) -> tuple[str, dict[str, str]] | None:
    """Return name and content of the ConfigMap with the pod's files, or None when there are none.

    The name carries a hash of the content, so that pods of an older revision keep the files that they started with.
    ``drain_middleware`` is the source text of the drain middleware.
    """
    data = {}
    if plan_drain(server.drain, server.engine.version).middleware:
        data[DRAIN_MODULE] = drain_middleware
    if server.model.chat_template is not None and server.model.chat_template.text is not None:
        data["chat_template.jinja"] = server.model.chat_template.text
    return (f"{server.name}-files-{_digest(data)}", data) if data else None


def _extra_volume(volume: Volume) -> dict[str, Any]:
    if volume.kind == "pvc":
        return {"persistentVolumeClaim": {"claimName": volume.source, "readOnly": volume.read_only}}
    if volume.kind == "configmap":
        return {"configMap": {"name": volume.source}}
    if volume.kind == "secret":
        return {"secret": {"secretName": volume.source}}
    return {{"csi": "csi", "empty_dir": "emptyDir"}[volume.kind]: copy.deepcopy(volume.source)}


def _volumes(server: ModelServer, files_name: str | None) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return pairs of a volume and the engine's mount of it."""

    def pair(name: str, source: dict[str, Any], path: str, **mount: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"name": name, **source}, {"name": name, "mountPath": path, **mount}

    model, size = server.model, render_bytes(shm_bytes(server))
    pairs = [
        pair("tmp", {"emptyDir": {}}, TMP_PATH),
        pair("cache", {"emptyDir": {}}, CACHE_PATH),
        pair("shm", {"emptyDir": {"medium": "Memory", "sizeLimit": size}}, SHM_PATH),
    ]
    if model.source.scheme == "pvc":
        claim = {"persistentVolumeClaim": {"claimName": model.source.root, "readOnly": True}}
        pairs.append(pair("model", claim, MODELS_PATH, readOnly=True))
    if model.cache_claim is not None:
        pairs.append(pair("hub", {"persistentVolumeClaim": {"claimName": model.cache_claim}}, HUB_PATH))
    if files_name is not None:
        pairs.append(pair("files", {"configMap": {"name": files_name}}, FILES_PATH, readOnly=True))
    if model.chat_template is not None and model.chat_template.configmap is not None:
        reference = model.chat_template.configmap
        items = [{"key": reference.key, "path": "chat_template.jinja"}]
        source = {"configMap": {"name": reference.configmap, "items": items}}
        pairs.append(pair("chat-template", source, TEMPLATE_PATH, readOnly=True))
    if server.engine.tls_secret is not None:
        pairs.append(pair("tls", {"secret": {"secretName": server.engine.tls_secret}}, TLS_PATH, readOnly=True))
    for volume in server.volumes:
        mount: dict[str, Any] = {"readOnly": True} if volume.read_only else {}
        if volume.sub_path is not None:
            mount["subPath"] = volume.sub_path
        pairs.append(pair(volume.name, _extra_volume(volume), volume.mount, **mount))
    return pairs


def _pod_spec(server: ModelServer, slot: str, files_name: str | None) -> dict[str, Any]:
    pairs = _volumes(server, files_name)

    def extra(spec: Mapping[str, Any]) -> dict[str, Any]:
        own = copy.deepcopy(dict(spec))
        return {**own, "securityContext": render_extra_security(server, own.get("securityContext"))}

    spec: dict[str, Any] = {
        "serviceAccountName": service_account(server),
        "automountServiceAccountToken": False,
        # A Service named vllm would set VLLM_PORT=tcp://..., which the engine reads as its own setting.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": plan_drain(server.drain, server.engine.version).grace_seconds,
        "securityContext": render_pod_security(server),
        "containers": [
            render_engine(server, [mount for _volume, mount in pairs]),
            *(extra(container.spec) for container in server.sidecars),
        ],
        "volumes": [volume for volume, _mount in pairs],
        **render_placement(server, slot),
    }
    if server.init:
        spec["initContainers"] = [extra(container.spec) for container in server.init]
    if server.engine.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in server.engine.pull_secrets]
    return spec


def render_template(server: ModelServer, slot: str, files_name: str | None) -> dict[str, Any]:
    """Return the pod template of a slot, patched as the user wants, without the label that names its revision."""
    metadata: dict[str, Any] = {
        "labels": {
            **dict(server.labels),
            labels.NAME: "vllm",
            labels.INSTANCE: server.name,
            labels.VERSION: str(server.engine.version),
            labels.COMPONENT: labels.MODEL_SERVER,
            labels.PART_OF: "llmops",
            labels.MANAGED_BY: labels.FIELD_MANAGER,
            labels.SLOT: slot,
        }
    }
    if server.annotations:
        metadata["annotations"] = dict(server.annotations)
    template = {"metadata": metadata, "spec": _pod_spec(server, slot, files_name)}
    return apply_patches(template, server.patches)


def sample_template(server: ModelServer, slot: str) -> dict[str, Any]:
    """Return the template as a run renders it but for the name of the ConfigMap with the pod's files.

    For checks of a specification: the files' content is not at hand there, but patches count their volume.
    """
    files = render_files(server, "")
    return render_template(server, slot, files[0] if files is not None else None)


def name_revision(template: Mapping[str, Any]) -> str:
    """Return the revision (ten hex digits) of a pod template in the first slot, without the label that names it.

    One fixed slot makes it equal in both; it is independent of the number of replicas, and known without a cluster.
    """
    return _digest(template)
