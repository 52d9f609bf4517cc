# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How vLLM divides memory into blocks of its key-value cache, and how many blocks a request holds.

The rules are those of vLLM 0.32.0: ``vllm/v1/kv_cache_interface.py`` (bytes of a block, blocks of a request) and
``vllm/v1/core/kv_cache_utils.py`` (layers of different kinds share one pool of blocks). All sizes are of one GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import (
    CacheLayers,
    ModelFacts,
    Settings,
)

__all__ = ["SOURCE", "CachePlan", "cache_dtype_bytes", "plan_cache", "stage_layers"]

SOURCE = "vLLM 0.32.0, v1/kv_cache_interface.py and v1/core/kv_cache_utils.py"
# Bytes of one value; the other types pack values with scales in ways that differ by backend.
_DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1, "fp8_inc": 1}
# With asynchronous scheduling two batches are on their way, and windowed layers keep both (max_in_flight_tokens).
_BATCHES_IN_FLIGHT = 2
# One kind of layer with nearly as many layers as the other: both are padded to the larger number (kv_cache_utils).
_NEARLY_AS_MANY = 1.5


@dataclass(frozen=True)
class CachePlan:
    """The cache of one GPU: ``block_bytes`` hold ``block_size_tokens`` tokens of one group of layers.

    ``groups`` pairs a number of groups with the window of their layers in tokens, None for all tokens.
    """

    block_bytes: int
    block_size_tokens: int
    groups: tuple[tuple[int, int | None], ...]
    token_bytes: float
    batched_tokens: int

    def request_blocks(self, tokens: int) -> int:
        """Return the blocks that a request of so many tokens holds at most."""
        whole = ceil(tokens / self.block_size_tokens)
        blocks = 0
        for count, window in self.groups:
            kept = whole
            if window is not None:
                # One block more, as the window need not begin with a block.
                in_sight = window - 1 + _BATCHES_IN_FLIGHT * self.batched_tokens
                kept = ceil(min(in_sight, tokens) / self.block_size_tokens) + 1
            blocks += count * kept
        return blocks

    def request_bytes(self, tokens: int) -> int:
        """Return the memory that a request of so many tokens needs."""
        return self.request_blocks(tokens) * self.block_bytes

    def concurrency(self, cache_bytes: float, tokens: int) -> float:
        """Return how many requests of so many tokens fit, as vLLM prints it (``Maximum concurrency``)."""
        return int(max(cache_bytes, 0) / self.block_bytes) / self.request_blocks(tokens)

    def longest_request(self, cache_bytes: float, tokens_max: int) -> int:
        """Return the longest request in tokens that fits, at most ``tokens_max``; 0 where none does."""
        blocks = int(max(cache_bytes, 0) / self.block_bytes)
        low, high = 0, tokens_max
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.request_blocks(middle) <= blocks else (low, middle - 1)
        return low


def cache_dtype_bytes(name: str, dtype_bytes: int) -> int | None:
    """Return the bytes of a cached value; ``auto`` is the model's own type. None for types that are not known here."""
    return dtype_bytes if name == "auto" else _DTYPE_BYTES.get(name)


def stage_layers(layers: int, pipeline: int) -> int:
    """Return the layers of the fullest stage of a pipeline (``vllm/distributed/utils.py``, get_pp_indices)."""
    return ceil(layers / pipeline)


def plan_cache(model: ModelFacts, settings: Settings, dtype_bytes: int, batched_tokens: int) -> CachePlan | None:
    """Return how the cache is laid out; None where the form of the model's cache is not known."""
    if not model.cache:
        return None
    block = settings.block_size_tokens
    layer_bytes = max(_token_bytes(each, settings.tensor, dtype_bytes) for each in model.cache)
    held = stage_layers(model.layers, settings.pipeline) * layer_bytes
    windows = [each.window for each in model.cache]
    if len(model.cache) == 1 or not settings.hybrid_cache:
        # Without its own manager, a windowed layer beside others keeps all tokens (unify_hybrid_kv_cache_specs).
        window = windows[0] if len(model.cache) == 1 and settings.hybrid_cache else None
        return CachePlan(held * block, block, ((1, window),), held, batched_tokens)
    fewest, most = sorted(each.layers for each in model.cache)
    size = most if most < fewest * _NEARLY_AS_MANY else fewest
    groups = tuple((ceil(each.layers / size), each.window) for each in model.cache)
    group_bytes = stage_layers(size, settings.pipeline) * layer_bytes * block
    return CachePlan(group_bytes, block, groups, held, batched_tokens)


def _token_bytes(layers: CacheLayers, tensor: int, dtype_bytes: int) -> int:
    """Return the bytes of a token in one layer on one GPU; with fewer heads than GPUs, heads are held twice."""
    heads = 1 if layers.latent else max(1, layers.kv_heads // tensor)
    return heads * layers.values_per_head * dtype_bytes
