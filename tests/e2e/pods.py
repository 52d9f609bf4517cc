# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain pod, as Pod Security ``restricted`` admits it, for tests of what nodes offer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.e2e.releases import IMAGE

__all__ = ["render_pod"]


def render_pod(namespace: str, name: str, program: str, limits: Mapping[str, str], **placement: Any) -> dict[str, Any]:
    """Return a pod that runs a Python program; ``placement`` are further fields of its spec."""
    container = {
        "name": "main",
        "image": IMAGE,
        "command": ["python3", "-c", program],
        "resources": {"limits": {"memory": "64Mi", **limits}, "requests": {"cpu": "10m", "memory": "16Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "containers": [container],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        **placement,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}
