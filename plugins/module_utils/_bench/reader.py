# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading one mapping of the settings: typed, with the path of every value, collecting all problems.

The client must not need the rest of the collection (it runs in a Job without it), so it has this small reader.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Reader", "SettingsError", "guess"]


class SettingsError(ValueError):
    """The settings are wrong; ``problems`` has a path and a sentence for each."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{path}: {text}" for path, text in self.problems))


class Reader:
    """One mapping at ``path``; ``problems`` is shared by all that belong to one parse."""

    def __init__(self, value: Any, path: str, problems: list[tuple[str, str]]) -> None:
        self.path, self.problems = path, problems
        self._known: list[str] = []
        self._value: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        if value is not None and not isinstance(value, Mapping):
            problems.append((path or "settings", f"expected a mapping, got {_shown(value)}"))

    def at(self, key: str) -> str:
        """Return the path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def problem(self, key: str, text: str) -> None:
        """Note a problem of a key."""
        self.problems.append((self.at(key), text))

    def raw(self, key: str) -> Any:
        """Return a value as it was written, None where it is missing."""
        if key not in self._known:
            self._known.append(key)
        return self._value.get(key)

    def nested(self, key: str) -> Reader:
        """Return the mapping below a key; an empty one where it is missing."""
        return Reader(self.raw(key), self.at(key), self.problems)

    def each(self, key: str) -> list[Reader]:
        """Return the mappings of a list."""
        value = self.raw(key)
        if value is not None and not isinstance(value, (list, tuple)):
            self.problem(key, f"expected a list, got {_shown(value)}")
            return []
        return [
            Reader(item or {}, f"{self.at(key)}[{number}]", self.problems) for number, item in enumerate(value or ())
        ]

    def text(self, key: str, default: str | None = None, *, choices: Sequence[str] = (), required: bool = False) -> Any:
        """Return a text that is not empty; where it is missing or wrong the default, with a problem if it is needed."""
        value = self.raw(key)
        if value is None:
            if required:
                self.problem(key, "is required")
            return default
        if not isinstance(value, str) or not value.strip():
            self.problem(key, f"expected a text that is not empty, got {_shown(value)}")
            return default
        if choices and value not in choices:
            self.problem(key, f"no such choice {_shown(value)}; allowed: {', '.join(choices)}{guess(value, choices)}")
            return default
        return value

    def number(self, key: str, default: Any = None, *, above: float = 0.0, maximum: float = math.inf) -> Any:
        """Return a number above a bound and up to a maximum."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not above < value <= maximum:
            limit = "" if maximum == math.inf else f" and at most {maximum:g}"
            self.problem(key, f"expected a number above {above:g}{limit}, got {_shown(value)}")
            return default
        if value == math.inf:
            self.problem(key, "expected a finite number, got infinity")
            return default
        return float(value)

    def integer(self, key: str, default: Any = None, *, minimum: int = 1, maximum: int = 2**31) -> Any:
        """Return a whole number between bounds."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            self.problem(key, f"expected a whole number from {minimum} to {maximum}, got {_shown(value)}")
            return default
        return value

    def boolean(self, key: str, default: bool) -> bool:
        """Return a truth value."""
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.problem(key, f"expected true or false, got {_shown(value)}")
            return default
        return value

    @property
    def written(self) -> list[str]:
        """The keys that were written."""
        return [str(key) for key in self._value]

    def finish(self) -> None:
        """Note every key that nobody asked for."""
        for key in self._value:
            if key not in self._known:
                allowed = ", ".join(sorted(self._known))
                self.problem(str(key), f"unknown key; allowed: {allowed}{guess(str(key), self._known)}")


def guess(word: str, words: Sequence[str]) -> str:
    """Return a question for the nearest word that there is; nothing where none is near."""
    found = difflib.get_close_matches(word, words, n=1)
    return f". Did you mean {found[0]}?" if found else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
