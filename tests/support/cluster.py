# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test's own view of the cluster: plain JSON over the API, so that no code under test judges itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config

from tests.support.processes import wait_until

__all__ = ["AuditLog", "Cluster", "ClusterRefusal"]

PATHS = {
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "ClusterPolicy": "/apis/nvidia.com/v1/clusterpolicies",
    "ConfigMap": "/api/v1/namespaces/{ns}/configmaps",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "DaemonSet": "/apis/apps/v1/namespaces/{ns}/daemonsets",
    "Deployment": "/apis/apps/v1/namespaces/{ns}/deployments",
    "DeviceClass": "/apis/resource.k8s.io/v1/deviceclasses",
    "Event": "/api/v1/namespaces/{ns}/events",
    "Gateway": "/apis/gateway.networking.k8s.io/v1/namespaces/{ns}/gateways",
    "GatewayClass": "/apis/gateway.networking.k8s.io/v1/gatewayclasses",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/namespaces/{ns}/httproutes",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers",
    "IngressRoute": "/apis/traefik.io/v1alpha1/namespaces/{ns}/ingressroutes",
    "Job": "/apis/batch/v1/namespaces/{ns}/jobs",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies",
    "PersistentVolumeClaim": "/api/v1/namespaces/{ns}/persistentvolumeclaims",
    "Pod": "/api/v1/namespaces/{ns}/pods",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets",
    "ReplicaSet": "/apis/apps/v1/namespaces/{ns}/replicasets",
    "ResourceClaim": "/apis/resource.k8s.io/v1/namespaces/{ns}/resourceclaims",
    "ResourceQuota": "/api/v1/namespaces/{ns}/resourcequotas",
    "ResourceSlice": "/apis/resource.k8s.io/v1/resourceslices",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings",
    "Route": "/apis/route.openshift.io/v1/namespaces/{ns}/routes",
    "Secret": "/api/v1/namespaces/{ns}/secrets",
    "Service": "/api/v1/namespaces/{ns}/services",
    "ServiceAccount": "/api/v1/namespaces/{ns}/serviceaccounts",
    "TraefikService": "/apis/traefik.io/v1alpha1/namespaces/{ns}/traefikservices",
    "VirtualService": "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices",
    "Namespace": "/api/v1/namespaces",
    "Node": "/api/v1/nodes",
    "PersistentVolume": "/api/v1/persistentvolumes",
}
OWNED = (
    "ConfigMap",
    "Deployment",
    "Lease",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Secret",
    "Service",
    "ServiceAccount",
)


class ClusterRefusal(AssertionError):  # noqa: N818 - a failed expectation of a test
    """The API server answered with an error; ``status`` is its code."""

    def __init__(self, method: str, path: str, status: int, body: str) -> None:
        super().__init__(f"{method} {path}: {status} {body[:500]}")
        self.status = status


