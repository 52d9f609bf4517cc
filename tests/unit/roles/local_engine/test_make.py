# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment and models appear whole or not at all, and the environment gets what the wheel lacks."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import jinja2
import make_environment
import make_models
import pytest

ROOT = Path(__file__).parents[4]


def write_model(folder: Path, head_size: int) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(str(head_size), encoding="utf-8")


def write_cache(folder: Path) -> None:
    (folder / "modelinfos").mkdir(parents=True)


def fail(_folder: Path) -> None:
    raise SystemExit("vLLM has left nothing")


@pytest.fixture
def models(tmp_path, monkeypatch) -> Path:
    """Return a folder for models, whose making takes no torch."""
    monkeypatch.setattr(make_models, "make_model", write_model)
    monkeypatch.setattr(make_models, "make_cache", write_cache)
    return tmp_path / "cache" / "models"


def test_models_are_made_with_a_marker_and_readable_by_the_pods_user(models):
    make_models.make(models)
    assert sorted(path.name for path in models.iterdir()) == [".complete", "tiny", "tiny-broken", "vllm-cache"]
    assert (models / "tiny-broken/config.json").read_text(encoding="utf-8") == "16"
    assert all(path.stat().st_mode & 0o004 for path in models.rglob("*"))
    assert not models.with_name("models.partial").exists()


def test_models_whose_making_fails_are_not_there(models, monkeypatch):
    monkeypatch.setattr(make_models, "make_cache", fail)
    with pytest.raises(SystemExit, match="vLLM has left nothing"):
        make_models.make(models)
    assert not models.exists()


def test_models_are_made_over_what_an_interrupted_run_has_left(models):
    (models / "tiny").mkdir(parents=True)
    models.with_name("models.partial").mkdir()
    (models.with_name("models.partial") / "rest").touch()
    make_models.make(models)
    assert (models / ".complete").exists()
    assert not (models / "rest").exists()


def test_the_chat_template_writes_each_message_and_asks_for_an_answer():
    messages = [{"role": "system", "content": "be short"}, {"role": "user", "content": "hi"}]
    text = jinja2.Template(make_models.TEMPLATE).render(messages=messages)
    assert text == "system: be short\nuser: hi\nassistant:"


@pytest.fixture
def environment(tmp_path) -> Path:
    """Return an environment whose interpreter writes down what it is asked for."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib/python3.11/site-packages").mkdir(parents=True)
    python = tmp_path / "bin/python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$HOME/asked"\n', encoding="utf-8")
    python.chmod(0o700)
    return tmp_path


def test_the_environment_gets_the_name_that_vllm_asks_for_and_a_command_that_works(environment):
    make_environment._finish(environment)
    metadata = environment / f"lib/python3.11/site-packages/vllm-{make_environment.VLLM_VERSION}.dist-info/METADATA"
    assert f"Name: vllm\nVersion: {make_environment.VLLM_VERSION}\n" in metadata.read_text(encoding="utf-8")
    assert (environment / "asked").read_text(encoding="utf-8").splitlines()[-1] == "--version"


def test_the_command_runs_the_interpreter_beside_it_wherever_the_environment_is_mounted(environment, tmp_path_factory):
    make_environment._finish(environment)
    elsewhere = tmp_path_factory.mktemp("mounted") / "opt"
    environment.rename(elsewhere)
    command = [str(elsewhere / "bin/vllm"), "serve", "/models/a b", "--flag"]
    subprocess.run(command, check=True, env={"HOME": str(elsewhere), "PATH": os.environ["PATH"]})
    asked = (elsewhere / "asked").read_text(encoding="utf-8").splitlines()
    assert asked == ["-c", "from vllm.entrypoints.cli.main import main; main()", "serve", "/models/a b", "--flag"]


def test_a_vllm_that_does_not_start_is_an_error(environment):
    (environment / "bin/python").write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    with pytest.raises(subprocess.CalledProcessError, match="exit status 3"):
        make_environment._finish(environment)


def test_everything_of_the_environment_is_readable_by_the_pods_user(environment):
    make_environment._finish(environment)
    assert (environment / "bin/python").stat().st_mode & 0o005 == 0o005


def test_one_version_of_vllm_is_installed_tested_and_deployed(role):
    version = make_environment.VLLM_VERSION
    assert f"\nvllm-cpu=={version}\n" in (role / "files/requirements.txt").read_text(encoding="utf-8")
    assert f'VLLM_VERSION = "{version}"' in (ROOT / "tests/e2e/releases.py").read_text(encoding="utf-8")
    inventory = ROOT / "inventories/local/group_vars/all/model_servers.yml"
    assert f'version: "{version}"' in inventory.read_text(encoding="utf-8")


def test_torch_for_cpus_is_of_the_version_that_is_installed(role):
    release = make_environment.TORCH_CPU.partition("+")[0]
    assert f"\n{release}\n" in (role / "files/requirements.txt").read_text(encoding="utf-8")


def test_every_package_is_pinned(role):
    lines = (role / "files/requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#") and "==" not in line] == []
