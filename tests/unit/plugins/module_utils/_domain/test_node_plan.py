# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one patch of a node: what is ours changes, what is not is left alone or is a conflict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Taint
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_plan import (
    RECORD,
    Conflict,
    LiveNode,
    NodePlan,
    describe_side,
    parse_live_node,
    plan_node,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_pool import NodePool

GPU = Taint("nvidia.com/gpu", "NoSchedule", "present")
POOL = NodePool("inference", labels={"team": "search"}, annotations={"note": "x"}, taints=(GPU,))
THEIRS = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}
MANAGERS = (
    {"manager": "kubectl-label", "fieldsV1": {"f:metadata": {"f:labels": {"f:team": {}}}}},
    {"manager": "kubectl-label", "subresource": "x", "fieldsV1": {"f:metadata": {"f:labels": {"f:team": {}}}}},
    {"manager": "autoscaler", "fieldsV1": {"f:spec": {"f:taints": {}}}},
    {"manager": "nobody"},
)


def node(**fields: Any) -> LiveNode:
    return LiveNode("gpu-1", "7", managed_fields=MANAGERS, **fields)


def plan(
    live: LiveNode, pool: NodePool | None = POOL, optional: Mapping[str, str] | None = None, force: bool = False
) -> NodePlan:
    return plan_node(live, pool, optional or {}, force=force)


def patched(live: LiveNode, made: NodePlan) -> LiveNode:
    """Return the node as the server has it after the patch."""
    patch = made.patch or {"metadata": {}}
    merged = [
        {key: value for key, value in {**old, **patch["metadata"].get(part, {})}.items() if value is not None}
        for part, old in (("labels", live.labels), ("annotations", live.annotations))
    ]
    taints = patch["spec"]["taints"] if "spec" in patch else live.taints
    return LiveNode(live.name, "8", merged[0], merged[1], taints, managed_fields=MANAGERS)


def test_a_node_is_read_from_the_object_of_the_api() -> None:
    item = {
        "metadata": {"name": "a", "resourceVersion": "5", "labels": {"b": "c"}, "annotations": {"d": "e"}},
        "spec": {"taints": [THEIRS]},
        "status": {"allocatable": {"nvidia.com/gpu": "8"}},
    }
    read = parse_live_node(item)
    assert read == LiveNode("a", "5", {"b": "c"}, {"d": "e"}, [THEIRS], {"nvidia.com/gpu": "8"})
    assert (read.count("nvidia.com/gpu"), read.count("amd.com/gpu"), read.count(None)) == (8, 0, 0)
    assert parse_live_node({"metadata": {"name": "a"}}) == LiveNode("a")


def test_a_new_node_gets_everything_in_one_guarded_patch_and_keeps_what_others_have_set() -> None:
    made = plan(node(labels={"zone": "x"}, taints=[THEIRS]))
    patch = made.patch
    assert patch is not None
    record = json.loads(patch["metadata"]["annotations"].pop(RECORD))
    assert patch == {
        "metadata": {"resourceVersion": "7", "labels": {"team": "search"}, "annotations": {"note": "x"}},
        "spec": {"taints": [THEIRS, {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]},
    }
    assert record == {
        "pool": "inference",
        "labels": {"team": "search"},
        "annotations": {"note": "x"},
        "taints": [["nvidia.com/gpu", "NoSchedule", "present"]],
    }
    assert (made.added, made.removed, made.conflicts) == ((GPU,), (), ())
    assert made.labels_after == {"zone": "x", "team": "search"}


def test_a_second_plan_has_nothing_to_do() -> None:
    live = node(taints=[THEIRS])
    after = patched(live, plan(live))
    again = plan(after)
    assert again.patch is None
    assert (again.added, again.removed) == ((), ())


def test_what_is_ours_and_no_longer_wanted_goes_and_nothing_else() -> None:
    live = patched(node(labels={"zone": "x"}, taints=[THEIRS]), plan(node(labels={"zone": "x"}, taints=[THEIRS])))
    made = plan(live, NodePool("inference", labels={"tier": "a"}, taints=(Taint("b", "NoSchedule"),)))
    after = patched(live, made)
    assert after.labels == {"zone": "x", "tier": "a"}
    assert [each["key"] for each in after.taints] == [THEIRS["key"], "b"]
    assert "note" not in after.annotations
    assert (made.added, made.removed) == ((Taint("b", "NoSchedule"),), (GPU,))


def test_a_node_that_leaves_its_pool_loses_all_that_is_ours_and_the_record() -> None:
    before = node(labels={"zone": "x"}, annotations={"other": "y"}, taints=[THEIRS])
    live = patched(before, plan(before))
    made = plan(live, None)
    after = patched(live, made)
    assert (after.labels, after.annotations, list(after.taints)) == (before.labels, before.annotations, [THEIRS])
    assert made.pool == "inference"
    assert plan(after, None).patch is None


def test_a_node_that_moves_to_another_pool_changes_in_place() -> None:
    live = patched(node(), plan(node()))
    moved = Taint("nvidia.com/gpu", "NoSchedule", "other")
    made = plan(live, NodePool("training", labels={"team": "train"}, taints=(moved,)))
    assert made.patch is not None
    assert made.patch["metadata"]["labels"] == {"team": "train"}
    assert (made.added, made.removed, made.conflicts) == ((moved,), (GPU,), ())


def test_what_somebody_else_has_set_to_the_same_value_stays_theirs() -> None:
    raw = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    live = node(labels={"team": "search"}, annotations={"note": "x"}, taints=[raw])
    assert plan(live).patch is None
    assert plan(live, None).patch is None


def test_what_somebody_else_has_set_otherwise_is_a_conflict_that_names_them() -> None:
    raw = {"key": "nvidia.com/gpu", "effect": "NoSchedule"}
    live = node(labels={"team": "batch"}, annotations={"note": "y"}, taints=[raw])
    assert plan(live).conflicts == (
        Conflict("label team", "batch", "search", ("kubectl-label",)),
        Conflict("annotation note", "y", "x"),
        Conflict("taint nvidia.com/gpu", "NoSchedule", "present:NoSchedule", ("autoscaler",)),
    )
    forced = plan(live, force=True)
    assert forced.conflicts == ()
    after = patched(live, forced)
    assert (after.labels["team"], after.annotations["note"]) == ("search", "x")
    assert list(after.taints) == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]
    assert plan(after).patch is None


