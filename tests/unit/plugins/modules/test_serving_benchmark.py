# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's own end: where a result could not be kept, nothing is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.playbooks import run_module
from tests.support.scripted_server import scripted, whole

LOAD = {"phases": [{"load": {"kind": "closed", "concurrency": 1}, "stop": {"requests": 2}}]}


@pytest.mark.parametrize("check", [False, True])
def test_without_a_folder_for_the_result_nothing_is_sent(tmp_path: Path, check: bool) -> None:
    with scripted(whole("a", "b")) as server:
        targets = [{"url": server.url, "model": "tiny"}]
        path = tmp_path / "none" / "result.json"
        arguments = {"targets": targets, "run_from": "controller", "result_path": str(path), **LOAD}
        result = run_module("serving_benchmark", arguments, check=check)
        assert result["failed"]
        assert f"Nothing was started, because {path} could not be written: there is no such folder" in result["msg"]
        assert server.requests == []
