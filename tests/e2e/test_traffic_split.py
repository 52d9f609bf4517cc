# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic between two slots behind a real gateway: weights in force, others' routes left alone, ignored weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.conftest import MakeNamespace
from tests.e2e.releases import Places, put_green_slot, standin, standin_configmap
from tests.e2e.roles import GROUP, bind_role, each_verb, load_rules, rules_without, wait_bound
from tests.support.cluster import AuditLog, Cluster, ClusterRefusal
from tests.support.gateway import Gateway
from tests.support.playbooks import run_module
from tests.support.processes import request

RULES = load_rules("roles/model_server/files/rbac-traffic.yml")
FOREIGN = {"group": "", "kind": "Service", "name": "other", "port": 80, "weight": 0}


@dataclass(frozen=True)
class Yard:
    """A namespace with a release of two slots, one pod each, and the gateway in front."""

    namespace: str
    places: Places
    cluster: Cluster
    gateway: Gateway

    def split(self, blue: int, check: bool = False, verify: Any = None, **options: Any) -> dict[str, Any]:
        """Run the module; ``verify`` is added to how the gateway is asked, from this machine."""
        arguments: dict[str, Any] = {
            "kubeconfig": str(self.places.kubeconfig),
            "name": "chat",
            "namespace": self.namespace,
            "provider": "gateway_api",
            "weights": {"blue": blue, "green": 100 - blue},
        }
        if verify is not None:
            arguments["verify"] = {"url": self.gateway.url, "run_from": "controller", **verify}
        return run_module("traffic_split", {**arguments, **options}, check=check)

    def counted(self) -> dict[str, float]:
        """Return how many requests the pods of each slot have finished, read apart from the module."""
        counts = {"blue": 0.0, "green": 0.0}
        for pod in self.cluster.pods(self.namespace, "chat"):
            page = request(pod["status"]["podIP"], 8000, "/metrics").body.decode()
            lines = [line for line in page.splitlines() if line.startswith("vllm:request_success_total{")]
            slot = pod["metadata"]["labels"]["llmops.dev/slot"]
            counts[slot] += sum(float(line.rsplit(" ", 1)[1]) for line in lines)
        return counts

    def rules(self, name: str = "chat") -> list[dict[str, Any]]:
        """Return the rules of an HTTPRoute as they are now."""
        found: list[dict[str, Any]] = (self.cluster.get("HTTPRoute", self.namespace, name) or {})["spec"]["rules"]
        return found


def ok(result: dict[str, Any]) -> dict[str, Any]:
    assert not result.get("failed"), result["msg"]
    return result


@pytest.fixture(name="yard", scope="module")
def _yard(make_namespace: MakeNamespace, cluster: Cluster, places: Places, gateway: Gateway) -> Iterator[Yard]:
    namespace = make_namespace("traffic")
    cluster.create(standin_configmap(namespace))
    release = standin("chat", namespace, {"ttft_seconds": 0, "itl_seconds": 0})
    ok(run_module("model_server", {"kubeconfig": str(places.kubeconfig), "model_servers": [release]}))
    put_green_slot(cluster, namespace, "chat")
    cluster.wait_ready(namespace, "chat", 2, 120)
    yard = Yard(namespace, places, cluster, gateway)
    create = {"gateway": gateway.name, "gateway_namespace": gateway.namespace, "hosts": ["llm.example.com"]}
    assert "There is no HTTPRoute" in yard.split(100)["msg"]
    assert ok(yard.split(100, check=True, create=create))["changed"] is True
    assert cluster.get("HTTPRoute", namespace, "chat") is None
    made = ok(yard.split(100, create=create, verify={}))
    assert (made["changed"], made["verdict"], made["timeouts"][0]["value"]) == (True, "pass", "0s")
    assert made["observed"]["requests_by_slot"] == {"blue": made["observed"]["sent"], "green": 0}
    yield yard
    cluster.delete_namespace(namespace)


