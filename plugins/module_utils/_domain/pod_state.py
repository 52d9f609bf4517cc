# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of a pod that can never become ready by waiting, in the pod's own words.

Two tables: reasons of a waiting container, and reasons of a pod as a whole. Everything else may still turn out well.
What is over does not count: a crash before the engine came up again, an event about a volume that is mounted by now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = [
    "FINAL_POD",
    "FINAL_WAITING",
    "Wait",
    "find_ended",
    "find_problem",
    "find_waiting_problem",
    "is_alive",
    "is_ready",
    "parse_time",
    "summarise",
]

FINAL_WAITING: Mapping[str, str] = {
    # The registry has said no, or cannot be reached; the kubelet asks again, at growing intervals.
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
# Of the reasons above those whose first appearance may be an accident, and the words by which to tell. The back-off of
# a container is never one: by then it has ended twice. That of an image begins after the first failure, and may be.
_PASSING_REASONS = (
    "ErrImagePull",
    "ImagePullBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
)
_IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff")
# A registry that has not answered so often is not there: the third try comes half a minute after the first.
_PULLS_MAX = 3
_PASSING_WORDS = (
    "failed to sync",  # the kubelet has not read a Secret or ConfigMap yet
    "context deadline exceeded",
    "i/o timeout",
    "TLS handshake timeout",
    "connection reset",
    "too many requests",
    "toomanyrequests",
    "503 Service Unavailable",
    "is reserved for",  # the container's last attempt is still being removed
    # The API server's node authorizer has not seen yet that the pod is bound to this node; the kubelet asks again.
    "no relationship found between node",
)
# Warnings of the kubelet that stay until somebody creates what is missing.
_FINAL_EVENTS = ("FailedMount", "FailedAttachVolume")
_FINAL_EVENT_WORDS = ("not found", "forbidden", "references non-existent")
# What a pod that has left gave back is not taken at once: the scheduler puts a pod that fits nowhere aside for up to
# 10 s (podMaxBackoffSeconds), quota and attached volumes are counted anew by controllers.
_ROOM_SECONDS = 15.0
# A volume of one node, held by a pod that stays: a roll-out that surges waits for itself.
_HELD_VOLUME_WORDS = "Multi-Attach error"
# An autoscaler has answered an unschedulable pod: a node is on its way.
_HELP_IS_COMING = ("TriggeredScaleUp", "Nominated")
# Claims are bound by a controller of their own, which may have been asked only a moment ago.
_VOLUME_WORDS = "PersistentVolumeClaim"
_VOLUME_SECONDS = 30.0
# How a container has ended that never began; the back-off that follows does not repeat the runtime's words.
_NOT_STARTED = ("StartError", "ContainerCannotRun")
_EXIT_BAD_ARGUMENTS = 2
_EXIT_BUS_ERROR = 135
_NO_SPACE = "No space left on device"
# What writes there leaves these names in its words: NCCL and PyTorch say shm, Python's segments are called psm_.
_SHM_NAMES = ("shm", "/psm_", "/torch_", "shared memory")
_SHM_WORDS = ("Bus error", "SIGBUS", "creating shared memory segment", "insufficient shared memory")
_SHM_CURE = (
    "Its shared memory (/dev/shm) is full: it belongs to the pod and outlives the container, so restarts fail too. "
    "Raise resources.shm (and the memory limit) and delete the pod"
)


@dataclass(frozen=True)
class Wait:
    """What a judgement knows of the wait that it is part of.

    ``moment`` is when is judged; ``unschedulable_seconds`` how long no node may be found. What was said before
    ``began_at`` may be about something that was cured since, and does not count. ``room_seen_at`` is when pods of the
    release were last seen leaving, whose places, quota and volumes become free.
    """

    moment: datetime
    unschedulable_seconds: float
    began_at: datetime | None = None
    room_seen_at: datetime | None = None

    @property
    def room_is_coming(self) -> bool:
        """Whether what leaving pods hold may still become free."""
        return self.room_seen_at is not None and (self.moment - self.room_seen_at).total_seconds() < _ROOM_SECONDS

    def is_news(self, text: str | None) -> bool:
        """Whether something that the API dates so is of this wait; what has no date is."""
        seen = parse_time(text)
        # The API's times are whole seconds.
        return self.began_at is None or seen is None or seen >= self.began_at.replace(microsecond=0)

    def counts(self, event: Mapping[str, Any]) -> bool:
        """Whether an event says something about the present."""
        series = event.get("series") or {}
        return self.is_news(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime"))


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
    """Return how a container that is not up has ended last, or nothing; once it is up its past does not count."""
    state, last = container.get("state") or {}, container.get("lastState") or {}
    if container.get("ready") or (container.get("started") and "running" in state):
        return {}
    ended: Mapping[str, Any] = state.get("terminated") or last.get("terminated") or {}
    return ended


def is_alive(pod: Mapping[str, Any]) -> bool:
    """Whether a pod still runs, or will: it is not on its way out and has not come to its end."""
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not ended and not pod["metadata"].get("deletionTimestamp")


def find_ended(pod: Mapping[str, Any]) -> tuple[str, bool] | None:
    """Return the container whose log says why a pod does not start, and whether it is that of its previous run."""
    for container in _containers(pod):
        if _ended(container).get("exitCode"):
            return container["name"], "terminated" not in (container.get("state") or {})
    return None


def _lacks_shared_memory(code: int | None, log: str) -> bool:
    if code == _EXIT_BUS_ERROR:
        return True
    said = any(words in log for words in _SHM_WORDS) or (_NO_SPACE in log and any(name in log for name in _SHM_NAMES))
    return bool(code) and said


def find_waiting_problem(container: Mapping[str, Any], failed_pulls: int = 0) -> str | None:
    """Return in the runtime's words why a container can never leave its waiting state, or None."""
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, message = waiting.get("reason", ""), str(waiting.get("message") or "")
    if reason not in FINAL_WAITING:
        return None
    often = reason in _IMAGE_REASONS and failed_pulls >= _PULLS_MAX
    if reason in _PASSING_REASONS and any(words in message for words in _PASSING_WORDS) and not often:
        return None
    code = _ended(container).get("exitCode")
    ending = f", exit code {code}" if code is not None else ""
    said = f": {message.rstrip('.')}" if message else ""
    return f"container {container['name']} is in {reason}{ending}{said}. {FINAL_WAITING[reason]}"


def _count_failed_pulls(events: Sequence[Mapping[str, Any]], wait: Wait) -> int:
    return sum(
        int(event.get("count") or 1)
        for event in filter(wait.counts, events)
        if event.get("reason") == "Failed" and "pull image" in str(event.get("message"))
    )


def _container_problem(container: Mapping[str, Any], log: str, failed_pulls: int) -> str | None:
    name, ended = container["name"], _ended(container)
    code = ended.get("exitCode")
    if ended.get("reason") == "OOMKilled":
        return (
            f"container {name} was killed for memory (OOMKilled): raise resources.limits.memory (/dev/shm counts too)"
        )
    if _lacks_shared_memory(code, log):
        return f"container {name} ended with exit code {code}. {_SHM_CURE}"
    if code == _EXIT_BAD_ARGUMENTS and name == "engine":
        return f"container {name} ended with exit code 2: the engine does not accept its arguments (engine.args)"
    message = str(ended.get("message") or "").strip().rstrip(".")
    if ended.get("reason") in _NOT_STARTED and not any(words in message for words in _PASSING_WORDS):
        return f"container {name} could not be started: {message}. {FINAL_WAITING['RunContainerError']}"
    return find_waiting_problem(container, failed_pulls)


def _scheduling_problem(pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]], wait: Wait) -> str | None:
    status = pod.get("status") or {}
    grace_seconds = float("inf") if wait.room_is_coming else wait.unschedulable_seconds
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            since = parse_time(condition.get("lastTransitionTime"))
            waited = (wait.moment - since).total_seconds() if since is not None else 0.0
            message = str(condition.get("message"))
            if _VOLUME_WORDS in message:
                grace_seconds = max(grace_seconds, _VOLUME_SECONDS)
            helped = status.get("nominatedNodeName") or any(e.get("reason") in _HELP_IS_COMING for e in events)
            if waited < grace_seconds or helped:
                return None
            return f"no node can take it: {message}"
    return None


