# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe's observation means: the second and third layer of readiness.

Second: the server lists the expected model, and answers one question twice alike, completely, as that model, through
the Service and on every pod. Third: the engine's own counters have moved meanwhile. What was not observed is
inconclusive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.engine_args import parse_version
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result, Verdict, worst

__all__ = ["evaluate_probe"]

_COMPLETE = ("stop", "length")


def _judge_answer(name: str, answer: Mapping[str, Any], model: str) -> Iterator[Verdict]:
    def fail(text: str) -> Verdict:
        return Verdict(Result.FAIL, (f"{name}: {text}",))

    if answer.get("status") != 200:
        yield fail(f"a completion was answered with HTTP {answer.get('status')}: {answer.get('error')}")
        return
    if answer.get("model") != model:
        yield fail(f"the answer comes from model {answer.get('model')!r}, expected {model!r}")
    if answer.get("finish_reason") not in _COMPLETE:
        yield fail(f"the answer ended with finish_reason {answer.get('finish_reason')!r}, expected stop or length")
    tokens = answer.get("completion_tokens")
    if not isinstance(tokens, int):
        yield Verdict(Result.INCONCLUSIVE, (f"{name}: the answer does not say how many tokens it has (usage)",))
    elif tokens < 1:
        yield fail("the answer has no tokens")


def _judge_progress(target: Mapping[str, Any]) -> Verdict:
    name = target.get("name")
    before, after = target.get("counters_before"), target.get("counters_after")
    if not before or not after:
        return Verdict(Result.INCONCLUSIVE, (f"{name}: /metrics shows none of the engine's progress counters",))
    moved = [key for key, value in after.items() if value > before.get(key, value)]
    if not moved:
        return Verdict(Result.FAIL, (f"{name}: the engine's counters did not move while it answered: {after}",))
    return Verdict(Result.PASS)


def _judge_target(target: Mapping[str, Any], model: str, version: str | None, *, is_pod: bool) -> Iterator[Verdict]:
    name = str(target.get("name"))
    if target.get("error"):
        yield Verdict(Result.FAIL, (f"{name}: {target['error']}",))
        return
    models = list(target.get("models") or ())
    if model not in models:
        listed = ", ".join(models) or "none"
        yield Verdict(Result.FAIL, (f"{name}: /v1/models does not list {model!r}; it lists {listed}",))
    if is_pod and version is not None:
        yield _judge_version(name, target.get("version"), version)
    answers: Sequence[Mapping[str, Any]] = target.get("answers") or ()
    if len(answers) < 2:
        yield Verdict(Result.INCONCLUSIVE, (f"{name}: {len(answers)} of 2 answers were observed",))
    for answer in answers:
        yield from _judge_answer(name, answer, model)
    texts = {answer.get("text") for answer in answers}
    if is_pod and len(texts) > 1:
        reason = f"{name}: two answers to one question at temperature 0 differ"
        yield Verdict(Result.INCONCLUSIVE, (reason,))
    if is_pod:
        # Through the Service two answers and the counters may come from different pods.
        yield _judge_progress(target)
    yield Verdict(Result.PASS)


def _judge_version(name: str, running: Any, wanted: str) -> Verdict:
    """Compare as far as ``engine.version`` is kept: major, minor, patch; vendors' builds add words of their own."""
    try:
        same = parse_version(str(running).partition("+")[0]) == parse_version(wanted)
    except ValueError:
        return Verdict(Result.INCONCLUSIVE, (f"{name}: /version does not say which engine this is, but {running!r}",))
    if same:
        return Verdict(Result.PASS)
    return Verdict(Result.FAIL, (f"{name}: runs vLLM {running}, engine.version says {wanted}",))


def evaluate_probe(
    observation: Mapping[str, Any], *, model: str, version: str | None, services: Sequence[str], pods: Sequence[str]
) -> Verdict:
    """Judge an observation of ``_engine/probe.py``; every named Service and pod must have been asked."""
    targets = {str(target.get("name")): target for target in observation.get("targets") or ()}
    verdicts: list[Verdict] = []
    for name in (*services, *pods):
        if name not in targets:
            verdicts.append(Verdict(Result.INCONCLUSIVE, (f"{name}: was not asked",)))
        else:
            verdicts += _judge_target(targets[name], model, version, is_pod=name in pods)
    return worst(verdicts)
