# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the section ``resources``: what Kubernetes would refuse of it is refused before anything is written."""

from __future__ import annotations

from decimal import Decimal

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields, nearest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import Parallel, Resources
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import parse_bytes, parse_quantity

__all__ = ["parse_resources"]

_NATIVE = ("cpu", "memory", "ephemeral-storage")
_HUGE_PAGES = "hugepages-"

Quantities = dict[str, str]


def _is_exact(name: str) -> bool:
    """Whether request and limit of a resource must be equal: devices and huge pages cannot be overcommitted."""
    return "/" in name or name.startswith(_HUGE_PAGES)


def _amount(text: str) -> Decimal | None:
    try:
        return parse_quantity(text)
    except ValueError:
        return None


def _quantities(fields: Fields, key: str, accelerator: str | None) -> Quantities:
    pairs = fields.text_map(key)
    for name, value in pairs:
        amount = _amount(value)
        if accelerator is not None and name == accelerator:
            fields.problem(f"{key}.{name}", "is computed from parallel", hint="Leave it out.")
        elif name not in _NATIVE and not _is_exact(name):
            guess = nearest(name, _NATIVE)
            allowed = f"{', '.join(_NATIVE)}, hugepages-SIZE, or a device such as rdma/hca"
            hint = f"Did you mean {guess}?" if guess else "Write a device with the domain of its vendor."
            fields.problem(f"{key}.{name}", "Kubernetes knows no such resource", allowed=allowed, hint=hint)
        elif amount is None:
            fields.problem(f"{key}.{name}", "is no quantity", value, "a Kubernetes quantity such as 500m, 2, 16Gi")
        elif amount <= 0:
            fields.problem(f"{key}.{name}", "must be more than zero", value)
        elif "/" in name and amount != amount.to_integral_value():
            fields.problem(f"{key}.{name}", "devices are counted in whole numbers", value)
    return dict(pairs)


def _fit(fields: Fields, requests: Quantities, limits: Quantities) -> tuple[Quantities, Quantities]:
    """Return both with devices and huge pages written into each; report a request that its limit does not allow."""
    for name in sorted(requests.keys() & limits.keys()):
        request, limit = _amount(requests[name]), _amount(limits[name])
        if request is None or limit is None:
            continue  # told already
        if _is_exact(name) and request != limit:
            hint = "Leave it out of resources.requests: the limit is taken over."
            fields.problem(f"requests.{name}", "must equal its limit", requests[name], limits[name], hint)
        elif request > limit:
            fields.problem(
                f"requests.{name}",
                "is more than its limit",
                requests[name],
                f"up to {limits[name]}",
                f"Raise resources.limits.{name}, or ask for less.",
            )
    exact = {name: value for name, value in {**requests, **limits}.items() if _is_exact(name)}
    return {**requests, **exact}, {**limits, **exact}


def _accelerator(fields: Fields) -> str | None:
    accelerator = fields.text("accelerator", "nvidia.com/gpu")
    if accelerator == "none":
        return None
    if "/" not in accelerator:
        fields.problem("accelerator", "is no extended resource", accelerator, "none, nvidia.com/gpu, amd.com/gpu, ...")
    return accelerator


def parse_resources(fields: Fields, parallel: Parallel) -> Resources:
    """Return the section ``resources``; the number of GPUs follows ``parallel``."""
    accelerator = _accelerator(fields)
    gpus = fields.integer("gpus", parallel.gpus, minimum=0)
    wanted = parallel.gpus if accelerator is not None else 0
    if fields.has("gpus") and gpus != wanted:
        fields.problem(
            "gpus",
            f"does not fit parallel: tensor {parallel.tensor} x pipeline {parallel.pipeline} x data {parallel.data} = "
            f"{parallel.gpus} GPUs of {accelerator}"
            if accelerator
            else "no accelerator is asked for",
            gpus,
            str(wanted),
            "Leave resources.gpus out, or change parallel.",
        )
    requests, limits = _fit(
        fields, _quantities(fields, "requests", accelerator), _quantities(fields, "limits", accelerator)
    )
    shm: int | None = None
    if fields.has("shm"):
        try:
            shm = parse_bytes(str(fields.raw("shm")))
        except ValueError as error:
            fields.problem("shm", str(error), fields.raw("shm"))
    fields.finish()
    return Resources(accelerator, tuple(sorted(requests.items())), tuple(sorted(limits.items())), shm)
