# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a report to a file of this machine."""

from __future__ import annotations

import os
import tempfile

from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import LlmopsError

__all__ = ["check_folder", "write_report"]


def check_folder(path: str) -> None:
    """Raise LlmopsError unless a file can be written beside ``path``: asked before anything that takes long."""
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        words = "there is no such folder"
    elif not os.access(folder, os.W_OK | os.X_OK):
        words = "the folder may not be written to"
    else:
        return
    raise LlmopsError(f"Nothing was started, because {path} could not be written: {words}", {"path": path})


def write_report(path: str, text: str) -> None:
    """Write a file as a whole or not at all, so that nobody reads half a page."""
    folder = os.path.dirname(os.path.abspath(path))
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=".report-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:  # also an interrupt must leave no half page behind; it goes on its way
            os.unlink(name)
            raise
    except OSError as error:
        raise LlmopsError(
            f"Failed writing the report to {path}: {error.strerror}. The cluster was only read; name a file in a "
            "folder that exists and may be written to",
            {"path": path},
        ) from error
