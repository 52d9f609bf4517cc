# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary's state as JSON, as it is kept in the cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.canary_state import (
    CanaryPlan,
    CanaryState,
    Flip,
    Freeze,
    Identity,
    Intent,
    Judged,
    Phase,
    Render,
    Replicas,
    Scale,
    SetWeights,
    Weights,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result

__all__ = ["parse_canary", "render_canary"]

_INTENTS: Mapping[str, type] = {each.__name__: each for each in (Freeze, Render, Scale, SetWeights, Flip)}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value.value


def render_canary(state: CanaryState) -> str:
    """Return a state as JSON, equal for equal states."""
    data = asdict(state)
    if state.pending is not None:
        data["pending"] = {"intent": type(state.pending).__name__, **asdict(state.pending)}
    return json.dumps(data, sort_keys=True, separators=(",", ":"), default=_plain)


def parse_canary(text: str) -> CanaryState:
    """Return the state of a JSON text; ValueError where it is none."""
    try:
        return _state(json.loads(text))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"is no state of a canary: {type(error).__name__} {error}") from error


def _state(data: Mapping[str, Any]) -> CanaryState:
    plan, canary, verdict, pending = (data[name] for name in ("plan", "canary", "verdict", "pending"))
    return CanaryState(
        phase=Phase(data["phase"]),
        stable_slot=data["stable_slot"],
        weights=Weights(**data["weights"]),
        replicas=Replicas(**data["replicas"]),
        plan=CanaryPlan(**{**plan, "steps": tuple(plan["steps"])}),
        canary=Identity(**canary) if canary is not None else None,
        step=data["step"],
        since=_time(data["since"]) if data["since"] is not None else None,
        verdict=_verdict(verdict) if verdict is not None else None,
        pending=_intent(pending) if pending is not None else None,
        is_frozen=data["is_frozen"],
        is_dead=data["is_dead"],
        reason=data["reason"],
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _verdict(data: Mapping[str, Any]) -> Judged:
    times = {name: _time(data[name]) for name in ("started_at", "finished_at")}
    return Judged(**{**data, **times, "result": Result(data["result"]), "canary": Identity(**data["canary"])})


def _intent(data: Mapping[str, Any]) -> Intent:
    values = {name: value for name, value in data.items() if name != "intent"}
    if "canary" in values:
        values["canary"] = Identity(**values["canary"])
    if "weights" in values:
        values["weights"] = Weights(**values["weights"])
    intent: Intent = _INTENTS[data["intent"]](**values)
    return intent
