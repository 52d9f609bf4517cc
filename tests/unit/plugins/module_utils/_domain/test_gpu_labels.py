# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which GPU a node has, by the labels that operators and providers set."""

from __future__ import annotations

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_labels import derive_labels, gpu_type

GFD, GKE, INSTANCE = "nvidia.com/gpu.product", "cloud.google.com/gke-accelerator", "node.kubernetes.io/instance-type"


@pytest.mark.parametrize(
    ("key", "value", "model"),
    [
        (GFD, "NVIDIA-A100-SXM4-80GB", "A100"),
        (GFD, "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "A100"),
        (GFD, "NVIDIA-H100-80GB-HBM3-SHARED", "H100"),
        (GFD, "Tesla-T4", "T4"),
        (GFD, "NVIDIA-L40S", "L40S"),
        (GFD, "NVIDIA-GH200-480GB", "GH200"),
        (GFD, "NVIDIA-GeForce-RTX-4090", "RTX-4090"),
        (GFD, "NVIDIA-RTX-A6000", "RTX-A6000"),
        (GFD, "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", "RTX-PRO-6000"),
        (GFD, "NVIDIA-RTX", "RTX"),
        (GFD, "Something-New", "SOMETHING-NEW"),
        (GKE, "nvidia-tesla-a100", "A100"),
        (GKE, "nvidia-h100-mega-80gb", "H100"),
        ("eks.amazonaws.com/instance-gpu-name", "l40s", "L40S"),
        ("karpenter.k8s.aws/instance-gpu-name", "t4", "T4"),
        ("karpenter.azure.com/sku-gpu-name", "A100", "A100"),
        ("amd.com/gpu.product-name", "AMD_Instinct_MI300X_OAM", "MI300X"),
        (INSTANCE, "p4d.24xlarge", "A100"),
        (INSTANCE, "g6e.xlarge", "L40S"),
        (INSTANCE, "Standard_NC24ads_A100_v4", "A100"),
        (INSTANCE, "Standard_NC4as_T4_v3", "T4"),
        ("beta.kubernetes.io/instance-type", "g5.xlarge", "A10G"),
        (INSTANCE, "Standard_NC6s_v3", None),
        (INSTANCE, "m5.large", None),
        ("kubernetes.azure.com/accelerator", "nvidia", None),
    ],
)
def test_the_short_name_of_a_gpu(key: str, value: str, model: str | None) -> None:
    assert gpu_type({key: value}) == model


def test_gpu_feature_discovery_knows_better_than_the_provider() -> None:
    assert gpu_type({GFD: "NVIDIA-L4", GKE: "nvidia-tesla-a100", INSTANCE: "p5.48xlarge"}) == "L4"


def test_the_labels_of_tutorials_follow_from_it_or_are_not_known() -> None:
    assert derive_labels({GKE: "nvidia-l4"}) == {"gpu-type": "L4", "node-type": "gpu-node"}
    assert derive_labels({}) is None
