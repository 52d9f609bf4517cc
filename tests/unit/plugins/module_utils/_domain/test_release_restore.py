# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import render_objects
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.release_record import Record
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.release_restore import (
    pin_image,
    restore_objects,
)

from tests.unit.plugins.module_utils._domain.releases import DRAIN_TEXT, written

DIGEST = "sha256:" + "e" * 64
SIDECAR = {"name": "proxy", "image": "docker.io/acme/proxy:1", "resources": {"limits": {"memory": "1Gi"}}}


def record(slot: str, digest: str | None = None, **more: Any) -> Record:
    (server,) = parse_model_servers([written({"sidecars": [SIDECAR], **more})])
    objects = render_objects(server, DRAIN_TEXT, slot=slot, stable_slot=slot, strategy="surge")
    revision = objects[-1]["metadata"]["labels"]["llmops.dev/revision"]
    return Record(3, revision, slot, "", "", server.engine.image, "", objects=objects, image_digest=digest)


def rendered(slot: str, strategy: str) -> list[dict[str, Any]]:
    (server,) = parse_model_servers([written({"sidecars": [SIDECAR]})])
    return list(render_objects(server, DRAIN_TEXT, slot=slot, stable_slot=slot, strategy=strategy))


def place(item: dict[str, Any]) -> tuple[str, str]:
    return item["kind"], item["metadata"]["name"]


def test_objects_come_back_as_they_were_but_for_the_strategy_and_where_they_came_from() -> None:
    for slot in ("blue", "green"):
        for stable in ("blue", "green"):
            restored = list(restore_objects(record(slot), "chat", stable, "in_place"))
            anchor, expected = restored.pop(0), rendered(stable, "in_place")
            assert anchor["data"] == {**expected.pop(0)["data"], "restored_from": "3"}
            key = "metadata"
            by_name = [
                sorted(each, key=lambda item: (item["kind"], item[key]["name"])) for each in (restored, expected)
            ]
            assert by_name[0] == by_name[1]


def test_an_image_by_its_tag_comes_back_by_the_digest_that_ran_and_no_other_container_does() -> None:
    kept = record("blue", DIGEST)
    deployment = restore_objects(kept, "chat", "blue", "surge")[-1]
    images = [each["image"] for each in deployment["spec"]["template"]["spec"]["containers"]]
    assert images == [f"{kept.image}@{DIGEST}", "docker.io/acme/proxy:1"]
    revision = deployment["metadata"]["labels"]["llmops.dev/revision"]
    assert revision != kept.revision
    assert deployment["spec"]["template"]["metadata"]["labels"]["llmops.dev/revision"] == revision
    green = restore_objects(kept, "chat", "green", "surge")[-1]
    assert green["metadata"]["labels"]["llmops.dev/revision"] == revision


def test_a_digest_that_was_written_or_is_unknown_changes_nothing() -> None:
    assert pin_image("a:1@sha256:1", DIGEST) == "a:1@sha256:1"
    assert pin_image("a:1", None) == "a:1"
    assert pin_image("a:1", DIGEST) == f"a:1@{DIGEST}"


def test_a_record_is_not_changed_by_what_is_made_of_it() -> None:
    kept = record("blue", DIGEST)
    before = repr(kept)
    restore_objects(kept, "chat", "green", "recreate")
    restore_objects(kept, "chat", "blue", "recreate")
    assert repr(kept) == before
