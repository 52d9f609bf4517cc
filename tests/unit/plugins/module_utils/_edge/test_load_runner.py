# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the load client: from here as a real process, and by a Job in a cluster and a time that are in memory."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils import _bench
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench import wire
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_spec import KeyReference
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.load_runner import ClusterRunner, ControllerRunner
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError, LlmopsError
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_server import Request, deploy
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.serving_benchmark import Load, Look

from tests.support.processes import free_port, run_standin, wait_until
from tests.unit.plugins.module_utils._domain.releases import DRAIN_TEXT, written
from tests.unit.plugins.module_utils._flows.memory import MemoryClock, MemoryCluster

KEYS = {"LLMOPS_BENCH_KEY_0": KeyReference("keys", "chat")}


def settings(port: int, **change: Any) -> dict[str, Any]:
    target = {"name": "a", "url": f"http://127.0.0.1:{port}", "model": "tiny", "api_key_env": "LLMOPS_BENCH_KEY_0"}
    phase = {"load": {"kind": "closed", "concurrency": 2}, "stop": {"requests": 4}}
    return {"targets": [target], "phases": [phase], **change}


class Yard:
    """A deployed release and its Secret, on a cluster and a clock in memory."""

    def __init__(self) -> None:
        self.cluster, self.clock = MemoryCluster("llm"), MemoryClock()
        deploy(Request(parse_model_servers([written()]), DRAIN_TEXT), self.cluster)
        self.deployment = self.cluster.find("Deployment", "llm", "chat-blue")
        data = {"chat": base64.b64encode(b"open-sesame").decode()}
        self.cluster.put({"kind": "Secret", "metadata": {"name": "keys", "namespace": "llm"}, "data": data})
        self.cluster.writes.clear()
        self.runner = ClusterRunner(self.cluster, self.clock, "python3")  # type: ignore[arg-type]

    def start(self, **change: Any) -> dict[str, Any]:
        return self.runner.start(Load(self.deployment, settings(1, **change), KEYS, 600))

    def show_pod(self, handle: dict[str, Any], log: str = "", *, leaving: bool = False, **status: Any) -> None:
        marks = {"batch.kubernetes.io/job-name": handle["name"]}
        metadata: dict[str, Any] = {"name": f"{handle['name']}-x", "namespace": "llm", "labels": marks}
        if leaving:
            metadata["deletionTimestamp"] = "2026-01-01T12:00:00Z"
        self.cluster.put({"kind": "Pod", "metadata": metadata, "status": status})
        self.cluster.pod_logs[f"{handle['name']}-x"] = log


@pytest.fixture(name="yard")
def _yard() -> Yard:
    return Yard()


# A Job


def test_the_job_gets_every_file_of_the_client_and_the_settings(yard: Yard) -> None:
    handle = yard.start()
    data = yard.cluster.find("ConfigMap", "llm", handle["name"])["data"]
    files = {file.name: file.read_text(encoding="utf-8") for file in Path(next(iter(_bench.__path__))).glob("*.py")}
    assert {name: data[name] for name in files} == files
    assert set(data) == {*files, "settings.json"}
    assert json.loads(data["settings.json"])["phases"][0]["stop"] == {"requests": 4}
    assert yard.cluster.find("Job", "llm", handle["name"])["spec"]["activeDeadlineSeconds"] == 600


def test_a_workload_file_goes_along(yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "Hi"}')
    handle = yard.start(workload={"file": str(tmp_path / "prompts.jsonl"), "seed": 1})
    data = yard.cluster.find("ConfigMap", "llm", handle["name"])["data"]
    assert data["workload.txt"] == '{"prompt": "Hi"}'
    assert json.loads(data["settings.json"])["workload"] == {"file": "llmops_bench/workload.txt", "seed": 1}


def test_a_file_that_is_missing_or_too_large_is_told_before_anything_is_made(yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "large").write_text("x" * 1024 * 1024)
    for name, words in (("large", "a ConfigMap holds 1048576"), ("none", "cannot be read")):
        with pytest.raises(LlmopsError, match=words):
            yard.start(workload={"file": str(tmp_path / name)})
    assert yard.cluster.writes == []


def test_a_job_needs_the_image_of_a_release(yard: Yard) -> None:
    with pytest.raises(LlmopsError, match="name one, or run from the controller"):
        yard.runner.start(Load(None, settings(1), {}, 600))


def test_a_job_without_its_files_is_removed_at_once(yard: Yard) -> None:
    yard.cluster.fail_at_write = 1
    with pytest.raises(ClusterError, match="the connection was lost"):
        yard.start()
    assert [words.rpartition("-")[0] for words in yard.cluster.writes] == ["create Job chat-blue-bench"]


def test_a_job_is_followed_from_its_pod_to_its_log(yard: Yard) -> None:
    handle = yard.start()
    assert yard.runner.look(handle) == Look((), False)
    yard.show_pod(handle, phase="Pending")
    assert yard.runner.look(handle) == Look((), False)
    yard.show_pod(handle, "one\ntwo", phase="Running")
    assert yard.runner.look(handle) == Look(["one", "two"], False)
    large = wire.encode_result({"numbers": [number * 7919 % 104729 for number in range(50_000)]})
    yard.show_pod(handle, "\n".join(large), phase="Failed")
    assert yard.runner.look(handle) == Look(large, True)
    yard.runner.remove(handle)
    assert not [name for name in yard.cluster.names() if name.startswith("Job")]


