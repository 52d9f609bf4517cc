# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known about an engine's version, and how ``engine.args`` become words of the command line.

The facts stand in ``vllm_flags.py``, ``vllm_choices.py`` and ``vllm_environment.py``. One unknown flag ends vLLM before
it loads anything (exit code 2), so every argument is checked before a pod is touched. For a version that is newer than
the facts, what they do not know is a warning instead of an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import nearest, shown
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import EngineVersion, ModelServer
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.vllm_choices import CHOICES
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.vllm_environment import VARIABLES
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.vllm_flags import FLAGS, VERSIONS

__all__ = [
    "ENGINE_READY_TIMEOUT_SINCE",
    "NEWEST",
    "OLDEST",
    "OWNED_ARGS",
    "PLAIN_SWITCHES",
    "SHUTDOWN_TIMEOUT_SINCE",
    "Finding",
    "check_arg",
    "check_choice",
    "check_meaning",
    "check_variable",
    "parse_version",
    "render_args",
    "render_value",
]

# First versions of what the renderer uses (read from vLLM's sources).
SHUTDOWN_TIMEOUT_SINCE = EngineVersion(0, 18, 0)
ENGINE_READY_TIMEOUT_SINCE = EngineVersion(0, 14, 0)

# Arguments that the collection renders itself, and where the user says them instead.
OWNED_ARGS: Mapping[str, str] = {
    "api-key": "Use engine.api_key with a Secret: arguments can be read by everybody who sees the pod.",
    "chat-template": "Use model.chat_template.",
    "data-parallel-size": "Use parallel.data.",
    "enable-expert-parallel": "Use parallel.expert.",
    "grpc": "The probes, the gates and the Service speak HTTP, which this flag turns off.",
    "headless": "Engines that span nodes are not supported yet.",
    "hf-token": "Use model.token with a Secret: arguments can be read by everybody who sees the pod.",
    "host": "The server listens on all addresses of its pod.",
    "lora-modules": "Use model.adapters.",
    "middleware": "The drain middleware is set by drain.middleware; add others with patches.",
    "model": "Use model.source.",
    "nnodes": "Engines that span nodes are not supported yet.",
    "pipeline-parallel-size": "Use parallel.pipeline.",
    "port": "Use engine.port, which the Service and the probes follow.",
    "quantization": "Use model.quantization.",
    "revision": "Use model.revision.",
    "served-model-name": "Use model.served_name.",
    "shutdown-timeout": "Use drain.stream_seconds_max, which the grace period follows.",
    "ssl-certfile": "Use engine.tls.",
    "ssl-keyfile": "Use engine.tls.",
    "tensor-parallel-size": "Use parallel.tensor.",
    "uds": "The probes, the gates and the Service speak TCP.",
}

# What to write instead of a flag that is gone; the others are just left out.
_REPLACEMENTS = {
    "cuda-graph-sizes": "cudagraph_capture_sizes",
    "disable-log-requests": "nothing (requests are not logged unless enable_log_requests is true)",
    "guided-decoding-backend": "structured_outputs_config",
    "max-seq-len-to-capture": "compilation_config",
    "override-pooler-config": "pooler_config",
    "rope-scaling": "hf_overrides",
    "rope-theta": "hf_overrides",
    "swap-space": "kv_offloading_size",
    "task": "runner and convert",
}

# These read one JSON list; every other list is written as words behind the flag.
_JSON_LISTS = frozenset({"allowed-origins", "allowed-methods", "allowed-headers"})
# Switches without a negative: argparse's store_true, off unless written, so false is nothing. Those of vLLM 0.32.0 (its
# parser was asked), then those of the server's own options before 0.10.1, which have a negative since.
PLAIN_SWITCHES = frozenset(
    {
        "aggregate-engine-logging",
        "data-parallel-multi-port-external-lb",
        "disable-log-stats",
        "allow-credentials",
        "disable-fastapi-docs",
        "disable-frontend-multiprocessing",
        "disable-log-requests",
        "disable-uvicorn-access-log",
        "enable-auto-tool-choice",
        "enable-prompt-tokens-details",
        "enable-request-id-headers",
        "enable-server-load-tracking",
        "enable-ssl-refresh",
        "return-tokens-as-token-ids",
    }
)

# Values that make another kind of server than the rest of the collection counts on: flag, values that do not, and why.
_ONE_PER_POD = "GPUs of a pod are counted as tensor x pipeline x data. Leave it out."
_COMPLETIONS_ONLY = "The gates ask for completions, which such a server does not answer. Leave it out."
_REFUSED_VALUES: Mapping[str, tuple[tuple[str, ...], str, str]] = {
    "prefill-context-parallel-size": (("1",), "more than 1 is not supported yet", _ONE_PER_POD),
    "runner": (("auto", "generate"), "pooling models are not supported yet", _COMPLETIONS_ONLY),
    "convert": (("auto", "none"), "pooling models are not supported yet", _COMPLETIONS_ONLY),
    "task": (("auto", "generate"), "pooling models are not supported yet", _COMPLETIONS_ONLY),
    "disable-log-stats": (
        ("false",),
        "takes away the counters that the health gate reads",
        "Leave it out; disable_uvicorn_access_log makes the log shorter.",
    ),
}
_VERSION = re.compile(r"^v?(\d+)\.(\d+)(?:\.(\d+)(?:\.\d+)?)?(?:[.+-]?(?:post|rc|dev|cpu|cu|rocm).*)?$")


