# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's own loader finds the collection for all unit tests; set up before anything of it is imported.

Property tests draw the same cases in every run and are not timed: what a change is held against must not depend on luck
or on what else the machine does. ``--hypothesis-profile default`` draws new ones.
"""

from __future__ import annotations

from ansible.plugins.loader import init_plugin_loader
from hypothesis import settings

settings.load_profile("ci")
init_plugin_loader()
