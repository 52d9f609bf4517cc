# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of a pod that can never become ready by waiting, in the pod's own words.

Two tables: reasons of a waiting container, and reasons of a pod as a whole. Everything else may still turn out well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

__all__ = ["FINAL_POD", "FINAL_WAITING", "find_problem", "is_ready", "parse_time", "summarise"]

FINAL_WAITING: Mapping[str, str] = {
    # The registry has said no; the kubelet asks again, at growing intervals, and gets the same answer.
    "ErrImagePull": "Check engine.image, its registry and engine.pull_secrets.",
    "ImagePullBackOff": "Check engine.image, its registry and engine.pull_secrets.",
    "InvalidImageName": "Correct engine.image.",
    "ErrImageNeverPull": "Put the image on the node or change engine.pull_policy.",
    # A Secret, ConfigMap or key that the container refers to is missing, or the pod may not run as root.
    "CreateContainerConfigError": "Create what is missing, or correct the reference.",
    "CreateContainerError": "See the message of the container runtime.",
    "RunContainerError": "See the message of the container runtime; engine.command must exist in the image.",
    # It has ended twice at least; an engine that starts well does not end.
    "CrashLoopBackOff": "See the log lines.",
}
FINAL_POD: Mapping[str, str] = {
    # The kubelet refused a pod that was bound to its node: a GPU is gone or the device plugin restarted.
    "UnexpectedAdmissionError": "Check the node's GPUs and device plugin.",
    "Evicted": "The node ran out of memory or disk: see resources.requests, memory and ephemeral-storage.",
    "OutOfmemory": "The node has less memory than the pod asks for.",
    "OutOfcpu": "The node has fewer CPUs than the pod asks for.",
}
# Warnings of the kubelet that stay until somebody creates what is missing.
_FINAL_EVENTS = ("FailedMount", "FailedAttachVolume")
_FINAL_EVENT_WORDS = ("not found", "forbidden", "references non-existent")
# An autoscaler has answered an unschedulable pod: a node is on its way.
_HELP_IS_COMING = ("TriggeredScaleUp", "Nominated")
# Claims are bound by a controller of their own, which may have been asked only a moment ago.
_VOLUME_WORDS = "PersistentVolumeClaim"
_VOLUME_SECONDS = 30.0
_EXIT_BAD_ARGUMENTS = 2
_EXIT_BUS_ERROR = 135
_SHM_WORDS = ("No space left on device", "Bus error", "SIGBUS", "shared memory")
_SHM_CURE = (
    "Its shared memory (/dev/shm) is full: it belongs to the pod and outlives the container, so restarts fail too. "
    "Raise resources.shm (and the memory limit) and delete the pod"
)


def parse_time(text: str | None) -> datetime | None:
    """Return a time of the Kubernetes API, or None."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a pod is ready and not on its way out."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _containers(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    status = pod.get("status") or {}
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _ended(container: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the last end of a container, or nothing."""
    state, last = container.get("state") or {}, container.get("lastState") or {}
    ended: Mapping[str, Any] = state.get("terminated") or last.get("terminated") or {}
    return ended


def _container_problem(container: Mapping[str, Any], log: str) -> str | None:
    name, ended = container["name"], _ended(container)
    waiting = (container.get("state") or {}).get("waiting") or {}
    code = ended.get("exitCode")
    if ended.get("reason") == "OOMKilled":
        return (
            f"container {name} was killed for memory (OOMKilled): raise resources.limits.memory (/dev/shm counts too)"
        )
    if code == _EXIT_BUS_ERROR or (code and any(words in log for words in _SHM_WORDS)):
        return f"container {name} ended with exit code {code}. {_SHM_CURE}"
    if code == _EXIT_BAD_ARGUMENTS:
        return f"container {name} ended with exit code 2: the engine does not accept its arguments (engine.args)"
    reason = waiting.get("reason", "")
    if reason in FINAL_WAITING:
        message = f": {waiting['message']}" if waiting.get("message") else ""
        ending = f", exit code {code}" if code is not None else ""
        return f"container {name} is in {reason}{ending}{message}. {FINAL_WAITING[reason]}"
    return None


def _scheduling_problem(
    pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]], now: datetime, grace_seconds: float
) -> str | None:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            since = parse_time(condition.get("lastTransitionTime"))
            waited = (now - since).total_seconds() if since is not None else 0.0
            message = str(condition.get("message"))
            if _VOLUME_WORDS in message:
                grace_seconds = max(grace_seconds, _VOLUME_SECONDS)
            if waited < grace_seconds or any(event.get("reason") in _HELP_IS_COMING for event in events):
                return None
            return f"no node can take it: {message}"
    return None


def _event_problem(events: Sequence[Mapping[str, Any]]) -> str | None:
    for event in events:
        message = str(event.get("message"))
        if event.get("reason") in _FINAL_EVENTS and any(words in message for words in _FINAL_EVENT_WORDS):
            return f"{event['reason']}: {message}"
    return None


def find_problem(
    pod: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    log: str,
    now: datetime,
    *,
    unschedulable_seconds: float,
) -> str | None:
    """Return why a pod can never become ready, or None.

    ``events`` are the warnings about this pod; ``unschedulable_seconds`` is how long no node may be found; infinite
    where something that is about to end may make room.
    """
    status = pod.get("status") or {}
    if status.get("phase") == "Failed":
        reason = str(status.get("reason"))
        return f"{reason}: {status.get('message')}. {FINAL_POD.get(reason, '')}".rstrip()
    for container in _containers(pod):
        if problem := _container_problem(container, log):
            return problem
    return _scheduling_problem(pod, events, now, unschedulable_seconds) or _event_problem(events)


def summarise(pod: Mapping[str, Any]) -> str:
    """Return what a pod is doing, in a few words for a line of progress."""
    if pod["metadata"].get("deletionTimestamp"):
        return "leaving"
    if is_ready(pod):
        return "ready"
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            return "waiting for a node"
    for container in _containers(pod):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            reason = str(waiting["reason"])
            return {"ContainerCreating": "creating", "PodInitializing": "initialising"}.get(reason, reason)
        if container["name"] == "engine" and "running" in (container.get("state") or {}):
            return "loading" if not container.get("started") else "started"
    return str(status.get("phase", "Pending")).lower()
