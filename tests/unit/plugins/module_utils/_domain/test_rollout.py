# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of roll-outs, case by case; test_rollout_simulation.py holds it against every choice of small clusters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Node, parse_node
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.plan_page import render_page
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.plan_table import (
    describe_plan,
    refusal,
    render_table,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quota import Quota
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.roll import (
    Ceiling,
    Chance,
    Course,
    Domain,
    Rules,
    explore,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout import plan_rollout
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_data import (
    Capacity,
    Change,
    Claim,
    ReleasePlan,
    StartTime,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import (
    Placed,
    parse_needs,
    parse_placed,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result

GPU = "nvidia.com/gpu"
ZONE = "topology.kubernetes.io/zone"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
OLD, NEW = "aaaaaaaaaa", "bbbbbbbbbb"


def labels(name: str, revision: str = NEW) -> dict[str, str]:
    return {"app.kubernetes.io/instance": name, "llmops.dev/slot": "blue", "llmops.dev/revision": revision}


def node(name: str, gpus: int = 1, *, taints: Any = (), ready: bool = True, **more: str) -> Node:
    has = {"cpu": "8", "memory": "64Gi", "pods": "110", GPU: str(gpus)}
    return parse_node(
        {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, ZONE: "a", **more}},
            "spec": {"taints": list(taints)},
            "status": {
                "conditions": [{"type": "Ready", "status": str(ready)}],
                "capacity": has,
                "allocatable": has,
            },
        }
    )


def template(name: str = "chat", *, gpus: int = 1, revision: str = NEW, **spec: Any) -> dict[str, Any]:
    limits = {GPU: str(gpus)} if gpus else {}
    containers = [{"name": "vllm", "resources": {"requests": {"cpu": "2"}, "limits": limits}}]
    return {"metadata": {"labels": labels(name, revision)}, "spec": {"containers": containers, **spec}}


def pod(name: str, where: str | None, made: dict[str, Any], *, namespace: str = "llm", **spec: Any) -> Placed:
    meta = {"name": name, "namespace": namespace, "labels": made["metadata"]["labels"]}
    phase = {"phase": "Running" if where else "Pending"}
    return parse_placed({"metadata": meta, "spec": {**made["spec"], "nodeName": where, **spec}, "status": phase})


def old(*places: str | None, name: str = "chat", **more: Any) -> tuple[Placed, ...]:
    made = template(name, revision=OLD, **more)
    return tuple(pod(f"{name}-old-{number}", where, made) for number, where in enumerate(places))


def stranger(where: str | None, *, gpus: int = 1, priority: int = 0, name: str = "job") -> Placed:
    made = {"metadata": {"labels": {"app": name}}, "spec": template(gpus=gpus)["spec"]}
    return pod(name, where, made, namespace="batch", priority=priority)


def change(name: str = "chat", replicas: int = 1, now: int | None = 1, **more: Any) -> Change:
    made = more.pop("template", None) or template(name, **more.pop("spec", {}))
    needs = parse_needs("llm", made, priority=more.pop("priority", 0), preempts=more.pop("preempts", True))
    pod_labels = {k: v for k, v in labels(name).items() if not k.endswith("revision")}
    base = Change(name, "llm", needs, replicas, NEW, pod_labels, accelerator=GPU, replicas_now=now)
    return replace(base, changes_template=now is not None, **more)


def plan(wanted: Change, nodes: list[Node], *pods: Placed, **more: Any) -> ReleasePlan:
    return plan_rollout([wanted], Capacity(tuple(nodes), pods, **more)).releases[0]


# Strategies


def test_a_free_gpu_means_surge_and_says_where_and_how_long() -> None:
    found = plan(change(), [node("a"), node("b")], *old("a"))
    assert (found.verdict, found.strategy, dict(found.places)) == (Result.PASS, "surge", {"b": 1})
    assert (found.extra_at_peak, found.fits_now, found.seconds_expected) == (1, 1, 60)
    assert found.steps == ("1 new pod starts beside 1 old ones (about 60 s)", "1 old pod leaves (up to 30 s)")


def test_without_a_free_gpu_two_replicas_are_replaced_in_place() -> None:
    found = plan(change(replicas=2, now=2), [node("a"), node("b")], *old("a", "b"))
    assert (found.verdict, found.strategy, found.extra_at_peak) == (Result.PASS, "in_place", 0)
    assert (found.seconds_expected, found.seconds_max) == (2 * 60 + 2 * 30, 2 * 300 + 2 * 30)


def test_one_replica_on_a_full_cluster_is_refused_with_the_ways_out() -> None:
    found = plan(change(), [node("a"), node("b")], *old("a"), stranger("b"))
    assert (found.verdict, found.strategy) == (Result.FAIL, "surge")
    assert found.reasons == (
        (
            "nodes have room for 0 new pods while 1 old ones serve, and surge needs 1; each asks for 2000m cpu, "
            "1 nvidia.com/gpu"
        ),
        "node a: 0 nvidia.com/gpu free of 1, node b: 0 nvidia.com/gpu free of 1",
    )
    assert "rollout.strategy: in_place (nobody answers for about 90 s, at most 330 s)" in found.remedies
    assert "rollout.strategy: recreate (nobody answers for about 90 s, at most 330 s)" in found.remedies
    assert "free 1 nvidia.com/gpu on node a" in found.remedies
    assert refusal(found).startswith("llm/chat (surge): nodes have room for 0 new pods")


def test_recreate_is_taken_where_it_is_asked_for_and_says_for_how_long_nobody_answers() -> None:
    found = plan(change(wish="recreate"), [node("a")], *old("a"))
    assert (found.verdict, found.silent_seconds) == (Result.PASS, 90)
    assert found.steps[0] == "1 old pods leave (up to 30 s)"
    assert "nobody answers for about 90 s, at most 330 s" in found.risks


def test_a_forced_strategy_that_can_only_hang_names_one_that_works() -> None:
    found = plan(change(replicas=2, now=2, wish="surge"), [node("a"), node("b")], *old("a", "b"))
    assert found.verdict is Result.FAIL
    assert "rollout.strategy: in_place (one replica fewer serves while each new pod starts)" in found.remedies
    needs_two = change(replicas=2, now=2, wish="in_place", spec={"gpus": 2})
    found = plan(needs_two, [node("a", 1), node("b", 1), node("c", 4)], *old("a", "b"))
    assert found.verdict is Result.PASS


# New, more, fewer, none


def test_a_new_release_that_is_too_large_is_told_what_fits() -> None:
    found = plan(change(replicas=4, now=None), [node("a", 2), node("b", 1)])
    assert (found.kind, found.verdict) == ("new", Result.FAIL)
    assert found.reasons[0].startswith("nodes have room for 3 of the 4 new pods that are wanted")
    assert "replicas: 3, which is what fits" in found.remedies
    found = plan(change(replicas=3, now=None), [node("a", 2), node("b", 1)])
    assert (found.verdict, dict(found.places), found.steps) == (
        Result.PASS,
        {"a": 2, "b": 1},
        ("3 new pods start side by side (about 60 s)",),
    )


def test_more_and_fewer_of_the_same_pods() -> None:
    same = [pod(f"chat-{n}", "a", template()) for n in range(2)]
    grown = replace(change(replicas=3, now=2), changes_template=False)
    assert plan(grown, [node("a", 3)], *same).kind == "scale"
    assert plan(grown, [node("a", 3)], *same).extra_at_peak == 1
    assert plan(grown, [node("a", 2)], *same).verdict is Result.FAIL
    fewer = plan(replace(grown, replicas=1), [node("a", 2)], *same)
    assert (fewer.verdict, fewer.steps, fewer.seconds_max) == (Result.PASS, ("pods leave",), 0)


def test_no_replicas_need_nothing_and_leave_their_places_to_the_next() -> None:
    gone = change("gone", replicas=0, now=1)
    found = plan_rollout([gone, change("chat", now=None)], Capacity((node("a"),), old("a", name="gone")))
    assert [each.kind for each in found.releases] == ["stop", "new"]
    assert found.verdict is Result.PASS


def test_an_old_pod_without_a_node_is_the_first_to_go() -> None:
    found = plan(change(replicas=1, now=1), [node("a"), node("b")], *old("a", None))
    assert (found.verdict, found.strategy) == (Result.PASS, "surge")


# Several releases


def test_releases_are_planned_in_their_order_each_with_what_is_left() -> None:
    wanted = [change("one", now=None), change("two", now=None)]
    found = plan_rollout(wanted, Capacity((node("a"),)))
    assert [each.verdict for each in found.releases] == [Result.PASS, Result.FAIL]
    assert found.verdict is Result.FAIL


def test_a_release_that_shares_the_last_free_place_is_told_to_wait() -> None:
    wanted = [change("one"), change("two")]
    nodes = (node("a"), node("b"), node("c"))
    found = plan_rollout(wanted, Capacity(nodes, (*old("a", name="one"), *old("b", name="two"))))
    first, second = found.releases
    assert (first.waits_for, second.waits_for, second.waits_seconds) == ((), ("one",), first.seconds_max)
    assert "it may wait for the roll-out of one" in second.risks[0]


# Eviction


def test_who_would_be_evicted_is_named_and_a_risk() -> None:
    victims = (
        stranger("a", name="big", gpus=2),
        stranger("b", name="small", gpus=1, priority=1),
        stranger("c", priority=9),
    )
    found = plan(change(now=None, priority=5), [node("a", 2), node("b"), node("c")], *victims)
    assert (found.verdict, found.displaced) == (Result.PASS, ("batch/big",))
    assert found.risks == ("pods of lower priority are evicted for it: batch/big",)
    two = plan(change(now=None, priority=5, replicas=3), [node("a", 2), node("b"), node("c")], *victims)
    assert two.displaced == ("batch/big", "batch/small")


def test_nobody_is_evicted_where_the_class_does_not_want_it_or_it_would_not_help() -> None:
    nodes = [node("a")]
    assert plan(change(now=None, priority=5, preempts=False), nodes, stranger("a")).verdict is Result.FAIL
    assert plan(change(now=None, priority=5, spec={"gpus": 2}), nodes, stranger("a")).verdict is Result.FAIL
    assert plan(change(now=None), nodes, stranger("a")).verdict is Result.FAIL


def test_rather_in_place_than_the_end_of_somebody_elses_pod() -> None:
    wanted = change(replicas=2, now=2, priority=5)
    pods = [*old("a", "b"), stranger("c")]
    pods[0], pods[1] = (replace(each, pod=replace(each.pod, priority=5)) for each in pods[:2])
    found = plan(wanted, [node("a"), node("b"), node("c")], *pods)
    assert (found.strategy, found.displaced) == ("in_place", ())
    surge = plan(replace(wanted, wish="surge"), [node("a"), node("b"), node("c")], *pods)
    assert (surge.verdict, surge.displaced) == (Result.PASS, ("batch/job",))


# What cannot be judged, and luck


def test_pods_of_others_that_wait_for_the_same_make_it_unsure() -> None:
    waiting = stranger(None, name="queued")
    found = plan(change(replicas=2, now=2), [node("a"), node("b")], *old("a", "b"), waiting)
    assert (found.verdict, found.strategy) == (Result.INCONCLUSIVE, "in_place")
    assert "may take what its old pods leave: batch/queued" in found.risks[0]
    assert plan(change(), [node("a"), node("b")], *old("a"), waiting).verdict is Result.PASS
    stronger = change(replicas=2, now=2, priority=5)
    assert plan(stronger, [node("a"), node("b")], *old("a", "b"), waiting).verdict is Result.PASS


def test_where_it_depends_on_which_pod_goes_first_it_says_so() -> None:
    # Three old pods and two wanted ones: with luck one of b goes first, and leaves its place to a new pod.
    closed = node("a", taints=[{"key": "x", "effect": "NoSchedule"}])
    found = plan(change(replicas=2, now=3, wish="surge"), [closed, node("b", 2)], *old("a", "b", "b"))
    assert found.verdict is Result.INCONCLUSIVE
    assert found.risks[0].startswith("surge may hang: whether it goes on depends on which old pods")
    assert (
        plan(change(replicas=2, now=2, wish="in_place"), [closed, node("b", 1)], *old("a", "b")).verdict is Result.FAIL
    )


def test_what_is_asked_for_and_cannot_be_judged_is_inconclusive() -> None:
    found = plan(change(now=None, spec={"schedulerName": "volcano"}), [node("a")])
    assert found.verdict is Result.INCONCLUSIVE
    assert "volcano" in found.risks[0]


def test_anti_affinity_that_means_nobody_is_told() -> None:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "ai-model"}}}
    found = plan(change(now=None, spec={"affinity": {"podAntiAffinity": {REQUIRED: [term]}}}), [node("a")])
    assert "its pod anti-affinity means pods with app=ai-model, and there is none" in found.risks[0]


