# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a roll-out comes to its end: always, sometimes or never, whatever scheduler and controllers choose.

The Deployment's controller keeps two sums (k8s.io/kubernetes/pkg/controller/deployment/rolling.go): all pods together
are ``replicas + surge`` at most, and of those that serve ``replicas - unavailable`` stay. So while a new pod waits for
a node and ``k`` new ones serve, old pods go until ``replicas - unavailable - k`` of them are left, and no further. The
roll-out hangs exactly when then there is no room for one more new pod. *Which* old pods are left is the controllers'
choice, and which node a new pod takes is the scheduler's: a course is only ``ALWAYS`` fine where every choice is.

Where each node can be looked at alone, a new pod takes one place wherever it lands, so that only the choice of old pods
matters; that is ``judge``. Where nodes depend on each other (spread, a zone of one pod), ``explore`` walks through the
choices, up to a limit of states.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

__all__ = [
    "STATES_MAX",
    "Ceiling",
    "Chance",
    "Course",
    "Domain",
    "Finding",
    "Room",
    "Rules",
    "Site",
    "explore",
    "judge",
]

STATES_MAX = 20000
# The walk goes as deep as there are pods to place and to take away.
_PODS_MAX = 150


class Chance(Enum):
    """How a course ends over all choices of scheduler and controllers; ``UNKNOWN`` where there are too many to try."""

    ALWAYS = "always"
    SOMETIMES = "sometimes"
    NEVER = "never"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Course:
    """How pods are replaced: ``replicas`` wanted, ``surge`` more at most, ``unavailable`` fewer at most.

    ``stops_first`` is strategy Recreate: no new pod before the last old one is gone.
    """

    replicas: int
    surge: int
    unavailable: int
    stops_first: bool = False

    def left(self, old: int, new: int) -> int:
        """Return how many of ``old`` pods stay while ``new`` ones serve and another waits for a node."""
        return 0 if self.stops_first else min(old, max(0, self.replicas - self.unavailable - new))


@dataclass(frozen=True)
class Site:
    """A node with old pods: places for new ones after 0, 1, ... of them are gone, at ``least`` and at ``most``."""

    least: tuple[int, ...]
    most: tuple[int, ...]


@dataclass(frozen=True)
class Ceiling:
    """What a quota leaves for this release (``left``, in the resource's unit), and what each new and old pod takes."""

    left: int
    new: int
    old: tuple[int, ...] = ()
    name: str = ""

    def places(self, remaining: int, *, worst: bool) -> int:
        """Return how many new pods fit beside ``remaining`` old ones."""
        kept = sorted(self.old, reverse=worst)[:remaining]
        return max(0, self.left - sum(kept)) // self.new


@dataclass(frozen=True)
class Room:
    """Where new pods find a place: ``base`` places on nodes without old pods, and the ``sites`` with old ones.

    ``placed`` new pods run already and take none of these places; ``waiting`` old pods have no node, so that they go
    first. ``grown`` old pods are made when a template changes together with a growing number: Kubernetes grows the old
    set first. Each that finds a node takes ``grown_least`` to ``grown_most`` places.
    """

    base: int
    sites: tuple[Site, ...] = ()
    placed: int = 0
    waiting: int = 0
    grown: int = 0
    grown_least: int = 0
    grown_most: int = 0
    ceilings: tuple[Ceiling, ...] = ()

    @property
    def sited(self) -> int:
        """Old pods that have a node."""
        return sum(len(site.least) - 1 for site in self.sites)

    @property
    def old(self) -> int:
        """All old pods, those that will be made included."""
        return self.sited + self.waiting + self.grown


@dataclass(frozen=True)
class Finding:
    """The end of a course; at the first step that can fail ``have`` new pods find a place where ``need`` must.

    ``left`` old pods are there at that moment. ``quota`` names the quota that has no room where nodes have.
    """

    chance: Chance
    have: int = 0
    need: int = 0
    left: int = 0
    quota: str = ""


def _sums(tables: Sequence[Sequence[int]], *, worst: bool) -> list[int]:
    """Return the least (or largest) sum of places for every number of pods that are gone, over all choices of pods."""
    best = [0]
    pick = min if worst else max
    for table in tables:
        size = len(best) + len(table) - 1
        best = [
            pick(best[gone - here] + table[here] for here in range(len(table)) if 0 <= gone - here < len(best))
            for gone in range(size)
        ]
    return best


def judge(course: Course, room: Room) -> Finding:
    """Return how a course ends where every node can be looked at alone."""
    worst, best = _find_gap(course, room, worst=True), _find_gap(course, room, worst=False)
    if best is not None:
        return Finding(Chance.NEVER, *best)
    if worst is not None:
        return Finding(Chance.SOMETIMES, *worst)
    return Finding(Chance.ALWAYS)


def _find_gap(course: Course, room: Room, *, worst: bool) -> tuple[int, int, int, str] | None:
    """Return places, needed places, old pods left and the quota that is why, at the first step that has too few."""
    sums = _sums([site.least if worst else site.most for site in room.sites], worst=worst)
    for new in range(max(0, course.replicas - room.placed)):
        left = course.left(room.old, room.placed + new)
        have = _places(room, sums, max(0, room.old - left - room.waiting), worst=worst)
        quotas = sorted((each.places(left, worst=worst), each.name) for each in room.ceilings)
        fits, name = quotas[0] if quotas else (have, "")
        if min(have, fits) < new + 1:
            return min(have, fits), new + 1, left, name if fits < have else ""
    return None


