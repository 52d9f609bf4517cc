# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a chart from a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.chart_folder import ChartFolder, parse_manifests
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError

CRD = "kind: CustomResourceDefinition\nmetadata: {name: %s}\n"


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """Return a folder with a chart and its sub-chart."""
    sub = tmp_path / "charts" / "node-feature-discovery"
    for folder in (tmp_path / "crds", sub / "crds"):
        folder.mkdir(parents=True)
    (tmp_path / "Chart.yaml").write_text("name: gpu-operator\nversion: v1\n")
    (tmp_path / "values.yaml").write_text("driver: {enabled: true}\n# none: {}\n")
    (tmp_path / "crds" / "policy.yaml").write_text("---\n" + CRD % "policy" + "---\nkind: Other\n---\n")
    (sub / "crds" / "nfd.yml").write_text(CRD % "nfd")
    (sub / "Chart.yaml").write_text("appVersion: v0.19.0\n")
    (sub / "values.yaml").write_text("")
    return tmp_path


def test_everything_that_a_plan_needs_is_read(chart):
    files = ChartFolder().read(str(chart), nfd=True)
    assert (files.chart["name"], files.values, files.nfd_values) == ("gpu-operator", {"driver": {"enabled": True}}, {})
    assert files.nfd_version == "v0.19.0"
    assert "# none" in files.text
    assert [each["metadata"]["name"] for each in files.definitions] == ["policy", "nfd"]


def test_the_sub_charts_definitions_are_left_out_where_it_is_there_already(chart):
    assert [each["metadata"]["name"] for each in ChartFolder().read(str(chart), nfd=False).definitions] == ["policy"]


def test_a_chart_without_sub_chart_and_definitions_is_read(tmp_path):
    (tmp_path / "Chart.yaml").write_text("name: x")
    (tmp_path / "values.yaml").write_text("")
    files = ChartFolder().read(str(tmp_path), nfd=True)
    assert (files.nfd_values, files.nfd_version, files.definitions) == (None, "", [])


@pytest.mark.parametrize(
    ("text", "words"), [("a: [", "is no YAML"), ("- a", "holds no mapping"), (None, "cannot read .*No such file")]
)
def test_what_cannot_be_read_is_named_with_its_path(chart, text, words):
    file = chart / "values.yaml"
    file.unlink()
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        ChartFolder().read(str(chart), nfd=True)
    assert "values.yaml" in caught.value.message


def test_manifests_come_as_text_or_as_a_list():
    assert parse_manifests("kind: A\n---\n---\n- b\n", "rendered") == [{"kind": "A"}]
    assert parse_manifests([{"kind": "A"}, None, {"metadata": {}}], "rendered") == [{"kind": "A"}]
    with pytest.raises(InputError, match="rendered: is no YAML"):
        parse_manifests("a: [", "rendered")
