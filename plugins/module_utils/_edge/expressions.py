# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath expressions, as criteria use them."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["JmesPath"]


class JmesPath:
    """Evaluates expressions; implements the ``Expressions`` port of the flows."""

    def search(self, expression: str, document: Any, path: str) -> Any:
        """Return what an expression finds, None for nothing; raises InputError for what is no expression."""
        try:
            import jmespath
        except ImportError:
            hint = "pip install jmespath, where the module runs."
            raise InputError([Problem(path, "needs the Python package jmespath", expression, hint=hint)]) from None
        try:
            search: Callable[[str, Any], Any] = jmespath.search
            return search(expression, document)
        except jmespath.exceptions.JMESPathError as error:
            message = "cannot be evaluated: " + " ".join(str(error).split())
            hint = 'Keys with dots are written in double quotes: "p99.9_ttft_ms".'
            raise InputError([Problem(path, message, expression, hint=hint)]) from None
