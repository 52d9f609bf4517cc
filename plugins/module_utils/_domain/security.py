# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security contexts: Pod Security `restricted` by default, and two profiles for sites that need another.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer

__all__ = ["PROFILES", "render_container_security", "render_pod_security"]

PROFILES = ("restricted", "restricted_rdma", "openshift")


def render_pod_security(server: ModelServer) -> dict[str, Any]:
    """Return the pod's securityContext; OpenShift assigns user and groups itself."""
    context: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if server.security.profile != "openshift":
        context["runAsUser"] = context["runAsGroup"] = server.security.run_as_user
        if server.security.fs_group is not None:
            context["fsGroup"] = server.security.fs_group
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
