# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.lock import parse_lease as parse
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.lock import render_change, render_lease
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.lock import (
    Locking,
    check_lock,
    renew,
    take,
    unlock,
)

from tests.unit.plugins.module_utils._flows.memory import MemoryClock, MemoryCluster

ME, OTHER = Locking("me@desk:1", 60), Locking("job 7", 60)
PLACE: Any = ("llm", "chat")


@pytest.fixture(name="cluster")
def _cluster() -> MemoryCluster:
    return MemoryCluster("llm")


@pytest.fixture(name="clock")
def _clock() -> MemoryClock:
    return MemoryClock()


def holder(cluster: MemoryCluster) -> str:
    lock = parse(cluster.find("Lease", "llm", "chat-release"))
    assert lock is not None
    return lock.holder


def test_a_lock_is_taken_renewed_and_let_go_by_one_and_then_free_for_another(
    cluster: MemoryCluster, clock: MemoryClock
) -> None:
    take(ME, *PLACE, cluster, clock)
    assert holder(cluster) == "me@desk:1"
    take(ME, *PLACE, cluster, clock)
    assert unlock("me@desk:1", *PLACE, cluster, None) is True
    assert unlock("me@desk:1", *PLACE, cluster, None) is False
    take(OTHER, *PLACE, cluster, clock)
    assert holder(cluster) == "job 7"
    assert unlock("me@desk:1", *PLACE, cluster, None) is False


def test_a_lock_that_another_holds_is_refused_with_who_since_when_until_when(
    cluster: MemoryCluster, clock: MemoryClock
) -> None:
    take(OTHER, *PLACE, cluster, clock)
    clock.sleep(30)
    writes = list(cluster.writes)
    with pytest.raises(ClusterError) as caught:
        take(ME, *PLACE, cluster, clock)
    assert caught.value.message == (
        "Release llm/chat on https://memory is locked: Lease chat-release is held by job 7 since "
        "2026-01-01T12:00:00+00:00, until 2026-01-01T12:01:10+00:00 unless it is renewed; me@desk:1 has changed "
        "nothing. Wait for that run, or, if it is dead, take the lock from it (take_over: true, "
        "for playbooks -e model_server_take_over=true)"
    )
    assert caught.value.details["holder"] == "job 7"
    assert cluster.writes == writes


def test_a_lock_is_taken_over_when_it_has_expired_or_when_that_is_asked_for(
    cluster: MemoryCluster, clock: MemoryClock
) -> None:
    take(OTHER, *PLACE, cluster, clock)
    take(Locking("me@desk:1", 60, take_over=True), *PLACE, cluster, clock)
    assert holder(cluster) == "me@desk:1"
    clock.sleep(70)
    take(OTHER, *PLACE, cluster, clock)
    assert holder(cluster) == "job 7"


def test_of_two_who_take_a_free_lock_at_once_one_gets_it(cluster: MemoryCluster, clock: MemoryClock) -> None:
    lease = render_lease("llm", "chat", "job 7", clock.now(), 60)
    cluster.before_create["chat-release"] = lambda: cluster.put(lease)
    with pytest.raises(ClusterError, match="held by job 7"):
        take(ME, *PLACE, cluster, clock)
    clock.sleep(100)

    def renew_it() -> None:
        found = cluster.find("Lease", "llm", "chat-release")
        lock = parse(found)
        assert lock is not None
        spec = {**found["spec"], **render_change(lock, "job 7", clock.now(), 60)["spec"]}
        cluster.put({**found, "spec": spec})

    cluster.before_patch["chat-release"] = renew_it
    with pytest.raises(ClusterError, match="held by job 7"):
        take(ME, *PLACE, cluster, clock)


def test_a_lease_that_changes_under_every_write_ends_in_words(
    cluster: MemoryCluster, clock: MemoryClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(ME, *PLACE, cluster, clock)

    def conflict(*_args: Any, **_more: Any) -> None:
        raise ClusterError("conflict", {"status": 409})

    monkeypatch.setattr(cluster, "patch", conflict)
    with pytest.raises(ClusterError, match="was changed by others 5 times while me@desk:1 tried to take it"):
        take(ME, *PLACE, cluster, clock)
    assert unlock("me@desk:1", *PLACE, cluster, None) is False


def test_other_errors_are_not_taken_for_a_race(
    cluster: MemoryCluster, clock: MemoryClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(ME, *PLACE, cluster, clock)
    cluster.denied.add(("patch", "Lease"))
    with pytest.raises(ClusterError, match="forbidden"):
        take(ME, *PLACE, cluster, clock)
    with pytest.raises(ClusterError, match="forbidden"):
        unlock("me@desk:1", *PLACE, cluster, None)


def test_a_long_wait_renews_the_lock_in_time_and_notices_its_loss(cluster: MemoryCluster, clock: MemoryClock) -> None:
    with pytest.raises(ClusterError, match="has lost the lock of release llm/chat on https://memory: nobody holds it"):
        renew(ME, *PLACE, cluster, clock)
    take(ME, *PLACE, cluster, clock)
    writes = len(cluster.writes)
    clock.sleep(19)
    renew(ME, *PLACE, cluster, clock)
    assert len(cluster.writes) == writes
    clock.sleep(1)
    renew(ME, *PLACE, cluster, clock)
    assert len(cluster.writes) == writes + 1
    clock.sleep(71)
    take(OTHER, *PLACE, cluster, clock)
    with pytest.raises(ClusterError, match="it is held by job 7"):
        renew(ME, *PLACE, cluster, clock)


def test_looking_at_a_lock_writes_nothing(cluster: MemoryCluster, clock: MemoryClock) -> None:
    assert check_lock(ME, *PLACE, cluster, clock) is None
    assert cluster.writes == []
