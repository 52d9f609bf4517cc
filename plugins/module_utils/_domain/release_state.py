# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a release, as its ConfigMap NAME-release keeps it.

Keys, each a text that kubectl shows: ``format``; ``stable_slot``; ``revision.SLOT`` (what the slot was last rendered
with); ``number.SLOT`` (the record of what it was last seen to run); ``number_last`` (the last number that was given,
also to a record that is gone); ``restored_from`` (the record that the stable slot was last rendered from, where it was
a roll-back); ``canary`` (JSON); ``benchmark_verdict`` (the last verdict that has passed, for the benchmark gate).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_data import parse_canary, render_canary
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_state import CanaryState
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import SLOTS
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import RELEASE_FORMAT
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError

__all__ = ["BYTES_MAX", "ReleaseState", "check_size", "find_format_problem", "parse_release", "render_release_data"]

# https://kubernetes.io/docs/concepts/configuration/configmap/: the data of one cannot exceed 1 MiB.
BYTES_MAX = 1024 * 1024


@dataclass(frozen=True)
class ReleaseState:
    """What NAME-release keeps; ``numbers`` and ``revisions`` hold the slots that have a record or were rendered."""

    stable_slot: str = SLOTS[0]
    numbers: Mapping[str, int] = field(default_factory=dict)
    last_number: int = 0
    canary: CanaryState | None = None
    restored_from: int | None = None
    revisions: Mapping[str, str] = field(default_factory=dict)

    @property
    def stable_number(self) -> int | None:
        """The record of the stable slot, None where there is none yet."""
        return self.numbers.get(self.stable_slot)


def find_format_problem(data: Mapping[str, str]) -> str | None:
    """Return why data is not for this version of the collection, None where it is."""
    written = data.get("format")
    if written == RELEASE_FORMAT:
        return None
    which = "no format" if written is None else f"format {written}"
    return (
        f"has {which}; this version of llmops.kubernetes reads and writes format {RELEASE_FORMAT}. Use the version "
        "that wrote it, or a newer one"
    )


def parse_release(item: Mapping[str, Any] | None, place: str) -> ReleaseState | None:
    """Return the state in a ConfigMap, None where there is no ConfigMap; ClusterError where it cannot be read.

    ``place`` names the ConfigMap in the error: ``ConfigMap llm/chat-release on https://...``.
    """
    if item is None:
        return None
    data: Mapping[str, str] = item.get("data") or {}
    if problem := find_format_problem(data):
        raise ClusterError(f"{place} {problem}", {"format": data.get("format")})
    slot = data.get("stable_slot", SLOTS[0])
    if slot not in SLOTS:
        raise _broken(place, "stable_slot", f"is {slot!r}, neither {' nor '.join(SLOTS)}")
    canary = data.get("canary")
    try:
        state = parse_canary(canary) if canary is not None else None
    except ValueError as error:
        raise _broken(place, "canary", str(error)) from error
    numbers = {each: number for each in SLOTS if (number := _number(data, f"number.{each}", place)) is not None}
    last = _number(data, "number_last", place) or 0
    revisions = {each: data[f"revision.{each}"] for each in SLOTS if f"revision.{each}" in data}
    return ReleaseState(
        slot, numbers, max([last, *numbers.values()]), state, _number(data, "restored_from", place), revisions
    )


def _number(data: Mapping[str, str], key: str, place: str) -> int | None:
    text = data.get(key)
    if text is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise _broken(place, key, f"is {text!r}, no number of a revision")
    return int(text)


def _broken(place: str, key: str, what: str) -> ClusterError:
    text = f"{place}: key {key} {what}. Somebody has changed it; nothing was done. Correct it by hand"
    return ClusterError(text, {"key": key})


def render_release_data(state: ReleaseState) -> dict[str, str | None]:
    """Return the keys that keep a state, None for those that must not be there; the others go with the objects."""
    return {
        **{f"number.{slot}": _text(state.numbers.get(slot)) for slot in SLOTS},
        "number_last": _text(state.last_number or None),
        "canary": render_canary(state.canary) if state.canary is not None else None,
    }


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def check_size(data: Mapping[str, str | None], place: str) -> None:
    """Raise ClusterError where a ConfigMap would hold more than the API server takes; it names the largest parts."""
    sizes = {key: len(text.encode()) for key, text in data.items() if text is not None}
    total = sum(sizes.values())
    if total > BYTES_MAX:
        largest = sorted(sizes, key=lambda key: -sizes[key])[:3]
        parts = ", ".join(f"{key} {sizes[key]} bytes" for key in largest)
        text = f"{place} would hold {total} bytes, a ConfigMap takes {BYTES_MAX}: {parts}. Nothing was written"
        raise ClusterError(text, {"bytes": total, "bytes_max": BYTES_MAX, "parts": sizes})
