# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A benchmark finds what it is about, goes on in slices, and removes its run however it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench import wire
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_spec import (
    KeyReference,
    parse_benchmark,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_server import Request, deploy
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.serving_benchmark import (
    BenchmarkRequest,
    Load,
    Look,
    benchmark,
)

from tests.unit.plugins.module_utils._domain.releases import DRAIN_TEXT, written
from tests.unit.plugins.module_utils._flows.memory import MemoryClock, MemoryCluster

PHASE = {"name": "one", "load": {"kind": "closed", "concurrency": 4}, "stop": {"requests": 10}}
RESULT = {"schema": 1, "phases": [], "inconclusive": ["client too slow"]}
DONE = Look(wire.encode_result(RESULT), True)


class Runner:
    """Shows one look after the other; the last one for ever. An interrupt of the keyboard is a look, too."""

    place = "memory"

    def __init__(self, *looks: Look | BaseException) -> None:
        self.looks = list(looks)
        self.started: list[Load] = []
        self.removed: list[Mapping[str, Any]] = []
        self.interrupted: list[Mapping[str, Any]] = []

    def start(self, load: Load) -> dict[str, Any]:
        self.started.append(load)
        return {"name": "run-1"}

    def look(self, handle: Mapping[str, Any]) -> Look:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, BaseException):
            raise look
        return look

    def interrupt(self, handle: Mapping[str, Any]) -> None:
        self.interrupted.append(handle)

    def remove(self, handle: Mapping[str, Any]) -> None:
        self.removed.append(handle)


class Yard:
    """A deployed release with a key, on a cluster and a clock in memory."""

    def __init__(self) -> None:
        self.cluster, self.clock = MemoryCluster("llm"), MemoryClock()
        self.cluster.put({"kind": "Secret", "metadata": {"name": "keys", "namespace": "llm"}})
        change = {"engine.api_key": {"secret": "keys", "key": "chat"}}
        deploy(Request(parse_model_servers([written(change)]), DRAIN_TEXT), self.cluster)
        for name in ("chat", "chat-blue"):
            self.cluster.find("Service", "llm", name)["spec"]["clusterIP"] = f"10.0.0.{len(name)}"

    def run(self, runner: Runner, *targets: Any, check_mode: bool = False, **more: Any) -> Outcome:
        spec = parse_benchmark(targets, {"phases": [PHASE]}, has_release=True, run_from="cluster")
        request = BenchmarkRequest(spec, "chat", "llm", **more)
        return benchmark(request, self.cluster, runner, self.clock, check_mode=check_mode)


@pytest.fixture(name="yard")
def _yard() -> Yard:
    return Yard()


def test_the_clients_service_is_asked_with_the_engines_key_from_the_stable_image(yard: Yard) -> None:
    runner = Runner(DONE)
    outcome = yard.run(runner)
    (load,) = runner.started
    assert load.settings["targets"][0]["url"] == "http://10.0.0.4:8000"
    assert load.settings["phases"] == [PHASE]
    assert load.keys == {"LLMOPS_BENCH_KEY_0": KeyReference("keys", "chat")}
    assert load.seconds_max > 3600
    assert load.settings["limits"] == {"run_seconds_max": 3600.0}
    assert load.deployment is not None
    assert load.deployment["metadata"]["name"] == "chat-blue"
    assert (outcome.changed, outcome.result["benchmark"]) == (False, RESULT)
    assert outcome.result["inconclusive"] == ["client too slow"]
    assert outcome.warnings == ["the figures say nothing about the server: client too slow"]
    assert runner.removed == [{"name": "run-1"}]


@pytest.mark.parametrize(("own", "wanted"), [(10, 10), (100, 60.0), (None, 60.0)])
def test_the_client_ends_itself_at_the_earlier_of_both_limits(yard: Yard, own: int | None, wanted: float) -> None:
    runner = Runner(DONE)
    limits = {"connect_seconds_max": 1, **({"run_seconds_max": own} if own else {})}
    spec = parse_benchmark([], {"phases": [PHASE], "limits": limits}, has_release=True, run_from="cluster")
    request = BenchmarkRequest(spec, "chat", "llm", timeout_seconds=60)
    benchmark(request, yard.cluster, runner, yard.clock, check_mode=False)
    assert runner.started[0].settings["limits"] == {"connect_seconds_max": 1, "run_seconds_max": wanted}


def test_a_slot_is_asked_through_its_own_service(yard: Yard) -> None:
    runner = Runner(DONE)
    yard.run(runner, {"slot": "blue"})
    assert runner.started[0].settings["targets"][0]["url"] == "http://10.0.0.9:8000"


