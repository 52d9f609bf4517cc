# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory of one GPU as vLLM divides it: weights, what its profile run sees, and the rest for the cache.

vLLM takes ``gpu_memory_utilization`` of what the process sees of the card, loads its share of the weights, runs a batch
of the largest size to see the peak, and makes blocks of the cache out of the rest
(``vllm/v1/worker/gpu_worker.py``, determine_available_memory). Weights and cache follow from the model; the peak is an
estimate, checked against published logs in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import kv_cache
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import (
    Amount,
    GpuFacts,
    ModelFacts,
    Parameters,
    Quantization,
    Settings,
    WeightFiles,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_config import DTYPE_BYTES
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import EngineVersion
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quantization import online_quantization
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import GIB

__all__ = ["Memory", "batch_limits", "divide_memory", "effective_quantization", "load_dtype_bytes", "utilization"]

# Defaults of --gpu-memory-utilization: 0.9 until 0.19, 0.92 from 0.20 on (vLLM's sources).
_UTILIZATION_BEFORE, _UTILIZATION, _UTILIZATION_SINCE = 0.9, 0.92, EngineVersion(0, 20, 0)
# From here on the profile counts CUDA graphs (VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS); before, they came on top.
_GRAPHS_COUNTED_SINCE = EngineVersion(0, 21, 0)
# vllm/engine/arg_utils.py, get_batch_defaults: GiB of the card from which on, sequences, tokens of a batch.
_BATCH_DEFAULTS = ((160, 1024, 16384), (70, 1024, 8192), (0, 256, 2048))
_SLOW_AT_LARGE_BATCHES = "A100"
# Bytes that the sampler's dummy run takes for each sequence and entry of the vocabulary (logits in 32 bits, sorted
# values and positions, probabilities): 4.76 GiB at 128256 entries, 5.56 at 151936, 7.38 at 201088, all at 1024
# sequences; 1.42 at 152064 and 256 sequences. Deduced from llm-d-incubation/llm-d-planner,
# docs/empirical-vllm-memory-results.md, and vllm-project/vllm#13882.
_SAMPLER_BYTES = 38.5
# Values of 16 bits that a token takes in the widest layer: gate, up and their product, and three times the hidden size.
# 110.6 kB for Llama 3.1 8B; vllm-project/vllm#10517 shows 2.07 GiB at 20000 tokens and 2.99 at 29000.
_WIDE, _NARROW = 3, 3
_PEAK_MAX, _PEAK_MAX_LATENT = 1.25, 2.0
_PEAK_SOURCE = (
    "largest batch through the widest layer, or the sampler (vllm#10517, vllm#13882, llm-d-planner's measurements)"
)
_NON_TORCH = {False: (0.15, 0.1, 0.5), True: (0.6, 0.4, 1.5)}
_NON_TORCH_SOURCE = "llm-d-planner docs/empirical-vllm-memory-results.md: 0.13 GiB on one GPU, 0.55 on two"
_GRAPHS = (1.0, 0.0, 2.0)
_GRAPHS_SOURCE = "kaito-project/kaito#2139: 1.5 to 1.9 GiB on an H100; llm-d-planner: up to 1.03"
# By how much the memory of quantized weights may differ from bits x parameters: scales and padding of the kernels.
_QUANTIZED_SPREAD = 0.05
# Where the sum of the parameters is not known, what all GPUs hold whole is at most this share more.
_UNEVEN_MAX = 1.05


@dataclass(frozen=True)
class Memory:
    """The parts of one GPU's memory, in GiB; ``cache`` is what is left for the key-value cache.

    ``problems`` says why a part is not known; ``weights`` and ``cache`` are None then, ``plan`` where the form of the
    cache is not known.
    """

    budget: Amount
    weights: Amount | None
    peak: Amount
    non_torch: Amount
    graphs: Amount
    cache: Amount | None
    plan: kv_cache.CachePlan | None
    problems: tuple[str, ...] = ()

    def overhead(self, bound: str) -> float:
        """Return peak, libraries and graphs together."""
        return sum(float(getattr(part, bound)) for part in (self.peak, self.non_torch, self.graphs))


def utilization(settings: Settings) -> float:
    """Return the share of the card that the engine takes; the smaller default where its version is not known."""
    if settings.gpu_memory_utilization is not None:
        return settings.gpu_memory_utilization
    newer = settings.engine_version is not None and settings.engine_version >= _UTILIZATION_SINCE
    return _UTILIZATION if newer else _UTILIZATION_BEFORE


def batch_limits(gpu: GpuFacts, settings: Settings) -> tuple[int, int]:
    """Return the sequences and tokens of the largest batch: what is set, else vLLM's defaults for such a card."""
    large = _SLOW_AT_LARGE_BATCHES not in (gpu.product or "")
    seqs, tokens = next(
        (seqs, tokens)
        for gib, seqs, tokens in _BATCH_DEFAULTS
        if gpu.usable.gib >= gib and (large or gib != _BATCH_DEFAULTS[1][0])
    )
    return settings.max_num_seqs or seqs, settings.max_num_batched_tokens or tokens


def load_dtype_bytes(model: ModelFacts, settings: Settings) -> int:
    """Return the bytes of a parameter as it is loaded; ``auto`` makes 16 bits of a checkpoint in 32."""
    return DTYPE_BYTES.get(settings.dtype, 0) or min(model.dtype_bytes, 2)


def effective_quantization(model: ModelFacts, settings: Settings) -> Quantization | None:
    """Return how the weights are in memory: as in the checkpoint, else as the engine is told to make them."""
    if model.quantization is not None:
        return model.quantization
    return online_quantization(settings.quantization) if settings.quantization else None


def divide_memory(model: ModelFacts, gpu: GpuFacts, settings: Settings) -> Memory:
    """Return the parts of the memory of the fullest GPU."""
    share, several = utilization(settings), settings.tensor * settings.pipeline > 1
    usable = gpu.usable
    budget = replace(usable, gib=usable.gib * share, gib_min=usable.gib_min * share, gib_max=usable.gib_max * share)
    seqs, batched = batch_limits(gpu, settings)
    problems: list[str] = []
    weights = _weights(model, settings, problems)
    plan = _plan(model, settings, batched, problems)
    memory = Memory(
        budget=budget,
        weights=weights,
        peak=_peak(model, settings, seqs, batched),
        non_torch=Amount.estimated(*_NON_TORCH[several], _NON_TORCH_SOURCE),
        graphs=_graphs(settings),
        cache=None,
        plan=plan,
        problems=tuple(problems),
    )
    return replace(memory, cache=_cache(memory, settings))


def _cache(memory: Memory, settings: Settings) -> Amount | None:
    if settings.kv_cache_bytes is not None:
        return Amount.computed(settings.kv_cache_bytes, "kv_cache_memory_bytes")
    weights = memory.weights
    if weights is None:
        return None
    return Amount.estimated(
        memory.budget.gib - weights.gib - memory.overhead("gib"),
        memory.budget.gib_min - weights.gib_max - memory.overhead("gib_max"),
        memory.budget.gib_max - weights.gib_min - memory.overhead("gib_min"),
        "what is left of the budget",
    )


def _plan(model: ModelFacts, settings: Settings, batched: int, problems: list[str]) -> kv_cache.CachePlan | None:
    size = kv_cache.cache_dtype_bytes(settings.kv_cache_dtype, load_dtype_bytes(model, settings))
    if size is None:
        problems.append(f"how many bytes a value of kv_cache_dtype {settings.kv_cache_dtype} takes is not known here")
        return None
    return kv_cache.plan_cache(model, settings, size, batched)


def _peak(model: ModelFacts, settings: Settings, seqs: int, batched: int) -> Amount:
    """Return what the largest batch takes beside weights and cache, on each GPU.

    The sampler's part is left out of the lower bound: 2.12 GiB were measured where it would have been 4.81.
    """
    values = _WIDE * model.feed_forward_size / settings.tensor + _NARROW * model.hidden_size
    forward = batched * values * 2 / GIB
    sampler = min(seqs, batched) * model.vocab_size * _SAMPLER_BYTES / GIB
    peak = max(forward, sampler)
    return Amount.estimated(peak, forward, peak * (_PEAK_MAX_LATENT if model.latent else _PEAK_MAX), _PEAK_SOURCE)


def _graphs(settings: Settings) -> Amount:
    version = settings.engine_version
    if settings.enforce_eager:
        return Amount.computed(0, "none with enforce_eager")
    if version is not None and version < _GRAPHS_COUNTED_SINCE:
        return Amount.computed(0, f"vLLM {version} takes them from outside of gpu_memory_utilization")
    return Amount.estimated(*_GRAPHS, _GRAPHS_SOURCE)


def _weights(model: ModelFacts, settings: Settings, problems: list[str]) -> Amount | None:
    """Return the weights of the fullest GPU; None after a reason was added to ``problems``."""
    quantization = effective_quantization(model, settings)
    if model.files is not None and (model.quantization is not None or quantization is None):
        return _weights_of_files(model.files, model, settings, quantization)
    if quantization is not None and quantization.bits is None:
        problems.append(
            f"how many bits the weights take with {quantization.method} can not be told from config.json alone: "
            "give path, safetensors_index or weights_gib"
        )
        return None
    if model.parameters is None or model.multimodal:
        what = (
            "of the part that is no language model" if model.parameters else f"of models of the type {model.model_type}"
        )
        problems.append(
            f"the size of the weights {what} is not computed here: give path, safetensors_index or weights_gib"
        )
        return None
    size = _share_bytes(model.parameters, model, settings, quantization)
    if quantization is None:
        return Amount.computed(size, "parameters from config.json x bytes of the data type")
    low, high = size * (1 - _QUANTIZED_SPREAD), size * max(1 + _QUANTIZED_SPREAD, quantization.growth_max)
    size *= quantization.growth
    return Amount.estimated(
        size / GIB,
        low / GIB,
        high / GIB,
        f"parameters from config.json x {quantization.bits:g} bits ({quantization.method})",
    )


def _weights_of_files(
    files: WeightFiles, model: ModelFacts, settings: Settings, quantization: Quantization | None
) -> Amount:
    load = load_dtype_bytes(model, settings)
    total = float(files.total_bytes - files.skipped_bytes)
    if files.cast_bytes is not None and files.cast_elements is not None:
        total += files.cast_elements * load - files.cast_bytes
    elif quantization is None:
        total *= load / model.dtype_bytes
    low = total
    if model.extra_prediction_layers and not files.skipped_bytes:
        # The index counts the extra prediction layers too, which are loaded for speculative decoding only.
        low = total * model.layers / (model.layers + model.extra_prediction_layers)
    growth, growth_max = (quantization.growth, quantization.growth_max) if quantization else (1.0, 1.0)
    if model.parameters is not None:
        whole = _share_bytes(model.parameters, model, replace(settings, tensor=1, pipeline=1, data=1), quantization)
        share = _share_bytes(model.parameters, model, settings, quantization) / whole
    else:
        share = 1 / (settings.tensor * settings.pipeline)
    uneven = _UNEVEN_MAX if share < 1 and (model.parameters is None or model.multimodal) else 1.0
    if low == total and growth_max == uneven == 1.0:
        return Amount.computed(total * share, files.source)
    likely = low * share * growth
    return Amount.estimated(likely / GIB, low * share / GIB, total * share * growth_max * uneven / GIB, files.source)


def _share_bytes(
    parameters: Parameters, model: ModelFacts, settings: Settings, quantization: Quantization | None
) -> float:
    """Return the bytes of the weights on the fullest GPU."""
    plain = load_dtype_bytes(model, settings)
    packed = plain if quantization is None or quantization.bits is None else quantization.bits / 8
    linear = plain if quantization is not None and quantization.experts_only else packed
    tensor = settings.tensor
    layers = (
        parameters.dense * linear / tensor
        + parameters.kv * linear / min(tensor, max(model.kv_heads, 1))
        + parameters.experts * packed / (tensor * settings.data)
        + parameters.latent * linear
        + parameters.plain * plain
    )
    if settings.pipeline == 1:
        return layers + (parameters.embedding + parameters.head) * plain / tensor
    edge = max(parameters.embedding, parameters.head) * plain / tensor
    return layers * kv_cache.stage_layers(model.layers, settings.pipeline) / model.layers + edge
