# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base image: the packages that were asked for, and nothing that only fills it."""

from __future__ import annotations

from pathlib import Path

import base_image


def test_command_takes_the_packages_and_the_suite_and_leaves_out_what_nobody_reads():
    command = base_image.mmdebstrap("bookworm", ["python3", "libnuma1"], Path("/cache/rootfs.tar"))
    assert "--include=usr-is-merged,python3,libnuma1" in command
    assert command[-2:] == ["bookworm", "/cache/rootfs.tar"]
    assert "--dpkgopt=path-exclude=/usr/share/doc/*" in command


def test_command_installs_no_recommended_packages():
    assert '--aptopt=APT::Install-Recommends "false"' in base_image.mmdebstrap("bookworm", [], Path("x"))