def _volume_problem(pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]], wait: Wait) -> str | None:
    if any("waiting" not in (container.get("state") or {"waiting": {}}) for container in _containers(pod)):
        return None  # a container has started, so its volumes are there by now
    for event in filter(wait.counts, events):
        message = str(event.get("message"))
        if event.get("reason") not in _FINAL_EVENTS or any(words in message for words in _PASSING_WORDS):
            continue
        held = _HELD_VOLUME_WORDS in message and not wait.room_is_coming
        if held or any(words in message for words in _FINAL_EVENT_WORDS):
            return f"{event['reason']}: {message}"
    return None


def find_problem(pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]], log: str, wait: Wait) -> str | None:
    """Return why a pod can never become ready, or None.

    ``events`` are those about this pod, ``log`` the last lines of its container that has ended. While room is coming
    neither a missing node nor a held volume is final.
    """
    status = pod.get("status") or {}
    if status.get("phase") == "Failed":
        reason = str(status.get("reason"))
        return f"{reason}: {status.get('message')}. {FINAL_POD.get(reason, '')}".rstrip()
    failed_pulls = _count_failed_pulls(events, wait)
    for container in _containers(pod):
        if problem := _container_problem(container, log, failed_pulls):
            return problem
    return _scheduling_problem(pod, events, wait) or _volume_problem(pod, events, wait)


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
