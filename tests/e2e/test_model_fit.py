# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sums of ``model_fit_info`` against what real vLLM logs about the tiny model."""

from __future__ import annotations

import re

from tests.e2e.releases import Places, RealServer
from tests.support.cluster import Cluster
from tests.support.playbooks import run_module

LOGGED = re.compile(
    r"KV cache size: ([\d,]+) tokens.*?Maximum concurrency for ([\d,]+) tokens per request: ([\d.]+)x", re.S
)
LOG_LINES = 1000


def test_the_cache_of_real_vllm_holds_as_many_tokens_and_requests_as_computed(
    real: RealServer, cluster: Cluster, places: Places
) -> None:
    log = cluster.log(real.namespace, real.pod, LOG_LINES)
    found = LOGGED.search(log)
    assert found is not None, f"vLLM logged no size of its cache:\n{log[-3000:]}"
    tokens, length, concurrency = found.groups()

    # The memory of the pod stands for that of a card; the size of the cache is set in the release.
    arguments = {"path": str(places.models / "tiny"), "model_server": dict(real.release), "gpu": {"memory_gib": 2}}
    fit = run_module("model_fit_info", arguments)
    assert fit["verdict"] == "fits", fit
    assert fit["max_model_len"] == int(length.replace(",", ""))
    assert fit["kv_cache"]["tokens"] == int(tokens.replace(",", ""))
    assert fit["kv_cache"]["concurrency"] == float(concurrency)
