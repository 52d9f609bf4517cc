# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sharing traffic by a route, over a cluster in memory: what is refused, what is written once, what is proved."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic import RouteSpec
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_gateway import GatewayApi
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_parse import Verification
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.traffic_traefik import Traefik
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.traffic_split import TrafficRequest, split_route

from tests.unit.plugins.module_utils._flows.memory import MemoryClock, MemoryCluster
from tests.unit.plugins.module_utils._flows.traffic import Counter, make_release, put_pods

SPEC = RouteSpec("chat", "llm", "chat", 8000, ("llm.example.com",), "public")
URL = "http://gateway"


def parents(generation: int) -> dict[str, Any]:
    told = [{"type": kind, "status": "True", "observedGeneration": generation} for kind in ("Accepted", "ResolvedRefs")]
    return {"parents": [{"parentRef": {"name": "public"}, "controllerName": "c", "conditions": told}]}


def put_route(cluster: MemoryCluster, blue: int = 100, accepted: int = 100) -> dict[str, Any]:
    item = GatewayApi().render(SPEC, {"blue": blue, "green": 100 - blue})[0]
    item["metadata"].update({"generation": 1})
    item["status"] = parents(accepted)
    return cluster.put(item)


@pytest.fixture(name="cluster")
def _cluster() -> MemoryCluster:
    cluster = make_release()
    put_route(cluster)
    return cluster


def split(
    cluster: MemoryCluster,
    blue: int = 90,
    counter: Counter | None = None,
    clock: MemoryClock | None = None,
    provider: Any = None,
    **options: Any,
) -> Outcome:
    request = TrafficRequest("chat", "llm", {"blue": blue, "green": 100 - blue}, "chat", **options)
    return split_route(request, provider or GatewayApi(), cluster, counter or Counter(), clock or MemoryClock())


def live(cluster: MemoryCluster) -> list[int]:
    rule = cluster.find("HTTPRoute", "llm", "chat")["spec"]["rules"][-1]
    return [each["weight"] for each in rule["backendRefs"]]


def test_one_patch_sets_both_weights_and_a_second_run_changes_nothing(cluster: MemoryCluster) -> None:
    first = split(cluster)
    assert (first.changed, first.failure, live(cluster)) == (True, None, [90, 10])
    assert cluster.writes == ["patch HTTPRoute chat"]
    assert first.result["weights_before"] == [{"rule": "rules[2]", "blue": 100.0, "green": 0.0}]
    assert first.result["weights_after"] == [{"rule": "rules[2]", "blue": 90.0, "green": 10.0}]
    assert '"weight": 90' in first.diff[0]["after"]
    second = split(cluster)
    assert (second.changed, second.diff, cluster.writes) == (False, (), ["patch HTTPRoute chat"])


def test_check_mode_predicts_and_writes_nothing(cluster: MemoryCluster) -> None:
    outcome = split(cluster, check_mode=True, verify=Verification(URL))
    assert (outcome.changed, outcome.result["verdict"], cluster.writes) == (True, "inconclusive", [])
    assert outcome.result["weights_after"][0]["blue"] == 90.0


def test_a_route_that_is_not_there_is_refused_and_made_on_demand() -> None:
    cluster = make_release()
    with pytest.raises(ClusterError, match=r"There is no HTTPRoute llm/chat on https://memory.*option create"):
        split(cluster)
    request: dict[str, Any] = {"create": SPEC, "confirm_seconds": 0.0}
    tried = split(cluster, check_mode=True, **request)
    assert (tried.changed, cluster.writes) == (True, [])
    outcome = split(cluster, **request)
    assert (outcome.changed, outcome.result["weights_before"], live(cluster)) == (True, None, [90, 10])
    assert "no controller has claimed the route" in str(outcome.failure)
    traefik = split(cluster, provider=Traefik(), create=SPEC)
    assert (traefik.failure, len(traefik.diff)) == (None, 2)


def test_a_rule_must_name_both_slots(cluster: MemoryCluster) -> None:
    rules = cluster.find("HTTPRoute", "llm", "chat")["spec"]["rules"]
    rules.pop()
    with pytest.raises(ClusterError, match=r"rules\[0\] names chat-blue; rules\[1\] names chat-green"):
        split(cluster)
    rules.clear()
    with pytest.raises(ClusterError, match="no backend of this release"):
        split(cluster)


def manage(cluster: MemoryCluster, manager: str) -> None:
    fields = {"manager": manager, "fieldsV1": {"f:spec": {"f:rules": {}}}}
    cluster.find("HTTPRoute", "llm", "chat")["metadata"]["managedFields"] = [fields]


