# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics page of the stand-in engine, under vLLM's names, labels and histogram bounds."""

from __future__ import annotations

LATENCY_BOUNDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80)
STEP_BOUNDS = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
HISTOGRAMS = {
    "vllm:time_to_first_token_seconds": LATENCY_BOUNDS,
    "vllm:inter_token_latency_seconds": LATENCY_BOUNDS,
    "vllm:e2e_request_latency_seconds": LATENCY_BOUNDS,
    "vllm:request_queue_time_seconds": LATENCY_BOUNDS,
    "vllm:iteration_tokens_total": STEP_BOUNDS,
}
COUNTERS = (
    "vllm:prompt_tokens_total",
    "vllm:generation_tokens_total",
    "vllm:num_preemptions_total",
    "vllm:prefix_cache_queries_total",
    "vllm:prefix_cache_hits_total",
)


class Metrics:
    """Counters and histograms in Prometheus' text form, under vLLM's names and labels."""

    def __init__(self, model: str) -> None:
        self._labels = f'engine="0",model_name="{model}"'
        self.counters = dict.fromkeys(COUNTERS, 0.0)
        self.finished = dict.fromkeys(("stop", "length", "abort", "error", "repetition"), 0)
        self.http: dict[tuple[str, str, str], int] = {}
        self._observed: dict[str, list[float]] = {name: [0.0] * (len(b) + 1) for name, b in HISTOGRAMS.items()}
        self._sums = dict.fromkeys(HISTOGRAMS, 0.0)

    def observe(self, name: str, value: float) -> None:
        """Count one observation of a histogram (seconds, or tokens of a step)."""
        bounds = HISTOGRAMS[name]
        index = next((i for i, bound in enumerate(bounds) if value <= bound), len(bounds))
        self._observed[name][index] += 1
        self._sums[name] += value

    def render(self, running: int) -> str:
        """Return the page, with ``running`` requests at work."""
        lines = []
        gauges: dict[str, float] = {
            "num_requests_running": running,
            "num_requests_waiting": 0,
            "kv_cache_usage_perc": running / 256,
        }
        for name, value in gauges.items():
            lines += [f"# TYPE vllm:{name} gauge", f"vllm:{name}{{{self._labels}}} {float(value)}"]
        for name, value in self.counters.items():
            lines += [f"# TYPE {name} counter", f"{name}{{{self._labels}}} {value}"]
        lines.append("# TYPE vllm:request_success_total counter")
        for reason, ended in self.finished.items():
            labels = f'engine="0",finished_reason="{reason}",{self._labels.split(",", 1)[1]}'
            lines.append(f"vllm:request_success_total{{{labels}}} {float(ended)}")
        for name, bounds in HISTOGRAMS.items():
            lines.append(f"# TYPE {name} histogram")
            total: float = 0
            for bound, count in zip((*map(str, map(float, bounds)), "+Inf"), self._observed[name]):
                total += count
                lines.append(f'{name}_bucket{{engine="0",le="{bound}",{self._labels.split(",", 1)[1]}}} {total}')
            lines += [f"{name}_count{{{self._labels}}} {total}", f"{name}_sum{{{self._labels}}} {self._sums[name]}"]
        lines.append("# TYPE http_requests_total counter")
        for (handler, method, status), answers in sorted(self.http.items()):
            labels = f'handler="{handler}",method="{method}",status="{status}"'
            lines.append(f"http_requests_total{{{labels}}} {float(answers)}")
        return "\n".join(lines) + "\n"
