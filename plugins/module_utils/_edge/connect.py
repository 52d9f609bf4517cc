# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening the cluster that a module's options describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.kube_client import KubeClient
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.kube_config import connect

__all__ = ["open_cluster"]

_PARALLEL_REQUESTS = 4


def open_cluster(options: Mapping[str, Any], parallel_requests: int = _PARALLEL_REQUESTS) -> KubeClient:
    """Return a client for the options of ``_options.cluster()``; nothing is sent yet."""
    return KubeClient(
        connect(options),
        SystemClock(),
        connect_timeout_seconds=options["connect_timeout_seconds"],
        read_timeout_seconds=options["read_timeout_seconds"],
        deadline_seconds=options["deadline_seconds"],
        parallel_requests=parallel_requests,
    )
