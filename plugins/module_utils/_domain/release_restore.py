# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a record of a revision back to objects: those that were applied then, in the slot that is stable now."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_state import other_slot
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import (
    RELEASE_FORMAT,
    anchor_name,
    render_strategy,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pod import name_revision
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.release_record import Record

__all__ = ["pin_image", "restore_objects"]


def pin_image(image: str, digest: str | None) -> str:
    """Return an image by the digest that ran, where it was asked for by a tag and the digest is known."""
    return image if digest is None or "@" in image else f"{image}@{digest}"


def _swap(value: Any) -> Any:
    """Return a value with the slots exchanged in every label and selector."""
    if isinstance(value, Mapping):
        return {
            key: other_slot(item) if key == labels.SLOT and item in labels.SLOTS else _swap(item)
            for key, item in value.items()
        }
    return [_swap(each) for each in value] if isinstance(value, list) else value


def _move(item: Mapping[str, Any], name: str) -> dict[str, Any]:
    moved: dict[str, Any] = _swap(item)
    for slot in labels.SLOTS:
        if item["metadata"]["name"] == f"{name}-{slot}":
            moved["metadata"]["name"] = f"{name}-{other_slot(slot)}"
    return moved


def restore_objects(record: Record, name: str, stable_slot: str, strategy: str) -> tuple[dict[str, Any], ...]:
    """Return the objects of a record as they are to be applied to the stable slot, the release's own state first.

    The same template has the same revision as it had then, so that Kubernetes finds its old ReplicaSet. One whose image
    is taken by digest instead of by tag is another template.
    """
    move = record.slot != stable_slot
    objects = [_move(each, name) if move else copy.deepcopy(dict(each)) for each in record.objects]
    deployment = next(each for each in objects if each["kind"] == "Deployment")
    deployment["spec"]["strategy"] = render_strategy(strategy)
    template = deployment["spec"]["template"]
    for container in template["spec"]["containers"]:
        if container["name"] == "engine":
            container["image"] = pin_image(container["image"], record.image_digest)
    template["metadata"]["labels"].pop(labels.REVISION, None)
    revision = name_revision(template if stable_slot == labels.SLOTS[0] else _swap(template))
    template["metadata"]["labels"][labels.REVISION] = revision
    deployment["metadata"]["labels"][labels.REVISION] = revision
    anchor = next(each for each in objects if each["metadata"]["name"] == anchor_name(name))
    anchor["data"] = {
        "format": RELEASE_FORMAT,
        "stable_slot": stable_slot,
        f"revision.{stable_slot}": revision,
        "restored_from": str(record.number),
    }
    return tuple(objects)
