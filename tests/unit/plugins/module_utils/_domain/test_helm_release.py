# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a release that Helm has left half done is made usable again."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.helm_release import (
    find_age_seconds,
    plan_repair,
)

NOW = datetime(2026, 1, 1, 12, 0, 30, tzinfo=timezone.utc)
HISTORY = [
    {"revision": "1", "status": "superseded"},
    {"revision": "2", "status": "deployed"},
    {"revision": "3", "status": "failed"},
]


def release(status: str, **more: object) -> dict[str, object]:
    """Return what Helm says."""
    return {"name": "gpu-operator", "status": status, "revision": "3", **more}


@pytest.mark.parametrize("seen", [None, {}, release("deployed"), release("uninstalled")])
def test_a_release_that_is_well_needs_no_repair(seen):
    assert plan_repair(seen, ours=False).action == "none"


@pytest.mark.parametrize("status", ["failed", "pending-upgrade", "pending-rollback"])
def test_a_broken_upgrade_goes_back_to_the_last_revision_that_was_deployed(status):
    repair = plan_repair(release(status, history=HISTORY), ours=False)
    assert (repair.action, repair.revision) == ("rollback", 2)
    assert f"is in {status}" in repair.reason


@pytest.mark.parametrize("status", ["failed", "pending-install", "uninstalling", "pending-upgrade"])
def test_a_broken_installation_is_taken_away_only_where_the_namespace_is_ours(status):
    assert plan_repair(release(status), ours=True).action == "uninstall"
    repair = plan_repair(release(status), ours=False)
    assert repair.action == "refuse"
    assert "helm uninstall gpu-operator" in repair.reason


def test_a_helm_that_may_still_be_at_work_is_left_alone():
    young = plan_repair(release("pending-upgrade", history=HISTORY), True, age_seconds=10, pending_seconds=300)
    assert young.action == "refuse"
    assert "since 10 s" in young.reason
    assert plan_repair(release("pending-upgrade", history=HISTORY), True, 301, 300).action == "rollback"
    assert plan_repair(release("failed", history=HISTORY), True, 10, 300).action == "rollback"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-01 12:00:00.123456789 +0000 UTC", 30),
        ("2026-01-01 13:30:00 +0130 CET", 30),
        ("2026-01-01 07:00:00.1 -0500 EST", 30),
        ("yesterday", None),
        (None, None),
    ],
)
def test_the_age_of_a_release_is_read_as_helm_prints_it(text, seconds):
    assert find_age_seconds({"updated": text}, NOW) == seconds
