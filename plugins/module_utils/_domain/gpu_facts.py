# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known about GPUs: memory as the driver reports it, compute capability, and drivers for CUDA.

The labels of the GPU Operator (``nvidia.com/gpu.memory`` and its neighbours) are better than any table: they come from
the card itself. The table serves for planning without a cluster.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields, nearest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import Amount, GpuFacts
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import GIB, MIB
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["DRIVERS_SOURCE", "PRODUCTS", "driver_minimum", "parse_gpu", "parse_numbers", "render_numbers"]

# Product as GPU Feature Discovery labels it: MiB as nvidia-smi of recent drivers shows, compute capability
# (https://developer.nvidia.com/cuda-gpus), and GiB that a process sees where that was measured.
PRODUCTS: Mapping[str, tuple[int, tuple[int, int], float | None]] = {
    "NVIDIA-A10": (23028, (8, 6), None),
    "NVIDIA-A100-PCIE-40GB": (40960, (8, 0), None),
    "NVIDIA-A100-SXM4-40GB": (40960, (8, 0), None),
    "NVIDIA-A100-SXM4-80GB": (81920, (8, 0), 79.15),
    "NVIDIA-A10G": (23028, (8, 6), None),
    "NVIDIA-A40": (46068, (8, 6), None),
    "NVIDIA-B200": (183359, (10, 0), None),
    "NVIDIA-GeForce-RTX-3090": (24576, (8, 6), 23.58),
    "NVIDIA-H100-80GB-HBM3": (81559, (9, 0), 79.18),
    "NVIDIA-H100-PCIe": (81559, (9, 0), None),
    "NVIDIA-H200": (143771, (9, 0), None),
    "NVIDIA-L20": (46068, (8, 9), None),
    "NVIDIA-L4": (23034, (8, 9), None),
    "NVIDIA-L40S": (46068, (8, 9), None),
    "Tesla-T4": (15360, (7, 5), None),
    "Tesla-V100-SXM2-32GB": (32768, (7, 0), None),
}
_PRODUCTS_SOURCE = (
    "measured: vllm-project/vllm#10517, llm-d-incubation/llm-d-planner docs/empirical-vllm-memory-results.md"
)
# What the driver keeps of the reported memory: 0.42 GiB of an RTX 3090, 0.47 of an H100, 0.85 of an A100 80GB (sources
# above); older versions of GPU Feature Discovery label what is left already (15109 MiB of a T4).
_KEPT_GIB, _KEPT_GIB_MAX = 0.5, 0.9
_USABLE_SOURCE = "0 to 0.9 GiB of the reported memory stay with the driver (measured: 0.42 to 0.85)"
# https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html and the CUDA release notes
DRIVERS_SOURCE = "docs.nvidia.com, CUDA Compatibility, Minor Version Compatibility"
_DRIVERS: Mapping[int, tuple[int, ...]] = {11: (450, 80, 2), 12: (525, 60, 13), 13: (580,)}
_LABELS = {
    "memory_mib": "nvidia.com/gpu.memory",
    "product": "nvidia.com/gpu.product",
    "major": "nvidia.com/gpu.compute.major",
    "minor": "nvidia.com/gpu.compute.minor",
}
_DRIVER_FULL = "nvidia.com/cuda.driver-version.full"
_DRIVER_PARTS = ("nvidia.com/cuda.driver.major", "nvidia.com/cuda.driver.minor", "nvidia.com/cuda.driver.rev")
# Replicas of one card, in time or by MPS: each sees the whole memory, and nobody says who takes how much.
_SHARING = "nvidia.com/gpu.sharing-strategy"
_PARTITION = re.compile(r"-MIG-[0-9a-z.+]+$")


def parse_numbers(text: str) -> tuple[int, ...] | None:
    """Return the numbers of a version (``535.104.05``), None where it is none."""
    parts = text.strip().split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else None


def render_numbers(numbers: tuple[int, ...]) -> str:
    """Return a version as text."""
    return ".".join(str(number) for number in numbers)


def driver_minimum(cuda_version: tuple[int, int]) -> tuple[int, ...] | None:
    """Return the oldest driver that runs programs built with a CUDA version, None for versions not known here."""
    return _DRIVERS.get(cuda_version[0])