class Cluster:
    """One cluster, by a kubeconfig file."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self._api: client.ApiClient = config.new_client_from_config(str(kubeconfig))
        self._headers = {"Accept": "application/json", "User-Agent": "llmops-tests"}
        if token := self._api.configuration.get_api_key_with_prefix("authorization"):
            self._headers["Authorization"] = token

    @property
    def server(self) -> str:
        """The API server's address."""
        return str(self._api.configuration.host)

    @property
    def configuration(self) -> Any:
        """The client's settings, with the files of its certificates."""
        return self._api.configuration

    @property
    def node(self) -> str:
        """The name of the first node that runs containers; nodes that tests pretend report no runtime."""
        real = (n for n in self.items("Node") if n["status"].get("nodeInfo", {}).get("containerRuntimeVersion"))
        return str(next(real)["metadata"]["name"])

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """Send one request; return the JSON of the answer, raise ``ClusterRefusal`` for an error."""
        headers = {**self._headers, "Content-Type": kind}
        data = body if "json" in kind or body is None else json.dumps(body)  # the client encodes JSON by itself
        response = self._api.call_api(method, self.server + path, headers, data, _request_timeout=(5, 30))
        text = response.read().decode()
        if response.status >= 400:
            raise ClusterRefusal(method, path, response.status, text)
        return json.loads(text) if text.startswith("{") else text

    @staticmethod
    def path(kind: str, namespace: str = "", name: str = "") -> str:
        """Return the address of a kind, or of one object."""
        return PATHS[kind].format(ns=namespace) + (f"/{name}" if name else "")

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Return one object, or None where there is none."""
        try:
            found: dict[str, Any] = self.call("GET", self.path(kind, namespace, name))
        except ClusterRefusal as refusal:
            if refusal.status == 404:
                return None
            raise
        return found

    def items(self, kind: str, namespace: str = "", selector: str = "") -> list[dict[str, Any]]:
        """Return the objects of a kind in a namespace."""
        query = f"?labelSelector={selector}" if selector else ""
        items: list[dict[str, Any]] = self.call("GET", self.path(kind, namespace) + query)["items"]
        return items

    def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object."""
        namespace = manifest["metadata"].get("namespace", "")
        created: dict[str, Any] = self.call("POST", self.path(manifest["kind"], namespace), manifest)
        return created

    def apply(self, manifest: Mapping[str, Any], manager: str = "llmops-tests", dry_run: bool = False) -> Any:
        """Apply an object on the server's side; an error names what the server would not have."""
        meta = manifest["metadata"]
        path = self.path(manifest["kind"], meta.get("namespace", ""), meta["name"])
        query = f"?fieldManager={manager}&force=true" + ("&dryRun=All" if dry_run else "")
        return self.call("PATCH", path + query, manifest, "application/apply-patch+yaml")

    def merge(self, kind: str, namespace: str, name: str, change: Mapping[str, Any]) -> Any:
        """Change fields of an object by a merge patch."""
        return self.call("PATCH", self.path(kind, namespace, name), change, "application/merge-patch+json")

    def delete(self, kind: str, namespace: str, name: str, grace_seconds: int | None = None) -> None:
        """Delete an object if it is there; ``grace_seconds`` 0 ends a pod at once."""
        body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        try:
            self.call("DELETE", self.path(kind, namespace, name), body)
        except ClusterRefusal as refusal:
            if refusal.status != 404:
                raise

    def log(self, namespace: str, pod: str, lines: int = 50) -> str:
        """Return the last lines of a pod's log."""
        return str(self.call("GET", f"{self.path('Pod', namespace, pod)}/log?tailLines={lines}"))

    def versions(self, namespace: str) -> dict[str, str]:
        """Return the resourceVersion of everything that a release may own, by ``Kind/name``.

        The Lease of a release is renewed by each run on purpose: of it only the presence counts.
        """
        found = {}
        for kind in OWNED:
            for item in self.items(kind, namespace):
                meta = item["metadata"]
                version = "" if kind == "Lease" else meta["resourceVersion"]
                found[f"{kind}/{meta['name']}"] = version
        return found

    def owner(self, namespace: str) -> dict[str, str]:
        """Return the reference by which an object without a namespace goes together with this namespace."""
        found = self.get("Namespace", "", namespace)
        assert found is not None, f"no namespace {namespace}"
        return {"apiVersion": "v1", "kind": "Namespace", "name": namespace, "uid": found["metadata"]["uid"]}

    def all_pods(self) -> list[dict[str, Any]]:
        """Return the pods of all namespaces."""
        items: list[dict[str, Any]] = self.call("GET", "/api/v1/pods")["items"]
        return items

    def pods(self, namespace: str, instance: str = "") -> list[dict[str, Any]]:
        """Return the pods that are not on their way out, of one release or of all."""
        selector = f"app.kubernetes.io/instance={instance}" if instance else ""
        return [pod for pod in self.items("Pod", namespace, selector) if "deletionTimestamp" not in pod["metadata"]]

    def restarts(self, namespace: str) -> dict[str, int]:
        """Return the restart count of every pod by UID."""
        return {
            pod["metadata"]["uid"]: sum(s["restartCount"] for s in pod["status"].get("containerStatuses", []))
            for pod in self.pods(namespace)
        }

    def address(self, namespace: str, service: str) -> tuple[str, int]:
        """Return the cluster address and first port of a Service."""
        spec = (self.get("Service", namespace, service) or {})["spec"]
        return str(spec["clusterIP"]), int(spec["ports"][0]["port"])

    def wait_ready(self, namespace: str, instance: str, replicas: int, seconds_max: float) -> list[dict[str, Any]]:
        """Wait until exactly so many pods of a release are there and ready; return them."""

        def ready() -> list[dict[str, Any]]:
            pods = self.pods(namespace, instance)
            good = [pod for pod in pods if _condition(pod, "Ready") == "True"]
            return pods if len(good) == len(pods) == replicas else []

        pods: list[dict[str, Any]] = wait_until(ready, seconds_max, f"{replicas} ready pods of {instance}", 0.25)
        return pods

    def delete_namespace(self, name: str, wait_seconds: float = 0) -> None:
        """Delete a namespace with its PersistentVolumes; its pods end at once."""
        self.delete("Namespace", "", name)
        # After it: in a namespace that ends, no controller can replace them.
        for pod in self.items("Pod", name):
            self.delete("Pod", name, pod["metadata"]["name"], grace_seconds=0)
        for volume in self.items("PersistentVolume"):
            if volume["spec"].get("claimRef", {}).get("namespace") == name:
                self.delete("PersistentVolume", "", volume["metadata"]["name"])
        if wait_seconds:
            wait_until(lambda: self.get("Namespace", "", name) is None, wait_seconds, f"end of namespace {name}", 0.25)


