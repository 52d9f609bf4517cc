# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting and removing the node, as far as it goes without one."""

from __future__ import annotations

import host
import node
import pytest
from common import Trouble


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Give a cluster whose state lies in a folder, on a machine that nothing was laid on."""
    monkeypatch.setattr(host, "disconnect", lambda _settings: False)
    monkeypatch.setattr(host, "cgroup_folders", lambda *_names: [])
    monkeypatch.setattr(host, "links_of", lambda _alias: [])
    monkeypatch.setattr(host, "missing_routes", lambda _settings: ["route", "backstop route"])
    monkeypatch.setattr(host, "RECORD", tmp_path / "run" / "record.json")
    folder = tmp_path / "root" / "a"
    places = {"root": str(folder.parent), "folder": str(folder)}
    return {"name": "a", **places, "cgroup": "llmops-0-a", "alias": "a", "check_mode": False}


def test_remove_says_in_check_mode_what_it_would_do_and_does_not_do_it(settings, tmp_path):
    assert not node.remove({**settings, "check_mode": True})["changed"]
    (tmp_path / "root" / "a" / "etcd").mkdir(parents=True)
    assert node.remove({**settings, "check_mode": True})["changed"]
    assert (tmp_path / "root" / "a" / "etcd").is_dir()


def test_remove_takes_the_folder_and_a_root_that_is_empty_then(settings, tmp_path):
    (tmp_path / "root" / "a" / "etcd").mkdir(parents=True)
    assert node.remove(settings) == {"changed": True, "stays": []}
    assert not (tmp_path / "root").exists()
    assert node.remove(settings) == {"changed": False, "stays": []}


def test_remove_finishes_what_a_killed_one_began(settings, tmp_path):
    host.RECORD.parent.mkdir()
    host.RECORD.write_text(f'{{"users": ["{settings["folder"]}"]}}')
    assert node.remove({**settings, "check_mode": True})["changed"]
    assert node.remove(settings)["changed"]
    assert not host.RECORD.exists()


def test_start_does_not_go_on_with_a_cluster_that_was_removed_meanwhile(settings, tmp_path):
    with pytest.raises(Trouble, match="Node a was removed while it was set up"):
        node.start(settings)
    assert not (tmp_path / "root").exists()
    (tmp_path / "root" / "a" / "etcd").mkdir(parents=True)
    with pytest.raises(Trouble, match="Node a was removed while it was set up"):
        node.start(settings)
    assert (tmp_path / "root" / "a" / "etcd").is_dir()
