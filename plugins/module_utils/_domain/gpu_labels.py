# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which GPU a node has, from the labels of GPU Feature Discovery or of the cloud provider."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.placement import GPU_PRODUCT

__all__ = [
    "AMD_PRODUCTS",
    "GPU_TYPE",
    "INSTANCE_TYPES",
    "NODE_TYPE",
    "NVIDIA_PRODUCTS",
    "PRODUCTS",
    "derive_labels",
    "gpu_type",
]

# What tutorials select by, and nobody sets.
GPU_TYPE = "gpu-type"
NODE_TYPE = "node-type"
_GPU_NODE = "gpu-node"

# Who says which product it is, the most exact first: GPU Feature Discovery, GKE, EKS Auto Mode, Karpenter on AWS and on
# Azure; AMD's labeller. AKS' own label (kubernetes.azure.com/accelerator) names but the vendor.
NVIDIA_PRODUCTS = (
    GPU_PRODUCT,
    "cloud.google.com/gke-accelerator",
    "eks.amazonaws.com/instance-gpu-name",
    "karpenter.k8s.aws/instance-gpu-name",
    "karpenter.azure.com/sku-gpu-name",
)
AMD_PRODUCTS = ("amd.com/gpu.product-name", "beta.amd.com/gpu.product-name")
PRODUCTS = (*NVIDIA_PRODUCTS, *AMD_PRODUCTS)
INSTANCE_TYPES = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")

_VENDOR_WORDS = frozenset(("NVIDIA", "TESLA", "GEFORCE", "QUADRO", "AMD", "INSTINCT"))
_MODEL = re.compile(r"[A-Z]{1,2}[0-9]{1,4}[A-Z]{0,2}")
# https://aws.amazon.com/ec2/instance-types/accelerated-computing/
_AWS_FAMILIES = {
    "p3": "V100",
    "p3dn": "V100",
    "p4d": "A100",
    "p4de": "A100",
    "p5": "H100",
    "p5e": "H200",
    "p5en": "H200",
    "p6-b200": "B200",
    "p6-b300": "B300",
    "g4dn": "T4",
    "g5": "A10G",
    "g5g": "T4G",
    "g6": "L4",
    "gr6": "L4",
    "g6e": "L40S",
}
# https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions: Standard_NC24ads_A100_v4
_AZURE_GPU_SIZE = re.compile(r"Standard_N[A-Z]*[0-9]+[a-z]*_(?P<model>[A-Z]+[0-9]+[A-Z]*)_v[0-9]+")


def _model(product: str) -> str:
    """Return the short name of a product: ``A100`` of ``NVIDIA-A100-SXM4-80GB`` and of ``nvidia-tesla-a100``."""
    words = [word for word in re.split(r"[-_ ]+", product.upper()) if word and word not in _VENDOR_WORDS]
    if words and words[0] == "RTX":
        last = next((index for index, word in enumerate(words) if any(map(str.isdigit, word))), len(words) - 1)
        return "-".join(words[: last + 1])
    return next((word for word in words if _MODEL.fullmatch(word)), "-".join(words))


def _instance_model(instance_type: str) -> str | None:
    """Return the GPU that a provider's instance type has; None where the name does not tell."""
    if found := _AZURE_GPU_SIZE.fullmatch(instance_type):
        return found["model"]
    return _AWS_FAMILIES.get(instance_type.partition(".")[0])


def gpu_type(labels: Mapping[str, str]) -> str | None:
    """Return the short name of a node's GPU (``A100``), or None when no label tells."""
    product = next((labels[key] for key in PRODUCTS if labels.get(key)), None)
    if product is not None:
        return _model(product)
    return next((_instance_model(labels[key]) for key in INSTANCE_TYPES if key in labels), None)


def derive_labels(labels: Mapping[str, str]) -> dict[str, str] | None:
    """Return the labels that tutorials select by, for a node with a GPU; None when no label tells which GPU it is."""
    model = gpu_type(labels)
    return None if model is None else {GPU_TYPE: model, NODE_TYPE: _GPU_NODE}
