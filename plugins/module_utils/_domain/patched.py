# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a patched pod template must still have: what Services, probes, the drain and the gates rely on.

Patches are the user's last resort and may do much; these are the things without which a release can only break.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.secret_names import looks_secret

__all__ = ["find_breakage", "find_host_access", "plain_secrets"]

_HOST_FIELDS = ("hostNetwork", "hostIPC", "hostPID")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, (list, tuple)) else []


def plain_secrets(container: Mapping[str, Any]) -> list[str]:
    """Return the variables of a container, as Kubernetes writes them, that hold a secret as plain text."""
    return [
        str(each.get("name"))
        for each in _mappings(container.get("env"))
        if each.get("value") and looks_secret(str(each.get("name")))
    ]


def _engine_breakage(engine: Mapping[str, Any], port: int) -> list[str]:
    found = []
    ports = [each.get("containerPort") for each in _mappings(engine.get("ports")) if each.get("name") == "http"]
    if ports != [port]:
        found.append(f"container engine has no port named http with number {port}, which engine.port says")
    if engine.get("livenessProbe") and not engine.get("startupProbe"):
        found.append("container engine has a liveness probe without a startup probe, which kills slow starts")
    if not engine.get("readinessProbe"):
        found.append("container engine has no readiness probe")
    return found


def find_breakage(template: Mapping[str, Any], server: ModelServer, slot: str) -> tuple[str, ...]:
    """Return what a patched template lacks, or has and must not have; empty when it can work."""
    spec = _mapping(template.get("spec"))
    marks = _mapping(_mapping(template.get("metadata")).get("labels"))
    wanted = {labels.INSTANCE: server.name, labels.SLOT: slot, labels.COMPONENT: labels.MODEL_SERVER}
    differing = [key for key in wanted if marks.get(key) != wanted[key]]
    found = [f"the label {key}, which selects the pods, is not {wanted[key]}" for key in differing]
    containers = _mappings(spec.get("containers"))
    engines = [each for each in containers if each.get("name") == "engine"]
    if len(engines) != 1:
        return (*found, "there is not exactly one container named engine")
    found += _engine_breakage(engines[0], server.engine.port)
    for container in (*containers, *_mappings(spec.get("initContainers"))):
        name = container.get("name")
        found += [f"container {name} gets the secret {each} as plain text" for each in plain_secrets(container)]
    return tuple(found)


def find_host_access(template: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what opens the node to the pod, as words of the pod's specification."""
    spec = _mapping(template.get("spec"))
    found = [name for name in _HOST_FIELDS if spec.get(name)]
    volumes = [each["hostPath"] for each in _mappings(spec.get("volumes")) if "hostPath" in each]
    found += [f"hostPath {_mapping(volume).get('path')}" for volume in volumes]
    return tuple(found)