@dataclass(frozen=True)
class Finding:
    """What is wrong with one argument; ``certain`` is False where the facts end before the version.

    ``elsewhere`` tells that other versions know the name, so that it is no variable of a plug-in.
    """

    message: str
    hint: str | None = None
    certain: bool = True
    elsewhere: bool = False


def parse_version(text: str) -> EngineVersion:
    """Return a version; ValueError where the text is none (``0.18``, ``v0.18.1`` and ``0.18.1.post1`` are)."""
    match = _VERSION.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a version of vLLM such as 0.18.0")
    return EngineVersion(int(match[1]), int(match[2]), int(match[3] or 0))


OLDEST = parse_version(VERSIONS.split()[0])
NEWEST = parse_version(VERSIONS.split()[-1])


@cache
def _table(text: str) -> dict[str, tuple[tuple[str | None, str | None], ...]]:
    """Return the ranges (since, removed in) of every name in a table of facts."""
    table: dict[str, tuple[tuple[str | None, str | None], ...]] = {}
    for line in text.split("\n"):
        words = line.split()
        if words:
            since = words[1] if len(words) > 1 and words[1] != "-" else None
            removed = words[2] if len(words) > 2 else None
            table[words[0]] = (*table.get(words[0], ()), (since, removed))
    return table


def _missing_in(ranges: Sequence[tuple[str | None, str | None]], version: EngineVersion) -> str | None:
    """Return why a name is not there in a version (``first in 0.18.0``), or None when it is."""
    reason = None
    for since, removed in ranges:
        if since is not None and version < parse_version(since):
            reason = f"exists from {since}"
        elif removed is not None and version >= parse_version(removed):
            reason = f"was removed in {removed}"
        else:
            return None
    return reason


def check_arg(name: str, version: EngineVersion) -> Finding | None:
    """Return what is wrong with a flag (dashes or underscores) for a version, or None."""
    flag = name.replace("_", "-")
    if flag in OWNED_ARGS:
        return Finding("is set by the collection", OWNED_ARGS[flag])
    table = _table(FLAGS)
    # "no-x" is the negative of a switch, dots reach into a JSON option (--speculative-config.method)
    known = flag.split(".")[0]
    if known not in table and known.startswith("no-") and known[3:] in table:
        return Finding("is the negative of a switch", f"Write {known[3:].replace('-', '_')}: false.")
    if known not in table:
        guess = nearest(known, [each for each in table if _missing_in(table[each], version) is None])
        hint = f"Did you mean {guess.replace('-', '_')}?" if guess else f"See `vllm serve --help` of {version}."
        return Finding(f"vLLM {version} does not know the argument --{flag}", hint, certain=version <= NEWEST)
    reason = _missing_in(table[known], version)
    if reason is None:
        return None
    instead = _REPLACEMENTS.get(known)
    hint = f"Use {instead} instead." if instead else "Leave it out, or change engine.image and engine.version."
    return Finding(f"vLLM {version} does not know the argument --{flag}: it {reason}", hint)


def check_choice(flag: str, value: str, version: EngineVersion) -> Finding | None:
    """Return what is wrong with a value of ``quantization`` or ``kv_cache_dtype`` for a version, or None."""
    table = _table(CHOICES[flag])
    if value not in table:
        guess = nearest(value, list(table))
        return Finding(
            f"vLLM {version} does not know {flag} {value}",
            f"Did you mean {guess}?" if guess else "Leave it out: the checkpoint's own configuration decides.",
            certain=version <= NEWEST,
        )
    reason = _missing_in(table[value], version)
    return Finding(f"vLLM {version} does not know {flag} {value}: it {reason}") if reason else None


def check_variable(name: str, version: EngineVersion) -> Finding | None:
    """Return what is wrong with a ``VLLM_*`` variable for a version, or None; a wrong one is ignored by the engine."""
    if not name.startswith("VLLM_"):
        return None
    table = _table(VARIABLES)
    if name[5:] not in table:
        guess = nearest(name[5:], list(table))
        hint = f"Did you mean VLLM_{guess}?" if guess else None
        return Finding(f"vLLM {version} does not read the variable {name}", hint, certain=version <= NEWEST)
    reason = _missing_in(table[name[5:]], version)
    return Finding(f"vLLM {version} does not read the variable {name}: it {reason}", elsewhere=True) if reason else None


def check_meaning(name: str, value: Any) -> Finding | None:
    """Return why a value of a known flag cannot work with the rest of the collection, or None."""
    allowed, message, hint = _REFUSED_VALUES.get(name.replace("_", "-"), ((), "", ""))
    text = render_value(value)
    return Finding(message, hint) if allowed and value is not None and text not in allowed else None


def render_value(value: Any) -> str:
    """Return one word of the command line: text as it is (``$(VAR)`` untouched), structures as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _render_arg(name: str, value: Any) -> tuple[str, ...]:
    flag = name.replace("_", "-")
    if value is None:
        return ()
    if isinstance(value, bool):
        return (f"--{flag}",) if value else () if flag in PLAIN_SWITCHES else (f"--no-{flag}",)
    if isinstance(value, (list, tuple)) and flag not in _JSON_LISTS:
        return (f"--{flag}", *(render_value(item) for item in value))
    if isinstance(value, (str, int, float, list, tuple, dict)):
        return (f"--{flag}", render_value(value))
    raise TypeError(f"engine.args.{name}: {shown(value)} has no form on a command line")


def render_args(server: ModelServer) -> tuple[str, ...]:
    """Return the words of the user's ``engine.args``, in the user's order."""
    return tuple(word for name, value in server.engine.args for word in _render_arg(name, value))