# Nodes


def test_labels_that_no_node_carries_are_told_with_the_nearest() -> None:
    term = {"matchExpressions": [{"key": "gpu-type", "operator": "In", "values": ["A100"]}]}
    affinity = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [term]}}}
    found = plan(change(now=None, spec={"affinity": affinity}), [node("a")])
    assert "another label: no node carries gpu-type" in found.remedies
    found = plan(change(now=None, spec={"nodeSelector": {"gpu": "A10"}}), [node("a", gpu="A100")])
    assert "another label: no node carries gpu=A10; gpu is A100 here (did you mean A100?)" in found.remedies
    assert found.reasons[1] == "1 of 1 nodes: no label gpu=A10"
    found = plan(change(now=None, spec={"nodeSelector": {"gpu": "T4"}}), [node("a", gpu="A100")])
    assert "another label: no node carries gpu=T4; gpu is A100 here" in found.remedies
    found = plan(change(now=None, spec={"nodeSelector": {"gpus": "T4"}}), [node("a", gpu="A100")])
    assert "another label: no node carries gpus (did you mean gpu?)" in found.remedies


def test_taints_and_lost_nodes_are_told() -> None:
    tainted = node("a", taints=[{"key": "team", "value": "x", "effect": "NoSchedule"}])
    found = plan(change(now=None), [tainted, node("b", ready=False)])
    assert found.reasons[1] == "1 of 2 nodes: taint team=x:NoSchedule is not tolerated, 1 of 2 nodes: not ready"
    assert any(each.startswith("placement.tolerations") for each in found.remedies)


