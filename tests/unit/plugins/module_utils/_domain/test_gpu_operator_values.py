# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of the operator's chart: unknown keys, impossible values, ours below the user's, images and their registry."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator_images import (
    find_images,
    find_pod_images,
    redirect,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator_values import (
    Chart,
    check_values,
    merge_values,
    parse_chart,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError

DIGEST = "sha256:" + "0" * 64
TEXT = """\
operator:
  image: gpu-operator
  #version: ""
  # metrics:
  #   serviceMonitor:
  # A sentence: with a colon
toolkit:
  enabled: true
"""


def values() -> dict[str, Any]:
    """Return values such as a chart of today has."""
    registry = "nvcr.example/nvidia"
    return {
        "nfd": {"enabled": True},
        "mig": {"strategy": "single"},
        "daemonsets": {"labels": {}, "tolerations": [], "updateStrategy": "RollingUpdate"},
        "sandboxWorkloads": {"enabled": False, "defaultWorkload": "container"},
        "operator": {
            "repository": registry,
            "image": "gpu-operator",
            "upgradeCRD": True,
            "cleanupCRD": False,
            "affinity": {"nodeAffinity": {}},
            "resources": {"limits": {"cpu": "500m"}},
        },
        "driver": {
            "enabled": True,
            "usePrecompiled": False,
            "repository": registry,
            "image": "driver",
            "version": "595.91.07",
            "upgradePolicy": {"autoUpgrade": True, "gpuPodDeletion": {"deleteEmptyDir": False}},
            "manager": {"repository": "nvcr.example/cloud", "image": "manager", "version": "v1", "env": []},
        },
        "toolkit": {"enabled": True, "repository": registry, "image": "toolkit", "version": DIGEST},
        "dcgm": {"enabled": False, "repository": registry, "image": "dcgm", "version": "4"},
        "vfioManager": {"enabled": True, "repository": registry, "image": "vfio", "version": "v1"},
        "gpuCluster": {"deployCR": False},
        "draDriver": {"repository": registry, "image": "dra", "version": "v1"},
        "kataManager": {"enabled": False, "config": {}},
        "extraObjects": [],
        "node-feature-discovery": {"worker": {"config": {"sources": {}}, "tolerations": []}},
    }


NFD = {"image": {"repository": "k8s-registry.example/nfd/nfd", "tag": None}, "worker": {"config": None, "port": 8080}}


def chart(**change: Any) -> Chart:
    """Return the chart."""
    told = {"name": "gpu-operator", "version": "v26.7.0", "appVersion": "v26.7.0"}
    return parse_chart(told, {**values(), **change}, TEXT, NFD, "v0.19.0")


def problems(user: dict[str, Any], **change: Any) -> str:
    """Return what is wrong with values."""
    with pytest.raises(InputError) as caught:
        check_values(chart(**change), user)
    return caught.value.message


@pytest.mark.parametrize(
    "told", [{"name": "other", "version": "1"}, {"name": "gpu-operator"}, {"name": "gpu-operator", "version": ""}]
)
def test_another_chart_is_refused(told):
    with pytest.raises(InputError, match="is no chart of the GPU Operator"):
        parse_chart(told, values(), TEXT, None, "")


def test_a_chart_without_sub_chart_and_application_version_is_read():
    found = parse_chart({"name": "gpu-operator", "version": "v1"}, {"driver": {}}, "", None, "")
    assert (found.app_version, found.values["node-feature-discovery"]) == ("v1", {})


@pytest.mark.parametrize(
    "user",
    [
        {},
        {"operator": {"version": "v1", "metrics": {"any": "thing"}}},
        {"operator": {"affinity": {"podAffinity": {}}, "resources": {"requests": {"cpu": 1}}}},
        {"daemonsets": {"labels": {"team": "a"}, "tolerations": [{"key": "a"}]}},
        {"node-feature-discovery": {"worker": {"port": 1, "config": {"core": {"sleepInterval": "1s"}}}}},
        {"driver": {"version": DIGEST}},
        {"driver": {"version": "580.105.08"}},
        {"driver": {"version": "580", "usePrecompiled": True}},
        {"driver": {"version": ""}},
        {"driver": {"enabled": False, "version": "whatever"}},
        {"driver": None},
        {"global": {"x": 1}, "nameOverride": "gpu", "kataManager": {"config": {"any": 1}}},
    ],
)
def test_values_that_the_chart_knows_are_accepted(user):
    check_values(chart(), user)


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"drivr": {}}, "values.drivr: chart gpu-operator v26.7.0 has no such value. Did you mean driver?"),
        (
            {"operator": {"zzz": 1}},
            "values.operator.zzz: chart gpu-operator v26.7.0 has no such value. Its",
        ),
        ({"operator": {"serviceMonitor": {}}}, "values.operator.serviceMonitor"),
        ({"driver": {"upgradePolicy": {"podDeletion": {}}}}, "Did you mean gpuPodDeletion?"),
        ({"driver": "580"}, "values.driver: expected a mapping"),
        ({"extraObjects": {}}, "values.extraObjects: expected a list"),
        ({"toolkit": {"enabled": "false"}}, "values.toolkit.enabled: expected true or false, without quotes"),
        ({"toolkit": {"version": ["v1"]}}, "values.toolkit.version: expected a single value"),
        ({"mig": {"strategy": "mix"}}, "values.mig.strategy: no such choice (got 'mix'); allowed: none, single, mixed"),
        ({"driver": {"version": "580"}}, "allowed: a release such as 580.105.08"),
        ({"driver": {"version": 580.1}}, "Put quotes around it."),
        ({"driver": {"version": "next"}}, "values.driver.version: is no version of a driver"),
        ({"driver": {"version": "580.105.08", "usePrecompiled": True}}, "the branch of a precompiled driver"),
    ],
)
def test_what_the_chart_does_not_know_or_cannot_be_is_refused_by_name(user, words):
    assert words in problems(user)


