# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Job from which a gate asks inside of the cluster, in the model server's own image."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels

__all__ = ["find_engine", "find_http_port", "job_seconds_max", "join_address", "render_probe_job", "uses_tls"]

# Scheduling, pulling an image that the node may lack, and Python's start.
_JOB_START_SECONDS = 120
# To each address: the model's name, one question that finds the endpoint and two that are judged; the rest is quick.
_QUESTIONS = 4
# A warm-up question asks for a few tokens; one that takes the whole time-out ends the probe anyway.
_WARMUP_SECONDS = 2
_JOB_SECONDS_KEPT = 60
_API_KEY = "VLLM_API_KEY"


def find_engine(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the engine's container of a Deployment of ours."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    engine: Mapping[str, Any] = next(each for each in containers if each["name"] == "engine")
    return engine


def find_http_port(deployment: Mapping[str, Any]) -> int:
    """Return the port that the engine listens on."""
    return int(next(each["containerPort"] for each in find_engine(deployment)["ports"] if each["name"] == "http"))


def join_address(address: str, port: int) -> str:
    """Return an IP address with a port as URLs have it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def uses_tls(deployment: Mapping[str, Any]) -> bool:
    """Whether the engine speaks HTTPS."""
    probe = find_engine(deployment).get("readinessProbe") or {}
    return bool((probe.get("httpGet") or {}).get("scheme") == "HTTPS")


def job_seconds_max(request: Mapping[str, Any]) -> int:
    """Return how long a Job may take that asks every target of a request, in seconds."""
    each = _QUESTIONS * float(request["timeout_seconds"]) + _WARMUP_SECONDS * int(request["warmup_requests"])
    return _JOB_START_SECONDS + math.ceil(len(request["targets"]) * each)


def render_probe_job(
    deployment: Mapping[str, Any], name: str, request: Mapping[str, Any], script: str, python: str
) -> dict[str, Any]:
    """Return a Job that runs ``script`` with ``request`` beside the pods of a Deployment.

    It takes image, identity, security and tolerations from the Deployment, needs no GPU, and prefers the nodes that
    have the image already. The API key comes from the same Secret as the engine's.
    """
    pod, engine = deployment["spec"]["template"]["spec"], find_engine(deployment)
    selector = deployment["spec"]["selector"]["matchLabels"]
    marks = {
        labels.NAME: "vllm",
        labels.INSTANCE: selector[labels.INSTANCE],
        labels.COMPONENT: labels.PROBE,
        labels.PART_OF: "llmops",
        labels.MANAGED_BY: labels.FIELD_MANAGER,
    }
    term = {"labelSelector": {"matchLabels": dict(selector)}, "topologyKey": "kubernetes.io/hostname"}
    container = {
        "name": "probe",
        "image": engine["image"],
        "imagePullPolicy": engine.get("imagePullPolicy", "IfNotPresent"),
        "command": [python, "-c", script],
        "env": [
            {"name": "LLMOPS_PROBE", "value": json.dumps(request, sort_keys=True)},
            {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"},
            *(copy.deepcopy(each) for each in engine.get("env") or () if each["name"] == _API_KEY),
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
        "securityContext": copy.deepcopy(engine.get("securityContext") or {}),
    }
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "serviceAccountName": pod.get("serviceAccountName", "default"),
        "securityContext": copy.deepcopy(pod.get("securityContext") or {}),
        "affinity": {
            "podAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]
            }
        },
        "containers": [container],
    }
    for field in ("imagePullSecrets", "tolerations", "nodeSelector"):
        if pod.get(field):
            spec[field] = copy.deepcopy(pod[field])
    metadata = {"name": name, "namespace": deployment["metadata"]["namespace"], "labels": marks}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": job_seconds_max(request),
            "ttlSecondsAfterFinished": _JOB_SECONDS_KEPT,
            "template": {"metadata": {"labels": marks}, "spec": spec},
        },
    }