def test_anti_affinity_of_others_and_ports_keep_pods_off() -> None:
    term = {
        "topologyKey": ZONE,
        "labelSelector": {"matchLabels": {"app.kubernetes.io/instance": "chat"}},
        "namespaces": ["llm"],
    }
    hermit = pod(
        "hermit",
        "a",
        {"metadata": {"labels": {}}, "spec": {"containers": []}},
        namespace="batch",
        affinity={"podAntiAffinity": {REQUIRED: [term]}},
    )
    found = plan(change(now=None), [node("a", 2), node("b")], hermit)
    assert found.verdict is Result.FAIL
    assert "2 of 2 nodes: pod affinity or anti-affinity, or an own pod is there" in found.reasons[1]
    shared = {"hostNetwork": True, "containers": [{"name": "c", "ports": [{"containerPort": 8000}]}]}
    web = pod("web", "a", {"metadata": {"labels": {}}, "spec": shared}, namespace="batch")
    found = plan(change(now=None, spec=shared), [node("a")], web)
    assert found.verdict is Result.FAIL
    assert "its pods may not share a node, or its ports are taken" in found.reasons[1]
    assert plan(change(now=None, spec=shared, replicas=2), [node("a"), node("b")]).verdict is Result.PASS


def test_affinity_to_other_pods_is_for_their_nodes() -> None:
    term = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {"app": "job"}},
        "namespaces": ["batch"],
    }
    wanted = change(now=None, spec={"affinity": {"podAffinity": {REQUIRED: [term]}}})
    found = plan(wanted, [node("a", 2), node("b", 2)], stranger("b"))
    assert dict(found.places) == {"b": 1}


