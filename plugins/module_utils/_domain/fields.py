# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a user wrote: typed, with the path of every value, collecting all problems instead of the first.

A ``Fields`` stands for one mapping of the input. Every key that is read is known; ``finish`` reports the others with
the nearest known name. Values may come as text from surveys and from the command line: conversions are accepted when
nothing is lost (``"3"``, ``"true"``), never guessed.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Callable, TypeVar

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.secret_names import is_private, mask
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import Problem

__all__ = ["Fields", "merge_defaults", "nearest", "shown"]

T = TypeVar("T")
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")
_SHOWN_CHARACTERS_MAX = 120
# Sections in which a secret is likely when they are not even mappings, such as env: [HF_TOKEN=...].
_MAY_HOLD_SECRETS = (".env", ".args")


def nearest(name: str, names: Sequence[str]) -> str | None:
    """Return the valid name that was probably meant, or None."""
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return found[0] if found else None


def shown(value: Any) -> str:
    """Return a value for an error text, shortened, without what stands under a secret's name."""
    text = repr(mask(value))
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[: _SHOWN_CHARACTERS_MAX - 3] + "..."


def merge_defaults(defaults: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``value`` over ``defaults``: mappings are merged recursively, everything else is replaced."""
    merged = dict(defaults)
    for key, item in value.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(item, Mapping):
            merged[key] = merge_defaults(below, item)
        else:
            merged[key] = item
    return merged


class Fields:
    """One mapping of the input at ``path``; ``problems`` is shared by all that belong to one parse."""

    def __init__(self, value: Any, path: str, problems: list[Problem]) -> None:
        self.path = path
        self.problems = problems
        self._known: list[str] = []
        self._value: Mapping[Any, Any] = {}
        if isinstance(value, Mapping):
            self._value = value
        elif value is not None:
            self.problem_here("expected a mapping", value, hint="Write it as `key: value` lines.")

    def problem_here(self, message: str, value: Any, allowed: str | None = None, hint: str | None = None) -> None:
        """Record a problem of this whole mapping."""
        got = None if is_private(self.path) or self.path.endswith(_MAY_HOLD_SECRETS) else shown(value)
        self.problems.append(Problem(self.path, message, got, allowed, hint))

    def problem(
        self, key: str, message: str, value: Any = None, allowed: str | None = None, hint: str | None = None
    ) -> None:
        """Record a problem of one key; a value under a secret's name is not repeated."""
        got = None if value is None or is_private(f"{self.path}.{key}") else shown(value)
        self.problems.append(Problem(f"{self.path}.{key}", message, got, allowed, hint))

    def has(self, key: str) -> bool:
        """Whether the key is there with a value."""
        self._know(key)
        return self._value.get(key) is not None

    def raw(self, key: str, default: Any = None) -> Any:
        """Return the value as it was written."""
        self._know(key)
        value = self._value.get(key)
        return default if value is None else value

    def nested(self, key: str) -> Fields:
        """Return the mapping below a key; an empty one when it is missing."""
        return Fields(self.raw(key), f"{self.path}.{key}", self.problems)

    def text(self, key: str, default: T, *, choices: Sequence[str] = ()) -> str | T:
        """Return a non-empty text; numbers and booleans are no text, because YAML has already changed them."""
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, str) or not value.strip():
            hint = self._quotes(key, f"{key}: '{value}'") if isinstance(value, (int, float)) else None
            self.problem(key, "expected a non-empty text", value, hint=hint)
            return default
        if choices and value not in choices:
            guess = nearest(value, choices)
            self.problem(key, "no such choice", value, ", ".join(choices), f"Did you mean {guess}?" if guess else None)
            return default
        return str(value)

    def required_text(self, key: str, hint: str) -> str:
        """Return a text that must be there; empty after a recorded problem."""
        if not self.has(key):
            self.problem(key, "is required", hint=hint)
            return ""
        return self.text(key, "")

    def integer(self, key: str, default: T, *, minimum: int, maximum: int | None = None, unit: str = "") -> int | T:
        """Return a whole number within its limits (in ``unit``, for the error text)."""
        value = self.raw(key)
        if value is None:
            return default
        number = _integer(value)
        allowed = f"{minimum} or more" if maximum is None else f"{minimum} to {maximum}"
        if number is None:
            self.problem(key, "expected a whole number", value, f"{allowed} {unit}".rstrip())
            return default
        if number < minimum or (maximum is not None and number > maximum):
            self.problem(key, "is out of range", value, f"{allowed} {unit}".rstrip())
            return default
        return number

    def number(self, key: str, default: T, *, above: float = float("-inf"), unit: str = "") -> float | T:
        """Return a finite number greater than ``above``."""
        value = self.raw(key)
        if value is None:
            return default
        try:
            number = float("nan") if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if not above < number < float("inf"):
            allowed = "a finite number" if above == float("-inf") else f"more than {above:g} {unit}".rstrip()
            self.problem(key, "expected a number", value, allowed)
            return default
        return number

    def boolean(self, key: str, default: T) -> bool | T:
        """Return a truth value; ``true``/``false`` as text count, other text does not."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in _TRUE + _FALSE:
            return value.lower() in _TRUE
        self.problem(key, "expected true or false", value)
        return default

    def items(self, key: str) -> tuple[Any, ...]:
        """Return a list, as a tuple; empty when it is missing."""
        value = self.raw(key)
        if value is None:
            return ()
        if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
            self.problem(key, "expected a list", value)
            return ()
        return tuple(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of non-empty texts."""
        return self._each(key, lambda item: isinstance(item, str) and bool(item.strip()), "a non-empty text")

    def mappings(self, key: str) -> tuple[dict[str, Any], ...]:
        """Return a list of mappings, as they were written."""
        return tuple(dict(item) for item in self._each(key, lambda item: isinstance(item, Mapping), "a mapping"))

    def list_of_fields(self, key: str) -> tuple[Fields, ...]:
        """Return a list of mappings to be read, each with its own path (``volumes[0]``)."""
        found = []
        for index, item in enumerate(self.items(key)):
            if item is None:
                self.problem(f"{key}[{index}]", "expected a mapping", hint="Write it as `key: value` lines.")
            found.append(Fields(item, f"{self.path}.{key}[{index}]", self.problems))
        return tuple(found)

    def text_map(self, key: str) -> tuple[tuple[str, str], ...]:
        """Return a mapping of text to text as sorted pairs; numbers are accepted as the text they are written as."""
        value = self.raw(key)
        if value is None:
            return ()
        if not isinstance(value, Mapping):
            self.problem(key, "expected a mapping of text to text", value)
            return ()
        pairs = []
        for name, item in value.items():
            if isinstance(item, bool) or not isinstance(item, (str, int, float)):
                self.problem(f"{key}.{name}", "expected a text", item, hint=self._quotes(f"{key}.{name}", f"'{item}'"))
            else:
                pairs.append((str(name), str(item)))
        return tuple(sorted(pairs))

    def whole(self) -> dict[str, Any]:
        """Return the mapping as it was written; its keys do not count as known by that."""
        return dict(self._value)

    def keys(self) -> tuple[str, ...]:
        """Return the keys that were written, as text."""
        return tuple(str(key) for key in self._value)

    def finish(self) -> None:
        """Report every key that nobody asked for, with the nearest known one."""
        for key in self._value:
            if key in self._known:
                continue
            guess = nearest(str(key), self._known)
            self.problem(
                str(key),
                "unknown key",
                allowed=", ".join(sorted(self._known)),
                hint=f"Did you mean {guess}?" if guess else None,
            )

    def _quotes(self, key: str, example: str) -> str:
        return "Put quotes around it" + ("." if is_private(f"{self.path}.{key}") else f": {example}.")

    def _know(self, key: str) -> None:
        if key not in self._known:
            self._known.append(key)

    def _each(self, key: str, is_right: Callable[[Any], bool], what: str) -> tuple[Any, ...]:
        right = []
        for index, item in enumerate(self.items(key)):
            if is_right(item):
                right.append(item)
            else:
                self.problem(f"{key}[{index}]", f"expected {what}", item)
        return tuple(right)


def _integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return None
    return None
