# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's shared settings: first value kept, restored by the last cluster only."""

from __future__ import annotations

from pathlib import Path

import host
import pytest

NAME = "fs.inotify.max_user_instances"


def test_acquire_raises_a_low_value_and_remembers_the_one_before():
    record, raised = host.plan_acquire({}, "/state/a", {NAME: 128})
    assert raised == {NAME: 512}
    assert record == {"sysctl": {NAME: {"before": 128, "set": 512}}, "users": ["/state/a"]}


def test_acquire_leaves_a_high_value_alone():
    record, raised = host.plan_acquire({}, "/state/a", {NAME: 8192})
    assert raised == {}
    assert record == {"sysctl": {}, "users": ["/state/a"]}


def test_acquire_by_a_second_cluster_keeps_the_value_from_before_the_first():
    first, _rest = host.plan_acquire({}, "/state/a", {NAME: 128})
    second, raised = host.plan_acquire(first, "/state/b", {NAME: 512})
    assert raised == {}
    assert second["sysctl"][NAME]["before"] == 128
    assert second["users"] == ["/state/a", "/state/b"]


def test_acquire_after_a_reboot_raises_again_and_keeps_the_first_value():
    first, _rest = host.plan_acquire({}, "/state/a", {NAME: 128})
    again, raised = host.plan_acquire(first, "/state/a", {NAME: 128})
    assert raised == {NAME: 512}
    assert again == first


def test_release_restores_nothing_while_another_cluster_lives():
    record = {"sysctl": {NAME: {"before": 128, "set": 512}}, "users": ["/state/a", "/state/b"]}
    kept, restore = host.plan_release(record, "/state/a", bool)
    assert restore == {}
    assert kept["users"] == ["/state/b"]


def test_release_by_the_last_cluster_hands_out_everything_to_restore():
    record = {"sysctl": {NAME: {"before": 128, "set": 512}}, "modules": ["br_netfilter"], "users": ["/state/a"]}
    assert host.plan_release(record, "/state/a", bool) == ({}, record)


def test_release_does_not_wait_for_a_cluster_whose_folder_is_gone():
    record = {"sysctl": {NAME: {"before": 128, "set": 512}}, "users": ["/state/a", "/state/lost"]}
    kept, restore = host.plan_release(record, "/state/a", lambda folder: folder != "/state/lost")
    assert (kept, restore) == ({}, record)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Give a machine of files: a low sysctl, the bridge filter, cgroup v1, two roots for clusters."""
    monkeypatch.setattr(host, "RECORD", tmp_path / "run" / "record.json")
    monkeypatch.setattr(host, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(host, "sysctl_path", lambda name: tmp_path / name)
    monkeypatch.setattr(host, "missing_bridge_filter", list)
    (tmp_path / NAME).write_text("128\n")

    def settings(root: str, name: str) -> dict[str, str]:
        (tmp_path / root / name).mkdir(parents=True, exist_ok=True)
        return {"root": str(tmp_path / root), "folder": str(tmp_path / root / name)}

    return settings


def test_clusters_of_different_roots_wait_for_each_other_with_restoring(machine, tmp_path):
    one, two = machine("one", "llmops"), machine("two", "llmops")
    host.acquire(one)
    host.acquire(two)
    Path(one["folder"]).rmdir()
    assert host.release(one) == (True, [])
    assert (tmp_path / NAME).read_text() == "512\n"
    Path(two["folder"]).rmdir()
    assert host.release(two) == (True, [])
    assert (tmp_path / NAME).read_text() == "128\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, "run"]
    assert list((tmp_path / "run").iterdir()) == []


def test_release_of_a_cluster_that_is_not_known_changes_nothing(machine, tmp_path):
    host.acquire(machine("one", "llmops"))
    assert host.release(machine("one", "other")) == (False, [])
    assert (tmp_path / NAME).read_text() == "512\n"


def test_controller_that_is_in_use_stays_enabled_and_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "CGROUP", tmp_path / "cgroup")
    stays = host.restore_host({"controllers": ["memory"]})
    assert stays == [f"cgroup controller memory stays enabled in {tmp_path}/cgroup: No such file or directory"]


def test_restore_touches_only_a_value_that_is_still_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "sysctl_path", lambda name: tmp_path / name)
    (tmp_path / "ours").write_text("512\n")
    (tmp_path / "changed").write_text("9000\n")
    host.restore_host({"sysctl": {name: {"before": 128, "set": 512} for name in ("ours", "changed")}})
    assert (tmp_path / "ours").read_text() == "128\n"
    assert (tmp_path / "changed").read_text() == "9000\n"
