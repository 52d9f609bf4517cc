# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How right and how frugal our load client is, beside other load clients and a floor in C; no cluster takes part.

Each client sends the same load to a server whose send times are known and are the truth. A: a closed loop of 256, TTFT
100 ms, gaps of 20 ms, 64 tokens. B: the same server, Poisson arrivals at 150/s. S: as much as it can, tokens (TTFT 20
ms, gaps of 2 ms, 128 tokens, 256 at once) and requests (TTFT 1 ms, one token, 64 at once). Rounds go through all
clients in turn; a warm-up is left out for all of them. ``python3 -m benchmarks.client --help`` names the options.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.common import Goal, print_goals, save
from benchmarks.load.contenders import Contender, Floor, Ours
from benchmarks.load.environments import UnavailableError, find_engine
from benchmarks.load.goals import FLOOR, OURS, UVLOOP, VLLM, find_goals
from benchmarks.load.known import Condition
from benchmarks.load.measure import Figures, RunError, measure, median
from benchmarks.load.omission import measure_omission, print_omission
from benchmarks.load.peers import PEERS
from benchmarks.load.start import measure_start
from benchmarks.load.traps import print_traps, try_traps

CONDITIONS = {
    condition.name: condition
    for condition in (
        Condition("A", 100, 20, 64, 256, 1536),
        Condition("B", 100, 20, 64, 256, 1500, rate_per_second=150),
        Condition("S-tokens", 20, 2, 128, 256, 2560, requests_few=768),
        Condition("S-requests", 1, 0, 1, 64, 15000, requests_few=1920),
    )
}
COLUMNS = {
    "ttft_p50_error_ms": ("TTFT p50", "error ms"),
    "ttft_p99_error_ms": ("TTFT p99", "error ms"),
    "gap_p99_error_ms": ("gap p99", "error ms"),
    "lateness_p99_ms": ("late p99", "ms"),
    "cpu_ms_per_1000_tokens": ("CPU ms per", "1000 tokens"),
    "cpu_seconds": ("CPU s", "whole run"),
    "first_request_seconds": ("first", "request s"),
    "tokens_per_second": ("tokens", "per s"),
    "requests_per_second": ("requests", "per s"),
    "memory_mib": ("memory", "MiB"),
}
# Their own errors, by condition and client: what fails is in the report, and fails nobody else.
Failures = dict[str, dict[str, str]]


def find_contenders(names: Sequence[str], failures: Failures) -> tuple[list[Contender], dict[str, str]]:
    """Return the clients that can run here, ready, and their versions; the others' reasons go to ``failures``."""
    wanted: list[Contender] = [Floor(), Ours(OURS)]
    try:
        wanted.append(Ours(UVLOOP, str(find_engine() / "bin" / "python")))
    except UnavailableError as error:
        failures.setdefault("not available", {})[UVLOOP] = str(error)
    wanted += [peer for peer in PEERS if peer.name in names or names == ["all"]]
    ready, versions = [], {}
    for contender in wanted:
        try:
            contender.prepare()
            versions[contender.name] = contender.version()
            ready.append(contender)
        except (UnavailableError, subprocess.CalledProcessError) as error:
            failures.setdefault("not available", {})[contender.name] = str(error)
    return ready, versions


def measure_all(
    contenders: Sequence[Contender], condition: Condition, rounds: int, peer_rounds: int, failures: Failures
) -> dict[str, list[Figures]]:
    """Run all clients in turn, every second round in the opposite order; return the figures of each round."""
    found: dict[str, list[Figures]] = {}
    own = (FLOOR, OURS, UVLOOP)
    for number in range(rounds):
        for contender in contenders[:: 1 if number % 2 == 0 else -1]:
            failed = failures.get(condition.name, {})
            if (number >= peer_rounds and contender.name not in own) or contender.name in failed:
                continue
            try:
                figures, remarks = measure(contender, condition)
            except RunError as error:
                if contender.name in (FLOOR, OURS):
                    raise SystemExit(f"{contender.name}, {condition.name}: {error}") from None
                failures.setdefault(condition.name, {})[contender.name] = str(error)
                print(f"{condition.name}, {contender.name}: {error}", flush=True)
                continue
            found.setdefault(contender.name, []).append(figures)
            shown = f" ({'; '.join(remarks)})" if remarks else ""
            print(f"{condition.name}, round {number + 1}, load {figures.load:.1f}: {contender.name}{shown}", flush=True)
    return {name: rounds for name, rounds in found.items() if name not in failures.get(condition.name, {})}


