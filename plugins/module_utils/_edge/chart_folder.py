# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a Helm chart that lies unpacked on this machine, and what Helm renders of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.gpu_operator_plan import ChartFiles

try:
    import yaml
except ImportError as error:
    _IMPORT_ERROR: ImportError | None = error
else:
    _IMPORT_ERROR = None
    # A definition of a quarter of a megabyte takes Python two seconds, libyaml a tenth of one.
    _LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

__all__ = ["ChartFolder", "parse_manifests"]

_NFD = "charts/node-feature-discovery"


def _mapping(text: str, path: Path) -> dict[str, Any]:
    try:
        value = yaml.load(text, Loader=_LOADER)  # noqa: S506 - it is a safe one
    except yaml.YAMLError as error:
        raise InputError([Problem("chart", f"{path} is no YAML: {str(error).splitlines()[0]}")]) from None
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError([Problem("chart", f"{path} holds no mapping")])
    return dict(value)


def parse_manifests(text: Any, option: str) -> list[dict[str, Any]]:
    """Return the objects of a stream of YAML documents, or of a list; raise InputError where it is none."""
    if isinstance(text, list):
        return [each for each in text if isinstance(each, dict) and each.get("kind")]
    try:
        documents = list(yaml.load_all(text, Loader=_LOADER))
        return [each for each in documents if isinstance(each, dict) and each.get("kind")]
    except yaml.YAMLError as error:
        raise InputError([Problem(option, f"is no YAML: {str(error).splitlines()[0]}")]) from None


class ChartFolder:
    """Implements the ``Charts`` port of the flow."""

    def read(self, path: str, nfd: bool) -> ChartFiles:
        """Return the files of a chart; with ``nfd`` the CustomResourceDefinitions of the sub-chart as well."""
        if _IMPORT_ERROR is not None:
            raise InputError([Problem("chart", f"PyYAML is needed to read it: {_IMPORT_ERROR}")])
        folder = Path(path)
        text = self._text(folder / "values.yaml")
        # Charts of old versions have no sub-chart of that name, or bring it packed.
        sub = folder / _NFD
        nfd_values = _mapping((sub / "values.yaml").read_text(), sub) if (sub / "values.yaml").is_file() else None
        nfd_chart = _mapping((sub / "Chart.yaml").read_text(), sub) if (sub / "Chart.yaml").is_file() else {}
        places = [folder / "crds", *([sub / "crds"] if nfd else [])]
        files = [file for place in places if place.is_dir() for file in sorted(place.glob("*.y*ml"))]
        definitions = [each for file in files for each in parse_manifests(self._text(file), "chart")]
        return ChartFiles(
            _mapping(self._text(folder / "Chart.yaml"), folder / "Chart.yaml"),
            _mapping(text, folder / "values.yaml"),
            text,
            nfd_values,
            str(nfd_chart.get("appVersion") or ""),
            [each for each in definitions if each["kind"] == "CustomResourceDefinition"],
        )

    def _text(self, file: Path) -> str:
        try:
            return file.read_text(encoding="utf-8")
        except OSError as error:
            hint = "It must be a chart unpacked to a folder of the machine where the module runs."
            raise InputError([Problem("chart", f"cannot read {file}: {error.strerror}", hint=hint)]) from None
