# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeping autoscalers away from Deployments for a while, and giving them back as they were.

A HorizontalPodAutoscaler whose behaviour has the select policy ``Disabled`` in a direction does not scale that way
(https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/, "Example: disable scale down"). A
ScaledObject of KEDA stops with the annotation ``autoscaling.keda.sh/paused``, and owns the HorizontalPodAutoscaler that
it has made, which is left alone. What was there before is kept in an annotation of the object itself, so that whoever
comes next can give it back. Changes are merge patches for exactly the object that was read.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["FROZEN", "freeze_change", "is_frozen", "scales", "thaw_change"]

FROZEN = "llmops.dev/frozen-from"
_PAUSED = "autoscaling.keda.sh/paused"
_KEDA = "ScaledObject"
_DIRECTIONS = ("scaleUp", "scaleDown")
_DISABLED = "Disabled"


def scales(item: Mapping[str, Any], deployments: Collection[str]) -> bool:
    """Whether an autoscaler is made for one of these Deployments, and not by another autoscaler."""
    target = (item.get("spec") or {}).get("scaleTargetRef") or {}
    owners = item["metadata"].get("ownerReferences") or ()
    # KEDA takes a Deployment where no kind is written.
    is_target = target.get("kind", "Deployment") == "Deployment" and target.get("name") in deployments
    return is_target and not any(owner.get("kind") == _KEDA for owner in owners)


def is_frozen(item: Mapping[str, Any]) -> bool:
    """Whether an autoscaler was frozen by us."""
    return FROZEN in _annotations(item)


def freeze_change(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the change that freezes an autoscaler, None where it is frozen by us already."""
    if is_frozen(item):
        return None
    if item["kind"] == _KEDA:
        before: Any = _annotations(item).get(_PAUSED)
        return _change(item, {FROZEN: json.dumps(before), _PAUSED: "true"})
    behavior = (item.get("spec") or {}).get("behavior")
    before = None
    if behavior is not None:
        before = {way: (behavior.get(way) or {}).get("selectPolicy") for way in _DIRECTIONS}
    disabled = {way: {"selectPolicy": _DISABLED} for way in _DIRECTIONS}
    return _change(item, {FROZEN: json.dumps(before)}, {"behavior": disabled})


def thaw_change(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the change that gives an autoscaler back as it was, None where it was not frozen by us.

    ValueError where somebody has changed what it was.
    """
    if not is_frozen(item):
        return None
    before = json.loads(_annotations(item)[FROZEN])
    if item["kind"] == _KEDA:
        if before is not None and not isinstance(before, str):
            raise ValueError(f"{FROZEN} holds {before!r}, which no ScaledObject had")
        return _change(item, {FROZEN: None, _PAUSED: before})
    if before is None:
        return _change(item, {FROZEN: None}, {"behavior": None})
    if not isinstance(before, dict) or sorted(before) != sorted(_DIRECTIONS):
        raise ValueError(f"{FROZEN} holds {before!r}, which no HorizontalPodAutoscaler had")
    return _change(item, {FROZEN: None}, {"behavior": {way: {"selectPolicy": before[way]} for way in _DIRECTIONS}})


def _annotations(item: Mapping[str, Any]) -> Mapping[str, str]:
    return item["metadata"].get("annotations") or {}


def _change(
    item: Mapping[str, Any], annotations: Mapping[str, str | None], spec: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    metadata = {"resourceVersion": item["metadata"]["resourceVersion"], "annotations": dict(annotations)}
    return {"metadata": metadata, **({"spec": dict(spec)} if spec is not None else {})}
