# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking whether a model fits, with the module's options and a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.weight_files import ModelFolder
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_fit_info import describe_fit
from ansible_collections.llmops.kubernetes.plugins.modules.model_fit_info import OPTIONS

from tests.support.playbooks import run_module
from tests.unit.plugins.module_utils._domain.fits import DEEPSEEK, LLAMA, config
from tests.unit.plugins.module_utils._domain.releases import written

MIXTRAL = "mistralai/Mixtral-8x7B-Instruct-v0.1"
L40S = {"product": "NVIDIA-L40S"}


class Folders:
    """One folder, whatever its path."""

    def __init__(self, **parts: Any) -> None:
        self._folder = ModelFolder(**parts)

    def read(self, path: str) -> ModelFolder:
        """Return it."""
        assert path == "/models/llama"
        return self._folder


def ask(folders: Folders | None = None, **options: Any) -> dict[str, Any]:
    given = {name: spec.get("default") for name, spec in OPTIONS.spec.items()}
    outcome = describe_fit({**given, "gpu": L40S, **options}, folders or Folders())
    assert not outcome.changed
    return dict(outcome.result)


def test_a_config_and_a_card_are_enough_for_an_answer() -> None:
    found = ask(config=config(), max_model_len="16k", engine_version="0.32.0")
    assert (found["verdict"], found["max_model_len"]) == ("fits", 16000)
    assert found["memory"]["weights"]["how"] == "computed"


def test_a_folder_says_more_and_what_is_given_goes_before_it() -> None:
    folders = Folders(config=config(), tokenizer_config={}, index={"metadata": {"total_size": 2**34}})
    found = ask(folders, path="/models/llama", max_model_len="4096")
    assert found["memory"]["weights"]["gib"] == 16.0
    assert found["model"]["chat_template"] is False
    given = ask(folders, path="/models/llama", tokenizer_config={"chat_template": "x"}, weights_gib=1.5)
    assert given["memory"]["weights"]["gib"] == 1.5
    assert given["model"]["chat_template"] is True
    other = ask(
        folders, path="/models/llama", config=config(DEEPSEEK), safetensors_index={"metadata": {"total_size": 9}}
    )
    assert other["model"]["model_type"] == "deepseek_v3"
    assert other["memory"]["weights"]["gib"] == 0


def test_a_release_of_the_inventory_says_how_the_engine_runs() -> None:
    release = written(
        {"engine.args": {"max_model_len": 8192, "gpu_memory_utilization": 0.8}, "parallel": {"tensor": 2}}
    )
    defaults = {"engine": {"args": {"max_num_seqs": 32}}}
    found = ask(config=config(), model_server=release, model_server_defaults=defaults)
    assert (found["gpus"], found["max_model_len"], found["gpu_memory_utilization"]) == (2, 8192, 0.8)
    assert (found["max_num_seqs"], found["model"]["name"]) == (32, "chat")


def test_the_size_that_a_release_states_counts_where_nothing_better_is_known() -> None:
    release = written({"model.size_gib": 12})
    computed = ask(config=config(), model_server=release)
    stated = ask(config=config(MIXTRAL, num_local_experts=None), model_server=release)
    assert computed["memory"]["weights"]["gib"] == 14.958
    assert stated["memory"]["weights"]["gib"] == 12.0
    assert stated["memory"]["weights"]["source"] == "model.size_gib"


def test_a_wrong_release_is_refused_as_everywhere() -> None:
    with pytest.raises(InputError, match=r"model_servers\[chat\]\.model\.sorce: unknown key"):
        ask(config=config(), model_server=written({"model.sorce": "hf://a/b"}))


def test_a_folder_without_a_config_is_refused() -> None:
    with pytest.raises(InputError, match=r"path: there is no config\.json in this folder \(got '/models/llama'\)"):
        ask(Folders(), path="/models/llama")


# The module itself


def test_the_module_answers_from_files_in_check_mode_too(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config(LLAMA)))
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    arguments = {"path": str(tmp_path), "gpu": L40S, "max_model_len": 8192, "engine_version": "0.32.0"}
    for check in (False, True):
        result = run_module("model_fit_info", arguments, check=check)
        assert (result["changed"], result["verdict"], result["problems"]) == (False, "fits", [])
        assert result["warnings_of_fit"] == []
        assert "warnings" not in result


def test_the_module_refuses_a_gpu_that_says_nothing() -> None:
    result = run_module("model_fit_info", {"config": config(), "gpu": {}})
    assert result["failed"]
    assert result["msg"].startswith("gpu.memory_mib: is required, or memory_gib, a known product, or labels")


def test_the_module_refuses_numbers_out_of_range_before_anything_is_read() -> None:
    result = run_module("model_fit_info", {"path": "/nowhere", "gpu": L40S, "tensor": 0})
    assert result["msg"] == "tensor: is out of range (got 0); allowed: a number above zero"
