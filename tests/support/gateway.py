# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real gateway for the tests: Traefik beside the cluster, with the Gateway API, and the schemas of other routers.

Definitions of custom resources are the cluster's, for all tests: they are put there once, and go at the end with
whatever is of them. They are owned by a namespace of the tests, so that a killed session leaves none for ever.
Traefik runs on this machine, so that both the machine and pods reach it by one address.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.support.accounts import make_administrator
from tests.support.cluster import Cluster, ClusterRefusal
from tests.support.processes import TESTS, find_program, wait_until

__all__ = ["Gateway", "install_schemas", "run_gateway"]

SCHEMAS = TESTS.parent / "build" / "schemas"
# Each with the names that are wanted of its definitions, all where there are none.
FILES: dict[str, Sequence[str]] = {
    "sigs.k8s.io-gateway-api/config/crd/standard/*.yaml": (),
    "istio.io-api/kubernetes/customresourcedefinitions.gen.yaml": ("virtualservices.networking.istio.io",),
    "github.com-traefik-traefik-v3/docs/content/reference/dynamic-configuration/traefik.io_*.yaml": (
        "ingressroutes.traefik.io",
        "traefikservices.traefik.io",
    ),
    "github.com-openshift-api/route/v1/zz_generated.crd-manifests/routes.crd.yaml": (),
}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CONTROLLER = "traefik.io/gateway-controller"
WAIT_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Gateway:
    """A Gateway that takes routes of all namespaces, and the address to ask it at, from here and from pods."""

    name: str
    namespace: str
    url: str


def read_schemas() -> list[dict[str, Any]]:
    """Return the definitions of custom resources."""
    found = []
    for pattern, wanted in FILES.items():
        files = sorted(SCHEMAS.glob(pattern))
        assert files, f"no {pattern} in {SCHEMAS}: make them (make tools)"
        documents = [item for file in files for item in yaml.safe_load_all(file.read_text()) if item]
        names = {item["metadata"]["name"] for item in documents}
        assert set(wanted) <= names, f"{pattern} has {names}"
        found += [item for item in documents if not wanted or item["metadata"]["name"] in wanted]
    return found


def _is_established(cluster: Cluster, name: str) -> bool:
    item = cluster.call("GET", f"{DEFINITIONS}/{name}")
    conditions = {each["type"]: each["status"] for each in item.get("status", {}).get("conditions", [])}
    return conditions.get("Established") == "True"


def _find(cluster: Cluster, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = cluster.call("GET", f"{DEFINITIONS}/{name}")
    except ClusterRefusal as refusal:
        if refusal.status != 404:
            raise
        return None
    return found


def _is_gone(cluster: Cluster, name: str) -> bool:
    return _find(cluster, name) is None


def _stays(cluster: Cluster, item: dict[str, Any]) -> bool:
    """Tell whether a definition was there before the tests; those of an ended session go with its namespace."""
    meta = item["metadata"]
    owners = [cluster.get("Namespace", "", owner["name"]) for owner in meta.get("ownerReferences", [])]
    ending = "deletionTimestamp" in meta or any(
        each is None or "deletionTimestamp" in each["metadata"] for each in owners
    )
    return not ending


@contextmanager
def install_schemas(cluster: Cluster, namespace: str) -> Iterator[None]:
    """Put the definitions into the cluster until the block ends; those that are there already stay as they are."""
    owner, made = cluster.owner(namespace), []
    try:
        for item in read_schemas():
            name = item["metadata"]["name"]
            there = _find(cluster, name)
            if there is not None and _stays(cluster, there):
                continue
            wait_until(partial(_is_gone, cluster, name), WAIT_SECONDS_MAX, f"end of the old {name}")
            item["metadata"]["ownerReferences"] = [owner]
            cluster.call("POST", DEFINITIONS, item)
            made.append(name)
        for name in made:
            wait_until(partial(_is_established, cluster, name), WAIT_SECONDS_MAX, f"definition {name}")
        yield
    finally:
        for name in made:
            cluster.call("DELETE", f"{DEFINITIONS}/{name}")


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _own_address(server: str) -> str:
    """Return the address of this machine on the way to the cluster, at which pods reach it too."""
    parts = urlsplit(server)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((parts.hostname, parts.port or 443))
        return str(probe.getsockname()[0])


@contextmanager
def run_gateway(cluster: Cluster, namespace: str, folder: Path) -> Iterator[Gateway]:
    """Run Traefik until the block ends, as an account of ``namespace``; the Gateway API must be installed."""
    kubeconfig = yaml.safe_load(
        make_administrator(cluster, namespace, "traefik", folder / "traefik.config").read_text()
    )
    address = _own_address(cluster.server)
    port = _free_port(address)
    log = folder / "traefik.log"
    command = [
        *("setpriv", "--pdeathsig", "KILL"),  # it must not outlive a killed test session
        find_program("traefik", cluster.kubeconfig),
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        f"--entrypoints.web.address={address}:{port}",
        "--providers.kubernetesgateway=true",
        f"--providers.kubernetesgateway.endpoint={cluster.server}",
        f"--providers.kubernetesgateway.certauthfilepath={cluster.configuration.ssl_ca_cert}",
        f"--providers.kubernetesgateway.token={kubeconfig['users'][0]['user']['token']}",
        "--providers.kubernetesgateway.throttleduration=100ms",
        "--log.level=INFO",
    ]
    owner = {"ownerReferences": [cluster.owner(namespace)]}
    api = "gateway.networking.k8s.io/v1"
    cluster.create(
        {
            "apiVersion": api,
            "kind": "GatewayClass",
            "metadata": {"name": namespace, **owner},
            "spec": {"controllerName": CONTROLLER},
        }
    )
    # Traefik wants the listener's port to be its own.
    everywhere = {"namespaces": {"from": "All"}}
    listener = {"name": "web", "protocol": "HTTP", "port": port, "allowedRoutes": everywhere}
    cluster.create(
        {
            "apiVersion": api,
            "kind": "Gateway",
            "metadata": {"name": "public", "namespace": namespace},
            "spec": {"gatewayClassName": namespace, "listeners": [listener]},
        }
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with log.open("w") as sink:
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT)

    def is_programmed() -> bool:
        assert process.poll() is None, f"Traefik ended with {process.returncode}: {log.read_text()[-2000:]}"
        status = (cluster.get("Gateway", namespace, "public") or {}).get("status", {})
        conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
        return conditions.get("Programmed") == "True"

    try:
        wait_until(is_programmed, WAIT_SECONDS_MAX, "the Gateway")
        yield Gateway("public", namespace, f"http://{address}:{port}")
    finally:
        process.terminate()
        process.wait(timeout=10)
        cluster.delete("GatewayClass", "", namespace)
