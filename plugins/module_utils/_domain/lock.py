# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a release: a Lease that says who works on it, since when, and until when that counts.

Whoever holds it renews it while it works. One that was not renewed in time may be taken over: its holder is dead, or
cut off. Times are those of the machines that write them, so a grace is added for clocks that differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import (
    COMPONENT,
    FIELD_MANAGER,
    INSTANCE,
    MANAGED_BY,
    MODEL_SERVER,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import anchor_name

__all__ = [
    "GRACE_SECONDS",
    "Lock",
    "Standing",
    "describe_lock",
    "evaluate_lock",
    "is_due",
    "parse_lease",
    "render_change",
    "render_lease",
    "render_release",
]

GRACE_SECONDS = 10


class Standing(str, Enum):
    """How a lock stands for one who wants it."""

    FREE = "free"
    OURS = "ours"
    HELD = "held"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Lock:
    """A Lease as it was read; ``holder`` is empty where nobody holds it, ``version`` is what a write of it is for."""

    holder: str
    taken_at: datetime | None
    renewed_at: datetime | None
    seconds: int
    transitions: int
    version: str

    @property
    def ends_at(self) -> datetime | None:
        """When it may be taken over, None where it was never renewed."""
        return self.renewed_at + timedelta(seconds=self.seconds + GRACE_SECONDS) if self.renewed_at else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def parse_lease(item: Mapping[str, Any] | None) -> Lock | None:
    """Return the lock that a Lease stands for, None where there is none."""
    if item is None:
        return None
    spec = item.get("spec") or {}
    return Lock(
        str(spec.get("holderIdentity") or ""),
        _time(spec.get("acquireTime")),
        _time(spec.get("renewTime")),
        int(spec.get("leaseDurationSeconds") or 0),
        int(spec.get("leaseTransitions") or 0),
        str(item["metadata"].get("resourceVersion", "")),
    )


def evaluate_lock(lock: Lock | None, holder: str, now: datetime) -> Standing:
    """Return how a lock stands for a holder."""
    if lock is None or not lock.holder:
        return Standing.FREE
    if lock.holder == holder:
        return Standing.OURS
    return Standing.EXPIRED if lock.ends_at is None or now >= lock.ends_at else Standing.HELD


def is_due(lock: Lock, now: datetime) -> bool:
    """Whether a lock of ours wants to be renewed: a third of its time is over."""
    return lock.renewed_at is None or (now - lock.renewed_at).total_seconds() * 3 >= lock.seconds


def describe_lock(lock: Lock) -> str:
    """Return by whom a lock is held, since when and until when, as words."""
    since = lock.taken_at.isoformat(timespec="seconds") if lock.taken_at else "an unknown time"
    until = lock.ends_at.isoformat(timespec="seconds") if lock.ends_at else "now"
    return f"held by {lock.holder} since {since}, until {until} unless it is renewed"


def _micro(moment: datetime) -> str:
    # A Lease has microseconds; the server refuses times without them.
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _spec(lock: Lock | None, holder: str, now: datetime, seconds: int) -> dict[str, Any]:
    spec: dict[str, Any] = {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": _micro(now)}
    if lock is None or lock.holder != holder:
        spec["acquireTime"] = _micro(now)
        spec["leaseTransitions"] = lock.transitions + 1 if lock is not None else 0
    return spec


def render_lease(namespace: str, name: str, holder: str, now: datetime, seconds: int) -> dict[str, Any]:
    """Return the Lease of a release that has none yet."""
    marks = {INSTANCE: name, COMPONENT: MODEL_SERVER, MANAGED_BY: FIELD_MANAGER}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": anchor_name(name), "namespace": namespace, "labels": marks},
        "spec": _spec(None, holder, now, seconds),
    }


def render_change(lock: Lock, holder: str, now: datetime, seconds: int) -> dict[str, Any]:
    """Return the change that gives a lock to a holder, or renews it."""
    return {"metadata": {"resourceVersion": lock.version}, "spec": _spec(lock, holder, now, seconds)}


def render_release(lock: Lock, owner: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the change that lets go of a lock; ``owner`` is the object that the Lease is to go with."""
    metadata: dict[str, Any] = {"resourceVersion": lock.version}
    if owner is not None:
        metadata["ownerReferences"] = [dict(owner)]
    gone = {"holderIdentity": None, "acquireTime": None, "renewTime": None, "leaseDurationSeconds": None}
    return {"metadata": metadata, "spec": gone}
