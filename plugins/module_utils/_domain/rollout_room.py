# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a board and a change to the numbers that ``roll.py`` judges."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.board import Board, domain_of, selects
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.roll import (
    Ceiling,
    Chance,
    Course,
    Domain,
    Finding,
    Room,
    Rules,
    Site,
    explore,
    judge,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import (
    HOSTNAME,
    Needs,
    Placed,
    PodTerm,
    Spread,
    is_selected,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.selectors import Selector, matches

__all__ = ["Outlook", "look", "may_share_node"]

_PLENTY = 10**9


def may_share_node(needs: Needs) -> bool:
    """Whether two new pods can be on one node: neither their ports nor their own anti-affinity forbid it."""
    apart = any(t.topology_key == HOSTNAME and selects(t, needs.namespace, needs.labels) for t in needs.apart)
    return not needs.ports and not apart


def _keeps_off(old: Placed, needs: Needs) -> bool:
    """Whether an old pod keeps new ones from its node although there is room."""
    pod = old.pod
    mine = any(
        t.topology_key == HOSTNAME and not t.per_revision and selects(t, pod.namespace, pod.labels) for t in needs.apart
    )
    its = any(t.topology_key == HOSTNAME and selects(t, needs.namespace, needs.labels) for t in old.apart)
    return mine or its or bool(needs.ports & old.ports)


@dataclass(frozen=True)
class Outlook:
    """Where pods of one release find room: nodes that take them, ``room`` in numbers, and what binds nodes together.

    ``places_now`` and ``places_then`` are places by node, beside all old pods and when they are gone. ``doubt`` says
    why it cannot be judged.
    """

    nodes: tuple[int, ...]
    places_now: Mapping[int, int]
    places_then: Mapping[int, int]
    room: Room
    domains: tuple[Domain, ...] = ()
    rules: Rules | None = None
    doubt: str | None = None

    def judge(self, course: Course) -> Finding:
        """Return how a course ends."""
        alone = judge(course, self.room)
        if alone.chance is Chance.NEVER:
            return alone
        if self.doubt is not None:
            return Finding(Chance.UNKNOWN)
        if self.rules is None:
            return alone
        room = self.room
        return Finding(
            explore(course, self.domains, self.rules, placed=room.placed, waiting=room.waiting, ceilings=room.ceilings)
        )


def _site(board: Board, number: int, needs: Needs, old: Sequence[Placed], *, usable: bool) -> Site:
    """Return the places of a node with old pods; pods that are alike are counted, not told apart."""
    if not usable:
        nothing = (0,) * (len(old) + 1)
        return Site(nothing, nothing)
    kinds: dict[object, list[Placed]] = {}
    for each in old:
        key = (tuple(sorted(each.pod.requests.items())), _keeps_off(each, needs), each.ports)
        kinds.setdefault(key, []).append(each)
    single = not may_share_node(needs)
    least, most = [_PLENTY] * (len(old) + 1), [0] * (len(old) + 1)
    for counts in itertools.product(*(range(len(alike) + 1) for alike in kinds.values())):
        gone = [pod for count, alike in zip(counts, kinds.values()) for pod in alike[:count]]
        kept = [pod for count, alike in zip(counts, kinds.values()) for pod in alike[count:]]
        places = 0
        if not any(_keeps_off(each, needs) for each in kept):
            places = board.places(number, needs, one_at_most=single, without=gone)
        least[len(gone)] = min(least[len(gone)], places)
        most[len(gone)] = max(most[len(gone)], places)
    return Site(tuple(least), tuple(most))


def _grown_loss(needs: Needs, old: Sequence[Placed]) -> tuple[int, int]:
    """Return the fewest and the most places that one more old pod can take from new ones."""
    if not may_share_node(needs):
        return 0, 1
    requests = old[0].pod.requests if old else needs.requests
    pairs = [(requests.get(name, 0), amount) for name, amount in needs.requests.items() if name != "pods"]
    if all(has == amount for has, amount in pairs):
        return 1, 1
    return 0, max([1, *(-(-has // amount) for has, amount in pairs)])


def look(
    board: Board,
    needs: Needs,
    old: Sequence[Placed],
    placed: Sequence[Placed],
    *,
    grown: int = 0,
    ceilings: tuple[Ceiling, ...] = (),
) -> Outlook:
    """Return where a release's new pods find room beside its ``old`` ones; ``placed`` new ones have their nodes."""
    own = (*old, *placed)
    shunned = board.shunned(needs, own)
    usable = [i for i in board.eligible(needs) if i not in shunned]
    if not may_share_node(needs):
        taken = {board.number(each.pod.node) for each in placed}
        usable = [i for i in usable if i not in taken]
    usable, note = _static_rules(board, needs, usable)
    sited: dict[int, list[Placed]] = {}
    for each in old:
        number = board.number(each.pod.node)
        if number is not None:
            sited.setdefault(number, []).append(each)
    single, inside = not may_share_node(needs), set(usable)
    bare = {i: board.places(i, needs, one_at_most=single) for i in usable if i not in sited}
    sites = {i: _site(board, i, needs, pods, usable=i in inside) for i, pods in sited.items()}
    least, most = _grown_loss(needs, old)
    room = Room(
        base=sum(bare.values()),
        sites=tuple(sites.values()),
        placed=len(placed),
        waiting=len(old) - sum(map(len, sited.values())),
        grown=grown,
        grown_least=least,
        grown_most=most,
        ceilings=ceilings,
    )
    domains, rules, doubt = _bind(board, needs, old, placed, bare, sites)
    if rules is not None and grown:
        doubt = "more replicas and another template come together with hard rules that bind nodes: change one by one"
    now = {**bare, **{i: site.least[0] for i, site in sites.items()}}
    then = {**bare, **{i: site.most[-1] for i, site in sites.items()}}
    return Outlook(tuple(usable), now, then, room, domains, rules, note or doubt)


def _static_rules(board: Board, needs: Needs, usable: list[int]) -> tuple[list[int], str | None]:
    """Return the nodes that affinity to other pods and topology labels leave, and what cannot be judged of it."""
    for term in needs.near:
        if not selects(term, needs.namespace, needs.labels):
            there = {domain_of(board.nodes[i], term.topology_key) for i in board.select(term)} - {None}
            usable = [i for i in usable if domain_of(board.nodes[i], term.topology_key) in there]
    doubt = None
    for spread in needs.spread:
        usable = [i for i in usable if domain_of(board.nodes[i], spread.topology_key) is not None]
        if not matches(spread.selector, needs.labels):
            doubt = f"the hard spread over {spread.topology_key} counts other pods than its own"
    return usable, doubt


@dataclass(frozen=True)
class _Binding:
    """The constraints that bind nodes with one value of the label ``key``."""

    key: str
    spread: Spread | None
    apart: tuple[PodTerm, ...]
    near: tuple[PodTerm, ...]

    @property
    def selector(self) -> Selector | None:
        """Which pods weigh."""
        return self.spread.selector if self.spread is not None else self.near[0].selector if self.near else None


def _find_binding(needs: Needs, old: Sequence[Placed]) -> tuple[_Binding | None, str | None]:
    """Return what binds nodes together, or why that cannot be judged."""

    def own(terms: Sequence[PodTerm]) -> tuple[PodTerm, ...]:
        return tuple(each for each in terms if selects(each, needs.namespace, needs.labels))

    spreads = [each for each in needs.spread if matches(each.selector, needs.labels)]
    apart = tuple(each for each in own(needs.apart) if each.topology_key != HOSTNAME)
    near = own(needs.near)
    former = [each for placed in old for each in own(placed.apart) if each.topology_key != HOSTNAME]
    keys = {each.topology_key for each in spreads} | {each.topology_key for each in (*apart, *near, *former)}
    if not keys:
        return None, None
    if len(keys) > 1 or len(spreads) > 1 or (spreads and near) or (former and not apart):
        return None, f"several rules bind its nodes together ({', '.join(sorted(keys))})"
    return _Binding(keys.pop(), spreads[0] if spreads else None, apart, near), None


def _bind(
    board: Board,
    needs: Needs,
    old: Sequence[Placed],
    placed: Sequence[Placed],
    bare: Mapping[int, int],
    sites: Mapping[int, Site],
) -> tuple[tuple[Domain, ...], Rules | None, str | None]:
    """Return groups of nodes that count as one, with their rules, or why they cannot be judged."""
    binding, doubt = _find_binding(needs, old)
    if binding is None:
        return (), None, doubt
    spread, names = binding.spread, {each.pod.name for each in (*old, *placed)}
    counted = board.count(binding.selector, needs.namespace, names) if spread or binding.near else Counter[int]()
    taken = Counter(board.number(each.pod.node) for each in placed)
    sums: dict[str, list[int]] = {}
    for number, node in enumerate(board.nodes):
        value = domain_of(node, binding.key)
        weighs = spread is not None and is_selected(node, needs)
        if spread is not None and spread.honours_taints:
            weighs = number in bare or number in sites
        if value is None or not (weighs or number in bare or number in sites):
            continue
        giving, holding, free = 0, 0, bare.get(number, 0)
        if number in sites:
            site = sites[number]
            gains = {after - before for before, after in zip(site.least, site.least[1:])}
            if site.least != site.most or len(gains) > 1 or not gains <= {0, 1} or (spread and not weighs):
                return (), None, f"its old pods on node {node.name} and the new ones differ too much for its hard rules"
            free, pods = site.least[0], len(site.least) - 1
            giving, holding = (pods, 0) if gains == {1} else (0, pods)
        found = sums.setdefault(value, [0] * 5)
        for place, amount in enumerate((free, giving, holding, counted[number], taken[number])):
            found[place] += amount
    rules = Rules(
        max_skew=spread.max_skew if spread is not None else None,
        floor_is_zero=spread is not None and len(sums) < spread.min_domains,
        is_exclusive=bool(binding.apart),
        old_count=not (spread is not None and spread.per_revision) and not any(t.per_revision for t in binding.near),
        old_block=any(not term.per_revision for term in binding.apart),
        near_own=bool(binding.near),
    )
    return tuple(Domain(*amounts) for amounts in sums.values()), rules, None
