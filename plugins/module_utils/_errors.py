# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that users see.

Every message names what was attempted, on which object, what was observed, what was expected and the next
step. ``details`` carries the same as data. Nothing in here knows Ansible: ``_module.py`` turns these errors
into a failed task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["ClusterError", "InputError", "LlmopsError", "Problem", "format_problems"]


class LlmopsError(Exception):
    """Anything that ends a task with words for the user; ``details`` is the same as plain data."""

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the input, at ``path`` (``model_servers[chat].parallel.tensor``)."""

    path: str
    message: str
    value: str | None = None
    allowed: str | None = None
    hint: str | None = None

    def render(self) -> str:
        """Return the problem as one line of text."""
        text = f"{self.path}: {self.message}"
        if self.value is not None:
            text += f" (got {self.value})"
        if self.allowed is not None:
            text += f"; allowed: {self.allowed}"
        if self.hint is not None:
            text += f". {self.hint}"
        return text


def format_problems(problems: Sequence[Problem]) -> str:
    """Return one text for all problems: a single line for one, a list for several."""
    if len(problems) == 1:
        return problems[0].render()
    lines = "\n".join(f"- {problem.render()}" for problem in problems)
    return f"{len(problems)} problems in the input; nothing was changed:\n{lines}"


class InputError(LlmopsError):
    """The input is wrong; raised before anything changes, with every problem that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(
            format_problems(self.problems),
            {"problems": [{k: v for k, v in vars(p).items() if v is not None} for p in self.problems]},
        )


class ClusterError(LlmopsError):
    """The cluster refused, did not answer, or answered something that cannot be worked with."""
