# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan is made from and what it says, as data; ``rollout.py`` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Node
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quota import Quota
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import Needs, Placed
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result

__all__ = ["Capacity", "Change", "Claim", "NodePicture", "Plan", "ReleasePlan", "StartTime"]


@dataclass(frozen=True)
class Claim:
    """A PersistentVolumeClaim: its access modes, and whether its volume may serve several nodes at a time."""

    name: str
    access_modes: tuple[str, ...]

    @property
    def is_single_pod(self) -> bool:
        """Whether one pod of the whole cluster may use it."""
        return self.access_modes == ("ReadWriteOncePod",)

    @property
    def is_single_node(self) -> bool:
        """Whether one node at a time may use it."""
        return bool(self.access_modes) and not {"ReadWriteMany", "ReadOnlyMany"} & set(self.access_modes)


@dataclass(frozen=True)
class Capacity:
    """The cluster as it is. ``may_grow``: an autoscaler adds nodes, so that a lack of nodes is no end."""

    nodes: tuple[Node, ...]
    pods: tuple[Placed, ...] = ()
    quotas: tuple[Quota, ...] = ()
    claims: Mapping[tuple[str, str], Claim] = field(default_factory=dict)
    may_grow: bool = False


@dataclass(frozen=True)
class StartTime:
    """How long a pod is expected to take from its node to its first answer, in seconds, and how that is known."""

    seconds: int
    source: str
    is_measured: bool = False


@dataclass(frozen=True)
class Change:
    """One release as it is and as it is wanted.

    ``replicas_now`` None: there is no Deployment yet. ``wish`` is what the user says (``auto`` lets the plan choose),
    ``usual`` the strategy where nothing depends on it. ``pod_labels`` select its pods, ``revision`` tells which of them
    are of the wanted template. ``budget_seconds`` is the longest start that is allowed, ``grace_seconds`` the longest
    end.
    """

    name: str
    namespace: str
    needs: Needs
    replicas: int
    revision: str
    pod_labels: Mapping[str, str]
    wish: str = "auto"
    usual: str = "surge"
    accelerator: str | None = None
    priority_class: str | None = None
    replicas_now: int | None = None
    changes_template: bool = False
    start: StartTime = StartTime(60, "assumed")
    budget_seconds: int = 300
    grace_seconds: int = 30


@dataclass(frozen=True)
class ReleasePlan:
    """What one release's change means.

    ``kind`` is ``new``, ``roll`` (other pods), ``scale`` (more or fewer of the same) or ``stop`` (none are wanted).
    ``per_pod`` and ``extra_at_peak`` count the accelerator, or pods where there is none; ``fits_now`` is how many new
    pods find a place beside all that runs. ``places`` says how many new pods each node is expected to take;
    ``displaced`` names pods of others that Kubernetes would evict for these; ``waits_for`` earlier releases whose
    roll-outs may hold the places that it needs, for ``waits_seconds`` at most.
    """

    name: str
    namespace: str
    kind: str
    strategy: str
    verdict: Result
    replicas: int
    replicas_now: int
    accelerator: str | None
    per_pod: int
    extra_at_peak: int
    fits_now: int
    reasons: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    places: Mapping[str, int] = field(default_factory=dict)
    displaced: tuple[str, ...] = ()
    waits_for: tuple[str, ...] = ()
    waits_seconds: int = 0
    start: StartTime = StartTime(60, "assumed")
    seconds_expected: int = 0
    seconds_max: int = 0
    silent_seconds: int = 0


@dataclass(frozen=True)
class NodePicture:
    """A node's accelerators (pods where there are none) before, at the peak and after, by who holds them.

    Each of the three maps a holder (a release as ``namespace/name``, ``others``) to an amount.
    """

    name: str
    resource: str
    amount: int
    before: Mapping[str, int]
    peak: Mapping[str, int]
    after: Mapping[str, int]


@dataclass(frozen=True)
class Plan:
    """The plans of all releases in their order, the joint verdict, and the nodes in pictures."""

    verdict: Result
    releases: tuple[ReleasePlan, ...]
    nodes: tuple[NodePicture, ...] = ()