def test_what_was_ours_and_was_set_otherwise_since_is_a_conflict_while_wanted_and_left_alone_after() -> None:
    live = patched(node(), plan(node()))
    changed = LiveNode(live.name, "9", {**live.labels, "team": "batch"}, live.annotations, live.taints)
    assert [each.field for each in plan(changed).conflicts] == ["label team"]
    left = patched(changed, plan(changed, None))
    assert left.labels == {"team": "batch"}


def test_the_same_key_with_another_effect_is_another_taint() -> None:
    raw = {"key": "nvidia.com/gpu", "effect": "NoExecute"}
    made = plan(node(taints=[raw]))
    assert made.conflicts == ()
    assert made.added == (GPU,)


def test_optional_labels_are_set_where_nobody_else_has_and_followed_where_they_are_ours() -> None:
    set_by_others = plan(node(labels={"gpu-type": "big"}), NodePool("p"), {"gpu-type": "A100"})
    assert (set_by_others.patch, set_by_others.conflicts) == (None, ())
    live = patched(node(), plan(node(), NodePool("p"), {"gpu-type": "A100"}))
    assert live.labels == {"gpu-type": "A100"}
    assert plan(live, NodePool("p"), {"gpu-type": "H100"}).labels == {"gpu-type": "H100"}
    assert plan(live, NodePool("p")).labels == {"gpu-type": None}
    assert plan(node(), NodePool("p", labels={"gpu-type": "mine"}), {"gpu-type": "A100"}).labels == {"gpu-type": "mine"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pool":"a","labels":{},"annotations":{},"taints":[["x"]]}'])
def test_a_record_that_cannot_be_read_is_a_conflict_and_can_be_replaced_by_force(text: str) -> None:
    live = node(annotations={RECORD: text})
    assert live.record is None
    assert [each.field for each in plan(live).conflicts] == [f"annotation {RECORD}"]
    after = patched(live, plan(live, force=True))
    assert plan(after).patch is None
    assert RECORD not in patched(live, plan(live, NodePool("p"), force=True)).annotations


def test_a_taint_that_was_taken_away_by_hand_comes_back() -> None:
    live = patched(node(), plan(node()))
    stripped = LiveNode(live.name, "9", live.labels, live.annotations)
    assert plan(stripped).patch == {
        "metadata": {"resourceVersion": "9"},
        "spec": {"taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]},
    }


def test_a_record_of_what_somebody_else_has_taken_over_is_given_up_without_touching_it() -> None:
    live = patched(node(), plan(node()))
    changed = LiveNode(live.name, "9", {**live.labels, "team": "batch"}, live.annotations, live.taints)
    pool = NodePool("inference", labels={"team": "batch"}, annotations={"note": "x"}, taints=(GPU,))
    made = plan(changed, pool)
    assert (made.labels, set(made.annotations), made.taints) == ({}, {RECORD}, None)
    assert plan(patched(changed, made), pool).patch is None


def test_both_sides_show_what_is_concerned_and_all_taints() -> None:
    made = plan(node(labels={"zone": "x"}, taints=[THEIRS]))
    assert list(describe_side(made, after=False)) == ["taints:", "  node.kubernetes.io/not-ready=NoExecute"]
    assert list(describe_side(made, after=True)) == [
        "labels:",
        "  team: search",
        "annotations:",
        f"  {RECORD}: {made.annotations[RECORD]}",
        "  note: x",
        "taints:",
        "  node.kubernetes.io/not-ready=NoExecute",
        "  nvidia.com/gpu=present:NoSchedule",
    ]
    removed = plan(patched(node(), plan(node())), None)
    assert list(describe_side(removed, after=True)) == []
    assert "  team: search" in describe_side(removed, after=False)
    only_labels = plan(node(), NodePool("p", labels={"a": "b"}))
    assert "taints:" not in describe_side(only_labels, after=True)
