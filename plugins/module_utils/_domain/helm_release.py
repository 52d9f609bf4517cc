# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do with a Helm release as it is found: a killed Helm leaves it locked for ever, a failed one half done.

See https://github.com/helm/helm/issues/8987: every later upgrade ends with "another operation is in progress".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

__all__ = ["Repair", "find_age_seconds", "plan_repair"]

_DEPLOYED = ("deployed", "superseded")
# Half of an upgrade may be in the cluster. Going back first makes it whole, also where what is wanted now is what was
# deployed last; and the upgrade that follows finds nothing that only the broken one has brought.
_BROKEN = ("failed", "pending-upgrade", "pending-rollback")
# How Helm prints times: 2026-01-31 12:00:00.123456789 +0100 CET
_TIME = re.compile(r"^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? ([+-])(\d\d)(\d\d)")


@dataclass(frozen=True)
class Repair:
    """``action``: ``none``, ``rollback`` (to ``revision``), ``uninstall``, or ``refuse``; ``reason`` says why."""

    action: str = "none"
    reason: str = ""
    revision: int | None = None


def find_age_seconds(release: Mapping[str, Any], now: datetime) -> float | None:
    """Return the seconds since Helm last wrote the release; None where it does not say."""
    found = _TIME.match(str(release.get("updated") or ""))
    if found is None:
        return None
    shift = timedelta(hours=int(found[4]), minutes=int(found[5]))
    zone = timezone(shift if found[3] == "+" else -shift)
    moment = datetime.fromisoformat(f"{found[1]}T{found[2]}").replace(tzinfo=zone)
    return (now - moment).total_seconds()


def plan_repair(
    release: Mapping[str, Any] | None, ours: bool, age_seconds: float | None = None, pending_seconds: float = 0.0
) -> Repair:
    """Return how a release is made usable again; ``release`` is what ``kubernetes.core.helm_info`` says of it.

    ``ours``: the namespace carries our label, so that a first installation that was cut off may be taken away. What was
    written less than ``pending_seconds`` ago may be at work still.
    """
    release = release or {}
    status, name = str(release.get("status") or ""), str(release.get("name") or "")
    if status in ("", "deployed", "uninstalled"):
        return Repair()
    if status != "failed" and age_seconds is not None and age_seconds < pending_seconds:
        return Repair(
            "refuse",
            f"release {name} is in {status} since {age_seconds:.0f} s, so Helm may still be at work on it. Next: run "
            f"again when {pending_seconds:g} s are over, or say how long to wait with gpu_operator_pending_seconds",
        )
    revisions = [
        int(each.get("revision") or 0) for each in release.get("history") or () if each.get("status") in _DEPLOYED
    ]
    if status in _BROKEN and revisions:
        words = f"release {name} is in {status}: Helm did not end revision {release.get('revision')}"
        return Repair("rollback", words, max(revisions))
    words = f"release {name} is in {status}: Helm did not end its first installation, or its removal"
    if ours:
        return Repair("uninstall", words)
    return Repair(
        "refuse",
        f"{words}. Its namespace does not carry our label, so nothing is removed. Next: helm uninstall {name}, or "
        "label the namespace app.kubernetes.io/managed-by=llmops.kubernetes",
    )
