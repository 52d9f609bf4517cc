# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What accelerators a cluster has, who holds them, and what of it pods of a kind can have.

``free`` is what the scheduler would give: allocatable, less what pods on the node ask for, less what it keeps for pods
that preempted others, on nodes that nothing keeps these pods from. What is left on the other nodes is ``blocked``, with
the reason. Nothing is added up over resources: the same chips may be offered by several names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.accelerators import (
    Product,
    find_hint,
    is_accelerator,
    is_extended,
    parse_product,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Node, Pod
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.placement import own_toleration
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_words import few
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import (
    PODS,
    Needs,
    Toleration,
    find_obstacle,
)

__all__ = ["Block", "Holder", "Offer", "Room", "Supply", "describe_free", "evaluate_supply", "find_largest"]


@dataclass(frozen=True)
class Holder:
    """A pod that holds units of a resource; ``leaving`` that it was deleted and has not ended yet."""

    namespace: str
    name: str
    amount: int
    leaving: bool


@dataclass(frozen=True)
class Offer:
    """A resource on a node; amounts are units as the kubelet offers them (replicas, where devices are shared).

    ``nominated`` units are kept for pods that wait here after preemption; ``obstacle`` keeps the pods away.
    """

    node: Node
    resource: str
    product: Product
    holders: tuple[Holder, ...] = ()
    nominated: int = 0
    obstacle: str | None = None

    @property
    def capacity(self) -> int:
        """What the kubelet has seen."""
        return self.node.capacity.get(self.resource, 0)

    @property
    def allocatable(self) -> int:
        """What of it is healthy."""
        return self.node.allocatable.get(self.resource, 0)

    @property
    def requested(self) -> int:
        """What pods on the node hold."""
        return sum(holder.amount for holder in self.holders)

    @property
    def leaving(self) -> int:
        """What of it pods hold that were deleted."""
        return sum(holder.amount for holder in self.holders if holder.leaving)

    @property
    def rest(self) -> int:
        """What nobody holds, for whoever may come to this node."""
        return max(0, self.allocatable - self.requested - self.nominated)

    @property
    def free(self) -> int:
        """What the pods in question can have."""
        return 0 if self.obstacle is not None else self.rest

    @property
    def blocked(self) -> int:
        """What nobody holds and they cannot have."""
        return self.rest - self.free

    @property
    def devices(self) -> int | None:
        """The devices behind the units: GPUs, or slices of them; None where it is not known how they are shared."""
        return self.capacity // self.product.replicas if self.product.replicas else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What does not add up on this node, in words."""
        found = []
        if self.allocatable < self.capacity:
            found.append(f"{self.capacity - self.allocatable} of {self.capacity} are not healthy")
        if self.requested > self.allocatable:
            found.append(f"pods hold {self.requested}, more than the {self.allocatable} that are allocatable")
        count, devices = self.product.count, self.devices
        if count is not None and devices is not None and count < devices:
            found.append(f"labels count {count} devices of {devices}: they describe one product, there may be others")
        elif count is not None and devices is not None and count > devices:
            found.append(f"labels count {count} devices, the kubelet offers {devices}")
        return tuple(found)


@dataclass(frozen=True)
class Room:
    """What else is left on a node: accelerators are of no use where CPU or memory have run out."""

    cpu_millicores: int
    memory_bytes: int
    pods: int


@dataclass(frozen=True)
class Block:
    """The most units that are free on one node."""

    node: str
    free: int


@dataclass(frozen=True)
class Supply:
    """All offers by node and resource, and what does not belong to any.

    ``room`` is by node; ``waiting`` are pods that want an accelerator and have no node, ``orphaned`` those whose node
    is gone; ``silent`` are nodes by the label that says they have an accelerator, which nothing offers; ``uncounted``
    are extended resources that are not taken for accelerators.
    """

    offers: tuple[Offer, ...]
    room: Mapping[str, Room]
    waiting: tuple[Pod, ...] = ()
    orphaned: tuple[Pod, ...] = ()
    silent: Mapping[str, str] = field(default_factory=dict)
    uncounted: tuple[str, ...] = ()

    def of(self, resource: str) -> tuple[Offer, ...]:
        """Return the offers of one resource."""
        return tuple(offer for offer in self.offers if offer.resource == resource)

    def free(self, resource: str) -> int:
        """Return what is free of a resource in the cluster."""
        return sum(offer.free for offer in self.of(resource))

    @property
    def resources(self) -> tuple[str, ...]:
        """The resources that are offered, sorted."""
        return tuple(sorted({offer.resource for offer in self.offers}))


def find_largest(offers: Iterable[Offer]) -> Block | None:
    """Return where most is free on one node; None where nothing is."""
    free = [offer for offer in offers if offer.free > 0]
    best = min(free, key=lambda offer: (-offer.free, offer.node.name), default=None)
    return Block(best.node.name, best.free) if best is not None else None


def _with_own_toleration(needs: Needs, resource: str) -> Needs:
    return replace(needs, tolerations=(*needs.tolerations, Toleration(**own_toleration(resource))))


def _room(node: Node, pods: Sequence[Pod]) -> Room:
    def left(name: str) -> int:
        return max(0, node.allocatable.get(name, 0) - sum(pod.requests.get(name, 0) for pod in pods))

    return Room(left("cpu"), left("memory"), max(0, node.allocatable.get(PODS, 0) - len(pods)))


def _offer(node: Node, resource: str, pods: Sequence[Pod], nominated: Sequence[Pod], needs: Needs) -> Offer:
    holders = tuple(
        Holder(pod.namespace, pod.name, amount, pod.leaving)
        for pod in sorted(pods, key=lambda pod: (pod.namespace, pod.name))
        if (amount := pod.requests.get(resource, 0)) > 0
    )
    return Offer(
        node=node,
        resource=resource,
        product=parse_product(resource, node.labels),
        holders=holders,
        nominated=sum(pod.requests.get(resource, 0) for pod in nominated),
        obstacle=find_obstacle(node, needs),
    )


def _by_node(pods: Iterable[Pod], names: Iterable[str]) -> tuple[dict[str, list[Pod]], dict[str, list[Pod]], list[Pod]]:
    """Return the pods that hold something on each node, those that wait for one, and those whose node is gone."""
    holding: dict[str, list[Pod]] = {name: [] for name in names}
    nominated: dict[str, list[Pod]] = {name: [] for name in holding}
    lost: list[Pod] = []
    for pod in pods:
        if pod.holds_resources:
            holding.get(pod.node or "", lost).append(pod)
        elif pod.node is None and pod.phase == "Pending" and not pod.leaving:
            nominated.setdefault(pod.nominated_node or "", []).append(pod)
    return holding, nominated, lost


def evaluate_supply(nodes: Sequence[Node], pods: Iterable[Pod], accelerators: Sequence[str], needs: Needs) -> Supply:
    """Return what there is of the resources that ``accelerators`` name, and what of it pods with these needs can have.

    Of the needs, where the pods may run counts; a taint with a resource's own name keeps no pod from that resource,
    because model servers tolerate it.
    """
    holding, nominated, lost = _by_node(pods, (node.name for node in nodes))
    needs_of: dict[str, Needs] = {}
    offers, room, silent, uncounted = [], {}, {}, set()
    for node in sorted(nodes, key=lambda each: each.name):
        held, kept = holding[node.name], nominated[node.name]
        named = {*node.capacity, *node.allocatable, *(name for pod in held for name in pod.requests)}
        extended = sorted(name for name in named if is_extended(name))
        mine = []
        for resource in extended:
            if not is_accelerator(resource, accelerators):
                uncounted.add(resource)
                continue
            if resource not in needs_of:
                needs_of[resource] = _with_own_toleration(needs, resource)
            offer = _offer(node, resource, held, kept, needs_of[resource])
            # A kubelet keeps names that it does not offer any more, with 0.
            if offer.capacity or offer.allocatable or offer.holders:
                mine.append(offer)
        offers += mine
        hint = find_hint(node.labels)
        if not mine and hint is not None:
            silent[node.name] = hint
        if mine or hint is not None:
            room[node.name] = _room(node, held)

    def wants(pod: Pod) -> bool:
        return any(is_accelerator(name, accelerators) for name, amount in pod.requests.items() if amount > 0)

    waiting = [pod for each in nominated.values() for pod in each if wants(pod)]
    return Supply(
        offers=tuple(offers),
        room=room,
        waiting=tuple(sorted(waiting, key=lambda pod: (-pod.priority, pod.namespace, pod.name))),
        orphaned=tuple(pod for pod in lost if wants(pod)),
        silent=silent,
        uncounted=tuple(sorted(uncounted)),
    )


def describe_free(supply: Supply, resource: str, wanted: int) -> str:
    """Return in words what is free of a resource for pods that need ``wanted`` each."""
    offers = supply.of(resource)
    text = (
        f"{resource}: {supply.free(resource)} of {sum(offer.allocatable for offer in offers)} in the cluster are free, "
        f"each pod needs {wanted}"
    )
    largest = find_largest(offers)
    if largest is not None and largest.free < wanted <= supply.free(resource):
        text += f"; no node has more than {largest.free} free"
    blocked = [f"{offer.blocked} on node {offer.node.name} ({offer.obstacle})" for offer in offers if offer.blocked]
    return f"{text}; out of reach: {few(blocked)}" if blocked else text
