# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON patches (RFC 6902) of rendered objects, the user's last resort."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["apply_patches"]

_NEEDS_VALUE = ("add", "replace", "test")
_NEEDS_FROM = ("move", "copy")
_OPERATIONS = (*_NEEDS_VALUE, *_NEEDS_FROM, "remove")


def _tokens(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"path {pointer!r} must start with /")
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _index(items: list[Any], token: str, *, last: int) -> int:
    if not token.isdigit() or int(token) > last:
        raise ValueError(f"{token!r} is no place in a list of {len(items)}")
    return int(token)


def _find(document: Any, tokens: Sequence[str]) -> Any:
    for token in tokens:
        if isinstance(document, dict) and token in document:
            document = document[token]
        elif isinstance(document, list):
            document = document[_index(document, token, last=len(document) - 1)]
        else:
            raise ValueError(f"there is no {token!r} in what is rendered")
    return document


def _add(document: Any, tokens: Sequence[str], value: Any) -> None:
    parent, name = _find(document, tokens[:-1]), tokens[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if name == "-" else _index(parent, name, last=len(parent)), value)
    elif isinstance(parent, dict):
        parent[name] = value
    else:
        raise ValueError(f"{name!r} cannot be added to a single value")


def _remove(document: Any, tokens: Sequence[str]) -> Any:
    value = _find(document, tokens)
    parent, name = _find(document, tokens[:-1]), tokens[-1]
    del parent[int(name) if isinstance(parent, list) else name]
    return value


def _check(patch: Mapping[str, Any]) -> None:
    if patch.get("op") not in _OPERATIONS:
        raise ValueError(f"op {patch.get('op')!r} is none of {', '.join(_OPERATIONS)}")
    if not patch.get("path"):
        raise ValueError("path is missing; the whole pod template cannot be replaced")
    if patch["op"] in _NEEDS_VALUE and "value" not in patch:
        raise ValueError(f"{patch['op']} needs a value")
    if patch["op"] in _NEEDS_FROM and not patch.get("from"):
        raise ValueError(f"{patch['op']} needs from, which names a part of the pod template")


def _apply(document: Any, patch: Mapping[str, Any]) -> None:
    _check(patch)
    operation, tokens = patch["op"], _tokens(str(patch["path"]))
    if operation == "remove":
        _remove(document, tokens)
    elif operation == "test":
        if _find(document, tokens) != patch["value"]:
            raise ValueError("the test does not hold")
    elif operation == "move":
        _add(document, tokens, _remove(document, _tokens(str(patch["from"]))))
    elif operation == "copy":
        _add(document, tokens, copy.deepcopy(_find(document, _tokens(str(patch["from"])))))
    else:
        if operation == "replace":
            _remove(document, tokens)
        _add(document, tokens, copy.deepcopy(patch["value"]))


def apply_patches(document: Mapping[str, Any], patches: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a patched copy; ValueError names the patch by its place and says why it cannot be applied."""
    patched = copy.deepcopy(dict(document))
    for number, patch in enumerate(patches):
        try:
            _apply(patched, patch)
        except ValueError as error:
            raise ValueError(f"patches[{number}] ({patch.get('op')} {patch.get('path')}): {error}") from error
    return patched
