# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the client writes is what the schema and its page say, to the last key."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_schema import (
    RESULT_SCHEMA,
    SCHEMA_NAME,
    find_deviation,
    render_result,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.json_schema import parse_schema
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import Problem

from tests.support.benchmarks import client_result, own_result, record

DOCS = Path(__file__).parents[5] / "docs"
GOOD = client_result({"blue": [record(n) for n in range(9)], "green": [record(n, 200) for n in range(9)]})
RESULTS = {
    "good": GOOD,
    "misses": client_result({"chat": [record(n) for n in range(9)]}, slo={"ttft_p95_ms_max": 1}),
    "failed": client_result({"chat": [record(n, kind="http_500", text="no") for n in range(9)]}),
    "without usage": client_result({"chat": [record(n, kind="missing_usage") for n in range(9)]}),
    "without samples": client_result({"chat": [record(n) for n in range(9)]}, samples_max=3),
    "nothing asked": client_result({"chat": []}),
    "nothing measured": {**client_result({}), "warmup": None},
    "search": {
        **GOOD,
        "sweep": {"rate_per_second_max": None, "ended": "x", "steps": [{"rate_per_second": 1.0, "meets": None}]},
    },
    "partial": {**GOOD, "partial": True},
}


def closed(schema: Any) -> Any:
    """Return a schema that allows no key which it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(each) for name, each in schema.items()}
    free = schema.get("required") in (["kind"], ["targets", "series_step_seconds"]) or "url" in schema.get(
        "properties", {}
    )
    return {**inner, "additionalProperties": False} if "required" in schema and not free else inner


def keys(schema: Any) -> Iterator[str]:
    for name, each in schema.get("properties", {}).items():
        yield name
        yield from keys(each)
    for place in ("items", "additionalProperties"):
        if place in schema:
            yield from keys(schema[place])


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_of_the_client_fits_the_schema_and_has_no_other_keys(name: str) -> None:
    assert find_deviation(RESULTS[name]) is None
    jsonschema.Draft202012Validator(closed(RESULT_SCHEMA)).validate(RESULTS[name])


def test_the_schema_is_one_and_its_file_is_up_to_date() -> None:
    jsonschema.Draft202012Validator.check_schema(RESULT_SCHEMA)
    problems: list[Problem] = []
    parse_schema(RESULT_SCHEMA, "schema", problems)
    assert problems == []
    written = (DOCS / "benchmark-result.schema.json").read_text()
    assert json.loads(written) == RESULT_SCHEMA, "write json.dumps(RESULT_SCHEMA, indent=1) to the file"


def test_the_page_about_it_names_every_key() -> None:
    text = (DOCS / "benchmark-result.md").read_text()
    named = set(re.findall(r"`([\w./-]+)`", text))
    per_gpu = {name for name in keys(RESULT_SCHEMA) if name.endswith("_per_gpu")}
    assert set(keys(RESULT_SCHEMA)) - named == per_gpu
    assert SCHEMA_NAME in named


def test_a_file_says_by_itself_what_it_is() -> None:
    text = render_result(GOOD)
    assert json.loads(text) == {**GOOD, "schema": SCHEMA_NAME}
    assert find_deviation(json.loads(text)) is None
    with pytest.raises(ValueError, match="not JSON compliant"):
        render_result({"x": float("nan")})


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("schema",), 2, "$.schema"),
        (("phases", 0, "targets", "blue", "ttft_ms", "p95"), float("nan"), "ttft_ms.p95"),
        (("phases", 0, "targets", "blue", "ttft_ms", "p95"), float("inf"), "ttft_ms.p95"),
        (("phases", 0, "targets", "blue", "ttft_ms", "count"), 0, "ttft_ms.count"),
        (("phases", 0, "targets", "blue", "samples", "due_us"), [None], "samples.due_us[0]"),
        (("phases", 0, "targets", "blue", "error_ratio"), 1.5, "error_ratio"),
        (("settings", "series_step_seconds"), 0, "series_step_seconds"),
        (("client",), None, "$.client"),
    ],
)
def test_what_deviates_is_named(path: tuple[Any, ...], value: Any, words: str) -> None:
    changed = copy.deepcopy(GOOD)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    found = find_deviation(changed)
    assert found is not None
    assert words in found.replace("*", "blue")


def test_what_is_no_result_of_this_version_deviates() -> None:
    assert find_deviation({}) == "$: lacks schema"
    assert find_deviation(own_result()) is not None
    assert find_deviation([]) is not None
