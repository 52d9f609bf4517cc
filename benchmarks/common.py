# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces that go at the end, also on an interrupt; the programs that are compared, their versions; medians."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.e2e.namespaces import make_namespaces
from tests.e2e.releases import Places, standin_configmap
from tests.support.cluster import Cluster
from tests.support.playbooks import ROOT, Project, run_module

__all__ = [
    "Goal",
    "Spread",
    "environment",
    "find_versions",
    "module",
    "namespaces",
    "print_goals",
    "save",
]


@dataclass(frozen=True)
class Goal:
    """A limit and what was measured, in the same unit; at most the limit is met."""

    words: str
    measured: float
    limit: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether the measured value is within the limit."""
        return self.measured <= self.limit

    def data(self) -> dict[str, Any]:
        """Return the goal as plain data."""
        values = {"measured": round(self.measured, 3), "limit": self.limit, "unit": self.unit}
        return {"goal": self.words, **values, "met": self.met}


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing, in seconds."""

    seconds: Sequence[float]

    @property
    def median(self) -> float:
        """The median in seconds."""
        return statistics.median(self.seconds)

    def data(self) -> dict[str, Any]:
        """Return the measurements as plain data."""
        return {
            "min": round(min(self.seconds), 3),
            "median": round(self.median, 3),
            "max": round(max(self.seconds), 3),
            "all": [round(each, 3) for each in self.seconds],
        }


@contextmanager
def namespaces(cluster: Cluster, places: Places, words: Sequence[str]) -> Iterator[dict[str, str]]:
    """Make a namespace with the stand-in engine and volumes for each word; all of them are gone after the block."""
    with make_namespaces(cluster, places) as maker:
        made = {word: maker.make(f"bench-{word}") for word in words}
        for name in made.values():
            cluster.create(standin_configmap(name))
        yield made


def module(called: str, places: Places, /, **arguments: Any) -> dict[str, Any]:
    """Run a module of the collection here; a failure ends the benchmark with the module's words."""
    result = run_module(called, {"kubeconfig": str(places.kubeconfig), **arguments})
    if result.get("failed"):
        raise SystemExit(f"{called}: {result['msg']}")
    return result


def environment(project: Project) -> dict[str, str]:
    """Return the environment of what is timed, where Python keeps what it has compiled, as it does for most people."""
    kept = {"PYTHONPYCACHEPREFIX": str(ROOT / "build" / "pycache")}
    return {**{k: v for k, v in project.environment().items() if k != "PYTHONDONTWRITEBYTECODE"}, **kept}


def _output(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def find_versions(cluster: Cluster, *programs: str) -> dict[str, str]:
    """Return the versions of all that takes part, and the date; ``programs`` are paths of kubectl and helm."""
    packages = {name: importlib.metadata.version(name) for name in ("ansible-core", "kubernetes")}
    galaxy = json.loads(_output("ansible-galaxy", "collection", "list", "kubernetes.core", "--format", "json"))
    core = next(folder["kubernetes.core"]["version"] for folder in galaxy.values() if "kubernetes.core" in folder)
    versions = {"python": platform.python_version(), **packages, "kubernetes.core": core}
    for program in programs:
        if Path(program).name == "helm":
            versions["helm"] = _output(program, "version", "--template", "{{.Version}}")
        else:
            client = json.loads(_output(program, "version", "--client", "--output", "json"))
            versions["kubectl"] = client["clientVersion"]["gitVersion"]
    versions["server"] = cluster.call("GET", "/version")["gitVersion"]
    load = f"{os.getloadavg()[2]:.1f} of {os.cpu_count()} cores, 15 minutes"
    return {**versions, "load": load, "measured_at": datetime.now(timezone.utc).isoformat(timespec="seconds")}


def print_goals(goals: Sequence[Goal]) -> None:
    """Print each goal with what was measured and whether it is met."""
    for goal in goals:
        word = "met    " if goal.met else "NOT MET"
        print(f"{word}  {goal.words}: {goal.measured:.2f} {goal.unit}, at most {goal.limit:g}")


def save(path: Path | None, report: dict[str, Any]) -> None:
    """Write a report as JSON where a path is given."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=2) + "\n")
