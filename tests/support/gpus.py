# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pretended GPUs of a local cluster: how many its node has, and which of them are sick."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.cluster import Cluster
from tests.support.processes import wait_until

__all__ = ["RESOURCE", "Gpus", "borrow_gpus"]

RESOURCE = "nvidia.com/gpu"
# The device plugin looks at its file twice a second, kubelet tells the API server every 5 s, on a busy machine later.
TOLD_SECONDS_MAX = 60.0


class Gpus:
    """The GPUs as the device plugin of role local_cluster reads them, a line for each: ``ID`` or ``ID unhealthy``."""

    def __init__(self, cluster: Cluster, file: Path) -> None:
        self._cluster, self._file = cluster, file

    def set(self, count: int, unhealthy: Sequence[int] = ()) -> None:
        """Have so many, of which those with these numbers (from 0) are sick, and wait until the node says so."""
        marks = dict.fromkeys(unhealthy, " unhealthy")
        self.write("".join(f"GPU-{number}{marks.get(number, '')}\n" for number in range(count)))

    def read(self) -> str:
        """Return the text of the file."""
        return self._file.read_text()

    def write(self, text: str) -> None:
        """Replace the file, whole, so that the plugin never reads half of it; wait until the node says so."""
        new = self._file.with_name(f".{self._file.name}.new")
        new.write_text(text)
        os.replace(new, self._file)
        lines = [line.split() for line in text.splitlines() if line.strip()]
        wanted = (len(lines), sum(len(words) == 1 for words in lines))
        wait_until(lambda: self.told() == wanted, TOLD_SECONDS_MAX, f"{RESOURCE} {wanted}, of which allocatable", 0.25)

    def told(self) -> tuple[int, int]:
        """Return how many GPUs the node says that it has, and how many of them can be allocated."""
        node = self._cluster.get("Node", "", self._cluster.node)
        assert node is not None
        capacity, allocatable = (int(node["status"][field].get(RESOURCE, 0)) for field in ("capacity", "allocatable"))
        return capacity, allocatable


@contextmanager
def borrow_gpus(cluster: Cluster, file: Path) -> Iterator[Gpus]:
    """Yield the GPUs; after the block they are as they were."""
    gpus = Gpus(cluster, file)
    before = gpus.read()
    try:
        yield gpus
    finally:
        gpus.write(before)
