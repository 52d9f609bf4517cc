# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules promise about check mode, diff and repetition."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes that modules of this collection share."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and return what a real run would change, without changing anything.
  diff_mode:
    description: Returns what has changed, or would change, with secrets masked.
  idempotent:
    description: A second run with the same options changes nothing.
  action_group:
    description: Use C(group/llmops.kubernetes.llmops) in C(module_defaults) to say once how to reach the cluster.
    support: full
    membership:
      - llmops.kubernetes.llmops
"""
    READ_ONLY = r"""
options: {}
attributes:
  check_mode:
    support: full
    details: This module changes nothing; it does the same in check mode.
  diff_mode:
    support: N/A
    details: This module changes nothing.
  idempotent:
    support: full
"""
