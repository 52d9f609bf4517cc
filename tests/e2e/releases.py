# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Model servers as the tests write them: real vLLM with the tiny model, and the stand-in engine."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.cluster import Cluster
from tests.support.processes import ENGINE

__all__ = ["Places", "RealServer", "find_places", "merged", "put_green_slot", "standin", "standin_configmap", "vllm"]

IMAGE = "llmops.local/python:3.11"
VLLM_VERSION = "0.32.0"
TIMES = {
    "probes": {"startup_period_seconds": 1, "readiness_period_seconds": 1, "startup_seconds_max": 300},
    "drain": {"endpoint_seconds": 3, "stream_seconds_max": 20},
}


@dataclass(frozen=True)
class Places:
    """Where the cluster's kubeconfig and audit log are, the node's folders with vLLM and the models, its GPU list."""

    kubeconfig: Path
    audit_log: Path
    engine: Path
    models: Path
    gpus: Path

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


@dataclass(frozen=True)
class RealServer:
    """A model server of real vLLM that runs: its release as written, its namespace and pod."""

    release: Mapping[str, Any]
    namespace: str
    pod: str


def find_places() -> Places:
    """Return the places by the environment."""
    kubeconfig = Path(os.environ.get("LLMOPS_TEST_KUBECONFIG", "/var/lib/llmops-cluster/llmops/etc/admin.kubeconfig"))
    audit = os.environ.get("LLMOPS_TEST_AUDIT_LOG", str(kubeconfig.parents[1] / "log" / "audit.log"))
    links = kubeconfig.parents[1] / "engine"
    engine = os.environ.get("LLMOPS_TEST_ENGINE", str(links / "runtime"))
    models = os.environ.get("LLMOPS_TEST_MODELS", str(links / "models"))
    gpus = os.environ.get("LLMOPS_TEST_GPUS", str(kubeconfig.parents[1] / "gpus"))
    return Places(kubeconfig, Path(audit), Path(engine), Path(models), Path(gpus))


def standin_configmap(namespace: str) -> dict[str, Any]:
    """Return the ConfigMap that carries the stand-in engine into pods."""
    data = {file.name: file.read_text() for file in sorted(ENGINE.parent.glob("*.py")) if "test" not in file.name}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "standin", "namespace": namespace},
        "data": data,
    }


def standin(name: str, namespace: str, settings: Mapping[str, Any] | None = None, **change: Any) -> dict[str, Any]:
    """Return a model server of the stand-in engine, with its settings and further keys; needs its ConfigMap."""
    env = {f"STANDIN_{key.upper()}": str(value) for key, value in (settings or {}).items()}
    release = {
        "name": name,
        "namespace": namespace,
        "model": {"source": "pvc://models/tiny", "served_name": name, "size_gib": 0.1},
        "engine": {
            "image": IMAGE,
            "version": VLLM_VERSION,
            "command": ["python3", "/opt/standin/engine.py", "serve"],
            "args": {"fingerprint_mode": "custom", "fingerprint_value": "$(POD_NAME)"},
            "env": {"POD_NAME": {"field": "metadata.name"}, **env},
        },
        "resources": {
            "accelerator": "none",
            "requests": {"cpu": "10m", "memory": "48Mi"},
            "limits": {"memory": "160Mi"},
            "shm": "16Mi",
        },
        "volumes": [{"name": "standin", "configmap": "standin", "mount": "/opt/standin"}],
        **TIMES,
    }
    return merged(release, change)


def put_green_slot(cluster: Cluster, namespace: str, name: str, **env: str) -> None:
    """Make the Deployment of a release's other slot out of the first one, with further variables of the engine."""
    blue = cluster.get("Deployment", namespace, f"{name}-blue")
    assert blue is not None
    parts = {"spec": blue["spec"], "labels": blue["metadata"]["labels"]}
    green = json.loads(json.dumps(parts).replace("blue", "green"))
    (engine,) = [each for each in green["spec"]["template"]["spec"]["containers"] if each["name"] == "engine"]
    engine["env"] += [{"name": key, "value": value} for key, value in env.items()]
    notes = {key: text for key, text in blue["metadata"]["annotations"].items() if key.startswith("llmops.dev/")}
    meta = {"name": f"{name}-green", "namespace": namespace, "labels": green["labels"], "annotations": notes}
    cluster.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": green["spec"]})


def vllm(name: str, namespace: str, models: Path, **change: Any) -> dict[str, Any]:
    """Return a model server of real vLLM with the tiny model, tuned for many on one small machine."""
    env: dict[str, Any] = {
        "VLLM_TARGET_DEVICE": "cpu",
        # With the executor `uni`: no worker process, whose queue spins for a second after every request.
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",
        "POD_NAME": {"field": "metadata.name"},
    }
    if (models / "vllm-cache").is_dir():
        env["VLLM_CACHE_ROOT"] = "/models/vllm-cache"
    release = {
        "name": name,
        "namespace": namespace,
        "model": {"source": "pvc://models/tiny", "served_name": name, "size_gib": 0.1},
        "engine": {
            "image": IMAGE,
            "version": VLLM_VERSION,
            "command": ["/opt/vllm/bin/vllm", "serve"],
            "args": {
                "max_model_len": 1024,
                "enforce_eager": True,
                "dtype": "bfloat16",
                "kv_cache_memory_bytes": 67108864,
                "distributed_executor_backend": "uni",
                "fingerprint_mode": "custom",
                "fingerprint_value": "$(POD_NAME)",
            },
            "env": env,
        },
        "resources": {
            "accelerator": "none",
            "requests": {"cpu": "200m", "memory": "1Gi"},
            "limits": {"memory": "2Gi"},
        },
        "volumes": [{"name": "runtime", "pvc": "runtime", "mount": "/opt/vllm"}],
        **TIMES,
    }
    return merged(release, change)


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``change`` merged into its mappings."""
    result = copy.deepcopy(dict(base))
    for key, value in change.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return result
