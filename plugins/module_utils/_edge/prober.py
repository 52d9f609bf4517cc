# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending the questions of a gate, from here or from a Job in the cluster."""

from __future__ import annotations

import base64
import contextlib
import inspect
import json
import uuid
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pod_state import find_waiting_problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probe_job import (
    REQUEST_CHARACTERS_MAX,
    asking_job_seconds_max,
    find_engine,
    job_seconds_max,
    join_sources,
    render_probe_job,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.kube_client import KubeClient
from ansible_collections.llmops.kubernetes.plugins.module_utils._engine import ask as asking
from ansible_collections.llmops.kubernetes.plugins.module_utils._engine import count as counting
from ansible_collections.llmops.kubernetes.plugins.module_utils._engine import probe as script
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError, Problem

__all__ = ["ClusterProber", "ControllerProber", "KeyProber"]

_POLL_SECONDS = 0.3
_UNSCHEDULED_SECONDS_MAX = 30.0
_LOG_LINES = 50
_LOG_BYTES = 20_000
# Of an answer's line, which holds a text of 8,000 characters at most; kept logs end at 10 MiB by default.
_ANSWER_BYTES = 50_000
_ANSWERS_BYTES_MAX = 10 * 1024 * 1024
# The container runtime writes a longer line in several, which count each.
_LINE_BYTES = 16 * 1024


class ControllerProber:
    """Asks from the machine that the module runs on."""

    def __init__(self, api: KubeClient) -> None:
        self._api = api

    def probe(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the observation of ``_engine/probe.py``."""
        return script.probe(dict(request), self._api_key(deployment))

    def ask(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the answers of ``_engine/ask.py``."""
        return asking.ask(dict(request), self._api_key(deployment))

    def count(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the observation of ``_engine/count.py``."""
        return counting.count(dict(request), self._api_key(deployment))

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


class KeyProber:
    """Asks from the machine that the module runs on, without a cluster."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    def ask(self, _deployment: Mapping[str, Any], request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the answers of ``_engine/ask.py``."""
        return asking.ask(dict(request), self._api_key)


class ClusterProber:
    """Asks from a Job beside the model server, which is removed afterwards."""

    def __init__(self, api: KubeClient, clock: SystemClock, python: str) -> None:
        self._api, self._clock, self._python = api, clock, python

    def probe(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the observation of ``_engine/probe.py``; ClusterError where the Job does not come to its end."""
        source, seconds_max = inspect.getsource(script), job_seconds_max(request)
        pod, log = self._run(deployment, request, source, seconds_max, _LOG_LINES, _LOG_BYTES)
        seen = _marked(log)
        if len(seen) == 1 and isinstance(seen[0], dict):
            return seen[0]
        raise self._nothing_seen(deployment, pod, log)

    def ask(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the answers of ``_engine/ask.py``; ClusterError where the Job does not come to its end."""
        wanted = len(request["questions"]) * len(request["targets"])
        if (characters := len(json.dumps(request))) > REQUEST_CHARACTERS_MAX:
            raise InputError(
                [
                    Problem(
                        "prompts",
                        "are too large for a Job in the cluster",
                        f"{characters} characters of JSON",
                        f"{REQUEST_CHARACTERS_MAX} at most",
                        "Set run_from to controller, or ask them in parts.",
                    )
                ]
            )
        source = join_sources(*((each.__name__, inspect.getsource(each)) for each in (script, asking)))
        size = min(wanted * _ANSWER_BYTES, _ANSWERS_BYTES_MAX)
        lines = _LOG_LINES + wanted + size // _LINE_BYTES
        pod, log = self._run(deployment, request, source, asking_job_seconds_max(request), lines, size)
        seen = _marked(log)
        if len(seen) == wanted and all(isinstance(each, dict) for each in seen):
            return seen
        raise self._nothing_seen(deployment, pod, log)

    def count(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the observation of ``_engine/count.py``; ClusterError where the Job does not come to its end."""
        source = join_sources(*((each.__name__, inspect.getsource(each)) for each in (script, counting)))
        seconds_max = asking_job_seconds_max(request)
        pod, log = self._run(deployment, request, source, seconds_max, _LOG_LINES, _LOG_BYTES)
        seen = _marked(log)
        if len(seen) == 1 and isinstance(seen[0], dict):
            return seen[0]
        raise self._nothing_seen(deployment, pod, log)

    def _run(
        self,
        deployment: Mapping[str, Any],
        request: Mapping[str, Any],
        source: str,
        seconds_max: int,
        lines: int,
        bytes_max: int,
    ) -> tuple[str, str]:
        """Run a script in a Job; return the name of its pod and its log."""
        name = f"{deployment['metadata']['name']}-probe-{uuid.uuid4().hex[:6]}"
        made = self._api.create(render_probe_job(deployment, name, request, source, self._python, seconds_max))
        namespace = made["metadata"]["namespace"]
        try:
            pod = self._wait(namespace, name, seconds_max)["metadata"]["name"]
            return pod, self._api.logs(namespace, pod, "probe", lines=lines, bytes_max=bytes_max)
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

    def _nothing_seen(self, deployment: Mapping[str, Any], pod: str, log: str) -> ClusterError:
        return ClusterError(
            f"Pod {deployment['metadata']['namespace']}/{pod} on {self._api.cluster} ended without an observation; "
            f"its last words: {log.strip()[-500:]}. Is `{self._python}` in the engine's image (option python)?"
        )


def _marked(log: str) -> list[Any]:
    """Return what a script has observed: the JSON of its marked lines; a line that was cut is none."""
    found = []
    for line in log.splitlines():
        if line.startswith(script.MARK):
            with contextlib.suppress(ValueError):  # the one who counts them notices
                found.append(json.loads(line[len(script.MARK) :]))
    return found