def test_weights_that_others_set_are_refused_with_their_name_unless_forced(cluster: MemoryCluster) -> None:
    manage(cluster, "flagger")
    with pytest.raises(ClusterError, match="are set by field manager flagger") as error:
        split(cluster)
    assert (error.value.details, live(cluster)) == ({"owners": ["field manager flagger"]}, [100, 0])
    assert split(cluster, blue=100).changed is False
    assert split(cluster, force=True).changed is True


def test_no_traffic_goes_to_a_slot_without_a_ready_pod(cluster: MemoryCluster) -> None:
    put_pods(cluster, "green", 1, ready="False")
    with pytest.raises(ClusterError, match=r"Slot green of llm/chat on https://memory has no ready pod, so 10 %"):
        split(cluster)
    assert live(cluster) == [100, 0]
    put_route(cluster, blue=50)
    assert split(cluster, blue=100).changed is True  # away from it is always right


def test_a_change_in_the_middle_is_decided_anew(cluster: MemoryCluster) -> None:
    def foreign_change() -> None:
        item = copy.deepcopy(cluster.find("HTTPRoute", "llm", "chat"))
        item["spec"]["rules"].insert(0, {"backendRefs": [{"name": "other"}]})
        item["metadata"]["generation"] += 1
        cluster.put(item)

    cluster.before_patch["chat"] = foreign_change
    assert split(cluster).changed is True
    assert live(cluster) == [90, 10]
    assert cluster.find("HTTPRoute", "llm", "chat")["spec"]["rules"][0] == {"backendRefs": [{"name": "other"}]}


def test_a_patch_whose_answer_was_lost_counts_as_a_change(cluster: MemoryCluster) -> None:
    def same_change() -> None:
        item = copy.deepcopy(cluster.find("HTTPRoute", "llm", "chat"))
        for each, weight in zip(item["spec"]["rules"][-1]["backendRefs"], (90, 10)):
            each["weight"] = weight
        item["metadata"]["generation"] += 1
        cluster.put(item)

    cluster.before_patch["chat"] = same_change
    assert (split(cluster).changed, cluster.writes) == (True, [])


def test_a_fight_ends_and_names_who_writes(cluster: MemoryCluster) -> None:
    def change() -> None:
        item = copy.deepcopy(cluster.find("HTTPRoute", "llm", "chat"))
        item["metadata"]["generation"] += 1
        cluster.put(item)
        cluster.before_patch["chat"] = change

    change()
    with pytest.raises(ClusterError, match=r"was changed by others 5 times.*nobody that managedFields knows"):
        split(cluster)


def test_a_route_that_is_deleted_in_the_middle_is_told(cluster: MemoryCluster) -> None:
    def delete() -> None:
        del cluster.objects["HTTPRoute", "llm", "chat"]

    cluster.before_patch["chat"] = delete
    with pytest.raises(ClusterError, match="not found"):
        split(cluster)


def test_what_the_server_refuses_otherwise_is_told_in_its_words(cluster: MemoryCluster) -> None:
    cluster.refused.add("HTTPRoute chat")
    with pytest.raises(ClusterError, match="HTTP 422 is invalid"):
        split(cluster)
    cluster.refused.clear()
    cluster.denied.add(("patch", "HTTPRoute"))
    with pytest.raises(ClusterError, match="patch HTTPRoute is forbidden"):
        split(cluster)


def test_weights_that_are_put_back_at_once_fail_with_the_managers_name(cluster: MemoryCluster) -> None:
    original = cluster.patch_json

    def undone(*args: Any, **options: Any) -> dict[str, Any]:
        answer = original(*args, **options)
        put_route(cluster)
        manage(cluster, "argocd-controller")
        return answer

    cluster.patch_json = undone  # type: ignore[method-assign]
    outcome = split(cluster)
    assert "after the change: field manager argocd-controller has set that" in str(outcome.failure)
    assert outcome.result["verdict"] == "fail"


def test_the_router_is_waited_for_and_its_refusal_is_the_failure(cluster: MemoryCluster) -> None:
    clock = MemoryClock()
    put_route(cluster, accepted=1)
    clock.at(5, lambda: cluster.find("HTTPRoute", "llm", "chat").update(status=parents(2)))
    assert split(cluster, clock=clock).failure is None
    assert clock.seconds < 10
    put_route(cluster, accepted=0)
    outcome = split(cluster)
    assert "has not looked at this generation" in str(outcome.failure)


