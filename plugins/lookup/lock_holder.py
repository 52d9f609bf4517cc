# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names the run that this is, for the locks of releases."""

from __future__ import annotations

DOCUMENTATION = r"""
name: lock_holder
short_description: Name this run, for the locks of releases
version_added: "0.1.0"
description:
  - Returns the AWX job where there is one, otherwise user, machine and process of this run. It is the same in all tasks
    of a run, and another one in every other run.
author:
  - The llmops.kubernetes contributors (@llmops)
"""

EXAMPLES = r"""
- name: Show who this run is
  ansible.builtin.debug:
    msg: "{{ lookup('llmops.kubernetes.lock_holder') }}"
"""

RETURN = r"""
_raw:
  description: One name.
  type: list
  elements: str
  sample: [alice@desk:4711]
"""

import getpass
import multiprocessing
import os
import socket
from typing import Any

from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """The name of this run."""

    # Ansible calls it with terms and options, of which it has none.
    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:  # noqa: ARG002
        """Return the name as the only item."""
        known = variables or {}
        for name in ("awx_job_id", "tower_job_id"):
            if known.get(name):
                return [f"AWX job {known[name]}"]
        # Tasks run in processes of their own, all of them children of the one that the user has started.
        parent = multiprocessing.parent_process()
        number = parent.pid if parent is not None else os.getpid()
        return [f"{getpass.getuser()}@{socket.gethostname()}:{number}"]
