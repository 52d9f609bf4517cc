# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in engine answers as real vLLM does, the probe understands both, and both leave in the same way."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.run import run_benchmark
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.settings import parse_settings
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probe_verdict import evaluate_probe
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result
from ansible_collections.llmops.kubernetes.plugins.module_utils._engine import drain_middleware, probe

from tests.e2e.releases import VLLM_VERSION, Places
from tests.support.processes import Answer, StandIn, free_port, run_standin, wait_until

START_SECONDS_MAX = 180
CHAT: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "temperature": 0, "seed": 1}
REQUESTS: dict[str, tuple[str, Any]] = {
    "models": ("/v1/models", None),
    "version": ("/version", None),
    "chat": ("/v1/chat/completions", {**CHAT, "max_tokens": 4}),
    "completion": ("/v1/completions", {"model": "tiny", "prompt": "hi", "max_tokens": 4}),
}
REFUSED: dict[str, tuple[str, Any]] = {
    "unknown model": ("/v1/chat/completions", {**CHAT, "model": "nope"}),
    "no messages": ("/v1/chat/completions", {"model": "tiny"}),
    "too many tokens": ("/v1/chat/completions", {**CHAT, "max_tokens": 5000}),
    "GET in place of POST": ("/v1/chat/completions", None),
    "unknown path": ("/nothing", None),
}


