# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Model servers as the tests write them: real vLLM with the tiny model, and the stand-in engine."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import ENGINE

__all__ = ["Places", "find_places", "merged", "standin", "standin_configmap", "vllm"]

IMAGE = "llmops.local/python:3.11"
VLLM_VERSION = "0.32.0"


@dataclass(frozen=True)
class Places:
    """Where the cluster's kubeconfig and audit log are, and the node's folders with vLLM and the models."""

    kubeconfig: Path
    audit_log: Path
    engine: Path
    models: Path

    def volumes(self, namespace: str, node: str) -> Iterator[dict[str, Any]]:
        """Yield a PersistentVolume and its claim for each folder: one volume serves one claim of one namespace."""
        for name, folder in (("runtime", self.engine), ("models", self.models)):
            access = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
            term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
            yield {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": f"{namespace}-{name}"},
                "spec": {
                    **access,
                    "capacity": {"storage": "4Gi"},
                    "persistentVolumeReclaimPolicy": "Retain",
                    "claimRef": {"namespace": namespace, "name": name},
                    "local": {"path": str(folder)},
                    "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
                },
            }
            yield {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {
                    **access,
                    "volumeName": f"{namespace}-{name}",
                    "resources": {"requests": {"storage": "1Gi"}},
                },
            }


def find_places() -> Places:
    """Return the places by the environment."""
    kubeconfig = Path(os.environ.get("LLMOPS_TEST_KUBECONFIG", "/var/lib/llmops/local/etc/admin.kubeconfig"))
    audit = os.environ.get("LLMOPS_TEST_AUDIT_LOG", str(kubeconfig.parents[1] / "log" / "audit.log"))
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "llmops.kubernetes"
    engine = os.environ.get("LLMOPS_TEST_ENGINE") or _newest(cache / "engine")
    models = os.environ.get("LLMOPS_TEST_MODELS") or _newest(cache / "models")
    return Places(kubeconfig, Path(audit), Path(engine), Path(models))


def _newest(folder: Path) -> str:
    complete = sorted(folder.glob("*/.complete"), key=lambda marker: marker.stat().st_mtime)
    assert complete, f"nothing complete in {folder}: run the playbook that makes the local engine, or set LLMOPS_TEST_*"
    return str(complete[-1].parent)


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``change`` merged into its mappings."""
    result = copy.deepcopy(dict(base))
    for key, value in change.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return result
