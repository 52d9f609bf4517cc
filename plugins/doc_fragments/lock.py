# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds the locks of releases; `module_utils/_options.py` checks it."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of locks."""

    DOCUMENTATION = r"""
options:
  lock_holder:
    description:
      - Who works on the releases, as others are told who find them locked, such as an AWX job or C(user@host:pid).
      - Without it no lock is looked at.
    type: str
  lock_seconds:
    description:
      - Seconds, above zero, after which a lock that was not renewed may be taken over; some are added for clocks that
        differ.
    type: int
    default: 300
"""
