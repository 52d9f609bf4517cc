# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answering whether a model fits on a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit import evaluate_fit, render_fit
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_settings import parse_settings
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import ModelFacts
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_facts import parse_gpu
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_config import parse_model_config
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.weight_files import (
    ModelFolder,
    find_weight_files,
    has_chat_template,
    stated_size,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import ClusterApi, ModelFolders, Outcome

__all__ = ["describe_fit"]


def describe_fit(options: Mapping[str, Any], folders: ModelFolders, connect: Callable[[], ClusterApi]) -> Outcome:
    """Return whether the model of the options fits on their GPU; InputError where they do not say enough to begin.

    ``connect`` is called only when the options name a node of the cluster.
    """
    folder = folders.read(options["path"]) if options["path"] else ModelFolder()
    server = _server(options)
    model = _model(options, folder, server)
    gpu = parse_gpu(_with_labels(options["gpu"], connect))
    settings = parse_settings(options, server)
    fit = evaluate_fit(model, gpu, settings)
    return Outcome(False, render_fit(fit, model, gpu, settings))


def _with_labels(gpu: Mapping[str, Any], connect: Callable[[], ClusterApi]) -> Mapping[str, Any]:
    """Return the option with the labels of the node that it names, below those that are given."""
    name = gpu.get("node")
    if not name:
        return gpu
    api = connect()
    node = api.get("Node", None, name, metadata_only=True)
    if node is None:
        hint = "`kubectl get nodes` shows the names."
        message = f"there is no such node in the cluster {api.cluster}"
        raise InputError([Problem("gpu.node", message, repr(name), hint=hint)])
    return {**gpu, "labels": {**(node["metadata"].get("labels") or {}), **(gpu.get("labels") or {})}}


def _server(options: Mapping[str, Any]) -> ModelServer | None:
    if options["model_server"] is None:
        return None
    (server,) = parse_model_servers([options["model_server"]], options["model_server_defaults"])
    return server


def _model(options: Mapping[str, Any], folder: ModelFolder, server: ModelServer | None) -> ModelFacts:
    config = options["config"] if options["config"] is not None else folder.config
    if config is None:
        hint = "Download config.json of the model, for example with the hub's own client."
        raise InputError([Problem("path", "there is no config.json in this folder", repr(options["path"]), hint=hint)])
    model = parse_model_config(config)
    files = find_weight_files(folder, options["safetensors_index"], options["weights_gib"], model.layers)
    size_gib = server.model.size_gib if server is not None else None
    if files is None and model.parameters is None and size_gib is not None:
        files = stated_size(size_gib, "model.size_gib")
    tokenizer = options["tokenizer_config"] if options["tokenizer_config"] is not None else folder.tokenizer_config
    template = has_chat_template(tokenizer, folder.template_file)
    return parse_model_config(config, server.name if server is not None else "", files, template)
