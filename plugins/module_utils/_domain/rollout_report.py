# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plan of one release says: accepted with its steps and times, or refused with what would make it work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.board import Board
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import nearest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.label_selector import Requirement
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_choice import Own, Trial
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_data import Change, ReleasePlan
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.rollout_words import amount, few, figure
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.scheduling import PODS, find_obstacle
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.verdict import Result

__all__ = ["accept", "nothing_to_place", "refuse"]


def _per_pod(change: Change) -> int:
    return change.needs.requests.get(change.accelerator or "", 1)


def nothing_to_place(change: Change) -> ReleasePlan:
    """Return the plan of a release without replicas."""
    return ReleasePlan(
        name=change.name,
        namespace=change.namespace,
        kind="stop",
        strategy=change.usual if change.wish == "auto" else change.wish,
        verdict=Result.PASS,
        replicas=0,
        replicas_now=change.replicas_now or 0,
        accelerator=change.accelerator,
        per_pod=_per_pod(change),
        extra_at_peak=0,
        fits_now=0,
        steps=("no pod is wanted",),
        start=change.start,
    )


def _is_silent(change: Change, kind: str, strategy: str) -> bool:
    """Whether nobody answers for a while."""
    return kind == "roll" and (strategy == "recreate" or (strategy == "in_place" and change.replicas == 1))


def _steps(change: Change, kind: str, trial: Trial, count: int, old: int) -> tuple[str, ...]:
    start = f"about {change.start.seconds} s"
    if kind != "roll":
        return (f"{count} new pods start side by side ({start})",) if count > 0 else ("pods leave",)
    if trial.strategy == "recreate":
        return (f"{old} old pods leave (up to {change.grace_seconds} s)", f"{count} new pods start together ({start})")
    turn = (f"1 new pod starts beside {old} old ones ({start})", f"1 old pod leaves (up to {change.grace_seconds} s)")
    turn = turn if trial.strategy == "surge" else (turn[1], f"1 new pod starts in its place ({start})")
    return (*turn, f"and so on, {count} new pods in all") if count > 1 else turn


def _seconds(change: Change, kind: str, trial: Trial, count: int) -> tuple[int, int]:
    """Return the expected and the longest time until the last new pod serves."""
    if count <= 0:
        return 0, 0
    if kind != "roll":
        return change.start.seconds, change.budget_seconds
    if trial.strategy == "recreate":
        return change.start.seconds + change.grace_seconds, change.budget_seconds + change.grace_seconds
    # A new pod without a free place waits until an old one has left.
    free = sum(trial.outlook.places_now.values()) if trial.strategy == "surge" else 0
    leaving = max(0, count - free) * change.grace_seconds
    return count * change.start.seconds + leaving, count * change.budget_seconds + leaving


def accept(
    change: Change,
    own: Own,
    kind: str,
    trial: Trial,
    verdict: Result,
    risks: tuple[str, ...],
    rivals: Sequence[ReleasePlan],
    places: Mapping[str, int],
) -> ReleasePlan:
    """Return the plan of a change that can be made."""
    per_pod, count = _per_pod(change), change.replicas - len(own.placed)
    before = sum(each.pod.requests.get(change.accelerator or "", 1) for each in own.every if each.pod.node is not None)
    growth = max(0, change.replicas * per_pod - before)
    expected, longest = _seconds(change, kind, trial, count)
    silent = _is_silent(change, kind, trial.strategy)
    if silent:
        risks = (*risks, f"nobody answers for about {expected} s, at most {longest} s")
    return ReleasePlan(
        name=change.name,
        namespace=change.namespace,
        kind=kind,
        strategy=trial.strategy,
        verdict=verdict,
        replicas=change.replicas,
        replicas_now=change.replicas_now or 0,
        accelerator=change.accelerator,
        per_pod=per_pod,
        extra_at_peak=growth + (per_pod if kind == "roll" and trial.strategy == "surge" else 0),
        fits_now=sum(trial.outlook.places_now.values()),
        risks=risks,
        steps=_steps(change, kind, trial, count, len(own.old)),
        places=places,
        displaced=tuple(f"{each.pod.namespace}/{each.pod.name}" for each in trial.displaced),
        waits_for=tuple(each.name for each in rivals),
        waits_seconds=sum(each.seconds_max for each in rivals),
        start=change.start,
        seconds_expected=expected,
        seconds_max=longest,
        silent_seconds=expected if silent else 0,
    )


def refuse(
    change: Change, own: Own, kind: str, trial: Trial, tried: Sequence[Trial], board: Board, risks: tuple[str, ...]
) -> ReleasePlan:
    """Return the plan of a change that can only hang, with the reason and the ways out."""
    if trial.trouble is not None:
        reasons: tuple[str, ...] = (trial.trouble,)
    elif trial.finding.quota:
        reasons = (f"{trial.finding.quota} leaves room for {_short(change, own, kind, trial)}",)
    else:
        reasons = (f"nodes have room for {_short(change, own, kind, trial)}", *_describe_nodes(change, board, trial))
    return ReleasePlan(
        name=change.name,
        namespace=change.namespace,
        kind=kind,
        strategy=trial.strategy,
        verdict=Result.FAIL,
        replicas=change.replicas,
        replicas_now=change.replicas_now or 0,
        accelerator=change.accelerator,
        per_pod=_per_pod(change),
        extra_at_peak=0,
        fits_now=sum(trial.outlook.places_now.values()),
        reasons=reasons,
        remedies=tuple(_remedies(change, own, kind, trial, tried, board)),
        risks=risks,
        start=change.start,
    )