def print_table(condition: Condition, medians: Mapping[str, Figures], found: Mapping[str, Sequence[Figures]]) -> None:
    """Print the medians of each client, and how often each has run."""
    names = [name for name in COLUMNS if any(getattr(figures, name) is not None for figures in medians.values())]
    print(f"\n{condition.name}: medians; an error is what a client says minus what was")
    for line in (0, 1):
        print(f"{'':20}" + "".join(f"{COLUMNS[name][line]:>12}" for name in names) + f"{('', 'rounds')[line]:>8}")
    for client, figures in medians.items():
        values = [getattr(figures, name) for name in names]
        cells = [f"{'-' if v is None else f'{v:,.0f}' if abs(v) >= 1000 else f'{v:.2f}':>12}" for v in values]
        print(f"{client:20}" + "".join(cells) + f"{len(found[client]):>8}")


def find_versions(versions: Mapping[str, str]) -> dict[str, str]:
    """Return the versions of all that takes part, the machine's load and the date."""
    compiler = subprocess.run(["cc", "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]
    load = f"{os.getloadavg()[2]:.1f} of {os.cpu_count()} cores, 15 minutes"
    measured_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    here = {"python": platform.python_version(), "kernel": platform.release(), "cc": compiler}
    return {**versions, **here, "load": load, "measured_at": measured_at}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 when a goal is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [peer.name for peer in PEERS]
    parser.add_argument("--peers", nargs="*", choices=[*names, "all"], default=[VLLM], metavar="PEER", help=(
        f"clients to compare with (default {VLLM!r}): all, or some of {', '.join(names)}; their packages are installed"
    ))  # fmt: skip
    parser.add_argument("--conditions", nargs="*", choices=CONDITIONS, default=list(CONDITIONS), metavar="NAME", help=(
        f"what to measure (default all): {', '.join(CONDITIONS)}"
    ))  # fmt: skip
    parser.add_argument("--rounds", type=int, default=5, help="rounds of our client and of the floor (default 5)")
    parser.add_argument("--peer-rounds", type=int, default=2, help="rounds of each peer (default 2)")
    parser.add_argument("--start-rounds", type=int, default=5, help="plays that are timed (default 5; 0: none)")
    parser.add_argument("--traps", action="store_true", help="also ask all clients about servers that fail (minutes)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args(arguments)
    failures: Failures = {}
    contenders, versions = find_contenders(options.peers, failures)
    medians: dict[str, dict[str, Figures]] = {}
    rounds: dict[str, dict[str, list[Figures]]] = {}
    for name in options.conditions:
        found = measure_all(contenders, CONDITIONS[name], options.rounds, options.peer_rounds, failures)
        rounds[name], medians[name] = found, {client: median(each) for client, each in found.items()}
    goals = find_goals(medians)
    started: dict[str, Any] = {}
    if options.start_rounds:
        with tempfile.TemporaryDirectory(prefix="llmops-client-") as folder:
            started = measure_start(Path(folder), options.start_rounds)
        goals.append(Goal("first request through Ansible, above an empty play", started["above_seconds"], 1.0, "s"))
    traps = try_traps(contenders, failures) if options.traps else {}
    omission = measure_omission(contenders, failures) if options.traps else {}
    for name, found in rounds.items():
        print_table(CONDITIONS[name], medians[name], found)
    print_traps(traps)
    print_omission(omission)
    for place, words in failures.items():
        for client, word in words.items():
            print(f"\n{client}, {place}: {word}")
    print()
    if started:
        print("through Ansible: " + ", ".join(f"{name} {value}" for name, value in started.items()))
    print_goals(goals)
    found_versions = find_versions(versions)
    print("versions: " + ", ".join(f"{name}: {version}" for name, version in found_versions.items()))
    line = shlex.join(["python3", "-m", "benchmarks.client", *sys.argv[1:]])
    print(f"command: {line}")
    figures = {name: {who: [f.data() for f in each] for who, each in found.items()} for name, found in rounds.items()}
    told = {
        "command": line,
        "versions": found_versions,
        "figures": figures,
        "start": started,
        "traps": traps,
        "omission": omission,
    }
    save(options.json, {**told, "failures": failures, "goals": [goal.data() for goal in goals]})
    return 0 if all(goal.met for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
