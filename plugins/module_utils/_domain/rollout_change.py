# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a release's rendered Deployment, its live one and its pods to the change that is planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import pod_requests
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.drain import plan_drain
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.manifests import plan_strategy
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import ModelServer
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.pod_state import parse_time
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probes import estimate_start, plan_start
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_data import Change, StartTime
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_need import (
    find_kept_strategy,
    find_revision,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import Needs

__all__ = ["describe_change", "find_start_time"]


def find_start_time(server: ModelServer, pods: Sequence[Mapping[str, Any]]) -> StartTime:
    """Return the time that a pod takes from its node to its first answer: measured on pods that serve, or estimated."""
    seconds = sorted(each for each in map(_measure, pods) if each is not None)
    if seconds:
        return StartTime(round(median(seconds)), f"measured on {len(seconds)} pods that serve", is_measured=True)
    estimate = estimate_start(server)
    return StartTime(estimate.seconds, f"estimated from {estimate.computed_from}")


def _measure(pod: Mapping[str, Any]) -> float | None:
    status = pod.get("status") or {}
    times = {
        each["type"]: parse_time(each.get("lastTransitionTime"))
        for each in status.get("conditions") or ()
        if each.get("status") == "True"
    }
    # After a restart, ready means something else than the first start.
    restarted = any(each.get("restartCount") for each in status.get("containerStatuses") or ())
    begin, end = times.get("PodScheduled"), times.get("Ready")
    if restarted or begin is None or end is None:
        return None
    return (end - begin).total_seconds()


def describe_change(
    server: ModelServer,
    wanted: Mapping[str, Any],
    live: Mapping[str, Any] | None,
    needs: Needs,
    pods: Sequence[Mapping[str, Any]],
) -> Change:
    """Return the change from the ``live`` Deployment to the ``wanted`` one; ``pods`` are the slot's own."""
    template, accelerator = wanted["spec"]["template"], server.resources.accelerator
    asks = pod_requests(template["spec"])
    return Change(
        name=server.name,
        namespace=server.namespace,
        needs=needs,
        replicas=server.replicas,
        revision=find_revision(wanted),
        pod_labels=wanted["spec"]["selector"]["matchLabels"],
        wish=server.rollout_strategy,
        usual=find_kept_strategy(server, live) or plan_strategy(server),
        # Patches may have taken it away.
        accelerator=accelerator if accelerator in asks else None,
        priority_class=template["spec"].get("priorityClassName"),
        replicas_now=int(live["spec"].get("replicas") or 0) if live is not None else None,
        changes_template=live is not None and find_revision(live) != find_revision(wanted),
        start=find_start_time(server, pods),
        budget_seconds=plan_start(server).seconds,
        grace_seconds=plan_drain(server.drain, server.engine.version).grace_seconds,
    )
