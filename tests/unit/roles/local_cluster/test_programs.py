# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the cache: versions, keys, and the choice between download and build."""

from __future__ import annotations

import programs
import pytest

KUBE = {"version": "v1.34.4", "package": ".", "stamp_version": True, "releases": [{"url": "u"}]}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27 linux/arm64", (1, 27, 0)),
        ("1.25.0", (1, 25, 0)),
        ("bash: go: command not found", ()),
    ],
)
def test_go_version_is_read_from_what_go_says(text, version):
    assert programs.parse_go_version(text) == version


def test_kubernetes_learns_its_version_from_the_linker_and_others_do_not():
    assert "-X k8s.io/component-base/version.gitVersion=v1.34.4" in programs.linker_flags(KUBE)
    assert "-X k8s.io/client-go/pkg/version.gitMinor=34" in programs.linker_flags(KUBE)
    assert programs.linker_flags({"version": "1", "package": "."}) == "-s -w"


def test_build_key_follows_source_go_and_architecture(tmp_path):
    (tmp_path / "main.go").write_text("package main\n")
    keys = {programs.build_key(KUBE, tmp_path, "1.26.8", "amd64")}
    keys.add(programs.build_key(KUBE, tmp_path, "1.26.9", "amd64"))
    keys.add(programs.build_key(KUBE, tmp_path, "1.26.8", "arm64"))
    (tmp_path / "main.go").write_text("package main // changed\n")
    keys.add(programs.build_key(KUBE, tmp_path, "1.26.8", "amd64"))
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("mode", "cached", "has_release", "how", "ready"),
    [
        ("auto", [], True, "", False),
        ("auto", ["built"], True, "build", True),
        ("auto", ["fetched", "built"], True, "download", True),
        ("auto", [], False, "build", False),
        ("download", ["built"], True, "download", False),
        ("download", [], False, "build", False),
        ("build", ["fetched"], True, "build", False),
        ("build", ["built"], True, "build", True),
    ],
)
def test_program_comes_from_where_the_mode_allows_and_from_the_cache_first(
    tmp_path, mode, cached, has_release, how, ready
):
    for name in cached:
        (tmp_path / name).mkdir()
        (tmp_path / name / ".complete").touch()
    chosen = programs.choose(mode, tmp_path / "built", tmp_path / "fetched", has_release)
    assert (chosen["how"], chosen["ready"]) == (how, ready)


def test_folder_without_its_marker_does_not_count_as_cached(tmp_path):
    (tmp_path / "built").mkdir()
    assert not programs.choose("build", tmp_path / "built", tmp_path / "fetched", True)["ready"]


def test_go_that_is_too_old_is_passed_over(tmp_path, monkeypatch):
    for name, version in (("old", "1.19.8"), ("venv/bin", "1.26.6")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "go").write_text(f"#!/bin/sh\necho go version go{version} linux/amd64\n")
        (tmp_path / name / "go").chmod(0o755)
    monkeypatch.setattr(programs, "GO_PLACES", ())
    monkeypatch.setenv("PATH", str(tmp_path / "old"))
    found = programs.find_go({"go_min": "1.25.0", "go_venv": str(tmp_path / "venv")})
    assert found == (str(tmp_path / "venv" / "bin" / "go"), "1.26.6")


def test_download_without_a_promised_program_is_refused_and_named(tmp_path):
    (tmp_path / "new").mkdir()
    order = {
        "name": "kube",
        "version": "v1",
        "temporary": str(tmp_path / "new"),
        "folder": str(tmp_path / "kube"),
        "names": ["etcd"],
    }
    with pytest.raises(programs.Trouble, match=r"kube.*lack etcd"):
        programs.complete(order)
    assert not (tmp_path / "kube").exists()


def test_tool_learns_its_version_where_its_symbol_is_named():
    flags = programs.linker_flags({"version": "v3.19.5", "package": "x", "version_symbol": "x/version.version"})
    assert flags == "-s -w -X x/version.version=v3.19.5"
