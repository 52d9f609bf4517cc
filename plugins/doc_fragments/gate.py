# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every gate lets its user decide; `module_utils/_options.py` checks it."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of gates."""

    DOCUMENTATION = r"""
options:
  fail_on:
    description: The verdicts that fail the task; the returned data is the same either way.
    type: list
    elements: str
    choices: [fail, inconclusive]
    default: [fail, inconclusive]
"""
