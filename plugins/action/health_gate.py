# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows progress while the module of the same name waits.

A module cannot speak before it ends. So it is run in slices: each returns at the next change of state (or after some
seconds), a line is shown, and the next slice goes on. This works over any connection and under AWX, and no state is
kept between slices but the time of the start: everything else is read from the cluster anew.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

SLICE_SECONDS = 20.0
# A large model loads for minutes without a change of state; the screen must not look dead meanwhile.
SILENCE_SECONDS_MAX = 60.0
display = Display()


class ActionModule(ActionBase):
    """Runs ``health_gate`` until it has a verdict."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's last result."""
        super().run(tmp, task_vars)
        arguments = {"slice_seconds": SLICE_SECONDS, **self._task.args}
        place = f"{arguments.get('namespace')}/{arguments.get('name')}"
        begin = time.monotonic()
        shown, shown_at = "", begin
        while True:
            result: dict[str, Any] = self._execute_module(
                module_name="llmops.kubernetes.health_gate", module_args=arguments, task_vars=task_vars
            )
            waiting = result.get("waiting")
            if not waiting or result.get("failed"):
                return result
            now = time.monotonic()
            if waiting["summary"] != shown or now - shown_at >= SILENCE_SECONDS_MAX:
                shown, shown_at = waiting["summary"], now
                seconds = _waited(waiting.get("started_at"), now - begin)
                display.display(f"  {place} after {seconds:.0f} s: {shown}")
            arguments["resume"] = waiting


def _waited(started_at: str | None, fallback_seconds: float) -> float:
    """Return the seconds since the gate's own start, as the module counts them."""
    if not started_at:
        return fallback_seconds
    return (datetime.now(timezone.utc) - datetime.fromisoformat(started_at)).total_seconds()
