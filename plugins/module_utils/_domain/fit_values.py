# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the question "does this model fit on that GPU?" is made of; ``fit.evaluate_fit`` answers it.

Sizes are bytes as whole numbers or, in an ``Amount``, GiB. None always means that something is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import EngineVersion
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import GIB

__all__ = ["Amount", "CacheLayers", "GpuFacts", "ModelFacts", "Parameters", "Quantization", "Settings", "WeightFiles"]


@dataclass(frozen=True)
class Amount:
    """A part of the memory of one GPU, in GiB: the likely value and the range in which the true one is expected.

    ``how`` is ``computed`` where the range is a point that follows from the model's and the engine's own rules, and
    ``estimated`` otherwise; ``source`` says where rule and numbers come from.
    """

    gib: float
    gib_min: float
    gib_max: float
    how: str
    source: str

    @classmethod
    def computed(cls, size_bytes: float, source: str) -> Amount:
        """Return an amount that is known."""
        return cls(size_bytes / GIB, size_bytes / GIB, size_bytes / GIB, "computed", source)

    @classmethod
    def estimated(cls, gib: float, gib_min: float, gib_max: float, source: str) -> Amount:
        """Return an amount that is a guess with bounds."""
        return cls(gib, gib_min, gib_max, "estimated", source)


@dataclass(frozen=True)
class Parameters:
    """How many parameters a model has, by what tensor parallelism and quantization do to them; over all layers.

    ``dense`` and ``experts`` are linear layers that are split; ``kv`` are the key and value projections, split as far
    as there are heads; ``latent`` are linear layers that every GPU holds whole; ``plain`` (norms, biases, routers) are
    held whole too and never quantized. ``head`` is 0 where the output uses the embedding.
    """

    embedding: int = 0
    head: int = 0
    dense: int = 0
    kv: int = 0
    experts: int = 0
    latent: int = 0
    plain: int = 0

    @property
    def total(self) -> int:
        """All parameters of the checkpoint."""
        return self.embedding + self.head + self.dense + self.kv + self.experts + self.latent + self.plain


@dataclass(frozen=True)
class Quantization:
    """How the linear layers are stored.

    ``bits`` per parameter includes scales, None when it is not known; ``experts_only`` leaves the other layers alone;
    ``scheme`` refines the method where the GPU's needs differ (``w8a8_fp8``); ``divisor`` is how many columns belong
    together, so that a GPU's share has to be a multiple of it; ``growth`` and ``growth_max`` are
    by how much the engine pads, likely and at most.
    """

    method: str
    bits: float | None
    scheme: str = ""
    experts_only: bool = False
    divisor: int = 1
    growth: float = 1.0
    growth_max: float = 1.0


@dataclass(frozen=True)
class CacheLayers:
    """Layers whose key-value cache has the same form.

    ``values_per_head`` counts keys and values of one token together; ``window`` is how many tokens back they look, None
    for all. Latent attention (MLA) has one head that every GPU holds whole.
    """

    layers: int
    kv_heads: int
    values_per_head: int
    window: int | None = None
    latent: bool = False


@dataclass(frozen=True)
class WeightFiles:
    """What the checkpoint's files say: bytes of all tensors; ``source`` names the index or the headers.

    ``cast_bytes`` is the part in float32, float16 or bfloat16, which the engine turns into its own type; None where
    only the total is known. ``skipped_bytes`` belong to extra prediction layers that the engine does not load.
    """

    total_bytes: int
    source: str
    cast_bytes: int | None = None
    cast_elements: int | None = None
    skipped_bytes: int = 0


@dataclass(frozen=True)
class ModelFacts:
    """A model as its ``config.json`` and its files describe it.

    ``cache`` is empty, and ``unknown`` says why, where the cache of some layer has a form that is not known here.
    ``dtype_bytes`` is the size of a parameter in the checkpoint's own data type.
    """

    name: str
    model_type: str
    layers: int
    hidden_size: int
    attention_heads: int
    kv_heads: int
    vocab_size: int
    feed_forward_size: int
    dtype: str
    dtype_bytes: int
    tokens_max: int | None
    cache: tuple[CacheLayers, ...] = ()
    parameters: Parameters | None = None
    quantization: Quantization | None = None
    files: WeightFiles | None = None
    expert_size: int | None = None
    extra_prediction_layers: int = 0
    multimodal: bool = False
    chat_template: bool | None = None
    unknown: tuple[str, ...] = ()

    @property
    def latent(self) -> bool:
        """Whether all GPUs of a tensor-parallel group hold the same cache."""
        return any(each.latent for each in self.cache)


@dataclass(frozen=True)
class GpuFacts:
    """A GPU. ``memory_bytes`` is what the driver reports; ``usable`` what a process sees of it, as a range.

    ``compute_capability`` is major and minor; ``driver_version`` the driver's numbers.
    """

    memory_bytes: int
    usable: Amount
    product: str | None = None
    compute_capability: tuple[int, int] | None = None
    driver_version: tuple[int, ...] | None = None
    shared: bool = False


@dataclass(frozen=True)
class Settings:
    """How the engine runs the model; None is the engine's own default.

    ``max_model_len`` in tokens, 0 for what the engine finds out itself (``auto``); ``kv_cache_bytes`` is a fixed size
    of the cache instead of what ``gpu_memory_utilization`` leaves; ``uncounted`` are reasons why there is more or less
    in memory than is counted here.
    """

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    expert: bool = False
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float | None = None
    kv_cache_dtype: str = "auto"
    kv_cache_bytes: int | None = None
    quantization: str | None = None
    dtype: str = "auto"
    block_size_tokens: int = 16
    enforce_eager: bool = False
    hybrid_cache: bool = True
    engine_version: EngineVersion | None = None
    cuda_version: tuple[int, int] | None = None
    chat: bool = True
    chat_template_given: bool = False
    long_context_allowed: bool = False
    uncounted: Sequence[str] = ()
