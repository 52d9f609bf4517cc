# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing what is wanted with what lives in the cluster, and showing the difference without secrets."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.secret_names import MASKED, mask
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import parse_quantity

__all__ = ["APPLIED", "is_covered", "normalise", "same_content", "show", "with_hash"]

# The hash of what was last applied: with it, a field that was taken out of the specification is noticed too.
APPLIED = "llmops.dev/applied"
_SERVER_FIELDS = ("managedFields", "uid", "resourceVersion", "creationTimestamp", "generation", "selfLink")
_SERVER_ANNOTATIONS = ("deployment.kubernetes.io/revision", APPLIED)
_QUANTITIES = ("requests", "limits", "sizeLimit")
_JSON = ".json"


def with_hash(item: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """Return an object that carries the hash of its own content."""
    marked = copy.deepcopy(dict(item))
    marked["metadata"].setdefault("annotations", {})[APPLIED] = digest
    return marked


def is_covered(wanted: Any, live: Any, *, quantities: bool = False) -> bool:
    """Whether every wanted field has the wanted value in the live object, which may have more (server defaults)."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            is_covered(value, live.get(key), quantities=quantities or key in _QUANTITIES)
            for key, value in wanted.items()
        )
    if isinstance(wanted, (list, tuple)):
        if not isinstance(live, Sequence) or isinstance(live, str) or len(live) != len(wanted):
            return not wanted and live is None
        return all(is_covered(one, other, quantities=quantities) for one, other in zip(wanted, live))
    if quantities and isinstance(wanted, str) and isinstance(live, str):
        # The server writes quantities its own way: 1024Mi comes back as 1Gi.
        try:
            return parse_quantity(wanted) == parse_quantity(live)
        except ValueError:
            return wanted == live
    return bool(wanted == live) or (wanted in ({}, "", False, 0) and live is None)


def normalise(item: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return an object without what the server adds by itself: status, versions, managers, times."""
    if not item:
        return {}
    plain = copy.deepcopy(dict(item))
    plain.pop("status", None)
    metadata = plain.get("metadata") or {}
    for field in _SERVER_FIELDS:
        metadata.pop(field, None)
    annotations = metadata.get("annotations") or {}
    for name in _SERVER_ANNOTATIONS:
        annotations.pop(name, None)
    if not annotations:
        metadata.pop("annotations", None)
    return plain


def same_content(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two answers of the server differ in nothing that somebody wrote."""
    first, second = normalise(one), normalise(other)
    for item in (first, second):
        for field in ("apiVersion", "kind"):  # items of lists lack them
            item.pop(field, None)
    return first == second


def _mask_text(text: Any) -> Any:
    """Return what a record keeps as JSON, masked in the same way."""
    try:
        return json.dumps(mask(json.loads(text)), indent=1, sort_keys=True)
    except (TypeError, ValueError):
        return text


def show(item: Mapping[str, Any] | None) -> str:
    """Return an object as text for a diff: stable order, secrets masked, keys of Secrets kept; empty for None."""
    plain = normalise(item)
    if not plain:
        return ""
    if plain.get("kind") == "Secret":
        for section in ("data", "stringData"):
            plain[section] = dict.fromkeys(plain.get(section) or {}, MASKED)
    masked = mask(plain)
    data = masked.get("data") or {}
    for key in [each for each in data if each.endswith(_JSON)]:
        data[key] = _mask_text(data[key])
    return json.dumps(masked, indent=2, sort_keys=True) + "\n"
