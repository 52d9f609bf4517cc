# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools as they are written: everything that is wrong is told at once, with its path."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Taint
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.label_selector import Requirement
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.node_pool import (
    NodePool,
    NodeSelector,
    parse_node_pools,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError

POOL = {"name": "inference", "selector": {"names": ["a"]}}


def problems(*pools: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse_node_pools(pools)
    return [problem.render() for problem in caught.value.problems]


def test_a_pool_is_read_with_the_label_that_model_servers_select_by() -> None:
    written = {
        "name": "inference",
        "selector": {
            "names": ["b", "a"],
            "label_selector": "zone=x",
            "gpu_products": ["NVIDIA-L4"],
            "instance_types": ["g6.xlarge"],
        },
        "labels": {"team": "search", "size": 8},
        "annotations": {"note": "any text / at all"},
        "taints": [
            {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"},
            {"key": "a", "effect": "NoExecute", "value": ""},
        ],
        "allow_empty": "true",
    }
    selector = NodeSelector(frozenset(("a", "b")), (Requirement("zone", "In", ("x",)),), ("NVIDIA-L4",), ("g6.xlarge",))
    assert parse_node_pools([written]) == (
        NodePool(
            "inference",
            selector,
            {"team": "search", "size": "8", "llmops.dev/node-pool": "inference"},
            {"note": "any text / at all"},
            (Taint("nvidia.com/gpu", "NoSchedule", "present"), Taint("a", "NoExecute")),
            "nvidia.com/gpu",
            allow_empty=True,
        ),
    )


def test_a_pool_of_nodes_without_accelerators_says_so() -> None:
    assert parse_node_pools([{**POOL, "accelerator": "none"}])[0].accelerator is None
    assert parse_node_pools([{**POOL, "accelerator": "amd.com/gpu"}])[0].accelerator == "amd.com/gpu"


def test_an_absent_pool_needs_its_name_alone() -> None:
    (pool,) = parse_node_pools([{"name": "old", "state": "absent"}])
    assert (pool.present, pool.selector) == (False, NodeSelector())


def test_no_pool_at_all_is_an_error_as_it_cannot_mean_to_remove_everything() -> None:
    assert problems() == ["pools: is empty. To remove what a pool has set, list it with state: absent."]


def test_every_problem_of_every_pool_is_told_at_once() -> None:
    long = "x" * 64
    told = problems(
        {"name": "a", "selecter": {}},
        {"name": "a", "selector": {"label_selector": "a in b"}, "state": "gone"},
        {"selector": {"names": "x", "zone": ["y"]}},
        {"name": long, "selector": {"names": ["x"]}},
    )
    expected = [
        "pools[a].selector: says no nodes; allowed: names, label_selector, gpu_products, instance_types",
        "pools[a].selecter: unknown key; allowed: accelerator, allow_empty, annotations, labels, name, selector",
        "pools[a].state: no such choice (got 'gone'); allowed: present, absent",
        "pools[a].selector.label_selector: 'a in b' is no requirement (got 'a in b'); allowed: such as a=b,",
        "pools[2].name: is required. It becomes the value of the label llmops.dev/node-pool.",
        "pools[2].selector.names: expected a list (got 'x')",
        "pools[2].selector.zone: unknown key; allowed: gpu_products, instance_types, label_selector, names",
        f"pools[{long}].name: is no value of a label (64 characters) (got '{long}'); allowed: up to 63",
        "pools[a]: is there more than once (got 2); allowed: one",
    ]
    assert [line[: len(begin)] for line, begin in zip(told, expected)] == expected
    assert len(told) == len(expected)
    assert told[1].endswith("Did you mean selector?")


@pytest.mark.parametrize("section", ["labels", "annotations"])
@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("kubernetes.io/hostname", "is Kubernetes' own"),
        ("k8s.io/x", "is Kubernetes' own"),
        ("node-role.kubernetes.io/gpu", "is Kubernetes' own"),
        ("x.k8s.io/y", "is Kubernetes' own"),
        ("llmops.dev/node-pool", "is set by the collection"),
        ("x" * 64, "is no name of a label (64 characters)"),
        ("a b", "is no name of a label (3 characters)"),
    ],
)
def test_keys_that_are_not_the_users_to_set_are_refused(section: str, key: str, words: str) -> None:
    (told,) = problems({**POOL, section: {key: "v"}})
    assert told.startswith(f"pools[inference].{section}.{key}: {words} (got '{key}')")


def test_keys_that_only_look_like_those_of_kubernetes_are_taken() -> None:
    labels = {"mykubernetes.io/a": "v", "nvidia.com/mig.config": "all-balanced"}
    assert parse_node_pools([{**POOL, "labels": labels}])[0].labels.items() >= labels.items()


def test_a_value_that_no_label_can_have_is_refused_in_labels_and_not_in_annotations() -> None:
    (told,) = problems({**POOL, "labels": {"a": "y" * 64}, "annotations": {"a": "y" * 64}})
    assert told.startswith("pools[inference].labels.a: is no value of a label (64 characters)")


@pytest.mark.parametrize(
    ("taint", "words"),
    [
        (
            {"key": "a", "effect": "NoSchedul"},
            "effect: no such choice (got 'NoSchedul'); allowed: NoSchedule, PreferNoSchedule, NoExecute",
        ),
        ({"key": "a"}, "effect: is required; allowed: NoSchedule, PreferNoSchedule, NoExecute"),
        ({"effect": "NoSchedule"}, "key: is required. A taint has a key, an effect, and a value if you like."),
        ({"key": "a b", "effect": "NoSchedule"}, "key: is no name of a label (3 characters)"),
        ({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}, "key: is Kubernetes' own"),
        ({"key": "a", "effect": "NoSchedule", "value": "x y"}, "value: is no value of a taint (3 characters)"),
        ({"key": "a", "effect": "NoSchedule", "value": True}, "value: expected a non-empty text (got True)"),
        ({"key": "a", "effect": "NoSchedule", "vale": "x"}, "vale: unknown key"),
    ],
)  # fmt: skip
def test_a_taint_that_the_server_would_refuse_is_refused_before(taint: dict[str, Any], words: str) -> None:
    (told,) = problems({**POOL, "taints": [taint]})
    assert told.startswith(f"pools[inference].taints[0].{words}")


def test_two_values_for_one_key_and_effect_are_refused() -> None:
    taints = [{"key": "a", "value": value, "effect": "NoSchedule"} for value in ("x", "y")]
    assert problems({**POOL, "taints": taints}) == [
        "pools[inference].taints[1]: is there twice (got 'a:NoSchedule'); allowed: one value per key and effect"
    ]
