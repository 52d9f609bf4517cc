# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change of the operator does to drivers, operands and model servers."""

from __future__ import annotations

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator import (
    GpuNode,
    GpuPod,
    Snapshot,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator_change import (
    find_floors,
    find_losses,
    parse_version,
    plan_change,
)

OLD, NEW = "nvcr.example/nvidia/gpu-operator:v26.7.0", "nvcr.example/nvidia/gpu-operator:v26.7.1"
SPEC = {"driver": {"version": "580.1.1", "upgradePolicy": {"autoUpgrade": True}}, "dcgm": {"enabled": False}}


def changed(**change: object) -> dict[str, object]:
    """Return the spec with some sections replaced."""
    return {**SPEC, **change}


def test_nothing_changes_where_nothing_differs():
    assert plan_change(SPEC, changed(gfd={}), OLD, OLD).drivers == "none"
    assert plan_change(SPEC, SPEC, OLD, OLD).operands == ()


def test_a_first_installation_touches_nothing():
    assert plan_change(None, SPEC, "", NEW).operands == ()


def test_only_the_operands_of_a_section_begin_anew():
    change = plan_change(SPEC, changed(dcgm={"enabled": True}), OLD, OLD)
    assert (change.operands, change.drivers) == (("nvidia-dcgm",), "none")


def test_settings_of_the_upgrade_itself_are_in_no_pod():
    policy = {"autoUpgrade": True, "maxParallelUpgrades": 2}
    change = plan_change(SPEC, changed(driver={"version": "580.1.1", "upgradePolicy": policy}), OLD, OLD)
    assert (change.sections, change.drivers) == ((), "none")


def test_another_driver_evicts_with_every_version_of_the_operator():
    change = plan_change(SPEC, changed(driver={"version": "595.1.1"}), OLD, OLD)
    assert (change.operands, change.drivers) == (("nvidia-driver-daemonset",), "evicts")
    assert change.reasons == ("spec.driver changes",)


@pytest.mark.parametrize(
    ("before", "after", "drivers"),
    [
        (OLD, NEW, "in_place"),
        ("x/gpu-operator:v26.3.3", NEW, "evicts"),
        ("x/gpu-operator:v25.3.0", "x/gpu-operator:v25.3.1", "evicts"),
        ("", NEW, "evicts"),
        (OLD, "x/gpu-operator@sha256:abc", "evicts"),
    ],
)
def test_another_version_of_the_operator_evicts_unless_it_can_begin_drivers_in_place(before, after, drivers):
    change = plan_change(SPEC, SPEC, before, after)
    assert (change.drivers, change.operands) == (drivers, ("every operand",))
    assert any("before 26.7" in reason for reason in change.reasons) == (drivers == "evicts")


def test_labels_of_all_pods_are_cosmetic_and_named():
    change = plan_change(SPEC, changed(daemonsets={"labels": {"a": "b"}}), "x:v25.3.0", "x:v25.3.0")
    assert change.drivers == "evicts"
    assert change.reasons[0] == "spec.daemonsets changes"
    assert plan_change(SPEC, changed(daemonsets={"labels": {"a": "b"}}), OLD, OLD).drivers == "in_place"


@pytest.mark.parametrize("driver", [{"enabled": False}, {"version": "9", "upgradePolicy": {"autoUpgrade": False}}])
def test_drivers_that_the_operator_does_not_begin_anew_stay(driver):
    assert plan_change(SPEC, changed(driver=driver), OLD, NEW).drivers == "none"


def test_versions_are_read_from_tags():
    assert parse_version("registry.example:5000/x/gpu-operator:v26.7.0-ubi9") == (26, 7)
    assert parse_version("v1.11.1") == (1, 11)
    assert parse_version("main-latest") is None


def test_floors_are_those_of_the_budgets():
    labels = {"app.kubernetes.io/instance": "chat"}
    budget = {"metadata": {"namespace": "llm", "labels": labels}, "status": {"desiredHealthy": 2}}
    assert find_floors([budget, {"metadata": {"name": "other"}}]) == {("llm", "chat"): 2}
    assert find_floors([{"metadata": {"labels": labels}}]) == {("", "chat"): 0}


def pod(name: str, node: str, instance: str | None = "chat", **more: object) -> GpuPod:
    """Return a ready pod of a model server."""
    labels = {"app.kubernetes.io/component": "model-server"}
    if instance:
        labels["app.kubernetes.io/instance"] = instance
    return GpuPod("llm", name, node, labels, ready=bool(more.pop("ready", True)), **more)


def test_a_model_server_whose_floor_would_break_is_named_with_its_node():
    pods = (
        pod("a", "n1"),
        pod("b", "n2"),
        pod("c", "n2"),
        pod("job", "n1", None),
        pod("bad", "n1", refused=True, ready=False),
    )
    nodes = (GpuNode("n2"), GpuNode("n1"), GpuNode("n3"), GpuNode("off", driver=False), GpuNode("gone", present=False))
    losses = {each.node: each for each in find_losses(Snapshot(nodes=nodes, gpu_pods=pods), {("llm", "chat"): 2})}
    assert sorted(losses) == ["n1", "n2", "n3"]
    assert losses["n1"].pods == ("llm/a", "llm/job")
    assert losses["n1"].broken == ()
    assert losses["n2"].broken == (
        "model server llm/chat would have 1 ready replicas without node n2, and must keep 2",
    )
    assert losses["n3"].pods == ()


def test_a_model_server_without_a_budget_keeps_one_replica():
    snapshot = Snapshot(nodes=(GpuNode("n1"),), gpu_pods=(pod("a", "n1"), pod("b", "n2", ready=False)))
    assert "would have 0 ready replicas" in find_losses(snapshot, {})[0].broken[0]
    assert "must keep 1" in find_losses(snapshot, {("llm", "chat"): 0})[0].broken[0]
