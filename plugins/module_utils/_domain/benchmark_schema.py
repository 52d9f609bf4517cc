# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a result of ``serving_benchmark`` looks like, as JSON Schema (draft 2020-12) and as the file that is kept.

``docs/benchmark-result.schema.json`` is this schema, and ``docs/benchmark-result.md`` says what each key means. Within
a version keys may be added; none is removed, and none changes its meaning or its unit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.json_schema import find_violation

__all__ = ["RESULT_SCHEMA", "SCHEMA_NAME", "find_deviation", "render_result"]

# The client numbers its results; a file that leaves the run says by itself what it is.
SCHEMA_NAME = "llmops.dev/benchmark-result/v1"
# No time, count or rate comes near; it keeps NaN and infinity out, which JSON of Python has.
_HUGE = 1e15

Schema = dict[str, Any]


def _object(properties: Mapping[str, Any], optional: tuple[str, ...] = (), *, may_be_null: bool = False) -> Schema:
    required = [name for name in properties if name not in optional]
    kind: Any = ["object", "null"] if may_be_null else "object"
    return {"type": kind, "required": required, "properties": dict(properties)}


def _map_of(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _list_of(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


_NUMBER: Schema = {"type": "number", "minimum": 0, "maximum": _HUGE}
_SIGNED: Schema = {"type": "number", "minimum": -_HUGE, "maximum": _HUGE}
_ABOVE_ZERO: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": _HUGE}
_COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": _HUGE}
_RATIO: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_TEXTS = _list_of(_TEXT)


def _summary(value: Schema) -> Schema:
    """Return the schema of a distribution's figures in milliseconds; null where nothing was measured."""
    statistics = ("mean", "p50", "p90", "p95", "p99", "min", "max")
    fields = dict.fromkeys(statistics, value)
    return _object({**fields, "count": {**_COUNT, "minimum": 1}}, may_be_null=True)


_LATENCY = _summary(_NUMBER)
_RATES = ("requests_per_second", "output_tokens_per_second", "total_tokens_per_second")
_GPU_RATES = tuple(f"{name}_per_gpu" for name in _RATES)
_STEP = _object(
    {
        "start_seconds": _NUMBER,
        **dict.fromkeys(("due", "ok", "failed", "output_tokens"), _COUNT),
        "ttft_p50_ms": _or_null(_NUMBER),
        "ttft_p95_ms": _or_null(_NUMBER),
    }
)
_SAMPLES = _object(
    {
        "number": _list_of(_COUNT),
        "due_us": _list_of(_SIGNED),
        "class": _TEXTS,
        **{name: _list_of(_or_null(_NUMBER)) for name in ("ttft_us", "itl_mean_us", "tpot_us", "e2e_us")},
        "output_tokens": _list_of(_or_null(_COUNT)),
    },
    may_be_null=True,
)
_TARGET = _object(
    {
        "requests": _object(dict.fromkeys(("issued", "ok", "without_usage", "failed", "lost"), _COUNT)),
        "error_ratio": _or_null(_RATIO),
        "classes": _map_of(_COUNT),
        "examples": _map_of(_TEXT),
        "duration_seconds": _NUMBER,
        **{f"{name}_ms": _LATENCY for name in ("ttft", "ttft_from_schedule", "itl", "tpot", "e2e", "connect")},
        "lateness_ms": _summary(_SIGNED),
        "merged_reads_ratio": _or_null(_RATIO),
        "tokens": _object({"prompt": _COUNT, "output": _COUNT}, may_be_null=True),
        "throughput": _object(
            {name: _or_null(_NUMBER) for name in (*_RATES, *_GPU_RATES)}, optional=(*_RATES[1:], *_GPU_RATES)
        ),
        "goodput": _object({"good": _COUNT, "ratio": _or_null(_RATIO), "requests_per_second": _or_null(_NUMBER)}),
        "series": _list_of(_STEP),
        "slo_misses": _TEXTS,
        "samples": _SAMPLES,
    },
    optional=("goodput", "slo_misses"),
)
_METER = {
    "wall_seconds": _NUMBER,
    "cpu_seconds": _NUMBER,
    "busy_ratio": _or_null(_NUMBER),
    "lag_ms": _LATENCY,
}
_PHASE = _object(
    {
        "name": _TEXT,
        "load": {"type": "object", "required": ["kind"], "properties": {"kind": _TEXT}},
        "stopped_by": _TEXT,
        "closed_loop": _FLAG,
        "targets": _map_of(_TARGET),
        "client": _object(_METER),
        "inconclusive": _TEXTS,
    }
)
_SWEEP = _object(
    {
        "rate_per_second_max": _or_null(_NUMBER),
        "ended": _TEXT,
        "steps": _list_of(_object({"rate_per_second": _NUMBER, "meets": _or_null(_FLAG)})),
    }
)
RESULT_SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": SCHEMA_NAME,
    "description": "A result of llmops.kubernetes.serving_benchmark. benchmark-result.md says what each key means.",
    **_object(
        {
            "schema": {"enum": [1, SCHEMA_NAME]},
            "tool": _TEXT,
            "started_at": _TEXT,
            "finished_at": _TEXT,
            "partial": _FLAG,
            "settings": {
                "type": "object",
                "required": ["targets", "series_step_seconds"],
                "properties": {
                    "targets": _list_of(_object({"name": _TEXT, "url": _TEXT, "model": _TEXT, "accelerators": _COUNT})),
                    "series_step_seconds": _ABOVE_ZERO,
                },
            },
            "definitions": _map_of(_TEXT),
            "warmup": _object(
                {"requests": _COUNT, "ok": _COUNT, "classes": _map_of(_COUNT), "examples": _map_of(_TEXT)},
                may_be_null=True,
            ),
            "phases": _list_of(_PHASE),
            "sweep": _SWEEP,
            "inconclusive": _TEXTS,
            "client": _object(
                {
                    "event_loop": _TEXT,
                    "python": _TEXT,
                    "cpu_count": _or_null(_COUNT),
                    "wall_seconds": _NUMBER,
                    "cpu_seconds": _NUMBER,
                    "connections": _list_of(_COUNT),
                }
            ),
        },
        optional=("sweep",),
    ),
}


def find_deviation(document: Any) -> str | None:
    """Return the first place where a document is no result of this version, or None."""
    return find_violation(RESULT_SCHEMA, document, lambda _pattern, _text, _ignore_case: False)


def render_result(document: Mapping[str, Any]) -> str:
    """Return the text of the file that keeps a result."""
    return json.dumps({**document, "schema": SCHEMA_NAME}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