def parse_gpu(options: Mapping[str, Any]) -> GpuFacts:
    """Return a GPU from the option ``gpu``: what is written by hand goes before ``labels``, those before the table.

    InputError names every problem; a GPU without memory is one.
    """
    problems: list[Problem] = []
    fields = Fields(options, "gpu", problems)
    labels = {str(key): str(value) for key, value in fields.nested("labels").whole().items()}
    product = fields.text("product", None) or labels.get(_LABELS["product"])
    shared = (product or "").endswith("-SHARED") or labels.get(_SHARING, "none") != "none"
    plain = (product or "").replace("-SHARED", "").replace(" ", "-")
    known = PRODUCTS.get(plain)
    memory = _memory_bytes(fields, labels, known)
    if memory is None:
        _explain_memory(fields, plain)
    capability = _capability(fields, labels) or (known[1] if known else None)
    driver = _driver(fields, labels)
    if problems or memory is None:
        raise InputError(problems)
    measured = known[2] if known and memory == known[0] * MIB else None
    gib = memory / GIB
    usable = (
        Amount.computed(measured * GIB, _PRODUCTS_SOURCE)
        if measured is not None
        else Amount.estimated(gib - _KEPT_GIB, gib - _KEPT_GIB_MAX, gib, _USABLE_SOURCE)
    )
    return GpuFacts(memory, usable, product, capability, driver, shared)


def _memory_bytes(
    fields: Fields, labels: Mapping[str, str], known: tuple[int, tuple[int, int], float | None] | None
) -> int | None:
    gib = fields.number("memory_gib", None, above=0, unit="GiB")
    mib = fields.integer("memory_mib", None, minimum=1, unit="MiB")
    label = labels.get(_LABELS["memory_mib"], "")
    if gib is not None and mib is not None:
        fields.problem("memory_mib", "is given together with memory_gib", mib, hint="Keep one of them.")
    if gib is not None:
        return int(gib * GIB)
    if mib is None and label:
        mib = int(label) if label.isdigit() and int(label) > 0 else None
        if mib is None:
            fields.problem("labels", f"{_LABELS['memory_mib']} is no number of MiB", label, "such as 81559")
    if mib is None and known is not None:
        mib = known[0]
    return None if mib is None else mib * MIB


def _explain_memory(fields: Fields, product: str) -> None:
    if fields.problems:
        return
    if _PARTITION.search(product):
        hint = "Give memory_mib of the slice, from the label nvidia.com/mig-PROFILE.memory or nvidia.com/gpu.memory."
        fields.problem("product", "is a slice of a GPU, whose memory no table knows", product, hint=hint)
        return
    guess = nearest(product, list(PRODUCTS)) if product else None
    fields.problem(
        "product" if product else "memory_mib",
        "is not known here" if product else "is required, or memory_gib, a known product, or labels",
        product or None,
        ", ".join(sorted(PRODUCTS)),
        f"Did you mean {guess}? Else give memory_mib." if guess else "Give memory_mib, as nvidia-smi shows it.",
    )


def _capability(fields: Fields, labels: Mapping[str, str]) -> tuple[int, int] | None:
    written = fields.raw("compute_capability")
    text = str(written) if written is not None else f"{labels.get(_LABELS['major'])}.{labels.get(_LABELS['minor'])}"
    numbers = parse_numbers(text)
    if numbers is not None and len(numbers) == 2:
        return numbers[0], numbers[1]
    if written is not None:
        fields.problem("compute_capability", "is no compute capability", written, 'such as "8.9"')
    return None


def _driver(fields: Fields, labels: Mapping[str, str]) -> tuple[int, ...] | None:
    text = fields.text("driver_version", None)
    if text is None:
        parts = [labels[key] for key in _DRIVER_PARTS if labels.get(key)]
        text = labels.get(_DRIVER_FULL) or (".".join(parts) if parts else None)
    numbers = parse_numbers(text) if text is not None else None
    if text is not None and numbers is None:
        fields.problem("driver_version", "is no version of a driver", text, "such as 550.54.15")
    return numbers
