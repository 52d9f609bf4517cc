# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the JSON of the settings to ``Settings``: every problem is told at once, before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from . import spec
from .reader import Reader, SettingsError, guess

__all__ = ["SLO_NAMES", "parse_settings"]

_STATISTICS = ("mean", "p50", "p90", "p95", "p99")
_LATENCIES = ("ttft", "ttft_from_schedule", "itl", "tpot", "e2e")
SLO_NAMES = (
    *(f"{metric}_{statistic}_ms_max" for metric in _LATENCIES for statistic in _STATISTICS),
    "error_ratio_max",
    "goodput_ratio_min",
    *(
        f"throughput_{what}_per_second{per}_min"
        for what in ("requests", "tokens", "total_tokens")
        for per in ("", "_per_gpu")
    ),
)
_METRICS = ("ttft", "tpot", "e2e")
# The client sets these itself: the times and the counts that it reports hang on them.
_OWN_KEYS = ("model", "messages", "prompt", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n")
_TARGETS_MAX = 2


def parse_settings(value: Any) -> spec.Settings:
    """Return the settings, with defaults filled in; ``SettingsError`` with every problem."""
    problems: list[tuple[str, str]] = []
    top = Reader(value, "", problems)
    limits, client = top.nested("limits"), top.nested("client")
    settings = spec.Settings(
        targets=_read_targets(top),
        endpoint=top.text("endpoint", "chat", choices=("chat", "completions")),
        stream=top.boolean("stream", True),
        workload=_read_workload(top.nested("workload")),
        body=_read_body(top.nested("request")),
        warmup_requests=top.integer("warmup_requests", minimum=0),
        phases=tuple(_read_phase(each, number) for number, each in enumerate(top.each("phases"))),
        sweep=_read_sweep(top.nested("sweep")) if top.raw("sweep") is not None else None,
        request_slo=_read_request_slo(top.nested("request_slo")),
        slo=_read_slo(top.nested("slo")),
        request_seconds_max=limits.number("request_seconds_max", 300.0),
        connect_seconds_max=limits.number("connect_seconds_max", 10.0),
        run_seconds_max=limits.number("run_seconds_max"),
        max_in_flight=limits.integer("max_in_flight"),
        client=spec.ClientLimits(
            client.number("lateness_p99_ms_max"),
            client.number("lag_p99_ms_max"),
            client.number("busy_ratio_max", 0.7, maximum=1.0),
        ),
        samples_max=client.integer("samples_max", 20000, minimum=0),
        series_step_seconds=client.number("series_step_seconds", 1.0),
        progress_seconds=client.number("progress_seconds", 1.0),
        alive_file=client.text("alive_file"),
        linger_seconds=client.number("linger_seconds", 0.0),
        event_loop=client.text("event_loop", "auto", choices=("auto", "asyncio", "uvloop")),
    )
    for reader in (limits, client, top):
        reader.finish()
    _check(settings, problems)
    if problems:
        raise SettingsError(problems)
    return settings


def _check(settings: spec.Settings, problems: list[tuple[str, str]]) -> None:
    """Note what does not go together."""
    if bool(settings.phases) == (settings.sweep is not None):
        problems.append(("phases", "exactly one of phases and sweep is needed"))
    names = [phase.name for phase in settings.phases]
    problems += [("phases", f"two phases are called {name!r}") for name in sorted(set(names)) if names.count(name) > 1]
    for number, phase in enumerate(settings.phases):
        if isinstance(phase.load, spec.Trace) and settings.workload.file is None:
            problems.append((f"phases[{number}].load", "a trace needs workload.file, whose entries have times"))
        if isinstance(phase.load, spec.Closed) and settings.max_in_flight is not None:
            problems.append(("limits.max_in_flight", "a closed loop is bounded by its concurrency already"))
    if settings.sweep is not None and not any(name.endswith("_ms_max") for name in settings.slo):
        # A server that cannot keep up answers all the same, later and later: only a latency shows it.
        problems.append(("slo", "a sweep looks for the highest rate that meets the SLO: name a limit of a latency"))


def _read_targets(top: Reader) -> tuple[spec.Target, ...]:
    targets: list[spec.Target] = []
    for item in top.each("targets"):
        url = item.text("url", "", required=True)
        if url:
            _check_url(item, url)
        name = item.text("name", f"target{len(targets)}")
        target = spec.Target(
            name=name,
            url=url.rstrip("/"),
            model=item.text("model", "", required=True),
            accelerators=item.integer("accelerators", 0, minimum=0),
            verify_certificate=item.boolean("verify_certificate", True),
            ca_file=item.text("ca_file"),
            server_name=item.text("server_name"),
            api_key_env=item.text("api_key_env"),
            api_key_file=item.text("api_key_file"),
        )
        if item.raw("api_key") is not None:
            item.problem("api_key", "a key is never part of the settings: use api_key_env or api_key_file")
        item.finish()
        if target.name in [other.name for other in targets]:
            item.problem("name", f"two targets are called {target.name!r}")
        targets.append(target)
    if isinstance(top.raw("targets") or [], list) and not 1 <= len(targets) <= _TARGETS_MAX:
        top.problem("targets", f"expected one target, or {_TARGETS_MAX} to compare; got {len(targets)}")
    return tuple(targets)


def _check_url(item: Reader, url: str) -> None:
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        plain = not (parts.query or parts.fragment or parts.username or parts.password)
    except ValueError:
        right = plain = False
    # What stands in the request line must not end it.
    if not (right and plain) or any(ord(sign) <= 32 or ord(sign) > 126 for sign in url):
        item.problem("url", "expected http://host:port or https://host:port, with a path at most (no user, no query)")


def _read_lengths(item: Reader, mean_tokens: int) -> spec.Lengths:
    kind = item.text("distribution", "fixed", choices=("fixed", "uniform", "lognormal"))
    mean = item.number("mean_tokens", float(mean_tokens), above=0.999)
    low = item.integer("min_tokens", 1)
    high = item.integer("max_tokens", max(low, round(mean)) if kind != "lognormal" else max(low, round(mean) * 8))
    if low > high:
        item.problem("min_tokens", f"{low} is more than max_tokens, {high}")
    lengths = spec.Lengths(kind, mean, item.number("sigma", 0.5), low, max(low, high))
    item.finish()
    return lengths


def _read_workload(item: Reader) -> spec.Workload:
    seed = item.raw("seed")
    prefix, shared = item.nested("shared_prefix"), None
    if item.raw("shared_prefix") is not None:
        shared = spec.Prefix(prefix.integer("tokens", 1024), prefix.integer("groups", 1))
        prefix.finish()
    workload = spec.Workload(
        seed=str(seed if seed is not None else 0),
        input_lengths=_read_lengths(item.nested("input"), 128),
        output_lengths=_read_lengths(item.nested("output"), 64),
        tokens_per_word=item.number("tokens_per_word", 1.0),
        prefix=shared,
        file=item.text("file"),
    )
    item.finish()
    return workload


def _read_body(item: Reader) -> dict[str, Any]:
    """Return the fields that every request has besides the prompt, the model and the length."""
    body: dict[str, Any] = {"temperature": item.number("temperature", 0.0, above=-1e-9)}
    if item.raw("seed") is not None:
        body["seed"] = item.integer("seed", minimum=0)
    if item.boolean("ignore_eos", False):
        body["ignore_eos"] = True
    extra = item.raw("extra_body")
    if extra is not None and not isinstance(extra, Mapping):
        item.problem("extra_body", "expected a mapping")
        extra = None
    for key in extra or {}:
        if key in _OWN_KEYS:
            item.problem(f"extra_body.{key}", "is set by the client itself, as its figures depend on it")
    item.finish()
    return {**body, **(extra or {})}


def _read_load(item: Reader) -> spec.Load:
    kinds = ("closed", "poisson", "constant", "ramp", "bursts", "trace")
    kind = item.text("kind", "closed", choices=kinds, required=True)
    load: spec.Load
    if kind == "closed":
        load = spec.Closed(item.integer("concurrency", 1, maximum=100000))
    elif kind == "trace":
        load = spec.Trace(item.number("speed", 1.0))
    elif kind == "ramp":
        load = spec.Ramp(_rate(item, "from_per_second"), _rate(item, "to_per_second"), _needed(item, "ramp_seconds"))
    elif kind == "bursts":
        rates = _rate(item, "rate_per_second"), _rate(item, "burst_per_second")
        load = spec.Bursts(*rates, _needed(item, "burst_seconds"), _needed(item, "period_seconds"))
    else:
        load = (spec.Poisson if kind == "poisson" else spec.Constant)(_rate(item, "rate_per_second"))
    item.finish()
    return load


def _rate(item: Reader, key: str) -> float:
    return _needed(item, key)


def _needed(item: Reader, key: str) -> float:
    if item.raw(key) is None:
        item.problem(key, "is required for this kind of load")
    return float(item.number(key, 1.0))


def _read_stop(item: Reader, *, ends_by_itself: bool = False) -> spec.Stop:
    confidence, wanted = item.nested("confidence"), None
    if item.raw("confidence") is not None:
        wanted = spec.Confidence(
            metric=confidence.text("metric", "ttft", choices=_METRICS),
            statistic=confidence.text("statistic", "p95", choices=_STATISTICS),
            width_ratio_max=confidence.number("width_ratio_max", 0.1, maximum=2.0),
            confidence=confidence.number("confidence", 0.95, above=0.5, maximum=0.9999),
            requests_min=confidence.integer("requests_min", 100, minimum=2),
        )
        confidence.finish()
    stop = spec.Stop(item.integer("requests"), item.number("duration_seconds"), wanted)
    if stop.requests is None and stop.duration_seconds is None and not ends_by_itself:
        item.problem("requests", "name requests or duration_seconds: a confidence alone may never be reached")
    item.finish()
    return stop


def _read_phase(item: Reader, number: int) -> spec.Phase:
    load = _read_load(item.nested("load"))
    stop = _read_stop(item.nested("stop"), ends_by_itself=isinstance(load, spec.Trace))
    phase = spec.Phase(item.text("name", f"phase{number}"), load, stop)
    item.finish()
    return phase


def _read_sweep(item: Reader) -> spec.Sweep:
    low, high = item.number("rate_min_per_second", 1.0), item.number("rate_max_per_second", 1024.0)
    if low > high:
        item.problem("rate_min_per_second", f"{low:g} is more than rate_max_per_second, {high:g}")
    sweep = spec.Sweep(
        rate_min_per_second=low,
        rate_max_per_second=high,
        precision_ratio=item.number("precision_ratio", 0.1),
        process=item.text("process", "poisson", choices=("poisson", "constant")),
        stop=_read_stop(item.nested("stop")),
    )
    item.finish()
    return sweep


def _read_request_slo(item: Reader) -> spec.RequestSlo:
    names = ("ttft_ms_max", "itl_ms_max", "tpot_ms_max", "e2e_ms_max")
    slo = spec.RequestSlo(*(item.number(name) for name in names))
    item.finish()
    return slo


def _read_slo(item: Reader) -> dict[str, float]:
    limits = {}
    for key in item.written:
        if key not in SLO_NAMES:
            item.problem(key, f"no such limit; there are names such as ttft_p95_ms_max{guess(key, SLO_NAMES)}")
            continue
        # Zero errors is a limit; zero milliseconds is none that anything could meet.
        value = item.number(key, above=-1e-9 if key == "error_ratio_max" else 0.0)
        if value is not None:
            limits[key] = value
    return limits
