# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which resources and devices are accelerators, and what the labels of a node tell of them.

All of it is data, so that another vendor is another line. What no label says is unknown, with the reason; nothing is
guessed from names of machines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_labels import AMD_PRODUCTS, NVIDIA_PRODUCTS

__all__ = ["DRIVERS", "RESOURCES", "UNKNOWN", "Product", "find_hint", "is_accelerator", "is_extended", "parse_product"]

UNKNOWN = "unknown"

# Extended resources of device plugins; the names of what is no device of its own (memory, monitoring) are left out.
RESOURCES = (
    "nvidia.com/gpu",
    "nvidia.com/gpu.shared",  # time-slicing and MPS with renameByDefault
    "nvidia.com/mig-*",  # MIG strategy mixed
    "amd.com/gpu",
    "amd.com/*_nps*",  # partitions, such as amd.com/cpx_nps4
    "gpu.intel.com/i915",
    "gpu.intel.com/xe",
    "habana.ai/gaudi",
    "google.com/tpu",
    # Three counts of the same chips; nothing is ever added up over resources.
    "aws.amazon.com/neuron",
    "aws.amazon.com/neurondevice",
    "aws.amazon.com/neuroncore",
    "huawei.com/Ascend*",
    "cambricon.com/mlu*",
    "qualcomm.com/qaic*",
)
# Drivers of dynamic resource allocation; others (networks, compute domains) publish no accelerators.
DRIVERS = ("gpu.*", "gaudi.*", "tpu.*", "npu.*", "neuron.*")

_NVIDIA, _MIG = "nvidia.com/gpu", "nvidia.com/mig-"
# By the domain of a resource, the most exact first.
_PRODUCT_LABELS: Mapping[str, tuple[str, ...]] = {
    "nvidia.com": NVIDIA_PRODUCTS,
    "amd.com": AMD_PRODUCTS,
    "gpu.intel.com": ("gpu.intel.com/product",),
    "google.com": ("cloud.google.com/gke-tpu-accelerator",),
    "aws.amazon.com": ("eks.amazonaws.com/instance-accelerator-name", "karpenter.k8s.aws/instance-accelerator-name"),
}
# MiB of one device.
_MEMORY_LABELS: Mapping[str, tuple[str, ...]] = {
    "nvidia.com": ("eks.amazonaws.com/instance-gpu-memory", "karpenter.k8s.aws/instance-gpu-memory"),
}
_GIB_LABELS: Mapping[str, tuple[str, ...]] = {"amd.com": ("amd.com/gpu.vram", "beta.amd.com/gpu.vram")}  # such as 192G
# Labels of a node that has an accelerator, whether or not anything offers it.
_HINTS = (("nvidia.com/gpu.present", "true"), ("feature.node.kubernetes.io/amd-gpu", "true"))

_SHARED_RESOURCE, _SHARED_PRODUCT = ".shared", "-SHARED"
# https://github.com/NVIDIA/k8s-device-plugin/tree/main/docs/gpu-feature-discovery
_MIG_PRODUCT = re.compile(r"-MIG-(\d+g\.\d+gb[^-]*)(?:-SHARED)?$")
_NUMBER = re.compile(r"^(\d+)[A-Za-z]*$")


@dataclass(frozen=True)
class Product:
    """What labels tell of the devices behind a resource of a node; None is unknown, and ``reason`` says why.

    ``memory_mib`` is that of one device, which its replicas share. ``replicas`` are the units that the kubelet offers
    for each device (1: not shared), ``count`` the devices that the labels count. ``sharing`` is ``none``,
    ``time-slicing``, ``mps``, or ``unknown`` for one that no label names.
    """

    name: str | None = None
    reason: str | None = None
    memory_mib: int | None = None
    compute_capability: str | None = None
    driver_version: str | None = None
    cuda_version: str | None = None
    mig_profile: str | None = None
    sharing: str = "none"
    replicas: int | None = 1
    count: int | None = None


def is_extended(resource: str) -> bool:
    """Whether a name is that of an extended resource, which a device plugin or an administrator brings."""
    domain, slash, _name = resource.partition("/")
    return bool(slash) and not domain.endswith("kubernetes.io")


