# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scheduler and a Deployment's controller that try every choice, for small clusters.

Written apart from the plan, over plain values, so that both can be wrong only in different ways. The controller is
that of k8s.io/kubernetes/pkg/controller/deployment (rolling.go, recreate.go, sync.go), one pod at a time; the scheduler
takes any node that its filters leave. What the simulation cannot tell is left out of its scenarios, not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import parse_node
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quota import Quota
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_data import Capacity, Change
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import parse_needs, parse_placed

GPU = "nvidia.com/gpu"
ZONE = "topology.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"
OWN = {"app.kubernetes.io/instance": "chat", "llmops.dev/slot": "blue"}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
NEW, OLD = "bbbbbbbbbb", "aaaaaaaaaa"
DONE, STUCK = "done", "stuck"


@dataclass(frozen=True)
class Box:
    """A node: GPUs, zone, whether it takes new pods, and GPUs that others hold (with their priority)."""

    gpus: int
    zone: str = "a"
    is_open: bool = True
    others: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Scene:
    """A small cluster with one release; ``old`` are nodes of old pods, None for one that waits.

    ``apart`` keeps its pods apart by this label, ``skew`` spreads them hard by ``spread_by``.
    """

    boxes: tuple[Box, ...]
    old: tuple[int | None, ...]
    replicas: int
    old_gpus: int = 1
    new_gpus: int = 1
    replicas_now: int | None = None
    apart: str | None = None
    skew: int | None = None
    spread_by: str = ZONE
    quota: int | None = None
    priority: int = 0

    @property
    def wanted_now(self) -> int:
        return len(self.old) if self.replicas_now is None else self.replicas_now


State = tuple[tuple[Optional[int], ...], tuple[int, ...]]


@dataclass
class Simulation:
    """Tries every choice of one strategy; ``ends`` holds the ends that can come."""

    scene: Scene
    strategy: str
    seen: dict[State, frozenset[str]] = field(default_factory=dict)

    def ends(self) -> frozenset[str]:
        found: set[str] = set()
        grows = self.scene.replicas > self.scene.wanted_now > 0
        for old in self._grow(self.scene.old, self.scene.replicas - self.scene.wanted_now if grows else 0):
            found |= self._walk((old, ()))
        return frozenset(found)

    def _grow(self, old: tuple[int | None, ...], more: int) -> Iterator[tuple[int | None, ...]]:
        """Kubernetes grows the old set first, when the number and the template change together."""
        if not more:
            yield tuple(sorted(old, key=str))
            return
        spots = [i for i in range(len(self.scene.boxes)) if self._fits(i, (old, ()), self.scene.old_gpus)]
        for spot in spots or [None]:
            yield from self._grow((*old, spot), more - 1)

    def _walk(self, state: State) -> frozenset[str]:
        if state not in self.seen:
            old, new = state
            if len(new) >= self.scene.replicas:
                self.seen[state] = frozenset({DONE})
            else:
                following = set(self._moves(old, new))
                ends = [self._walk(each) for each in following]
                self.seen[state] = frozenset().union(*ends) if following else frozenset({STUCK})
        return self.seen[state]

    def _moves(self, old: tuple[int | None, ...], new: tuple[int, ...]) -> Iterator[State]:
        replicas = self.scene.replicas
        if self.strategy == "recreate":
            if old:
                yield from (((*old[:i], *old[i + 1 :]), new) for i in range(len(old)))
            else:
                yield from self._place(old, new)
            return
        surge, unavailable = (1, 0) if self.strategy == "surge" else (0, 1)
        total_new = max(len(new), min(replicas, replicas + surge - len(old)))
        may_go = len(old) + total_new - (replicas - unavailable) - (total_new - len(new))
        running = sum(node is not None for node in old)
        waiting = [i for i, node in enumerate(old) if node is None]
        if may_go > 0 and waiting:
            yield (*old[: waiting[0]], *old[waiting[0] + 1 :]), new
        elif may_go > 0 and running + len(new) > replicas - unavailable:
            for index in range(len(old)):
                yield (*old[:index], *old[index + 1 :]), new
        if total_new > len(new):
            yield from self._place(old, new)

    def _place(self, old: tuple[int | None, ...], new: tuple[int, ...]) -> Iterator[State]:
        for index in range(len(self.scene.boxes)):
            if self._fits(index, (old, new), self.scene.new_gpus):
                yield old, tuple(sorted((*new, index)))

    def _fits(self, index: int, state: State, gpus: int) -> bool:
        scene, (old, new) = self.scene, state
        box, boxes = scene.boxes[index], scene.boxes
        # Pods of lower priority would be evicted: they are as good as free.
        others = sum(amount for amount, priority in box.others if priority >= scene.priority)
        used = others + old.count(index) * scene.old_gpus + new.count(index) * scene.new_gpus
        if not box.is_open or used + gpus > box.gpus:
            return False
        if scene.quota is not None:
            held = len(old) * scene.old_gpus + len(new) * scene.new_gpus
            if held + gpus > scene.quota:
                return False
        own = [i for i in (*old, *new) if i is not None]
        if scene.apart == HOST and index in own:
            return False
        if scene.apart == ZONE and box.zone in {boxes[i].zone for i in own}:
            return False
        if scene.skew is not None:
            groups = [each.zone if scene.spread_by == ZONE else str(i) for i, each in enumerate(boxes)]
            counts = dict.fromkeys(groups, 0)
            for i in own:
                counts[groups[i]] += 1
            return counts[groups[index]] + 1 - min(counts.values()) <= scene.skew
        return True


