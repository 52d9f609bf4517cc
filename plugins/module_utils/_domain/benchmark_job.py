# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Job that sends load from inside of the cluster, and the ConfigMap with the client that it runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_spec import KeyReference
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probe_job import render_job_beside

__all__ = ["CONTAINER", "LINGER_SECONDS", "PACKAGE", "find_oversize", "render_benchmark_files", "render_benchmark_job"]

CONTAINER = "bench"
PACKAGE = "llmops_bench"
_FOLDER = "/opt/llmops"
_SETTINGS = "settings.json"
# A log is gone with its pod: one that is deleted stays for so long after it has told what it has measured.
LINGER_SECONDS = 3
_GRACE_SECONDS = 10
# What etcd takes of one object is 1.5 MiB by default; Kubernetes holds data of a ConfigMap to 1 MiB.
_CONFIGMAP_BYTES_MAX = 1024 * 1024


def find_oversize(files: Mapping[str, str]) -> int | None:
    """Return the bytes of files that are too many for one ConfigMap, None where they fit."""
    size = sum(len(name) + len(content.encode()) for name, content in files.items())
    return size if size > _CONFIGMAP_BYTES_MAX else None


def render_benchmark_job(
    deployment: Mapping[str, Any], name: str, keys: Mapping[str, KeyReference], python: str, seconds_max: int
) -> dict[str, Any]:
    """Return the Job; ``keys`` are the Secrets of API keys by environment variable.

    The client has one busy thread, so that a limit of two processors never throttles it; its memory holds figures, not
    answers.
    """
    variables: list[dict[str, Any]] = [{"name": "PYTHONDONTWRITEBYTECODE", "value": "1"}]
    for variable, reference in sorted(keys.items()):
        source = {"secretKeyRef": {"name": reference.secret, "key": reference.key}}
        variables.append({"name": variable, "valueFrom": source})
    container = {
        "name": CONTAINER,
        "command": [python, "-m", f"{PACKAGE}.command", f"{_FOLDER}/{PACKAGE}/{_SETTINGS}"],
        "workingDir": _FOLDER,
        "env": variables,
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
        "volumeMounts": [{"name": PACKAGE.replace("_", "-"), "mountPath": f"{_FOLDER}/{PACKAGE}", "readOnly": True}],
    }
    volume = {"name": PACKAGE.replace("_", "-"), "configMap": {"name": name}}
    return render_job_beside(
        deployment, name, container, seconds_max=seconds_max, grace_seconds=_GRACE_SECONDS, volumes=[volume]
    )


def render_benchmark_files(
    job: Mapping[str, Any], settings: Mapping[str, Any], files: Mapping[str, str]
) -> dict[str, Any]:
    """Return the ConfigMap for a Job that exists; it goes when the Job goes."""
    metadata = job["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": dict(metadata["labels"]),
            "ownerReferences": [owner],
        },
        "data": {**files, _SETTINGS: json.dumps(settings, sort_keys=True)},
    }
