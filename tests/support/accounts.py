# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service accounts for programs of the tests, each with its own kubeconfig: the audit log tells who asked."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml

from tests.support.cluster import Cluster

__all__ = ["make_account", "make_administrator"]

RBAC = "rbac.authorization.k8s.io"


def make_account(cluster: Cluster, namespace: str, name: str, file: Path, seconds: int = 900) -> Path:
    """Make a service account; write a kubeconfig with a token of it, good for so many seconds (600 at least)."""
    meta = {"name": name, "namespace": namespace}
    cluster.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}}
    answer = cluster.call("POST", f"{cluster.path('ServiceAccount', namespace, name)}/token", request)
    authority = base64.b64encode(Path(cluster.configuration.ssl_ca_cert).read_bytes()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": cluster.server, "certificate-authority-data": authority}}],
        "users": [{"name": "u", "user": {"token": answer["status"]["token"]}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
        "current-context": "x",
    }
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(config))
    return file


def make_administrator(cluster: Cluster, namespace: str, name: str, file: Path) -> Path:
    """Make a service account that may do everything for six hours, or until its namespace goes."""
    kubeconfig = make_account(cluster, namespace, name, file, seconds=6 * 3600)
    binding: dict[str, Any] = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"{namespace}-{name}", "ownerReferences": [cluster.owner(namespace)]},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
    }
    cluster.create(binding)
    return kubeconfig