@contextmanager
def run_vllm(folder: Path, places: Places) -> Iterator[StandIn]:
    """Run real vLLM with the tiny model and the drain middleware, as the pods of the tests do, until the block ends."""
    port, log = free_port(), folder / "vllm.log"
    shutil.copy(str(drain_middleware.__file__), folder / "llmops_drain.py")
    words = [str(places.engine / "bin/vllm"), "serve", str(places.models / "tiny"), "--served-model-name", "tiny"]
    words += ["--port", str(port), "--max-model-len", "1024", "--enforce-eager", "--dtype", "bfloat16"]
    words += ["--kv-cache-memory-bytes", "67108864", "--distributed-executor-backend", "uni"]
    words += ["--shutdown-timeout", "30", "--middleware", "llmops_drain.DrainMiddleware"]
    settings = {
        "VLLM_TARGET_DEVICE": "cpu",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CACHE_ROOT": str(places.models / "vllm-cache"),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "LLMOPS_DRAIN_FILE": str(folder / "drain"),
        "PYTHONPATH": str(folder),
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
    }
    with log.open("w") as sink:
        process = subprocess.Popen(words, env=settings, stdout=sink, stderr=sink, text=True, start_new_session=True)
    server = StandIn(process, port, log)
    try:
        wait_until(server.listens, START_SECONDS_MAX, "vLLM's port", 0.3)
        yield server
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(name="real", scope="module")
def _real(places: Places, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """Return real vLLM; the last test of this file ends it."""
    with run_vllm(tmp_path_factory.mktemp("real"), places) as server:
        yield server


@pytest.fixture(name="standin", scope="module")
def _standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """Return the stand-in engine with the same settings."""
    folder = tmp_path_factory.mktemp("standin")
    shutil.copy(str(drain_middleware.__file__), folder / "llmops_drain.py")
    words = ["--max-model-len", "1024", "--shutdown-timeout", "30", "--middleware", "llmops_drain.DrainMiddleware"]
    env = {"PYTHONPATH": str(folder), "LLMOPS_DRAIN_FILE": str(folder / "drain")}
    with run_standin(folder, *words, env=env, ttft_seconds=0.005, itl_seconds=0.02) as server:
        yield server


def differences(ours: Any, real: Any, path: str = "") -> list[str]:
    """Return where an answer has a key that the real one lacks, or a value of another type; null goes with all."""
    if isinstance(ours, dict) and isinstance(real, dict):
        missing = [f"{path}.{key}: not in vLLM" for key in ours if key not in real]
        return missing + [each for k in ours if k in real for each in differences(ours[k], real[k], f"{path}.{k}")]
    if isinstance(ours, list) and isinstance(real, list):
        return [each for one, other in zip(ours, real) for each in differences(one, other, f"{path}[]")]
    if ours is None or real is None or type(ours) is type(real):
        return []
    return [f"{path}: {ours!r} in place of {real!r}"]


def stream(server: StandIn, **more: Any) -> list[Any]:
    return server.ask("/v1/chat/completions", {**CHAT, "max_tokens": 6, "stream": True, **more}, 30).events()


@pytest.mark.parametrize("name", REQUESTS)
def test_answers_have_the_shape_of_real_ones(name: str, real: StandIn, standin: StandIn) -> None:
    ours, theirs = (server.ask(*REQUESTS[name], 30) for server in (standin, real))
    assert (ours.status, theirs.status) == (200, 200)
    assert differences(ours.json(), theirs.json()) == []
    assert ours.headers["content-type"] == theirs.headers["content-type"]
    assert ours.json().get("object") == theirs.json().get("object")
    assert theirs.json().get("version", VLLM_VERSION) == VLLM_VERSION


def test_health_is_answered_with_an_empty_body(real: StandIn, standin: StandIn) -> None:
    ours, theirs = standin.ask("/health"), real.ask("/health")
    assert (ours.status, ours.body) == (theirs.status, theirs.body) == (200, b"")


@pytest.mark.parametrize("name", REFUSED)
def test_bad_requests_are_refused_with_the_same_status_and_shape(name: str, real: StandIn, standin: StandIn) -> None:
    ours, theirs = (server.ask(*REFUSED[name], 30) for server in (standin, real))
    assert ours.status == theirs.status
    assert differences(ours.json(), theirs.json()) == []


@pytest.mark.parametrize("usage", [False, True])
def test_streams_have_the_shape_of_real_ones(usage: bool, real: StandIn, standin: StandIn) -> None:
    more = {"ignore_eos": True, **({"stream_options": {"include_usage": True}} if usage else {})}
    ours, theirs = stream(standin, **more), stream(real, **more)
    assert ours[-1] == theirs[-1] == "[DONE]"
    # The first message names the role; the one before last says why it ended, unless usage follows.
    for index in (0, 1, -2, -3):
        assert differences(ours[index], theirs[index]) == []
    for events in (ours, theirs):
        reasons = [c["finish_reason"] for e in events if e != "[DONE]" for c in e["choices"] if c["finish_reason"]]
        assert reasons == ["length"]
        assert (events[-2].get("usage") or {}).get("completion_tokens") == (6 if usage else None)


def test_metrics_have_the_names_and_labels_of_real_ones(real: StandIn, standin: StandIn) -> None:
    def series(answer: Answer) -> set[tuple[str, tuple[str, ...]]]:
        lines = re.findall(r"^([a-zA-Z_:]+)\{(.*)\} ", answer.body.decode(), re.MULTILINE)
        return {(name, tuple(sorted(re.findall(r'(\w+)="', labels)))) for name, labels in lines}

    for server in (real, standin):
        assert server.ask(*REQUESTS["chat"], 30).status == 200
    assert series(standin.ask("/metrics")) - series(real.ask("/metrics")) == set()


@pytest.mark.parametrize("kind", ["real", "standin"])
def test_the_probe_understands_it(kind: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(kind)
    target = {"name": "Pod a", "url": f"http://127.0.0.1:{server.port}"}
    questions = {"targets": [target], "model": "tiny", "max_tokens": 8, "warmup_requests": 1, "timeout_seconds": 30}
    seen = probe.probe(questions, "")
    verdict = evaluate_probe(seen, model="tiny", version=VLLM_VERSION, services=(), pods=["Pod a"])
    assert (verdict.result, verdict.reasons) == (Result.PASS, ())
    assert seen["targets"][0]["endpoint"] == "chat/completions"


@pytest.mark.parametrize("endpoint", ["chat", "completions"])
@pytest.mark.parametrize("kind", ["real", "standin"])
def test_the_load_client_understands_it(kind: str, endpoint: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(kind)
    settings = {
        "targets": [{"name": "a", "url": f"http://127.0.0.1:{server.port}", "model": "tiny"}],
        "endpoint": endpoint,
        # At temperature 0 the random model may repeat one token that is no text: an answer without content.
        "request": {"ignore_eos": True, "seed": 1, "temperature": 1.0},
        "workload": {"input": {"mean_tokens": 16}, "output": {"mean_tokens": 24}},
        "phases": [{"name": "one", "load": {"kind": "closed", "concurrency": 4}, "stop": {"requests": 12}}],
    }
    result = run_benchmark(parse_settings(settings), lambda _progress: None)
    figures = result["phases"][0]["targets"]["a"]
    assert figures["classes"] == {}
    assert figures["requests"] == {"issued": 12, "ok": 12, "without_usage": 0, "failed": 0, "lost": 0}
    # Some tokens of a random model are no text: fewer events than tokens, which only the usage counts.
    assert figures["tokens"]["output"] == 12 * 24
    assert 0 < figures["ttft_ms"]["p50"] < figures["e2e_ms"]["p50"]
    assert figures["itl_ms"]["count"] <= 12 * 23


@pytest.mark.parametrize("kind", ["standin", "real"])
def test_it_leaves_without_losing_a_stream(kind: str, request: pytest.FixtureRequest, tmp_path_factory: Any) -> None:
    """preStop's file, then SIGTERM, as the kubelet does it; the stream began before both."""
    server = request.getfixturevalue(kind)
    bodies: list[list[Any]] = []
    wanted = {"max_tokens": 300, "ignore_eos": True, "stream_options": {"include_usage": True}}
    running = threading.Thread(target=lambda: bodies.append(stream(server, **wanted)))
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    kept.request("GET", "/version")
    assert kept.getresponse().read()
    running.start()
    time.sleep(0.3)

    (server.log.parent / "drain").touch()
    body = json.dumps({**CHAT, "max_tokens": 2, "ignore_eos": True})
    kept.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
    answer = kept.getresponse()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert json.loads(answer.read())["choices"][0]["finish_reason"] == "length"
    kept.close()
    assert server.ask("/health").status == 503

    server.process.send_signal(signal.SIGTERM)
    running.join(30)
    assert bodies[0][-1] == "[DONE]"
    assert bodies[0][-2]["usage"]["completion_tokens"] == 300
    assert server.process.wait(30) == 0