def is_accelerator(name: str, patterns: Iterable[str]) -> bool:
    """Whether a resource or a driver is one of these names, in which ``*`` stands for anything."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _first(labels: Mapping[str, str], keys: Iterable[str]) -> str | None:
    return next((labels[key] for key in keys if labels.get(key)), None)


def _number(text: str | None) -> int | None:
    match = _NUMBER.match(text or "")
    return int(match[1]) if match else None


def _version(labels: Mapping[str, str], *families: tuple[str, tuple[str, ...]]) -> str | None:
    """Return a version from the first family of labels that is there: its full text, or its parts with dots."""
    for prefix, parts in families:
        if full := labels.get(f"{prefix}.full"):
            return full
        found = [labels[f"{prefix}.{part}"] for part in parts if labels.get(f"{prefix}.{part}")]
        if found:
            return ".".join(found)
    return None


def _name(domain: str, resource: str, labels: Mapping[str, str]) -> tuple[str | None, str | None]:
    keys = _PRODUCT_LABELS.get(domain, ())
    if resource.startswith(_MIG):
        keys = (f"{resource}.product", *keys)
    if found := _first(labels, keys):
        return found, None
    if not keys:
        return None, f"no label is known that names products of {domain}"
    return None, f"the node has no label {' or '.join(keys)}"


def _sharing(resource: str, base: str, name: str | None, labels: Mapping[str, str]) -> tuple[str, int | None]:
    """Return how devices are shared, and the units for each; GKE has labels of its own."""
    strategy = _first(labels, (f"{base}.sharing-strategy", "cloud.google.com/gke-gpu-sharing-strategy")) or "none"
    if strategy == "none" and (resource.endswith(_SHARED_RESOURCE) or (name or "").endswith(_SHARED_PRODUCT)):
        strategy = UNKNOWN
    if strategy == "none":
        return strategy, 1
    replicas = _number(_first(labels, (f"{base}.replicas", "cloud.google.com/gke-max-shared-clients-per-gpu")))
    return strategy, replicas or None


def _parse_nvidia(resource: str, labels: Mapping[str, str]) -> Product:
    base = resource[: -len(_SHARED_RESOURCE)] if resource.endswith(_SHARED_RESOURCE) else resource
    name, reason = _name("nvidia.com", base, labels)
    sharing, replicas = _sharing(resource, base, name, labels)
    profile = labels.get("cloud.google.com/gke-gpu-partition-size")
    if base.startswith(_MIG):
        profile = base[len(_MIG) :]
    elif match := _MIG_PRODUCT.search(name or ""):
        profile = match[1]
    return Product(
        name=name,
        reason=reason,
        memory_mib=_number(_first(labels, (f"{base}.memory", *_MEMORY_LABELS["nvidia.com"]))),
        compute_capability=_version(labels, ("nvidia.com/gpu.compute", ("major", "minor"))),
        driver_version=_version(
            labels,
            ("nvidia.com/cuda.driver-version", ("major", "minor", "revision")),
            ("nvidia.com/cuda.driver", ("major", "minor", "rev")),
        ),
        cuda_version=_version(
            labels,
            ("nvidia.com/cuda.runtime-version", ("major", "minor")),
            ("nvidia.com/cuda.runtime", ("major", "minor")),
        ),
        mig_profile=profile,
        sharing=sharing,
        replicas=replicas,
        # With strategy mixed, the count of whole GPUs does not say which of them are cut.
        count=None if labels.get("nvidia.com/mig.strategy") == "mixed" and base == _NVIDIA else _count(base, labels),
    )


def _count(base: str, labels: Mapping[str, str]) -> int | None:
    return _number(labels.get(f"{base}.count"))


def parse_product(resource: str, labels: Mapping[str, str]) -> Product:
    """Return what the labels of a node tell of a resource."""
    domain = resource.partition("/")[0]
    if resource in (_NVIDIA, _NVIDIA + _SHARED_RESOURCE) or resource.startswith(_MIG):
        return _parse_nvidia(resource, labels)
    name, reason = _name(domain, resource, labels)
    gib = _number(_first(labels, _GIB_LABELS.get(domain, ())))
    return Product(name, reason, memory_mib=gib * 1024 if gib is not None else None)


def find_hint(labels: Mapping[str, str]) -> str | None:
    """Return the label by which a node says that it has an accelerator, as ``key=value``; else None."""
    pairs = [(key, value) for key, value in _HINTS if labels.get(key) == value]
    pairs += [(key, labels[key]) for keys in _PRODUCT_LABELS.values() for key in keys if labels.get(key)]
    return "=".join(pairs[0]) if pairs else None
