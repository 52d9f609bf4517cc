# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests on a running cluster.

Where things are comes from the environment, each with the local cluster's place as default:
``LLMOPS_TEST_KUBECONFIG`` (an administrator's kubeconfig), ``LLMOPS_TEST_AUDIT_LOG`` (a file on this machine),
``LLMOPS_TEST_ENGINE`` and ``LLMOPS_TEST_MODELS`` (folders of the node with vLLM's environment and the models),
``LLMOPS_TEST_GPUS`` (the file that the device plugin for pretended GPUs reads).
Everything is made in namespaces of its own that enforce Pod Security ``restricted`` and go at the end, also when a test
fails or is interrupted; what a killed session left is removed by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.namespaces import make_namespaces
from tests.e2e.releases import Places, RealServer, find_places, vllm
from tests.support.cluster import AuditLog, Cluster
from tests.support.gateway import Gateway, install_schemas, run_gateway
from tests.support.gpus import Gpus, borrow_gpus
from tests.support.kwok import PretendedNodes, run_kwok
from tests.support.playbooks import Project, run_module

MakeNamespace = Callable[..., str]
MakeProject = Callable[..., Project]


@pytest.fixture(name="places", scope="session")
def _places() -> Places:
    """Return where the cluster, its audit log, the engine and the models are."""
    return find_places()


@pytest.fixture(name="cluster", scope="session")
def _cluster(places: Places) -> Cluster:
    """Return the cluster; a test session without one is an error, never a skip."""
    assert places.kubeconfig.is_file(), (
        f"no kubeconfig at {places.kubeconfig}: start the local cluster (make cluster) or set LLMOPS_TEST_KUBECONFIG"
    )
    cluster = Cluster(places.kubeconfig)
    assert cluster.call("GET", "/readyz") == "ok"
    return cluster


@pytest.fixture(name="audit", scope="session")
def _audit(places: Places) -> AuditLog:
    """Return the reader of the API server's audit log."""
    assert places.audit_log.is_file(), f"no audit log at {places.audit_log}: set LLMOPS_TEST_AUDIT_LOG"
    return AuditLog(places.audit_log)


@pytest.fixture(name="make_namespace", scope="session")
def _make_namespace(cluster: Cluster, places: Places) -> Iterator[MakeNamespace]:
    """Return a maker of namespaces with the volumes of engine and models; all of them go at the end."""
    with make_namespaces(cluster, places) as namespaces:
        yield lambda word="test": namespaces.make(f"e2e-{word}")


@pytest.fixture(name="namespace")
def _namespace(make_namespace: MakeNamespace, cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """Return a namespace for one test; its end is begun right after the test, so that pods do not pile up."""
    name = make_namespace(request.node.originalname.removeprefix("test_").replace("_", "-")[:20].strip("-"))
    yield name
    cluster.delete_namespace(name)


@pytest.fixture(name="make_project")
def _make_project(tmp_path: Path, places: Places) -> MakeProject:
    """Return a maker of inventories that name the cluster."""

    def make(*model_servers: dict[str, object], folder: str = "inventory", **variables: object) -> Project:
        return Project(tmp_path / folder, places.kubeconfig, model_servers, **variables)

    return make


@pytest.fixture(name="gpus")
def _gpus(cluster: Cluster, places: Places) -> Iterator[Gpus]:
    """Return the pretended GPUs of the node, to set their number and health; after the test they are as before."""
    assert places.gpus.is_file(), f"no list of GPUs at {places.gpus}: set LLMOPS_TEST_GPUS"
    with borrow_gpus(cluster, places.gpus) as gpus:
        yield gpus


@pytest.fixture(name="real", scope="session")
def _real(make_namespace: MakeNamespace, cluster: Cluster, places: Places) -> RealServer:
    """Return real vLLM that all tests share which only ask it, as it takes long to load."""
    namespace = make_namespace("real")
    release = vllm("real", namespace, places.models)
    result = run_module("model_server", {"kubeconfig": str(places.kubeconfig), "model_servers": [release]})
    assert not result.get("failed"), result["msg"]
    (pod,) = cluster.wait_ready(namespace, "real", 1, 240)
    return RealServer(release, namespace, pod["metadata"]["name"])


@pytest.fixture(name="pretended", scope="session")
def _pretended(
    cluster: Cluster, make_namespace: MakeNamespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PretendedNodes]:
    """Return the maker of pretended nodes, for which kwok runs from the first test that asks to the end."""
    with run_kwok(cluster, make_namespace("kwok"), tmp_path_factory.mktemp("kwok")) as nodes:
        yield nodes


@pytest.fixture(name="gateway", scope="session")
def _gateway(
    cluster: Cluster, make_namespace: MakeNamespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Return a real gateway, which runs from the first test that asks to the end; schemas of routers come with it."""
    namespace, folder = make_namespace("gateway"), tmp_path_factory.mktemp("gateway")
    with install_schemas(cluster, namespace), run_gateway(cluster, namespace, folder) as gateway:
        yield gateway
