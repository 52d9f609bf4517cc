# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and folders: written whole, only when they differ, and removed when no longer wanted."""

from __future__ import annotations

import io
import os
import shutil
import threading
import time

import common
import node
import pytest
import write_files


def order(folder, files, programs=()):
    contents = {name: {"content": text, "mode": "0755"} for name, text in files.items()}
    return {"folder": str(folder), "files": contents, "owned": ["sv"], "folders": ["etcd"], "programs": list(programs)}


def test_write_is_changed_once_and_keeps_the_mode(tmp_path):
    assert write_files.write(order(tmp_path, {"sv/etcd/run": "a"}))["changed"]
    assert not write_files.write(order(tmp_path, {"sv/etcd/run": "a"}))["changed"]
    assert (tmp_path / "sv/etcd/run").stat().st_mode & 0o777 == 0o755


def test_write_repairs_content_and_mode(tmp_path):
    write_files.write(order(tmp_path, {"sv/etcd/run": "a"}))
    (tmp_path / "sv/etcd/run").chmod(0o644)
    assert write_files.write(order(tmp_path, {"sv/etcd/run": "a"}))["written"] == ["sv/etcd/run"]


def test_write_removes_a_service_that_is_not_wanted_any_more_and_nothing_else(tmp_path):
    write_files.write(order(tmp_path, {"sv/etcd/run": "a", "sv/fakegpu/run": "b", "etc/x": "c"}))
    (tmp_path / "sv/etcd/supervise").mkdir()
    removed = write_files.write(order(tmp_path, {"sv/etcd/run": "a"}))["removed"]
    assert removed == [str(tmp_path / "sv/fakegpu")]
    assert (tmp_path / "sv/etcd/supervise").is_dir()
    assert (tmp_path / "etc/x").exists()


def test_write_links_every_program_of_a_cache_folder_and_follows_a_new_one(tmp_path):
    for name in ("kube-1", "kube-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kubectl").touch()
        (tmp_path / name / ".complete").touch()
    write_files.write(order(tmp_path, {}, [str(tmp_path / "kube-1")]))
    assert write_files.write(order(tmp_path, {}, [str(tmp_path / "kube-2")]))["changed"]
    assert os.listdir(tmp_path / "bin") == ["kubectl"]
    assert os.readlink(tmp_path / "bin/kubectl") == str(tmp_path / "kube-2/kubectl")


def test_write_removes_the_link_of_a_program_that_is_not_wanted_any_more(tmp_path):
    (tmp_path / "helm-1").mkdir()
    (tmp_path / "helm-1" / "helm").touch()
    write_files.write(order(tmp_path, {}, [str(tmp_path / "helm-1")]))
    assert write_files.write(order(tmp_path, {}))["removed"] == [str(tmp_path / "bin/helm")]
    assert os.listdir(tmp_path / "bin") == []


def test_generation_follows_configuration_and_programs_and_not_the_state(tmp_path):
    write_files.write(order(tmp_path, {"sv/etcd/run": "a", "etc/kubelet.yaml": "b"}))
    first = node.generation(tmp_path)
    (tmp_path / "sv/etcd/supervise").mkdir()
    (tmp_path / "gpus").write_text("GPU-0\n")
    assert node.generation(tmp_path) == first
    (tmp_path / "etc/kubelet.yaml").write_text("c")
    assert node.generation(tmp_path) != first


def test_generation_follows_the_programs_of_the_daemons_and_not_the_tools_beside_them(tmp_path):
    for name in ("cache-1", "cache-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "etcd").touch()
    (tmp_path / "cache-2" / "helm").touch()
    write_files.write(order(tmp_path, {"sv/etcd/run": "a"}, [str(tmp_path / "cache-1")]))
    first = node.generation(tmp_path)
    write_files.link(tmp_path / "bin" / "helm", str(tmp_path / "cache-2" / "helm"))
    assert node.generation(tmp_path) == first
    write_files.link(tmp_path / "bin" / "etcd", str(tmp_path / "cache-2" / "etcd"))
    assert node.generation(tmp_path) != first


def test_whole_write_leaves_no_temporary_file(tmp_path):
    common.write_whole(tmp_path / "a" / "b", "text", 0o600)
    assert os.listdir(tmp_path / "a") == ["b"]


def test_lock_that_is_held_is_not_waited_for_when_not_wanted(tmp_path):
    with common.exclusive(tmp_path / "lock") as first, common.exclusive(tmp_path / "lock", wait=False) as second:
        assert first is not None
        assert second is None
    with common.exclusive(tmp_path / "lock", wait=False) as third:
        assert third


def test_lock_whose_file_was_removed_by_its_holder_is_taken_again_at_its_place(tmp_path):
    lock = tmp_path / "cluster" / "lock"
    begun, held = threading.Event(), []

    def wait_for_it():
        begun.set()
        with common.exclusive(lock) as stream:
            held.append(common.is_file_at(stream, lock))

    with common.exclusive(lock):
        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        begun.wait()
        time.sleep(0.1)
        shutil.rmtree(lock.parent)
    waiting.join(10)
    assert held == [True]


def test_command_that_fails_is_named_with_what_it_said():
    with pytest.raises(common.Trouble, match=r"status 3: sh -c echo oh >&2; exit 3\noh"):
        common.run(["sh", "-c", "echo oh >&2; exit 3"])


def test_command_whose_program_is_missing_is_named_with_the_next_step():
    with pytest.raises(common.Trouble, match=r"cannot be started: no-such-program -x\n.*Install no-such-program"):
        common.run(["no-such-program", "-x"])


def test_helper_that_needs_root_refuses_another_user_before_it_looks(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("{}"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match=r"Only root can see and change .*, this is user 1000\. Run with sudo"):
        common.main({}, root=True)


def test_wait_that_is_in_vain_names_what_it_waited_for():
    with pytest.raises(common.Trouble, match=r"Waited 0\.1 s in vain: the moon"):
        common.wait_until("the moon", lambda: False, 0.1)


def test_damaged_json_is_named_with_the_next_step(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(common.Trouble, match=r"x\.json holds no valid JSON.*Remove the file"):
        common.read_json(tmp_path / "x.json")


def test_node_of_a_folder_without_processes_is_not_found(tmp_path):
    assert common.find_node(tmp_path) is None
    assert common.marked(tmp_path) == []
