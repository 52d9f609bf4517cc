# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the client measures on real sockets fits the documented schema, and the gate draws it."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.run import run_benchmark
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.settings import parse_settings
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_schema import (
    find_deviation,
    render_result,
)

from tests.support.playbooks import run_module, start_module
from tests.support.processes import StandIn, run_standin, wait_until

PHASES = [{"name": "one", "load": {"kind": "closed", "concurrency": 4}, "stop": {"requests": 12}}]
SLO = {"ttft_p95_ms_max": 60_000, "error_ratio_max": 0.9}
RATES = {"rate_min_per_second": 20, "rate_max_per_second": 40, "stop": {"requests": 8}}


@pytest.mark.parametrize(
    ("settings", "engine"),
    [
        ({"phases": PHASES, "request_slo": {"ttft_ms_max": 500}}, {}),
        ({"phases": PHASES}, {"error_share": 0.5}),
        ({"phases": PHASES, "warmup_requests": 0}, {"dead": True}),
        ({"phases": PHASES}, {"dead": True}),
        ({"phases": PHASES, "stream": False}, {}),
        ({"phases": PHASES}, {"missing_usage": True}),
        ({"sweep": RATES}, {}),
    ],
    ids=["healthy", "faults", "dead", "dead at warm-up", "no stream", "no usage", "search"],
)
def test_a_measured_result_fits_its_schema_and_has_a_page(
    settings: dict[str, Any], engine: dict[str, Any], tmp_path: Path
) -> None:
    with run_standin(tmp_path, ttft_seconds=0.01, itl_seconds=0.002) as server:
        server.set(**engine)
        targets = [
            {"name": name, "url": f"http://127.0.0.1:{server.port}", "model": "tiny"} for name in ("blue", "green")
        ]
        written = {"targets": targets, "workload": {"output": {"mean_tokens": 4}}, "slo": SLO, **settings}
        result = run_benchmark(parse_settings(written), lambda _progress: None)
    assert find_deviation(result) is None
    assert find_deviation(json.loads(render_result(result))) is None
    page = tmp_path / "page.html"
    judged = run_module(
        "benchmark_gate",
        {"result": result, "slo": SLO, "every_run": True, "report_path": str(page), "fail_on": []},
    )
    assert f"Benchmark: <span class='{judged['verdict']}'>" in page.read_text()
    assert "No pictures" not in page.read_text()


def test_what_an_interrupted_run_has_measured_is_kept_shown_and_never_passes(tmp_path: Path) -> None:
    with run_standin(tmp_path) as server:
        server.set(frozen=True)
        targets = [{"name": "chat", "url": f"http://127.0.0.1:{server.port}", "model": "tiny"}]
        written = {"targets": targets, "phases": PHASES, "warmup_requests": 0, "limits": {"run_seconds_max": 0.5}}
        result = run_benchmark(parse_settings(written), lambda _progress: None)
    assert (result["partial"], find_deviation(result)) == (True, None)
    page = tmp_path / "page.html"
    judged = run_module("benchmark_gate", {"result": result, "slo": SLO, "report_path": str(page), "fail_on": []})
    assert judged["verdict"] == "fail"
    assert "The run was interrupted." in page.read_text()


def count_answers(server: StandIn) -> float:
    metrics = server.ask("/metrics").body.decode()
    return sum(float(count) for count in re.findall(r"^vllm:request_success_total.* (\S+)$", metrics, re.MULTILINE))


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_of_the_module_keeps_what_its_client_has_measured(tmp_path: Path, name: str) -> None:
    kept = tmp_path / "result.json"
    with run_standin(tmp_path) as server:
        targets = [{"name": "chat", "url": f"http://127.0.0.1:{server.port}", "model": "tiny"}]
        phases = [{"load": {"kind": "closed", "concurrency": 1}, "stop": {"duration_seconds": 600}}]
        wanted = {"run_from": "controller", "targets": targets, "phases": phases, "result_path": str(kept)}
        process = start_module("serving_benchmark", wanted)
        # The first one is the warm-up.
        wait_until(lambda: count_answers(server) > 2, 60, "the first answers")
        process.send_signal(signal.Signals[name])
        process.communicate(timeout=60)
    result = json.loads(kept.read_text())
    assert (result["partial"], find_deviation(result)) == (True, None)
    assert result["phases"][0]["targets"]["chat"]["requests"]["ok"] > 0
