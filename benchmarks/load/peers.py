# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The peers: their versions, how each is asked for the same load, and where each keeps its figures of every request.

The warm-up is left out for all of them: by the tool's own option, or by leaving out its first requests.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.load.contenders import Contender, Said
from benchmarks.load.environments import Environment, find_engine, find_tokenizer
from benchmarks.load.known import Condition, percentiles_ms

__all__ = ["PEERS"]

_PROMPT_TOKENS = "32"
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def _said(ttfts_seconds: Iterable[float], gaps_seconds: Iterable[float] | None, scale: float = 1000.0) -> Said:
    ttfts = [value * scale for value in ttfts_seconds]
    gaps = [value * scale for value in gaps_seconds] if gaps_seconds is not None else []
    return Said(len(ttfts), percentiles_ms(ttfts), percentiles_ms(gaps))


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.rglob(pattern))
    if not found:
        raise ValueError(f"it has left no {pattern}")
    return found[0]


class _Peer:
    """What most peers have in common: an environment with a package, whose version is printed."""

    name = ""
    package = ""
    few = True
    environment: Environment

    def prepare(self) -> None:
        """Make the environment, and find the tokenizer."""
        find_tokenizer()
        self.environment.make()

    def version(self) -> str:
        """Return the version of the package."""
        return f"{self.package} {self.environment.version(self.package)}"

    def variables(self) -> Mapping[str, str]:
        """Keep it from looking for models elsewhere."""
        return _OFFLINE


class Vllm(_Peer):
    """``vllm bench serve``, of the environment that the local engine has."""

    name = "vllm bench serve"

    def prepare(self) -> None:
        """Nothing is made: the engine is there or not."""
        find_tokenizer()
        find_engine()

    def version(self) -> str:
        """Return vLLM's version."""
        code = "import importlib.metadata; print(importlib.metadata.version('vllm'))"
        words = [str(find_engine() / "bin" / "python"), "-c", code]
        return "vllm " + subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()

    def command(self, condition: Condition, url: str, folder: Path, requests: int) -> list[str]:
        """See ``Contender``."""
        load = ["--max-concurrency", str(condition.concurrency)]
        if condition.rate_per_second:
            load = ["--request-rate", f"{condition.rate_per_second:g}"]
            load += ["--max-concurrency", str(condition.cap)] if condition.cap else []
        return [
            *(str(find_engine() / "bin" / "vllm"), "bench", "serve", "--backend", "openai-chat", "--base-url", url),
            *("--endpoint", "/v1/chat/completions", "--model", "tiny", "--tokenizer", str(find_tokenizer())),
            *("--dataset-name", "random", "--random-input-len", _PROMPT_TOKENS),
            *("--random-output-len", str(condition.tokens), "--num-prompts", str(requests), *load),
            *("--num-warmups", str(condition.warmup), "--ready-check-timeout-sec", "0", "--ignore-eos"),
            "--disable-tqdm",
            *("--save-result", "--save-detailed", "--result-dir", str(folder), "--result-filename", "vllm.json"),
        ]

    def read(self, folder: Path, _condition: Condition) -> Said:
        """See ``Contender``."""
        found = json.loads((folder / "vllm.json").read_text())
        done = [number for number, error in enumerate(found["errors"]) if not error]
        gaps = (gap for number in done for gap in found["itls"][number])
        return _said((found["ttfts"][number] for number in done), gaps)


class Sglang(_Peer):
    """SGLang's client in Rust, with what importing its package needs; torch comes from vLLM's environment."""

    name = "sglang (Rust)"
    package = "sglang"
    few = False
    environment = Environment(
        ["sglang==0.5.23", "orjson==3.13.0", "triton==3.9.0", "ipython==9.18.1", "traitlets==5.16.1"],
        dependencies=False,
        with_engine=True,
    )

    def command(self, condition: Condition, url: str, folder: Path, requests: int) -> list[str]:
        """See ``Contender``."""
        load = ["--max-concurrency", str(condition.concurrency)]
        if condition.rate_per_second:
            load = ["--request-rate", f"{condition.rate_per_second:g}"]
            load += ["--max-concurrency", str(condition.cap)] if condition.cap else []
        return [
            *(self.environment.program("python"), "-m", "sglang.benchmark.rust_client"),
            *("--backend", "vllm-chat", "--base-url", url, "--model", "tiny", "--tokenizer", str(find_tokenizer())),
            *("--dataset-name", "random-ids", "--random-input-len", _PROMPT_TOKENS, "--random-range-ratio", "1"),
            *("--random-output-len", str(condition.tokens), "--num-prompts", str(requests), *load),
            *("--warmup-requests", str(condition.warmup), "--disable-tqdm", "--output-details"),
            *("--disable-retokenize", "--output-file", str(folder / "sglang.jsonl")),
        ]

    def read(self, folder: Path, _condition: Condition) -> Said:
        """See ``Contender``."""
        found = json.loads((folder / "sglang.jsonl").read_text().splitlines()[0])
        done = [number for number, error in enumerate(found["errors"]) if not error]
        gaps = (gap for number in done for gap in found["itls"][number])
        return _said((found["ttfts"][number] for number in done), gaps)


