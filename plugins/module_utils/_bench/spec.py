# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run is made of: whom to ask what, how often, until when, and what is judged. Dataclasses without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

__all__ = [
    "Bursts",
    "ClientLimits",
    "Closed",
    "Confidence",
    "Constant",
    "Entry",
    "Lengths",
    "Load",
    "OpenLoad",
    "Phase",
    "Poisson",
    "Prefix",
    "Ramp",
    "RequestSlo",
    "Settings",
    "Stop",
    "Sweep",
    "Target",
    "Trace",
    "Workload",
]


@dataclass(frozen=True)
class Target:
    """A server to ask. The API key stands in a file or in an environment variable, of which this is the name.

    ``accelerators`` serve the target; 0 gives no figures per GPU. ``server_name`` is what its certificate must name.
    """

    name: str
    url: str
    model: str
    accelerators: int = 0
    verify_certificate: bool = True
    ca_file: str | None = None
    server_name: str | None = None
    api_key_env: str | None = None
    api_key_file: str | None = None


@dataclass(frozen=True)
class Closed:
    """So many requests at once to each target; a new one is sent when one has ended."""

    concurrency: int


@dataclass(frozen=True)
class Poisson:
    """Exponential gaps; the draw is not rescaled, so the rate that comes out differs by about 1 / sqrt(n)."""

    rate_per_second: float


@dataclass(frozen=True)
class Constant:
    """Equal gaps."""

    rate_per_second: float


@dataclass(frozen=True)
class Ramp:
    """A Poisson process whose rate goes linearly from one to another within so many seconds, and stays there."""

    from_per_second: float
    to_per_second: float
    ramp_seconds: float


@dataclass(frozen=True)
class Bursts:
    """A Poisson process with a base rate, and another rate for the first ``burst_seconds`` of every period."""

    rate_per_second: float
    burst_per_second: float
    burst_seconds: float
    period_seconds: float


@dataclass(frozen=True)
class Trace:
    """The times of the workload's file, made faster (above 1) or slower by a factor."""

    speed: float = 1.0


OpenLoad = Union[Poisson, Constant, Ramp, Bursts, Trace]
Load = Union[Closed, OpenLoad]


@dataclass(frozen=True)
class Confidence:
    """End when the interval of a metric's statistic (``p95``, ``mean``) is narrower than a share of its value.

    It is looked at again and again, so it is a rule to stop by, no test.
    """

    metric: str
    statistic: str
    width_ratio_max: float
    confidence: float
    requests_min: int


@dataclass(frozen=True)
class Stop:
    """When a phase stops to send, for each target: whatever comes first. What is in flight then is waited for."""

    requests: int | None = None
    duration_seconds: float | None = None
    confidence: Confidence | None = None


@dataclass(frozen=True)
class Phase:
    """A part of the run with figures of its own."""

    name: str
    load: Load
    stop: Stop


@dataclass(frozen=True)
class Sweep:
    """Look for the highest rate that meets the SLO: double until it fails, then halve what is between.

    It ends when the lowest failing rate is at most ``precision_ratio`` above the highest passing one.
    """

    rate_min_per_second: float
    rate_max_per_second: float
    precision_ratio: float
    process: str
    stop: Stop
    steps_max: int = 24


@dataclass(frozen=True)
class Lengths:
    """Lengths in tokens. ``fixed``: mean. ``uniform``: minimum to maximum. ``lognormal``: mean and the sigma of the
    logarithm, cut at minimum and maximum (a draw outside is set to the bound).
    """

    distribution: str
    mean_tokens: float
    sigma: float
    min_tokens: int
    max_tokens: int


@dataclass(frozen=True)
class Prefix:
    """A beginning of so many tokens that all requests of a group share."""

    tokens: int
    groups: int


@dataclass(frozen=True)
class Entry:
    """One line of a file: a prompt (messages or text) or its length, output tokens, and the time of a trace."""

    messages: Any
    prompt: str | None
    input_tokens: int | None
    output_tokens: int | None
    time_seconds: float | None
    hash_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Workload:
    """What to ask; with a file its entries in turn, over and over, else random words of the given lengths."""

    seed: str
    input_lengths: Lengths
    output_lengths: Lengths
    tokens_per_word: float = 1.0
    prefix: Prefix | None = None
    file: str | None = None


@dataclass(frozen=True)
class RequestSlo:
    """Limits in milliseconds that one request must hold to be good; ``itl`` is the mean gap of the request."""

    ttft_ms_max: float | None = None
    itl_ms_max: float | None = None
    tpot_ms_max: float | None = None
    e2e_ms_max: float | None = None

    @property
    def empty(self) -> bool:
        """Whether no limit is set."""
        return all(limit is None for limit in (self.ttft_ms_max, self.itl_ms_max, self.tpot_ms_max, self.e2e_ms_max))


@dataclass(frozen=True)
class ClientLimits:
    """Beyond these the client itself was the bottleneck, and the run is inconclusive."""

    lateness_p99_ms_max: float | None = None
    lag_p99_ms_max: float | None = None
    busy_ratio_max: float = 0.7


@dataclass(frozen=True)
class Settings:
    """A whole run. ``slo`` maps names such as ``ttft_p95_ms_max`` to limits; a sweep needs them.

    After ``run_seconds_max`` the run ends with what it has, marked as partial. So does one that nobody waits for any
    more: ``alive_file`` is touched by whoever does. The program stays ``linger_seconds`` after a partial result, for
    whoever reads it where it is gone with the program.
    """

    targets: tuple[Target, ...]
    workload: Workload
    phases: tuple[Phase, ...] = ()
    sweep: Sweep | None = None
    endpoint: str = "chat"
    stream: bool = True
    body: Mapping[str, Any] = field(default_factory=dict)
    warmup_requests: int | None = None
    request_slo: RequestSlo = field(default_factory=RequestSlo)
    slo: Mapping[str, float] = field(default_factory=dict)
    request_seconds_max: float = 300.0
    connect_seconds_max: float = 10.0
    run_seconds_max: float | None = None
    max_in_flight: int | None = None
    client: ClientLimits = field(default_factory=ClientLimits)
    samples_max: int = 20000
    series_step_seconds: float = 1.0
    progress_seconds: float = 1.0
    event_loop: str = "auto"
    alive_file: str | None = None
    linger_seconds: float = 0.0
