# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image archives: reproducible, digest known before the import, bad references refused."""

from __future__ import annotations

import hashlib
import json
import tarfile

import oci_image
import pytest
from common import Trouble


@pytest.fixture
def image(tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    return {
        "ref": "llmops.local/tool:1",
        "files": {"/usr/bin/tool": str(program)},
        "entrypoint": ["/usr/bin/tool"],
        "user": "65532",
    }


def read(path, name):
    with tarfile.open(path) as archive:
        return archive.extractfile(name).read()


def test_archive_is_the_same_twice(image, tmp_path):
    digests = {oci_image.write_archive(image, "amd64", tmp_path / name) for name in ("one.tar", "two.tar")}
    assert len(digests) == 1
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_archive_blobs_match_their_digests_and_the_config_names_user_and_program(image, tmp_path):
    path = tmp_path / "image.tar"
    digest = oci_image.write_archive(image, "amd64", path)
    manifest = json.loads(read(path, "blobs/sha256/" + digest.removeprefix("sha256:")))
    for blob in (manifest["config"], *manifest["layers"]):
        data = read(path, "blobs/sha256/" + blob["digest"].removeprefix("sha256:"))
        assert (f"sha256:{hashlib.sha256(data).hexdigest()}", len(data)) == (blob["digest"], blob["size"])
    config = json.loads(read(path, "blobs/sha256/" + manifest["config"]["digest"].removeprefix("sha256:")))
    assert config["config"] == {"Entrypoint": ["/usr/bin/tool"], "User": "65532"}
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]


def test_files_layer_has_the_parent_folders_first_and_executable_files(image, tmp_path):
    oci_image.files_layer(image["files"], tmp_path / "layer.tar")
    with tarfile.open(tmp_path / "layer.tar") as layer:
        assert [(entry.name, oct(entry.mode)) for entry in layer] == [
            ("usr", "0o755"),
            ("usr/bin", "0o755"),
            ("usr/bin/tool", "0o755"),
        ]


@pytest.mark.parametrize("reference", ["tool", "llmops.local/tool", "llmops.local/tool:latest", "host:5000/tool"])
def test_reference_without_a_fixed_tag_is_refused_and_named(reference):
    with pytest.raises(Trouble, match=reference):
        oci_image.reference_parts(reference)


def test_build_makes_an_archive_once_and_again_when_a_file_changed(image, tmp_path):
    order = {"cache": str(tmp_path / "cache"), "architecture": "amd64", "images": [image]}
    first, second = oci_image.build(order), oci_image.build(order)
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["archives"] == second["archives"]
    (tmp_path / "program").write_text("#!/bin/sh\nexit 1\n")
    third = oci_image.build(order)
    assert third["changed"]
    assert third["archives"] != first["archives"]


def test_build_replaces_what_an_interrupt_left_half_done(image, tmp_path):
    order = {"cache": str(tmp_path / "cache"), "architecture": "amd64", "images": [image]}
    (archive,) = oci_image.build(order)["archives"]
    folder = tmp_path / "cache" / "images" / archive.split("/")[-2]
    (folder / ".complete").unlink()
    (folder / "image.tar").write_bytes(b"half")
    assert oci_image.build(order)["changed"]
    assert oci_image.read_index(folder / "image.tar") == {
        "llmops.local/tool:1": (folder / ".complete").read_text().split()[1]
    }


def test_archive_that_is_no_image_is_named_with_the_way_to_make_one(tmp_path):
    (tmp_path / "other.tar").write_bytes(b"no tar")
    with pytest.raises(Trouble, match=r"other\.tar is no OCI archive.*tasks_from: image\.yml"):
        oci_image.read_index(tmp_path / "other.tar")
