# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roll-out plan: does it fit, by which strategy, where, who would be displaced, how long it takes, what can hang.

Releases are planned in their order; each finds what those before it leave. Where the scheduler has a choice a later
release sees a likely one (the emptiest nodes), so that a plan for several is exact for each by itself.

A release is refused (``fail``) when no choice of scheduler and controllers brings its change to an end, or when its
volume may come to two nodes of which one can hold it. It passes when every choice does. In between, and where something
cannot be judged, it is ``inconclusive``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import rollout_report as report
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import rollout_words as words
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.board import Board, domain_of
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Pod
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import REVISION
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.roll import Chance
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_choice import Chooser, Own, Trial
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_data import (
    Capacity,
    Change,
    Plan,
    ReleasePlan,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_picture import Pictures
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import Placed
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result

__all__ = ["plan_rollout"]


def plan_rollout(changes: Sequence[Change], capacity: Capacity) -> Plan:
    """Return the plan for all releases, in their order."""
    planner = _Planner(changes, capacity)
    releases = tuple(planner.plan(change) for change in changes)
    results = {each.verdict for each in releases}
    joint = next((each for each in (Result.FAIL, Result.INCONCLUSIVE) if each in results), Result.PASS)
    return Plan(joint, releases, planner.pictures.render())


def _kind(change: Change, own: Own) -> str:
    if change.replicas == 0:
        return "stop"
    if change.replicas_now is None:
        return "new"
    # Old pods of a roll-out that another one interrupts are there although the template is the same.
    return "roll" if own.old or (change.changes_template and change.replicas_now) else "scale"


class _Planner:
    def __init__(self, changes: Sequence[Change], capacity: Capacity) -> None:
        self.capacity = capacity
        self.board = Board(capacity.nodes, capacity.pods)
        self.chooser = Chooser(self.board, capacity)
        self.pictures = Pictures(capacity, changes)
        self.surging: list[tuple[ReleasePlan, frozenset[int]]] = []
        self.own = self._group_pods(changes)

    def _group_pods(self, changes: Sequence[Change]) -> dict[object, list[Placed]]:
        """Return the pods of each release, by its namespace and labels."""
        names = sorted({name for change in changes for name in change.pod_labels})
        groups: dict[object, list[Placed]] = {_key(change): [] for change in changes}
        for each in (*(placed for pods in self.board.pods for placed in pods), *self.board.waiting):
            labels = frozenset((name, each.pod.labels[name]) for name in names if name in each.pod.labels)
            if (each.pod.namespace, labels) in groups:
                groups[each.pod.namespace, labels].append(each)
        return groups

    def plan(self, change: Change) -> ReleasePlan:
        """Return the plan of the next release, and let it happen on the board."""
        every = self.own[_key(change)]
        old = tuple(each for each in every if each.pod.labels.get(REVISION) != change.revision)
        same = (each for each in every if each.pod.labels.get(REVISION) == change.revision)
        placed = tuple(each for each in same if each.pod.node is not None)
        own = Own(old, placed, tuple(every))
        kind = _kind(change, own)
        if kind == "stop":
            for each in every:
                self.board.remove(each)
            self.pictures.change(change, own.every, (), ())
            return report.nothing_to_place(change)
        chosen, tried = self.chooser.choose(change, own, kind)
        doubts = self._find_doubts(change, own, chosen)
        verdict = chosen.verdict
        if doubts and verdict is Result.PASS:
            verdict = Result.INCONCLUSIVE
        finding = chosen.finding
        grows = verdict is Result.FAIL and self.capacity.may_grow and not finding.quota and chosen.trouble is None
        risks = [*doubts, *words.lonely(change, self.board)]
        if finding.chance is Chance.SOMETIMES:
            risks.append(words.luck(chosen.strategy, finding))
        if grows:
            verdict = Result.PASS
            risks.append(words.growth(change, finding))
        if chosen.displaced:
            names = [f"{each.pod.namespace}/{each.pod.name}" for each in chosen.displaced]
            risks.append(f"pods of lower priority are evicted for it: {words.few(names)}")
        rivals = self._find_rivals(change, chosen, kind) if verdict is not Result.FAIL else []
        if rivals:
            others = words.few([each.name for each in rivals])
            risks.append(f"it may wait for the roll-out of {others}: they share the last free places")
        if verdict is Result.FAIL:
            return report.refuse(change, own, kind, chosen, tried, self.board, tuple(risks))
        places = {} if grows else self._settle(change, own, chosen, kind)
        accepted = report.accept(change, own, kind, chosen, verdict, tuple(risks), rivals, places)
        if kind == "roll" and chosen.strategy == "surge":
            self.surging.append((accepted, frozenset(chosen.outlook.nodes)))
        return accepted

    def _find_doubts(self, change: Change, own: Own, chosen: Trial) -> list[str]:
        """Return what keeps the plan from being sure."""
        doubts = list(change.needs.unjudged)
        if chosen.outlook.doubt is not None:
            doubts.append(chosen.outlook.doubt)
        elif chosen.finding.chance is Chance.UNKNOWN:
            doubts.append("its hard rules leave more choices of nodes than can be tried")
        if chosen.outlook.room.placed + sum(chosen.outlook.places_now.values()) >= change.replicas:
            return doubts
        # Every place that an old pod leaves is there for anybody.
        scarce = {name for name in change.needs.requests if "/" in name}
        names = {(each.pod.namespace, each.pod.name) for each in own.every}
        others = sorted(
            f"{each.pod.namespace}/{each.pod.name}"
            for each in self.board.waiting
            if (each.pod.namespace, each.pod.name) not in names
            and (each.pod.priority >= change.needs.priority or not change.needs.preempts)
            and (not scarce or scarce & set(each.pod.requests))
        )
        if others:
            doubts.append(f"pods of others wait for a node and may take what its old pods leave: {words.few(others)}")
        return doubts

    def _find_rivals(self, change: Change, chosen: Trial, kind: str) -> list[ReleasePlan]:
        """Return the earlier releases of this run whose roll-outs may hold the places that this one needs to begin."""
        nodes = frozenset(chosen.outlook.nodes)
        rivals = [each for each, theirs in self.surging if theirs & nodes]
        wanted = int(chosen.strategy == "surge") if kind == "roll" else change.replicas - chosen.outlook.room.placed
        return rivals if sum(chosen.outlook.places_now.values()) - len(rivals) < wanted else []

    # Settling

    def _settle(self, change: Change, own: Own, chosen: Trial, kind: str) -> Mapping[str, int]:
        """Let the change happen on the board, by a likely choice of nodes; return the new pods by node."""
        for each in chosen.displaced:
            self.board.remove(each)
        first = self._choose_nodes(change, chosen, chosen.outlook.places_now, 1) if kind == "roll" else []
        surplus = max(0, len(own.placed) - change.replicas)
        gone = (*own.old, *own.placed[:surplus])
        for each in gone:
            self.board.remove(each)
        spots = self._choose_nodes(change, chosen, chosen.outlook.places_then, change.replicas - len(own.placed))
        for count, number in enumerate(spots, 1):
            self.board.add(_new_pod(change, count, self.board.nodes[number].name))
        self.chooser.count_quota(change, own, len(spots) - surplus)
        names = [self.board.nodes[number].name for number in spots]
        surge = [self.board.nodes[number].name for number in first] if chosen.strategy == "surge" else []
        self.pictures.change(change, (*gone, *chosen.displaced), surge if kind == "roll" else names, names)
        return Counter(names)

    def _choose_nodes(self, change: Change, chosen: Trial, places: Mapping[int, int], count: int) -> list[int]:
        """Return likely nodes for new pods, the emptiest first, one pod to each in turn."""
        exclusive = {t.topology_key for t in change.needs.apart} if chosen.outlook.rules is not None else set()
        left = {number: amount for number, amount in places.items() if amount > 0}
        free = chosen.outlook.places_now
        # What is free now is taken first.
        order = sorted(left, key=lambda i: (free.get(i, 0) <= 0, -left[i], self.board.nodes[i].name))
        chosen_nodes: list[int] = []
        taken: set[tuple[str, str | None]] = set()
        while len(chosen_nodes) < count and order:
            following = []
            for number in order:
                groups = {(key, domain_of(self.board.nodes[number], key)) for key in exclusive}
                if len(chosen_nodes) < count and not groups & taken:
                    chosen_nodes.append(number)
                    taken |= groups
                    left[number] -= 1
                    if left[number] > 0:
                        following.append(number)
            order = following
        return chosen_nodes


def _key(change: Change) -> tuple[str, frozenset[tuple[str, str]]]:
    return change.namespace, frozenset(change.pod_labels.items())


def _new_pod(change: Change, count: int, node: str) -> Placed:
    """Return a pod that the plan expects, as others will see it."""
    needs = change.needs
    pod = Pod(
        namespace=change.namespace,
        name=f"{change.name} (new {count})",
        labels={**needs.labels, REVISION: change.revision},
        node=node,
        requests=needs.requests,
        priority=needs.priority,
    )
    return Placed(pod, needs.apart, needs.ports, needs.claims, needs.limits)