def test_all_problems_are_told_at_once():
    assert problems({"drivr": {}, "mig": {"strategy": "x"}, "driver": {"version": "x"}}).startswith("3 problems")


def test_ours_protect_model_servers_and_the_users_are_over_them():
    merged = merge_values(chart(), {"operator": {"upgradeCRD": True}}, nfd_included=False)
    assert merged["driver"]["upgradePolicy"] == {"gpuPodDeletion": {"deleteEmptyDir": True}}
    assert merged["operator"] == {"upgradeCRD": True, "cleanupCRD": False}
    assert merged["nfd"] == {"enabled": False}


def test_an_old_chart_gets_only_what_it_knows():
    env = [{"name": "DRAIN_DELETE_EMPTYDIR_DATA", "value": "false"}, {"name": "OTHER", "value": "x"}]
    old = chart(driver={"manager": {"env": env}}, operator="text", nfd={})
    merged = merge_values(old, {}, nfd_included=True)
    told = [{"name": "DRAIN_DELETE_EMPTYDIR_DATA", "value": "true"}, {"name": "OTHER", "value": "x"}]
    assert merged == {"driver": {"manager": {"env": told}}}


def test_images_are_those_that_the_values_need():
    assert find_images(chart(), {}) == [
        "k8s-registry.example/nfd/nfd:v0.19.0",
        "nvcr.example/cloud/manager:v1",
        "nvcr.example/nvidia/driver:595.91.07-<system>",
        "nvcr.example/nvidia/gpu-operator:v26.7.0",
        f"nvcr.example/nvidia/toolkit@{DIGEST}",
    ]


def test_images_follow_what_is_switched_on_and_off():
    more = {
        "nfd": {"enabled": False},
        "driver": {"enabled": False},
        "dcgm": {"enabled": True},
        "sandboxWorkloads": {"enabled": True},
        "gpuCluster": {"deployCR": True},
        "toolkit": {"version": "", "image": "", "repository": ""},
    }
    assert find_images(chart(), more) == [
        "nvcr.example/nvidia/dcgm:4",
        "nvcr.example/nvidia/dra:v1",
        "nvcr.example/nvidia/gpu-operator:v26.7.0",
        "nvcr.example/nvidia/vfio:v1",
    ]


def test_drivers_have_an_image_for_each_system_unless_a_digest_names_it():
    systems = ["ubuntu22.04", "rhel9.4"]
    found = find_images(chart(), {}, systems)
    assert {f"nvcr.example/nvidia/driver:595.91.07-{system}" for system in systems} <= set(found)
    assert f"nvcr.example/nvidia/driver@{DIGEST}" in find_images(chart(), {"driver": {"version": DIGEST}}, systems)


def test_one_registry_takes_the_place_of_all_but_the_users_own():
    user = {"toolkit": {"repository": "own.example/x"}}
    moved = redirect(chart(), user, "mirror.example/m/")
    assert moved["operator"] == {"repository": "mirror.example/m/nvidia"}
    assert moved["driver"]["manager"] == {"repository": "mirror.example/m/cloud"}
    assert moved["toolkit"] == {"repository": "own.example/x"}
    assert moved["node-feature-discovery"]["image"] == {"repository": "mirror.example/m/nfd/nfd"}
    assert not [each for each in find_images(chart(), moved) if each.startswith(("nvcr", "k8s"))]


def test_a_repository_without_a_registry_keeps_its_whole_path():
    plain = chart(toolkit={"repository": "nvidia/k8s", "image": "toolkit"}, dcgm={"repository": "", "image": "d"})
    moved = redirect(plain, {}, "mirror.example")
    assert moved["toolkit"] == {"repository": "mirror.example/nvidia/k8s"}
    assert "dcgm" not in moved
    assert find_images(plain, {"node-feature-discovery": {"image": None}, "nfd": None})


def test_images_of_rendered_pods_are_found_in_hooks_too():
    pod = {"initContainers": [{"image": "b"}], "containers": [{"image": "a"}, {"name": "none"}]}
    items = [{"spec": {"template": {"spec": pod}}}, {"kind": "ConfigMap"}]
    assert find_pod_images(items) == ["a", "b"]