class Guidellm(_Peer):
    """guidellm; what it needs besides torch, which it takes from vLLM's environment, is pinned by name."""

    name = "guidellm"
    package = "guidellm"
    environment = Environment(
        [
            *("guidellm==0.8.1", "aiofiles==25.1.0", "aiologic==0.17.1", "click==8.4.2", "culsans==0.10.0"),
            *("datasets==5.2.0", "eval_type_backport==0.4.0", "Faker==40.63.0", "ftfy==6.3.1", "h2==4.4.1"),
            *("hpack==4.2.0", "html5tagger==2.0.0", "hyperframe==6.1.0", "more-itertools==11.2.1", "msgpack==1.2.4"),
            *("multidict==6.9.1", "multiprocess==0.70.19", "pandas==3.1.1", "pyarrow==26.0.1", "sanic==25.12.1"),
            *("python-dateutil==4.0.0", "sanic-routing==23.12.0", "tabulate==0.10.0", "tracerite==2.6.5"),
            *("tzdata==2026.6", "ujson==6.1.0", "wcwidth==0.9.4", "wrapt==2.5.2", "xxhash==4.1.0"),
        ],
        dependencies=False,
        with_engine=True,
    )

    def command(self, condition: Condition, url: str, folder: Path, requests: int) -> list[str]:
        """See ``Contender``; its warm-up is a share of the time or of the requests, so its first ones are left out."""
        profile = f"kind=concurrent,streams={condition.concurrency}"
        if condition.rate_per_second:
            profile = f"kind=poisson,rate={condition.rate_per_second:g}"
        return [
            *(self.environment.program("guidellm"), "run", "--disable-console", "--profile", profile),
            *("--backend", f"kind=openai_http,target={url},model=tiny,request_format=/v1/chat/completions"),
            *("--constraint", f"kind=max_requests,count={requests + condition.warmup}"),
            *("--tokenizer", f"kind=huggingface_auto,model={find_tokenizer()}"),
            *("--data", f"kind=synthetic_text,prompt_tokens={_PROMPT_TOKENS},output_tokens={condition.tokens}"),
            *("--output", f"kind=json,path={folder / 'guidellm.json'}"),
        ]

    def read(self, folder: Path, condition: Condition) -> Said:
        """See ``Contender``; of gaps it keeps the mean of each request only."""
        found = json.loads((folder / "guidellm.json").read_text())["benchmarks"][0]["requests"]["successful"]
        found = sorted(found, key=lambda request: float(request["request_start_time"]))[condition.warmup :]
        ttfts = [request["time_to_first_token_ms"] for request in found]
        return _said((float(ttft) for ttft in ttfts if ttft is not None), None, 1.0)


class Aiperf(_Peer):
    """AIPerf, the successor of genai-perf."""

    name = "AIPerf"
    package = "aiperf"
    environment = Environment(["aiperf==0.13.0"])

    def variables(self) -> Mapping[str, str]:
        """It finds no tokenizer in a folder when it is told to be offline."""
        return {}

    def command(self, condition: Condition, url: str, folder: Path, requests: int) -> list[str]:
        """See ``Contender``."""
        load = ["--concurrency", str(condition.concurrency)]
        if condition.rate_per_second:
            load = ["--request-rate", f"{condition.rate_per_second:g}", "--arrival-pattern", "poisson"]
            load += ["--concurrency", str(condition.cap)] if condition.cap else []
        if condition.warmup:
            load += ["--warmup-request-count", str(condition.warmup)]
        return [
            *(self.environment.program("aiperf"), "profile", "-m", "tiny", "--url", url, "--endpoint-type", "chat"),
            *("--streaming", "--tokenizer", str(find_tokenizer()), "--isl", _PROMPT_TOKENS),
            *("--osl", str(condition.tokens), "--request-count", str(requests), *load),
            *("--use-server-token-count", "--ui", "none"),
            *("--no-gpu-telemetry", "--no-server-metrics", "--export-level", "records"),
            *("--artifact-dir", str(folder / "aiperf")),
        ]

    def read(self, folder: Path, _condition: Condition) -> Said:
        """See ``Contender``."""
        lines = _only(folder, "profile_export.jsonl").read_text().splitlines()
        records = [json.loads(line) for line in lines]
        counted = [each["metrics"] for each in records if each["metadata"]["benchmark_phase"] == "profiling"]
        done = [metrics for metrics in counted if "time_to_first_token" in metrics]
        gaps = (gap for metrics in done for gap in (metrics.get("inter_chunk_latency") or {}).get("value") or ())
        return _said((metrics["time_to_first_token"]["value"] for metrics in done), gaps, 1.0)