def test_harmful_settings_are_warned_of_and_healed_on_demand(cluster: MemoryCluster) -> None:
    cluster.find("HTTPRoute", "llm", "chat")["spec"]["rules"][-1]["timeouts"] = {"request": "15s"}
    (warning,) = split(cluster).warnings
    assert "rules[2].timeouts.request of HTTPRoute llm/chat on https://memory is 15s" in warning
    healed = split(cluster, disable_timeouts=True)
    assert (healed.changed, healed.warnings) == (True, [])
    assert cluster.find("HTTPRoute", "llm", "chat")["spec"]["rules"][-1]["timeouts"] == {"request": "0s"}
    assert split(cluster, disable_timeouts=True).changed is False


def test_a_split_is_proved_by_the_pods_counters(cluster: MemoryCluster) -> None:
    counter = Counter(blue=90, green=10)
    outcome = split(cluster, counter=counter, verify=Verification(URL))
    assert (outcome.failure, outcome.result["verdict"]) == (None, "pass")
    assert outcome.result["observed"]["requests_by_slot"] == {"blue": 518, "green": 58}
    (request,) = counter.requests
    assert (request["requests"], request["model"]) == (576, "chat")
    assert request["target"]["headers"] == {"Host": "llm.example.com"}
    assert [pod["url"] for pod in request["pods"]] == ["http://192.0.2.0:8000", "http://192.0.2.0:8000"]


def test_a_router_that_ignores_weights_fails(cluster: MemoryCluster) -> None:
    outcome = split(cluster, counter=Counter(blue=100), verify=Verification(URL))
    assert "the weights are not in force" in str(outcome.failure)
    assert outcome.changed is True
    kept = split(cluster, counter=Counter(blue=100), verify=Verification(URL), fail_on=())
    assert (kept.failure, kept.result["verdict"]) == (None, "fail")


def test_a_router_may_take_a_moment_after_a_change(cluster: MemoryCluster) -> None:
    clock, counter = MemoryClock(), Counter(blue=100)
    clock.at(2, lambda: counter.percents.update(blue=90, green=10))
    outcome = split(cluster, counter=counter, clock=clock, verify=Verification(URL))
    assert (outcome.result["verdict"], outcome.result["observed"]["rounds"]) == ("pass", 5)
    counter.percents.update(blue=100, green=0)
    again = split(cluster, counter=counter, verify=Verification(URL))
    assert (again.result["verdict"], again.result["observed"]["rounds"]) == ("fail", 1)


def test_pinned_requests_must_all_reach_their_slot(cluster: MemoryCluster) -> None:
    counter = Counter(green=100)
    outcome = split(cluster, counter=counter, verify=Verification(URL, slot="green"))
    assert outcome.result["verdict"] == "pass"
    assert counter.requests[0]["target"]["headers"]["x-llmops-slot"] == "green"
    missed = split(cluster, counter=Counter(blue=90, green=10), verify=Verification(URL, slot="green"))
    assert missed.result["verdict"] == "fail"


def test_a_way_to_ask_is_needed_before_anything_is_written(cluster: MemoryCluster) -> None:
    del cluster.find("HTTPRoute", "llm", "chat")["spec"]["rules"][:2]
    with pytest.raises(InputError) as error:
        split(cluster, verify=Verification(slot="green"))
    assert [problem.path for problem in error.value.problems] == ["verify.url", "verify.slot"]
    assert cluster.writes == []


def test_what_cannot_be_counted_is_inconclusive(cluster: MemoryCluster) -> None:
    counter = Counter(blue=90, green=10)
    counter.change = {"after": {"chat-blue-0": 3.0, "chat-green-0": None}}
    outcome = split(cluster, counter=counter, verify=Verification(URL), fail_on=())
    (reason,) = outcome.result["reasons"]
    assert reason.startswith("the counters of slot blue and green could not be read: pod chat-blue-0 has restarted; ")
    assert reason.endswith("pod chat-green-0 shows no counter")
    counter.error = ClusterError("no node for the Job")
    assert split(cluster, counter=counter, verify=Verification(URL), fail_on=()).result["reasons"] == [
        "no node for the Job"
    ]
    for slot in ("blue", "green"):
        del cluster.objects["Deployment", "llm", f"chat-{slot}"]
    outcome = split(cluster, verify=Verification(URL))
    assert "there is no Deployment llm/chat-blue or -green" in str(outcome.failure)


def test_the_traffic_of_others_can_be_watched(cluster: MemoryCluster) -> None:
    counter = Counter()
    counter.change = {"after": {"chat-blue-0": 907.0, "chat-green-0": 107.0}}
    outcome = split(cluster, counter=counter, verify=Verification(requests=0, seconds=5.0))
    assert (outcome.result["verdict"], counter.requests[0]["watch_seconds"]) == ("pass", 5.0)
