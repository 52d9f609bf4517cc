# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading files of the machine where a module runs."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["LocalFiles"]

# A day of guidellm with all its requests is some hundred MB; what is larger is no result.
# No result of a load tool is larger.
_BYTES_MAX = 1 << 30


class LocalFiles:
    """Files by their path, of ``bytes_max`` at most; implements the ``Files`` port of the flows."""

    def __init__(self, bytes_max: int = _BYTES_MAX) -> None:
        self._bytes_max = bytes_max

    def read(self, path: str, option: str) -> str:
        """Return the text of a file; raises InputError that names the option and the path."""
        file = Path(path)
        try:
            if file.stat().st_size > self._bytes_max:
                raise InputError([Problem(option, f"{path} is larger than {self._bytes_max >> 20} MiB")])
            return file.read_text(encoding="utf-8-sig")
        except OSError as error:
            hint = "It is looked for where the module runs."
            raise InputError([Problem(option, f"cannot read {path}: {error.strerror}", hint=hint)]) from None
        except UnicodeDecodeError as error:
            raise InputError([Problem(option, f"{path} is no UTF-8 text (byte {error.start})")]) from None
