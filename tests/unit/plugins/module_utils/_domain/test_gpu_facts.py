# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs: from what is written, from a node's labels, and from the table."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_facts import (
    PRODUCTS,
    driver_minimum,
    parse_gpu,
    parse_numbers,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import GIB, MIB
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError

LABELS = {
    "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
    "nvidia.com/gpu.memory": "81559",
    "nvidia.com/gpu.compute.major": "9",
    "nvidia.com/gpu.compute.minor": "0",
    "nvidia.com/cuda.driver.major": "550",
    "nvidia.com/cuda.driver.minor": "54",
    "nvidia.com/cuda.driver.rev": "15",
}


def complaint(**options: Any) -> str:
    with pytest.raises(InputError) as caught:
        parse_gpu(options)
    return caught.value.message


def test_the_labels_of_a_node_say_everything() -> None:
    facts = parse_gpu({"labels": LABELS})
    assert facts.memory_bytes == 81559 * MIB
    assert facts.compute_capability == (9, 0)
    assert facts.driver_version == (550, 54, 15)
    assert (facts.usable.gib, facts.usable.how) == (79.18, "computed")
    assert not facts.shared


def test_what_is_written_goes_before_the_labels_and_the_table() -> None:
    facts = parse_gpu({"labels": LABELS, "memory_gib": 40, "compute_capability": "8.9", "driver_version": "580.65.06"})
    assert facts.memory_bytes == 40 * GIB
    assert facts.compute_capability == (8, 9)
    assert facts.driver_version == (580, 65, 6)


def test_a_driver_keeps_some_of_a_memory_that_was_never_measured() -> None:
    usable = parse_gpu({"memory_mib": 46068}).usable
    assert usable.how == "estimated"
    assert usable.gib_min < usable.gib < usable.gib_max == 46068 / 1024


def test_the_newer_label_of_the_driver_is_read_too() -> None:
    labels = {"nvidia.com/gpu.memory": "15360", "nvidia.com/cuda.driver-version.full": "535.183.01"}
    assert parse_gpu({"labels": labels}).driver_version == (535, 183, 1)


@pytest.mark.parametrize("product", sorted(PRODUCTS))
def test_a_known_product_needs_nothing_beside_its_name(product: str) -> None:
    facts = parse_gpu({"product": product})
    assert facts.memory_bytes == PRODUCTS[product][0] * MIB
    assert facts.compute_capability == PRODUCTS[product][1]
    assert facts.usable.gib_min < facts.memory_bytes / GIB


def test_the_name_that_nvidia_smi_shows_is_known_too() -> None:
    assert parse_gpu({"product": "NVIDIA L40S"}).compute_capability == (8, 9)


def test_a_card_that_pods_share_in_time_is_marked() -> None:
    facts = parse_gpu({"product": "Tesla-T4-SHARED"})
    assert facts.shared
    assert parse_gpu({"labels": {**LABELS, "nvidia.com/gpu.sharing-strategy": "time-slicing"}}).shared
    assert not parse_gpu({"labels": {**LABELS, "nvidia.com/gpu.sharing-strategy": "none"}}).shared
    assert facts.compute_capability == (7, 5)


def test_a_gpu_without_memory_is_refused_with_what_is_known() -> None:
    assert complaint().startswith(
        "gpu.memory_mib: is required, or memory_gib, a known product, or labels; allowed: NVI"
    )


def test_an_unknown_product_is_refused_with_the_nearest_name() -> None:
    assert "Did you mean NVIDIA-L40S? Else give memory_mib." in complaint(product="NVIDIA-L40G")
    assert complaint(product="Voodoo 2").endswith("Give memory_mib, as nvidia-smi shows it.")


def test_a_slice_of_a_gpu_needs_its_memory() -> None:
    text = complaint(product="NVIDIA-A100-SXM4-80GB-MIG-1g.10gb")
    assert "is a slice of a GPU, whose memory no table knows" in text
    facts = parse_gpu({"product": "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", "memory_mib": 9728})
    assert facts.memory_bytes == 9728 * MIB


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"memory_mib": 1, "memory_gib": 1}, "gpu.memory_mib: is given together with memory_gib"),
        ({"labels": {"nvidia.com/gpu.memory": "80Gi"}}, "gpu.labels: nvidia.com/gpu.memory is no number of MiB"),
        ({"memory_gib": 1, "compute_capability": "eight"}, "gpu.compute_capability: is no compute capability"),
        ({"memory_gib": 1, "driver_version": "newest"}, "gpu.driver_version: is no version of a driver"),
        ({"memory_gib": 0}, "gpu.memory_gib: expected a number"),
    ],
)
def test_what_cannot_be_read_is_refused(options: dict[str, Any], words: str) -> None:
    assert re.search(re.escape(words), complaint(**options))


@pytest.mark.parametrize(("cuda", "driver"), [((11, 8), (450, 80, 2)), ((12, 9), (525, 60, 13)), ((13, 0), (580,))])
def test_each_major_version_of_cuda_has_its_oldest_driver(cuda: tuple[int, int], driver: tuple[int, ...]) -> None:
    assert driver_minimum(cuda) == driver


def test_the_driver_of_a_future_cuda_is_not_guessed() -> None:
    assert driver_minimum((14, 0)) is None


def test_versions_are_numbers_with_dots() -> None:
    assert parse_numbers("12.9") == (12, 9)
    assert parse_numbers("12.x") is None
