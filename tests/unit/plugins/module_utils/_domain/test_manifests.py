# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import kubernetes_validate
import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import (
    find_strategy,
    plan_strategy,
    render_objects,
    with_owner,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probes import estimate_model_bytes, plan_start
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils._domain.releases import COMMIT, DRAIN_TEXT, server

EVERYTHING: dict[str, Any] = {
    "create_namespace": True,
    "labels": {"team": "search"},
    "annotations": {"example.com/owner": "search"},
    "replicas": 2,
    "model.token": {"secret": "hf", "key": "token"},
    "model.served_name": ["chat", "chat-v1"],
    "model.chat_template": "{{ messages }}",
    "model.quantization": "fp8",
    "engine.digest": "sha256:" + "a" * 64,
    "engine.api_key": {"secret": "s", "key": "k"},
    "engine.tls": {"secret": "tls"},
    "engine.env": {"POD_IP": {"field": "status.podIP"}, "M": {"configmap": "c", "key": "k", "optional": True}},
    "engine.pull_secrets": ["registry"],
    "parallel": {"tensor": 2, "pipeline": 2, "data": 2, "expert": True},
    "resources": {"requests": {"cpu": 4}, "limits": {"memory": "64Gi"}},
    "placement": {
        "gpu_products": ["NVIDIA-A100-SXM4-80GB"],
        "node_pool": "inference",
        "node_selector": {"zone": "a"},
        "tolerations": [{"key": "x", "operator": "Exists"}],
        "spread": "zone",
        "priority_class": "high",
        "runtime_class": "nvidia",
    },
    "security": {"profile": "restricted_rdma", "fs_group": 100, "service_account": "own"},
    "volumes": [
        {"name": "a", "pvc": "a", "mount": "/a", "sub_path": "x"},
        {"name": "b", "secret": "b", "mount": "/b"},
        {"name": "c", "empty_dir": {}, "mount": "/c"},
        {"name": "d", "csi": {"driver": "x"}, "mount": "/d"},
        {"name": "e", "configmap": "e", "mount": "/e"},
    ],
    "sidecars": [{"name": "proxy", "image": "proxy:1"}],
    "init": [{"name": "fetch", "image": "fetch:1", "restartPolicy": "Always"}],
    "network": {"ingress_from": [{"namespaceSelector": {}}]},
    "warmup.requests": 8,
}
CPU: dict[str, Any] = {"resources.accelerator": "none"}
S3: dict[str, Any] = {
    "model.source": "s3://bucket/path/model",
    "model.revision": None,
    "model.credentials": {"secret": "aws"},
    "network.enabled": False,
    "drain.middleware": False,
}
PVC: dict[str, Any] = {"model.source": "pvc://models/tiny", "model.revision": None, "security": "openshift"}
TEMPLATE: dict[str, Any] = {"model.chat_template": {"configmap": "t", "key": "k"}, "engine.version": "0.11.0"}
CACHED: dict[str, Any] = {"model.cache": {"pvc": "hub"}, "replicas": 2}
ON_VOLUME: dict[str, Any] = {
    "model.source": "volume://weights/qwen/7b",
    "model.revision": None,
    "volumes": [{"name": "weights", "csi": {"driver": "x"}, "mount": "/models/"}],
}
TABLE = {
    "minimal": {},
    "everything": EVERYTHING,
    "cpu": CPU,
    "s3": S3,
    "pvc": PVC,
    "template": TEMPLATE,
    "cached": CACHED,
    "volume": ON_VOLUME,
}


def render(change: Mapping[str, Any] | None = None, **more: Any) -> tuple[dict[str, Any], ...]:
    return render_objects(server(change), DRAIN_TEXT, **more)


def find(objects: tuple[dict[str, Any], ...], kind: str, name: str) -> dict[str, Any]:
    return next(each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name)


def pod(change: Mapping[str, Any] | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = find(render(change), "Deployment", "chat-blue")["spec"]["template"]["spec"]
    return spec


def engine(change: Mapping[str, Any] | None = None) -> dict[str, Any]:
    container: dict[str, Any] = pod(change)["containers"][0]
    return container


def env(change: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in engine(change)["env"]}


@pytest.mark.parametrize("release", TABLE)
@pytest.mark.parametrize("version", ["1.31", "1.34"])
def test_every_object_is_valid_for_the_api(release: str, version: str) -> None:
    for item in render(TABLE[release]):
        kubernetes_validate.validate(item, version, strict=True)


def test_a_release_consists_of_these_objects_in_this_order() -> None:
    kinds = [(item["kind"], item["metadata"]["name"].split("-")[1:2]) for item in render()]
    assert [kind for kind, _rest in kinds] == [
        "ConfigMap",
        "ConfigMap",
        "ServiceAccount",
        "Service",
        "Service",
        "Service",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "Deployment",
    ]
    assert kinds[0] == ("ConfigMap", ["release"])


@pytest.mark.parametrize("release", TABLE)
def test_selectors_hold_only_instance_and_slot_and_match_the_pods(release: str) -> None:
    objects = render(TABLE[release])
    deployment = find(objects, "Deployment", "chat-blue")
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector == {labels.INSTANCE: "chat", labels.SLOT: "blue"}
    assert selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert find(objects, "Service", "chat")["spec"]["selector"] == selector
    assert find(objects, "Service", "chat-green")["spec"]["selector"][labels.SLOT] == "green"


def test_clients_reach_the_stable_slot_whatever_slot_is_rendered() -> None:
    objects = render({}, slot="green", stable_slot="blue")
    assert find(objects, "Service", "chat")["spec"]["selector"][labels.SLOT] == "blue"
    assert find(objects, "Deployment", "chat-green")["spec"]["selector"]["matchLabels"][labels.SLOT] == "green"


def test_a_revision_is_the_content_of_the_pods_and_nothing_else() -> None:
    def revision(change: Mapping[str, Any], **more: Any) -> str:
        objects = render(change, **more)
        marked = next(each for each in objects if each["kind"] == "Deployment")
        text: str = marked["metadata"]["labels"][labels.REVISION]
        return text

    first = revision({})
    assert revision({"replicas": 7}) == revision({}, slot="green") == first
    assert revision({"engine.env": {"A": "b"}}) != first
    assert len(first) == 10


def test_what_belongs_to_one_version_of_the_engine_says_which() -> None:
    marked = [
        f"{item['kind']} {item['metadata']['name'].partition('-')[2].partition('-')[0]}"
        for item in render()
        if item["metadata"].get("labels", {}).get(labels.VERSION) == "0.18.0"
    ]
    assert marked == ["Deployment blue"]


@given(st.integers(0, 50))
def test_the_number_of_replicas_never_restarts_a_pod(replicas: int) -> None:
    def template(count: int) -> Any:
        return find(render({"replicas": count}), "Deployment", "chat-blue")["spec"]["template"]

    assert template(replicas) == template(1)


def test_changed_files_get_another_name_so_that_old_pods_keep_theirs() -> None:
    one = pod({"model.chat_template": "a"})["volumes"]
    other = pod({"model.chat_template": "b"})["volumes"]
    names = [next(v["configMap"]["name"] for v in volumes if v["name"] == "files") for volumes in (one, other)]
    assert names[0] != names[1]


def test_the_pod_runs_under_the_restricted_profile() -> None:
    spec = pod(CPU)
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False


def test_other_profiles_differ_where_they_must() -> None:
    assert engine(EVERYTHING)["securityContext"]["capabilities"]["add"] == ["IPC_LOCK"]
    assert engine(EVERYTHING)["securityContext"]["readOnlyRootFilesystem"] is False
    assert pod(EVERYTHING)["securityContext"]["fsGroup"] == 100
    assert "runAsUser" not in pod(PVC)["securityContext"]


def test_the_command_line_says_everything_once() -> None:
    words = engine(EVERYTHING)["args"]
    assert words[:6] == ["Qwen/Qwen2.5-7B-Instruct", "--served-model-name", "chat", "chat-v1", "--revision", COMMIT]
    text = " ".join(words)
    for part in (
        "--quantization fp8",
        "--chat-template /etc/llmops/chat_template.jinja",
        "--tensor-parallel-size 2",
        "--pipeline-parallel-size 2",
        "--data-parallel-size 2",
        "--enable-expert-parallel",
        "--ssl-certfile /etc/llmops-tls/tls.crt",
        "--shutdown-timeout 120",
        "--middleware llmops_drain.DrainMiddleware",
    ):
        assert text.count(part) == 1
    assert "--api-key" not in text


def test_models_on_volumes_and_in_buckets_are_read_from_there() -> None:
    assert engine(PVC)["args"][0] == "/models/tiny"
    assert env(PVC)["HF_HUB_OFFLINE"] == "1"
    words = " ".join(engine(S3)["args"])
    assert words.startswith("s3://bucket/path/model --served-model-name chat --load-format runai_streamer")
    assert env(S3)["AWS_SECRET_ACCESS_KEY"] == {"secretKeyRef": {"name": "aws", "key": "secret_access_key"}}
    assert "--load-format" not in engine({**S3, "engine.args": {"load_format": "auto"}})["args"][:4]


def test_weights_on_an_extra_volume_are_read_from_where_it_is_mounted() -> None:
    assert engine(ON_VOLUME)["args"][0] == "/models/qwen/7b"
    assert env(ON_VOLUME)["HF_HUB_OFFLINE"] == "1"
    assert engine({**ON_VOLUME, "model.source": "volume://weights"})["args"][0] == "/models"


def test_downloads_of_the_hub_go_to_the_shared_volume_and_nothing_else_does() -> None:
    spec = pod(CACHED)
    mounts = {each["name"]: each for each in spec["containers"][0]["volumeMounts"]}
    place = mounts["hub"]["mountPath"]
    assert [name for name, value in env(CACHED).items() if str(value).startswith(place)] == ["HF_HUB_CACHE"]
    assert not mounts["hub"].get("readOnly")
    assert {"name": "hub", "persistentVolumeClaim": {"claimName": "hub"}} in spec["volumes"]
    assert not place.startswith(f"{mounts['cache']['mountPath']}/")
    assert "HF_HUB_CACHE" not in env()


def test_the_pods_user_may_write_to_the_shared_volume() -> None:
    context = pod(CACHED)["securityContext"]
    assert (context["fsGroup"], context["fsGroupChangePolicy"]) == (context["runAsUser"], "OnRootMismatch")
    assert pod({**CACHED, "security": {"fs_group": 100}})["securityContext"]["fsGroup"] == 100
    assert "fsGroup" not in pod({**CACHED, "security": "openshift"})["securityContext"]


def test_a_template_of_a_configmap_is_mounted() -> None:
    assert "--chat-template /etc/llmops-template/chat_template.jinja" in " ".join(engine(TEMPLATE)["args"])


def test_secrets_are_references() -> None:
    variables = env(EVERYTHING)
    assert variables["HF_TOKEN"] == {"secretKeyRef": {"name": "hf", "key": "token"}}
    assert variables["VLLM_API_KEY"] == {"secretKeyRef": {"name": "s", "key": "k"}}
    assert variables["M"] == {"configMapKeyRef": {"name": "c", "key": "k", "optional": True}}


def test_the_policy_admits_to_the_ports_of_sidecars_too() -> None:
    ports = [{"containerPort": 9090, "name": "metrics"}, {"containerPort": 53, "protocol": "UDP"}]
    change = {
        "sidecars": [{"name": "proxy", "image": "a:1", "ports": ports}],
        "init": [{"name": "native", "image": "a:1", "restartPolicy": "Always", "ports": [{"containerPort": 9090}]}],
    }
    (rule,) = find(render(change), "NetworkPolicy", "chat")["spec"]["ingress"]
    assert [(each["port"], each["protocol"]) for each in rule["ports"]] == [(8000, "TCP"), (53, "UDP"), (9090, "TCP")]
    (rule,) = find(render(), "NetworkPolicy", "chat")["spec"]["ingress"]
    assert [each["port"] for each in rule["ports"]] == [8000]


def test_the_users_variables_come_last_and_win() -> None:
    change = {"engine.env": {"HOME": "/x", "PYTHONPATH": "/mine", "Z": "$(HOME)", "S": {"secret": "s", "key": "k"}}}
    names = [each["name"] for each in engine(change)["env"]]
    assert names[-4:] == ["HOME", "PYTHONPATH", "Z", "S"]
    assert env(change)["PYTHONPATH"] == "/etc/llmops:/mine"


def test_the_engines_own_start_limit_is_raised_with_the_budget() -> None:
    assert env({"probes.startup_seconds_max": 1800})["VLLM_ENGINE_READY_TIMEOUT_S"] == "1800"
    assert "VLLM_ENGINE_READY_TIMEOUT_S" not in env({"probes.startup_seconds_max": 600})
    assert "VLLM_ENGINE_READY_TIMEOUT_S" not in env({"probes.startup_seconds_max": 1800, "engine.version": "0.11.0"})


def test_probes_wait_for_the_start_and_are_patient_afterwards() -> None:
    container = engine({"probes.startup_seconds_max": 600})
    assert container["startupProbe"]["failureThreshold"] * container["startupProbe"]["periodSeconds"] == 600
    assert container["livenessProbe"]["failureThreshold"] * container["livenessProbe"]["periodSeconds"] >= 180
    assert engine(EVERYTHING)["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"


def test_the_rollouts_deadline_outlasts_the_start() -> None:
    spec = find(render({"probes.startup_seconds_max": 900}), "Deployment", "chat-blue")["spec"]
    assert spec["progressDeadlineSeconds"] > 900 + spec["template"]["spec"]["terminationGracePeriodSeconds"]


def test_gpus_are_requested_and_limited_alike() -> None:
    resources = engine(EVERYTHING)["resources"]
    assert resources["requests"] == {"cpu": "4", "nvidia.com/gpu": "8"}
    assert resources["limits"] == {"memory": "64Gi", "nvidia.com/gpu": "8"}
    assert engine(CPU)["resources"] == {}


@pytest.mark.parametrize(
    ("change", "size"),
    [
        ({}, "256Mi"),
        ({"parallel.tensor": 2}, "4Gi"),
        ({"parallel.tensor": 16}, "16Gi"),
        ({"resources.shm": "1Gi"}, "1Gi"),
    ],
)
def test_shared_memory_grows_with_the_gpus(change: Mapping[str, Any], size: str) -> None:
    volume = next(each for each in pod(change)["volumes"] if each["name"] == "shm")
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": size}


def test_placement_follows_labels_that_the_pods_carry() -> None:
    spec = pod(EVERYTHING)
    assert spec["nodeSelector"] == {"zone": "a", "llmops.dev/node-pool": "inference"}
    (term,) = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["key"] == "nvidia.com/gpu.product"
    assert spec["tolerations"][0] == {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    (spread,) = spec["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == labels.slot_selector("chat", "blue")
    assert "topologySpreadConstraints" not in pod({"placement.spread": "none"})


def test_gpu_products_join_every_alternative_of_the_users_affinity() -> None:
    terms = [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    change = {"placement": {"gpu_products": ["A"], "affinity": {"nodeAffinity": required}}}
    rendered = pod(change)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert [len(term["matchExpressions"]) for term in rendered["nodeSelectorTerms"]] == [2, 1]


def test_a_toleration_is_not_written_twice() -> None:
    own = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert pod({"placement.tolerations": [own]})["tolerations"] == [own]


@pytest.mark.parametrize(
    ("change", "command"),
    [
        ({"drain.endpoint_seconds": 7}, ["sh", "-c", "touch /tmp/llmops-drain && sleep 7"]),
        ({"drain.endpoint_seconds": 7, "drain.middleware": False}, ["sleep", "7"]),
    ],
)
def test_the_hook_before_the_end_waits(change: Mapping[str, Any], command: list[str]) -> None:
    assert engine(change)["lifecycle"]["preStop"]["exec"]["command"] == command


def test_there_is_no_hook_where_nothing_is_to_wait_for() -> None:
    assert "lifecycle" not in engine({"drain.endpoint_seconds": 0, "drain.middleware": False})


@pytest.mark.parametrize(
    ("change", "strategy", "rolling"),
    [
        ({}, "surge", {"maxSurge": 1, "maxUnavailable": 0}),
        ({"replicas": 2}, "in_place", {"maxSurge": 0, "maxUnavailable": 1}),
        ({"replicas": 2, **CPU}, "surge", {"maxSurge": 1, "maxUnavailable": 0}),
        ({"rollout.strategy": "recreate"}, "recreate", None),
    ],
)
def test_the_strategy_follows_accelerator_and_replicas(change: Any, strategy: str, rolling: Any) -> None:
    assert plan_strategy(server(change)) == strategy
    rendered = find(render(change), "Deployment", "chat-blue")["spec"]["strategy"]
    assert rendered.get("rollingUpdate") == rolling


def test_patches_are_the_last_resort() -> None:
    spec = pod({"patches": [{"op": "add", "path": "/spec/hostNetwork", "value": True}]})
    assert spec["hostNetwork"] is True


def test_everything_but_namespace_and_anchor_belongs_to_the_anchor() -> None:
    release = server(EVERYTHING)
    owned = with_owner(render_objects(release, DRAIN_TEXT), release.name, "some-uid")
    free = [item["kind"] for item in owned if "ownerReferences" not in item["metadata"]]
    assert free == ["Namespace", "ConfigMap"]
    assert owned[-1]["metadata"]["ownerReferences"][0] == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "chat-release",
        "uid": "some-uid",
    }


@pytest.mark.parametrize(
    ("name", "quantization", "gigabytes"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", None, 14),
        ("x/Mixtral-8x7B-v0.1", None, 112),
        ("x/Llama-3.1-405B-FP8", None, 405),
        ("x/model-70b-AWQ", None, 35),
        ("x/model-70b", "awq", 35),
        ("x/model-500m", None, 1),
    ],
)
def test_sizes_are_estimated_from_names(name: str, quantization: str | None, gigabytes: float) -> None:
    assert estimate_model_bytes(name, quantization) == gigabytes * 1e9


def test_a_name_without_a_size_says_nothing() -> None:
    assert estimate_model_bytes("x/model-v2", None) is None


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"probes.startup_seconds_max": 77}, "probes.startup_seconds_max"),
        ({"model.size_gib": 3}, "model.size_gib 3, with the download"),
        ({}, "13.0 GiB of weights (estimated from the model's name), with the download"),
        ({"model.source": "hf://a/b"}, "16.0 GiB of weights (assumed; set model.size_gib), with the download"),
        ({"model.source": "pvc://models/x-7b", "model.revision": None}, "13.0 GiB of weights (estimated from the"),
    ],
)
def test_the_start_budget_says_what_it_comes_from(change: Mapping[str, Any], text: str) -> None:
    assert text in plan_start(server(change)).computed_from


def test_a_larger_model_may_take_longer() -> None:
    budgets = [plan_start(server({"model.size_gib": size})).seconds for size in (0.1, 15, 140)]
    assert budgets == sorted(budgets)
    assert budgets[0] == 300
    assert budgets[2] > 3600


def spec_of(**placement: Any) -> dict[str, Any]:
    return pod({"placement": placement})


def test_wishes_are_preferred_and_beside_the_users_own_affinity() -> None:
    own = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {}}]}}
    spec = spec_of(preferred_gpu_products=["H100"], preferred_node_labels={"node-type": "gpu-node"}, affinity=own)
    wishes = spec["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [each["weight"] for each in wishes] == [1, 100, 100]
    keys = [each["preference"]["matchExpressions"][0]["key"] for each in wishes[1:]]
    assert keys == ["nvidia.com/gpu.product", "node-type"]


def test_nodes_of_a_dedicated_pool_are_tolerated() -> None:
    spec = spec_of(node_pool="inference", dedicated=True)
    assert spec["nodeSelector"] == {"llmops.dev/node-pool": "inference"}
    assert {"key": "llmops.dev/node-pool", "operator": "Equal", "value": "inference"} in spec["tolerations"]


@pytest.mark.parametrize(("mode", "by"), [("required", "hostname"), ("preferred", "zone")])
def test_anti_affinity_is_over_labels_that_the_pods_carry(mode: str, by: str) -> None:
    made = find(render({"placement": {"anti_affinity": {"mode": mode, "by": by}}}), "Deployment", "chat-blue")
    template = made["spec"]["template"]
    rules = template["spec"]["affinity"]["podAntiAffinity"][f"{mode}DuringSchedulingIgnoredDuringExecution"]
    term = rules[0] if mode == "required" else rules[0]["podAffinityTerm"]
    assert term["labelSelector"]["matchLabels"] == made["spec"]["selector"]["matchLabels"]
    assert term["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert term["topologyKey"].endswith(by)
    assert spec_of(anti_affinity=mode)["affinity"]["podAntiAffinity"]


def test_a_spread_can_be_hard() -> None:
    (rule,) = spec_of(spread={"by": "zone", "required": True})["topologySpreadConstraints"]
    assert (rule["topologyKey"], rule["whenUnsatisfiable"]) == ("topology.kubernetes.io/zone", "DoNotSchedule")
    (rule,) = spec_of(spread="zone")["topologySpreadConstraints"]
    assert rule["whenUnsatisfiable"] == "ScheduleAnyway"


@pytest.mark.parametrize(
    ("numbers", "name"),
    [
        ({"maxSurge": 1, "maxUnavailable": 0}, "surge"),
        ({"maxSurge": 0, "maxUnavailable": 1}, "in_place"),
        ({"maxSurge": "25%", "maxUnavailable": "25%"}, None),
    ],
)
def test_a_deployments_strategy_has_a_name(numbers: dict[str, Any], name: str | None) -> None:
    assert find_strategy({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": numbers}}}) == name
    assert find_strategy({"spec": {"strategy": {"type": "Recreate"}}}) == "recreate"
