# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kubernetes would refuse of a pod is refused before anything is written, in words of the specification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.security import find_privileges

from tests.unit.plugins.module_utils._domain.releases import complaint, server
from tests.unit.plugins.module_utils._domain.test_manifests import CPU, EVERYTHING, engine, pod


def volume(mount: str, **more: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "v", "pvc": "x", "mount": mount}], **more}


def affinity(required: Any) -> dict[str, Any]:
    node = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    return {"placement": {"gpu_products": ["A100"], "affinity": node}}


def container(**more: Any) -> list[dict[str, Any]]:
    return [{"name": "x", "image": "a:1", **more}]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"resources.limits": {"memroy": "8Gi"}},
            (
                "resources.limits.memroy: Kubernetes knows no such resource; allowed: cpu, memory, ephemeral-storage, "
                "hugepages-SIZE, or a device such as rdma/hca. Did you mean memory?"
            ),
        ),
        ({"resources.limits": {"hca": "1"}}, "Write a device with the domain of its vendor."),
        (
            {"resources": {"requests": {"memory": "16Gi"}, "limits": {"memory": "8Gi"}}},
            (
                "resources.requests.memory: is more than its limit (got '16Gi'); allowed: up to 8Gi. "
                "Raise resources.limits.memory, or ask for less."
            ),
        ),
        (
            {"resources": {"requests": {"rdma/hca": 1}, "limits": {"rdma/hca": 2}}},
            "resources.requests.rdma/hca: must equal its limit (got '1'); allowed: 2. Leave it out of",
        ),
        ({"resources.limits": {"rdma/hca": "500m"}}, "resources.limits.rdma/hca: devices are counted in whole numbers"),
        ({"resources": {"requests": {"cpu": "x"}, "limits": {"cpu": 1}}}, "resources.requests.cpu: is no quantity"),
        (
            volume("/var/cache/llmops"),
            (
                "volumes[v].mount: /var/cache/llmops is mounted by the collection (got '/var/cache/llmops'); allowed: "
                "a folder outside of /tmp, /var/cache/llmops, "
            ),
        ),
        (volume("/etc/llmops/more/"), "volumes[v].mount: /etc/llmops is mounted by the collection"),
        (
            volume("/models/more", **{"model.source": "pvc://m/x", "model.revision": None}),
            "volumes[v].mount: /models is mounted by the collection",
        ),
        (volume("/var/cache"), "volumes[v].mount: /var/cache/llmops is mounted by the collection (got '/var/cache')"),
        (volume("/etc"), "volumes[v].mount: would hide /etc (got '/etc'). Mount it at a folder inside, or elsewhere."),
        (volume("/dev"), "volumes[v].mount: would hide /dev"),
        (volume("/"), "volumes[0].mount: must be an absolute path (got '/'); allowed: a folder below /, without a c"),
        (volume("/a:b"), "volumes[0].mount: must be an absolute path (got '/a:b')"),
        (
            {"volumes": [{"name": n, "pvc": "x", "mount": m} for n, m in (("a", "/x"), ("b", "/x/"))]},
            "volumes: two volumes have the same mount (got '/x')",
        ),
        ({"volumes": [None]}, "volumes[0]: expected a mapping. Write it as `key: value` lines."),
        ({"sidecars": container(volumeMount=[])}, "sidecars[0].volumeMount: unknown key; allowed: args, "),
        ({"sidecars": container(volumeMount=[])}, "Did you mean volumeMounts?"),
        ({"init": [None]}, "init[0]: expected a mapping"),
        ({"sidecars": container(securityContext="odd")}, "sidecars[0].securityContext: expected a mapping (got 'odd')"),
        ({"sidecars": container(ports=[{"name": "p"}])}, "sidecars[0].ports[0].containerPort: is required. Say the"),
        ({"sidecars": container(ports=[{"containerPort": "9"}])}, "containerPort: expected a whole number (got '9')"),
        ({"sidecars": container(ports=[{"containerPort": 9, "protocol": "tcp"}])}, "allowed: TCP, UDP, SCTP"),
        (
            {"sidecars": container(ports=[{"containerPort": 9, "hostPort": 80}])},
            "sidecars[0].ports[0].hostPort: takes a port of the node, which Pod Security restricted does not allow",
        ),
        ({"sidecars": container(ports=[{"port": 9}])}, "sidecars[0].ports[0].port: unknown key"),
        ({"sidecars": container() * 2}, "sidecars: two containers have the same name (got 'x'). Give one of them"),
        ({"sidecars": container(), "init": container()}, "init: two containers have the same name (got 'x')"),
        (
            {"placement.tolerations": [{"key": "x", "operater": "Exists"}]},
            (
                "placement.tolerations[0].operater: unknown key; allowed: effect, key, operator, tolerationSeconds, "
                "value. Did you mean operator?"
            ),
        ),
        (
            {"placement.tolerations": [{"key": "x", "operator": "exists"}]},
            "placement.tolerations[0].operator: no such choice (got 'exists'); allowed: Exists, Equal, Gt, Lt. Did you",
        ),
        (
            {"placement.tolerations": [{"key": "x", "effect": "NoSchedul"}]},
            "placement.tolerations[0].effect: no such choice (got 'NoSchedul')",
        ),
        (affinity([]), "IgnoredDuringExecution: expected a mapping (got [])"),
        (affinity({"nodeSelectorTerms": None}), "IgnoredDuringExecution.nodeSelectorTerms: needs at least one term"),
        (affinity({"nodeSelectorTerms": {}}), "IgnoredDuringExecution.nodeSelectorTerms: expected a list (got {})"),
        (
            affinity({"nodeSelectorTerms": [3]}),
            "IgnoredDuringExecution.nodeSelectorTerms[0]: expected a mapping (got 3)",
        ),
        (affinity({"nodeSelectorTerms": [{"matchExpressions": 1}]}), "[0].matchExpressions: expected a list (got 1)"),
        (affinity({"nodeSelectorTerm": []}), "nodeSelectorTerm: unknown key"),
        ({"placement.affinity": {"nodeAffinity": 3}}, "placement.affinity.nodeAffinity: expected a mapping (got 3)"),
        ({"placement.affinity": {"podAffinity": 3}}, "placement.affinity.podAffinity: expected a mapping (got 3)"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused_with_path_value_and_next_step(
    change: Mapping[str, Any], text: str
) -> None:
    assert text in complaint(change)


@pytest.mark.parametrize(
    "change",
    [
        {"sidecars": "x"},
        {"volumes": 3},
        {"placement.tolerations": "x"},
        {"placement.tolerations": [3]},
        affinity({"nodeSelectorTerms": {}}),
        affinity({"nodeSelectorTerms": []}),
    ],
)
def test_one_mistake_is_told_once(change: Mapping[str, Any]) -> None:
    assert "\n" not in complaint(change)


@pytest.mark.parametrize("mount", ["/tmp/x", "/var/cache/llmops/vllm", "/opt/vllm", "/data"])
def test_a_volume_may_lie_inside_of_the_pods_own_empty_folders_and_elsewhere(mount: str) -> None:
    mounts = engine(volume(mount))["volumeMounts"]
    assert mount in [each["mountPath"] for each in mounts]


@pytest.mark.parametrize(
    "change",
    [
        EVERYTHING,
        {"model.cache": {"pvc": "hub"}, "model.chat_template": {"configmap": "c"}},
        {"model.source": "pvc://m/x", "model.revision": None},
    ],
)
def test_no_volume_of_the_users_takes_name_or_place_of_one_of_the_collections(change: dict[str, Any]) -> None:
    rendered = pod({**change, "volumes": []})
    mounts = {each["name"]: each["mountPath"] for each in rendered["containers"][0]["volumeMounts"]}
    assert set(mounts) == {each["name"] for each in rendered["volumes"]}
    for name, path in mounts.items():
        taken = {"volumes": [{"name": name, "pvc": "x", "mount": "/x"}]}
        assert "is no free name of a volume" in complaint({**change, **taken})
        assert f"{path} is mounted by the collection" in complaint({**change, **volume(path)})


def test_the_same_place_in_other_words_is_the_same_place() -> None:
    assert "/dev/shm is mounted by the collection" in complaint(volume("//dev/./shm/"))


def test_a_sidecar_may_have_a_liveness_probe_alone() -> None:
    probe = {"httpGet": {"path": "/", "port": 1}}
    assert pod({"sidecars": container(livenessProbe=probe)})["containers"][1]["livenessProbe"] == probe


def test_a_place_beside_the_own_mounts_is_free() -> None:
    places = ("/models", "/tmpfiles", "/etc/llmops-more")
    volumes = [{"name": f"v{number}", "pvc": "x", "mount": place} for number, place in enumerate(places)]
    assert [each.mount for each in server({"volumes": volumes}).volumes] == list(places)


@pytest.mark.parametrize("section", ["requests", "limits"])
def test_devices_and_huge_pages_are_asked_for_and_limited_alike_wherever_they_are_written(section: str) -> None:
    amounts = {"rdma/hca": 1, "hugepages-2Mi": "1Gi"}
    resources = engine({f"resources.{section}": amounts})["resources"]
    for each in ("requests", "limits"):
        assert resources[each] == {"rdma/hca": "1", "hugepages-2Mi": "1Gi", "nvidia.com/gpu": "1"}


def test_a_request_may_equal_its_limit_in_other_words() -> None:
    change = {"resources": {"requests": {"memory": "1024Mi"}, "limits": {"memory": "1Gi"}}}
    assert dict(server(change).resources.requests) == {"memory": "1024Mi"}


@pytest.mark.parametrize(
    ("context", "privileges"),
    [
        ({"privileged": True}, ("privileged",)),
        ({"allowPrivilegeEscalation": True}, ("allowPrivilegeEscalation",)),
        ({"runAsUser": 0, "runAsGroup": 0}, ("runAsUser",)),
        ({"runAsNonRoot": False}, ("runAsNonRoot",)),
        ({"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}}, ("capabilities.add",)),
        ({"capabilities": {"add": "NET_ADMIN"}}, ("capabilities.add",)),
        ({"capabilities": {"drop": ["NET_RAW"]}}, ("capabilities.drop",)),
        ({"capabilities": {"drop": []}}, ("capabilities.drop",)),
        ({"seccompProfile": {"type": "Unconfined"}}, ("seccompProfile",)),
        ({"procMount": "Unmasked"}, ("procMount",)),
        ({"runAsUser": "0"}, ("runAsUser",)),
        ({"appArmorProfile": {"type": "Unconfined"}}, ("appArmorProfile",)),
        ({"seLinuxOptions": {"type": "spc_t"}}, ("seLinuxOptions",)),
        ({"seLinuxOptions": {"user": "system_u"}}, ("seLinuxOptions",)),
        ({"seLinuxOptions": {"type": "container_t"}, "seccompProfile": {"type": "RuntimeDefault"}}, ()),
        ({"runAsUser": 1000, "readOnlyRootFilesystem": False, "capabilities": {"add": ["NET_BIND_SERVICE"]}}, ()),
        ({}, ()),
    ],
)
def test_what_a_container_takes_beyond_restricted_is_found(context: Any, privileges: tuple[str, ...]) -> None:
    assert find_privileges(context) == privileges


def test_a_sidecars_own_security_context_lies_over_the_default() -> None:
    own = {"readOnlyRootFilesystem": False, "runAsUser": 1000, "capabilities": {"add": ["NET_BIND_SERVICE"]}}
    sidecar = pod({**CPU, "sidecars": container(securityContext=own)})["containers"][1]
    assert sidecar["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": False,
        "runAsUser": 1000,
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
    }


def test_a_null_takes_no_default_away() -> None:
    own = {"capabilities": None, "allowPrivilegeEscalation": None}
    sidecar = pod({**CPU, "sidecars": container(securityContext=own)})["containers"][1]
    assert sidecar["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("node", [None, {}, {"requiredDuringSchedulingIgnoredDuringExecution": None}])
def test_gpu_products_are_required_where_the_users_affinity_requires_nothing(node: Any) -> None:
    spec = pod({"placement": {"gpu_products": ["A100"], "affinity": {"nodeAffinity": node}}})
    (term,) = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [each["values"] for each in term["matchExpressions"]] == [["A100"]]


def test_placement_refuses_what_does_not_belong_together() -> None:
    assert "placement.dedicated: needs node_pool" in complaint({"placement": {"dedicated": True}})
    cpu = {"resources": {"accelerator": "none"}, "placement": {"preferred_gpu_products": ["H100"]}}
    assert "placement.preferred_gpu_products: no accelerator is asked for" in complaint(cpu)
    assert "placement.spread.by: no such choice" in complaint({"placement": {"spread": {"by": "rack"}}})
    assert "placement.anti_affinity.mod: unknown key" in complaint({"placement": {"anti_affinity": {"mod": "none"}}})
    assert "Did you mean required?" in complaint({"placement": {"anti_affinity": "require"}})