def _condition(item: Mapping[str, Any], kind: str) -> str:
    found = [c["status"] for c in item.get("status", {}).get("conditions", []) if c["type"] == kind]
    return found[0] if found else ""


@dataclass(frozen=True)
class AuditLog:
    """The API server's audit log, level Metadata, one JSON object a line, written before the answer goes out."""

    path: Path

    def mark(self) -> tuple[int, int]:
        """Return a place in the log: the file's identity and its length."""
        status = self.path.stat()
        return status.st_ino, status.st_size

    def since(self, mark: tuple[int, int]) -> Iterator[dict[str, Any]]:
        """Yield the requests since a mark, across one rotation of the file."""
        files = [self.path]
        if self.path.stat().st_ino != mark[0]:
            rotated = [p for p in self.path.parent.glob(f"{self.path.stem}-*") if p.stat().st_ino == mark[0]]
            assert rotated, f"the audit log was rotated away more than once since {time.ctime()}"
            files = [rotated[0], self.path]
        for index, file in enumerate(files):
            with file.open() as lines:
                lines.seek(mark[1] if index == 0 else 0)
                yield from (json.loads(line) for line in lines if line.endswith("\n"))

    def writes(self, mark: tuple[int, int], namespace: str, dry: bool = False) -> list[str]:
        """Return what people and tools (not the cluster's parts) wrote in a namespace: ``verb resource/name``.

        ``dry`` chooses the dry runs, else what took effect.
        """
        found = []
        for event in self.since(mark):
            ref = event.get("objectRef", {})
            concerned = namespace in (ref.get("namespace"), ref.get("name"))
            ours = not event["user"]["username"].startswith("system:")
            reviews = ref.get("resource", "").endswith("reviews")
            writing = event["verb"] in ("create", "update", "patch", "delete", "deletecollection")
            if ours and concerned and writing and not reviews and ("dryRun=All" in event["requestURI"]) == dry:
                found.append(f"{event['verb']} {ref.get('resource')}/{ref.get('name')}")
        return found
