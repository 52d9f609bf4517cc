# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a file of prompts: a YAML list, or one JSON object a line; each with the line that it begins at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.files import LocalFiles
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

try:
    import yaml
except ImportError:
    HAS_YAML = False
else:
    HAS_YAML = True

__all__ = ["read_prompts"]

_BYTES_MAX = 16 * 1024 * 1024
_LINES = (".jsonl", ".ndjson")


def read_prompts(path: str) -> list[tuple[str, Any]]:
    """Return place (``golden.yml:12``) and content of each item; InputError with every line that is none."""
    file, text = Path(path), LocalFiles(_BYTES_MAX).read(path, "prompts_file")
    problems: list[Problem] = []
    items = list((_read_lines if file.suffix in _LINES else _read_yaml)(file.name, text, problems))
    if problems:
        raise InputError(problems)
    return items


def _read_lines(name: str, text: str, problems: list[Problem]) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield f"{name}:{number}", json.loads(line)
            except (ValueError, RecursionError) as error:
                problems.append(Problem(f"{name}:{number}", f"is not JSON: {error}"))


def _read_yaml(name: str, text: str, problems: list[Problem]) -> Iterator[tuple[str, Any]]:
    if not HAS_YAML:
        hint = "Install what requirements.txt names where this module runs, or write JSON lines (.jsonl)."
        problems.append(
            Problem("prompts_file", "the Python package PyYAML, which reads it, is missing", name, hint=hint)
        )
        return
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if isinstance(node, yaml.SequenceNode):
            for each in node.value:
                yield f"{name}:{each.start_mark.line + 1}", loader.construct_document(each)
        else:
            problems.append(Problem(name, "is no YAML list of prompts"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}:{mark.line + 1}" if mark is not None else name
        problems.append(Problem(place, f"is not YAML: {getattr(error, 'problem', None) or error}"))
    finally:
        loader.dispose()