def test_pods_near_their_own_stay_in_one_zone() -> None:
    own = {k: v for k, v in labels("chat").items() if not k.endswith("revision")}
    term = {"topologyKey": ZONE, "labelSelector": {"matchLabels": own}}
    spec = {"affinity": {"podAffinity": {REQUIRED: [term]}}}
    nodes = [node("a", 1), node("b", 2, **{ZONE: "b"})]
    assert plan(change(now=None, replicas=1, spec=spec), nodes).verdict is Result.PASS
    assert plan(change(now=None, replicas=2, spec=spec), nodes).verdict is Result.INCONCLUSIVE
    assert plan(change(now=None, replicas=3, spec=spec), nodes).verdict is Result.FAIL


def spread(**more: Any) -> dict[str, Any]:
    own = {k: v for k, v in labels("chat").items() if not k.endswith("revision")}
    rule = {"topologyKey": ZONE, "maxSkew": 1, "labelSelector": {"matchLabels": own}, **more}
    return {"topologySpreadConstraints": [rule]}


def test_a_hard_spread_is_kept() -> None:
    nodes = [node("a", 4), node("b", 0, **{ZONE: "b"})]
    assert plan(change(now=None, replicas=2, spec=spread()), nodes).verdict is Result.FAIL
    honest = spread(nodeTaintsPolicy="Honor")
    closed = [node("a", 4), node("b", 4, taints=[{"key": "x", "effect": "NoSchedule"}], **{ZONE: "b"})]
    assert plan(change(now=None, replicas=2, spec=spread()), closed).verdict is Result.FAIL
    assert plan(change(now=None, replicas=2, spec=honest), closed).verdict is Result.PASS
    assert plan(change(now=None, replicas=2, spec=spread(minDomains=3)), closed).verdict is Result.FAIL
    assert plan(change(now=None, replicas=1, spec=spread(topologyKey="rack")), nodes).verdict is Result.FAIL
    other = spread(labelSelector={"matchLabels": {"app": "x"}})
    assert plan(change(now=None, spec=other), nodes).verdict is Result.INCONCLUSIVE
    several = {**spread(), "affinity": {"podAffinity": {REQUIRED: [{**spread()["topologySpreadConstraints"][0]}]}}}
    found = plan(change(now=None, spec=several), [node("a", 4)])
    assert found.risks == (f"several rules bind its nodes together ({ZONE})",)


