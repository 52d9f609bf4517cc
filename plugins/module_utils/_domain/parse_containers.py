# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading extra volumes and containers of a model server's pods."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.engine_container import OPEN_MOUNTS
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.fields import Fields
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import Container, Volume
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.parse_engine import parse_image
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.parse_pod import is_dns_label
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.patched import plain_secrets
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.security import find_privileges

__all__ = ["check_mounts", "parse_containers", "parse_volumes"]

_OWN_VOLUMES = ("tmp", "cache", "hub", "shm", "model", "files", "chat-template", "tls")
# Whole folders of the image or the kernel: a container does not start, or finds its programs no more, without them.
_SYSTEM_FOLDERS = ("/proc", "/sys", "/dev", "/etc", "/usr", "/bin", "/lib", "/lib64", "/sbin", "/var")
_VOLUME_KINDS = ("pvc", "configmap", "secret", "csi", "empty_dir")
# Fields of a container, so that a misspelt one is told with the nearest: the API server is not asked when manifests are
# only rendered. https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Container
_CONTAINER_FIELDS = (
    "args",
    "command",
    "env",
    "envFrom",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "resizePolicy",
    "resources",
    "restartPolicy",
    "restartPolicyRules",
    "securityContext",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
)


def _parse_volume(fields: Fields) -> Volume | None:
    name = fields.required_text("name", "Name the volume.")
    mount = fields.required_text("mount", "Say where the engine mounts it.")
    kinds = [kind for kind in _VOLUME_KINDS if fields.raw(kind) is not None]
    if name and (not is_dns_label(name) or name in _OWN_VOLUMES):
        fields.problem("name", "is no free name of a volume", name, f"a DNS label other than {', '.join(_OWN_VOLUMES)}")
    if mount and (not mount.startswith("/") or ":" in mount or not mount.strip("/")):
        fields.problem("mount", "must be an absolute path", mount, "a folder below /, without a colon")
    if len(kinds) != 1:
        fields.problem_here("a volume has exactly one source", sorted(fields.keys()), ", ".join(_VOLUME_KINDS))
        return None
    kind = kinds[0]
    by_name = kind in ("pvc", "configmap", "secret")
    source = fields.text(kind, "") if by_name else fields.raw(kind)
    if not by_name and not isinstance(source, dict):
        fields.problem(kind, "expected a mapping", source)
    volume = Volume(
        name=name,
        kind=kind,
        source=source,
        # As the pod sees it, so that comparing texts compares places.
        mount=f"/{posixpath.normpath(mount).lstrip('/')}",
        read_only=bool(fields.boolean("read_only", kind != "empty_dir")),
        sub_path=fields.text("sub_path", None),
    )
    fields.finish()
    return volume


def parse_volumes(holder: Fields) -> tuple[Volume, ...]:
    """Return the extra volumes; names and mount points must differ."""
    volumes = [volume for item in holder.list_of_fields("volumes") if (volume := _parse_volume(item)) is not None]
    for kind in ("name", "mount"):
        values = [getattr(volume, kind) for volume in volumes]
        for value in sorted({each for each in values if values.count(each) > 1}):
            holder.problem("volumes", f"two volumes have the same {kind}", value)
    return tuple(volumes)


def _hides(mount: str, folder: str) -> bool:
    """Whether a mount takes the place of a folder, or of one above it."""
    return f"{folder}/".startswith(f"{mount}/")


def _collides(mount: str, own: str) -> bool:
    return _hides(mount, own) or (own not in OPEN_MOUNTS and _hides(own, mount))


def check_mounts(holder: Fields, volumes: Sequence[Volume], own: Sequence[str]) -> None:
    """Report volumes that would hide what the collection mounts itself at ``own``, or what the kernel or image needs.

    Inside of a folder that is the pod's own and empty another may be mounted; the others have no place for it.
    """
    for volume in volumes:
        system = next((path for path in _SYSTEM_FOLDERS if _hides(volume.mount, path)), None)
        if system is not None:
            hint = "Mount it at a folder inside, or elsewhere."
            holder.problem(f"volumes[{volume.name}].mount", f"would hide {system}", volume.mount, hint=hint)
            continue
        taken = next((path for path in own if _collides(volume.mount, path)), None)
        if taken is not None:
            holder.problem(
                f"volumes[{volume.name}].mount",
                f"{taken} is mounted by the collection",
                volume.mount,
                f"a folder outside of {', '.join(own)}",
                "Mount it elsewhere, and name that place in engine.args or engine.env.",
            )


def _check_ports(fields: Fields) -> None:
    for port in fields.list_of_fields("ports"):
        port.integer("containerPort", None, minimum=1, maximum=65535)
        if not port.has("containerPort"):
            port.problem("containerPort", "is required", hint="Say the number of the port.")
        elif isinstance(port.raw("containerPort"), (str, float)):
            port.problem(
                "containerPort", "expected a whole number", port.raw("containerPort"), hint="Leave the quotes out."
            )
        port.text("protocol", "TCP", choices=("TCP", "UDP", "SCTP"))
        for field in ("hostIP", "hostPort"):
            if port.has(field):
                port.problem(
                    field,
                    "takes a port of the node, which Pod Security restricted does not allow",
                    hint="Leave it out: Services and peers reach the containerPort.",
                )
        port.raw("name")
        port.finish()


def _parse_container(fields: Fields) -> Container:
    spec = fields.whole()
    name = fields.required_text("name", "Name the container.")
    if name and (not is_dns_label(name) or name == "engine"):
        fields.problem("name", "is no free name of a container", name, "a DNS label other than engine")
    parse_image(fields, "image")
    _check_ports(fields)
    fields.nested("securityContext")  # tells when it is no mapping
    context = spec.get("securityContext")
    for privilege in find_privileges(context) if isinstance(context, Mapping) else ():
        fields.problem(
            f"securityContext.{privilege}",
            "is more than Pod Security restricted lets a container have",
            hint="Leave it out; if it must be, add the container with patches.",
        )
    for variable in plain_secrets(spec):
        fields.problem(
            f"env.{variable}",
            "looks like a secret and must not stand in the inventory",
            hint="Refer to a Secret of the namespace: valueFrom: {secretKeyRef: {name: NAME, key: KEY}}.",
        )
    for field in _CONTAINER_FIELDS:
        fields.raw(field)
    fields.finish()
    return Container(name, spec)


def parse_containers(holder: Fields, key: str, taken: Sequence[Container] = ()) -> tuple[Container, ...]:
    """Return sidecars or init containers as Kubernetes writes them; their names differ, also from those ``taken``."""
    containers = [_parse_container(fields) for fields in holder.list_of_fields(key)]
    names = [container.name for container in (*taken, *containers)]
    for name in sorted({each.name for each in containers if each.name and names.count(each.name) > 1}):
        holder.problem(key, "two containers have the same name", name, hint="Give one of them another name.")
    return tuple(containers)
