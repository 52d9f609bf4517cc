# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.lock import (
    GRACE_SECONDS,
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

NOW = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
HELD = Lock("job 7", NOW - timedelta(seconds=90), NOW, 60, 3, "41")


def applied(lease: dict[str, Any], change: dict[str, Any]) -> Lock:
    """Return the lock after a merge patch."""
    spec = {key: value for key, value in {**lease["spec"], **change["spec"]}.items() if value is not None}
    lock = parse_lease({"metadata": {"resourceVersion": "42"}, "spec": spec})
    assert lock is not None
    return lock


@pytest.mark.parametrize(
    ("lock", "holder", "seconds_later", "expected"),
    [
        (None, "me", 0, Standing.FREE),
        (replace(HELD, holder=""), "me", 0, Standing.FREE),
        (HELD, "job 7", 10_000, Standing.OURS),
        (HELD, "me", 60 + GRACE_SECONDS - 1, Standing.HELD),
        (HELD, "me", 60 + GRACE_SECONDS, Standing.EXPIRED),
        (replace(HELD, renewed_at=None), "me", 0, Standing.EXPIRED),
    ],
)
def test_a_lock_stands_by_its_holder_and_the_time(
    lock: Lock | None, holder: str, seconds_later: int, expected: Standing
) -> None:
    assert evaluate_lock(lock, holder, NOW + timedelta(seconds=seconds_later)) is expected


def test_a_lock_says_by_whom_since_when_and_until_when() -> None:
    text = describe_lock(HELD)
    assert text == (
        "held by job 7 since 2026-01-01T11:58:30+00:00, until 2026-01-01T12:01:10+00:00 unless it is renewed"
    )
    strange = describe_lock(replace(HELD, taken_at=None, renewed_at=None))
    assert strange == "held by job 7 since an unknown time, until now unless it is renewed"


def test_a_lock_is_renewed_after_a_third_of_its_time() -> None:
    assert not is_due(HELD, NOW + timedelta(seconds=19))
    assert is_due(HELD, NOW + timedelta(seconds=20))
    assert is_due(replace(HELD, renewed_at=None), NOW)


def test_a_lease_is_taken_renewed_taken_over_and_let_go() -> None:
    lease = render_lease("llm", "chat", "me", NOW, 60)
    assert lease["metadata"]["name"] == "chat-release"
    assert parse_lease(lease) == Lock("me", NOW, NOW, 60, 0, "")
    lock = applied(lease, render_change(replace(HELD, holder="me"), "me", NOW + timedelta(seconds=30), 60))
    assert (lock.taken_at, lock.renewed_at, lock.transitions) == (NOW, NOW + timedelta(seconds=30), 0)
    later = NOW + timedelta(seconds=200)
    lock = applied(lease, render_change(lock, "you", later, 90))
    assert lock == Lock("you", later, later, 90, 1, "42")
    change = render_release(lock)
    assert change["metadata"] == {"resourceVersion": "42"}
    assert evaluate_lock(applied(lease, change), "me", later) is Standing.FREE


def test_a_lease_goes_with_the_release_once_there_is_one() -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "chat-release", "uid": "u"}
    assert render_release(HELD, owner)["metadata"] == {"resourceVersion": "41", "ownerReferences": [owner]}


def test_no_lease_and_an_empty_one_are_no_lock_of_anybody() -> None:
    assert parse_lease(None) is None
    assert parse_lease({"metadata": {}}) == Lock("", None, None, 0, 0, "")