def test_more_choices_than_can_be_tried_are_inconclusive() -> None:
    assert explore(Course(200, 1, 0), [Domain(300)], Rules(max_skew=1)) is Chance.UNKNOWN
    many = [Domain(free, giving=2) for free in range(12)]
    assert explore(Course(20, 0, 1), many, Rules(max_skew=9)) is Chance.UNKNOWN
    wanted = change(now=None, replicas=151, spec={**spread(), "gpus": 0})
    found = plan(
        replace(wanted, accelerator=None),
        [replace(node(str(n)), allocatable={"cpu": 8000, "pods": 110}) for n in range(40)],
    )
    assert found.risks == ("its hard rules leave more choices of nodes than can be tried",)


# Quotas, growth, volumes


def test_a_quota_that_leaves_no_room_is_named() -> None:
    quota = Quota("llm", "gpus", {f"requests.{GPU}": 1}, {f"requests.{GPU}": 1})
    other = Quota("elsewhere", "gpus", {"pods": 0})
    found = plan(change(), [node("a"), node("b")], *old("a"), quotas=(quota, other))
    assert found.verdict is Result.FAIL
    short = "leaves room for 0 new pods while 1 old ones serve, and surge needs 1"
    assert found.reasons[0].startswith(f"ResourceQuota llm/gpus (requests.{GPU}) {short}; each asks for 2000m cpu")
    assert f"raise ResourceQuota llm/gpus (requests.{GPU})" in found.remedies
    wanted = [change("one", now=None), change("two", now=None)]
    both = plan_rollout(wanted, Capacity((node("a", 4),), quotas=(replace(quota, used={}),)))
    assert [each.verdict for each in both.releases] == [Result.PASS, Result.FAIL]
    swap = plan_rollout(
        [change("one", wish="in_place"), change("two", now=None)],
        Capacity((node("a", 4),), old("a", name="one"), quotas=(replace(quota, hard={f"requests.{GPU}": 2}),)),
    )
    assert [each.verdict for each in swap.releases] == [Result.PASS, Result.PASS]


