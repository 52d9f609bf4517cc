# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names stand for secrets: whose value is refused in plain text, never repeated in errors, masked in diffs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["MASKED", "is_private", "looks_secret", "mask", "secret_values"]

MASKED = "(masked)"
# As whole words at the end of a name, so that MAX_TOKENS, TOKEN_LIMIT and HF_TOKEN_PATH are none.
_WORDS = r"TOKEN|SECRETS?|PASSWORDS?|PASSWD|PASSPHRASE|API[-_]?KEYS?|(?:ACCESS|PRIVATE)[-_]?KEY|CREDENTIALS?"
# What is refused must be a secret for certain, what is hidden only may be one: API_KEY_PROD, but DB_PASSWORD_FILE too.
_SECRET = re.compile(rf"(?:^|[-_])(?:{_WORDS})(?:[-_](?:ID|KEY|VALUE|DATA|V?\d+))?$", re.IGNORECASE)
_MAYBE_SECRET = re.compile(rf"(?:^|[-_])(?:{_WORDS})(?:$|[-_])", re.IGNORECASE)
_SWITCH = re.compile(r"(?:^|[-_])(?:DISABLE|ENABLE|USE)[-_]", re.IGNORECASE)
_PART = re.compile(r"[.\[\]]+")
# Keys of a kubeconfig whose names say nothing of a secret elsewhere.
_KUBECONFIG_KEYS = ("client-key-data",)


def looks_secret(name: str) -> bool:
    """Whether the value behind a name must come from a Secret."""
    return _SECRET.search(name) is not None and _SWITCH.search(name) is None


def may_be_secret(name: str) -> bool:
    """Whether the value behind a name is better not shown."""
    return _MAYBE_SECRET.search(name) is not None and _SWITCH.search(name) is None


def is_private(path: str) -> bool:
    """Whether a value at this path of the input must not be repeated: one of the names on the way is a secret's."""
    return any(may_be_secret(part) for part in _PART.split(path))


def mask(value: Any) -> Any:
    """Return a structure with every value masked whose name is a secret's; references are structures and stay."""
    if isinstance(value, (list, tuple)):
        return [mask(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    masked = {
        key: MASKED if isinstance(item, (str, int, float)) and may_be_secret(str(key)) else mask(item)
        for key, item in value.items()
    }
    # A variable of a container, {name: X, value: Y}, that somebody has put a secret into.
    if isinstance(value.get("name"), str) and "value" in value and may_be_secret(value["name"]):
        masked["value"] = MASKED
    return masked


def secret_values(value: Any) -> Iterator[str]:
    """Yield the secrets inside of a kubeconfig that is given as data."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from secret_values(item)
    elif isinstance(value, Mapping):
        name = value.get("name")
        for key, item in value.items():
            named = may_be_secret(str(key)) or (key == "value" and isinstance(name, str) and may_be_secret(name))
            if isinstance(item, (Mapping, list, tuple)):
                yield from secret_values(item)
            # An empty text would hide everything.
            elif (named or key in _KUBECONFIG_KEYS) and item is not None and str(item):
                yield str(item)
