# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a model fit on a GPU, and if not, what would make it fit?

``fits`` holds at the bad end of every estimate, ``does_not_fit`` at the good end of every estimate; what lies between,
and what is not known, is ``unknown``. So missing data never passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import kv_cache
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_checks import (
    Finding,
    check_all,
    tensor_sizes,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_memory import (
    Memory,
    batch_limits,
    divide_memory,
    utilization,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import (
    Amount,
    GpuFacts,
    ModelFacts,
    Settings,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import GIB

__all__ = ["DOES_NOT_FIT", "FITS", "UNKNOWN", "Fit", "evaluate_fit", "render_fit"]

FITS, DOES_NOT_FIT, UNKNOWN = "fits", "does_not_fit", "unknown"
# A share of the card that leaves little beside the engine; more than this is not suggested.
_UTILIZATION_MAX = 0.95
# Compute capability from which fp8 caches and weights are arithmetic of the hardware (Ada, docs.vllm.ai).
_FP8_NATIVE = (8, 9)
# A context below this is no help to anybody.
_TOKENS_WORTH_IT = 1024
# vLLM's default on smaller cards.
_SEQUENCES = 256


@dataclass(frozen=True)
class Fit:
    """The answer. ``tokens`` is the length of the request that has to fit; the rest says why the verdict is what it is.

    ``concurrency`` and ``longest_tokens`` are None where the memory for the cache is not known; they are given at the
    likely value and at the bad end of the estimates.
    """

    verdict: str
    memory: Memory
    tokens: int | None
    request_gib: float | None
    concurrency: tuple[float, float] | None
    longest_tokens: tuple[int, int] | None
    tensor_sizes: tuple[int, ...]
    batch: tuple[int, int]
    utilization: float
    problems: tuple[str, ...]
    unknown: tuple[str, ...]
    warnings: tuple[str, ...]
    suggestions: tuple[str, ...] = ()


def evaluate_fit(model: ModelFacts, gpu: GpuFacts, settings: Settings) -> Fit:
    """Return whether the model runs on GPUs of this kind with these settings, and what would help if not."""
    fit = _judge(model, gpu, settings)
    if fit.verdict == FITS:
        return fit
    return replace(fit, suggestions=tuple(_suggestions(model, gpu, settings, fit)))


def _judge(model: ModelFacts, gpu: GpuFacts, settings: Settings) -> Fit:
    memory = divide_memory(model, gpu, settings)
    limits = _longest(memory, model)
    tokens = settings.max_model_len if settings.max_model_len is not None else model.tokens_max
    if settings.max_model_len == 0:
        # The engine shortens the context until it fits, so there is always one that has to be judged.
        tokens = (limits[1] or 1) if limits else model.tokens_max
    findings = check_all(model, gpu, settings, tokens)
    reasons = [*model.unknown, *memory.problems, *_messages(findings, "unknown")]
    if model.multimodal:
        reasons.append("what the part for images or sound takes while it runs is not estimated here")
    stops = [each for each in findings if each.kind == "problem" and each.stops]
    memory_verdict, words = _judge_memory(memory, gpu, settings, tokens)
    problems = [*([words] if memory_verdict == DOES_NOT_FIT else []), *_messages(findings, "problem")]
    if memory_verdict == UNKNOWN and words:
        reasons.append(words)
    if memory_verdict == DOES_NOT_FIT or stops:
        verdict = DOES_NOT_FIT
    else:
        verdict = UNKNOWN if reasons or memory_verdict == UNKNOWN else FITS
    plan = memory.plan
    return Fit(
        verdict=verdict,
        memory=memory,
        tokens=tokens,
        request_gib=_gib(plan.request_bytes(tokens)) if plan is not None and tokens is not None else None,
        concurrency=_concurrency(memory, tokens),
        longest_tokens=limits,
        tensor_sizes=tensor_sizes(model, settings),
        batch=batch_limits(gpu, settings),
        utilization=utilization(settings),
        problems=tuple(problems),
        unknown=tuple(reasons),
        warnings=tuple(_messages(findings, "warning")),
    )


def _messages(findings: tuple[Finding, ...], kind: str) -> list[str]:
    return [each.message for each in findings if each.kind == kind]


def _gib(size_bytes: float) -> float:
    return size_bytes / GIB


def _bytes(gib: float) -> float:
    return gib * GIB


def _concurrency(memory: Memory, tokens: int | None) -> tuple[float, float] | None:
    plan, cache = memory.plan, memory.cache
    if plan is None or cache is None or tokens is None:
        return None
    return plan.concurrency(_bytes(cache.gib), tokens), plan.concurrency(_bytes(cache.gib_min), tokens)


def _longest(memory: Memory, model: ModelFacts) -> tuple[int, int] | None:
    if memory.plan is None or memory.cache is None or model.tokens_max is None:
        return None
    plan, cache = memory.plan, memory.cache
    return (
        plan.longest_request(_bytes(cache.gib), model.tokens_max),
        plan.longest_request(_bytes(cache.gib_min), model.tokens_max),
    )


def _judge_memory(memory: Memory, gpu: GpuFacts, settings: Settings, tokens: int | None) -> tuple[str, str]:
    """Return the verdict about memory alone, and the sentence that says why it is not ``fits``."""
    weights = memory.weights
    if weights is None or memory.cache is None:
        return UNKNOWN, ""
    taken_min = weights.gib_min + memory.overhead("gib_min")
    if settings.kv_cache_bytes is not None:
        room, taken_max = gpu.usable, weights.gib_max + memory.overhead("gib_max")
        if taken_min + memory.cache.gib > room.gib_max:
            return DOES_NOT_FIT, _words(
                memory, weights.gib, "the cache of kv_cache_memory_bytes does not fit beside the weights"
            )
        if taken_max + memory.cache.gib > room.gib_min:
            return UNKNOWN, _words(
                memory, weights.gib, "whether the cache of kv_cache_memory_bytes fits depends on the estimates"
            )
    if memory.cache.gib_max <= 0:
        return DOES_NOT_FIT, _words(memory, weights.gib, "nothing is left for the key-value cache")
    if memory.plan is None or tokens is None:
        return UNKNOWN, ""
    needed = _gib(memory.plan.request_bytes(tokens))
    request = f"one request of {tokens} tokens needs {needed:.2f} GiB of cache"
    if memory.cache.gib_max < needed:
        words = f"{request}, at most {memory.cache.gib_max:.2f} are left"
        return DOES_NOT_FIT, _words(memory, weights.gib, words)
    if memory.cache.gib_min < needed:
        left = f"between {max(memory.cache.gib_min, 0):.2f} and {memory.cache.gib_max:.2f} are left"
        words = f"{request}, and {left}, depending on the estimates"
        return UNKNOWN, _words(memory, weights.gib, words)
    return FITS, ""


def _words(memory: Memory, weights_gib: float, words: str) -> str:
    """Return a sentence with the sum behind it, in GiB of one GPU."""
    return (
        f"{words} (on each GPU {memory.budget.gib:.2f} GiB for the engine, {weights_gib:.2f} for weights, about "
        f"{memory.overhead('gib'):.2f} for the largest batch, libraries and graphs)"
    )


def _suggestions(model: ModelFacts, gpu: GpuFacts, settings: Settings, fit: Fit) -> Iterator[str]:
    """Yield changes each of which alone makes the model fit for certain."""

    def helps(change: Mapping[str, Any]) -> bool:
        return _judge(model, gpu, replace(settings, **change)).verdict == FITS

    for words, changes in _changes(model, gpu, settings, fit):
        for change in changes:
            if helps(change):
                yield words.format(*change.values())
                break
    larger = _memory_that_fits(model, gpu, settings, fit)
    if larger is not None:
        yield f"a GPU with {larger} GiB or more"


def _changes(
    model: ModelFacts, gpu: GpuFacts, settings: Settings, fit: Fit
) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    """Yield what may be worth a try: words with a place for the value, and the changes, the smallest first."""
    shorter = fit.longest_tokens[1] if fit.longest_tokens else 0
    if fit.tokens is not None and _TOKENS_WORTH_IT <= shorter < fit.tokens:
        yield f"max_model_len: {{}} instead of {fit.tokens}", [{"max_model_len": shorter}]
    more = [{"tensor": size} for size in fit.tensor_sizes if size > settings.tensor]
    yield f"parallel.tensor: {{}} instead of {settings.tensor}", more
    if fit.utilization < _UTILIZATION_MAX:
        words = f"gpu_memory_utilization: {{}} instead of {fit.utilization}"
        yield words, [{"gpu_memory_utilization": _UTILIZATION_MAX}]
    if gpu.compute_capability is not None and gpu.compute_capability >= _FP8_NATIVE:
        if settings.kv_cache_dtype == "auto":
            yield "kv_cache_dtype: {}, which halves the cache; compare the answers", [{"kv_cache_dtype": "fp8"}]
        if model.quantization is None and settings.quantization is None:
            yield "model.quantization: {}, which halves the weights; compare the answers", [{"quantization": "fp8"}]
    if not settings.enforce_eager:
        yield "enforce_eager: true, which saves the graphs and costs speed", [{"enforce_eager": True}]
    if not settings.max_num_seqs and fit.batch[0] > _SEQUENCES:
        yield f"max_num_seqs: {{}} instead of {fit.batch[0]}, for a smaller peak", [{"max_num_seqs": _SEQUENCES}]


def _memory_that_fits(model: ModelFacts, gpu: GpuFacts, settings: Settings, fit: Fit) -> int | None:
    """Return the GiB of a card, beyond this one's, on which the model fits for certain with the same settings."""
    memory = fit.memory
    if memory.weights is None or fit.request_gib is None:
        return None
    seqs, batched = fit.batch
    fixed = replace(settings, max_num_seqs=seqs, max_num_batched_tokens=batched)
    kept = _gib(gpu.memory_bytes) - gpu.usable.gib_min
    taken = memory.weights.gib_max + memory.overhead("gib_max")
    wanted = (
        (taken + _gib(settings.kv_cache_bytes))
        if settings.kv_cache_bytes
        else (taken + fit.request_gib) / fit.utilization
    )
    gib = ceil(wanted + kept)
    card = replace(gpu, memory_bytes=int(_bytes(gib)), usable=Amount.estimated(gib - kept, gib - kept, gib, ""))
    larger = gib > _gib(gpu.memory_bytes)
    return gib if larger and _judge(model, card, fixed).verdict == FITS else None


def _render_amount(amount: Amount | None) -> dict[str, Any] | None:
    if amount is None:
        return None
    return {
        "gib": round(amount.gib, 3),
        "gib_min": round(amount.gib_min, 3),
        "gib_max": round(amount.gib_max, 3),
        "how": amount.how,
        "source": amount.source,
    }


def render_fit(fit: Fit, model: ModelFacts, gpu: GpuFacts, settings: Settings) -> Mapping[str, Any]:
    """Return the answer as plain data; every number has its unit in its name."""
    memory, plan = fit.memory, fit.memory.plan
    likely, sure = fit.concurrency or (None, None)
    longest, longest_sure = fit.longest_tokens or (None, None)
    return {
        "verdict": fit.verdict,
        "problems": list(fit.problems),
        "unknown": list(fit.unknown),
        "warnings_of_fit": list(fit.warnings),
        "suggestions": list(fit.suggestions),
        "memory": {
            "gpu": _render_amount(gpu.usable),
            "budget": _render_amount(memory.budget),
            "weights": _render_amount(memory.weights),
            "peak": _render_amount(memory.peak),
            "non_torch": _render_amount(memory.non_torch),
            "cuda_graphs": _render_amount(memory.graphs),
            "kv_cache": _render_amount(memory.cache),
        },
        "kv_cache": {
            "bytes_per_token": plan.token_bytes if plan else None,
            "request_gib": None if fit.request_gib is None else round(fit.request_gib, 3),
            "tokens": None if likely is None or fit.tokens is None else int(likely * fit.tokens),
            "tokens_min": None if sure is None or fit.tokens is None else int(sure * fit.tokens),
            "concurrency": None if likely is None else round(likely, 2),
            "concurrency_min": None if sure is None else round(sure, 2),
            "how": "computed" if plan else None,
            "source": kv_cache.SOURCE if plan else None,
        },
        "max_model_len": fit.tokens,
        "max_model_len_that_fits": longest,
        "max_model_len_that_fits_min": longest_sure,
        "gpus": settings.tensor * settings.pipeline * settings.data,
        "tensor_sizes": list(fit.tensor_sizes),
        "gpu_memory_utilization": fit.utilization,
        "max_num_seqs": fit.batch[0],
        "max_num_batched_tokens": fit.batch[1],
        "model": {
            "name": model.name,
            "model_type": model.model_type,
            "parameters": model.parameters.total if model.parameters else None,
            "dtype": model.dtype,
            "quantization": model.quantization.method if model.quantization else None,
            "max_position_tokens": model.tokens_max,
            "chat_template": model.chat_template,
        },
    }
