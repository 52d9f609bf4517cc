# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a model from running on a GPU apart from memory: parallelism, number formats, driver, context, template.

Each check returns findings: ``problem`` where the engine would refuse or answer wrongly, ``unknown`` where something is
missing that decides, ``warning`` where it works otherwise than people expect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import engine_args
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_memory import effective_quantization
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import (
    GpuFacts,
    ModelFacts,
    Settings,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_facts import (
    DRIVERS_SOURCE,
    driver_minimum,
    render_numbers,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quantization import (
    CAPABILITIES_SOURCE,
    find_capability,
)

__all__ = ["Finding", "check_all", "tensor_objections", "tensor_sizes"]

# docs.vllm.ai, Installation, GPU: "compute capability 7.0 or higher"; CUDA 13 left Volta behind (its release notes).
_CAPABILITY_MIN, _CAPABILITY_MIN_CUDA_13 = (7, 0), (7, 5)
# The first with arithmetic in bfloat16.
_BFLOAT16_MIN = (8, 0)
# vLLM fills the vocabulary up to a multiple of this before it is split (vocab_parallel_embedding.py).
_VOCABULARY_PADDING = 64


@dataclass(frozen=True)
class Finding:
    """One finding of a check; ``kind`` is ``problem``, ``unknown`` or ``warning``.

    A problem with ``stops`` False lets the engine start, and its answers fail.
    """

    kind: str
    check: str
    message: str
    stops: bool = True


def check_all(model: ModelFacts, gpu: GpuFacts, settings: Settings, tokens: int | None) -> tuple[Finding, ...]:
    """Return the findings of all checks; ``tokens`` is the longest request, None where it is not known."""
    return (
        *_check_parallelism(model, settings),
        *_check_capability(gpu, settings),
        *_check_number_format(model, gpu, settings),
        *_check_quantization(model, gpu, settings),
        *_check_driver(gpu, settings),
        *_check_context(model, settings, tokens),
        *_check_template(model, settings),
        *(Finding("unknown", "memory", reason) for reason in settings.uncounted),
        *([Finding("unknown", "memory", _SHARED)] if gpu.shared else ()),
    )


_SHARED = "the GPU is shared in time: other pods take memory of the same card, how much is not known"


def tensor_objections(model: ModelFacts, settings: Settings) -> Iterator[str]:
    """Yield why the model can not be split over ``settings.tensor`` GPUs."""
    tensor = settings.tensor
    if tensor == 1:
        return
    if not model.attention_heads or model.attention_heads % tensor:
        yield f"{model.attention_heads} attention heads can not be split evenly"
    if not model.latent and model.kv_heads % tensor and tensor % max(model.kv_heads, 1):
        yield f"{model.kv_heads} key-value heads can neither be split nor be repeated evenly"
    padded = -(-model.vocab_size // _VOCABULARY_PADDING) * _VOCABULARY_PADDING
    if padded % tensor:
        yield f"a vocabulary of {model.vocab_size} (filled up to {padded}) can not be split evenly"
    quantization = effective_quantization(model, settings)
    divisor = quantization.divisor if quantization and not quantization.experts_only else 1
    for what, size in (("feed-forward size", model.feed_forward_size), ("size of an expert", model.expert_size)):
        if not size or (size == model.expert_size and settings.expert):
            continue
        if size % tensor:
            yield f"the {what} {size} can not be split evenly"
        elif divisor > 1 and size // tensor % divisor:
            yield f"the {what} {size} leaves {size // tensor} for each GPU, no multiple of the group size {divisor}"


def tensor_sizes(model: ModelFacts, settings: Settings) -> tuple[int, ...]:
    """Return the sizes of tensor parallelism that divide the model, up to its number of heads."""
    sizes = range(1, max(model.attention_heads, 1) + 1)
    return tuple(size for size in sizes if not any(tensor_objections(model, replace(settings, tensor=size))))


def _check_parallelism(model: ModelFacts, settings: Settings) -> Iterator[Finding]:
    for objection in tensor_objections(model, settings):
        yield Finding("problem", "tensor", f"tensor parallelism over {settings.tensor} GPUs: {objection}")
    if model.layers and settings.pipeline > model.layers:
        message = f"pipeline parallelism over {settings.pipeline} stages: the model has {model.layers} layers only"
        yield Finding("problem", "pipeline", message)


def _shown(capability: tuple[int, int]) -> str:
    return f"{capability[0]}.{capability[1]}"


def _check_capability(gpu: GpuFacts, settings: Settings) -> Iterator[Finding]:
    found = gpu.compute_capability
    cuda_13 = settings.cuda_version is not None and settings.cuda_version[0] >= 13
    needed = _CAPABILITY_MIN_CUDA_13 if cuda_13 else _CAPABILITY_MIN
    if found is not None and found < needed:
        with_cuda = f" with CUDA {_shown(settings.cuda_version)}" if cuda_13 and settings.cuda_version else ""
        message = f"vLLM{with_cuda} needs compute capability {_shown(needed)} or more, the GPU has {_shown(found)}"
        yield Finding("problem", "compute_capability", message)


def _check_number_format(model: ModelFacts, gpu: GpuFacts, settings: Settings) -> Iterator[Finding]:
    found = gpu.compute_capability
    if found is None or found >= _BFLOAT16_MIN:
        return
    words = f"bfloat16 needs compute capability {_shown(_BFLOAT16_MIN)} or more, the GPU has {_shown(found)}"
    if settings.dtype == "bfloat16":
        yield Finding("problem", "dtype", f"{words}: set dtype to float16")
    elif settings.dtype == "auto" and model.dtype == "bfloat16":
        yield Finding("warning", "dtype", f"{words}: the engine takes float16 instead, which has less range")


def _check_quantization(model: ModelFacts, gpu: GpuFacts, settings: Settings) -> Iterator[Finding]:
    quantization = effective_quantization(model, settings)
    if quantization is None:
        return
    name = f"{quantization.method} {quantization.scheme}".strip()
    if settings.engine_version is not None:
        missing = engine_args.check_choice("quantization", quantization.method, settings.engine_version)
        if missing is not None:
            kind = "problem" if missing.certain else "unknown"
            yield Finding(kind, "quantization", missing.message)
    capability = find_capability(quantization, settings.engine_version)
    found = gpu.compute_capability
    if capability is None:
        yield Finding("unknown", "quantization", f"which GPUs can run {name} is not known here")
    elif found is None:
        yield Finding("unknown", "quantization", f"the GPU's compute capability is not given, and {name} needs one")
    elif found < capability[0]:
        older = found >= capability[1].newest and settings.engine_version is None
        needed = f"{name} needs compute capability {_shown(capability[0])} or more, the GPU has {_shown(found)}"
        more = "; vLLM 0.32 and later can do with it, and the engine's version is not given" if older else ""
        yield Finding("unknown" if older else "problem", "quantization", f"{needed}{more} ({CAPABILITIES_SOURCE})")
    elif capability[1].native is not None and found < capability[1].native:
        yield Finding(
            "warning",
            "quantization",
            f"{name} is computed in 16 bits below compute capability {_shown(capability[1].native)}: "
            "it saves memory, not time",
        )


def _check_driver(gpu: GpuFacts, settings: Settings) -> Iterator[Finding]:
    driver, cuda = gpu.driver_version, settings.cuda_version
    if driver is None and cuda is None:
        return
    if driver is None or cuda is None:
        missing = "the version of the node's driver" if driver is None else "the version of CUDA inside of the image"
        yield Finding("warning", "driver", f"the driver was not checked: {missing} is not given")
        return
    needed = driver_minimum(cuda)
    if needed is None:
        yield Finding("unknown", "driver", f"which driver CUDA {_shown(cuda)} needs is not known here")
    elif driver < needed:
        message = (
            f"CUDA {_shown(cuda)} needs driver {render_numbers(needed)} or newer, the node has "
            f"{render_numbers(driver)}: update the driver, or use an image with an older CUDA ({DRIVERS_SOURCE})"
        )
        yield Finding("problem", "driver", message)


def _check_context(model: ModelFacts, settings: Settings, tokens: int | None) -> Iterator[Finding]:
    if tokens is None:
        yield Finding("unknown", "max_model_len", "neither max_model_len nor max_position_embeddings is given")
    elif model.tokens_max is not None and tokens > model.tokens_max and not settings.long_context_allowed:
        message = f"max_model_len is {tokens} tokens, the model is made for {model.tokens_max}: the engine refuses more"
        yield Finding("problem", "max_model_len", message)


def _check_template(model: ModelFacts, settings: Settings) -> Iterator[Finding]:
    if not settings.chat or settings.chat_template_given:
        return
    if model.chat_template is False:
        message = "the model has no chat template: chat requests end with HTTP 400. Set model.chat_template"
        yield Finding("problem", "chat_template", message, stops=False)
    elif model.chat_template is None:
        message = "whether the model has a chat template was not checked: give path or tokenizer_config"
        yield Finding("warning", "chat_template", message)
