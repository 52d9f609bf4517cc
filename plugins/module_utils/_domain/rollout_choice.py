# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which strategy a change can take: each that is allowed is looked at, the gentlest that comes to its end is taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import rollout_words as words
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.board import Board
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quota import usage
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.roll import Ceiling, Chance, Course, Finding
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_data import Capacity, Change
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_room import (
    Outlook,
    look,
    may_share_node,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import Needs, Placed
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result

__all__ = ["Chooser", "Own", "Trial", "course_of"]

_CHANCES = {Chance.ALWAYS: Result.PASS, Chance.NEVER: Result.FAIL}
# Better first by number; what cannot be judged may work.
_RANKS = {Chance.NEVER: 0, Chance.UNKNOWN: 1, Chance.SOMETIMES: 1, Chance.ALWAYS: 2}
STRATEGIES = ("surge", "in_place", "recreate")


def course_of(strategy: str, replicas: int) -> Course:
    """Return the numbers of a strategy."""
    if strategy == "recreate":
        return Course(replicas, 0, replicas, stops_first=True)
    return Course(replicas, 1, 0) if strategy == "surge" else Course(replicas, 0, 1)


@dataclass(frozen=True)
class Own:
    """A release's pods: of other templates, of the wanted one with a node, and all of them."""

    old: tuple[Placed, ...]
    placed: tuple[Placed, ...]
    every: tuple[Placed, ...]


@dataclass(frozen=True)
class Trial:
    """A strategy with its finding; ``trouble`` says what a volume forbids, ``displaced`` are evicted for it."""

    strategy: str
    finding: Finding
    outlook: Outlook
    trouble: str | None = None
    displaced: tuple[Placed, ...] = ()

    @property
    def verdict(self) -> Result:
        """What the finding means."""
        if self.trouble is not None:
            return Result.FAIL
        return _CHANCES.get(self.finding.chance, Result.INCONCLUSIVE)


class Chooser:
    """Looks at strategies; ``used`` is what quotas count, by namespace and name, as releases are settled."""

    def __init__(self, board: Board, capacity: Capacity) -> None:
        self.board, self.capacity = board, capacity
        self.used = {(each.namespace, each.name): Counter(each.used) for each in capacity.quotas}

    def choose(self, change: Change, own: Own, kind: str) -> tuple[Trial, list[Trial]]:
        """Return the strategy to take, and all that were looked at."""
        if kind != "roll":
            only = self._try(change, own, kind, change.usual if change.wish == "auto" else change.wish)
            return only, [only]
        several = min(change.replicas, change.replicas_now or 0) >= 2
        wanted = (["surge", "in_place"] if several else ["surge"]) if change.wish == "auto" else [change.wish]
        tried: list[Trial] = []
        for strategy in wanted:
            tried.append(self._try(change, own, kind, strategy))
            if tried[-1].verdict is Result.PASS and not tried[-1].displaced:
                return tried[-1], tried
        for result in (Result.PASS, Result.INCONCLUSIVE):
            fitting = [each for each in tried if each.verdict is result]
            if fitting:
                # Rather a replica fewer for a while than the end of somebody else's pod.
                return min(fitting, key=lambda each: bool(each.displaced)), tried
        # A strategy asks for no more room than those before it in this order.
        more = STRATEGIES[STRATEGIES.index(wanted[-1]) + 1 :]
        return tried[0], [*tried, *(self._try(change, own, kind, each) for each in more)]

    def count_quota(self, change: Change, own: Own, more: int) -> None:
        """Let quotas count what a settled change leaves: no old pods, and ``more`` new ones than now."""
        for quota in self.capacity.quotas:
            if quota.namespace == change.namespace and quota.counts(change.priority_class):
                used = self.used[quota.namespace, quota.name]
                for key, amount in usage(list(quota.hard), change.needs.requests, change.needs.limits).items():
                    used[key] += more * amount
                for each in own.old:
                    used.subtract(usage(list(quota.hard), each.pod.requests, each.limits))

    def _try(self, change: Change, own: Own, kind: str, strategy: str) -> Trial:
        course = course_of(strategy, change.replicas) if kind == "roll" else Course(change.replicas, 0, change.replicas)
        outlook = self._look(change, own, kind)
        trial = Trial(strategy, outlook.judge(course), outlook, self._find_volume_trouble(change, own, course, outlook))
        if trial.finding.chance is Chance.ALWAYS or trial.trouble or trial.finding.quota:
            return trial
        victims = self._find_victims(change.needs, own)
        if not victims:
            return trial
        with self._without(victims):
            roomy = self._look(change, own, kind)
        finding = roomy.judge(course)
        if _RANKS[finding.chance] <= _RANKS[trial.finding.chance]:
            return trial
        short = trial.finding.need - trial.finding.have
        if kind != "roll":
            short = change.replicas - len(own.placed) - sum(outlook.places_now.values())
        displaced = self._choose_victims(change.needs, max(1, short), victims)
        return replace(trial, finding=finding, outlook=roomy, displaced=displaced)

    def _look(self, change: Change, own: Own, kind: str) -> Outlook:
        grown = max(0, change.replicas - change.replicas_now) if kind == "roll" and change.replicas_now else 0
        ceilings = self._ceilings(change, own, grown)
        return look(self.board, change.needs, own.old, own.placed, grown=grown, ceilings=ceilings)

    def _ceilings(self, change: Change, own: Own, grown: int) -> tuple[Ceiling, ...]:
        found = []
        for quota in self.capacity.quotas:
            if quota.namespace != change.namespace or not quota.counts(change.priority_class):
                continue
            keys, used = list(quota.hard), self.used[quota.namespace, quota.name]
            old = [usage(keys, each.pod.requests, each.limits) for each in own.old]
            for key, amount in usage(keys, change.needs.requests, change.needs.limits).items():
                amounts = [each.get(key, 0) for each in old]
                left = quota.hard[key] - used[key] + sum(amounts)
                amounts += (amounts[:1] or [amount]) * grown
                place = f"ResourceQuota {quota.namespace}/{quota.name} ({key})"
                found.append(Ceiling(left, amount, tuple(amounts), place))
        return tuple(found)

    # Eviction

    def _find_victims(self, needs: Needs, own: Own) -> list[Placed]:
        """Return the pods of lower priority; the release's own are none, as they go anyway."""
        if not needs.preempts:
            return []
        names = {(each.pod.namespace, each.pod.name) for each in own.every}
        return [
            each
            for pods in self.board.pods
            for each in pods
            if each.pod.priority < needs.priority and (each.pod.namespace, each.pod.name) not in names
        ]

    @contextmanager
    def _without(self, pods: Sequence[Placed]) -> Iterator[None]:
        for each in pods:
            self.board.remove(each)
        yield
        for each in pods:
            self.board.add(each)

    def _choose_victims(self, needs: Needs, count: int, victims: Sequence[Placed]) -> tuple[Placed, ...]:
        """Return the pods that Kubernetes likely evicts for ``count`` places: the fewest, of the lowest priority."""
        by_node: dict[int, list[Placed]] = {}
        for each in sorted(victims, key=lambda placed: placed.pod.priority):
            number = self.board.number(each.pod.node)
            if number in self.board.eligible(needs):
                by_node.setdefault(number, []).append(each)
        single = not may_share_node(needs)
        costs: list[tuple[int, str, list[Placed]]] = []
        for number, pods in by_node.items():
            before, since = self.board.places(number, needs, one_at_most=single), 0
            for end in range(1, len(pods) + 1):
                after = self.board.places(number, needs, one_at_most=single, without=pods[:end])
                if after > before:
                    costs.append((end - since, self.board.nodes[number].name, pods[since:end]))
                    before, since = after, end
        costs.sort(key=lambda cost: cost[:2])
        return tuple(each for cost in costs[:count] for each in cost[2])

    # Volumes

    def _find_volume_trouble(self, change: Change, own: Own, course: Course, outlook: Outlook) -> str | None:
        """Return why a volume of one pod or one node keeps the pods from starting.

        The scheduler does not know that a ReadWriteOnce volume is attached elsewhere: the pod gets its node and then
        waits for ever for its volume. So it is refused wherever a second node may be chosen.
        """
        stops_first = course.stops_first or (change.replicas <= 1 and course.surge == 0)
        leaving = {each.pod.name for each in own.old} if stops_first else set()
        for name in change.needs.claims:
            claim = self.capacity.claims.get((change.namespace, name))
            if claim is None or not claim.is_single_node:
                continue
            users = {
                number: each.pod.name
                for number, pods in enumerate(self.board.pods)
                for each in pods
                if each.pod.namespace == change.namespace and name in each.claims and each.pod.name not in leaving
            }
            if claim.is_single_pod and (change.replicas > 1 or set(users.values()) - {p.pod.name for p in own.placed}):
                return words.single_pod_claim(change, name, sorted(users.values()))
            spots = set(users) | {number for number, places in outlook.places_then.items() if places > 0}
            if len(spots) > 1 and (change.replicas > 1 or users):
                return words.single_node_claim(change, name, sorted(self.board.nodes[i].name for i in spots))
        return None
