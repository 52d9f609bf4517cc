# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading files of the machine where a module runs."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["LocalFiles"]

# A day of guidellm with all its requests is some hundred MB; what is larger is no result.
_BYTES_MAX = 1 << 30


class LocalFiles:
    """Files by their path; implements the ``Files`` port of the flows."""

    def read(self, path: str, option: str) -> str:
        """Return the text of a file; raises InputError that names the option and the path."""
        file = Path(path)
        try:
            if file.stat().st_size > _BYTES_MAX:
                raise InputError([Problem(option, f"{path} is larger than 1 GiB, which no result is")])
            return file.read_text(encoding="utf-8")
        except OSError as error:
            hint = "It is looked for where the module runs."
            raise InputError([Problem(option, f"cannot read {path}: {error.strerror}", hint=hint)]) from None
        except UnicodeDecodeError as error:
            raise InputError([Problem(option, f"{path} is no UTF-8 text (byte {error.start})")]) from None
