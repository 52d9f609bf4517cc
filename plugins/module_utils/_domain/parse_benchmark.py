# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a release that say how it is measured (``benchmark``) and what it must show then (``slo``).

Both are kept as they were written, for ``serving_benchmark`` and ``benchmark_gate``; nothing in the cluster depends on
them. They are checked by the parsers of those two, so that there is one truth about what they may hold.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.reader import SettingsError
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.settings import parse_settings
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.benchmark_spec import ANY_URL
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.criteria import find_contradictions, parse_slo
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import Problem

__all__ = ["DEFAULT_PHASES", "parse_benchmark_sections"]

# Eight users at once for a minute: enough answers for a p95 of most models, and no strain for any.
DEFAULT_PHASES = ({"name": "steady", "load": {"kind": "closed", "concurrency": 8}, "stop": {"duration_seconds": 60}},)
_KEYS = (
    "phases",
    "sweep",
    "workload",
    "request",
    "endpoint",
    "stream",
    "warmup_requests",
    "request_slo",
    "limits",
    "client",
)


def parse_benchmark_sections(fields: Fields) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the limits, and the options of ``serving_benchmark`` with a load in any case; problems are recorded."""
    slo, section = fields.nested("slo").whole(), fields.nested("benchmark")
    settings = {key: section.raw(key) for key in _KEYS if section.has(key)}
    section.finish()
    found: list[Problem] = []
    criteria = parse_slo(slo, found)
    found += find_contradictions(criteria)
    if any(each.name.startswith("goodput") for each in criteria) and not settings.get("request_slo"):
        hint = "Write benchmark.request_slo, which says what a good request is."
        found.append(Problem("slo", "a limit of the goodput can never be met: it is not measured", hint=hint))
    if not settings.get("phases") and not settings.get("sweep"):
        settings["phases"] = [dict(phase) for phase in DEFAULT_PHASES]
    if not found:
        # What the client would not take is told by the client, in its own words.
        try:
            parse_settings({**settings, "slo": slo, "targets": [{"url": ANY_URL, "model": "any"}]})
        except SettingsError as error:
            found += [
                Problem(path if path.startswith("slo") else f"benchmark.{path}", text) for path, text in error.problems
            ]
    fields.problems += [
        Problem(f"{fields.path}.{each.path}", each.message, each.value, each.allowed, each.hint) for each in found
    ]
    return slo, settings
