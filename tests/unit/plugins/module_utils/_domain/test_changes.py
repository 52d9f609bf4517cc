# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.changes import (
    identity,
    is_unchanged,
    plan_prune,
    references,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.diff import (
    APPLIED,
    is_covered,
    normalise,
    same_content,
    show,
    with_hash,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.inventory import describe_slot, render_table
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.json_patch import apply_patches
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import render_objects
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.retry import (
    Failure,
    FailureKind,
    delay_seconds,
    may_repeat,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict, worst

from tests.unit.plugins.module_utils._domain.releases import DRAIN_TEXT, server
from tests.unit.plugins.module_utils._domain.test_manifests import EVERYTHING, PVC, S3, TEMPLATE


@pytest.mark.parametrize(
    ("wanted", "live", "covered"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": {"b": [1]}}, {"a": {"b": [1], "c": 0}}, True),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": []}, {}, True),
        ({"a": {}}, {}, False),
        ({"a": ""}, {}, True),
        ({"a": [1]}, {"a": "1"}, False),
        ({"limits": {"memory": "1024Mi"}}, {"limits": {"memory": "1Gi"}}, True),
        ({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "2Gi"}}, False),
        ({"limits": {"x": "word"}}, {"limits": {"x": "word"}}, True),
        ({"name": "1024Mi"}, {"name": "1Gi"}, False),
    ],
)
def test_wanted_fields_are_covered_by_the_live_object(wanted: Any, live: Any, covered: bool) -> None:
    assert is_covered(wanted, live) is covered


def test_a_live_object_is_unchanged_only_with_the_same_hash_and_the_same_fields() -> None:
    wanted = with_hash({"apiVersion": "v1", "kind": "X", "metadata": {"name": "n"}, "data": {"a": "1"}}, "h1")
    live = {"metadata": {"name": "n", "uid": "u", "annotations": {APPLIED: "h1"}}, "data": {"a": "1"}}
    assert is_unchanged(wanted, live)
    assert not is_unchanged(wanted, None)
    assert not is_unchanged(wanted, {**live, "data": {"a": "2"}})
    assert not is_unchanged(wanted, {**live, "metadata": {"name": "n"}})
    assert identity(wanted) == ("X", "n")


def test_what_the_server_adds_is_no_difference() -> None:
    one = {"kind": "X", "metadata": {"name": "n", "uid": "1", "annotations": {APPLIED: "a"}}, "status": {"x": 1}}
    other = {"metadata": {"name": "n", "resourceVersion": "7"}}
    assert same_content(one, other)
    assert not same_content(one, {"metadata": {"name": "m"}})
    assert normalise(None) == {}


def test_a_diff_masks_secrets_and_keeps_their_keys() -> None:
    text = show({"kind": "Secret", "metadata": {"name": "s"}, "data": {"token": "cGxhbnRlZA=="}})
    assert "token" in text
    assert "cGxhbnRlZA" not in text
    planted = {"containers": [{"env": [{"name": "HF_TOKEN", "value": "planted"}, {"name": "A", "value": "shown"}]}]}
    text = show({"kind": "Deployment", "metadata": {"annotations": {"a": "b"}}, "spec": planted})
    assert "planted" not in text
    assert "shown" in text
    assert show(None) == ""


def test_a_diff_masks_secrets_inside_of_the_template_that_a_revision_keeps() -> None:
    template = {"spec": {"containers": [{"env": [{"name": "HF_TOKEN", "value": "planted"}, {"name": "A"}]}]}}
    text = show({"kind": "ConfigMap", "metadata": {}, "data": {"objects.json": json.dumps(template)}})
    assert "planted" not in text
    assert "HF_TOKEN" in text
    for odd in ("no JSON", 7):
        assert str(odd) in show({"kind": "ConfigMap", "metadata": {}, "data": {"spec.json": odd}})


def test_leftovers_are_ours_and_no_longer_wanted() -> None:
    mounted = [{"configMap": {"name": "chat-files-3"}}, {"emptyDir": {}}]
    live: dict[tuple[str, str], Any] = {("ConfigMap", f"chat-files-{n}"): {} for n in range(4)}
    live |= {("ConfigMap", f"chat-revision-{n}"): {"data": {"files": f"chat-files-{n}"}} for n in (1, 2)}
    live |= {("ConfigMap", "chat-revision-0123456789"): {}, ("ConfigMap", "chat-release"): {}}
    live |= {("Deployment", "chat-green"): {"spec": {"template": {"spec": {"volumes": mounted}}}}}
    live |= {("Deployment", "chat-blue"): {}, ("NetworkPolicy", "chat"): {}, ("Service", "chat"): {}}
    assert plan_prune("chat", [("Service", "chat")], live) == (
        ("NetworkPolicy", "chat"),
        ("ConfigMap", "chat-files-0"),
        ("ConfigMap", "chat-revision-0123456789"),
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (PVC, {("PersistentVolumeClaim", "models", "model.source")}),
        (S3, {("Secret", "aws", "model.credentials")}),
        (TEMPLATE, {("ConfigMap", "t", "model.chat_template")}),
        (
            EVERYTHING,
            {
                ("Secret", "hf", "model.token"),
                ("Secret", "s", "engine.api_key"),
                ("Secret", "tls", "engine.tls"),
                ("Secret", "registry", "engine.pull_secrets"),
                ("ServiceAccount", "own", "security.service_account"),
                ("PersistentVolumeClaim", "a", "volumes[a]"),
                ("Secret", "b", "volumes[b]"),
                ("ConfigMap", "e", "volumes[e]"),
            },
        ),
        ({"engine.env": {"M": {"configmap": "c", "key": "k"}}}, {("ConfigMap", "c", "engine.env.M")}),
    ],
)
def test_what_a_release_refers_to_is_known_with_its_path(change: Any, expected: set[tuple[str, str, str]]) -> None:
    assert set(references(server(change))) == expected


