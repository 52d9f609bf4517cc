# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster while a plan is made: what is free on each node, who is where, and how many pods of a kind fit.

A board is changed by the plan as releases are settled one after the other; everybody else sees it through questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Amounts, Node
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import (
    HOSTNAME,
    PODS,
    Needs,
    Placed,
    PodTerm,
    find_obstacle,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.selectors import Selector, matches

__all__ = ["Board", "domain_of", "selects"]


def domain_of(node: Node, topology_key: str) -> str | None:
    """Return the value of a node's label that groups nodes; a node without a hostname label is one by its name."""
    return node.labels.get(topology_key, node.name if topology_key == HOSTNAME else None)


def selects(term: PodTerm, namespace: str, labels: Mapping[str, str]) -> bool:
    """Whether a term means pods of this namespace with these labels."""
    return (term.namespaces is None or namespace in term.namespaces) and matches(term.selector, labels)


class Board:
    """Nodes by their place in ``nodes``, with what is free on each and the pods that hold it.

    Pods that are leaving hold nothing here: they will be gone. Pods without a node are in ``waiting``.
    """

    def __init__(self, nodes: Sequence[Node], pods: Iterable[Placed]) -> None:
        self.nodes = tuple(nodes)
        self.free: list[dict[str, int]] = [dict(node.allocatable) for node in self.nodes]
        self.pods: list[list[Placed]] = [[] for _node in self.nodes]
        self.waiting: list[Placed] = []
        self._index = {node.name: number for number, node in enumerate(self.nodes)}
        # Who wants to be apart from whom: nodes by term. Pods by label, as most selectors name one label's value.
        self._apart: dict[PodTerm, Counter[int]] = {}
        self._labelled: dict[tuple[str, str], dict[tuple[str, str], tuple[int, Placed]]] = {}
        self._eligible: dict[object, tuple[int, ...]] = {}
        for pod in pods:
            self.add(pod)

    def add(self, placed: Placed) -> None:
        """Let a pod take its room."""
        pod = placed.pod
        if pod.leaving or (pod.node is not None and not pod.holds_resources):
            return
        number = self._index.get(pod.node or "")
        if number is None:
            if pod.phase == "Pending" and pod.node is None:
                self.waiting.append(placed)
            return
        self.pods[number].append(placed)
        self._take(number, pod.requests, 1)
        for pair in pod.labels.items():
            self._labelled.setdefault(pair, {})[pod.namespace, pod.name] = number, placed
        for term in placed.apart:
            self._apart.setdefault(term, Counter())[number] += 1

    def remove(self, placed: Placed) -> None:
        """Give back what a pod that was added holds."""
        number = self._index.get(placed.pod.node or "")
        if number is None:
            self.waiting.remove(placed)  # those of a node that is gone were never added
            return
        self.pods[number].remove(placed)
        self._take(number, placed.pod.requests, -1)
        for pair in placed.pod.labels.items():
            del self._labelled[pair][placed.pod.namespace, placed.pod.name]
        for term in placed.apart:
            self._apart[term][number] -= 1

    def _take(self, number: int, requests: Amounts, sign: int) -> None:
        free = self.free[number]
        for name, amount in {**requests, PODS: 1}.items():
            free[name] = free.get(name, 0) - sign * amount

    def number(self, name: str | None) -> int | None:
        """Return a node's place in ``nodes``; None for one that is not here."""
        return self._index.get(name or "")

    def eligible(self, needs: Needs) -> tuple[int, ...]:
        """Return the nodes that nothing keeps such pods from, whatever runs there."""
        key = (needs.node_selector, needs.node_terms, needs.node_name, needs.tolerations, needs.volume_terms)
        known = self._eligible.get(key)
        if known is None:
            known = tuple(i for i, node in enumerate(self.nodes) if find_obstacle(node, needs) is None)
            self._eligible[key] = known
        return known

    def places(self, number: int, needs: Needs, *, one_at_most: bool, without: Collection[Placed] = ()) -> int:
        """Return how many such pods a node has room for, ``without`` some of those that it has now."""
        free = self.free[number]
        if without:
            free = dict(free)
            for placed in without:
                for name, amount in {**placed.pod.requests, PODS: 1}.items():
                    free[name] = free.get(name, 0) + amount
        least = min(free.get(name, 0) // amount for name, amount in needs.requests.items())
        if least <= 0:
            return 0
        if needs.ports and any(
            needs.ports & each.ports for each in self.pods[number] if all(each is not other for other in without)
        ):
            return 0
        return 1 if one_at_most else least

    def select(self, term: PodTerm, own: Collection[str] = ()) -> Iterator[int]:
        """Yield the node of each pod that a term means; ``own`` are names of pods that do not count."""
        for number, placed in self._candidates(term):
            if placed.pod.name not in own and selects(term, placed.pod.namespace, placed.pod.labels):
                yield number

    def _candidates(self, term: PodTerm) -> Iterable[tuple[int, Placed]]:
        for each in term.selector or ():
            if each.operator == "In" and len(each.values) == 1:
                return self._labelled.get((each.key, each.values[0]), {}).values()
        return ((number, placed) for number, pods in enumerate(self.pods) for placed in pods)

    def count(self, selector: Selector | None, namespace: str, own: Collection[str] = ()) -> Counter[int]:
        """Return how many pods of a namespace are selected on each node, without those named in ``own``."""
        return Counter(self.select(PodTerm("", selector, (namespace,)), own))

    def shunned(self, needs: Needs, own: Sequence[Placed]) -> set[int]:
        """Return the nodes that other pods keep these from: those they want to be apart from, and that want to be.

        ``own`` pods are left out: they go while the roll-out does.
        """
        names = {placed.pod.name for placed in own if placed.pod.namespace == needs.namespace}
        taken = {(term.topology_key, self._domain(i, term)) for term in needs.apart for i in self.select(term, names)}
        for term, held in self._apart.items():
            if selects(term, needs.namespace, needs.labels):
                mine = Counter(self._index[p.pod.node] for p in own if p.pod.node in self._index and term in p.apart)
                taken |= {(term.topology_key, self._domain(i, term)) for i in +(held - mine)}
        found = set()
        for key, domain in taken:
            found |= {i for i, node in enumerate(self.nodes) if domain is not None and domain_of(node, key) == domain}
        return found

    def _domain(self, number: int, term: PodTerm) -> str | None:
        return domain_of(self.nodes[number], term.topology_key)
