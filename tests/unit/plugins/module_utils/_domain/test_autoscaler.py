# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Autoscalers are frozen once, and given back exactly as they were."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.autoscaler import (
    FROZEN,
    freeze_change,
    is_frozen,
    scales,
    thaw_change,
)

SLOTS = ("chat-blue", "chat-green")
PAUSED = "autoscaling.keda.sh/paused"


def hpa(behavior: Mapping[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"scaleTargetRef": {"kind": "Deployment", "name": "chat-blue"}, "maxReplicas": 4}
    if behavior is not None:
        spec["behavior"] = copy.deepcopy(dict(behavior))
    return {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "chat", "resourceVersion": "7", **metadata},
        "spec": spec,
    }


def scaled_object(**annotations: str) -> dict[str, Any]:
    spec = {"scaleTargetRef": {"name": "chat-green"}}
    meta = {"name": "chat", "resourceVersion": "7", "annotations": {"team": "search", **annotations}}
    return {"kind": "ScaledObject", "metadata": meta, "spec": spec}


def merged(item: Any, change: Any) -> Any:
    """Return what a JSON merge patch makes of an object (RFC 7396)."""
    if not isinstance(change, dict):
        return change
    result = dict(item) if isinstance(item, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


FAST = {"scaleUp": {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 60}], "selectPolicy": "Max"}}


@pytest.mark.parametrize("behavior", [None, {}, FAST, {**FAST, "scaleDown": {"selectPolicy": "Min"}}])
def test_a_hpa_is_given_back_as_it_was(behavior: Mapping[str, Any] | None) -> None:
    item = hpa(behavior)
    change = freeze_change(item)
    assert change is not None
    assert change["metadata"]["resourceVersion"] == "7"
    frozen = merged(item, change)
    assert {way: rule["selectPolicy"] for way, rule in frozen["spec"]["behavior"].items()} == {
        "scaleUp": "Disabled",
        "scaleDown": "Disabled",
    }
    assert is_frozen(frozen)
    assert freeze_change(frozen) is None
    change = thaw_change(frozen)
    given_back = merged(frozen, change)
    # An empty direction means the server's defaults, as no direction does.
    rules = {way: rule for way, rule in given_back["spec"].pop("behavior", {}).items() if rule}
    assert rules == (behavior or {})
    assert given_back["metadata"].pop("annotations") == {}
    assert given_back == {**item, "spec": {k: v for k, v in item["spec"].items() if k != "behavior"}}
    assert thaw_change(given_back) is None


@pytest.mark.parametrize("annotations", [{}, {PAUSED: "true"}, {PAUSED: "false"}])
def test_a_scaled_object_is_given_back_as_it_was(annotations: dict[str, str]) -> None:
    item = scaled_object(**annotations)
    frozen = merged(item, freeze_change(item))
    assert frozen["metadata"]["annotations"][PAUSED] == "true"
    assert freeze_change(frozen) is None
    assert merged(frozen, thaw_change(frozen)) == item


def test_only_autoscalers_of_these_deployments_count_and_none_that_keda_has_made() -> None:
    assert scales(hpa(), SLOTS)
    assert scales(scaled_object(), SLOTS)
    assert not scales(hpa(), ("other-blue",))
    assert not scales(hpa(ownerReferences=[{"kind": "ScaledObject", "name": "chat"}]), SLOTS)
    assert scales(hpa(ownerReferences=[{"kind": "ConfigMap", "name": "chat"}]), SLOTS)
    other = hpa()
    other["spec"]["scaleTargetRef"]["kind"] = "StatefulSet"
    assert not scales(other, SLOTS)
    assert not scales({"metadata": {}}, SLOTS)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (scaled_object(**{FROZEN: "1"}), "which no ScaledObject had"),
        (hpa(annotations={FROZEN: '"Max"'}), "which no HorizontalPodAutoscaler had"),
        (hpa(annotations={FROZEN: '{"scaleUp": "Max"}'}), "which no HorizontalPodAutoscaler had"),
        (hpa(annotations={FROZEN: "Max"}), "Expecting value"),
    ],
)
def test_what_somebody_has_changed_is_not_guessed(item: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        thaw_change(item)
