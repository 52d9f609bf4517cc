# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults between us and the real API server: what may be repeated survives them, what may not fails with words.

A proxy that hurts chosen requests stands before the API server; ``reset_after`` and ``stall_after`` are the nasty ones,
as the server has done its part and only the answer is lost.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import MakeNamespace
from tests.e2e.releases import standin
from tests.faults.proxy.proxy import Fault, FaultProxy, run_proxy
from tests.support.cluster import Cluster
from tests.support.playbooks import run_module

SOON = (("Retry-After", "1"),)
LEADER = b'{"kind":"Status","status":"Failure","message":"etcdserver: leader changed","code":500}'
INTERNAL = b'{"kind":"Status","status":"Failure","message":"something broke","code":500}'
OBJECTS_OF_A_RELEASE = 9
SURVIVED = {
    "read-429": Fault("status", "GET", "configmaps", status=429, headers=SOON),
    "read-503": Fault("status", "GET", "configmaps", nth=(1, 2), status=503),
    "read-leader-changed": Fault("status", "GET", "deployments", status=500, body=LEADER),
    "read-reset": Fault("reset", "GET", "services"),
    "read-answer-lost": Fault("reset_after", "GET", "services"),
    "read-answer-cut": Fault("cut", "GET", "configmaps"),
    "apply-429": Fault("status", "PATCH", "services", nth=(4, 5), status=429, headers=SOON),
    "apply-503": Fault("status", "PATCH", "deployments", nth=(2,), status=503),
    "apply-leader-changed": Fault("status", "PATCH", "configmaps", nth=(3,), status=500, body=LEADER),
    "apply-reset": Fault("reset", "PATCH", "services", nth=(4, 6)),
    "apply-answer-lost": Fault("reset_after", "PATCH", "deployments", nth=(2,)),
    "apply-answer-cut": Fault("cut", "PATCH", "configmaps", nth=(4,)),
    "apply-stalled": Fault("stall_after", "PATCH", "deployments", nth=(2,)),
    "trial-reset": Fault("reset", "PATCH", "services", nth=(1, 3)),
    "trial-stalled": Fault("stall_after", "PATCH", "deployments"),
    "everything-twice": Fault("status", nth=(2, 4, 6, 8), status=503),
}


@pytest.fixture(name="proxy", scope="module")
def _proxy(cluster: Cluster) -> Iterator[FaultProxy]:
    """Return a proxy before the API server, with an administrator's certificate."""
    settings, address = cluster.configuration, urlsplit(cluster.server)
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    with run_proxy((str(address.hostname), address.port or 443), context) as proxy:
        yield proxy


@pytest.fixture(name="place", scope="module")
def _place(make_namespace: MakeNamespace, cluster: Cluster) -> str:
    """Return a namespace for all releases of this file; they have no pods."""
    namespace = make_namespace("faults")
    data = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "standin", "namespace": namespace}}
    cluster.create(data)
    return namespace


def deploy(proxy: FaultProxy, name: str, namespace: str, state: str = "present", **more: Any) -> dict[str, Any]:
    limits = {"read_timeout_seconds": 2, "deadline_seconds": 20, **more}
    release = standin(name, namespace, replicas=0)
    return run_module("model_server", {"host": proxy.url, "model_servers": [release], "state": state, **limits})


def objects_of(cluster: Cluster, namespace: str, name: str) -> set[str]:
    words = (f"/{name}", f"/{name}-")
    return {key for key in cluster.versions(namespace) if any(word in key + "-" for word in words)}


@pytest.mark.parametrize("case", sorted(SURVIVED))
def test_a_deployment_survives_a_fault_that_may_be_repeated(
    case: str, proxy: FaultProxy, place: str, cluster: Cluster
) -> None:
    proxy.set(SURVIVED[case])
    result = deploy(proxy, case, place)
    assert not result.get("failed"), result["msg"]
    assert any(seen.fault for seen in proxy.seen), "the fault was never due"
    assert result["retried_on"], "a hurt request was not noticed"
    proxy.set()
    assert len(objects_of(cluster, place, case)) == OBJECTS_OF_A_RELEASE
    assert deploy(proxy, case, place)["changed"] is False


def test_removal_survives_a_lost_answer(proxy: FaultProxy, place: str, cluster: Cluster) -> None:
    proxy.set()
    deploy(proxy, "removed", place)
    proxy.set(Fault("reset_after", "DELETE", nth=(1, 2)), Fault("status", "DELETE", nth=(4,), status=503))
    result = deploy(proxy, "removed", place, "absent")
    assert not result.get("failed"), result["msg"]
    assert objects_of(cluster, place, "removed") == set()


@pytest.mark.parametrize("broken", [1, 4, OBJECTS_OF_A_RELEASE])
def test_a_refused_write_names_the_object_and_the_next_run_finishes(
    broken: int, proxy: FaultProxy, place: str, cluster: Cluster
) -> None:
    name = f"half-{broken}"
    proxy.set(Fault("status", "PATCH", nth=(OBJECTS_OF_A_RELEASE + broken,), status=500, body=INTERNAL))
    result = deploy(proxy, name, place)
    assert result["failed"]
    assert "something broke" in result["msg"]
    assert f"{place}/{name}" in result["msg"]
    # Writes go in one order and stop at the first refusal: nothing after it was tried, nothing before it is half done.
    assert len(objects_of(cluster, place, name)) == broken - 1
    proxy.set()
    assert deploy(proxy, name, place)["changed"] is True
    assert len(objects_of(cluster, place, name)) == OBJECTS_OF_A_RELEASE
    assert deploy(proxy, name, place)["changed"] is False


@pytest.mark.parametrize("broken", [1, OBJECTS_OF_A_RELEASE])
def test_a_refused_trial_names_the_object_and_leaves_nothing(
    broken: int, proxy: FaultProxy, place: str, cluster: Cluster
) -> None:
    name = f"tried-{broken}"
    proxy.set(Fault("status", "PATCH", nth=(broken,), status=500, body=INTERNAL))
    result = deploy(proxy, name, place)
    assert result["failed"]
    assert f"{place}/{name}" in result["msg"]
    assert result["msg"].endswith("something broke. Nothing was changed")
    assert objects_of(cluster, place, name) == set()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("stall", "GET", nth=()), "did not answer"),
        (Fault("stall_after", "PATCH", nth=()), "did not answer"),
        (Fault("status", nth=(), status=503), "did not answer"),
    ],
    ids=["reads-stall", "writes-stall", "always-503"],
)
def test_a_server_that_never_answers_ends_the_task_within_its_deadline(
    fault: Fault, words: str, proxy: FaultProxy, place: str
) -> None:
    proxy.set(fault)
    started = time.monotonic()
    result = deploy(proxy, "stalled", place, read_timeout_seconds=30, deadline_seconds=4)
    seconds = time.monotonic() - started
    proxy.set()
    assert result["failed"]
    assert words in result["msg"]
    assert proxy.url in result["msg"]
    assert seconds < 6, f"{seconds:.1f} s with a deadline of 4 s"


def test_check_mode_writes_nothing_also_when_answers_are_lost(proxy: FaultProxy, place: str, cluster: Cluster) -> None:
    proxy.set(Fault("reset_after", "PATCH", nth=(1, 3)))
    release = standin("dry", place, replicas=0)
    result = run_module("model_server", {"host": proxy.url, "model_servers": [release]}, check=True)
    assert result["changed"], result
    assert {seen.path.partition("?")[2].count("dryRun=All") for seen in proxy.seen if seen.method == "PATCH"} == {1}
    assert objects_of(cluster, place, "dry") == set()
