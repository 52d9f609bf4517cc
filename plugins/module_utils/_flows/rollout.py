# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning roll-outs: what the cluster has is read once for all releases that change, and the pure plan is made of it.

Who may not see all nodes and pods gets no plan but the reason. What else may not be seen (quotas, volumes) is left out
and named as a risk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Callable

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import ALIVE_FIELDS, parse_node
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import nearest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.plan_table import (
    describe_plan,
    describe_release,
    refusal,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quota import parse_quota
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout import plan_rollout
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_change import describe_change
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_data import (
    Capacity,
    Claim,
    Plan,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import (
    Needs,
    parse_needs,
    parse_placed,
    with_runtime_class,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.selectors import NodeTerm, parse_node_terms
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.planning import Draft, Outlook, Planning
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi

__all__ = ["Foresight", "foresee", "plan_changes"]

_PERMISSION = "roles/model_server/files/rbac-planner.yml holds a ClusterRole that is enough"
_REFUSED = {"auto": (Result.FAIL,), "require": (Result.FAIL, Result.INCONCLUSIVE)}


@dataclass(frozen=True)
class Foresight:
    """The plan, or ``blind``: why there is none; ``unseen`` is what a plan does not know."""

    plan: Plan | None
    blind: str | None = None
    unseen: tuple[str, ...] = ()


def foresee(drafts: Sequence[Draft], present: frozenset[str], api: ClusterApi, *, may_grow: bool = False) -> Foresight:
    """Return the plan for these releases; ``present`` are the namespaces that are there."""
    try:
        seen = _Sight(drafts, present, api)
    except ClusterError as error:
        if error.details.get("status") != 403:
            raise
        return Foresight(None, error.message)
    changes = [
        describe_change(draft.server, draft.wanted, draft.live, seen.needs(draft), seen.pods_of(draft))
        for draft in drafts
    ]
    capacity = Capacity(
        nodes=tuple(map(parse_node, seen.nodes)),
        pods=tuple(map(parse_placed, seen.pods)),
        quotas=tuple(map(parse_quota, seen.quotas)),
        claims=seen.claims,
        may_grow=may_grow,
    )
    return Foresight(plan_rollout(changes, capacity), unseen=tuple(seen.unseen))


def plan_changes(changing: Sequence[Draft], present: frozenset[str], api: ClusterApi, planning: Planning) -> Outlook:
    """Plan what changes; raise ClusterError for what can only hang."""
    foresight = foresee(changing, present, api, may_grow=planning.may_grow)
    if foresight.plan is None:
        reason = (
            f"the roll-out is not planned, because nodes and pods of the cluster may not be listed: {foresight.blind}"
        )
        if planning.mode == "require":
            raise ClusterError(f"{reason}; nothing was changed (a plan is required). {_PERMISSION}", {"plan": None})
        return Outlook({}, {}, (f"{reason}. {_PERMISSION}",))
    refused = [each for each in foresight.plan.releases if each.verdict in _REFUSED[planning.mode]]
    if refused:
        lines = "".join(f"\n- {refusal(each)}" for each in refused)
        raise ClusterError(
            f"The roll-out plan refuses {len(refused)} of {len(changing)} releases that change on {api.cluster}; "
            f"nothing was changed.{lines}",
            {"plan": describe_plan(foresight.plan)},
        )
    plans = {(each.namespace, each.name): each for each in foresight.plan.releases}
    # What nobody answers to is told of every run (notices), planned or not.
    risks = tuple(
        f"{each.name}: {risk}"
        for each in plans.values()
        for risk in each.risks
        if not risk.startswith("nobody answers")
    )
    strategies = {key: each.strategy for key, each in plans.items()}
    described = {key: describe_release(each) for key, each in plans.items()}
    return Outlook(strategies, described, (*risks, *foresight.unseen))


class _Sight:
    """What was read of the cluster; ClusterError with status 403 where nodes or pods may not be listed."""

    def __init__(self, drafts: Sequence[Draft], present: frozenset[str], api: ClusterApi) -> None:
        self.api, self.unseen = api, list[str]()
        places = sorted({draft.server.namespace for draft in drafts} & present)
        named = sorted({(draft.server.namespace, name) for draft in drafts for name in _claims(draft)})
        wants = {kind: any(_class_of(draft, kind) for draft in drafts) for kind in _CLASSES}
        calls: list[Callable[[], Any]] = [
            partial(api.list_objects, "Node", None),
            partial(api.list_objects, "Pod", None, fields=ALIVE_FIELDS),
            *(partial(self._try, "ResourceQuota", partial(api.list_objects, "ResourceQuota", each)) for each in places),
            *(partial(self._try, kind, partial(api.list_objects, kind, None)) for kind in _CLASSES if wants[kind]),
            *(
                partial(self._try, "PersistentVolumeClaim", partial(api.get, "PersistentVolumeClaim", place, name))
                for place, name in named
                if place in present
            ),
        ]
        answers = list(api.side_by_side(calls))
        self.nodes: list[dict[str, Any]] = answers.pop(0)
        self.pods: list[dict[str, Any]] = answers.pop(0)
        self.quotas = [item for _place in places for item in answers.pop(0) or ()]
        self.classes = {kind: answers.pop(0) for kind in _CLASSES if wants[kind]}
        self._check_classes(drafts)
        found = [(place, item) for (place, _name), item in zip(named, answers) if item is not None]
        self._volume_terms: dict[tuple[str, str], tuple[NodeTerm, ...]] = {}
        self.claims = {(place, item["metadata"]["name"]): _parse_claim(item) for place, item in found}
        bound = [(place, item) for place, item in found if (item.get("spec") or {}).get("volumeName")]
        volumes = api.side_by_side(
            [
                partial(
                    self._try,
                    "PersistentVolume",
                    partial(api.get, "PersistentVolume", None, item["spec"]["volumeName"]),
                )
                for _place, item in bound
            ]
        )
        for (place, item), volume in zip(bound, volumes):
            affinity = ((volume or {}).get("spec") or {}).get("nodeAffinity") or {}
            terms = parse_node_terms(affinity.get("required"))
            if terms is not None:
                self._volume_terms[place, item["metadata"]["name"]] = terms

    def _try(self, kind: str, call: Callable[[], Any]) -> Any:
        """Return an answer, or None where we may not see it, which is noted."""
        try:
            return call()
        except ClusterError as error:
            if error.details.get("status") != 403:
                raise
            words = f"{kind} objects may not be read and do not count ({error.message})"
            if not any(each.startswith(f"{kind} ") for each in self.unseen):
                self.unseen.append(words)
            return None

    def _check_classes(self, drafts: Sequence[Draft]) -> None:
        """Refuse classes that are not there: pods of them are never made."""
        problems = []
        for draft in drafts:
            for kind, items in self.classes.items():
                names = sorted(item["metadata"]["name"] for item in items or ())
                name = _class_of(draft, kind)
                if name is not None and items is not None and name not in names:
                    guess = nearest(name, names)
                    problems.append(
                        Problem(
                            f"model_servers[{draft.server.name}].placement.{_CLASSES[kind][1]}",
                            f"there is no {kind} {name} on {self.api.cluster}",
                            allowed=", ".join(names) or "none is defined",
                            hint=f"Did you mean {guess}?" if guess else None,
                        )
                    )
        if problems:
            raise InputError(problems)

    def needs(self, draft: Draft) -> Needs:
        """Return what a release's pods ask for, with what its classes and volumes add."""
        template = with_runtime_class(draft.template, self._find_class(draft, "RuntimeClass"))
        priority = self._find_class(draft, "PriorityClass") or {}
        needs = parse_needs(
            draft.server.namespace,
            template,
            priority=int(priority.get("value") or 0),
            preempts=priority.get("preemptionPolicy") != "Never",
        )
        place = draft.server.namespace
        terms = [self._volume_terms[place, name] for name in needs.claims if (place, name) in self._volume_terms]
        return replace(needs, volume_terms=tuple(terms))

    def _find_class(self, draft: Draft, kind: str) -> dict[str, Any] | None:
        name = _class_of(draft, kind)
        return next((item for item in self.classes.get(kind) or () if item["metadata"]["name"] == name), None)

    def pods_of(self, draft: Draft) -> list[dict[str, Any]]:
        """Return the pods of a release's slot."""
        wanted = draft.wanted["spec"]["selector"]["matchLabels"].items()
        return [
            pod
            for pod in self.pods
            if pod["metadata"]["namespace"] == draft.server.namespace
            and wanted <= (pod["metadata"].get("labels") or {}).items()
        ]


# Kind, the field of the pod's spec that names one, and the key of ``placement`` for it.
_CLASSES = {
    "PriorityClass": ("priorityClassName", "priority_class"),
    "RuntimeClass": ("runtimeClassName", "runtime_class"),
}


def _class_of(draft: Draft, kind: str) -> str | None:
    name = draft.template["spec"].get(_CLASSES[kind][0])
    return str(name) if name else None


def _claims(draft: Draft) -> tuple[str, ...]:
    return parse_needs(draft.server.namespace, draft.template).claims


def _parse_claim(item: Mapping[str, Any]) -> Claim:
    modes = (item.get("status") or {}).get("accessModes") or (item.get("spec") or {}).get("accessModes") or ()
    return Claim(item["metadata"]["name"], tuple(map(str, modes)))
