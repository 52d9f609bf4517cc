# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first layer of readiness: is the roll-out true to the wanted revision, and can it still become so?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pod_state import (
    Wait,
    find_problem,
    is_alive,
    is_ready,
    summarise,
)

__all__ = ["RolloutState", "Snapshot", "evaluate_rollout", "find_revision"]

READY, WAITING, FAILED = "ready", "waiting", "failed"
_QUOTA_WORDS = "exceeded quota"


@dataclass(frozen=True)
class Snapshot:
    """What the API server showed at one moment; ``logs`` are the last lines of engines that have ended, by pod."""

    deployment: Mapping[str, Any] | None
    replica_sets: Sequence[Mapping[str, Any]] = ()
    pods: Sequence[Mapping[str, Any]] = ()
    events: Sequence[Mapping[str, Any]] = ()
    logs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RolloutState:
    """``ready``, ``waiting`` or ``failed``, with one line for people and the reasons of a failure.

    ``pods`` are the names of the ready pods of the revision; ``failed_pods`` those whose log is worth reading.
    ``room_is_made`` tells that pods of the slot are leaving.
    """

    state: str
    summary: str
    reasons: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    failed_pods: tuple[str, ...] = ()
    room_is_made: bool = False


def _revision(item: Mapping[str, Any]) -> str | None:
    revision = (item["metadata"].get("labels") or {}).get(labels.REVISION)
    return str(revision) if revision is not None else None


def find_revision(snapshot: Snapshot) -> str | None:
    """Return the revision that the Deployment wants, or None where there is no Deployment."""
    return _revision(snapshot.deployment["spec"]["template"]) if snapshot.deployment is not None else None


def _created(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"].get("creationTimestamp", ""))


def _find_pods(snapshot: Snapshot, revision: str) -> list[Mapping[str, Any]]:
    """Return the pods of a revision that count: neither on their way out, nor ended and replaced since.

    A pod that was evicted or refused by its node stays listed, as Failed, long after another has taken its place; it
    says something about the roll-out only as long as no younger pod lives.
    """
    pods = [pod for pod in snapshot.pods if _revision(pod) == revision and not pod["metadata"].get("deletionTimestamp")]
    alive = [pod for pod in pods if is_alive(pod)]
    youngest = max(map(_created, alive), default="")
    return [pod for pod in pods if is_alive(pod) or not alive or _created(pod) > youngest]


def _failed(summary: str, *reasons: str, pods: tuple[str, ...] = ()) -> RolloutState:
    return RolloutState(FAILED, summary, reasons or (summary,), failed_pods=pods)


def _refused(snapshot: Snapshot, revision: str, wait: Wait) -> RolloutState | None:
    """Return why no pod can be made: quota, Pod Security, admission; or why the roll-out has been given up.

    What leaving pods hold counts against a quota until they are gone; the ReplicaSet's controller tries again then.
    A roll-out that was given up before this wait stays so called until a pod gets ready: its cause may be cured.
    """
    sets = [each for each in snapshot.replica_sets if _revision(each) == revision]
    deployment = snapshot.deployment or {}
    for item in (*sets, deployment):
        for condition in (item.get("status") or {}).get("conditions") or ():
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                if _QUOTA_WORDS in condition["message"] and wait.room_is_coming:
                    continue
                return _failed(
                    "pods are refused", f"pods are refused ({condition.get('reason')}): {condition['message']}"
                )
            given_up = condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded"
            if given_up and wait.is_news(condition.get("lastUpdateTime")):
                return _failed("roll-out given up", f"ProgressDeadlineExceeded: {condition.get('message')}")
    return None


def _problems(snapshot: Snapshot, pods: Sequence[Mapping[str, Any]], wait: Wait) -> RolloutState | None:
    found = {}
    for pod in pods:
        name = pod["metadata"]["name"]
        events = [event for event in snapshot.events if (event.get("involvedObject") or {}).get("name") == name]
        problem = find_problem(pod, events, snapshot.logs.get(name, ""), wait)
        if problem is not None:
            found[name] = f"pod {name}: {problem}"
    if not found:
        return None
    return _failed(f"{len(found)} of {len(pods)} pods cannot start", *found.values(), pods=tuple(found))


def evaluate_rollout(snapshot: Snapshot, revision: str | None, wait: Wait) -> RolloutState:
    """Judge a snapshot; ``revision`` None takes the one that the Deployment wants."""
    leaving = any(pod["metadata"].get("deletionTimestamp") for pod in snapshot.pods)
    state = _evaluate(snapshot, revision, replace(wait, room_seen_at=wait.moment) if leaving else wait)
    return replace(state, room_is_made=leaving)


def _evaluate(snapshot: Snapshot, revision: str | None, wait: Wait) -> RolloutState:
    deployment = snapshot.deployment
    if deployment is None:
        return _failed("there is no such Deployment")
    wanted = _revision(deployment["spec"]["template"])
    if revision is not None and wanted != revision:
        return _failed(
            f"the Deployment wants revision {wanted}, not {revision}: somebody has deployed another one meanwhile"
        )
    status, replicas = deployment.get("status") or {}, int(deployment["spec"].get("replicas", 1))
    if int(status.get("observedGeneration") or 0) < int(deployment["metadata"].get("generation") or 0):
        return RolloutState(WAITING, "waiting for the Deployment's controller")
    pods = _find_pods(snapshot, str(wanted))
    refused = _refused(snapshot, str(wanted), wait) or _problems(snapshot, pods, wait)
    if refused is not None:
        return refused
    ready = tuple(sorted(pod["metadata"]["name"] for pod in pods if is_ready(pod)))
    old = [pod for pod in snapshot.pods if _revision(pod) != wanted and is_alive(pod)]
    states = sorted(f"{pod['metadata']['name']} {summarise(pod)}" for pod in pods if not is_ready(pod))
    older = f", {len(old)} of older revisions" if old else ""
    summary = f"{len(ready)}/{replicas} ready" + older + (": " + ", ".join(states) if states else "")
    whole = len(ready) >= replicas and int(status.get("updatedReplicas") or 0) >= replicas and not old
    if not whole and deployment["spec"].get("paused"):
        return _failed("the Deployment is paused: nothing is rolled out until `kubectl rollout resume`")
    return RolloutState(READY if whole else WAITING, summary, pods=ready)
