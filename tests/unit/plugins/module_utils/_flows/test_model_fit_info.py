# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking whether a model fits, with the module's options and a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.weight_files import ModelFolder
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_fit_info import describe_fit
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi
from ansible_collections.llmops.kubernetes.plugins.modules.model_fit_info import OPTIONS

from tests.support.playbooks import run_module
from tests.unit.plugins.module_utils._domain.fits import DEEPSEEK, LLAMA, config
from tests.unit.plugins.module_utils._domain.releases import written
from tests.unit.plugins.module_utils._flows.memory import MemoryCluster

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


def no_cluster() -> NoReturn:
    raise AssertionError("nobody named a node, and the cluster was asked")


def ask(
    folders: Folders | None = None, connect: Callable[[], ClusterApi] = no_cluster, **options: Any
) -> dict[str, Any]:
    given = {name: spec.get("default") for name, spec in OPTIONS.spec.items()}
    outcome = describe_fit({**given, "gpu": L40S, **options}, folders or Folders(), connect)
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


def with_node(labels: dict[str, str] | None) -> Callable[[], ClusterApi]:
    cluster = MemoryCluster("llm")
    cluster.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "gpu-1", "labels": labels}})
    return lambda: cluster


def test_a_node_of_the_cluster_says_what_its_card_is_and_labels_beside_it_go_before() -> None:
    labels = {
        "nvidia.com/gpu.memory": "46068",
        "nvidia.com/gpu.compute.major": "8",
        "nvidia.com/gpu.compute.minor": "9",
    }
    found = ask(connect=with_node(labels), config=config(), gpu={"node": "gpu-1"})
    assert found["memory"]["gpu"]["gib_max"] == round(46068 / 1024, 3)
    less = {"nvidia.com/gpu.memory": "16384"}
    smaller = ask(connect=with_node(labels), config=config(), gpu={"node": "gpu-1", "labels": less})
    assert smaller["memory"]["gpu"]["gib_max"] == 16.0


def test_a_node_without_gpu_labels_or_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"gpu\.memory_mib: is required"):
        ask(connect=with_node(None), config=config(), gpu={"node": "gpu-1"})
    with pytest.raises(InputError, match=r"gpu\.node: there is no such node in the cluster \S+ \(got 'gpu-2'\)"):
        ask(connect=with_node({}), config=config(), gpu={"node": "gpu-2"})


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
