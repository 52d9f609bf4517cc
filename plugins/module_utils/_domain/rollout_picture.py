# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds what on the nodes before, at the peak of and after a plan, for people to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Amounts
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_data import (
    Capacity,
    Change,
    NodePicture,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import PODS, Placed

__all__ = ["OTHERS", "Pictures"]

OTHERS = "others"


class Pictures:
    """Counts holders per node; a release is named ``namespace/name``, everybody else ``others``."""

    def __init__(self, capacity: Capacity, changes: Sequence[Change]) -> None:
        self._nodes = capacity.nodes
        self._accelerators = list(dict.fromkeys(each.accelerator for each in changes if each.accelerator))
        self._releases = {(c.namespace, frozenset(c.pod_labels.items())): f"{c.namespace}/{c.name}" for c in changes}
        self._names = sorted({name for change in changes for name in change.pod_labels})
        self._resource = {
            node.name: next((name for name in self._accelerators if node.allocatable.get(name, 0) > 0), PODS)
            for node in capacity.nodes
        }
        self._before: dict[str, Counter[str]] = {node.name: Counter() for node in capacity.nodes}
        for placed in capacity.pods:
            if placed.pod.node in self._before and placed.pod.holds_resources and not placed.pod.leaving:
                self._count(self._before, placed, 1)
        self._peak = {name: Counter(held) for name, held in self._before.items()}
        self._after = {name: Counter(held) for name, held in self._before.items()}

    def change(self, change: Change, gone: Sequence[Placed], surge: Sequence[str], new: Sequence[str]) -> None:
        """Note what a settled release does: pods that are ``gone``, nodes of more pods at the peak, and of new ones."""
        holder = f"{change.namespace}/{change.name}"
        for placed in gone:
            if placed.pod.node in self._after:
                self._count(self._after, placed, -1)
        for counts, nodes in ((self._peak, surge), (self._after, new)):
            for name in nodes:
                counts[name][holder] += self._amount(name, change.needs.requests)

    def _amount(self, node: str, requests: Amounts) -> int:
        resource = self._resource[node]
        return 1 if resource == PODS else requests.get(resource, 0)

    def _count(self, counts: dict[str, Counter[str]], placed: Placed, sign: int) -> None:
        node, pod = str(placed.pod.node), placed.pod
        labels = frozenset((name, pod.labels[name]) for name in self._names if name in pod.labels)
        counts[node][self._releases.get((pod.namespace, labels), OTHERS)] += sign * self._amount(node, pod.requests)

    def render(self) -> tuple[NodePicture, ...]:
        """Return the nodes that have the accelerators, or that a release's pod is on."""
        found = []
        for node in self._nodes:
            sides = [+counts[node.name] for counts in (self._before, self._peak, self._after)]
            resource = self._resource[node.name]
            if resource != PODS or any(set(side) - {OTHERS} for side in sides):
                found.append(NodePicture(node.name, resource, node.allocatable.get(resource, 0), *map(dict, sides)))
        return tuple(found)
