# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError

from tests.unit.plugins.module_utils._flows.running import Running

DIGEST = "sha256:" + "d" * 64
PINNED = {"engine.digest": DIGEST}


@pytest.fixture(name="running")
def _running() -> Running:
    return Running()


def version(number: int, **more: Any) -> dict[str, Any]:
    return {**PINNED, "engine.args": {"max_model_len": 1000 + number}, **more}


def test_a_rollback_to_the_first_of_three_runs_the_very_template_of_then(running: Running) -> None:
    running.release(version(1, replicas=2))
    first, deployment = running.template, running.deployment["spec"]["replicas"]
    running.release(version(2))
    running.release(version(3))
    outcome = running.restore(1)
    assert outcome.result["to_revision"] == 1
    assert (running.template, running.deployment["spec"]["replicas"]) == (first, deployment)
    result = running.record_restored()
    assert (result["number"], result["action"]) == (4, "recorded")
    assert running.holder_now is None
    # Once more changes nothing.
    running.cluster.writes.clear()
    assert running.restore(1).changed is False
    assert running.record_restored()["action"] == "unchanged"
    assert running.cluster.writes == []


def test_by_default_each_rollback_goes_one_further_back(running: Running) -> None:
    for number in (1, 2, 3):
        running.release(version(number))
    for expected in (2, 1):
        assert running.restore().result["to_revision"] == expected
        running.record_restored()
    with pytest.raises(ClusterError, match="There is nothing to roll release llm/chat on https://memory back to: no"):
        running.restore()


def test_what_has_never_passed_its_gate_is_rolled_back_to_the_last_record(running: Running) -> None:
    running.release(version(1))
    running.release(version(2))
    second = running.template
    running.deploy(version(3))
    assert running.restore().result["to_revision"] == 2
    assert running.template == second
    assert running.record_restored()["number"] == 2


def test_a_rollback_that_was_killed_goes_on_by_default(running: Running) -> None:
    for number in (1, 2, 3):
        running.release(version(number))
    second = running.template
    running.restore(1)
    assert running.template != second
    assert running.restore().result["to_revision"] == 1
    assert running.record_restored()["number"] == 4


def test_a_deployment_after_a_rollback_is_a_deployment_again(running: Running) -> None:
    for number in (1, 2):
        running.release(version(number))
    running.restore()
    running.record_restored()
    assert running.state["restored_from"] == "1"
    assert running.release(version(2))["number"] == 4
    assert "restored_from" not in running.state
    with pytest.raises(ClusterError, match="its last deployment was no roll-back"):
        running.record_restored()


def test_a_tag_is_rolled_back_by_the_digest_that_ran(running: Running) -> None:
    running.release()
    running.release({"replicas": 2})
    running.restore(1)
    image = running.template["spec"]["containers"][0]["image"]
    assert image.endswith(":v0.18.0@sha256:" + "a" * 64)
    assert running.template["metadata"]["labels"]["llmops.dev/revision"] == running.state["revision.blue"]
    assert running.record_restored()["number"] == 3
    assert running.restore(1).changed is False


def test_a_rollback_goes_to_the_slot_that_is_stable_now(running: Running) -> None:
    running.release(version(1))
    first = running.template
    running.release(version(2))
    running.cluster.find("ConfigMap", "llm", "chat-release")["data"]["stable_slot"] = "green"
    running.cluster.find("ConfigMap", "llm", "chat-release")["data"]["number.green"] = "2"
    blue = running.template
    from_one = running.restore(1)
    green = running.cluster.find("Deployment", "llm", "chat-green")["spec"]
    assert from_one.result["model_servers"][0]["slot"] == "green"
    assert green["template"]["metadata"]["labels"] == {**first["metadata"]["labels"], "llmops.dev/slot": "green"}
    assert green["selector"]["matchLabels"]["llmops.dev/slot"] == "green"
    assert running.template == blue
    services = {
        name: running.cluster.find("Service", "llm", name)["spec"]["selector"]["llmops.dev/slot"]
        for name in ("chat", "chat-blue", "chat-green")
    }
    assert services == {"chat": "green", "chat-blue": "blue", "chat-green": "green"}


def test_a_revision_that_is_not_kept_is_refused_with_those_that_are(running: Running) -> None:
    running.release(version(1))
    running.release(version(2))
    writes = list(running.cluster.writes)
    with pytest.raises(ClusterError) as caught:
        running.restore(7)
    assert "Revision 7 of release llm/chat on https://memory is not kept; kept are: 1, 2" in caught.value.message
    assert running.cluster.writes == writes


def test_a_rollback_without_history_or_without_a_release_says_so(running: Running) -> None:
    with pytest.raises(ClusterError, match="There is no release llm/chat on https://memory"):
        running.restore()
    running.deploy(version(1))
    with pytest.raises(ClusterError, match="as nothing was recorded yet is kept; kept are: none"):
        running.restore()
    running.record(version(1))
    with pytest.raises(ClusterError, match="no revision before revision 1 is kept; kept are: 1"):
        running.restore()


def test_a_record_that_went_while_it_was_restored_cannot_be_recorded(running: Running) -> None:
    running.release(version(1))
    running.release(version(2))
    running.restore(1)
    del running.cluster.objects["ConfigMap", "llm", "chat-revision-1"]
    with pytest.raises(ClusterError, match="revision 1 is not kept any more"):
        running.record_restored()


def test_the_way_back_is_planned_and_refused_as_any_other(running: Running) -> None:
    running.release(version(1, replicas=4, resources={"accelerator": "nvidia.com/gpu"}))
    running.release(version(2, replicas=1, resources={"accelerator": "nvidia.com/gpu"}))
    running.cluster.find("Node", "", "roomy")["status"]["allocatable"]["nvidia.com/gpu"] = "1"
    writes = list(running.cluster.writes)
    with pytest.raises(ClusterError, match=r"nvidia\.com/gpu"):
        running.restore(1)
    assert [each for each in running.cluster.writes[len(writes) :] if "Lease" not in each] == []