def test_the_pods_answer_in_the_parts_that_are_wanted_and_a_second_run_changes_nothing(
    yard: Yard, audit: AuditLog
) -> None:
    for blue in (90, 50):
        mark = audit.mark()
        predicted = ok(yard.split(blue, check=True))
        result = ok(yard.split(blue, verify={}))
        assert (predicted["changed"], result["changed"], result["verdict"]) == (True, True, "pass")
        assert predicted["weights_after"] == result["weights_after"]
        assert audit.writes(mark, yard.namespace) == ["patch httproutes/chat"]
        before = yard.counted()
        again = ok(yard.split(blue, verify={"requests": 40}, fail_on=["fail"]))
        counted = {slot: count - before[slot] for slot, count in yard.counted().items()}
        assert (again["changed"], again["verdict"]) == (False, "inconclusive")
        assert counted == again["observed"]["requests_by_slot"]


def test_the_server_refuses_a_patch_for_another_generation_and_status_makes_none(yard: Yard) -> None:
    """What a split relies on where somebody changes the route between its reading and its patch."""
    path = yard.cluster.path("HTTPRoute", yard.namespace, "chat")
    generation = yard.cluster.call("GET", path)["metadata"]["generation"]
    for value, status in ((generation - 1, 422), (generation, 200)):
        guard = [{"op": "test", "path": "/metadata/generation", "value": value}]
        try:
            seen = 200
            yard.cluster.call("PATCH", path, guard, "application/json-patch+json")
        except ClusterRefusal as refusal:
            seen = refusal.status
        assert seen == status
    assert yard.cluster.call("GET", path)["metadata"]["generation"] == generation


def test_a_header_leads_to_one_slot_whatever_the_weights(yard: Yard) -> None:
    ok(yard.split(50))
    result = ok(yard.split(50, verify={"slot": "green"}))
    observed = result["observed"]["requests_by_slot"]
    assert (result["verdict"], observed["blue"], observed["green"] >= 100) == ("pass", 0, True)


def test_what_ignores_the_weights_is_found_out(yard: Yard) -> None:
    ok(yard.split(50))
    address, port = yard.cluster.address(yard.namespace, "chat-blue")
    result = yard.split(50, verify={"url": f"http://{address}:{port}", "requests": 64})
    assert result["failed"]
    assert "with a weight of 50 %" in result["msg"]
    assert "the weights are not in force" in result["msg"]


def test_a_route_of_somebody_else_is_refused_and_on_demand_only_our_weights_change(yard: Yard) -> None:
    route = copy.deepcopy(yard.cluster.get("HTTPRoute", yard.namespace, "chat"))
    assert route is not None
    rules = route["spec"]["rules"][-1:]
    rules[0]["backendRefs"] = [FOREIGN, *({**each, "weight": 50} for each in rules[0]["backendRefs"])]
    theirs = {
        "apiVersion": route["apiVersion"],
        "kind": "HTTPRoute",
        "metadata": {"name": "theirs", "namespace": yard.namespace},
        "spec": {**route["spec"], "hostnames": ["theirs.example.com"], "rules": rules},
    }
    yard.cluster.apply(theirs, manager="helm")
    # Without any endpoint, others' Service makes the gateway answer with an error for its part: none at weight 0.
    refused = yard.split(90, route="theirs", confirm_seconds=0)
    assert "are set by field manager helm" in refused["msg"]
    assert yard.rules("theirs") == rules
    forced = yard.split(90, route="theirs", force=True, confirm_seconds=10)
    assert forced["changed"] is True
    # The gateway says that others' Service is not there: that is told, and the weights are as they were wanted.
    assert "ResolvedRefs=False" in forced["msg"]
    first, blue, green = yard.rules("theirs")[0]["backendRefs"]
    assert (first, blue["weight"], green["weight"]) == (FOREIGN, 90, 10)


ROUTERS = {"istio": "VirtualService", "traefik": "TraefikService", "openshift_route": "Route"}


