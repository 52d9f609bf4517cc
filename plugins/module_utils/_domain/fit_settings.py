# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the options of ``model_fit_info``, or from a model server of the inventory, to ``Settings``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import engine_args
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import Settings
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_facts import parse_numbers
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_config import DTYPE_BYTES
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import EngineVersion, ModelServer
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["parse_settings"]

# vllm/utils/argparse_utils.py, human_readable_int_or_auto
_LENGTH = re.compile(r"^(\d+(?:\.\d+)?)([kKmMgG]?)$")
_MULTIPLIERS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "K": 2**10, "M": 2**20, "G": 2**30}
_AUTO = ("auto", "-1")
# The images of the project carry the version of CUDA in their tags: v0.26.0-cu129, v0.25.0-cu130.
_CUDA_TAG = re.compile(r"-cu(\d{2})(\d)(?:\D|$)")
# Layers of different kinds share one pool of blocks in engine V1, which has --disable-hybrid-kv-cache-manager since
# 0.9.1; before this version engine V0 may still be the one that runs.
_HYBRID_SINCE = EngineVersion(0, 10, 0)
# Arguments that put more into the memory, or less, than is counted here, and what they do.
_UNCOUNTED: Mapping[str, str] = {
    "cpu_offload_gb": "a part of the weights is kept in the memory of the node",
    "decode_context_parallel_size": "the cache is split over GPUs by position",
    "enable_lora": "adapters take memory of their own",
    "hf_overrides": "config.json is changed",
    "num_gpu_blocks_override": "the size of the cache is set by hand",
    "speculative_config": "a draft model takes memory of its own",
}
_OPTIONS = (
    "tensor",
    "pipeline",
    "data",
    "expert",
    "max_num_seqs",
    "max_num_batched_tokens",
    "gpu_memory_utilization",
    "kv_cache_dtype",
    "quantization",
    "enforce_eager",
    "chat",
)


def parse_settings(options: Mapping[str, Any], server: ModelServer | None = None) -> Settings:
    """Return the settings of a model server with the options that are given laid over them; InputError with problems.

    ``options`` are those of the module; a missing or None option is not given.
    """
    problems: list[Problem] = []
    settings = _from_server(server, problems) if server is not None else Settings()
    given = {name: options[name] for name in _OPTIONS if options.get(name) is not None}
    fields = Fields(options, "options", problems)
    changes: dict[str, Any] = {
        **given,
        **_lengths(fields),
        **_versions(fields),
    }
    dtype = fields.text("dtype", None, choices=("auto", *DTYPE_BYTES))
    if dtype is not None:
        changes["dtype"] = dtype
    settings = replace(settings, **changes)
    if not 0 < (settings.gpu_memory_utilization or 1) <= 1:
        fields.problem("gpu_memory_utilization", "is out of range", settings.gpu_memory_utilization, "above 0, up to 1")
    if problems:
        raise InputError(problems)
    return settings


def _length(fields: Fields, key: str) -> int | None:
    """Return a number of tokens as vLLM reads it (``32k`` is 32000, ``32K`` 32768), 0 for ``auto``."""
    value = fields.raw(key)
    if value is None:
        return None
    text = str(value).strip()
    match = _LENGTH.match(text)
    if text.lower() in _AUTO:
        return 0
    if isinstance(value, bool) or match is None or float(match[1]) == 0:
        fields.problem(key, "is no number of tokens", value, "such as 8192, 32k, 32K or auto")
        return None
    return int(float(match[1]) * _MULTIPLIERS[match[2]])


def _lengths(fields: Fields) -> dict[str, Any]:
    length = _length(fields, "max_model_len")
    return {} if length is None else {"max_model_len": length}


def _versions(fields: Fields) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    version, cuda = fields.text("engine_version", None), fields.text("cuda_version", None)
    if version is not None:
        try:
            changes["engine_version"] = engine_args.parse_version(version)
            changes["hybrid_cache"] = changes["engine_version"] >= _HYBRID_SINCE
        except ValueError as error:
            fields.problem("engine_version", str(error))
    if cuda is not None:
        numbers = parse_numbers(cuda)
        if numbers is None or len(numbers) < 2:
            fields.problem("cuda_version", "is no version of CUDA", cuda, 'such as "12.9"')
        else:
            changes["cuda_version"] = numbers[:2]
    return changes


def _from_server(server: ModelServer, problems: list[Problem]) -> Settings:
    args = dict(server.engine.args)
    fields = Fields(args, f"model_servers[{server.name}].engine.args", problems)
    tag = _CUDA_TAG.search(server.engine.image.partition("@")[0])
    environment = dict(server.engine.env)
    uncounted = [f"engine.args.{name}: {words}" for name, words in _UNCOUNTED.items() if _is_set(name, args.get(name))]
    return Settings(
        tensor=server.parallel.tensor,
        pipeline=server.parallel.pipeline,
        data=server.parallel.data,
        expert=server.parallel.expert,
        max_model_len=_length(fields, "max_model_len"),
        max_num_seqs=_length(fields, "max_num_seqs") or None,
        max_num_batched_tokens=_length(fields, "max_num_batched_tokens") or None,
        gpu_memory_utilization=fields.number("gpu_memory_utilization", None, above=0),
        kv_cache_dtype=fields.text("kv_cache_dtype", "auto"),
        kv_cache_bytes=_length(fields, "kv_cache_memory_bytes") or None,
        quantization=server.model.quantization,
        dtype=fields.text("dtype", "auto", choices=("auto", *DTYPE_BYTES)),
        block_size_tokens=fields.integer("block_size", Settings.block_size_tokens, minimum=1),
        enforce_eager=bool(fields.boolean("enforce_eager", False)),
        hybrid_cache=not fields.boolean("disable_hybrid_kv_cache_manager", False)
        and not _is_set("kv_transfer_config", args.get("kv_transfer_config"))
        and server.engine.version >= _HYBRID_SINCE,
        engine_version=server.engine.version,
        cuda_version=(int(tag[1]), int(tag[2])) if tag else None,
        chat_template_given=server.model.chat_template is not None,
        long_context_allowed=environment.get("VLLM_ALLOW_LONG_MAX_MODEL_LEN") == "1",
        uncounted=tuple(uncounted),
    )


def _is_set(name: str, value: Any) -> bool:
    """Whether an argument does something; ngram speculation has no draft model, and one is no context parallelism."""
    if name == "speculative_config" and isinstance(value, Mapping) and value.get("method") == "ngram":
        return False
    return value not in (None, False, 0, "", "{}", {}) and not (name == "decode_context_parallel_size" and value == 1)
