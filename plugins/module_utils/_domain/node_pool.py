# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of nodes as the user writes them: which nodes, and the labels, annotations and taints that they are to have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.cluster_state import Taint
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.label_rules import (
    KEY_ALLOWED,
    VALUE_ALLOWED,
    is_label_key,
    is_label_value,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.label_selector import (
    Requirement,
    parse_label_selector,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.labels import RESERVED_PREFIXES
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.placement import NODE_POOL
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError, Problem

__all__ = ["EFFECTS", "NO_EXECUTE", "PATH", "NodePool", "NodeSelector", "parse_node_pools"]

PATH = "pools"
NO_EXECUTE = "NoExecute"
# https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
EFFECTS = ("NoSchedule", "PreferNoSchedule", NO_EXECUTE)
# Kubernetes, its cloud controllers and NFD speak through these; https://kubernetes.io/docs/reference/labels-annotations-taints/
_PROTECTED = ("kubernetes.io", "k8s.io")
_CRITERIA = ("names", "label_selector", "gpu_products", "instance_types")
_NO_ACCELERATOR = "none"


@dataclass(frozen=True)
class NodeSelector:
    """Which nodes: those that meet every criterion that is given; ``names`` and the like are alternatives."""

    names: frozenset[str] = frozenset()
    requirements: tuple[Requirement, ...] = ()
    gpu_products: tuple[str, ...] = ()
    instance_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodePool:
    """A pool; its own label is among ``labels``. ``accelerator`` is the resource whose nodes these are, or None."""

    name: str
    selector: NodeSelector = NodeSelector()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    accelerator: str | None = None
    present: bool = True
    allow_empty: bool = False


def _check_key(fields: Fields, path: str, key: str) -> None:
    domain = key.rpartition("/")[0]
    if domain in _PROTECTED or domain.endswith(tuple(f".{each}" for each in _PROTECTED)):
        fields.problem(path, "is Kubernetes' own", key, hint="Use a prefix of your own, or none.")
    elif key.startswith(RESERVED_PREFIXES):
        fields.problem(path, "is set by the collection", key, hint="Use a prefix of your own.")
    elif not is_label_key(key):
        fields.problem(path, f"is no name of a label ({len(key)} characters)", key, KEY_ALLOWED)


def _pairs(fields: Fields, section: str) -> dict[str, str]:
    pairs = dict(fields.text_map(section))
    for key, value in pairs.items():
        _check_key(fields, f"{section}.{key}", key)
        if section == "labels" and not is_label_value(value):
            message = f"is no value of a label ({len(value)} characters)"
            fields.problem(f"{section}.{key}", message, value, VALUE_ALLOWED)
    return pairs


def _taints(fields: Fields) -> tuple[Taint, ...]:
    taints: dict[tuple[str, str], Taint] = {}
    for index, each in enumerate(fields.list_of_fields("taints")):
        key = each.required_text("key", "A taint has a key, an effect, and a value if you like.")
        value = "" if each.raw("value") == "" else each.text("value", "")
        effect = each.text("effect", "", choices=EFFECTS)
        if not each.has("effect"):
            each.problem("effect", "is required", allowed=", ".join(EFFECTS))
        each.finish()
        if key:
            _check_key(each, "key", key)
        if not is_label_value(value):
            each.problem("value", f"is no value of a taint ({len(value)} characters)", value, VALUE_ALLOWED)
        if (key, effect) in taints:
            fields.problem(f"taints[{index}]", "is there twice", f"{key}:{effect}", "one value per key and effect")
        taints[key, effect] = Taint(key, effect, value)
    return tuple(taints.values())


def _selector(fields: Fields, *, needed: bool) -> NodeSelector:
    if needed and not any(fields.raw(key) for key in _CRITERIA):
        hint = "Nodes must meet all criteria that are given."
        fields.problems.append(Problem(fields.path, "says no nodes", allowed=", ".join(_CRITERIA), hint=hint))
    text = fields.text("label_selector", None)
    requirements: tuple[Requirement, ...] = ()
    if text is not None:
        try:
            requirements = parse_label_selector(text)
        except ValueError as error:
            fields.problem("label_selector", str(error), text, "such as a=b,c in (d,e),!f")
    selector = NodeSelector(
        frozenset(fields.texts("names")), requirements, fields.texts("gpu_products"), fields.texts("instance_types")
    )
    fields.finish()
    return selector


def _pool(value: Any, index: int, problems: list[Problem]) -> NodePool:
    fields = Fields(value, f"{PATH}[{index}]", problems)
    name = fields.required_text("name", f"It becomes the value of the label {NODE_POOL}.")
    if name:
        fields.path = f"{PATH}[{name}]"
        if not is_label_value(name):
            fields.problem("name", f"is no value of a label ({len(name)} characters)", name, VALUE_ALLOWED)
    present = fields.text("state", "present", choices=("present", "absent")) == "present"
    accelerator = fields.text("accelerator", "nvidia.com/gpu")
    pool = NodePool(
        name=name,
        selector=_selector(fields.nested("selector"), needed=present),
        labels={**_pairs(fields, "labels"), NODE_POOL: name},
        annotations=_pairs(fields, "annotations"),
        taints=_taints(fields),
        accelerator=None if accelerator == _NO_ACCELERATOR else accelerator,
        present=present,
        allow_empty=bool(fields.boolean("allow_empty", False)),
    )
    fields.finish()
    return pool


def parse_node_pools(pools: Sequence[Any]) -> tuple[NodePool, ...]:
    """Return the pools; raises InputError with every problem of all of them."""
    problems: list[Problem] = []
    if not pools:
        problems.append(Problem(PATH, "is empty", hint="To remove what a pool has set, list it with state: absent."))
    parsed = tuple(_pool(value, index, problems) for index, value in enumerate(pools))
    names = [pool.name for pool in parsed if pool.name]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(Problem(f"{PATH}[{name}]", "is there more than once", str(names.count(name)), "one"))
    if problems:
        raise InputError(problems)
    return parsed