def test_where_nodes_may_grow_a_lack_of_room_is_a_risk() -> None:
    found = plan(change(), [node("a")], *old("a"), may_grow=True)
    assert (found.verdict, dict(found.places)) == (Result.PASS, {})
    assert "an autoscaler has to add nodes" in found.risks[0]


def mounts(claim: str = "models") -> dict[str, Any]:
    return {"volumes": [{"name": "m", "persistentVolumeClaim": {"claimName": claim}}]}


@pytest.mark.parametrize(
    ("modes", "verdict"),
    [(("ReadWriteOnce",), Result.FAIL), (("ReadWriteMany",), Result.PASS), ((), Result.PASS)],
)
def test_a_volume_of_one_node_is_refused_where_two_nodes_may_be_chosen(modes: tuple[str, ...], verdict: Result) -> None:
    claims = {("llm", "models"): Claim("models", modes)}
    found = plan(change(spec=mounts()), [node("a"), node("b")], *old("a", **mounts()), claims=claims)
    assert found.verdict is verdict
    if verdict is Result.FAIL:
        assert "its pods may come to 2 nodes (a, b)" in found.reasons[0]
        assert "rollout.strategy: in_place (nobody answers for about 90 s, at most 330 s)" in found.remedies
        assert "a volume with access mode ReadWriteMany or ReadOnlyMany" in found.remedies
        assert any("kubernetes.io/hostname: a" in each for each in found.remedies)
    one = plan(change(spec=mounts()), [node("a", 2)], *old("a", **mounts()), claims=claims)
    assert one.verdict is Result.PASS


def test_a_volume_of_one_pod_is_for_one_pod() -> None:
    claims = {("llm", "models"): Claim("models", ("ReadWriteOncePod",))}
    nodes = [node("a", 2)]
    assert (
        plan(change(spec=mounts(), wish="in_place"), nodes, *old("a", **mounts()), claims=claims).verdict is Result.PASS
    )
    found = plan(change(spec=mounts()), nodes, *old("a", **mounts()), claims=claims)
    assert (
        "ReadWriteOncePod: one pod of the cluster may use it, 1 replicas are wanted, and chat-old-0 uses it"
        in found.reasons[0]
    )
    found = plan(change(spec=mounts(), now=None, replicas=2), nodes, claims=claims)
    assert found.reasons[0].endswith("2 replicas are wanted")


# Words and pictures


def test_cpu_only_pods_are_planned_by_what_they_ask_for() -> None:
    wanted = replace(change(now=None, replicas=5, spec={"gpus": 0}), accelerator=None)
    found = plan(wanted, [node("a", 0)])
    assert found.verdict is Result.FAIL
    assert found.reasons[0].endswith("each asks for 2000m cpu")
    assert not any(each.startswith("free") for each in found.remedies)
    memory = template(gpus=0)
    memory["spec"]["containers"][0]["resources"]["requests"]["memory"] = "128Gi"
    found = plan(replace(change(now=None, template=memory), accelerator=None), [node("a", 0)])
    assert "node a: 64.0 GiB memory free of 64.0 GiB" in found.reasons[1]


def test_the_plan_is_lines_data_and_a_page() -> None:
    nodes = (node("a"), node("b"), *(node(f"spare-{number}", 20) for number in range(45)))
    refused = change("<big>", now=None, spec={"gpus": 32})
    whole = plan_rollout(
        [change(start=StartTime(150, "measured", True)), refused], Capacity(nodes, (*old("a"), stranger("b")))
    )
    lines = render_table(whole.releases)
    assert lines[0].split() == ["RELEASE", "CHANGE", "VERDICT", "STRATEGY", "REPLICAS", "EACH", "PEAK", "TAKES"]
    assert "llm/chat a pod starts in about 2 min (measured)" in lines
    assert "llm/chat new pods: 1 on spare-0" in lines
    data = describe_plan(whole)
    assert data["verdict"] == "fail"
    before, after = data["nodes"][0]["before"], data["nodes"][0]["after"]
    assert (before, after) == ({"llm/chat": 1}, {})
    assert data["nodes"][1]["peak"] == {"others": 1}
    page = render_page(whole, "https://c", "now", ["a note"])
    assert "llm/&lt;big&gt;" in page
    assert "<big>" not in page
    assert "http://" not in page
    assert page.count("<svg") > 1
    assert "7 more nodes" in page
    assert "a note" in page