class InferencePerf(_Peer):
    """inference-perf; of its generators of prompts this one can chat."""

    name = "inference-perf"
    package = "inference-perf"
    environment = Environment(["inference-perf==0.7.0"], python_min=(3, 12))

    def command(self, condition: Condition, url: str, folder: Path, requests: int) -> list[str]:
        """See ``Contender``; the cap of its workers is raised, or it would stop at 200 streams."""
        kind, concurrency = "concurrent", condition.concurrency
        stages: list[dict[str, Any]] = [
            {"num_requests": count, "concurrency_level": concurrency} for count in (condition.warmup, requests) if count
        ]
        if rate := condition.rate_per_second:
            kind = "poisson"
            stages = [{"rate": condition.warmup, "duration": 1}, {"rate": rate, "duration": round(requests / rate)}]
        fields = {"request": False, "response": False, "info": True, "response_chunks": False, "computed_metrics": True}
        settings = {
            "api": {"type": "chat", "streaming": True},
            "data": {"type": "mock"},
            "load": {"type": kind, "interval": 0, "worker_max_concurrency": 1000, "stages": stages},
            "server": {"type": "vllm", "model_name": "tiny", "base_url": url, "ignore_eos": True},
            "tokenizer": {"pretrained_model_name_or_path": str(find_tokenizer())},
            "report": {
                "request_lifecycle": {
                    "per_request": True,
                    "use_server_output_tokens": True,
                    "per_request_fields": fields,
                }
            },
            "storage": {"local_storage": {"path": str(folder / "inference-perf")}},
        }
        # What is JSON is YAML too.
        (folder / "settings.yml").write_text(json.dumps(settings))
        return [self.environment.program("inference-perf"), "-c", str(folder / "settings.yml")]

    def read(self, folder: Path, _condition: Condition) -> Said:
        """See ``Contender``; the second stage are the last requests to begin."""
        stage = json.loads(_only(folder, "stage_1_lifecycle_metrics.json").read_text())
        count = stage["successes"]["count"]
        records = json.loads(_only(folder, "per_request_lifecycle_metrics.json").read_text())
        done = sorted((each for each in records if not each.get("error")), key=lambda each: float(each["start_time"]))
        counted = [(each["start_time"], each["info"]["response_metrics"]["chunk_times"]) for each in done[-count:]]
        gaps = (after - before for _start, times in counted for before, after in zip(times, times[1:]))
        return _said((times[0] - start for start, times in counted if times), gaps)


class Evalscope(_Peer):
    """evalscope perf."""

    name = "evalscope"
    package = "evalscope"
    environment = Environment(["evalscope[perf]==1.14.1"])

    def command(self, condition: Condition, url: str, folder: Path, requests: int) -> list[str]:
        """See ``Contender``."""
        load = ["--parallel", str(condition.concurrency)]
        if condition.rate_per_second:
            load = ["--open-loop", "--rate", f"{condition.rate_per_second:g}"]
        return [
            *(self.environment.program("evalscope"), "perf", "--url", f"{url}/v1/chat/completions", "--api", "openai"),
            *("--model", "tiny", "--tokenizer-path", str(find_tokenizer()), "--dataset", "random"),
            *("--min-prompt-length", _PROMPT_TOKENS, "--max-prompt-length", _PROMPT_TOKENS),
            *("--max-tokens", str(condition.tokens), "--number", str(requests), *load),
            *("--warmup-num", str(condition.warmup), "--no-test-connection", "--no-timestamp"),
            *("--outputs-dir", str(folder / "evalscope")),
        ]

    def read(self, folder: Path, _condition: Condition) -> Said:
        """See ``Contender``."""
        database = sqlite3.connect(_only(folder, "benchmark_data.db"))
        rows: Sequence[tuple[float, str]] = database.execute(
            "select first_chunk_latency, inter_token_latencies from result where success = 1"
        ).fetchall()
        database.close()
        return _said((float(row[0]) for row in rows), (gap for row in rows for gap in json.loads(row[1])))


PEERS: tuple[Contender, ...] = (Vllm(), Sglang(), Guidellm(), Aiperf(), InferencePerf(), Evalscope())
