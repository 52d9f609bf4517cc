# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security contexts: Pod Security `restricted` by default, and two profiles for sites that need another.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer

__all__ = [
    "PROFILES",
    "find_privileges",
    "render_container_security",
    "render_extra_security",
    "render_pod_security",
]

PROFILES = ("restricted", "restricted_rdma", "openshift")

# The one capability that Pod Security `restricted` lets a container add.
_CAPABILITIES = ("NET_BIND_SERVICE",)
# The types that it lets a container choose; user and role none.
_SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")


def render_pod_security(server: ModelServer) -> dict[str, Any]:
    """Return the pod's securityContext; OpenShift assigns user and groups itself."""
    context: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if server.security.profile != "openshift":
        context["runAsUser"] = context["runAsGroup"] = server.security.run_as_user
        if server.security.fs_group is not None:
            context["fsGroup"] = server.security.fs_group
        elif server.model.cache_claim is not None:
            # A new volume belongs to root; one that fits already is not walked through again.
            context["fsGroup"] = server.security.run_as_user
            context["fsGroupChangePolicy"] = "OnRootMismatch"
    return context


def render_container_security(server: ModelServer) -> dict[str, Any]:
    """Return a container's securityContext.

    The root file system is read-only only without an accelerator: the hooks of GPU container runtimes update the
    linker's cache inside of it, and the profile does not ask for it.
    """
    capabilities: dict[str, Any] = {"drop": ["ALL"]}
    if server.security.profile == "restricted_rdma":
        # Registering memory with the network card locks pages.
        capabilities["add"] = ["IPC_LOCK"]
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": server.resources.accelerator is None,
        "capabilities": capabilities,
    }


def render_extra_security(server: ModelServer, context: Any) -> dict[str, Any]:
    """Return the securityContext of a sidecar or init container: the user's, over the engine's."""
    base = render_container_security(server)
    own = _without_nothing(context)
    if "capabilities" in own:
        own["capabilities"] = {**base["capabilities"], **_without_nothing(own["capabilities"])}
    return {**base, **own}


def _without_nothing(value: Any) -> dict[str, Any]:
    """Return a mapping without its nulls, which would take a default away."""
    return {key: item for key, item in value.items() if item is not None} if isinstance(value, Mapping) else {}


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]


def find_privileges(context: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a container's securityContext takes beyond Pod Security `restricted`, as the keys that say so."""
    found = [name for name in ("privileged", "allowPrivilegeEscalation") if context.get(name)]
    found += ["runAsUser"] if str(context.get("runAsUser")) == "0" else []
    if context.get("runAsNonRoot", True) is not True:
        found.append("runAsNonRoot")
    capabilities = context.get("capabilities")
    capabilities = capabilities if isinstance(capabilities, Mapping) else {}
    if any(each not in _CAPABILITIES for each in _listed(capabilities.get("add"))):
        found.append("capabilities.add")
    if "drop" in capabilities and "ALL" not in _listed(capabilities["drop"]):
        found.append("capabilities.drop")
    found += [
        name
        for name in ("seccompProfile", "appArmorProfile")
        if _without_nothing(context.get(name)).get("type") == "Unconfined"
    ]
    linux = _without_nothing(context.get("seLinuxOptions"))
    if linux.get("type", "") not in _SELINUX_TYPES or linux.get("user") or linux.get("role"):
        found.append("seLinuxOptions")
    if context.get("procMount", "Default") != "Default":
        found.append("procMount")
    return tuple(found)
