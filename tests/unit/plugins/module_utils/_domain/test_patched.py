# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches may do much, but not take away what Services, probes, the drain and the gates rely on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import render_objects
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.notices import find_notices
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils._domain.releases import DRAIN_TEXT, complaint, server, written
from tests.unit.plugins.module_utils._domain.test_manifests import pod

ENGINE = "/spec/containers/0"
INSTANCE = "/metadata/labels/app.kubernetes.io~1instance"


def patch(op: str, path: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"patches": [{"op": op, "path": path, **({} if value is None else {"value": value}), **more}]}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (patch("replace", f"{ENGINE}/name", "server"), "patches: there is not exactly one container named engine"),
        (patch("replace", "/spec/containers", "x"), "patches: there is not exactly one container named engine"),
        (
            patch("remove", f"{ENGINE}/ports"),
            "container engine has no port named http with number 8000, which engine.p",
        ),
        (patch("replace", f"{ENGINE}/ports/0/containerPort", 9), "has no port named http with number 8000"),
        (
            patch("replace", INSTANCE, "x"),
            "patches: the label app.kubernetes.io/instance, which selects the pods, is not chat. `state: rendered`",
        ),
        (patch("replace", "/metadata/labels/llmops.dev~1slot", "blue"), "the label llmops.dev/slot"),
        (patch("replace", "/metadata", "x"), "the label llmops.dev/slot, which selects the pods, is not blue"),
        (patch("remove", f"{ENGINE}/startupProbe"), "container engine has a liveness probe without a startup probe"),
        (patch("remove", f"{ENGINE}/readinessProbe"), "container engine has no readiness probe"),
        (
            patch("add", f"{ENGINE}/env/-", {"name": "HF_TOKEN", "value": "planted"}),
            "container engine gets the secret HF_TOKEN as plain text",
        ),
        (
            patch("add", "/spec/initContainers", [{"name": "i", "env": [{"name": "X_PASSWORD", "value": "planted"}]}]),
            "container i gets the secret X_PASSWORD as plain text",
        ),
        (
            patch("move", f"{ENGINE}/env", **{"from": ""}),
            "patches[0] (move /spec/containers/0/env): move needs from, which names a part of the pod template",
        ),
        (patch("add", "/spec/volumes/9", {}), "patches[0] (add /spec/volumes/9): '9' is no place in a list of 4"),
    ],
)
def test_a_patch_that_can_only_break_the_release_is_refused_with_the_reason(change: Any, text: str) -> None:
    words = complaint(change)
    assert text in words
    assert "planted" not in words


def test_patches_count_the_volume_with_the_pods_files() -> None:
    change = patch("add", "/spec/volumes/3/configMap/defaultMode", 292)
    assert pod(change)["volumes"][3]["configMap"]["defaultMode"] == 292


def test_a_patch_that_fits_only_without_the_pods_files_is_refused_before_it_is_rendered() -> None:
    extra = {"volumes": [{"name": "v", "empty_dir": {}, "mount": "/v"}]}
    assert "there is no 'emptyDir'" in complaint({**extra, **patch("replace", "/spec/volumes/3/emptyDir", {})})


def test_a_liveness_probe_may_go_with_its_startup_probe() -> None:
    removals = [{"op": "remove", "path": f"{ENGINE}/{probe}"} for probe in ("startupProbe", "livenessProbe")]
    assert "startupProbe" not in pod({"patches": removals})["containers"][0]


def test_a_patch_that_opens_the_node_is_allowed_with_a_warning() -> None:
    volume = {"name": "h", "hostPath": {"path": "/data"}}
    patches = [
        {"op": "add", "path": "/spec/hostNetwork", "value": True},
        {"op": "add", "path": "/spec/hostIPC", "value": True},
        {"op": "add", "path": "/spec/volumes/-", "value": volume},
    ]
    text = "\n".join(find_notices([server({"patches": patches})]))
    for word in ("hostNetwork", "hostIPC", "hostPath /data"):
        assert f"chat: patches open the node to the pod ({word}); Pod Security restricted refuses that" in text


def pointers(value: Any, path: str = "") -> Iterator[str]:
    """Yield every place in a template, and one that is not there beside each."""
    children: Mapping[Any, Any] = {}
    if isinstance(value, dict):
        children = {key.replace("~", "~0").replace("/", "~1"): item for key, item in value.items()}
    elif isinstance(value, list):
        children = dict(enumerate(value))
        yield f"{path}/-"
    if children:
        yield f"{path}/nowhere"
    for key, item in children.items():
        yield f"{path}/{key}"
        yield from pointers(item, f"{path}/{key}")


PLACES = ["", "no-slash", *pointers({"metadata": {"labels": {"app.kubernetes.io/instance": "chat"}}, "spec": pod()})]
PATCH = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "replace", "remove", "move", "copy", "test", "odd"]),
        "path": st.sampled_from(PLACES),
    },
    optional={
        "from": st.sampled_from(PLACES),
        "value": st.sampled_from([None, 1, "x", True, [], {}, ["x"], [None], {"name": "engine"}, [{"name": "engine"}]]),
    },
)


@given(st.lists(PATCH, min_size=1, max_size=3))
def test_any_patch_is_refused_in_words_or_can_be_rendered_in_both_slots(patches: list[dict[str, Any]]) -> None:
    try:
        (parsed,) = parse_model_servers([written({"patches": patches})])
    except InputError:
        return
    find_notices([parsed])
    for slot in ("blue", "green"):
        assert render_objects(parsed, DRAIN_TEXT, slot=slot)[-1]["kind"] == "Deployment"
