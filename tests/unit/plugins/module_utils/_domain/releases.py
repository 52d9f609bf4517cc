# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Model servers as users write them, for the tests of the domain."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
DRAIN_TEXT = "# the drain middleware\n"
MINIMAL: dict[str, Any] = {
    "name": "chat",
    "namespace": "llm",
    "model": {"source": "hf://Qwen/Qwen2.5-7B-Instruct", "revision": COMMIT},
    "engine": {"image": "docker.io/vllm/vllm-openai:v0.18.0", "version": "0.18.0"},
}


def written(change: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the smallest release with changes; a dotted key reaches into a section, None removes a key."""
    release = copy.deepcopy(MINIMAL)
    for path, value in (change or {}).items():
        *sections, key = path.split(".")
        place = release
        for section in sections:
            place = place.setdefault(section, {})
        if value is None:
            place.pop(key, None)
        else:
            place[key] = value
    return release


def server(change: Mapping[str, Any] | None = None) -> ModelServer:
    """Return the parsed release."""
    (parsed,) = parse_model_servers([written(change)])
    return parsed


def complaint(change: Mapping[str, Any], **more: Any) -> str:
    """Return the words that a changed release is refused with."""
    with pytest.raises(InputError) as caught:
        parse_model_servers([written(change)], **more)
    return caught.value.message
