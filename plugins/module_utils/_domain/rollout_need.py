# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a release's roll-out has to be planned at all, and by which strategy it goes on where not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import find_strategy
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer

__all__ = ["find_kept_strategy", "find_revision", "has_change"]


def find_kept_strategy(server: ModelServer, live: Mapping[str, Any] | None) -> str | None:
    """Return the strategy to go on with where nothing has to be planned, or None where there is none to keep.

    What only a user may ask for is not kept once he does not ask any more.
    """
    if server.rollout_strategy != "auto":
        return server.rollout_strategy
    strategy = find_strategy(live) if live is not None else None
    return None if strategy == "recreate" else strategy


def has_change(server: ModelServer, wanted: Mapping[str, Any], live: Mapping[str, Any] | None) -> bool:
    """Whether pods would come or go, or the way in which they do changes, so that a plan is needed.

    Asking the user's own strategy of a roll-out that hangs counts: it is what goes on then.
    """
    if live is None:
        return server.replicas > 0
    if server.replicas == 0 and not live["spec"].get("replicas"):
        return False
    return (
        find_revision(live) != find_revision(wanted)
        or live["spec"].get("replicas") != server.replicas
        or find_strategy(live) != find_kept_strategy(server, live)
    )


def find_revision(deployment: Mapping[str, Any]) -> str:
    """Return the revision of a Deployment's pod template; empty where it has none."""
    template = deployment["spec"]["template"]
    return str(((template.get("metadata") or {}).get("labels") or {}).get(labels.REVISION, ""))
