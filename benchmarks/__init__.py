# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements on a running cluster; ``README.md`` says which."""

import sys
from pathlib import Path

# Not by PYTHONPATH: the programs that are measured would inherit it, and miss the collections that come with Ansible.
sys.path.append(str(Path(__file__).parents[1] / "collections"))
