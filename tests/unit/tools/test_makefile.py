# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Makefile hands to the commands that it runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_variables_that_lead_to_another_cluster_reach_no_command() -> None:
    mine = {"K8S_AUTH_HOST": "https://production.example", "K8S_AUTH_API_KEY": "", "MINE": "kept"}
    said = subprocess.run(
        ["make", "--no-print-directory", "--eval", "show: ; @env", "show"],
        cwd=ROOT,
        env={**os.environ, **mine},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert "MINE=kept" in said
    assert [line for line in said if line.startswith("K8S_AUTH")] == []
