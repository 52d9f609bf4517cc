# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time: the only file that reads a clock or sleeps."""

from __future__ import annotations

import random
import time
from datetime import datetime, timezone

__all__ = ["SystemClock"]


class SystemClock:
    """The machine's clocks; implements the ``Clock`` port of the flows."""

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return time.monotonic()

    def now(self) -> datetime:
        """Return the wall-clock time in UTC."""
        return datetime.now(timezone.utc)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def jitter(self) -> float:
        """Return a number within 0 and 1 that spreads retries."""
        return random.random()  # noqa: S311 - no secret depends on it
