# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod asks of its node, and the scheduler's filters over one node.

The filters are those of the default scheduler that can keep a pod from a node for good:
https://kubernetes.io/docs/reference/scheduling/config/#scheduling-plugins (NodeUnschedulable, NodeName,
TaintToleration, NodeAffinity, NodePorts, NodeResourcesFit, VolumeBinding, VolumeZone, PodTopologySpread,
InterPodAffinity). What is not judged is named in ``Needs.unjudged``, so that nobody takes silence for a yes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import (
    Amounts,
    Node,
    Pod,
    Taint,
    parse_pod,
    pod_limits,
    pod_requests,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.label_selector import Requirement
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.placement import REQUIRED
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.selectors import (
    NodeTerm,
    Selector,
    parse_node_terms,
    parse_selector,
    term_matches,
)

__all__ = [
    "HOSTNAME",
    "PODS",
    "Needs",
    "Placed",
    "PodTerm",
    "Spread",
    "Toleration",
    "find_obstacle",
    "is_selected",
    "parse_needs",
    "parse_placed",
    "parse_toleration",
    "with_runtime_class",
]

HOSTNAME = "kubernetes.io/hostname"
PODS = "pods"
_CORDONED = Taint("node.kubernetes.io/unschedulable", "NoSchedule")
_BLOCKING = ("NoSchedule", "NoExecute")
_TEMPLATE_HASH = "pod-template-hash"


@dataclass(frozen=True)
class Toleration:
    """A toleration; an empty ``key`` with ``Exists`` tolerates every taint, an empty ``effect`` every effect.

    Comparing operators of newer Kubernetes count as none.
    """

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    def covers(self, taint: Taint) -> bool:
        """Whether a pod with it may come to a node with this taint."""
        if self.effect not in ("", taint.effect) or (self.key and self.key != taint.key):
            return False
        return self.operator == "Exists" or (self.operator == "Equal" and bool(self.key) and self.value == taint.value)


@dataclass(frozen=True)
class PodTerm:
    """Pods to be near to or apart from, per value of a node's label; ``namespaces`` None means all of them.

    ``per_revision`` tells that only pods of the same template count (matchLabelKeys with pod-template-hash).
    """

    topology_key: str
    selector: Selector | None
    namespaces: tuple[str, ...] | None
    per_revision: bool = False


@dataclass(frozen=True)
class Spread:
    """A hard topology spread: selected pods per value of a node's label differ by ``max_skew`` at most."""

    topology_key: str
    max_skew: int
    selector: Selector | None
    min_domains: int = 1
    honours_taints: bool = False
    per_revision: bool = False


@dataclass(frozen=True)
class Needs:
    """What a pod asks of the scheduler; ``requests`` count the pod itself under ``pods``.

    ``node_selector`` and ``node_terms`` (alternatives; None: any node) say which nodes; each entry of ``volume_terms``
    are the alternatives of a volume; ``ports`` are protocol and number on the node. ``unjudged`` names what is asked
    for and cannot be judged.
    """

    namespace: str
    labels: Mapping[str, str]
    requests: Amounts
    node_selector: Selector = ()
    node_terms: tuple[NodeTerm, ...] | None = None
    node_name: str | None = None
    tolerations: tuple[Toleration, ...] = ()
    near: tuple[PodTerm, ...] = ()
    apart: tuple[PodTerm, ...] = ()
    spread: tuple[Spread, ...] = ()
    ports: frozenset[tuple[str, int]] = frozenset()
    claims: tuple[str, ...] = ()
    volume_terms: tuple[tuple[NodeTerm, ...], ...] = ()
    limits: Amounts = field(default_factory=dict)
    priority: int = 0
    preempts: bool = True
    unjudged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Placed:
    """A pod of the cluster with what it keeps from others: ``apart``, ``ports``, claims, and limits (for quotas)."""

    pod: Pod
    apart: tuple[PodTerm, ...] = ()
    ports: frozenset[tuple[str, int]] = frozenset()
    claims: tuple[str, ...] = ()
    limits: Amounts = field(default_factory=dict)


def _by_keys(item: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[Selector | None, bool]:
    """Return a term's selector with its matchLabelKeys worked in, and whether it is meant for one template only."""
    selector = parse_selector(item.get("labelSelector"))
    if selector is None:
        return None, False
    same, other = item.get("matchLabelKeys") or (), item.get("mismatchLabelKeys") or ()
    more = [Requirement(key, "In", (labels[key],)) for key in same if key in labels]
    more += [Requirement(key, "NotIn", (labels[key],)) for key in other if key in labels]
    return (*selector, *more), _TEMPLATE_HASH in same and _TEMPLATE_HASH not in labels


def _pod_terms(affinity: Mapping[str, Any] | None, namespace: str, labels: Mapping[str, str]) -> tuple[PodTerm, ...]:
    terms = []
    for item in (affinity or {}).get(REQUIRED) or ():
        selector, per_revision = _by_keys(item, labels)
        # Which namespaces a selector means is not known here, so that it means all of them.
        everywhere = item.get("namespaceSelector") is not None
        namespaces = None if everywhere else tuple(item.get("namespaces") or (namespace,))
        terms.append(PodTerm(str(item.get("topologyKey")), selector, namespaces, per_revision))
    return tuple(terms)


def _spread(spec: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[Spread, ...]:
    found = []
    for item in spec.get("topologySpreadConstraints") or ():
        if item.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule":
            selector, per_revision = _by_keys(item, labels)
            found.append(
                Spread(
                    topology_key=str(item.get("topologyKey")),
                    max_skew=int(item.get("maxSkew") or 1),
                    selector=selector,
                    min_domains=int(item.get("minDomains") or 1),
                    honours_taints=item.get("nodeTaintsPolicy") == "Honor",
                    per_revision=per_revision,
                )
            )
    return tuple(found)


def _ports(spec: Mapping[str, Any]) -> frozenset[tuple[str, int]]:
    shares_network = bool(spec.get("hostNetwork"))
    ports = [each for container in spec.get("containers") or () for each in container.get("ports") or ()]
    numbers = [
        (
            str(each.get("protocol") or "TCP"),
            int(each.get("hostPort") or (each["containerPort"] if shares_network else 0)),
        )
        for each in ports
    ]
    return frozenset(pair for pair in numbers if pair[1])


def _claims(spec: Mapping[str, Any]) -> tuple[str, ...]:
    found = [(each.get("persistentVolumeClaim") or {}).get("claimName") for each in spec.get("volumes") or ()]
    return tuple(sorted({str(name) for name in found if name}))


def _find_unjudged(spec: Mapping[str, Any]) -> tuple[str, ...]:
    found = []
    if spec.get("schedulerName") not in (None, "default-scheduler"):
        found.append(f"schedulerName {spec['schedulerName']}: another scheduler decides by rules of its own")
    if spec.get("resourceClaims"):
        found.append("resourceClaims: what dynamic resource allocation has left is not read")
    if spec.get("schedulingGates"):
        found.append("schedulingGates: the pods wait until something else opens them")
    return tuple(found)


def parse_toleration(item: Mapping[str, Any]) -> Toleration:
    """Return a toleration as the API writes it."""
    key, operator = item.get("key") or "", item.get("operator") or "Equal"
    return Toleration(key, operator, item.get("value") or "", item.get("effect") or "")


def parse_needs(namespace: str, template: Mapping[str, Any], *, priority: int = 0, preempts: bool = True) -> Needs:
    """Return what the pods of a template ask for; ``priority`` is that of its priority class."""
    labels = dict((template.get("metadata") or {}).get("labels") or {})
    spec = template.get("spec") or {}
    affinity = spec.get("affinity") or {}
    selector = {str(key): str(value) for key, value in (spec.get("nodeSelector") or {}).items()}
    return Needs(
        namespace=namespace,
        labels=labels,
        requests={**{k: v for k, v in pod_requests(spec).items() if v > 0}, PODS: 1},
        node_selector=tuple(Requirement(key, "In", (value,)) for key, value in sorted(selector.items())),
        node_terms=parse_node_terms((affinity.get("nodeAffinity") or {}).get(REQUIRED)),
        node_name=spec.get("nodeName") or None,
        tolerations=tuple(map(parse_toleration, spec.get("tolerations") or ())),
        near=_pod_terms(affinity.get("podAffinity"), namespace, labels),
        apart=_pod_terms(affinity.get("podAntiAffinity"), namespace, labels),
        spread=_spread(spec, labels),
        ports=_ports(spec),
        claims=_claims(spec),
        limits=pod_limits(spec),
        priority=priority,
        preempts=preempts and spec.get("preemptionPolicy") != "Never",
        unjudged=_find_unjudged(spec),
    )


def with_runtime_class(template: Mapping[str, Any], item: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return a template with what its RuntimeClass adds to every pod: overhead, node selector, tolerations."""
    if item is None:
        return template
    spec, scheduling = template["spec"], item.get("scheduling") or {}
    added = {
        "overhead": (item.get("overhead") or {}).get("podFixed"),
        "nodeSelector": {**(spec.get("nodeSelector") or {}), **(scheduling.get("nodeSelector") or {})},
        "tolerations": [*(spec.get("tolerations") or ()), *(scheduling.get("tolerations") or ())],
    }
    return {**template, "spec": {**spec, **added}}


def parse_placed(item: Mapping[str, Any]) -> Placed:
    """Return a pod of the cluster from the API's object."""
    pod, spec = parse_pod(item), item.get("spec") or {}
    apart = (spec.get("affinity") or {}).get("podAntiAffinity")
    return Placed(pod, _pod_terms(apart, pod.namespace, pod.labels), _ports(spec), _claims(spec), pod_limits(spec))


def _untolerated(taints: Sequence[Taint], needs: Needs) -> Taint | None:
    for taint in taints:
        if taint.effect in _BLOCKING and not any(each.covers(taint) for each in needs.tolerations):
            return taint
    return None


def is_selected(node: Node, needs: Needs) -> bool:
    """Whether selectors and affinity of the pods mean a node; its state and its taints are another question."""
    terms = needs.node_terms
    return all(each.is_met(node.labels) for each in needs.node_selector) and (
        terms is None or any(term_matches(term, node.name, node.labels) for term in terms)
    )


def find_obstacle(node: Node, needs: Needs) -> str | None:
    """Return what keeps the pods from a node whatever runs there, in words for people; None when nothing does."""
    if needs.node_name not in (None, node.name):
        return f"spec.nodeName is {needs.node_name}"
    for each in needs.node_selector:
        if not each.is_met(node.labels):
            return f"no label {each}"
    if needs.node_terms is not None and not any(term_matches(t, node.name, node.labels) for t in needs.node_terms):
        return f"node affinity asks for {' or '.join(map(str, needs.node_terms)) or 'nothing'}"
    for terms in needs.volume_terms:
        if not any(term_matches(term, node.name, node.labels) for term in terms):
            return f"its volume is where {' or '.join(map(str, terms))}"
    if not node.ready:
        return "not ready"
    if node.cordoned and _untolerated([_CORDONED], needs):
        return "cordoned"
    taint = _untolerated(node.taints, needs)
    if taint is not None:
        value = f"={taint.value}" if taint.value else ""
        return f"taint {taint.key}{value}:{taint.effect} is not tolerated"
    return None
