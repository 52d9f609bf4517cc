# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection assumes of the engine, asked of the real one: flags, variables, choices, middleware."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import engine_args
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.engine_container import OWNED_ENV, render_engine
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers

from tests.e2e.releases import VLLM_VERSION, Places, merged

ROOT = Path(__file__).parents[2]
DRAIN_MIDDLEWARE = ROOT / "plugins/module_utils/_engine/drain_middleware.py"
ASKS = {
    "ask_engine.py": ("LLMOPS-ENGINE-FACTS ", ROOT / "tools/ask_engine.py"),
    "engine_contract.py": ("LLMOPS-ENGINE-CONTRACT ", Path(__file__).with_name("engine_contract.py")),
}
PLAIN: Mapping[str, Any] = {
    "name": "chat",
    "namespace": "llm",
    "model": {"source": "hf://acme/model", "revision": "0123456789abcdef0123456789abcdef01234567"},
    "engine": {"image": "docker.io/vllm/vllm-openai:v0.32.0", "version": VLLM_VERSION},
}
# Everything that the collection renders by itself, spread over as few releases as it takes.
FULL = {
    "model": {"served_name": ["chat", "other"], "quantization": "fp8", "chat_template": "{{ messages }}"},
    "engine": {"api_key": {"secret": "key", "key": "key"}, "tls": {"secret": "tls"}},
    "parallel": {"tensor": 2, "pipeline": 2, "data": 2, "expert": True},
    "probes": {"startup_seconds_max": 3600},
}
FROM_S3 = {"model": {"source": "s3://bucket/model", "revision": None, "credentials": {"secret": "s3"}}}


def render(change: Mapping[str, Any]) -> dict[str, Any]:
    (server,) = parse_model_servers([merged(PLAIN, change)])
    return render_engine(server, [])


def ask(places: Places, program: str, folder: Path, question: str = "") -> dict[str, Any]:
    """Return what a program says that runs in the engine's environment, with the drain middleware within reach."""
    mark, file = ASKS[program]
    shutil.copy(DRAIN_MIDDLEWARE, folder / "llmops_drain.py")
    settings = {
        "PYTHONPATH": f"{folder}:{ROOT / 'tools'}",
        "LLMOPS_DRAIN_FILE": str(folder / "drain"),
        "VLLM_TARGET_DEVICE": "cpu",
        "VLLM_NO_USAGE_STATS": "1",
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
    }
    command = [str(places.engine / "bin" / "python"), str(file)]
    asked = subprocess.run(
        command, input=question, env=settings, capture_output=True, text=True, check=False, timeout=120
    )
    assert asked.returncode == 0, asked.stderr[-2000:]
    (line,) = (line for line in asked.stdout.splitlines() if line.startswith(mark))
    answer: dict[str, Any] = json.loads(line[len(mark) :])
    return answer


@pytest.fixture(name="facts", scope="module")
def _facts(places: Places, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the engine says of itself."""
    facts = ask(places, "ask_engine.py", tmp_path_factory.mktemp("facts"))
    assert facts["versions_read"] == [VLLM_VERSION]
    return facts


@pytest.fixture(name="contract", scope="module")
def _contract(places: Places, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the engine makes of rendered command lines: from S3, with everything, plain."""
    lines = [render(change)["args"] for change in (FROM_S3, FULL, {})]
    return ask(places, "engine_contract.py", tmp_path_factory.mktemp("contract"), json.dumps(lines))


def test_the_data_files_say_of_this_version_what_the_engine_says(facts: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    tool = [sys.executable, str(ROOT / "tools/add_engine_version.py"), "--check", "--facts", "facts.json"]
    checked = subprocess.run(tool, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert checked.stdout + checked.stderr == "the data files say the same already\n"
    assert checked.returncode == 0


def test_every_flag_that_is_owned_or_rendered_exists(facts: dict[str, Any]) -> None:
    assert {f"--{name}" for name in engine_args.OWNED_ARGS} - set(facts["flags"]) == set()
    rendered = {word for change in (FROM_S3, FULL, {}) for word in render(change)["args"] if word.startswith("--")}
    assert {"--shutdown-timeout", "--middleware", "--enable-expert-parallel", "--ssl-keyfile"} <= rendered
    assert rendered - set(facts["flags"]) == set()


def test_every_variable_of_the_engine_that_is_owned_or_rendered_exists(facts: dict[str, Any]) -> None:
    rendered = {item["name"] for change in (FROM_S3, FULL, {}) for item in render(change)["env"]} | set(OWNED_ENV)
    ours = {name for name in rendered if name.startswith("VLLM_")}
    assert {"VLLM_ENGINE_READY_TIMEOUT_S", "VLLM_CACHE_ROOT", "VLLM_API_KEY"} <= ours
    assert ours - set(facts["env"]) == set()


def test_the_parser_takes_the_rendered_command_lines_and_means_the_same(contract: dict[str, Any]) -> None:
    from_s3, full, plain = contract["parsed"]
    assert from_s3["model_tag"] == "'s3://bucket/model'"
    assert from_s3["load_format"] == "'runai_streamer'"
    assert full["served_model_name"] == "['chat', 'other']"
    assert (full["tensor_parallel_size"], full["pipeline_parallel_size"], full["data_parallel_size"]) == ("2", "2", "2")
    assert full["enable_expert_parallel"] == "True"
    assert full["quantization"] == "'fp8'"
    assert plain["revision"] == f"'{PLAIN['model']['revision']}'"
    assert plain["shutdown_timeout"] == "120"
    assert plain["middleware"] == "['llmops_drain.DrainMiddleware']"


def test_every_switch_without_a_negative_is_known_or_owned(contract: dict[str, Any]) -> None:
    assert "--disable-log-stats" in contract["switches"]
    known = {f"--{name}" for name in (*engine_args.PLAIN_SWITCHES, *engine_args.OWNED_ARGS)}
    assert set(contract["switches"]) - known == set()


def test_the_application_takes_the_drain_middleware_and_drains(contract: dict[str, Any]) -> None:
    application = contract["application"]
    assert application["before"] == {"status": 200, "connection": ""}
    assert application["draining"] == {"status": 200, "connection": "close"}
    assert application["health_draining"] == {"status": 503, "connection": "close"}
