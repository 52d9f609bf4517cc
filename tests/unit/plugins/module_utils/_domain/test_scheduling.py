# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selectors, tolerations and the scheduler's filters over one node."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Node, Taint
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.label_selector import Requirement
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import (
    PodTerm,
    find_obstacle,
    parse_needs,
    parse_placed,
    with_runtime_class,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.selectors import (
    NodeTerm,
    matches,
    parse_node_terms,
    parse_selector,
    term_matches,
)

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
NODE = Node("n1", {"gpu": "A100", "memory": "80"})


def template(spec: dict[str, Any] | None = None, **labels: str) -> dict[str, Any]:
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c"}], **(spec or {})}}


def obstacle(spec: dict[str, Any], node: Node = NODE) -> str | None:
    return find_obstacle(node, parse_needs("llm", template(spec)))


@pytest.mark.parametrize(
    ("operator", "values", "holds"),
    [
        ("In", ["A100", "H100"], True),
        ("In", ["H100"], False),
        ("NotIn", ["H100"], True),
        ("NotIn", ["A100"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
        ("Gt", ["1"], False),
    ],
)
def test_a_condition_on_a_label_holds_or_not(operator: str, values: list[str], holds: bool) -> None:
    assert Requirement("gpu", operator, tuple(values)).is_met({"gpu": "A100"}) is holds


def test_numbers_of_labels_are_compared_as_numbers() -> None:
    assert Requirement("memory", "Gt", ("9",)).is_met(NODE.labels)
    assert Requirement("memory", "Lt", ("100",)).is_met(NODE.labels)
    assert not Requirement("memory", "Lt", ("80",)).is_met(NODE.labels)


def test_no_selector_selects_nothing_and_an_empty_one_everything() -> None:
    assert not matches(parse_selector(None), {"a": "b"})
    assert matches(parse_selector({}), {"a": "b"})


def test_conditions_are_told_as_people_write_them() -> None:
    words = [Requirement("a", "In", ("b",)), Requirement("a", "Exists"), Requirement("a", "DoesNotExist")]
    assert [str(each) for each in words] == ["a=b", "a", "no a"]
    assert str(Requirement("a", "NotIn", ("b", "c"))) == "a NotIn b, c"
    assert str(NodeTerm()) == "nothing"


def test_a_term_without_conditions_means_no_node() -> None:
    assert not term_matches(NodeTerm(), "n1", {})
    assert parse_node_terms(None) is None
    (term,) = parse_node_terms({"nodeSelectorTerms": [{"matchFields": [_field("n1")]}]}) or ()
    assert term_matches(term, "n1", {})
    assert not term_matches(term, "n2", {})


def _field(name: str) -> dict[str, Any]:
    return {"key": "metadata.name", "operator": "In", "values": [name]}


@pytest.mark.parametrize(
    ("spec", "node", "words"),
    [
        ({}, NODE, None),
        ({"nodeName": "n1"}, NODE, None),
        ({"nodeName": "n2"}, NODE, "spec.nodeName is n2"),
        ({"nodeSelector": {"gpu": "A100"}}, NODE, None),
        ({"nodeSelector": {"gpu": "H100"}}, NODE, "no label gpu=H100"),
        ({}, replace(NODE, ready=False), "not ready"),
        ({}, replace(NODE, cordoned=True), "cordoned"),
        ({"tolerations": [{"operator": "Exists"}]}, replace(NODE, cordoned=True), None),
        ({}, replace(NODE, taints=(Taint("t", "PreferNoSchedule"),)), None),
        ({}, replace(NODE, taints=(Taint("t", "NoSchedule", "v"),)), "taint t=v:NoSchedule is not tolerated"),
        ({"tolerations": [{"key": "t", "value": "v"}]}, replace(NODE, taints=(Taint("t", "NoSchedule", "v"),)), None),
        (
            {"tolerations": [{"key": "t", "operator": "Exists", "effect": "NoExecute"}]},
            replace(NODE, taints=(Taint("t", "NoSchedule"),)),
            "taint t:NoSchedule is not tolerated",
        ),
        (
            {"tolerations": [{"key": "t", "value": "w"}]},
            replace(NODE, taints=(Taint("t", "NoExecute", "v"),)),
            "taint t=v:NoExecute is not tolerated",
        ),
    ],
)
def test_a_node_takes_a_pod_or_says_what_keeps_it_off(spec: dict[str, Any], node: Node, words: str | None) -> None:
    assert obstacle(spec, node) == words


def test_required_affinity_and_the_place_of_a_volume_keep_pods_off() -> None:
    term = {"matchExpressions": [{"key": "gpu", "operator": "In", "values": ["H100"]}]}
    affinity = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [term]}}}
    assert obstacle({"affinity": affinity}) == "node affinity asks for gpu=H100"
    needs = replace(parse_needs("llm", template()), volume_terms=((NodeTerm((Requirement("zone", "Exists"),)),),))
    assert find_obstacle(NODE, needs) == "its volume is where zone"
    assert find_obstacle(replace(NODE, labels={"zone": "a"}), needs) is None


