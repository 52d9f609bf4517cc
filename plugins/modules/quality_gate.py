#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: quality_gate
short_description: Ask a model prompts whose right answers are known, and compare it with the stable slot
version_added: "0.1.0"
description:
  - Asks a slot of a release, or any OpenAI-compatible server, a list of prompts at temperature 0 with a fixed seed, and
    holds each answer against the checks of its prompt. Passes when the share of prompts that pass reaches a minimum, on
    request with a confidence bound.
  - With O(comparison) the stable slot is asked the same, one prompt after the other at both. The answers are compared -
    how many are equal, how far the lengths are apart, which are empty.
  - A question that was not answered never helps to pass. It counts as failed where the question is whether enough pass,
    and as passed where it is whether too many fail. An answer with HTTP 500, a truncated, an empty, or another model's
    answer does not pass.
  - A slot that is not rolled out, or whose pods change while they are asked, gets no verdict but V(inconclusive).
options:
  name:
    description: Name of the release. Without it O(url) is asked, from the controller, and no cluster is needed.
    type: str
  namespace:
    description: Its namespace.
    type: str
  slot:
    description: The slot to judge. By default the stable one; with O(comparison) to the stable one, the other.
    type: str
    choices: [blue, green]
  revision:
    description:
      - The revision that must run, as M(llmops.kubernetes.model_server) returns it; by default the one that is wanted.
    type: str
  served_name:
    description: The model to ask for; by default the release's own served name.
    type: str
  url:
    description:
      - Ask this address (such as V(https://example.com/llm)) in place of the slot's Service.
      - Its certificate must be valid for it where the questions are asked (E(SSL_CERT_FILE) names authorities of your
        own).
    type: str
  url_api_key:
    description:
      - The API key of O(url) where there is no O(name). With a release the key comes from the Secret that the engine
        takes it from.
    type: str
  run_from:
    description:
      - V(cluster) asks from a short Job in the model server's own image, which is removed afterwards.
      - V(controller) asks from where this module runs, which must reach the addresses of Services.
      - By default V(cluster), and V(controller) without O(name).
    type: str
    choices: [cluster, controller]
  python:
    description: The Python interpreter in the engine's image, for O(run_from=cluster).
    type: str
    default: python3
  prompts:
    description:
      - The prompts, 500 at most. Each has C(prompt) (a text) or C(messages) (a list of C(role) and C(content)), and one
        or several checks, which must all hold. One without a check serves the comparison alone.
      - C(exact) - the answer is this text, or one of a list of texts; white space around it does not count.
      - C(contains) - the answer contains this text, or all of a list.
      - C(regex) - this regular expression of Python is found in the answer. A search that takes longer than a second is
        ended, and the answer was not judged.
      - C(json_schema) - the answer is JSON, possibly in one Markdown code fence, that fits this schema. Of JSON Schema
        2020-12 these keywords are known - C(type), C(enum), C(const), C(properties), C(required),
        C(additionalProperties), C(minProperties), C(maxProperties), C(items), C(minItems), C(maxItems), C(uniqueItems),
        C(minLength), C(maxLength), C(pattern), C(minimum), C(maximum), C(exclusiveMinimum), C(exclusiveMaximum),
        C(multipleOf), C(allOf), C(anyOf), C(oneOf), C(not); all others, but annotations, are refused.
      - C(number) - the last number of the answer is C(value), give or take C(tolerance) or C(tolerance_ratio), the
        larger of both. C(pick) V(first) takes the first number.
      - C(jmespath) - this expression is V(true) over C(text), C(json) (the answer where it is JSON), C(finish_reason),
        C(model), C(prompt_tokens), C(completion_tokens) and C(seconds).
      - Further keys are C(id) (a name for results), C(ignore_case) (for C(exact), C(contains) and C(regex)),
        C(max_tokens), and C(truncated_allowed) (an answer that C(max_tokens) has ended may pass).
      - An answer of more than 8000 characters does not pass.
    type: list
    elements: dict
  prompts_file:
    description:
      - A file with the prompts, where this module runs - a YAML list, or one JSON object a line (C(.jsonl),
        C(.ndjson)). Errors name the line.
    type: path
  endpoint:
    description: V(completions) is for models without a chat template; C(prompt) is sent as it is.
    type: str
    choices: [chat, completions]
    default: chat
  max_tokens:
    description: Tokens of an answer at most, above zero, unless a prompt says its own number.
    type: int
    default: 256
  concurrency:
    description:
      - Questions at a time to both slots together, above zero. With V(1) answers repeat best, as what a model answers
        depends slightly on what it computes at the same time.
    type: int
    default: 4
  question_timeout_seconds:
    description: Seconds that each answer may take, above zero.
    type: float
    default: 60.0
  asking_timeout_seconds:
    description: Seconds after which nothing more is asked, above zero. What is left counts as not answered.
    type: float
    default: 600.0
  pass_ratio_min:
    description: The share of the prompts with a check that must pass.
    type: float
    default: 1.0
  confidence:
    description:
      - How sure the share must be, such as V(0.95). The prompts are seen as a sample of what users ask then. The lower
        Wilson bound of their share must reach O(pass_ratio_min) to pass, the upper one must miss it to fail; in between
        the verdict is V(inconclusive), and says how many prompts it takes.
      - Without it the share itself is compared.
    type: float
  samples_min:
    description: Prompts that must have been judged, and pairs that must have been compared, for a verdict at all.
    type: int
    default: 5
  comparison:
    description: Compare the answers with those of the stable slot; V({}) takes all defaults.
    type: dict
    suboptions:
      url:
        description: Compare with what this address answers, in place of the stable slot.
        type: str
      exact_match_ratio_min:
        description:
          - The share of answers that must be equal to the letter. O(confidence) counts for it too. V(0) is for a model
            that is meant to answer differently.
        type: float
        default: 0.9
      length_drift_ratio_max:
        description:
          - How far the median number of tokens may be from the stable slot's, as a share of it. It sees nothing where
            most answers end at O(max_tokens).
        type: float
        default: 0.25
      empty_ratio_max:
        description: The share of answers that may be empty where the stable slot's are not.
        type: float
        default: 0.0
  no_answers:
    description: Return no text of an answer, and no server's words of an error; for answers that must not be kept.
    type: bool
    default: false
extends_documentation_fragment:
  - llmops.kubernetes.gate
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
attributes:
  check_mode:
    support: partial
    details: The prompts and limits are checked, and nothing is asked, as that is load; the verdict is V(inconclusive)
      without failing the task.
  diff_mode:
    support: N/A
    details: This module changes nothing.
  idempotent:
    support: full
notes:
  - In the namespace of the release it needs what the deployer's Role of M(llmops.kubernetes.model_server) holds; of
    that it uses C(get) of C(configmaps) and C(services), C(list) of C(deployments) and C(pods), and with
    O(run_from=cluster) C(create) and C(delete) of C(jobs) and C(get) of C(pods/log). From the controller, where the
    engine has an API key, it also needs C(get) of that Secret.
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.health_gate
  - module: llmops.kubernetes.model_server
"""

EXAMPLES = r"""
- name: The model knows what it must know
  llmops.kubernetes.quality_gate:
    name: chat
    namespace: llm
    prompts:
      - id: capital
        prompt: What is the capital of France? Answer with one word.
        exact: Paris
        ignore_case: true
      - id: sum
        prompt: What is 17 + 25?
        number: {value: 42}
      - id: person
        prompt: 'Return JSON with name and age of a person who is 36 and called Ada.'
        json_schema:
          type: object
          required: [name, age]
          properties: {name: {const: Ada}, age: {const: 36}}
      - id: short
        prompt: Say hello in at most ten words.
        jmespath: 'completion_tokens < `30` && contains(text, `"ello"`)'
    samples_min: 4

- name: Nine in ten of the golden prompts pass, for certain, and the canary answers like the stable slot
  llmops.kubernetes.quality_gate:
    name: chat
    namespace: llm
    prompts_file: "{{ playbook_dir }}/files/golden.jsonl"
    pass_ratio_min: 0.9
    confidence: 0.95
    comparison:
      exact_match_ratio_min: 0.8
    fail_on: []
  register: quality

- name: Say what is wrong
  ansible.builtin.debug:
    var: quality.reasons
  when: quality.verdict != 'pass'
"""

RETURN = r"""
verdict:
  description: V(pass), V(fail) or V(inconclusive).
  returned: always
  type: str
  sample: pass
reasons:
  description: Why it is not V(pass); with the first prompts that did not pass, and which check failed.
  returned: always
  type: list
  elements: str
  sample: ["7 of 10 prompts pass (70 %), at least 90 % must", "capital: exact: is another text"]
observed:
  description: What was asked, and what came back.
  returned: always
  type: dict
  contains:
    targets:
      description: Who was asked, the judged one first - name, slot, revision, pods and model.
      type: list
      elements: dict
      returned: always
    checks:
      description:
        - How many prompts passed, failed and were not answered, the share of those judged that passed
          (RV(ignore:pass_ratio)) and its bounds, which count the unanswered as failed and as passed.
      type: dict
      returned: when something was asked that has a check
      sample: {passed: 9, failed: 1, unanswered: 0, pass_ratio: 0.9, pass_ratio_low: 0.9, pass_ratio_high: 0.9}
    comparison:
      description: The number of pairs, the share of equal answers with its bounds, which prompts differ or have lost
        their answer, and the medians of tokens.
      type: dict
      returned: with O(comparison), when something was asked
    answers:
      description: Of each prompt its id, state (V(passed), V(failed), V(unanswered), V(unchecked)), reasons, and the
        answer, shortened to 200 characters.
      type: list
      elements: dict
      returned: when something was asked
limits:
  description: The limits that were in force.
  returned: always
  type: dict
  sample: {pass_ratio_min: 0.9, confidence: 0.95, samples_min: 5, comparison: null}
samples:
  description: How many answers there were.
  returned: always
  type: int
  sample: 10
started_at:
  description: When the gate began.
  returned: always
  type: str
  sample: "2026-01-31T12:00:00+00:00"
finished_at:
  description: When it ended.
  returned: always
  type: str
  sample: "2026-01-31T12:01:30+00:00"
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality import parse_prompts
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality_limits import Comparison, Limits
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.clock import SystemClock
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.expressions import compile_jmespath, search
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.kube_client import KubeClient
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.prober import (
    ClusterProber,
    ControllerProber,
    KeyProber,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.prompt_file import read_prompts
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.quality_gate import (
    Asker,
    QualityRequest,
    judge_quality,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster, gate

OPTIONS = Options(
    {
        "name": {"type": "str"},
        "namespace": {"type": "str"},
        "slot": {"type": "str", "choices": ["blue", "green"]},
        "revision": {"type": "str"},
        "served_name": {"type": "str"},
        "url": {"type": "str"},
        "url_api_key": {"type": "str", "no_log": True},
        "run_from": {"type": "str", "choices": ["cluster", "controller"]},
        "python": {"type": "str", "default": "python3"},
        "prompts": {"type": "list", "elements": "dict"},
        "prompts_file": {"type": "path"},
        "endpoint": {"type": "str", "choices": ["chat", "completions"], "default": "chat"},
        "max_tokens": {"type": "int", "default": 256, "no_log": False},
        "concurrency": {"type": "int", "default": 4},
        "question_timeout_seconds": {"type": "float", "default": 60.0},
        "asking_timeout_seconds": {"type": "float", "default": 600.0},
        "pass_ratio_min": {"type": "float", "default": 1.0, "no_log": False},
        "confidence": {"type": "float"},
        "samples_min": {"type": "int", "default": 5},
        "comparison": {
            "type": "dict",
            "options": {
                "url": {"type": "str"},
                "exact_match_ratio_min": {"type": "float", "default": 0.9},
                "length_drift_ratio_max": {"type": "float", "default": 0.25},
                "empty_ratio_max": {"type": "float", "default": 0.0},
            },
        },
        "no_answers": {"type": "bool", "default": False},
    },
    {
        "required_together": (("name", "namespace"),),
        "required_one_of": (("name", "url"), ("prompts", "prompts_file")),
        "mutually_exclusive": (("prompts", "prompts_file"), ("name", "url_api_key")),
    },
    above_zero=("max_tokens", "concurrency", "question_timeout_seconds", "asking_timeout_seconds"),
).merge(gate(), cluster())

_OF_THE_GATE = (
    *("name", "slot", "revision", "served_name", "url", "endpoint", "max_tokens", "concurrency"),
    *("question_timeout_seconds", "asking_timeout_seconds", "no_answers"),
)


def flow(params: Mapping[str, Any], check_mode: bool) -> Outcome:
    """Return what the module does with its parameters."""
    chat = params["endpoint"] == "chat"
    items = [(f"prompts[{index}]", item) for index, item in enumerate(params["prompts"] or ())]
    if params["prompts_file"] is not None:
        items = read_prompts(params["prompts_file"])
    comparison = dict(params["comparison"] or {})
    baseline_url = comparison.pop("url", None)
    request = QualityRequest(
        prompts=parse_prompts(items, compile_jmespath, chat=chat),
        namespace=params["namespace"] or "",
        baseline_url=baseline_url,
        limits=Limits(params["pass_ratio_min"], params["confidence"], params["samples_min"]),
        comparison=Comparison(**comparison) if params["comparison"] is not None else None,
        # What check mode does not ask has no verdict, and is no failure.
        fail_on=[each for each in params["fail_on"] if not (check_mode and each == "inconclusive")],
        **{name: params[name] for name in _OF_THE_GATE},
    )
    clock = SystemClock()
    api, asker = _connect(params, clock)
    return judge_quality(request, api, None if check_mode else asker, search, clock)


def _connect(params: Mapping[str, Any], clock: SystemClock) -> tuple[KubeClient | None, Asker]:
    """Return the cluster, and what asks from where it is asked."""
    if params["name"] is None:
        if params["run_from"] == "cluster":
            raise InputError([Problem("run_from", "needs a release (name) in the cluster", "cluster", "controller")])
        return None, KeyProber(params["url_api_key"] or "")
    # The wait for the answers is none for the API server.
    waits = params["question_timeout_seconds"] + params["asking_timeout_seconds"]
    api = open_cluster({**params, "deadline_seconds": params["deadline_seconds"] + waits})
    if params["run_from"] == "controller":
        return api, ControllerProber(api)
    return api, ClusterProber(api, clock, params["python"])


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
