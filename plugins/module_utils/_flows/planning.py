# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deployment has to do with planning: what would change, and what a plan brings for it.

The plan itself (`rollout.py`) is read only where something changes: it is as much code as the rest of the module, and a
module is compiled anew in each run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_need import (
    find_kept_strategy,
    has_change,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi

__all__ = ["Draft", "Outlook", "Planning", "find_changing", "plan_releases"]


@dataclass(frozen=True)
class Draft:
    """A release whose pods would change: its rendered Deployment, and the live one."""

    server: ModelServer
    wanted: Mapping[str, Any]
    live: Mapping[str, Any] | None

    @property
    def template(self) -> Mapping[str, Any]:
        """The wanted pod template."""
        template: Mapping[str, Any] = self.wanted["spec"]["template"]
        return template


@dataclass(frozen=True)
class Planning:
    """How roll-outs are planned: ``auto`` where it can, ``require`` refuses what is not sure, ``skip`` plans nothing.

    ``may_grow`` tells that an autoscaler adds nodes.
    """

    mode: str = "auto"
    may_grow: bool = False


@dataclass(frozen=True)
class Outlook:
    """What planning has brought for a run: strategies and plans by namespace and name, and warnings."""

    strategies: Mapping[tuple[str, str], str]
    plans: Mapping[tuple[str, str], dict[str, Any]]
    warnings: tuple[str, ...] = ()

    def describe(self, server: ModelServer) -> dict[str, Any] | None:
        """Return a release's plan as data; None where nothing was planned."""
        return self.plans.get((server.namespace, server.name))


def find_changing(drafts: Sequence[Draft]) -> list[Draft]:
    """Return the releases whose pods come, go or are replaced."""
    return [each for each in drafts if has_change(each.server, each.wanted, each.live)]


def plan_releases(drafts: Sequence[Draft], present: frozenset[str], api: ClusterApi, planning: Planning) -> Outlook:
    """Plan what changes; raise ClusterError for what can only hang. With nothing to change no request is sent."""
    changing = find_changing(drafts)
    kept = {_key(d): s for d in drafts if d not in changing and (s := find_kept_strategy(d.server, d.live)) is not None}
    if not changing or planning.mode == "skip":
        return Outlook(kept, {})
    from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.rollout import plan_changes

    found = plan_changes(changing, present, api, planning)
    return replace(found, strategies={**kept, **found.strategies})


def _key(draft: Draft) -> tuple[str, str]:
    return draft.server.namespace, draft.server.name