def _short(change: Change, own: Own, kind: str, trial: Trial) -> str:
    """Return what is short, and when."""
    finding = trial.finding
    asks = few([amount(name, number) for name, number in sorted(change.needs.requests.items()) if name != PODS])
    wanted = f"{finding.have} of the {change.replicas - len(own.placed)} new pods that are wanted"
    if kind == "roll" and finding.left:
        wanted = (
            f"{finding.have} new pods while {finding.left} old ones serve, and {trial.strategy} needs {finding.need}"
        )
    return f"{wanted}; each asks for {asks or 'a place'}"


def _describe_nodes(change: Change, board: Board, trial: Trial) -> list[str]:
    """Return what nodes lack, those first that lack the least, and what keeps the pods from the other nodes."""
    lacking = []
    for number in trial.outlook.nodes:
        if trial.outlook.places_now.get(number, 0) > 0:
            continue
        free, node = board.free[number], board.nodes[number]
        short = [
            (
                asked - free.get(name, 0),
                f"{amount(name, max(0, free.get(name, 0)))} free of {figure(name, node.allocatable.get(name, 0))}",
            )
            for name, asked in change.needs.requests.items()
            if free.get(name, 0) < asked
        ]
        words = "; ".join(text for _gap, text in short) or "its pods may not share a node, or its ports are taken"
        lacking.append((sum(gap for gap, _text in short), f"node {node.name}: {words}"))
    found = [text for _gap, text in sorted(lacking)]
    reasons = Counter(find_obstacle(node, change.needs) for node in board.nodes)
    others = [f"{count} of {len(board.nodes)} nodes: {why}" for why, count in reasons.most_common() if why is not None]
    shunned = len(board.eligible(change.needs)) - len(trial.outlook.nodes)
    if shunned > 0:
        others.append(f"{shunned} of {len(board.nodes)} nodes: pod affinity or anti-affinity, or an own pod is there")
    return [each for each in (few(found), few(others)) if each]


def _remedies(change: Change, own: Own, kind: str, trial: Trial, tried: Sequence[Trial], board: Board) -> list[str]:
    ways = []
    for other in tried:
        if other.verdict is Result.PASS and other.strategy != trial.strategy:
            ways.append(_switch(change, kind, other, change.replicas - len(own.placed)))
    if trial.trouble is not None:
        return [*ways, *_volume_ways(trial, board)]
    if trial.finding.quota:
        return [*ways, f"raise {trial.finding.quota}"]
    ways += _label_ways(change, board)
    most = min(change.replicas, len(own.placed) + sum(trial.outlook.places_then.values()))
    if trial.outlook.rules is None and 0 < most < change.replicas:
        ways.append(f"replicas: {most}, which is what fits")
    ways += _freeing(change, board, trial)
    taints = [why for why in (find_obstacle(node, change.needs) for node in board.nodes) if why and "taint" in why]
    if taints:
        ways.append(f"placement.tolerations, where the pods may go to nodes with it ({taints[0]})")
    return [*ways, "nodes_may_grow: true, where an autoscaler adds such nodes"]


def _switch(change: Change, kind: str, other: Trial, count: int) -> str:
    expected, longest = _seconds(change, kind, other, count)
    cost = "one replica fewer serves while each new pod starts"
    if _is_silent(change, kind, other.strategy):
        cost = f"nobody answers for about {expected} s, at most {longest} s"
    return f"rollout.strategy: {other.strategy} ({cost})"


def _volume_ways(trial: Trial, board: Board) -> list[str]:
    home = next((board.nodes[i].name for i, places in sorted(trial.outlook.places_then.items()) if places > 0), None)
    pin = (
        [f"placement.node_selector: {{kubernetes.io/hostname: {home}}}, which keeps all pods on one node"]
        if home
        else []
    )
    return ["a volume with access mode ReadWriteMany or ReadOnlyMany", *pin]


def _label_ways(change: Change, board: Board) -> list[str]:
    """Return what is known of labels that no node carries."""
    terms = [each for term in change.needs.node_terms or () for each in term.labels]
    return [
        text
        for requirement in (*change.needs.node_selector, *terms)
        if requirement.operator == "In" and not any(requirement.is_met(node.labels) for node in board.nodes)
        for text in [_label_way(requirement, board)]
    ]


def _label_way(requirement: Requirement, board: Board) -> str:
    values = sorted({node.labels[requirement.key] for node in board.nodes if requirement.key in node.labels})
    if values:
        guess = nearest(requirement.values[0], values) if requirement.values else None
        return f"another label: no node carries {requirement}; {requirement.key} is {few(values)} here" + (
            f" (did you mean {guess}?)" if guess else ""
        )
    keys = sorted({key for node in board.nodes for key in node.labels})
    guess = nearest(requirement.key, keys)
    return f"another label: no node carries {requirement.key}" + (f" (did you mean {guess}?)" if guess else "")


def _freeing(change: Change, board: Board, trial: Trial) -> list[str]:
    """Return how much of the accelerator has to be freed on which node, the smallest amount first."""
    name, asked = change.accelerator, _per_pod(change)
    if name is None:
        return []
    gaps = [
        (asked - board.free[i].get(name, 0), board.nodes[i].name)
        for i in trial.outlook.nodes
        if board.nodes[i].allocatable.get(name, 0) >= asked > board.free[i].get(name, 0)
    ]
    return [f"free {gap} {name} on node {node}" for gap, node in sorted(gaps)[:1]]
