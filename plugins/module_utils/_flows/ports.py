# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the use cases need from the outside world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Callable, Protocol, TypeVar

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.weight_files import ModelFolder

__all__ = ["Clock", "ClusterApi", "ModelFolders", "Outcome"]

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """What a use case has done: whether something changed, the module's result, and a diff to show."""

    changed: bool
    result: Mapping[str, Any]
    diff: Sequence[Mapping[str, str]] = ()
    warnings: Sequence[str] = ()
    failure: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


class Clock(Protocol):
    """Time as a use case sees it."""

    def monotonic(self) -> float:
        """Return seconds that only grow."""

    def now(self) -> datetime:
        """Return the time in UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class ClusterApi(Protocol):
    """The Kubernetes API as far as the use cases go; errors are ``ClusterError``."""

    @property
    def cluster(self) -> str:
        """The API server, for texts."""

    def get(self, kind: str, namespace: str | None, name: str, *, metadata_only: bool = False) -> dict[str, Any] | None:
        """Return an object or None."""

    def list_objects(
        self, kind: str, namespace: str | None, selector: str = "", fields: str = ""
    ) -> list[dict[str, Any]]:
        """Return objects by label and field selector."""

    def list_parsed(
        self, kind: str, namespace: str | None, parse: Callable[[Mapping[str, Any]], T], *, fields: str = ""
    ) -> list[T]:
        """Return what ``parse`` makes of each object; no more than a page of them is held at a time."""

    def apply(self, item: Mapping[str, Any], *, dry_run: bool = False, force: bool = False) -> dict[str, Any]:
        """Server-side apply."""

    def patch(
        self, kind: str, namespace: str | None, name: str, change: Mapping[str, Any], *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Merge a change that carries the resourceVersion it is meant for; return the object's metadata."""

    def patch_json(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Patch by operations (RFC 6902) that test what they are meant for; return the object."""

    def create(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object."""

    def delete(self, kind: str, namespace: str | None, name: str, uid: str, *, dry_run: bool = False) -> None:
        """Delete exactly one object."""

    def logs(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        lines: int,
        previous: bool = False,
        bytes_max: int = 20_000,
    ) -> str:
        """Return the last lines of a container's log, and of them the first bytes."""

    def may(self, verb: str, kind: str, namespace: str | None, subresource: str = "") -> bool:
        """Whether our identity may do something."""

    def side_by_side(self, calls: Sequence[Callable[[], Any]]) -> Sequence[Any]:
        """Run calls in parallel."""


class ModelFolders(Protocol):
    """Folders with models on the controller."""

    def read(self, path: str) -> ModelFolder:
        """Return what describes the model in a folder; ``InputError`` where it cannot be read."""
