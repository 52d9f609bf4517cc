# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of HTTP servers, as users write them."""

from __future__ import annotations

import re

from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import Problem

__all__ = ["find_address_problem"]

_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
_ADDRESS = re.compile(rf"https?://{_HOST}(?::\d{{1,5}})?(?:/[^\s?#]*)?")
_WITH_USER = re.compile(r"https?://[^/]*@")


def find_address_problem(path: str, url: str) -> Problem | None:
    """Return what is wrong with an address; one that carries a password is not repeated."""
    if _WITH_USER.match(url):
        return Problem(path, "carries a user or a password", hint="Give it by the options that are for it.")
    if not _ADDRESS.fullmatch(url):
        return Problem(path, "is no address", repr(url), "http://host:port or https://host/path")
    return None
