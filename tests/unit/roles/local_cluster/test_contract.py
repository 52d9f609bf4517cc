# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's promises to its readers: defaults documented as they are, versions in one place, modules complete."""

from __future__ import annotations

import re

import pytest
import yaml

PROGRAMS = ["coredns", "fakegpu", "helm", "kube", "kwok", "pause", "traefik"]


def load(path):
    return yaml.safe_load(path.read_text())


def test_argument_specs_tell_every_default_as_it_is(role):
    options = load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert {name: option["default"] for name, option in options.items()} == load(role / "defaults/main.yml")


def test_entry_point_image_repeats_the_defaults_of_main(role):
    specs = load(role / "meta/argument_specs.yml")["argument_specs"]
    shared = {name: option for name, option in specs["image"]["options"].items() if name != "local_cluster_image"}
    assert {name: option["default"] for name, option in shared.items()} == {
        name: specs["main"]["options"][name]["default"] for name in shared
    }


def test_every_program_has_a_version_and_a_folder(role):
    programs = load(role / "vars/main/versions.yml")["__local_cluster_programs"]
    assert sorted(programs) == PROGRAMS == sorted(path.name for path in (role / "files/go").iterdir())


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_with_requirements_has_checksums_for_them(role, name):
    module = (role / "files/go" / name / "go.mod").read_text()
    assert ("require" in module) == (role / "files/go" / name / "go.sum").is_file()


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("kube", "k8s.io/kubernetes"),
        ("coredns", "github.com/coredns/coredns"),
        ("helm", "helm.sh/helm/v3"),
        ("kwok", "sigs.k8s.io/kwok"),
    ],
)
def test_version_that_is_built_is_the_version_that_is_told(role, name, module):
    told = load(role / "vars/main/versions.yml")["__local_cluster_programs"][name]
    built = re.search(rf"{re.escape(module)} (v\S+)", (role / "files/go" / name / "go.mod").read_text())
    assert built.group(1) == told["version"]
    assert all(told["version"].lstrip("v") in release["url"] for release in told.get("releases", [])[:1])


def test_go_of_the_modules_is_not_newer_than_the_oldest_go_allowed(role):
    lowest = load(role / "vars/main/versions.yml")["__local_cluster_go_min"]
    for path in (role / "files/go").glob("*/go.mod"):
        needed = re.search(r"^go (\S+)$", path.read_text(), re.MULTILINE).group(1)
        assert [int(part) for part in needed.split(".")] <= [int(part) for part in lowest.split(".")], path


def test_every_release_file_has_a_checksum_of_full_length(role):
    lengths = {"sha256": 64, "sha512": 128}
    for program in load(role / "vars/main/versions.yml")["__local_cluster_programs"].values():
        for release in program.get("releases", []):
            assert set(release["checksums"]) == {"amd64", "arm64"} or "checksum_url" in release
            for checksum in release["checksums"].values():
                kind, value = checksum.split(":")
                assert re.fullmatch(r"[0-9a-f]+", value)
                assert len(value) == lengths[kind]


def test_coredns_listens_where_a_user_other_than_root_may(role):
    documents = (role / "templates/coredns.yaml.j2").read_text()
    assert ".:1053 {" in documents
    assert documents.count("targetPort: 1053") == 2


def test_readme_names_every_entry_point_and_state(role):
    readme = (role / "README.md").read_text()
    for word in ("tasks_from: image.yml", "local_cluster_state=absent", "local_cluster_state=status"):
        assert word in readme