def _places(room: Room, sums: Sequence[int], gone: int, *, worst: bool) -> int:
    """Return the places for new pods when ``gone`` of the old ones with a node are gone, some of them grown ones."""
    loss = room.grown_most if worst else room.grown_least
    choices = [
        room.base + sums[gone - grown] - loss * (room.grown - grown)
        for grown in range(min(room.grown, gone) + 1)
        if gone - grown <= room.sited
    ]
    return max(0, min(choices) if worst else max(choices))


@dataclass(frozen=True, order=True)
class Domain:
    """Nodes that count as one: ``free`` places now, old pods that leave a place (``giving``) or none (``holding``).

    ``counted`` pods of others (or new ones that run already) weigh in a spread; ``taken`` tells of a new pod here.
    """

    free: int
    giving: int = 0
    holding: int = 0
    counted: int = 0
    taken: int = 0


@dataclass(frozen=True)
class Rules:
    """What binds domains: the largest difference of a spread (None: no spread) and whether one new pod fills a domain.

    ``old_count`` tells that old pods weigh in the spread too, ``old_block`` that they keep new ones out of theirs,
    ``near_own`` that a new pod goes only where a counted pod is, or where no domain has one.
    """

    max_skew: int | None = None
    floor_is_zero: bool = False
    is_exclusive: bool = False
    old_count: bool = True
    old_block: bool = True
    near_own: bool = False


_State = tuple[tuple[Domain, ...], int, int]


class _Walk:
    """Walks through all choices; a state is the domains, the new pods that serve, and the old ones without a node."""

    def __init__(self, course: Course, rules: Rules, placed: int, ceilings: tuple[Ceiling, ...]) -> None:
        self.course, self.rules, self.placed, self.ceilings = course, rules, placed, ceilings
        self.ends: dict[_State, frozenset[bool]] = {}

    def walk(self, state: _State) -> frozenset[bool]:
        """Return which ends can come: True where all new pods serve, False where nothing can go on."""
        known = self.ends.get(state)
        if known is not None:
            return known
        if len(self.ends) >= STATES_MAX:
            raise OverflowError
        if state[1] >= self.course.replicas:
            return frozenset({True})
        self.ends[state] = frozenset()
        following = set(self._moves(state))
        found = frozenset(end for each in following for end in self.walk(each)) if following else frozenset({False})
        self.ends[state] = found
        return found

    def _moves(self, state: _State) -> Iterator[_State]:
        domains, new, waiting = state
        old = waiting + sum(each.giving + each.holding for each in domains)
        left = self.course.left(old, new)
        if old > left and waiting:
            yield domains, new, waiting - 1
        elif old > left:
            for index, each in enumerate(domains):
                if each.giving:
                    yield _changed(state, index, Domain(each.free + 1, each.giving - 1, *_rest(each)))
                if each.holding:
                    after = Domain(each.free, each.giving, each.holding - 1, each.counted, each.taken)
                    yield _changed(state, index, after)
        if (self.course.stops_first and old) or old + new >= self.course.replicas + self.course.surge:
            return
        if any(each.places(old, worst=True) < new - self.placed + 1 for each in self.ceilings):
            return
        weights = [self._weight(each) for each in domains]
        for index, each in enumerate(domains):
            if self._takes(each, weights[index], weights):
                after = Domain(each.free - 1, each.giving, each.holding, each.counted, each.taken + 1)
                yield _changed((domains, new + 1, waiting), index, after)

    def _weight(self, domain: Domain) -> int:
        return domain.counted + domain.taken + (domain.giving + domain.holding if self.rules.old_count else 0)

    def _takes(self, domain: Domain, weight: int, weights: Sequence[int]) -> bool:
        rules = self.rules
        if domain.free <= 0:
            return False
        if rules.is_exclusive and (domain.taken or (rules.old_block and domain.giving + domain.holding)):
            return False
        if rules.near_own and not weight and any(weights):
            return False
        lowest = 0 if rules.floor_is_zero else min(weights)
        return rules.max_skew is None or weight + 1 - lowest <= rules.max_skew


def _rest(domain: Domain) -> tuple[int, int, int]:
    return domain.holding, domain.counted, domain.taken


def _changed(state: _State, index: int, after: Domain) -> _State:
    """Return the state with one domain replaced; domains that are alike need not be told apart."""
    domains, new, waiting = state
    return tuple(sorted((*domains[:index], after, *domains[index + 1 :]))), new, waiting


def explore(
    course: Course,
    domains: Sequence[Domain],
    rules: Rules,
    *,
    placed: int = 0,
    waiting: int = 0,
    ceilings: tuple[Ceiling, ...] = (),
) -> Chance:
    """Return how a course ends where nodes depend on each other, by walking through every choice."""
    walk = _Walk(course, rules, placed, ceilings)
    if course.replicas + waiting + sum(each.giving + each.holding for each in domains) > _PODS_MAX:
        return Chance.UNKNOWN
    try:
        ends = walk.walk((tuple(sorted(domains)), placed, waiting))
    except OverflowError:
        return Chance.UNKNOWN
    if ends == {True}:
        return Chance.ALWAYS
    return Chance.SOMETIMES if True in ends else Chance.NEVER
