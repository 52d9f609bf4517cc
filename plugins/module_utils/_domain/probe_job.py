# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that ask inside of the cluster, in the model server's own image."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels

__all__ = [
    "API_KEY",
    "REQUEST_CHARACTERS_MAX",
    "asking_job_seconds_max",
    "find_engine",
    "find_http_port",
    "job_seconds_max",
    "join_address",
    "join_sources",
    "render_job_beside",
    "render_probe_job",
    "uses_tls",
]

# Scheduling, pulling an image that the node may lack, and Python's start.
_JOB_START_SECONDS = 120
# To each address: the model's name, one question that finds the endpoint and two that are judged; the rest is quick.
_QUESTIONS = 4
# A warm-up question asks for a few tokens; one that takes the whole time-out ends the probe anyway.
_WARMUP_SECONDS = 2
_JOB_SECONDS_KEPT = 60
# The variable that vLLM takes its key from.
API_KEY = "VLLM_API_KEY"
# Linux takes no single variable (or argument) above 128 KiB, and etcd no object above 1.5 MiB.
_PART_CHARACTERS = 100_000
REQUEST_CHARACTERS_MAX = 800_000
_BUNDLE = """import sys, types


def load(name, source):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)


"""


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


def asking_job_seconds_max(request: Mapping[str, Any]) -> int:
    """Return how long a Job may take that asks the questions of a request, in seconds."""
    return _JOB_START_SECONDS + math.ceil(float(request["seconds_max"]) + float(request["timeout_seconds"]))


def join_sources(*modules: tuple[str, str]) -> str:
    """Return one script of several modules (name and source), the last of which is run and may import the others."""
    *others, (_name, main) = modules
    return _BUNDLE + "\n".join(f"load({name!r}, {source!r})" for name, source in (*others, ("__main__", main)))


def _request_variables(request: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the variables that ``_engine/probe.py`` reads a request from."""
    text = json.dumps(request, sort_keys=True)
    parts = [text[start : start + _PART_CHARACTERS] for start in range(0, len(text), _PART_CHARACTERS)]
    return [
        {"name": f"LLMOPS_PROBE_{index}" if index else "LLMOPS_PROBE", "value": _unexpanded(part)}
        for index, part in enumerate(parts)
    ]


def _unexpanded(text: str) -> str:
    """Return a text so that the kubelet, which expands ``$(NAME)`` and makes one of two ``$``, gives it on as it is."""
    return text.replace("$", "$$")


def render_probe_job(
    deployment: Mapping[str, Any],
    name: str,
    request: Mapping[str, Any],
    script: str,
    python: str,
    seconds_max: int,
) -> dict[str, Any]:
    """Return a Job that runs ``script`` with ``request`` beside the pods of a Deployment, for so long at most.

    The API key comes from the same Secret as the engine's.
    """
    container = {
        "name": "probe",
        "command": [python, "-c", _unexpanded(script)],
        "env": [
            *_request_variables(request),
            {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"},
            *(copy.deepcopy(each) for each in find_engine(deployment).get("env") or () if each["name"] == API_KEY),
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
    }
    return render_job_beside(deployment, name, container, seconds_max=seconds_max)


def render_job_beside(
    deployment: Mapping[str, Any],
    name: str,
    container: Mapping[str, Any],
    *,
    seconds_max: int,
    grace_seconds: int = 1,
    volumes: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return a Job with one container beside the pods of a Deployment.

    It takes image, identity, security and tolerations from the Deployment, needs no GPU, and prefers the nodes that
    have the image already.
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
    beside = {
        "image": engine["image"],
        "imagePullPolicy": engine.get("imagePullPolicy", "IfNotPresent"),
        "securityContext": copy.deepcopy(engine.get("securityContext") or {}),
        **container,
    }
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_seconds,
        "serviceAccountName": pod.get("serviceAccountName", "default"),
        "securityContext": copy.deepcopy(pod.get("securityContext") or {}),
        "affinity": {
            "podAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]
            }
        },
        "containers": [beside],
    }
    if volumes:
        spec["volumes"] = list(volumes)
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
            "activeDeadlineSeconds": seconds_max,
            "ttlSecondsAfterFinished": _JOB_SECONDS_KEPT,
            "template": {"metadata": {"labels": marks}, "spec": spec},
        },
    }