def test_terms_of_pods_carry_their_namespaces_and_keys() -> None:
    selector = {"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": "zone"}
    terms = [
        selector,
        {**selector, "namespaces": ["other"]},
        {**selector, "namespaceSelector": {}},
        {**selector, "matchLabelKeys": ["pod-template-hash", "team"], "mismatchLabelKeys": ["tenant"]},
        {"topologyKey": "zone"},
    ]
    needs = parse_needs(
        "llm", template({"affinity": {"podAntiAffinity": {REQUIRED: terms}}}, team="search", tenant="a")
    )
    own, other, everywhere, keyed, nothing = needs.apart
    assert own == PodTerm("zone", (Requirement("app", "In", ("x",)),), ("llm",))
    assert (other.namespaces, everywhere.namespaces) == (("other",), None)
    assert keyed.per_revision
    assert matches(keyed.selector, {"app": "x", "team": "search", "tenant": "b"})
    assert not matches(keyed.selector, {"app": "x", "team": "search", "tenant": "a"})
    assert (nothing.selector, nothing.per_revision) == (None, False)


def test_only_hard_spreads_count() -> None:
    soft = {"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}
    hard = {"topologyKey": "zone", "minDomains": 2, "labelSelector": {}, "nodeTaintsPolicy": "Honor"}
    (spread,) = parse_needs("llm", template({"topologySpreadConstraints": [soft, hard]})).spread
    assert (spread.max_skew, spread.min_domains, spread.honours_taints) == (1, 2, True)


def test_ports_of_the_node_are_taken_by_name_or_by_its_network() -> None:
    containers = [
        {"name": "c", "ports": [{"containerPort": 8000}, {"containerPort": 9, "hostPort": 9, "protocol": "UDP"}]}
    ]
    assert parse_needs("llm", template({"containers": containers})).ports == {("UDP", 9)}
    shared = template({"containers": containers, "hostNetwork": True})
    assert parse_needs("llm", shared).ports == {("TCP", 8000), ("UDP", 9)}


def test_what_cannot_be_judged_is_named() -> None:
    spec = {"schedulerName": "volcano", "resourceClaims": [{"name": "x"}], "schedulingGates": [{"name": "y"}]}
    words = parse_needs("llm", template(spec)).unjudged
    assert [each.split(":")[0] for each in words] == ["schedulerName volcano", "resourceClaims", "schedulingGates"]


def test_claims_and_priority_are_read() -> None:
    volumes = [{"name": "m", "persistentVolumeClaim": {"claimName": "models"}}, {"name": "t", "emptyDir": {}}]
    spec = {"volumes": volumes, "preemptionPolicy": "Never"}
    needs = parse_needs("llm", template(spec), priority=7)
    assert (needs.claims, needs.priority, needs.preempts) == (("models",), 7, False)
    pod = {"metadata": {"name": "p", "namespace": "llm"}, "spec": {"containers": [], **spec}}
    assert parse_placed(pod).claims == ("models",)


def test_a_runtime_class_adds_its_overhead_and_its_nodes() -> None:
    item = {
        "overhead": {"podFixed": {"memory": "1Gi"}},
        "scheduling": {"nodeSelector": {"kata": "yes"}, "tolerations": [{"key": "kata", "operator": "Exists"}]},
    }
    needs = parse_needs("llm", with_runtime_class(template({"nodeSelector": {"a": "b"}}), item))
    assert needs.requests["memory"] == 1024**3
    assert [str(each) for each in needs.node_selector] == ["a=b", "kata=yes"]
    assert needs.tolerations[0].key == "kata"
    assert with_runtime_class(template(), None) == template()
