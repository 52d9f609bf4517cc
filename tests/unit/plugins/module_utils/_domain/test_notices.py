# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What deserves a word although it is allowed gets exactly that, and nothing else does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.notices import find_notices

from tests.unit.plugins.module_utils._domain.releases import COMMIT, server

# Nothing about it deserves a word.
QUIET: dict[str, Any] = {"engine.digest": "sha256:" + "0" * 64, "replicas": 2, "model.cache": {"pvc": "hub"}}


def notices(change: Mapping[str, Any]) -> tuple[str, ...]:
    return find_notices([server({**QUIET, **change})])


def test_a_release_without_risks_gets_no_word() -> None:
    assert notices({}) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"engine.version": "9.0", "engine.args": {"new_flag": 1}}, "vLLM 9.0.0 is newer than what is known here"),
        ({"engine.digest": None}, "engine.image docker.io/vllm/vllm-openai:v0.18.0 is pinned by its tag only"),
        ({"engine.env": {"VLLM_ODD": "1"}}, "vLLM 0.18.0 does not read the variable VLLM_ODD"),
        (
            {"engine.args": {"trust_remote_code": True, "code_revision": COMMIT}},
            "engine.args.trust_remote_code runs code of the model's repository",
        ),
        (
            {"model.cache": None},
            "each of 2 replicas downloads the weights by itself, and again when its pod is replaced (model.cache:",
        ),
        ({"drain.middleware": False}, "drain.middleware is off: clients that keep their connections lose requests"),
        (
            {"drain.endpoint_seconds": 5},
            "drain.endpoint_seconds 5 is not more than the 5 s for which the engine keeps an idle connection",
        ),
        (
            {"engine.env": {"VLLM_HTTP_TIMEOUT_KEEP_ALIVE": 65}},
            "drain.endpoint_seconds 15 is not more than the 65 s for which the engine keeps",
        ),
        (
            {"model.source": "hf://deepseek-ai/DeepSeek-V3"},
            "the start budget of 900 s is computed from 16.0 GiB of weights (assumed; set model.size_gib)",
        ),
        (
            {"rollout.strategy": "recreate", "probes.startup_seconds_max": 600},
            "2 replicas with strategy recreate: nobody answers while a new revision loads, for up to 600 s (the start",
        ),
        ({"rollout.strategy": "recreate", "replicas": 1}, "one replica with strategy recreate: nobody answers"),
        ({"rollout.strategy": "in_place", "replicas": 1}, "one replica with strategy in_place: nobody answers"),
        (
            {"replicas": 1, "parallel.tensor": 2},
            "one replica is replaced by surge, which needs 2 more free nvidia.com/gpu until the new pod serves; with",
        ),
    ],
)
def test_what_is_allowed_but_deserves_a_word_is_said_with_the_name_of_the_release(
    change: Mapping[str, Any], words: str
) -> None:
    (notice,) = notices(change)
    assert notice.startswith(f"chat: {words}")


@pytest.mark.parametrize(
    "change",
    [
        {"drain.endpoint_seconds": 6},
        {"drain.endpoint_seconds": 3, "engine.env": {"VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "2"}},
        {"rollout.strategy": "in_place"},
        {"rollout.strategy": "recreate", "replicas": 0},
        {"rollout.strategy": "surge", "replicas": 1},
        {"rollout.strategy": "surge", "replicas": 1, "model.cache": None},
        {"replicas": 1, "resources.accelerator": "none"},
        {"model.source": "hf://deepseek-ai/DeepSeek-V3", "model.size_gib": 640},
        {"model.source": "hf://deepseek-ai/DeepSeek-V3", "probes.startup_seconds_max": 3600},
        {"engine.version": "9.0", "engine.env": {"VLLM_PLUGIN_X": "1"}, "engine.digest": "sha256:" + "1" * 64},
    ],
)
def test_what_is_chosen_knowingly_or_harmless_gets_no_word(change: Mapping[str, Any]) -> None:
    assert [each for each in notices(change) if "is newer than" not in each] == []


def test_each_release_is_named() -> None:
    both = [server({"name": name}) for name in ("one", "two")]
    assert {each.partition(":")[0] for each in find_notices(both)} == {"one", "two"}
