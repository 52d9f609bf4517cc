# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.accelerators import (
    DRIVERS,
    RESOURCES,
    Product,
    find_hint,
    is_accelerator,
    is_extended,
    parse_product,
)

from tests.unit.plugins.module_utils._domain.accelerator_nodes import A100, GKE_T4, H100_SLICES, MI300X, MIXED, SHARED

GPU = "nvidia.com/gpu"


@pytest.mark.parametrize(
    "name",
    [
        GPU,
        "nvidia.com/gpu.shared",
        "nvidia.com/mig-3g.40gb",
        "amd.com/gpu",
        "amd.com/cpx_nps4",
        "gpu.intel.com/i915",
        "habana.ai/gaudi",
        "google.com/tpu",
        "aws.amazon.com/neuroncore",
        "huawei.com/Ascend910",
    ],
)
def test_accelerators_of_the_vendors_are_known_by_name(name: str) -> None:
    assert is_accelerator(name, RESOURCES)


@pytest.mark.parametrize(
    "name", ["cpu", "rdma/hca", "nvidia.com/gpumem", "gpu.intel.com/i915_monitoring", "gpu.intel.com/memory.max"]
)
def test_what_is_no_device_to_compute_with_does_not_count(name: str) -> None:
    assert not is_accelerator(name, RESOURCES)


def test_drivers_of_networks_and_compute_domains_publish_no_accelerators() -> None:
    drivers = ["gpu.nvidia.com", "gpu.amd.com", "gaudi.intel.com", "compute-domain.nvidia.com", "dra.net"]
    assert [name for name in drivers if is_accelerator(name, DRIVERS)] == drivers[:3]


def test_extended_resources_have_a_domain_that_is_not_the_projects_own() -> None:
    names = [GPU, "example.com/dongle", "cpu", "hugepages-2Mi", "kubernetes.io/batch-cpu", "scheduling.kubernetes.io/x"]
    assert [name for name in names if is_extended(name)] == names[:2]


def test_a_whole_gpu_is_read_from_the_labels_of_gpu_feature_discovery() -> None:
    assert parse_product(GPU, A100) == Product(
        name="NVIDIA-A100-SXM4-80GB",
        memory_mib=81920,
        compute_capability="8.0",
        driver_version="570.86.15",
        cuda_version="12.8",
        replicas=1,
        count=8,
    )


def test_a_shared_gpu_tells_how_and_into_how_many_and_old_labels_of_versions_are_read() -> None:
    product = parse_product(GPU, SHARED)
    assert (product.name, product.sharing, product.replicas, product.count) == (
        "Tesla-T4-SHARED",
        "time-slicing",
        4,
        4,
    )
    assert (product.driver_version, product.cuda_version) == ("535.104.05", "12.2")


def test_a_renamed_resource_of_shared_gpus_has_the_labels_of_the_gpu() -> None:
    labels = {**SHARED, "nvidia.com/gpu.product": "Tesla-T4", "nvidia.com/gpu.sharing-strategy": "mps"}
    product = parse_product("nvidia.com/gpu.shared", labels)
    assert (product.name, product.sharing, product.replicas, product.memory_mib) == ("Tesla-T4", "mps", 4, 15360)


@pytest.mark.parametrize(
    ("resource", "name"), [(GPU, "Tesla-T4-SHARED"), ("nvidia.com/gpu.shared", "Tesla-T4"), (GPU + ".shared", "")]
)
def test_sharing_that_no_label_explains_is_unknown(resource: str, name: str) -> None:
    product = parse_product(resource, {"nvidia.com/gpu.product": name})
    assert (product.sharing, product.replicas) == ("unknown", None)


def test_slices_of_both_strategies_are_told_with_their_profile_and_their_own_memory() -> None:
    single = parse_product(GPU, H100_SLICES)
    assert (single.mig_profile, single.memory_mib, single.count) == ("1g.10gb", 9984, 56)
    mixed = parse_product("nvidia.com/mig-1g.5gb", MIXED)
    assert (mixed.name, mixed.mig_profile, mixed.memory_mib, mixed.count) == (
        "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb",
        "1g.5gb",
        4864,
        14,
    )
    whole = parse_product(GPU, MIXED)
    assert (whole.mig_profile, whole.count) == (None, None)


def test_slices_whose_own_product_has_no_label_have_that_of_the_gpu() -> None:
    assert parse_product("nvidia.com/mig-2g.10gb", MIXED).name == "NVIDIA-A100-SXM4-40GB"
    assert parse_product("nvidia.com/mig-1g.5gb.shared", MIXED).mig_profile == "1g.5gb"


def test_labels_of_providers_name_the_product_where_the_vendors_are_missing() -> None:
    product = parse_product(GPU, GKE_T4)
    assert (product.name, product.sharing, product.replicas) == ("nvidia-tesla-t4", "time-sharing", 3)
    karpenter = {"karpenter.k8s.aws/instance-gpu-name": "a10g", "karpenter.k8s.aws/instance-gpu-memory": "22888"}
    assert (parse_product(GPU, karpenter).name, parse_product(GPU, karpenter).memory_mib) == ("a10g", 22888)
    assert parse_product(GPU, {"cloud.google.com/gke-gpu-partition-size": "1g.5gb"}).mig_profile == "1g.5gb"


def test_other_vendors_are_read_by_their_own_labels() -> None:
    assert parse_product("amd.com/gpu", MI300X) == Product("AMD_Instinct_MI300X_OAM", memory_mib=192 * 1024)
    assert parse_product("google.com/tpu", {"cloud.google.com/gke-tpu-accelerator": "tpu-v6e-slice"}).name == (
        "tpu-v6e-slice"
    )


def test_a_product_without_a_label_is_unknown_with_the_reason() -> None:
    product = parse_product("amd.com/gpu", A100)
    assert product.name is None
    assert product.reason == "the node has no label amd.com/gpu.product-name or beta.amd.com/gpu.product-name"
    assert parse_product("habana.ai/gaudi", {}).reason == "no label is known that names products of habana.ai"


def test_labels_with_other_text_than_numbers_are_unknown() -> None:
    product = parse_product(GPU, {**A100, "nvidia.com/gpu.memory": "much", "nvidia.com/gpu.count": ""})
    assert (product.memory_mib, product.count) == (None, None)


def test_a_node_hints_at_its_accelerator_by_a_label() -> None:
    assert find_hint(A100) == "nvidia.com/gpu.present=true"
    assert find_hint(MI300X) == "amd.com/gpu.product-name=AMD_Instinct_MI300X_OAM"
    assert find_hint({"nvidia.com/gpu.present": "false", "zone": "a"}) is None
