# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's own end: what is refused before a cluster is asked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.playbooks import run_module


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"state": "restored", "model_servers": []}, "name: is required for state restored"),
        ({"state": "locked", "name": "chat", "namespace": "llm"}, "lock_holder: is required for state locked"),
        ({"state": "unlocked", "name": "chat", "namespace": "llm"}, "lock_holder: is required for state unlocked"),
        ({"state": "restored", "name": "chat"}, "parameters are required together: name, namespace"),
        ({}, "one of the following is required: name, model_servers"),
        ({"model_servers": [], "history_max": 0}, "history_max: is out of range"),
        ({"model_servers": [{"name": "chat"}]}, "model_servers[chat].namespace: is required"),
    ],
)
def test_a_state_without_what_it_needs_is_refused(arguments: dict[str, Any], words: str) -> None:
    result = run_module("release", arguments)
    assert result["failed"]
    assert words in result["msg"]
