# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the load client runs: a process here, or a Job in the cluster. Both get the same flat files."""

from __future__ import annotations

import base64
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._bench import command as program
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.wire import decode_result
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_job import (
    CONTAINER,
    LINGER_SECONDS,
    PACKAGE,
    find_oversize,
    render_benchmark_files,
    render_benchmark_job,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_spec import KeyReference
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pod_state import find_waiting_problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.kube_client import KubeClient
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, LlmopsError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.serving_benchmark import Load, Look

__all__ = ["ClusterRunner", "ControllerRunner"]

_START_SECONDS_MAX = 120.0
_UNSCHEDULED_SECONDS_MAX = 30.0
# The kubelet keeps 10 MiB of a container's log by default; a result is some hundred kilobytes.
_LOG_BYTES_MAX = 32 * 1024 * 1024
_PROGRESS_LINES = 5
# A program that is not there (runc's own code, and the shell's), or cannot be run.
_NOT_STARTED_CODES = (126, 127, 128)
_ALL_LINES = 1_000_000


def _client_files() -> dict[str, str]:
    """Return the client's source by file name; importing its program has loaded all of it."""
    package = program.__name__.rpartition(".")[0]
    modules = [module for name, module in sorted(sys.modules.items()) if name.startswith(package + ".")]
    return {f"{module.__name__.rpartition('.')[2]}.py": inspect.getsource(module) for module in modules}


class ClusterRunner:
    """Runs it in a Job beside the model server."""

    def __init__(self, api: KubeClient, clock: SystemClock, python: str) -> None:
        self._api, self._clock, self._python = api, clock, python
        self.place = f"a Job on {api.cluster}"

    def start(self, load: Load) -> dict[str, Any]:
        """See ``LoadRunner``."""
        deployment = load.deployment
        if deployment is None:
            raise LlmopsError("A Job needs the image of a release: name one, or run from the controller")
        files, settings = _client_files(), dict(load.settings)
        workload = dict(settings.get("workload") or {})
        if workload.get("file"):
            files["workload.txt"] = _read_workload(str(workload["file"]))
            settings["workload"] = {**workload, "file": f"{PACKAGE}/workload.txt"}
        if size := find_oversize({**files, "": json.dumps(settings)}):
            raise LlmopsError(
                f"The client and workload.file are {size} bytes together, and a ConfigMap holds 1048576: "
                "shorten the file, or run from the controller"
            )
        settings["client"] = {**(settings.get("client") or {}), "linger_seconds": LINGER_SECONDS}
        name = f"{deployment['metadata']['name']}-bench-{uuid.uuid4().hex[:6]}"
        job = self._api.create(render_benchmark_job(deployment, name, load.keys, self._python, load.seconds_max))
        handle = {"name": name, "namespace": job["metadata"]["namespace"], "uid": job["metadata"]["uid"]}
        handle["created_at"] = self._clock.now().isoformat()
        try:
            self._api.create(render_benchmark_files(job, settings, files))
        except LlmopsError:
            self.remove(handle)
            raise
        return handle

    def look(self, handle: Mapping[str, Any]) -> Look:
        """See ``LoadRunner``."""
        namespace, name = handle["namespace"], handle["name"]
        created = datetime.fromisoformat(handle["created_at"])
        waited_seconds = (self._clock.now() - created).total_seconds()
        pods = self._api.list_objects("Pod", namespace, f"batch.kubernetes.io/job-name={name}")
        place = f"Job {namespace}/{name} on {self._api.cluster}"
        if not pods:
            if waited_seconds > _UNSCHEDULED_SECONDS_MAX:
                raise ClusterError(
                    f"{place} has no pod {waited_seconds:.0f} s after its creation: it could not be made, or was "
                    "deleted or evicted before it could tell what it had measured. See the Job's events"
                )
            return Look((), False)
        pod = pods[0]
        phase = (pod.get("status") or {}).get("phase")
        if phase == "Pending":
            self._check(pod, place, waited_seconds)
            return Look((), False)
        ended = phase in ("Succeeded", "Failed")
        # One that is being deleted tells what it has, and is gone soon.
        leaving = "deletionTimestamp" in pod["metadata"]
        log = self._api.logs(
            namespace,
            pod["metadata"]["name"],
            CONTAINER,
            lines=_ALL_LINES if ended or leaving else _PROGRESS_LINES,
            bytes_max=_LOG_BYTES_MAX,
        )
        lines = [*log.splitlines(), *self._last_words(pod)]
        return Look(lines, ended or (leaving and decode_result(lines) is not None))

    def _last_words(self, pod: Mapping[str, Any]) -> list[str]:
        """Return how the container has ended, unless well; one that could not be started has no log."""
        words = []
        for container in (pod.get("status") or {}).get("containerStatuses") or ():
            ended = (container.get("state") or {}).get("terminated") or {}
            if ended.get("exitCode"):
                said = f"{ended.get('reason')}, exit code {ended['exitCode']}: {ended.get('message') or 'no message'}"
                words.append(f"(container {container['name']}: {said})")
                if ended["exitCode"] in _NOT_STARTED_CODES:
                    words.append(f"Is `{self._python}` in the engine's image (option python)?")
        return words

    def _check(self, pod: Mapping[str, Any], place: str, waited_seconds: float) -> None:
        """Raise what keeps the pod from starting."""
        status = pod.get("status") or {}
        for container in status.get("containerStatuses") or ():
            if problem := find_waiting_problem(container):
                raise ClusterError(f"{place} cannot start: {problem} Nothing was sent")
        for condition in status.get("conditions") or ():
            if condition.get("reason") == "Unschedulable" and waited_seconds > _UNSCHEDULED_SECONDS_MAX:
                raise ClusterError(f"{place} finds no node: {condition.get('message')}; nothing was sent")
        if waited_seconds > _START_SECONDS_MAX:
            raise ClusterError(f"{place} did not start within {waited_seconds:.0f} s: see its events. Nothing was sent")

    def interrupt(self, handle: Mapping[str, Any]) -> None:
        """See ``LoadRunner``; the pod of a Job that is deleted gets SIGTERM, and some seconds to tell what it has."""
        self.remove(handle)

    def remove(self, handle: Mapping[str, Any]) -> None:
        """See ``LoadRunner``; the ConfigMap goes with the Job that owns it."""
        self._api.delete("Job", handle["namespace"], handle["name"], handle["uid"])


class ControllerRunner:
    """Runs it as a process on the machine that the module runs on."""

    place = "the controller"

    def __init__(self, api: KubeClient | None, namespace: str | None) -> None:
        self._api, self._namespace = api, namespace
        # Only of this slice: the next one finds the process by its handle.
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, load: Load) -> dict[str, Any]:
        """See ``LoadRunner``; the keys travel in the environment, which only the same user can read."""
        variables = {variable: self._read_key(reference) for variable, reference in load.keys.items()}
        folder = tempfile.mkdtemp(prefix="llmops-bench-")
        package = os.path.join(folder, PACKAGE)
        os.mkdir(package)
        for name, content in _client_files().items():
            _write(os.path.join(package, name), content)
        path = os.path.join(folder, "settings.json")
        client = {**(load.settings.get("client") or {}), "alive_file": path}
        _write(path, json.dumps({**load.settings, "client": client}))
        environment = {"PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1", **variables}
        with open(os.path.join(folder, "log"), "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{PACKAGE}.command", "settings.json"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return {"folder": folder, "pid": self._process.pid, "started": _start_ticks(self._process.pid)}

    def look(self, handle: Mapping[str, Any]) -> Look:
        """See ``LoadRunner``. A look is the sign of life that the client waits for."""
        folder = _checked(handle)
        os.utime(os.path.join(folder, "settings.json"))
        # First whether it has ended, then what it has said: the other way round the last words could be missed.
        ended = not _runs(handle)
        return Look(_read(os.path.join(folder, "log")).splitlines(), ended)

    def interrupt(self, handle: Mapping[str, Any]) -> None:
        """See ``LoadRunner``."""
        if _runs(handle):
            os.kill(int(handle["pid"]), signal.SIGTERM)

    def remove(self, handle: Mapping[str, Any]) -> None:
        """See ``LoadRunner``."""
        folder = _checked(handle)
        if _runs(handle):
            os.kill(int(handle["pid"]), signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    def _read_key(self, reference: KeyReference) -> str:
        if self._api is None:
            raise LlmopsError("An API key in a Secret needs a cluster to read it from")
        secret = self._api.get("Secret", self._namespace, reference.secret) or {}
        encoded = (secret.get("data") or {}).get(reference.key)
        if encoded is None:
            raise ClusterError(
                f"Secret {self._namespace}/{reference.secret} on {self._api.cluster} has no key {reference.key}, "
                "which the API key is to come from. Create it"
            )
        return base64.b64decode(encoded).decode()


def _checked(handle: Mapping[str, Any]) -> str:
    """Return the folder of a run; it is removed later, so it must be one of ours."""
    folder = str(handle["folder"])
    if os.path.dirname(folder) != tempfile.gettempdir() or not os.path.basename(folder).startswith("llmops-bench-"):
        raise LlmopsError(f"{folder} is no folder of a benchmark")
    return folder


def _start_ticks(pid: int) -> str:
    """Return when a process began, which with its number names it for all time; empty where it is gone or ended."""
    try:
        fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _runs(handle: Mapping[str, Any]) -> bool:
    ticks = _start_ticks(int(handle["pid"]))
    return bool(ticks) and ticks == handle["started"]


def _read_workload(path: str) -> str:
    try:
        return _read(path)
    except (OSError, UnicodeDecodeError) as error:
        raise LlmopsError(f"workload.file: {path} cannot be read: {error}") from None


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _write(path: str, content: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
