# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what accelerators there are and who holds them: nodes and pods, each listed once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.capacity import Supply, evaluate_supply
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import (
    ALIVE_FIELDS,
    Node,
    Pod,
    parse_node,
    parse_pod,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import Needs
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi

__all__ = ["read_nodes", "read_pods", "read_supply"]


def read_nodes(api: ClusterApi) -> list[Node]:
    """Return all nodes."""
    return api.list_parsed("Node", None, parse_node)


def read_pods(api: ClusterApi) -> list[Pod]:
    """Return all pods that can hold something or wait for it."""
    return api.list_parsed("Pod", None, parse_pod, fields=ALIVE_FIELDS)


def read_supply(api: ClusterApi, accelerators: Sequence[str], needs: Needs) -> Supply:
    """Return what there is of these resources for pods with these needs."""
    nodes, pods = api.side_by_side([partial(read_nodes, api), partial(read_pods, api)])
    return evaluate_supply(nodes, pods, accelerators, needs)