@pytest.mark.parametrize("provider", ROUTERS)
def test_routes_of_other_routers_are_made_and_patched_as_their_schemas_want(provider: str, yard: Yard) -> None:
    create = {"gateway": "public", "gateway_namespace": "ingress", "hosts": ["llm.example.com"]}
    options: dict[str, Any] = {"provider": provider, "route": "edge", "create": create, "confirm_seconds": 0}
    predicted = ok(yard.split(100, check=True, **options))
    made = yard.split(100, **options)
    changed = yard.split(90, disable_timeouts=True, **options)
    assert (predicted["changed"], made["changed"], changed["changed"]) == (True, True, True)
    assert [rule["blue"] for rule in changed["weights_after"]] == [90.0]
    if provider == "openshift_route":
        assert "no router has admitted the Route" in changed["msg"]
    else:
        assert [each for each in ok(changed)["timeouts"] if each["advice"] is not None] == []
    assert yard.split(90, **options)["changed"] is False
    found = yard.cluster.get(ROUTERS[provider], yard.namespace, "edge")
    assert found is not None
    writers = {entry["manager"] for entry in found["metadata"]["managedFields"]}
    assert writers == {"llmops.kubernetes"}


def test_the_shipped_role_is_enough_to_prove_a_split_from_a_job(yard: Yard) -> None:
    user = {"apiGroup": GROUP, "kind": "User", "name": "splitter"}
    bind_role(yard.cluster, yard.namespace, "splitter", RULES, user)
    wait_bound(yard.cluster, "splitter", RULES, yard.namespace)
    ok(yard.split(90))
    result = ok(yard.split(50, verify={"run_from": "cluster"}, impersonate_user="splitter"))
    assert (result["changed"], result["verdict"]) == (True, "pass")


@pytest.mark.parametrize(("verb", "resource"), each_verb(RULES), ids=lambda value: value)
def test_each_verb_of_the_role_is_needed_and_its_absence_is_named(yard: Yard, verb: str, resource: str) -> None:
    user, left = f"without-{verb}-{resource.replace('/', '-')}", rules_without(RULES, verb, resource)
    bind_role(yard.cluster, yard.namespace, user, left, {"apiGroup": GROUP, "kind": "User", "name": user})
    wait_bound(yard.cluster, user, left, yard.namespace)
    result = yard.split(
        60 if verb == "patch" else 50, verify={"run_from": "cluster", "requests": 64}, impersonate_user=user
    )
    assert result.get("failed"), f"{verb} {resource} is not needed: {result}"
    assert f'cannot {verb} resource "{resource}"' in result["msg"]
    assert "rbac-traffic.yml" in result["msg"]


def test_replicas_share_behind_the_clients_service_alone(yard: Yard) -> None:
    unreachable = yard.split(90, provider="replicas")
    assert "cannot be reached by 2 replicas" in unreachable["msg"]
    assert "for blue 0, 50, 100" in unreachable["msg"]
    url = {"url": None}
    result = ok(yard.split(50, provider="replicas", verify=url))
    assert (result["changed"], result["verdict"]) == (True, "pass")
    assert ok(yard.split(50, provider="replicas"))["changed"] is False
    release = standin("chat", yard.namespace, {"ttft_seconds": 0, "itl_seconds": 0})
    deployed = run_module("model_server", {"kubeconfig": str(yard.places.kubeconfig), "model_servers": [release]})
    assert ".spec.selector" in deployed["msg"]
    assert "Nothing was changed" in deployed["msg"]
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "chat", "namespace": yard.namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat-blue"},
            "maxReplicas": 1,
        },
    }
    yard.cluster.create(scaler)
    refused = yard.split(100, provider="replicas")
    assert "HorizontalPodAutoscaler chat of chat-blue" in refused["msg"]
    yard.cluster.delete("HorizontalPodAutoscaler", yard.namespace, "chat")
    back = ok(yard.split(100, provider="replicas", verify=url))
    assert (back["replicas"], back["verdict"]) == ({"blue": 2, "green": 0}, "pass")
    service = yard.cluster.get("Service", yard.namespace, "chat")
    assert service is not None
    assert service["spec"]["selector"]["llmops.dev/slot"] == "blue"
