# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the role's helper programs importable by their file names, as they import each other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROLE = Path(__file__).parents[4] / "roles" / "local_engine"
sys.path.insert(0, str(ROLE / "files"))


@pytest.fixture
def role() -> Path:
    """Give the role's folder."""
    return ROLE
