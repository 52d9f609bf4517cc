# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models, GPUs and settings for the tests of the fit, and what public sources state about them.

``data/models.json`` holds the facts of models' ``config.json`` that matter here, with the size that the checkpoint
declares and where that stands; ``data/measurements.json`` what vLLM has logged, with the issue or page that shows it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.engine_args import parse_version
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fit_values import (
    Amount,
    GpuFacts,
    ModelFacts,
    Settings,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_config import parse_model_config
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import GIB

DATA = Path(__file__).parent / "data"
MODELS: Mapping[str, Mapping[str, Any]] = json.loads((DATA / "models.json").read_text(encoding="utf-8"))
MEASUREMENTS: Mapping[str, list[dict[str, Any]]] = json.loads((DATA / "measurements.json").read_text(encoding="utf-8"))
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
DEEPSEEK = "deepseek-ai/DeepSeek-V3"
GPT_OSS = "openai/gpt-oss-20b"


def config(name: str = LLAMA, **changes: Any) -> dict[str, Any]:
    """Return the facts of a model's config.json with changes; None takes a key away."""
    changed = {**copy.deepcopy(MODELS[name]["config"]), **changes}
    return {key: value for key, value in changed.items() if value is not None}


def model(name: str = LLAMA, template: bool | None = True, **changes: Any) -> ModelFacts:
    """Return a parsed model."""
    return parse_model_config(config(name, **changes), name, chat_template=template)


def gpu(gib: float, **changes: Any) -> GpuFacts:
    """Return an Ampere card of which a process sees exactly so much."""
    facts = GpuFacts(int(gib * GIB), Amount.computed(gib * GIB, "measured"), compute_capability=(8, 6))
    return replace(facts, **changes)


def settings(version: str | None = "0.32.0", **changes: Any) -> Settings:
    """Return settings of a version of vLLM."""
    return replace(Settings(engine_version=parse_version(version) if version else None), **changes)
