# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the text or data of a result file to the one run in it that is to be judged."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_aiperf import is_aiperf, read_aiperf
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_guidellm import (
    is_guidellm,
    read_guidellm,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_inference_perf import (
    is_inference_perf,
    read_inference_perf,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_llmops import (
    OUR_TOOL,
    is_llmops,
    read_llmops,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_run import BenchmarkRun, Node
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_vllm import is_vllm, read_vllm
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import nearest
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["parse_document", "parse_runs", "select_judged", "select_run"]

_KNOWN = (
    f"a result of {OUR_TOOL}, of vllm bench serve (--save-result), guidellm (--output-path), AIPerf "
    "(profile_export_aiperf.json) or inference-perf (summary_ or stage_N_lifecycle_metrics.json)"
)
_KEY = re.compile(r'"((?:[^"\\]|\\.)*)"\s*:')


def parse_document(text: str, path: str) -> list[dict[str, Any]]:
    """Return the objects of a result file: one, or one for each line (``--append-result``).

    Raises InputError that names line, column and the last key before what is broken.
    """
    if not text.strip():
        hint = "The load tool ended before it wrote a result; AIPerf does so when every request has failed."
        raise InputError([Problem(path, "is empty", hint=hint)])
    try:
        documents = [json.loads(text)]
    except json.JSONDecodeError as whole:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        if len(lines) < 2 or not all(line.lstrip().startswith("{") for _number, line in lines):
            raise InputError([_broken(path, text, whole, 0)]) from None
        documents = []
        for number, line in lines:
            try:
                documents.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise InputError([_broken(path, line, error, number - 1)]) from None
    return [_object(document, path) for document in documents]


def _object(document: Any, path: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise InputError([Problem(path, f"holds a {type(document).__name__}, not an object", allowed=_KNOWN)])
    return document


def _broken(path: str, text: str, error: json.JSONDecodeError, lines_before: int) -> Problem:
    keys = _KEY.findall(text[: error.pos])
    place = f"line {error.lineno + lines_before}, column {error.colno}"
    after = f", after the key {keys[-1]!r}" if keys else ""
    ends = error.pos >= len(text.rstrip())
    what = "ends in the middle" if ends else f"is no JSON: {error.msg}"
    hint = "The file is truncated: run the benchmark again." if ends else None
    return Problem(path, f"{what} at {place}{after}", hint=hint)


def parse_runs(documents: Sequence[Mapping[str, Any]], path: str) -> list[BenchmarkRun]:
    """Return every run in the documents, in their order; raises InputError with all wrong types and their keys."""
    problems: list[Problem] = []
    runs: list[BenchmarkRun] = []
    for index, document in enumerate(documents):
        found: list[Problem] = []
        runs += _read(dict(document), found, path)
        line = f" line {index + 1}" if len(documents) > 1 else ""
        problems += [
            Problem(f"{path}{line}: {each.path}", each.message, each.value, each.allowed, each.hint) for each in found
        ]
    if problems:
        raise InputError(problems)
    return runs


def _read(document: dict[str, Any], problems: list[Problem], path: str) -> list[BenchmarkRun]:
    node = Node(document, "", problems)
    if is_llmops(document):
        return read_llmops(node)
    if is_vllm(document):
        return [read_vllm(node)]
    if is_guidellm(document):
        return read_guidellm(node)
    if is_aiperf(document):
        return [read_aiperf(node)]
    if is_inference_perf(document):
        return [read_inference_perf(node)]
    keys = ", ".join(list(document)[:8]) or "none"
    raise InputError([Problem(path, f"is no known result; its keys are: {keys}", allowed=_KNOWN)])


def select_run(runs: Sequence[BenchmarkRun], wanted: str | None, path: str, option: str) -> tuple[int, BenchmarkRun]:
    """Return the run with the wanted target, or number from 0, and its number.

    Never the first by accident: with several runs and none wanted, or several of that name, InputError lists them.
    """
    names = [f"{number} ({run.target})" if run.target else str(number) for number, run in enumerate(runs)]
    if wanted is None:
        if len(runs) == 1:
            return 0, runs[0]
        found = []
    else:
        found = [n for n, run in enumerate(runs) if run.target == wanted] or [
            n for n in range(len(runs)) if str(n) == wanted
        ]
    if len(found) == 1:
        return found[0], runs[found[0]]
    guess = nearest(wanted, [run.target for run in runs if run.target]) if wanted and not found else None
    message = f"{path} holds {len(runs)} runs" + (f", {len(found)} of them are {wanted!r}" if wanted else "")
    hint = f"Did you mean {guess}?" if guess else "Say which one is judged."
    raise InputError([Problem(option, message, wanted, ", ".join(names) or "none: it holds no run", hint)])


def select_judged(
    runs: Sequence[tuple[BenchmarkRun, Mapping[str, Any]]],
) -> Sequence[tuple[BenchmarkRun, Mapping[str, Any]]]:
    """Return the runs that count when all are judged; every run comes with the document that it was read from.

    A search for the highest rate goes beyond it on purpose: what counts is the best rate that it found, or where none
    met the limits the first one, which is the lowest.
    """
    document = dict(runs[0][1])
    if not is_llmops(document) or not document.get("sweep"):
        return runs
    sweep = Node(document, "", []).at("sweep")
    best, phases = sweep.at("rate_per_second_max").number(), list(dict.fromkeys(run.phase for run, _document in runs))
    rates = [step.at("rate_per_second").number() for step in sweep.at("steps").items()]
    tried = dict(zip(rates, phases))
    chosen = tried.get(best, phases[0])
    return [pair for pair in runs if pair[0].phase == chosen]
