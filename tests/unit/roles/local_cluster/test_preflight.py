# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What forbids a cluster on a machine, said all at once and before anything is written."""

from __future__ import annotations

import host
import preflight
import pytest

SETTINGS = {"net": "198.18.160.0/19", "build": True, "cgroup": "llmops-a"}
V2 = ["cpuset", "cpu", "io", "memory", "pids"]
GOOD = {
    "debian": True,
    "missing": [],
    "memory_gib": 8.0,
    "root_gib": 20.0,
    "cache_gib": 20.0,
    "routes": [("default", "eth0"), ("192.0.2.0/24", "eth0"), ("127.0.0.0/8", "lo")],
    "own_links": [],
    "neighbours": {"other": "198.18.0.0/19"},
    "made_with": "198.18.160.0/19",
    "v2": [],
    "v2_kept": [],
    "v2_processes": 0,
    "v1": ["cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer", "blkio", "systemd"],
    "systemd": False,
}


def test_good_machine_has_no_problem_and_no_warning():
    assert preflight.judge(GOOD, SETTINGS) == ([], [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"debian": False, "missing": ["containerd", "runc"]}, "missing: containerd, runc"),
        ({"memory_gib": 4.0}, "memory available: 4.0 GiB, 5 GiB needed"),
        ({"cache_gib": 2.0}, "disk space for the cache: 2.0 GiB, 8 GiB needed"),
        ({"neighbours": {"other": "198.18.160.0/19"}}, "local cluster other has the addresses"),
        ({"made_with": "198.18.0.0/19"}, "made with the addresses 198.18.0.0/19"),
        ({"routes": [("198.18.0.0/15", "tun0")]}, "198.18.0.0/15 by tun0"),
        ({"routes": [("198.18.161.7", "tun0")]}, "198.18.161.7 by tun0"),
        ({"v1": ["cpu", "cpuset"]}, "cgroup v1 without cpuacct, memory, pids, devices, freezer, blkio"),
        ({"v2": ["cpu", "io", "pids"], "v1": []}, "cgroup v2 without cpuset, memory"),
        ({"v2": V2, "v1": [], "v2_kept": ["memory"], "v2_processes": 3}, "does not hand down memory, and cannot while"),
    ],
)
def test_machine_that_cannot_carry_a_cluster_is_told_why(change, words):
    problems, _rest = preflight.judge({**GOOD, **change}, SETTINGS)
    assert len(problems) == 1
    assert words in problems[0]


def test_all_problems_are_told_at_once():
    assert (
        len(
            preflight.judge(
                {**GOOD, "debian": False, "missing": ["runc"], "memory_gib": 1.0, "root_gib": 1.0}, SETTINGS
            )[0]
        )
        == 3
    )


def test_own_route_of_a_running_cluster_is_no_collision():
    seen = {**GOOD, "routes": [("198.18.160.0/19", "llmops5"), ("198.18.160.0/19", "")], "own_links": ["llmops5"]}
    assert preflight.judge(seen, SETTINGS) == ([], [])


def test_comounted_hierarchies_of_cgroup_v1_count_for_each_controller():
    seen = {**GOOD, "v1": ["cpu,cpuacct", "cpuset", "memory", "pids", "devices", "freezer", "blkio"]}
    assert preflight.judge(seen, SETTINGS)[0] == []


def test_cgroup_v2_with_its_controllers_is_enough():
    assert preflight.judge({**GOOD, "v1": [], "v2": V2}, SETTINGS)[0] == []


def test_cgroup_v2_of_the_kernel_s_own_top_may_hand_controllers_down_later():
    assert preflight.judge({**GOOD, "v1": [], "v2": V2, "v2_kept": ["cpuset"]}, SETTINGS)[0] == []


def test_cached_programs_need_less_memory_and_disk():
    seen = {**GOOD, "memory_gib": 3.5, "cache_gib": 1.5}
    assert preflight.judge(seen, {**SETTINGS, "build": False})[0] == []


def test_systemd_is_a_warning_that_names_the_cgroup():
    problems, warnings = preflight.judge({**GOOD, "systemd": True}, SETTINGS)
    assert problems == []
    assert "llmops-a" in warnings[0]


def test_cgroup_that_cannot_be_made_is_told_with_its_hierarchy(tmp_path, monkeypatch):
    (tmp_path / "memory").mkdir()
    (tmp_path / "pids").touch()
    monkeypatch.setattr(host, "cgroup_folders", lambda name: [tmp_path / kind / name for kind in ("memory", "pids")])
    assert preflight.try_cgroups("llmops-0-a-try") == [f"cgroups in {tmp_path}/pids: Not a directory"]
    assert list((tmp_path / "memory").iterdir()) == []


def test_loader_of_modules_is_wanted_only_where_the_bridge_filter_is_not_loaded(monkeypatch):
    monkeypatch.setattr(host, "missing_bridge_filter", list)
    assert preflight.packages_for({"packages": {"ip": "iproute2"}}) == {"ip": "iproute2"}
    monkeypatch.setattr(host, "missing_bridge_filter", lambda: ["br_netfilter"])
    assert preflight.packages_for({"packages": {"ip": "iproute2"}}) == {"ip": "iproute2", "modprobe": "kmod"}
