# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes API over plain HTTP: few requests, plain dictionaries, every wait limited, every error in words.

Paths come from a table instead of discovery, which would cost more requests than the work itself.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, TypeVar
from urllib.parse import quote, urlencode

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import FIELD_MANAGER
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.retry import (
    Failure,
    FailureKind,
    delay_seconds,
    may_repeat,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.kube_config import Connection
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.kube_errors import describe_status
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.kube_pool import open_pool
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError

with contextlib.suppress(ImportError):  # it comes with the kubernetes package, whose absence `connect` reports first
    import urllib3
    from urllib3._collections import HTTPHeaderDict  # urllib3 1.26 offers it nowhere else

__all__ = ["RESOURCES", "KubeClient"]

T = TypeVar("T")

# kind -> (API path, plural, lives in a namespace); a kind with a version is read where a cluster serves no newer one
RESOURCES: Mapping[str, tuple[str, str, bool]] = {
    "ClusterPolicy": ("apis/nvidia.com/v1", "clusterpolicies", False),
    "ClusterRole": ("apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "ConfigMap": ("api/v1", "configmaps", True),
    "CustomResourceDefinition": ("apis/apiextensions.k8s.io/v1", "customresourcedefinitions", False),
    "DaemonSet": ("apis/apps/v1", "daemonsets", True),
    "Deployment": ("apis/apps/v1", "deployments", True),
    "Event": ("api/v1", "events", True),
    "HTTPRoute": ("apis/gateway.networking.k8s.io/v1", "httproutes", True),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers", True),
    "IngressRoute": ("apis/traefik.io/v1alpha1", "ingressroutes", True),
    "Job": ("apis/batch/v1", "jobs", True),
    "Lease": ("apis/coordination.k8s.io/v1", "leases", True),
    "Namespace": ("api/v1", "namespaces", False),
    "NetworkPolicy": ("apis/networking.k8s.io/v1", "networkpolicies", True),
    "Node": ("api/v1", "nodes", False),
    "PersistentVolume": ("api/v1", "persistentvolumes", False),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims", True),
    "Pod": ("api/v1", "pods", True),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets", True),
    "PriorityClass": ("apis/scheduling.k8s.io/v1", "priorityclasses", False),
    "ReplicaSet": ("apis/apps/v1", "replicasets", True),
    "ResourceClaim": ("apis/resource.k8s.io/v1", "resourceclaims", True),
    "ResourceClaim.v1beta1": ("apis/resource.k8s.io/v1beta1", "resourceclaims", True),
    "ResourceClaim.v1beta2": ("apis/resource.k8s.io/v1beta2", "resourceclaims", True),
    "ResourceQuota": ("api/v1", "resourcequotas", True),
    "ResourceSlice": ("apis/resource.k8s.io/v1", "resourceslices", False),
    "ResourceSlice.v1beta1": ("apis/resource.k8s.io/v1beta1", "resourceslices", False),
    "ResourceSlice.v1beta2": ("apis/resource.k8s.io/v1beta2", "resourceslices", False),
    "Route": ("apis/route.openshift.io/v1", "routes", True),
    "RuntimeClass": ("apis/node.k8s.io/v1", "runtimeclasses", False),
    "ScaledObject": ("apis/keda.sh/v1alpha1", "scaledobjects", True),
    "Secret": ("api/v1", "secrets", True),
    "Service": ("api/v1", "services", True),
    "ServiceAccount": ("api/v1", "serviceaccounts", True),
    "TraefikService": ("apis/traefik.io/v1alpha1", "traefikservices", True),
    "VirtualService": ("apis/networking.istio.io/v1", "virtualservices", True),
}
_APPLY = "application/apply-patch+yaml"  # JSON is YAML
_MERGE = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_PAGE_SIZE = 1000  # of nodes with their images some 10 MB; the pages after the first cost the server more
_LAST_REQUEST_SECONDS = 1.0


class KubeClient:
    """Implements the ``ClusterApi`` port of the flows for one connection; safe to use from several threads."""

    def __init__(
        self,
        connection: Connection,
        clock: SystemClock,
        *,
        connect_timeout_seconds: float,
        read_timeout_seconds: float,
        deadline_seconds: float,
        parallel_requests: int,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._read_timeout_seconds = read_timeout_seconds
        self._connect_timeout_seconds = connect_timeout_seconds
        self._deadline_seconds = deadline_seconds
        self._ends_at = clock.monotonic() + deadline_seconds
        self._parallel_requests = parallel_requests
        self._pool = open_pool(connection.configuration, parallel_requests)
        self._counting = threading.Lock()
        self._reached = False
        self.attempts = 0
        self.retried_on: list[str] = []

    @property
    def cluster(self) -> str:
        """The API server, for error texts."""
        return self._connection.server

    def get(self, kind: str, namespace: str | None, name: str, *, metadata_only: bool = False) -> dict[str, Any] | None:
        """Return an object, or None when it is not there."""
        accept = _METADATA_ONLY if metadata_only else "application/json"
        what = f"reading {kind} {_place(namespace, name)}"
        status, answer = self._send("GET", _path(kind, namespace, name), what, accept=accept)
        if status == 404:
            return None
        return self._expect(status, answer, what)

    def list_objects(
        self, kind: str, namespace: str | None, selector: str = "", fields: str = ""
    ) -> list[dict[str, Any]]:
        """Return all objects of a kind by label and field selector, page by page."""
        return self._list(kind, namespace, dict, selector, fields)

    def list_parsed(
        self, kind: str, namespace: str | None, parse: Callable[[Mapping[str, Any]], T], *, fields: str = ""
    ) -> list[T]:
        """Return what ``parse`` makes of each object, page by page, so that big objects are not held all at once."""
        return self._list(kind, namespace, parse, "", fields)

    def _list(
        self, kind: str, namespace: str | None, parse: Callable[[Mapping[str, Any]], T], selector: str, fields: str
    ) -> list[T]:
        what = f"listing {RESOURCES[kind][1]} in {namespace or 'the cluster'}"
        items: list[T] = []
        query = {"limit": str(_PAGE_SIZE), "labelSelector": selector, "fieldSelector": fields, "continue": ""}
        while True:
            path = _path(kind, namespace) + "?" + urlencode({k: v for k, v in query.items() if v})
            status, answer = self._send("GET", path, what)
            if status == 410 and query["continue"] and self._clock.monotonic() < self._ends_at:
                # The snapshot that the pages are of is gone: start again.
                items, query["continue"] = [], ""
                continue
            page = self._expect(status, answer, what)
            items += map(parse, page.get("items") or ())
            query["continue"] = (page.get("metadata") or {}).get("continue") or ""
            if not query["continue"]:
                return items

    def apply(self, item: Mapping[str, Any], *, dry_run: bool = False, force: bool = False) -> dict[str, Any]:
        """Server-side apply an object under our field manager and return the result."""
        metadata = item["metadata"]
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", "force": "true" if force else "false"}
        if dry_run:
            query["dryRun"] = "All"
        path = _path(item["kind"], metadata.get("namespace"), metadata["name"]) + "?" + urlencode(query)
        what = f"applying {item['kind']} {_place(metadata.get('namespace'), metadata['name'])}"
        return self._expect(*self._send("PATCH", path, what, body=item, content_type=_APPLY), what)

    def patch(
        self, kind: str, namespace: str | None, name: str, change: Mapping[str, Any], *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Merge a change into an object and return its metadata; it must carry the resourceVersion that was read.

        With it the server refuses (409) what has changed since, so that a patch that is sent twice has one effect.
        """
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        path = _path(kind, namespace, name) + "?" + urlencode(query)
        what = f"patching {kind} {_place(namespace, name)}"
        sent = self._send("PATCH", path, what, body=change, content_type=_MERGE, accept=_METADATA_ONLY)
        return self._expect(*sent, what)

    def patch_json(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Patch an object by operations and return it; a test among them that does not hold is an HTTP 422.

        They must test what they change, so that a patch that is sent twice has one effect.
        """
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        path = _path(kind, namespace, name) + "?" + urlencode(query)
        what = f"patching {kind} {_place(namespace, name)}"
        return self._expect(*self._send("PATCH", path, what, body=list(operations), content_type=_JSON_PATCH), what)

    def create(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object; never sent twice once the server may have seen it."""
        metadata = item["metadata"]
        path = _path(item["kind"], metadata.get("namespace")) + "?" + urlencode({"fieldManager": FIELD_MANAGER})
        what = f"creating {item['kind']} {_place(metadata.get('namespace'), metadata.get('name', ''))}"
        return self._expect(*self._send("POST", path, what, body=item, repeatable=False), what)

    def delete(self, kind: str, namespace: str | None, name: str, uid: str, *, dry_run: bool = False) -> None:
        """Delete exactly the object with this uid; one that is gone or replaced already counts as deleted."""
        body: dict[str, Any] = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        if dry_run:
            body["dryRun"] = ["All"]
        what = f"deleting {kind} {_place(namespace, name)}"
        status, answer = self._send("DELETE", _path(kind, namespace, name), what, body=body)
        if status not in (404, 409):
            self._expect(status, answer, what)

    def logs(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        lines: int,
        previous: bool = False,
        bytes_max: int = 20_000,
    ) -> str:
        """Return the last log lines of a container, or why there are none."""
        query = {"container": container, "tailLines": str(lines), "limitBytes": str(bytes_max)}
        if previous:
            query["previous"] = "true"
        path = _path("Pod", namespace, pod) + "/log?" + urlencode(query)
        status, answer = self._send("GET", path, f"reading the log of pod {namespace}/{pod}", accept="*/*")
        if status >= 400:
            return f"(no log: {describe_status(status, answer)})"
        return answer.decode("utf-8", "replace")

    def may(self, verb: str, kind: str, namespace: str | None, subresource: str = "") -> bool:
        """Whether the identity of this connection may do something (SelfSubjectAccessReview)."""
        api, plural, _namespaced = RESOURCES[kind]
        group = api.split("/")[1] if api.startswith("apis/") else ""
        attributes = {"verb": verb, "group": group, "resource": plural, "subresource": subresource}
        if namespace is not None:
            attributes["namespace"] = namespace
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        what = "asking for permissions"
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        review = self._expect(*self._send("POST", path, what, body=body), what)
        return bool((review.get("status") or {}).get("allowed"))

    def side_by_side(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """Run calls of this client in parallel and return their results in order; the first error ends all."""
        if len(calls) < 2:
            return [call() for call in calls]
        stopped = threading.Event()

        def guarded(call: Callable[[], Any]) -> Any:
            if stopped.is_set():
                return None  # nobody will see it: the error is raised instead
            try:
                return call()
            except BaseException:
                stopped.set()
                raise

        with ThreadPoolExecutor(max_workers=self._parallel_requests) as pool:
            futures = [pool.submit(guarded, call) for call in calls]
        failed = next((future for future in futures if future.exception() is not None), None)
        return [future.result() for future in ([failed] if failed else futures)]

    def _send(
        self,
        method: str,
        path: str,
        what: str,
        *,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        repeatable: bool = True,
    ) -> tuple[int, bytes]:
        """Send a request until it has an answer that is final; return status and body."""
        data = None if body is None else json.dumps(body).encode()
        attempt, renewed = 0, False
        while True:
            attempt += 1
            with self._counting:
                self.attempts += 1
            headers = {"Accept": accept, "User-Agent": FIELD_MANAGER, **self._connection.authorization()}
            if data is not None:
                headers["Content-Type"] = content_type
            status, answer, failure = self._once(method, self.cluster + path, data, headers)
            if failure is None or failure.kind is not FailureKind.NOT_SENT:
                self._reached = True
            if status == 401 and not renewed:
                renewed = True  # tokens rotate: `authorization` reads them again
                continue
            if failure is None or not may_repeat(failure, repeatable=repeatable):
                if failure is not None and failure.kind is not FailureKind.STATUS:
                    raise self._unreachable(what, failure)
                return status, answer
            wait = delay_seconds(failure, attempt, self._clock.jitter())
            if not self._reached or self._clock.monotonic() + wait >= self._ends_at:
                # An address that has never answered is a wrong address, not a restart.
                raise self._unreachable(what, failure)
            self.retried_on.append(failure.describe())
            self._clock.sleep(wait)

    def _timeout(self) -> urllib3.Timeout:
        """Return the limits of one request: a server that never answers must not cost more than the deadline."""
        left = max(self._ends_at - self._clock.monotonic(), _LAST_REQUEST_SECONDS)
        return urllib3.Timeout(
            connect=min(self._connect_timeout_seconds, left), read=min(self._read_timeout_seconds, left)
        )

    def _once(
        self, method: str, url: str, data: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes, Failure | None]:
        fields = HTTPHeaderDict(headers)
        for group in self._connection.impersonated_groups:
            fields.add("Impersonate-Group", group)
        try:
            response = self._pool.request(
                method, url, body=data, headers=fields, timeout=self._timeout(), retries=False, redirect=False
            )
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
            return 0, b"", Failure(FailureKind.NOT_SENT, message=str(error))
        except urllib3.exceptions.LocationValueError as error:
            raise ClusterError(
                f"{self.cluster} ({self._connection.origin}) is no address of an API server: {error}. Write it as "
                "https://name:port"
            ) from error
        except urllib3.exceptions.SSLError as error:
            raise ClusterError(
                f"TLS with the API server {self.cluster} ({self._connection.origin}) failed: {error}. Check ca_cert, "
                "or the address: its certificate must name it"
            ) from error
        except urllib3.exceptions.ProxyError as error:
            return 0, b"", Failure(FailureKind.NOT_SENT, message=str(error))
        except urllib3.exceptions.HTTPError as error:
            return 0, b"", Failure(FailureKind.BROKEN, message=str(error))
        status, answer = int(response.status), bytes(response.data)
        if status < 500 and status != 429:
            return status, answer, None
        text = response.headers.get("Retry-After", "")
        after = float(text) if text.isdigit() else None
        return status, answer, Failure(FailureKind.STATUS, status, answer.decode("utf-8", "replace"), after)

    def _unreachable(self, what: str, failure: Failure) -> ClusterError:
        if failure.kind is FailureKind.STATUS:
            reason = describe_status(failure.status, failure.message.encode())
            limit = f"still so when the {self._deadline_seconds:g} s of deadline_seconds were nearly over"
        else:
            reason = failure.message.rsplit(": ", 1)[-1] or failure.kind.value
            limit = (
                f"connect_timeout_seconds is {self._connect_timeout_seconds:g}, read_timeout_seconds "
                f"{self._read_timeout_seconds:g}, deadline_seconds {self._deadline_seconds:g}"
            )
        return ClusterError(
            f"The API server {self.cluster} ({self._connection.origin}) did not answer while {what}: {reason} "
            f"({limit}). Check that the cluster runs and that this machine reaches it",
            {"server": self.cluster, "attempts": self.attempts, "failure": failure.describe()},
        )

    def _expect(self, status: int, answer: bytes, what: str) -> dict[str, Any]:
        if 200 <= status < 300:
            try:
                parsed = json.loads(answer)
            except ValueError:
                parsed = None
            if isinstance(parsed, dict):
                return parsed
            raise ClusterError(f"{self.cluster} is no Kubernetes API server: {what} was not answered with JSON")
        raise ClusterError(
            f"Failed {what} on {self.cluster} ({self._connection.origin}): {describe_status(status, answer)}",
            {"status": status, "server": self.cluster},
        )


def _place(namespace: str | None, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def _path(kind: str, namespace: str | None, name: str | None = None) -> str:
    api, plural, namespaced = RESOURCES[kind]
    inside = f"/namespaces/{quote(namespace, safe='')}" if namespaced and namespace else ""
    return f"/{api}{inside}/{plural}" + (f"/{quote(name, safe='')}" if name is not None else "")
