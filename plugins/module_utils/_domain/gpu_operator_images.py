# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images the values of the GPU Operator's chart need, and the values that take them from another registry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import merge_defaults
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.gpu_operator_values import NFD, Chart

__all__ = ["find_images", "find_pod_images", "redirect"]

# Sections that only virtual machines with GPUs need.
_SANDBOX = (
    "vgpuManager",
    "vgpuDeviceManager",
    "vfioManager",
    "sandboxDevicePlugin",
    "kataSandboxDevicePlugin",
    "kataManager",
    "ccManager",
)
# Images of which there is one for each operating system; its name is appended to the tag, such as -ubuntu22.04.
_BY_SYSTEM = ("driver", "gds", "gdrcopy", "vgpuManager")
_PARTS = ("manager", "driverManager", "initContainer")
_DIGEST = "sha256:"


def _registry(repository: str) -> str:
    """Return the registry's part of a repository; empty where it has none."""
    first, slash, _rest = repository.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def redirect(chart: Chart, user: Mapping[str, Any], registry: str) -> dict[str, Any]:
    """Return the user's values with every image from ``registry``, which may have a path; his own repositories stay."""
    return merge_defaults(_redirected(chart.values, registry.rstrip("/")), user)


def _redirected(values: Mapping[str, Any], registry: str) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            if below := _redirected(value, registry):
                changed[key] = below
        elif key == "repository" and isinstance(value, str) and value:
            host = _registry(value)
            changed[key] = f"{registry}/{value[len(host) + 1 :] if host else value}"
    return changed


def _reference(section: Mapping[str, Any], default: str) -> str:
    version = str(section.get("version") or default)
    name = "/".join(str(section[part]) for part in ("repository", "image") if section.get(part))
    return f"{name}@{version}" if version.startswith(_DIGEST) else f"{name}:{version}"


def _is_wanted(values: Mapping[str, Any], name: str, section: Mapping[str, Any]) -> bool:
    if section.get("enabled") is False:
        return False
    if name in _SANDBOX:
        return bool((values.get("sandboxWorkloads") or {}).get("enabled"))
    if name == "draDriver":
        return bool((values.get("gpuCluster") or {}).get("deployCR"))
    return True


def _sections(values: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, section in values.items():
        if not isinstance(section, Mapping) or not _is_wanted(values, name, section):
            continue
        if section.get("image"):
            yield name, section
        for part in _PARTS:
            if isinstance(section.get(part), Mapping) and section[part].get("image"):
                yield f"{name}.{part}", section[part]


def find_images(chart: Chart, overrides: Mapping[str, Any], systems: Sequence[str] = ()) -> list[str]:
    """Return the images that these values need, sorted; of drivers one for each of ``systems`` (``ubuntu22.04``).

    Without ``systems`` such an image is named with ``-<system>`` at its end, as each node completes it.
    """
    values = merge_defaults(chart.values, overrides)
    found = set()
    for name, section in _sections(values):
        if name == NFD:
            continue
        reference = _reference(section, chart.app_version)
        if name in _BY_SYSTEM and "@" not in reference:
            found |= {f"{reference}-{system}" for system in systems or ("<system>",)}
        else:
            found.add(reference)
    if (values.get("nfd") or {}).get("enabled") is not False:
        image = (values.get(NFD) or {}).get("image") or {}
        if isinstance(image, Mapping) and image.get("repository"):
            found.add(f"{image['repository']}:{image.get('tag') or chart.nfd_version}")
    return sorted(found)


def find_pod_images(items: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the images of rendered objects that have pods, hooks among them."""
    found = set()
    for item in items:
        pod = ((item.get("spec") or {}).get("template") or {}).get("spec") or {}
        for container in (*(pod.get("initContainers") or ()), *(pod.get("containers") or ())):
            if container.get("image"):
                found.add(str(container["image"]))
    return sorted(found)
