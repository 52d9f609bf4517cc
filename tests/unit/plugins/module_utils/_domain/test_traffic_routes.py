# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of every provider: what is ours in them, the one patch, what they say of themselves."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.json_patch import apply_patches
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic import (
    PIN_HEADER,
    Provider,
    RouteSpec,
    find_host,
    plan_weights,
    shares,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_gateway import GatewayApi
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_istio import Istio
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_openshift import OpenShiftRoute
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_owner import (
    find_autoscalers,
    find_owners,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_traefik import Traefik
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError
from hypothesis import given
from hypothesis import strategies as st

PROVIDERS: tuple[Provider, ...] = (GatewayApi(), Istio(), OpenShiftRoute(), Traefik())
SPEC = RouteSpec("chat", "llm", "chat", 8000, ("llm.example.com",), "public", "ingress", "web", ("web",))
each_provider = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
percents = st.integers(0, 100)


def weights(blue: int) -> dict[str, int]:
    return {"blue": blue, "green": 100 - blue}


def route(provider: Provider, blue: int = 100, spec: RouteSpec = SPEC) -> dict[str, Any]:
    """Return a route of ours as the server would have it."""
    item = provider.render(spec, weights(blue))[0]
    item["metadata"]["generation"] = 3
    return item


def after(provider: Provider, item: Mapping[str, Any], blue: int) -> dict[str, Any]:
    plan = plan_weights(item, provider.parse(item, "chat"), weights(blue), provider)
    return apply_patches(item, plan.patch)


def seen(provider: Provider, item: Mapping[str, Any]) -> list[dict[str, float]]:
    return [shares(rule.weights) for rule in provider.parse(item, "chat") if rule.is_split]


def add_foreign(provider: Provider, item: dict[str, Any], weight: int) -> None:
    """Put a backend of somebody else first into the rule that shares."""
    spec = item["spec"]
    if provider.name == "gateway_api":
        spec["rules"][-1]["backendRefs"].insert(0, {"name": "other", "port": 80, "weight": weight})
    elif provider.name == "istio":
        spec["http"][-1]["route"].insert(0, {"destination": {"host": "other"}, "weight": weight})
    elif provider.name == "traefik":
        spec["weighted"]["services"].insert(0, {"name": "other", "port": 80, "weight": weight})
    else:
        spec["alternateBackends"].insert(0, {"kind": "Service", "name": "other", "weight": weight})


@each_provider
@given(before=percents, wanted=percents)
def test_one_patch_gives_every_share_that_is_wanted(provider: Provider, before: int, wanted: int) -> None:
    item = route(provider, before)
    changed = after(provider, item, wanted)
    assert seen(provider, changed) == [weights(wanted)]
    assert after(provider, changed, wanted) == changed


@each_provider
def test_nothing_is_patched_where_shares_are_as_wanted_whatever_the_numbers(provider: Provider) -> None:
    item = route(provider, 50)
    rules = provider.parse(item, "chat")
    halved = apply_patches(item, [{"op": "add", "path": f"{e.pointer}/weight", "value": 7} for e in rules[-1].entries])
    assert plan_weights(halved, provider.parse(halved, "chat"), weights(50), provider).patch == ()


@each_provider
def test_backends_of_others_keep_weight_and_share(provider: Provider) -> None:
    item = route(provider, 100)
    add_foreign(provider, item, 25)
    changed = after(provider, item, 90)
    (rule,) = [rule for rule in provider.parse(changed, "chat") if rule.is_split]
    assert (rule.weights, [(e.name, e.weight) for e in rule.foreign]) == (weights(90), [("other", 25)])


@each_provider
def test_a_share_that_would_take_from_others_is_refused_with_those_that_can_be(provider: Provider) -> None:
    item = route(provider, 100)
    add_foreign(provider, item, 25)
    rules = provider.parse(item, "chat")
    small = apply_patches(
        item, [{"op": "add", "path": f"{e.pointer}/weight", "value": 2} for e in rules[-1].entries if e.slot]
    )
    with pytest.raises(InputError, match=r"for one slot 0, 25, 50, 75, 100.*sum of 100 first") as error:
        after(provider, small, 90)
    assert "other (weight 25)" in error.value.message
    assert seen(provider, after(provider, small, 75)) == [weights(75)]


@each_provider
def test_the_patch_is_refused_where_a_backend_or_the_spec_has_changed_since(provider: Provider) -> None:
    item = route(provider, 100)
    patch = plan_weights(item, provider.parse(item, "chat"), weights(10), provider).patch
    renamed = copy.deepcopy(item)
    rule = provider.parse(item, "chat")[-1]
    renamed = apply_patches(renamed, [{"op": "replace", "path": rule.entries[0].name_pointer, "value": "else"}])
    newer = copy.deepcopy(item)
    newer["metadata"]["generation"] = 4
    for changed in (renamed, newer):
        with pytest.raises(ValueError, match="the test does not hold"):
            apply_patches(changed, patch)
    without = copy.deepcopy(item)
    del without["metadata"]["generation"]
    plan = plan_weights(without, provider.parse(without, "chat"), weights(10), provider)
    assert seen(provider, apply_patches(without, plan.patch)) == [weights(10)]


@each_provider
def test_a_rendered_route_cuts_no_stream_and_names_its_host(provider: Provider) -> None:
    item = route(provider)
    assert [each for each in provider.timeouts(item, "chat") if each.advice is not None] == []
    host = find_host(item)
    assert host == (None if provider.name == "traefik" else "llm.example.com")


@each_provider
def test_a_route_for_others_names_nothing_of_ours(provider: Provider) -> None:
    assert provider.parse(route(provider), "talk") == ()
    assert provider.parse({}, "chat") == ()


def test_pins_are_found_where_the_provider_matches_headers() -> None:
    for provider in PROVIDERS:
        pins = provider.pins(route(provider), "chat")
        slots = [(pin.slot, pin.header, pin.value) for pin in pins]
        both = [("blue", PIN_HEADER, "blue"), ("green", PIN_HEADER, "green")]
        assert slots == (both if provider.name in ("gateway_api", "istio") else [])
    plain = RouteSpec("chat", "llm", "chat", 8000, pin=False)
    for provider in PROVIDERS:
        assert provider.pins(route(provider, spec=plain), "chat") == ()
        assert seen(provider, route(provider, 30, plain)) == [weights(30)]
        assert find_host(route(provider, spec=plain)) in (None, "chat")
    _service, ingress = Traefik().render(SPEC, weights(100))
    assert [each["match"] for each in ingress["spec"]["routes"]] == [
        "(Host(`llm.example.com`)) && Header(`x-llmops-slot`, `blue`)",
        "(Host(`llm.example.com`)) && Header(`x-llmops-slot`, `green`)",
        "(Host(`llm.example.com`))",
    ]


def test_a_pin_needs_exactly_one_header_with_one_value() -> None:
    gateway, istio = GatewayApi(), Istio()
    item = route(gateway)
    item["spec"]["rules"][0]["matches"][0]["headers"][0]["type"] = "RegularExpression"
    item["spec"]["rules"][1]["matches"][0]["headers"].append({"name": "x", "value": "y"})
    assert gateway.pins(item, "chat") == ()
    service = route(istio)
    service["spec"]["http"][0]["match"][0]["headers"][PIN_HEADER] = {"prefix": "b"}
    service["spec"]["http"][1]["match"][0] = {"uri": {"prefix": "/"}}
    assert istio.pins(service, "chat") == ()


def test_only_services_of_the_routes_own_namespace_are_ours() -> None:
    item = route(GatewayApi())
    split = item["spec"]["rules"][-1]["backendRefs"]
    split[0]["namespace"], split[1]["kind"] = "elsewhere", "InferencePool"
    item["spec"]["rules"] = item["spec"]["rules"][-1:]
    assert GatewayApi().parse(item, "chat") == ()
    service = route(Traefik())
    service["spec"]["weighted"]["services"][0]["kind"] = "TraefikService"
    service["spec"]["weighted"]["services"][1]["namespace"] = "elsewhere"
    assert Traefik().parse(service, "chat") == ()
    virtual = route(Istio())
    for host, slot in (
        ("chat-blue", "blue"),
        ("chat-blue.llm", "blue"),
        ("chat-blue.llm.svc", "blue"),
        ("chat-blue.llm.svc.cluster.local", "blue"),
        ("chat-blue.llm2", None),
        ("chat-blue.elsewhere.svc.cluster.local", None),
    ):
        virtual["spec"]["http"] = [
            {"route": [{"destination": {"host": host}}, {"destination": {"host": "chat-green"}}]}
        ]
        (rule,) = Istio().parse(virtual, "chat")
        assert (rule.entries[0].slot, rule.is_split) == (slot, slot is not None), host


def test_harmful_settings_are_named_and_their_patch_heals_them() -> None:
    cases: list[tuple[Provider, dict[str, Any]]] = []
    gateway = route(GatewayApi())
    gateway["spec"]["rules"][-1]["timeouts"] = {"request": "15s", "backendRequest": "10s"}
    del gateway["spec"]["rules"][0]["timeouts"]
    cases.append((GatewayApi(), gateway))
    istio = route(Istio())
    istio["spec"]["http"][-1].update({"timeout": "30s", "retries": {"attempts": 2}})
    del istio["spec"]["http"][0]["retries"]
    cases.append((Istio(), istio))
    traefik = route(Traefik())
    traefik["spec"]["weighted"]["sticky"] = {"cookie": {}}
    cases.append((Traefik(), traefik))
    openshift = route(OpenShiftRoute())
    del openshift["metadata"]["annotations"]
    cases.append((OpenShiftRoute(), openshift))
    harmful = {}
    for provider, item in cases:
        found = [each for each in provider.timeouts(item, "chat") if each.advice is not None]
        harmful[provider.name] = [(each.where, each.value) for each in found]
        healed = apply_patches(item, [operation for each in found for operation in each.patch])
        assert [each for each in provider.timeouts(healed, "chat") if each.advice is not None] == []
    prefix = "annotation haproxy.router.openshift.io"
    assert harmful == {
        "gateway_api": [("rules[0].timeouts.request", None), ("rules[2].timeouts.request", "15s")],
        "istio": [
            ("http[0].retries.attempts", None),
            ("http[2].timeout", "30s"),
            ("http[2].retries.attempts", "2"),
        ],
        "traefik": [("weighted.sticky", "cookie")],
        "openshift_route": [
            (f"{prefix}/timeout", None),
            (f"{prefix}/disable_cookies", None),
            (f"{prefix}/balance", None),
        ],
    }
    kept = route(OpenShiftRoute())
    kept["metadata"]["annotations"]["haproxy.router.openshift.io/timeout"] = "5m"
    assert OpenShiftRoute().timeouts(kept, "chat")[0].advice is None


def parent(generation: int = 3, **changes: Any) -> dict[str, Any]:
    conditions = {"Accepted": "True", "ResolvedRefs": "True", **changes}
    told = [
        {"type": kind, "status": status, "observedGeneration": generation, "reason": "R", "message": "M"}
        for kind, status in conditions.items()
        if status
    ]
    return {"parentRef": {"name": "public"}, "controllerName": "c", "conditions": told}


@pytest.mark.parametrize(
    ("parents", "result", "words"),
    [
        ([parent()], Result.PASS, ""),
        ([parent(), parent(generation=2)], Result.INCONCLUSIVE, "has not looked at this generation: no Accepted of it"),
        ([parent(ResolvedRefs=None)], Result.INCONCLUSIVE, "no ResolvedRefs of it"),
        ([parent(ResolvedRefs="False")], Result.FAIL, "Gateway public (c) says ResolvedRefs=False: R, M"),
        ([], Result.INCONCLUSIVE, "no controller has claimed the route"),
    ],
)
def test_every_parent_must_have_taken_this_generation(parents: list[Any], result: Result, words: str) -> None:
    verdict = GatewayApi().confirm({**route(GatewayApi()), "status": {"parents": parents}})
    assert verdict.result is result
    assert words in " ".join(verdict.reasons)


@pytest.mark.parametrize(
    ("conditions", "result", "words"),
    [
        ([{"type": "Admitted", "status": "True"}], Result.PASS, ""),
        (
            [{"type": "Admitted", "status": "False", "reason": "R", "message": "M"}],
            Result.FAIL,
            "does not admit it: R, M",
        ),
        ([], Result.INCONCLUSIVE, "router default has not said"),
        (None, Result.INCONCLUSIVE, "no router has admitted"),
    ],
)
def test_every_openshift_router_must_have_admitted_the_route(conditions: Any, result: Result, words: str) -> None:
    ingress = [] if conditions is None else [{"routerName": "default", "conditions": conditions}]
    verdict = OpenShiftRoute().confirm({"status": {"ingress": ingress}})
    assert verdict.result is result
    assert words in " ".join(verdict.reasons)


def test_where_the_object_tells_nothing_that_is_said() -> None:
    for provider in (Istio(), Traefik()):
        verdict = provider.confirm({})
        assert verdict.result is Result.PASS
        assert "count requests" in verdict.reasons[0]


def test_owners_are_controllers_and_managers_of_the_backends() -> None:
    def manages(name: str, field: str) -> dict[str, Any]:
        return {"manager": name, "fieldsV1": {"f:spec": {field: {}}}}

    item = {
        "metadata": {
            "labels": {"rollouts.argoproj.io/gatewayapi-canary": "in-progress"},
            "ownerReferences": [
                {"kind": "ConfigMap", "name": "chat-release"},
                {"kind": "LLMInferenceService", "name": "chat", "controller": True},
            ],
            "managedFields": [
                manages("llmops.kubernetes", "f:rules"),
                manages("flagger", "f:rules"),
                manages("flagger", "f:rules"),
                manages("helm", "f:hostnames"),
                {"manager": "gateway", "fieldsV1": {"f:status": {}}},
            ],
        }
    }
    assert find_owners(item, ("rules",)) == (
        "controller LLMInferenceService chat",
        "Argo Rollouts (label rollouts.argoproj.io/gatewayapi-canary)",
        "field manager flagger",
    )
    assert find_owners({}, ("rules",)) == ()


def test_autoscalers_of_our_deployments_are_found() -> None:
    def scaler(title: str, **target: str) -> dict[str, Any]:
        return {"metadata": {"name": title}, "spec": {"scaleTargetRef": target}}

    scalers = [scaler("a", kind="Deployment", name="chat-blue"), scaler("b", kind="StatefulSet", name="chat-blue")]
    objects = [scaler("c", name="chat-green"), scaler("d", name="talk-green")]
    found = find_autoscalers(("chat-blue", "chat-green"), scalers, objects)
    assert found == ("HorizontalPodAutoscaler a of chat-blue", "ScaledObject c of chat-green")


def test_all_weights_zero_are_no_share() -> None:
    assert shares({"blue": 0, "green": 0}) == {"blue": 0.0, "green": 0.0}