def test_a_page_without_a_plan_or_without_changes_says_so() -> None:
    assert "inconclusive" in render_page(None, "c", "now", ["why"])
    empty = plan_rollout([], Capacity(()))
    assert (empty.verdict, "No release changes." in render_page(empty, "c", "now")) == (Result.PASS, True)
    nothing = plan_rollout([change(now=None)], Capacity(()))
    assert "No node has the accelerators" in render_page(nothing, "c", "now")


def test_pods_that_have_ended_or_whose_node_is_gone_hold_nothing() -> None:
    ended = stranger("a")
    ended = replace(ended, pod=replace(ended.pod, phase="Failed"))
    assert plan(change(now=None), [node("a")], ended, stranger("gone", name="lost")).verdict is Result.PASS


def test_a_quota_binds_where_nodes_depend_on_each_other_too() -> None:
    quota = (Ceiling(1, 1, (1,)),)
    assert explore(Course(1, 1, 0), [Domain(1, giving=1)], Rules(), ceilings=quota) is Chance.NEVER
    assert explore(Course(1, 0, 1), [Domain(1, giving=1)], Rules(), ceilings=quota) is Chance.ALWAYS
    away = Quota("elsewhere", "pods", {"pods": 0})
    assert plan(change(), [node("a", 2)], *old("a"), quotas=(away,)).verdict is Result.PASS


def test_pods_are_found_by_any_kind_of_selector() -> None:
    def near(selector: dict[str, Any]) -> Change:
        term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": selector, "namespaces": ["batch"]}
        return change(now=None, spec={"affinity": {"podAffinity": {REQUIRED: [term]}}})

    apart = {"topologyKey": ZONE, "labelSelector": {"matchLabels": {"app": "job"}}}
    shy = {"metadata": {"labels": {"app": "job"}}, "spec": {"containers": []}}
    hermit = pod("hermit", "b", shy, namespace="batch", affinity={"podAntiAffinity": {REQUIRED: [apart]}})
    for selector in ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, {"matchLabels": {"app": "job"}}, {}):
        assert dict(plan(near(selector), [node("a"), node("b")], hermit).places) == {"b": 1}


def test_one_pod_fills_an_exclusive_domain() -> None:
    alone = Rules(is_exclusive=True)
    assert explore(Course(2, 1, 0), [Domain(4), Domain(4)], alone) is Chance.ALWAYS
    assert explore(Course(3, 1, 0), [Domain(4), Domain(4)], alone) is Chance.NEVER
    assert explore(Course(1, 1, 0), [Domain(4, giving=1)], alone) is Chance.NEVER
    assert explore(Course(1, 1, 0), [Domain(4, holding=1)], Rules(is_exclusive=True, old_block=False)) is Chance.ALWAYS


def test_only_pods_on_nodes_that_may_be_used_are_evicted() -> None:
    wanted = change(now=None, priority=5, spec={"nodeSelector": {"gpu": "A100"}})
    found = plan(wanted, [node("a"), node("b", gpu="A100")], stranger("a", name="far"), stranger("b", name="near"))
    assert found.displaced == ("batch/near",)


def test_old_pods_without_a_node_go_first_where_nodes_depend_on_each_other_too() -> None:
    assert explore(Course(1, 0, 1), [Domain(1)], Rules(max_skew=1), waiting=2) is Chance.ALWAYS


def test_as_few_pods_as_will_do_are_evicted_of_a_node() -> None:
    small = [stranger("a", name=f"small-{number}") for number in range(2)]
    found = plan(change(now=None, priority=5, spec={"gpus": 2}), [node("a", 2)], *small)
    assert set(found.displaced) == {"batch/small-0", "batch/small-1"}
