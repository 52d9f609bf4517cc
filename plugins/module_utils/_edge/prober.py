# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending the questions of a gate, from here or from a Job in the cluster."""

from __future__ import annotations

import base64
import inspect
import json
import uuid
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pod_state import find_waiting_problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probe_job import (
    find_engine,
    job_seconds_max,
    render_probe_job,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.kube_client import KubeClient
from ansible_collections.llmops.kubernetes.plugins.module_utils._engine import probe as script
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError

__all__ = ["ClusterProber", "ControllerProber"]

_POLL_SECONDS = 0.3
_UNSCHEDULED_SECONDS_MAX = 30.0


class ControllerProber:
    """Asks from the machine that the module runs on."""

    def __init__(self, api: KubeClient) -> None:
        self._api = api

    def probe(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the observation of ``_engine/probe.py``."""
        return script.probe(dict(request), self._api_key(deployment))

    def _api_key(self, deployment: Mapping[str, Any]) -> str:
        for variable in find_engine(deployment).get("env") or ():
            reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
            if variable["name"] == "VLLM_API_KEY" and reference:
                namespace = deployment["metadata"]["namespace"]
                secret = self._api.get("Secret", namespace, reference["name"]) or {}
                encoded = (secret.get("data") or {}).get(reference["key"])
                if encoded is None:
                    raise ClusterError(
                        f"Secret {namespace}/{reference['name']} on {self._api.cluster} has no key {reference['key']}, "
                        "which the engine takes its API key from. Create it"
                    )
                return base64.b64decode(encoded).decode()
        return ""


class ClusterProber:
    """Asks from a Job beside the model server, which is removed afterwards."""

    def __init__(self, api: KubeClient, clock: SystemClock, python: str) -> None:
        self._api, self._clock, self._python = api, clock, python

    def probe(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the observation of ``_engine/probe.py``; ClusterError where the Job does not come to its end."""
        name = f"{deployment['metadata']['name']}-probe-{uuid.uuid4().hex[:6]}"
        job = render_probe_job(deployment, name, request, inspect.getsource(script), self._python)
        made = self._api.create(job)
        namespace = made["metadata"]["namespace"]
        try:
            pod = self._wait(namespace, name, job_seconds_max(request))
            return self._read(namespace, pod)
        finally:
            self._api.delete("Job", namespace, name, made["metadata"]["uid"])

    def _wait(self, namespace: str, name: str, seconds_max: int) -> Mapping[str, Any]:
        begin = self._clock.monotonic()
        while True:
            pods = self._api.list_objects("Pod", namespace, f"batch.kubernetes.io/job-name={name}")
            waited = self._clock.monotonic() - begin
            for pod in pods:
                if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
                    return pod
                self._check(pod, namespace, name, waited)
            if waited > seconds_max or (not pods and waited > _UNSCHEDULED_SECONDS_MAX):
                raise ClusterError(
                    f"Job {namespace}/{name} on {self._api.cluster} did not end within {waited:.0f} s "
                    f"({'it has no pod: see its events' if not pods else 'its pod still runs'}); nothing was asked"
                )
            self._clock.sleep(_POLL_SECONDS)

    def _check(self, pod: Mapping[str, Any], namespace: str, name: str, waited: float) -> None:
        """Raise what keeps the Job's pod from starting."""
        status = pod.get("status") or {}
        for container in status.get("containerStatuses") or ():
            if problem := find_waiting_problem(container):
                raise ClusterError(
                    f"Job {namespace}/{name} on {self._api.cluster} cannot start: {problem} Nothing was asked"
                )
        for condition in status.get("conditions") or ():
            if condition.get("reason") == "Unschedulable" and waited > _UNSCHEDULED_SECONDS_MAX:
                raise ClusterError(
                    f"Job {namespace}/{name} on {self._api.cluster} finds no node: {condition.get('message')}; "
                    "nothing was asked"
                )

    def _read(self, namespace: str, pod: Mapping[str, Any]) -> dict[str, Any]:
        log = self._api.logs(namespace, pod["metadata"]["name"], "probe", lines=50)
        for line in log.splitlines():
            if line.startswith(script.MARK):
                observation = json.loads(line[len(script.MARK) :])
                if isinstance(observation, dict):
                    return observation
        raise ClusterError(
            f"Pod {namespace}/{pod['metadata']['name']} on {self._api.cluster} ended without an observation; "
            f"its last words: {log.strip()[-500:]}. Is `{self._python}` in the engine's image (option python)?"
        )
