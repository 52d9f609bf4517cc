# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holding the lock of a release, by writes that count only for the Lease that was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.lock import (
    Lock,
    Standing,
    describe_lock,
    evaluate_lock,
    is_due,
    parse_lease,
    render_change,
    render_lease,
    render_release,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import anchor_name
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Clock, ClusterApi, Outcome

__all__ = ["Locking", "Locks", "apply_lock", "apply_unlock", "check_lock", "renew", "take", "unlock"]

# Each time somebody else was faster; more than that often is no race but a fight.
_ATTEMPTS_MAX = 5


@dataclass(frozen=True)
class Locking:
    """Who wants locks, for how long without renewal, and whether one that another holds is taken from him."""

    holder: str
    seconds: int = 300
    take_over: bool = False


@dataclass(frozen=True)
class Locks:
    """The locks of a run: who wants them, and the cluster and clock that they are of."""

    locking: Locking
    api: ClusterApi
    clock: Clock

    def check(self, namespace: str, name: str) -> None:
        """Refuse where another holds a release's lock."""
        check_lock(self.locking, namespace, name, self.api, self.clock)

    def take(self, namespace: str, name: str) -> None:
        """Take a release's lock."""
        take(self.locking, namespace, name, self.api, self.clock)

    def release(self, namespace: str, name: str) -> None:
        """Let go of a release's lock where it is ours."""
        unlock(self.locking.holder, namespace, name, self.api, None)


def check_lock(locking: Locking, namespace: str, name: str, api: ClusterApi, clock: Clock) -> Lock | None:
    """Return the lock as it is, where we have it or may take it; ClusterError where another holds it."""
    lock = parse_lease(api.get("Lease", namespace, anchor_name(name)))
    standing = evaluate_lock(lock, locking.holder, clock.now())
    if lock is not None and standing is Standing.HELD and not locking.take_over:
        raise _held(lock, locking, namespace, name, api)
    return lock


def take(locking: Locking, namespace: str, name: str, api: ClusterApi, clock: Clock) -> None:
    """Take the lock, or renew it where it is ours; ClusterError where another holds it."""
    for _attempt in range(_ATTEMPTS_MAX):
        lock = check_lock(locking, namespace, name, api, clock)
        now = clock.now()
        try:
            if lock is None:
                api.create(render_lease(namespace, name, locking.holder, now, locking.seconds))
            else:
                change = render_change(lock, locking.holder, now, locking.seconds)
                api.patch("Lease", namespace, anchor_name(name), change)
        except ClusterError as error:
            if error.details.get("status") != 409:
                raise
            continue  # somebody was faster: look again who has it
        return
    raise ClusterError(
        f"Lease {namespace}/{anchor_name(name)} on {api.cluster} was changed by others {_ATTEMPTS_MAX} times while "
        f"{locking.holder} tried to take it; nothing was changed. See who writes it: kubectl get lease -w",
        {"namespace": namespace, "name": anchor_name(name), "attempts": _ATTEMPTS_MAX},
    )


def renew(locking: Locking, namespace: str, name: str, api: ClusterApi, clock: Clock) -> None:
    """Renew the lock once a third of its time is over; ClusterError where it is not ours any more."""
    lock = parse_lease(api.get("Lease", namespace, anchor_name(name)))
    if lock is None or lock.holder != locking.holder:
        whose = f"it is {describe_lock(lock)}" if lock is not None and lock.holder else "nobody holds it"
        raise ClusterError(
            f"{locking.holder} has lost the lock of release {namespace}/{name} on {api.cluster}: {whose}. What this "
            "run has written so far stays; start it again once the other one has ended",
            {"holder": lock.holder if lock is not None else ""},
        )
    if is_due(lock, clock.now()):
        take(locking, namespace, name, api, clock)


def unlock(
    holder: str, namespace: str, name: str, api: ClusterApi, owner: Mapping[str, Any] | None, *, dry_run: bool = False
) -> bool:
    """Let go of the lock where it is ours; return whether it was."""
    for _attempt in range(_ATTEMPTS_MAX):
        lock = parse_lease(api.get("Lease", namespace, anchor_name(name)))
        if lock is None or lock.holder != holder:
            return False
        try:
            api.patch("Lease", namespace, anchor_name(name), render_release(lock, owner), dry_run=dry_run)
        except ClusterError as error:
            if error.details.get("status") not in (404, 409):
                raise
            continue
        return True
    return False


def _held(lock: Lock, locking: Locking, namespace: str, name: str, api: ClusterApi) -> ClusterError:
    return ClusterError(
        f"Release {namespace}/{name} on {api.cluster} is locked: Lease {anchor_name(name)} is {describe_lock(lock)}; "
        f"{locking.holder} has changed nothing. Wait for that run, or, if it is dead, take the lock from it "
        "(take_over: true, for playbooks -e model_server_take_over=true)",
        {
            "holder": lock.holder,
            "taken_at": lock.taken_at.isoformat() if lock.taken_at else None,
            "ends_at": lock.ends_at.isoformat() if lock.ends_at else None,
        },
    )


def apply_lock(
    locking: Locking, namespace: str, name: str, api: ClusterApi, clock: Clock, *, check_mode: bool = False
) -> Outcome:
    """Take or renew a release's lock."""
    if check_mode:
        check_lock(locking, namespace, name, api, clock)
    else:
        take(locking, namespace, name, api, clock)
    return Outcome(True, {"cluster": api.cluster})


def apply_unlock(holder: str, namespace: str, name: str, api: ClusterApi, *, check_mode: bool = False) -> Outcome:
    """Let go of a release's lock."""
    return Outcome(unlock(holder, namespace, name, api, None, dry_run=check_mode), {"cluster": api.cluster})
