# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Roles that the collection ships, whole and with one verb less: each verb must be needed."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tests.support.cluster import Cluster, ClusterRefusal
from tests.support.playbooks import ROOT
from tests.support.processes import wait_until

__all__ = ["GROUP", "Rules", "bind_role", "bound_everywhere", "each_verb", "load_rules", "rules_without", "wait_bound"]

GROUP = "rbac.authorization.k8s.io"
Rules = list[dict[str, Any]]


def load_rules(path: str) -> Rules:
    """Return the rules of a shipped file, whose path is relative to the collection."""
    rules: Rules = yaml.safe_load((ROOT / path).read_text())["rules"]
    return rules


def each_verb(rules: Rules) -> list[tuple[str, str]]:
    """Return every verb with its resource."""
    return [(verb, resource) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]]


def rules_without(rules: Rules, verb: str, resource: str) -> Rules:
    """Return the rules without one verb of one resource."""
    left = []
    for rule in rules:
        for each in rule["resources"]:
            verbs = [v for v in rule["verbs"] if (v, each) != (verb, resource)]
            left.append({**copy.deepcopy(rule), "resources": [each], "verbs": verbs})
    return [rule for rule in left if rule["verbs"]]


def bind_role(cluster: Cluster, namespace: str, name: str, rules: Rules, subject: Mapping[str, Any]) -> None:
    """Make a Role and give it to a subject."""
    meta, api = {"name": name, "namespace": namespace}, f"{GROUP}/v1"
    cluster.create({"apiVersion": api, "kind": "Role", "metadata": meta, "rules": rules})
    reference = {"apiGroup": GROUP, "kind": "Role", "name": name}
    cluster.create(
        {"apiVersion": api, "kind": "RoleBinding", "metadata": meta, "roleRef": reference, "subjects": [subject]}
    )


def wait_bound(cluster: Cluster, user: str, rules: Rules, namespace: str = "") -> None:
    """Wait until a user may do the last thing of these rules: bindings reach the authorizer with a delay."""
    kept = rules[-1]
    sight = {"verb": kept["verbs"][-1], "group": kept["apiGroups"][0], "resource": kept["resources"][0]}
    if "/" in sight["resource"]:
        sight["resource"], sight["subresource"] = sight["resource"].split("/")
    review: dict[str, Any] = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
    review["spec"] = {"resourceAttributes": {**sight, "namespace": namespace}, "user": user}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    wait_until(lambda: cluster.call("POST", path, review)["status"]["allowed"], 10, "the Role's effect", 0.1)


@contextlib.contextmanager
def bound_everywhere(cluster: Cluster, user: str, rules: Rules) -> Iterator[None]:
    """Give a user these rules in the whole cluster until the block ends."""
    api, path = f"{GROUP}/v1", f"/apis/{GROUP}/v1"
    meta = {"name": user}
    binding = {
        "apiVersion": api,
        "kind": "ClusterRoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": user},
        "subjects": [{"apiGroup": GROUP, "kind": "User", "name": user}],
    }
    try:
        role = {"apiVersion": api, "kind": "ClusterRole", "metadata": meta, "rules": rules}
        cluster.call("POST", f"{path}/clusterroles", role)
        cluster.call("POST", f"{path}/clusterrolebindings", binding)
        wait_bound(cluster, user, rules)
        yield
    finally:
        for plural in ("clusterrolebindings", "clusterroles"):
            with contextlib.suppress(ClusterRefusal):
                cluster.call("DELETE", f"{path}/{plural}/{user}")
