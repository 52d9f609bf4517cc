# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces of tests and benchmarks: they enforce Pod Security ``restricted`` and name the process that made them.

What a killed process left, pods that crash for ever among it, would slow down all that comes after; so whoever begins
removes the namespaces whose process is gone.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.e2e.releases import Places
from tests.support.cluster import Cluster
from tests.support.processes import wait_until

__all__ = ["Namespaces", "make_namespaces"]

PURPOSE = "llmops.dev/purpose"
PROCESS = "llmops.dev/process"
CREATED = "llmops.dev/created"
# A process on another machine cannot be looked at; no session lasts that long.
STALE_SECONDS = 6 * 3600
END_SECONDS_MAX = 120.0
GIVEN = (("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default"))


def _find_process(number: int | str) -> str:
    """Return what names a process of this machine for all time, or nothing where there is none."""
    try:
        start_ticks = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{number}/{start_ticks}"


class Namespaces:
    """The namespaces that one process has made."""

    def __init__(self, cluster: Cluster, places: Places) -> None:
        self._cluster, self._places = cluster, places
        self._node = cluster.node
        self._made: list[str] = []

    def make(self, word: str) -> str:
        """Make a namespace with the volumes of engine and models; return its name."""
        name = f"{word}-{uuid.uuid4().hex[:6]}"
        self._made.append(name)
        labels = {"pod-security.kubernetes.io/enforce": "restricted", PURPOSE: "test"}
        notes = {CREATED: str(int(time.time())), PROCESS: _find_process(os.getpid())}
        meta = {"name": name, "labels": labels, "annotations": notes}
        self._cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        for manifest in self._places.volumes(name, self._node):
            self._cluster.create(manifest)
        # The cluster's controllers put these into every namespace, late when they have much to do: whoever looks for
        # what a run has changed must not see them come.
        for kind, item in GIVEN:
            wait_until(partial(self._cluster.get, kind, name, item), 60, f"{kind} {name}/{item}")
        return name

    def remove(self) -> None:
        """Delete all of them; a namespace takes the cluster some ten seconds, so not one after the other."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: self._cluster.delete_namespace(name, END_SECONDS_MAX), self._made))

    def remove_left_over(self) -> None:
        """Begin the end of what others made who are gone."""
        for item in self._cluster.items("Namespace", selector=f"{PURPOSE}=test"):
            notes = item["metadata"].get("annotations", {})
            boot, number = notes.get(PROCESS, "//").split("/")[:2]
            here = boot == _find_process(os.getpid()).partition("/")[0]
            gone = here and _find_process(number) != notes[PROCESS]
            if gone or time.time() - int(notes.get(CREATED, 0)) > STALE_SECONDS:
                self._cluster.delete_namespace(item["metadata"]["name"])


@contextmanager
def make_namespaces(cluster: Cluster, places: Places) -> Iterator[Namespaces]:
    """Yield a maker of namespaces; all of them are gone after the block, also on an error or an interrupt."""
    namespaces = Namespaces(cluster, places)
    namespaces.remove_left_over()
    try:
        yield namespaces
    finally:
        namespaces.remove()
