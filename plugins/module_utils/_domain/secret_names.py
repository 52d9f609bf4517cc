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
_SECRET = re.compile(
    r"(?:^|[-_])(?:TOKEN|SECRETS?|PASSWORDS?|PASSWD|PASSPHRASE|API[-_]?KEYS?|(?:ACCESS|PRIVATE)[-_]?KEY|CREDENTIALS?)"
    r"(?:[-_](?:ID|KEY|VALUE|DATA|V?\d+))?$",
    re.IGNORECASE,
)
# HF_HUB_DISABLE_IMPLICIT_TOKEN and the like are switches.
_SWITCH = re.compile(r"(?:^|[-_])(?:DISABLE|ENABLE|USE)[-_]", re.IGNORECASE)
_PART = re.compile(r"[.\[\]]+")
# Keys of a kubeconfig whose names say nothing of a secret elsewhere.
_KUBECONFIG_KEYS = ("client-key-data",)


def looks_secret(name: str) -> bool:
    """Whether the value behind a name must come from a Secret."""
    return _SECRET.search(name) is not None and _SWITCH.search(name) is None


def is_private(path: str) -> bool:
    """Whether a value at this path of the input must not be repeated: one of the names on the way is a secret's."""
    return any(looks_secret(part) for part in _PART.split(path))


def mask(value: Any) -> Any:
    """Return a structure with every value masked whose name is a secret's; references are structures and stay."""
    if isinstance(value, (list, tuple)):
        return [mask(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    masked = {
        key: MASKED if isinstance(item, (str, int, float)) and looks_secret(str(key)) else mask(item)
        for key, item in value.items()
    }
    # A variable of a container, {name: X, value: Y}, that somebody has put a secret into.
    if isinstance(value.get("name"), str) and "value" in value and looks_secret(value["name"]):
        masked["value"] = MASKED
    return masked


def secret_values(value: Any) -> Iterator[str]:
    """Yield the secrets inside of a kubeconfig that is given as data."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from secret_values(item)
    elif isinstance(value, Mapping):
        name = value.get("name")
        if isinstance(name, str) and isinstance(value.get("value"), str) and looks_secret(name):
            yield value["value"]
        for key, item in value.items():
            if isinstance(item, str) and item and (str(key) in _KUBECONFIG_KEYS or looks_secret(str(key))):
                yield item
            else:
                yield from secret_values(item)
