# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What deserves a word although it is allowed: what a release costs, risks or takes for granted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import engine_args, labels
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.drain import (
    KEEP_ALIVE_SECONDS,
    KEEP_ALIVE_VARIABLE,
    plan_drain,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import plan_strategy
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.patched import find_host_access
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pod import sample_template
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probes import plan_start

__all__ = ["find_notices"]


def _engine_notices(server: ModelServer) -> Iterator[str]:
    version, engine = server.engine.version, server.engine
    if version > engine_args.NEWEST:
        yield f"vLLM {version} is newer than what is known here ({engine_args.NEWEST}): arguments are not checked"
    if engine.digest is None and "@" not in engine.image:
        yield f"engine.image {engine.image} is pinned by its tag only; engine.digest pins the content"
    if dict(engine.args).get("trust_remote_code"):
        yield "engine.args.trust_remote_code runs code of the model's repository inside of the engine"
    for name, _value in engine.env:
        finding = engine_args.check_variable(name, version)
        if finding is not None and finding.certain:
            yield finding.message


def _keep_alive_seconds(server: ModelServer) -> int:
    """Return for how long the engine keeps an idle connection; one behind a gateway is often told to keep it longer."""
    value = dict(server.engine.env).get(KEEP_ALIVE_VARIABLE)
    return int(value) if isinstance(value, str) and value.isdecimal() else KEEP_ALIVE_SECONDS


def _drain_notices(server: ModelServer) -> Iterator[str]:
    plan, keep_alive = plan_drain(server.drain, server.engine.version), _keep_alive_seconds(server)
    yield from plan.notes
    if plan.middleware and plan.pre_stop_seconds <= keep_alive:
        yield (
            f"drain.endpoint_seconds {server.drain.endpoint_seconds} is not more than the {keep_alive} s for which the "
            "engine keeps an idle connection: a client may ask on one that is about to end"
        )


def _rollout_notices(server: ModelServer, planned: str | None) -> Iterator[str]:
    start, strategy, replicas = plan_start(server), planned or plan_strategy(server), server.replicas
    silence = f"nobody answers while a new revision loads, for up to {start.seconds} s (the start budget)"
    if start.is_assumed:
        yield f"the start budget of {start.seconds} s is computed from {start.computed_from}"
    if strategy == "recreate" and replicas > 0:
        yield f"{'one replica' if replicas == 1 else f'{replicas} replicas'} with strategy recreate: {silence}"
    if strategy == "in_place" and replicas == 1:
        yield f"one replica with strategy in_place: {silence}"
    if (
        planned is None
        and server.rollout_strategy == "auto"
        and strategy == "surge"
        and server.resources.accelerator
        and replicas == 1
    ):
        yield (
            f"one replica is replaced by surge, which needs {server.parallel.gpus} more free "
            f"{server.resources.accelerator} until the new pod serves; without them the roll-out waits, and "
            "rollout.strategy recreate is the way"
        )


def _model_notices(server: ModelServer) -> Iterator[str]:
    model = server.model
    if model.source.scheme == "hf" and server.replicas > 1 and model.cache_claim is None:
        yield (
            f"each of {server.replicas} replicas downloads the weights by itself, and again when its pod is replaced "
            "(model.cache: {pvc: NAME} keeps them)"
        )


def _template_notices(server: ModelServer) -> Iterator[str]:
    if server.patches:
        for each in find_host_access(sample_template(server, labels.SLOTS[0])):
            yield f"patches open the node to the pod ({each}); Pod Security restricted refuses that"


def find_notices(
    servers: Sequence[ModelServer], planned: Mapping[tuple[str, str], str] | None = None
) -> tuple[str, ...]:
    """Return what deserves a word although it is allowed, each with the release's name.

    ``planned`` holds the strategies that a roll-out plan has chosen or that are kept, by namespace and name.
    """
    parts = (_drain_notices, _engine_notices, _model_notices, _template_notices)
    found = [(server, note) for server in servers for part in parts for note in part(server)]
    for server in servers:
        strategy = (planned or {}).get((server.namespace, server.name))
        found += [(server, note) for note in _rollout_notices(server, strategy)]
    return tuple(f"{server.name}: {note}" for server, note in found)
