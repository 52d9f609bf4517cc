# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows progress while the module of the same name waits, slice by slice.

The load goes on between slices, in a Job or in a process, which the module's ``waiting`` names.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

SLICE_SECONDS = 5.0
display = Display()


class ActionModule(ActionBase):
    """Runs ``serving_benchmark`` until it has its figures."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's last result."""
        super().run(tmp, task_vars)
        arguments = {"slice_seconds": SLICE_SECONDS, **self._task.args}
        shown = ""
        while True:
            result: dict[str, Any] = self._execute_module(
                module_name="llmops.kubernetes.serving_benchmark", module_args=arguments, task_vars=task_vars
            )
            waiting = result.get("waiting")
            if not waiting or result.get("failed"):
                return result
            line = describe(waiting)
            if line != shown:
                shown = line
                display.display(line)
            arguments["resume"] = waiting


def describe(waiting: dict[str, Any]) -> str:
    """Return one line: requests done, rate, TTFT so far, time left."""
    seconds = float(waiting.get("waited_seconds") or 0)
    progress = waiting.get("progress")
    if not progress:
        return f"  benchmark after {seconds:.0f} s: no request has been sent yet"
    words = [f"{progress['done']} requests done", f"{progress['requests_per_second']:g}/s"]
    if progress.get("failed"):
        words.append(f"{progress['failed']} failed")
    if progress.get("ttft_p95_ms") is not None:
        words.append(f"TTFT p95 {progress['ttft_p95_ms']:g} ms")
    if progress.get("seconds_left") is not None:
        words.append(f"{progress['seconds_left']:.0f} s left")
    return f"  {progress['phase']} after {seconds:.0f} s: " + ", ".join(words)