# The same scene as the plan sees it


def _node(index: int, box: Box) -> dict[str, Any]:
    amounts = {"cpu": "64", "memory": "512Gi", "pods": "110", GPU: str(box.gpus)}
    return {
        "metadata": {"name": f"n{index}", "labels": {ZONE: box.zone, HOST: f"n{index}"}},
        "spec": {} if box.is_open else {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "capacity": amounts,
            "allocatable": amounts,
        },
    }


def _template(scene: Scene, gpus: int, revision: str) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "containers": [{"name": "vllm", "resources": {"requests": {"cpu": "1"}, "limits": {GPU: str(gpus)}}}]
    }
    selector = {"matchLabels": OWN}
    if scene.apart is not None:
        term = {"topologyKey": scene.apart, "labelSelector": selector}
        spec["affinity"] = {"podAntiAffinity": {REQUIRED: [term]}}
    if scene.skew is not None:
        spread = {"topologyKey": scene.spread_by, "maxSkew": scene.skew, "whenUnsatisfiable": "DoNotSchedule"}
        spec["topologySpreadConstraints"] = [{**spread, "labelSelector": selector}]
    return {"metadata": {"labels": {**OWN, "llmops.dev/revision": revision}}, "spec": spec}


def pod(
    name: str, template: dict[str, Any], node: str | None, *, namespace: str = "llm", **more: Any
) -> dict[str, Any]:
    """Return a pod of a template as the API shows it."""
    spec = {**template["spec"], **more}
    if node is not None:
        spec["nodeName"] = node
    phase = "Running" if node is not None else "Pending"
    meta = {"name": name, "namespace": namespace, "labels": template["metadata"]["labels"]}
    return {"metadata": meta, "spec": spec, "status": {"phase": phase}}


def capacity(scene: Scene) -> Capacity:
    """Return the scene's cluster."""
    pods = [
        pod(f"old-{number}", _template(scene, scene.old_gpus, OLD), None if node is None else f"n{node}")
        for number, node in enumerate(scene.old)
    ]
    for index, box in enumerate(scene.boxes):
        for number, (amount, priority) in enumerate(box.others):
            template = {
                "metadata": {"labels": {"app": "other"}},
                "spec": {"containers": [{"name": "c", "resources": {"limits": {GPU: str(amount)}}}]},
            }
            name = f"other-{index}-{number}"
            pods.append(pod(name, template, f"n{index}", namespace="other", priority=priority))
    quotas = ()
    if scene.quota is not None:
        used = {f"requests.{GPU}": len(scene.old) * scene.old_gpus}
        quotas = (Quota("llm", "gpus", {f"requests.{GPU}": scene.quota}, used),)
    nodes = tuple(parse_node(_node(index, box)) for index, box in enumerate(scene.boxes))
    return Capacity(nodes, tuple(map(parse_placed, pods)), quotas)


def change(scene: Scene, strategy: str) -> Change:
    """Return the change that the scene is about."""
    template = _template(scene, scene.new_gpus, NEW)
    return Change(
        name="chat",
        namespace="llm",
        needs=parse_needs("llm", template, priority=scene.priority),
        replicas=scene.replicas,
        revision=NEW,
        pod_labels=OWN,
        wish=strategy,
        accelerator=GPU,
        replicas_now=scene.wanted_now,
        changes_template=True,
    )