def test_a_job_that_is_interrupted_tells_what_it_has_while_its_pod_is_on_its_way_out(yard: Yard) -> None:
    handle = yard.start()
    result = wire.encode_result({"numbers": [number * 7919 % 104729 for number in range(50_000)]})
    yard.show_pod(handle, "\n".join(result), phase="Running")
    assert not yard.runner.look(handle).ended
    yard.runner.interrupt(handle)
    assert not [name for name in yard.cluster.names() if name.startswith("Job")]
    yard.show_pod(handle, "\n".join(result[:-1]), leaving=True, phase="Running")
    assert not yard.runner.look(handle).ended
    yard.show_pod(handle, "\n".join(result), leaving=True, phase="Running")
    assert yard.runner.look(handle) == Look(result, True)


def test_a_container_that_did_not_end_well_is_told_with_its_log(yard: Yard) -> None:
    handle = yard.start()
    for code, more in ((137, []), (128, ["Is `python3` in the engine's image (option python)?"])):
        ended = {"terminated": {"exitCode": code, "reason": "OOMKilled", "message": "m"}}
        yard.show_pod(handle, "one", phase="Failed", containerStatuses=[{"name": "bench", "state": ended}])
        lines = ["one", f"(container bench: OOMKilled, exit code {code}: m)", *more]
        assert yard.runner.look(handle) == Look(lines, True)


@pytest.mark.parametrize(
    ("seconds", "status", "words"),
    [
        (31, None, "has no pod 31 s after its creation"),
        (121, {}, "did not start within 121 s"),
        (31, {"conditions": [{"reason": "Unschedulable", "message": "0/1 nodes"}]}, "finds no node: 0/1 nodes"),
        (
            0,
            {
                "containerStatuses": [
                    {"name": "bench", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "m"}}}
                ]
            },
            "cannot start: .*ImagePullBackOff",
        ),
    ],
)
def test_a_job_that_does_not_start_is_told_in_its_own_words(yard: Yard, seconds: int, status: Any, words: str) -> None:
    handle = yard.start()
    yard.clock.sleep(seconds)
    if status is not None:
        yard.show_pod(handle, phase="Pending", **status)
    with pytest.raises(ClusterError, match=words):
        yard.runner.look(handle)


# A process


def end_of(runner: ControllerRunner, handle: dict[str, Any]) -> list[str]:
    look = wait_until(lambda: (found := runner.look(handle)).ended and found, 30, "the end of the client")
    return list(look.lines)


def test_a_process_measures_with_the_key_of_a_secret_and_leaves_nothing(yard: Yard, tmp_path: Path) -> None:
    runner = ControllerRunner(yard.cluster, "llm")  # type: ignore[arg-type]
    with run_standin(tmp_path, env={"VLLM_API_KEY": "open-sesame"}) as engine:
        handle = runner.start(Load(None, settings(engine.port), KEYS, 600))
        assert "open-sesame" not in Path(f"/proc/{handle['pid']}/cmdline").read_text()
        result = wire.decode_result(end_of(runner, handle))
    assert result is not None
    assert result["phases"][0]["targets"]["a"]["requests"]["ok"] == 4
    assert not any("open-sesame" in file.read_text() for file in Path(handle["folder"]).rglob("*") if file.is_file())
    runner.remove(handle)
    assert not Path(handle["folder"]).exists()


def test_a_process_that_goes_on_is_ended_with_its_removal(tmp_path: Path) -> None:
    runner = ControllerRunner(None, None)
    with run_standin(tmp_path, frozen=True) as engine:
        wanted = settings(engine.port)
        del wanted["targets"][0]["api_key_env"]
        handle = runner.start(Load(None, wanted, {}, 600))
        assert not runner.look(handle).ended
        runner.remove(handle)
        assert not Path(f"/proc/{handle['pid']}").exists()


def test_a_process_that_is_interrupted_tells_what_it_has(tmp_path: Path) -> None:
    runner = ControllerRunner(None, None)
    with run_standin(tmp_path) as engine:
        wanted = settings(engine.port, client={"progress_seconds": 0.05})
        del wanted["targets"][0]["api_key_env"]
        wanted["phases"][0]["stop"] = {"requests": 100_000}
        handle = runner.start(Load(None, wanted, {}, 600))
        wait_until(lambda: wire.decode_progress(runner.look(handle).lines), 30, "the first progress")
        runner.interrupt(handle)
        result = wire.decode_result(end_of(runner, handle))
        runner.interrupt(handle)
        runner.remove(handle)
    assert result is not None
    assert result["partial"] is True


def test_a_key_that_is_not_there_names_the_secret(yard: Yard) -> None:
    load = Load(None, settings(free_port()), {"LLMOPS_BENCH_KEY_0": KeyReference("keys", "other")}, 600)
    with pytest.raises(ClusterError, match="Secret llm/keys on https://memory has no key other"):
        ControllerRunner(yard.cluster, "llm").start(load)  # type: ignore[arg-type]
    with pytest.raises(LlmopsError, match="needs a cluster"):
        ControllerRunner(None, None).start(load)


@pytest.mark.parametrize(
    "folder", ["/etc", f"{tempfile.gettempdir()}/other", f"{tempfile.gettempdir()}/a/llmops-bench-1"]
)
def test_no_folder_but_that_of_a_run_is_ever_removed(folder: str) -> None:
    with pytest.raises(LlmopsError, match="no folder of a benchmark"):
        ControllerRunner(None, None).remove({"folder": folder, "pid": 1, "started": "0"})
