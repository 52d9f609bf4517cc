# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine's role says of itself and of the cluster's role is true."""

from __future__ import annotations

from pathlib import Path

import yaml

ROLES = Path(__file__).parents[4] / "roles"


def load(name: str):
    return yaml.safe_load((ROLES / name).read_text())


def test_argument_specs_tell_every_default_as_it_is():
    options = load("local_engine/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert {name: option["default"] for name, option in options.items()} == load("local_engine/defaults/main.yml")


def test_python_of_the_cluster_s_default_image_is_the_one_that_its_tag_names():
    cluster = load("local_cluster/defaults/main.yml")
    python = load("local_engine/vars/main.yml")["__local_engine_pythons"][cluster["local_cluster_base_suite"]]
    assert python == "python" + cluster["local_cluster_base_image"].rpartition(":")[2]
