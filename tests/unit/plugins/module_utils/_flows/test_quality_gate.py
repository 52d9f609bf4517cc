# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging a release by its answers, over a cluster and a clock in memory: who is asked, and what comes of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality import Prompt
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.quality_limits import Comparison, Limits
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, InputError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.quality_gate import (
    QualityRequest,
    judge_quality,
)

from tests.unit.plugins.module_utils._flows.two_slots import TwoSlots

PROMPTS = tuple(Prompt(f"p{number}", ({"role": "user", "content": "?"},), exact=("yes",)) for number in range(5))
ADDRESSES: dict[str, Any] = {"name": None, "url": "https://example.com", "served_name": "m"}


class Asking:
    """Implements ``Asker``: every target gives the same answer, apart from those of a test; ``event`` happens first."""

    def __init__(self, *texts: str, event: Callable[[], Any] | None = None, **change: Any) -> None:
        self.texts, self.event, self.change = texts or ("yes", "yes"), event, change
        self.asked: list[Mapping[str, Any]] = []
        self.deployments: list[Mapping[str, Any]] = []

    def ask(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        self.deployments.append(deployment)
        self.asked.append(request)
        if self.event is not None:
            self.event()
        return [
            {
                "status": 200,
                "model": target["model"],
                "finish_reason": "stop",
                "completion_tokens": 4,
                "text": text,
                "digest": hashlib.sha256(text.encode()).hexdigest(),
                **self.change,
            }
            for _question in request["questions"]
            for target, text in zip(request["targets"], self.texts)
        ]


class Release(TwoSlots):
    """A release with both slots rolled out, blue the stable one, and its gate."""

    def gate(self, asker: Any = None, **change: Any) -> Outcome:
        """Run the gate."""
        request = QualityRequest(**{"prompts": PROMPTS, "name": "chat", "namespace": "llm", **change})
        api = self.cluster if request.name is not None else None
        return judge_quality(request, api, Asking() if asker is None else asker, lambda *_rest: False, self.clock)


@pytest.fixture
def release() -> Release:
    """Return a release that is well."""
    return Release()


def test_a_release_that_answers_right_passes_with_everything_that_a_verdict_needs(release):
    outcome = release.gate()
    assert (outcome.changed, outcome.failure) == (False, None)
    result = outcome.result
    assert {key: result[key] for key in ("verdict", "reasons", "samples")} == {
        "verdict": "pass",
        "reasons": [],
        "samples": 5,
    }
    (target,) = result["observed"]["targets"]
    assert (target["slot"], target["pods"], target["model"]) == ("blue", ["blue-1"], "chat")
    assert (
        target["revision"]
        == release.deployment("blue")["spec"]["template"]["metadata"]["labels"]["llmops.dev/revision"]
    )
    assert result["observed"]["checks"]["passed"] == 5
    assert result["limits"]["pass_ratio_min"] == 1.0
    assert result["started_at"] == result["finished_at"] == "2026-01-01T12:00:00+00:00"
    assert json.loads(json.dumps(result)) == result
    assert release.cluster.writes[-1].startswith("apply")


def test_the_slots_own_service_is_asked_what_the_prompts_and_the_deployment_say(release):
    asker = Asking()
    long = Prompt("long", ({"role": "user", "content": "tell"},), max_tokens=900)
    release.gate(asker, prompts=(*PROMPTS, long), slot="green", max_tokens=64, concurrency=2)
    (asked,) = asker.asked
    assert asked["targets"] == [{"name": "service chat-green", "url": "http://10.0.0.1:8000", "model": "chat"}]
    assert asked["questions"][0] == {"messages": [{"role": "user", "content": "?"}], "max_tokens": 64}
    assert asked["questions"][5]["max_tokens"] == 900
    assert (asked["concurrency"], asked["timeout_seconds"], asked["seconds_max"]) == (2, 60.0, 600.0)
    assert asker.deployments[0]["metadata"]["name"] == "chat-green"


def test_an_address_takes_the_services_place_and_must_prove_itself(release):
    asker = Asking()
    release.gate(asker, url="https://example.com/llm", served_name="mine")
    assert asker.asked[0]["targets"] == [
        {"name": "url https://example.com/llm", "url": "https://example.com/llm", "verify": True, "model": "mine"}
    ]


def test_wrong_answers_fail_and_the_words_name_release_cluster_and_prompts(release):
    outcome = release.gate(Asking("no"))
    assert outcome.result["verdict"] == "fail"
    assert outcome.failure.startswith(
        "The quality gate of llm/chat on https://memory failed after 0 s: 0 of 5 prompts pass (0 %), at least 100 %"
    )
    assert "p0: exact: is another text" in outcome.failure


def test_what_fails_the_task_is_chosen_and_the_data_is_the_same(release):
    loud, quiet = release.gate(Asking("no")), release.gate(Asking("no"), fail_on=["inconclusive"])
    assert quiet.failure is None
    assert quiet.result == loud.result


# The answers in the result


def test_answers_are_shown_shortened_with_their_state(release):
    answer = release.gate(Asking("a" * 300)).result["observed"]["answers"][0]
    assert answer["text"] == "a" * 200 + "..."
    assert (answer["id"], answer["state"], answer["completion_tokens"]) == ("p0", "failed", 4)


def test_answers_that_must_not_be_kept_are_nowhere(release):
    outcome = release.gate(Asking("planted", "planted"), no_answers=True, comparison=Comparison())
    assert outcome.result["verdict"] == "fail"
    refused = release.gate(Asking(status=503, error="planted"), no_answers=True)
    assert "was answered with HTTP 503: (hidden)" in refused.failure
    for each in (outcome, refused):
        assert "planted" not in json.dumps(each.result) + each.failure


# Beside the stable slot


def test_the_other_slot_is_compared_with_the_stable_one_prompt_by_prompt(release):
    asker = Asking()
    result = release.gate(asker, comparison=Comparison()).result
    assert [each["name"] for each in asker.asked[0]["targets"]] == ["service chat-green", "service chat-blue"]
    assert result["verdict"] == "pass"
    assert result["observed"]["comparison"]["exact_match_ratio"] == 1.0
    assert [each["slot"] for each in result["observed"]["targets"]] == ["green", "blue"]
    assert result["observed"]["answers"][0]["baseline"]["text"] == "yes"
    assert result["samples"] == 5
    assert result["limits"]["comparison"]["exact_match_ratio_min"] == 0.9


def test_right_answers_that_differ_from_the_stable_slots_fail(release):
    result = release.gate(Asking("yes", "YES"), comparison=Comparison()).result
    assert result["verdict"] == "fail"
    assert result["reasons"] == ["0 of 5 answers equal the baseline's (0 %), at least 90 % must"]


def test_prompts_without_a_check_are_compared_alone(release):
    plain = tuple(Prompt(f"p{number}", ({"role": "user", "content": "?"},)) for number in range(5))
    result = release.gate(Asking("a", "a"), prompts=plain, comparison=Comparison()).result
    assert result["verdict"] == "pass"
    assert "checks" not in result["observed"]


def test_the_stable_slot_may_be_green(release):
    release.cluster.find("ConfigMap", "llm", "chat-release")["data"]["stable_slot"] = "green"
    result = release.gate(comparison=Comparison()).result
    assert [each["slot"] for each in result["observed"]["targets"]] == ["blue", "green"]


def test_the_stable_slot_is_not_compared_with_itself(release):
    with pytest.raises(InputError, match=r"slot: is the stable one.*\(got blue\). Leave it out, or name green"):
        release.gate(slot="blue", comparison=Comparison())


def test_the_stable_slot_may_be_compared_with_another_server(release):
    asker = Asking()
    release.gate(asker, comparison=Comparison(), baseline_url="https://old.example.com")
    assert [(each["name"], each["model"]) for each in asker.asked[0]["targets"]] == [
        ("service chat-blue", "chat"),
        ("url https://old.example.com", "chat"),
    ]


# No verdict


def inconclusive(outcome: Outcome) -> str:
    assert outcome.result["verdict"] == "inconclusive"
    return "; ".join(outcome.result["reasons"])


def test_a_slot_that_is_not_rolled_out_is_not_asked(release):
    asker = Asking()
    del release.cluster.objects["Pod", "llm", "green-1"]
    reason = inconclusive(release.gate(asker, slot="green"))
    assert reason.startswith(
        "slot green of llm/chat on https://memory is not rolled out: 0/1 ready. Run health_gate first"
    )
    assert "slot green" in inconclusive(release.gate(asker, comparison=Comparison()))
    assert asker.asked == []


def test_a_slot_that_is_not_there_is_not_asked(release):
    del release.cluster.objects["Deployment", "llm", "chat-green"]
    assert "is not rolled out: there is no such Deployment" in inconclusive(release.gate(slot="green"))


def test_another_revision_than_the_wanted_one_is_not_asked(release):
    assert "not 1234" in inconclusive(release.gate(revision="1234"))


def test_a_service_that_leads_elsewhere_is_not_asked(release):
    release.cluster.find("Service", "llm", "chat-blue")["spec"]["selector"]["llmops.dev/slot"] = "green"
    asker = Asking()
    reason = inconclusive(release.gate(asker))
    assert reason == "Service llm/chat-blue leads to slot green, not blue: deploy again; nothing was asked"
    assert asker.asked == []


@pytest.mark.parametrize("slot", ["blue", "green"])
@pytest.mark.parametrize("text", ["yes", "no"])
def test_pods_that_change_while_they_are_asked_give_no_verdict(release, slot, text):
    asker = Asking(text, text, event=lambda: release.replace_pod(slot))
    reason = inconclusive(release.gate(asker, comparison=Comparison()))
    assert f"slot {slot} was revision" in reason
    assert f"in pods {slot}-1 and has changed while it was asked" in reason


def test_a_slot_that_goes_away_while_it_is_asked_gives_no_verdict(release):
    asker = Asking(event=lambda: release.cluster.objects.pop(("Deployment", "llm", "chat-blue")))
    assert "has changed while it was asked" in inconclusive(release.gate(asker))


def test_a_job_that_does_not_come_to_its_end_gives_no_verdict_and_its_words(release):
    class Failing:
        def ask(self, deployment: Mapping[str, Any], request: Mapping[str, Any]) -> Any:
            raise ClusterError("Job llm/chat-probe finds no node")

    outcome = release.gate(Failing())
    assert inconclusive(outcome) == "Job llm/chat-probe finds no node"
    assert "is inconclusive after 0 s: Job" in outcome.failure


def test_check_mode_asks_nothing(release):
    request = QualityRequest(PROMPTS, "chat", "llm", fail_on=["fail"])
    outcome = judge_quality(request, release.cluster, None, lambda *_rest: False, release.clock)
    assert inconclusive(outcome) == "nothing was asked: check mode sends no load"
    assert outcome.failure is None


# Addresses alone


def test_any_server_is_judged_without_a_cluster(release):
    asker = Asking()
    outcome = release.gate(asker, **ADDRESSES)
    assert outcome.result["verdict"] == "pass"
    assert asker.asked[0]["targets"][0]["model"] == "m"
    assert "The quality gate of https://example.com failed" in release.gate(Asking("no"), **ADDRESSES).failure
    assert not [each for each in release.cluster.requests[-10:] if each.startswith("get Deployment")]


def test_two_servers_are_compared_without_a_cluster(release):
    outcome = release.gate(Asking("yes", "no"), **ADDRESSES, baseline_url="http://b:1", comparison=Comparison())
    assert outcome.result["reasons"] == ["0 of 5 answers equal the baseline's (0 %), at least 90 % must"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({**ADDRESSES, "served_name": None}, "served_name: is required without name"),
        ({**ADDRESSES, "slot": "blue"}, "slot: needs a release (name) (got blue)"),
        ({**ADDRESSES, "revision": "1"}, "revision: needs a release (name)"),
        ({**ADDRESSES, "comparison": Comparison()}, "comparison.url: is required without name"),
        ({**ADDRESSES, "url": "example.com"}, "url: is no address (got 'example.com')"),
        ({"comparison": Comparison(), "baseline_url": "x"}, "comparison.url: is no address"),
        ({"limits": Limits(pass_ratio_min=90)}, "pass_ratio_min: is no ratio (got 90)"),
        ({"prompts": PROMPTS[:3]}, "prompts: there are too few prompts with a check (got 3)"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_anything_is_asked(release, change, words):
    asker = Asking()
    with pytest.raises(InputError) as raised:
        release.gate(asker, **change)
    assert words in raised.value.message
    assert asker.asked == []