def test_an_address_of_the_users_own_takes_model_and_image_from_the_release(yard: Yard) -> None:
    runner = Runner(DONE)
    yard.run(runner, {"url": "https://llm.example.com"})
    (target,) = runner.started[0].settings["targets"]
    assert (target["url"], target["model"], target["verify_certificate"]) == ("https://llm.example.com", "chat", True)
    assert runner.started[0].deployment is not None
    assert runner.started[0].keys == {}


def test_without_a_release_no_cluster_is_needed(yard: Yard) -> None:
    runner = Runner(DONE)
    target = {"url": "http://a", "model": "m"}
    spec = parse_benchmark([target], {"phases": [PHASE]}, has_release=False, run_from="controller")
    benchmark(BenchmarkRequest(spec), None, runner, yard.clock, check_mode=False)
    assert (runner.started[0].deployment, runner.started[0].settings["targets"][0]["model"]) == (None, "m")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"slot": "green"}, "no Deployment llm/chat-green on https://memory"),
        ({"slot": "blue"}, "to chat-blue on https://memory: there is no Service llm/chat-blue"),
    ],
)
def test_what_is_not_there_is_named_before_anything_is_started(yard: Yard, target: Any, words: str) -> None:
    del yard.cluster.objects["Service", "llm", "chat-blue"]
    runner = Runner(DONE)
    with pytest.raises(ClusterError, match=words):
        yard.run(runner, target)
    assert runner.started == []


def test_check_mode_says_what_would_be_sent_and_starts_nothing(yard: Yard) -> None:
    runner = Runner(DONE)
    outcome = yard.run(runner, check_mode=True)
    assert outcome.result["planned"] == {
        "from": "memory",
        "targets": ["service: http://10.0.0.4:8000, model chat"],
        "load": ["one: closed load, concurrency 4, requests 10"],
    }
    assert (runner.started, runner.removed) == ([], [])


def test_a_slice_returns_the_progress_and_the_next_one_goes_on_with_the_same_run(yard: Yard) -> None:
    progress = {"done": 3}
    runner = Runner(Look([wire.encode_progress(progress)], False))
    waiting = yard.run(runner, slice_seconds=5).result["waiting"]
    assert (waiting["handle"], waiting["progress"]) == ({"name": "run-1"}, progress)
    assert 5 <= waiting["waited_seconds"] < 6
    assert runner.removed == []
    again = Runner(Look((), False), DONE)
    outcome = yard.run(again, slice_seconds=5, resume=waiting)
    assert (again.started, again.removed) == ([], [{"name": "run-1"}])
    assert outcome.result["started_at"] == "2026-01-01T12:00:00+00:00"


def test_an_interrupt_brings_back_what_was_measured(yard: Yard) -> None:
    runner = Runner(Look((), False), KeyboardInterrupt(), Look((), False), DONE)
    outcome = yard.run(runner)
    assert outcome.result["benchmark"] == RESULT
    assert (runner.interrupted, runner.removed) == ([{"name": "run-1"}], [{"name": "run-1"}])


def test_a_run_that_tells_nothing_after_an_interrupt_is_given_up(yard: Yard) -> None:
    runner = Runner(KeyboardInterrupt(), Look((), False))
    with pytest.raises(KeyboardInterrupt):
        yard.run(runner)
    assert runner.removed == [{"name": "run-1"}]


def test_a_run_that_does_not_end_itself_in_time_is_killed_over_all_slices(yard: Yard) -> None:
    runner = Runner(Look((), False))
    resume = {"handle": {"name": "run-1"}, "started_at": "x", "waited_seconds": 118.0}
    with pytest.raises(ClusterError, match=r"llm/chat from memory has not ended 12\d s after its start"):
        yard.run(runner, timeout_seconds=60, slice_seconds=5, resume=resume)
    assert runner.removed == [{"name": "run-1"}]


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (Look([wire.encode_error(["workload.file: /x is missing"])], True), "workload.file: /x is missing"),
        (Look([*wire.encode_result(RESULT)[:-1], "Killed"], True), "its last words: .*Killed"),
        (ClusterError("the Job cannot start"), "the Job cannot start"),
    ],
)
def test_a_run_without_a_whole_result_fails_and_is_removed(yard: Yard, look: Any, words: str) -> None:
    runner = Runner(look)
    with pytest.raises(ClusterError, match=f"(?s){words}"):
        yard.run(runner)
    assert runner.removed == [{"name": "run-1"}]