def test_patches_do_what_rfc_6902_says() -> None:
    patches = [
        {"op": "test", "path": "/a", "value": 1},
        {"op": "replace", "path": "/a", "value": 2},
        {"op": "add", "path": "/l/-", "value": 3},
        {"op": "add", "path": "/l/0", "value": 0},
        {"op": "copy", "from": "/a", "path": "/b"},
        {"op": "move", "from": "/b", "path": "/c~1d"},
        {"op": "remove", "path": "/l/1"},
    ]
    assert apply_patches({"a": 1, "l": [1, 2]}, patches) == {"a": 2, "l": [0, 2, 3], "c/d": 2}


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        ({"op": "frob", "path": "/a"}, "op 'frob' is none of"),
        ({"op": "remove"}, "path is missing"),
        ({"op": "add", "path": "/a"}, "add needs a value"),
        ({"op": "copy", "path": "/a"}, "copy needs from"),
        ({"op": "remove", "path": "a"}, "path 'a' must start with /"),
        ({"op": "remove", "path": "/l/7"}, "'7' is no place in a list of 1"),
        ({"op": "add", "path": "/a/b", "value": 1}, "'b' cannot be added to a single value"),
        ({"op": "test", "path": "/a", "value": 2}, "the test does not hold"),
    ],
)
def test_patches_that_cannot_be_applied_say_why(patch: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"^patches\[0\] ") as caught:
        apply_patches({"a": 1, "l": [1]}, [patch])
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("failure", "repeatable", "expected"),
    [
        (Failure(FailureKind.NOT_SENT), False, True),
        (Failure(FailureKind.STATUS, 429), False, True),
        (Failure(FailureKind.BROKEN), False, False),
        (Failure(FailureKind.BROKEN), True, True),
        (Failure(FailureKind.STATUS, 503), True, True),
        (Failure(FailureKind.STATUS, 503), False, False),
        (Failure(FailureKind.STATUS, 500, "etcdserver: leader changed"), True, True),
        (Failure(FailureKind.STATUS, 500, "boom"), True, False),
    ],
)
def test_requests_are_repeated_only_where_twice_means_once(failure: Failure, repeatable: bool, expected: bool) -> None:
    assert may_repeat(failure, repeatable=repeatable) is expected


def test_waits_grow_are_bounded_and_follow_the_server() -> None:
    failure = Failure(FailureKind.BROKEN)
    assert [delay_seconds(failure, attempt, 1.0) for attempt in (1, 2, 9)] == [0.2, 0.4, 8.0]
    assert delay_seconds(failure, 1, 0.0) == 0.1
    assert delay_seconds(Failure(FailureKind.STATUS, 429, retry_after_seconds=3), 1, 0.5) == 3
    assert delay_seconds(Failure(FailureKind.STATUS, 429, retry_after_seconds=300), 1, 0.5) == 30
    assert (failure.describe(), Failure(FailureKind.STATUS, 503).describe()) == ("broken", "HTTP 503")


def test_the_worst_verdict_counts_and_nothing_is_inconclusive() -> None:
    good, bad, unknown = Verdict(Result.PASS), Verdict(Result.FAIL, ("x",)), Verdict(Result.INCONCLUSIVE, ("y",))
    assert worst([good, unknown, bad]) == Verdict(Result.FAIL, ("y", "x"))
    assert worst([good, unknown]).result is Result.INCONCLUSIVE
    assert worst([good]) == good
    assert worst([]) == Verdict(Result.INCONCLUSIVE, ("nothing was observed",))


def test_a_slot_is_described_from_its_objects() -> None:
    deployment = render_objects(server({"replicas": 2}), DRAIN_TEXT)[-1]
    deployment["status"] = {"readyReplicas": 1, "updatedReplicas": 2}
    slot = describe_slot(deployment, {"data": {"stable_slot": "green"}}, {"spec": {"clusterIP": "10.96.0.7"}})
    assert (slot["name"], slot["slot"], slot["stable"], slot["ready_replicas"]) == ("chat", "blue", False, 1)
    assert slot["address"] == "10.96.0.7:8000"
    assert describe_slot(deployment, None, {"spec": {"clusterIP": "fd00::7"}})["address"] == "[fd00::7]:8000"
    alone = describe_slot(deployment, None, None)
    assert (alone["stable"], alone["address"]) == (True, None)
    head, row = render_table([slot])
    assert head.split()[:5] == ["NAMESPACE", "RELEASE", "SLOT", "STABLE", "READY"]
    assert row.split()[:5] == ["llm", "chat", "blue", "no", "1/2"]
