# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of ``_options.releases()``."""

from __future__ import annotations


class ModuleDocFragment:
    """The list of model servers that a module works on."""

    DOCUMENTATION = r"""
options:
  model_servers:
    description:
      - The releases, as in the inventory. All of them are checked before anything is written.
      - The keys of a release are described in the README of the role C(llmops.kubernetes.model_server).
    type: list
    elements: dict
    required: true
  model_server_defaults:
    description: What every release starts from; its own keys are merged over it recursively, lists are replaced.
    type: dict
    default: {}
  only:
    description: Names of the releases to work on; all when empty. The others are checked all the same.
    type: list
    elements: str
    default: []
"""
