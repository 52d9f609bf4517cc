# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs out of release files: verified, unpacked, complete or not there; built where the release does not arrive."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile

import pytest


@pytest.fixture
def download(tmp_path, run_tasks):
    """Give what downloads the release of a small program, out of an archive on this machine."""
    archive = tmp_path / "tool-amd64.tar.gz"
    with tarfile.open(archive, "w:gz") as writer:
        for name in ("tool", "other"):
            entry = tarfile.TarInfo(f"release/bin/{name}")
            entry.size, entry.uid = len(name), 12345
            writer.addfile(entry, io.BytesIO(name.encode()))

    def run(**more) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
        release = {
            "url": f"file://{tmp_path}/tool-{{arch}}.tar.gz",
            "strip": 2,
            "members": ["tool"],
            "prefix": "release/bin/",
            "checksums": {"amd64": f"sha256:{more.pop('checksum', checksum)}"},
        }
        release["members"] = more.pop("members", release["members"])
        variables = {
            "__local_cluster_architecture": "amd64",
            "__local_cluster_program": {"name": "tool", "fetched": str(tmp_path / "bin" / "tool-1")},
            "__local_cluster_programs": {"tool": {"version": "1", "releases": [release]}},
            **more,
        }
        done = run_tasks("download.yml", variables)
        folder = tmp_path / "bin" / "tool-1"
        return done, sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    return run


def test_release_is_verified_and_only_its_wanted_programs_are_kept(download, tmp_path):
    done, names = download()
    assert done.returncode == 0, done.stdout + done.stderr
    assert names == [".complete", "tool"]
    program = tmp_path / "bin" / "tool-1" / "tool"
    assert program.read_text() == "tool"
    assert (program.stat().st_mode & 0o777, program.stat().st_uid) == (0o755, os.getuid())


def test_release_with_another_checksum_is_not_taken_and_said_to_be_built_instead(download):
    done, names = download(checksum="0" * 64)
    assert done.returncode == 0, done.stdout + done.stderr
    assert names == []
    said = " ".join(done.stdout.split())
    assert "The release of tool cannot be used, so it is built" in said
    assert "checksum" in said


@pytest.mark.parametrize("wrong", [{"checksum": "0" * 64}, {"members": ["tool", "missing"]}])
def test_release_that_cannot_be_used_is_an_error_where_only_releases_are_wanted(download, wrong):
    done, names = download(local_cluster_binaries="download", **wrong)
    assert done.returncode == 2
    assert names == []
    assert "The release of tool cannot be used, and local_cluster_binaries is download" in " ".join(done.stdout.split())
