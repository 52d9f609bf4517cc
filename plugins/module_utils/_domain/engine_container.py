# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's container: command line, environment, resources, mounts, hooks."""

from __future__ import annotations

from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._domain import engine_args
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.drain import DRAIN_FILE, plan_drain
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import (
    ConfigMapKey,
    EnvValue,
    FieldRef,
    ModelServer,
    SecretKey,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.probes import plan_start, render_probes
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.security import render_container_security
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.units import GIB, MIB

__all__ = [
    "CACHE_PATH",
    "FILES_PATH",
    "HUB_PATH",
    "MODELS_PATH",
    "OPEN_MOUNTS",
    "OWNED_ENV",
    "SHM_PATH",
    "TEMPLATE_PATH",
    "TLS_PATH",
    "TMP_PATH",
    "own_mounts",
    "render_engine",
    "shm_bytes",
]

CACHE_PATH = "/var/cache/llmops"
# Beside the cache and not in it: it is another volume.
HUB_PATH = "/var/cache/llmops-hub"
FILES_PATH = "/etc/llmops"
MODELS_PATH = "/models"
TEMPLATE_PATH = "/etc/llmops-template"
TLS_PATH = "/etc/llmops-tls"
TMP_PATH = "/tmp"  # noqa: S108 - the pod's own
SHM_PATH = "/dev/shm"  # noqa: S108 - the pod's own
MIDDLEWARE = "llmops_drain.DrainMiddleware"
# vLLM's own limit for loading, whatever the startup probe allows.
_ENGINE_READY_TIMEOUT_SECONDS = 600

# Variables that carry a Secret or follow another key, and where the user says them instead.
OWNED_ENV = {
    "HF_TOKEN": "Use model.token.",
    "HUGGING_FACE_HUB_TOKEN": "Use model.token.",
    "VLLM_API_KEY": "Use engine.api_key.",
    "LLMOPS_DRAIN_FILE": "Use drain.middleware.",
}


# Empty folders that are the pod's own: others may be mounted inside.
OPEN_MOUNTS = (TMP_PATH, CACHE_PATH)


def own_mounts(server: ModelServer) -> tuple[str, ...]:
    """Return where the collection mounts volumes, or may do so after another change of the specification."""
    models = (MODELS_PATH,) if server.model.source.scheme == "pvc" else ()
    return (TMP_PATH, CACHE_PATH, HUB_PATH, SHM_PATH, FILES_PATH, TEMPLATE_PATH, TLS_PATH, *models)


def shm_bytes(server: ModelServer) -> int:
    """Return the size of /dev/shm: the user's, or 2 GiB per GPU of a group (at most 16 GiB), else 256 MiB.

    Even a single GPU needs some, because the API server and the engine are two processes. vLLM's Kubernetes guide takes
    2 to 8 GiB for tensor parallelism. The kernel counts what is written there against the memory limit.
    """
    if server.resources.shm_bytes is not None:
        return server.resources.shm_bytes
    gpus = server.parallel.gpus
    return 256 * MIB if gpus == 1 else min(2 * gpus, 16) * GIB


def _model_argument(server: ModelServer) -> str:
    source = server.model.source
    if source.scheme == "pvc":
        return f"{MODELS_PATH}/{source.path}".rstrip("/")
    if source.scheme == "volume":
        mount = next(volume.mount for volume in server.volumes if volume.name == source.root)
        return f"{mount}/{source.path}".rstrip("/")
    if source.scheme == "s3":
        return f"s3://{source.root}/{source.path}".rstrip("/")
    return source.root


def _model_args(server: ModelServer) -> list[str]:
    model = server.model
    words = [_model_argument(server), "--served-model-name", *model.served_names]
    if model.source.scheme == "hf" and model.revision is not None:
        words += ["--revision", model.revision]
    if model.source.scheme == "s3" and "load_format" not in dict(server.engine.args):
        words += ["--load-format", "runai_streamer"]
    if model.quantization is not None:
        words += ["--quantization", model.quantization]
    if model.chat_template is not None:
        folder = FILES_PATH if model.chat_template.text is not None else TEMPLATE_PATH
        words += ["--chat-template", f"{folder}/chat_template.jinja"]
    return words


def _server_args(server: ModelServer) -> list[str]:
    words = ["--host", "0.0.0.0", "--port", str(server.engine.port)]  # noqa: S104 - the pod's own addresses
    parallel = server.parallel
    for flag, size in (("tensor", parallel.tensor), ("pipeline", parallel.pipeline), ("data", parallel.data)):
        if size > 1:
            words += [f"--{flag}-parallel-size", str(size)]
    if parallel.expert:
        words.append("--enable-expert-parallel")
    if server.engine.tls_secret is not None:
        words += ["--ssl-certfile", f"{TLS_PATH}/tls.crt", "--ssl-keyfile", f"{TLS_PATH}/tls.key"]
    plan = plan_drain(server.drain, server.engine.version)
    if plan.shutdown_timeout_seconds is not None:
        words += ["--shutdown-timeout", str(plan.shutdown_timeout_seconds)]
    if plan.middleware:
        words += ["--middleware", MIDDLEWARE]
    return words


def _secret(name: str, key: str, *, optional: bool = False) -> dict[str, Any]:
    reference: dict[str, Any] = {"name": name, "key": key}
    if optional:
        reference["optional"] = True
    return {"valueFrom": {"secretKeyRef": reference}}


def _env_value(value: EnvValue) -> dict[str, Any]:
    if isinstance(value, SecretKey):
        return _secret(value.secret, value.key, optional=value.optional)
    if isinstance(value, ConfigMapKey):
        reference: dict[str, Any] = {"name": value.configmap, "key": value.key}
        if value.optional:
            reference["optional"] = True
        return {"valueFrom": {"configMapKeyRef": reference}}
    if isinstance(value, FieldRef):
        return {"valueFrom": {"fieldRef": {"fieldPath": value.field}}}
    return {"value": value}


def _computed_env(server: ModelServer) -> dict[str, dict[str, Any]]:
    """Return the variables that the collection sets; the user's own come after them and win."""
    env: dict[str, dict[str, Any]] = {
        # A user without a home and a read-only image: every cache that the engine's libraries know goes to one folder.
        "HOME": {"value": CACHE_PATH},
        "USER": {"value": "llmops"},
        **{
            name: {"value": f"{CACHE_PATH}/{folder}"}
            for name, folder in (
                ("XDG_CACHE_HOME", "xdg"),
                ("XDG_CONFIG_HOME", "config"),
                ("HF_HOME", "huggingface"),
                ("VLLM_CACHE_ROOT", "vllm"),
                ("VLLM_CONFIG_ROOT", "vllm-config"),
                ("TRITON_CACHE_DIR", "triton"),
                ("TORCHINDUCTOR_CACHE_DIR", "inductor"),
                ("NUMBA_CACHE_DIR", "numba"),
                ("OUTLINES_CACHE_DIR", "outlines"),
            )
        },
        "VLLM_NO_USAGE_STATS": {"value": "1"},
        "PYTHONDONTWRITEBYTECODE": {"value": "1"},
    }
    if server.model.source.scheme != "hf":
        env["HF_HUB_OFFLINE"] = {"value": "1"}
    if server.model.cache_claim is not None:
        # Only what the hub library guards with locks is shared; compiled code and modules of a model stay with the pod.
        env["HF_HUB_CACHE"] = {"value": HUB_PATH}
    budget = plan_start(server).seconds
    if budget > _ENGINE_READY_TIMEOUT_SECONDS and server.engine.version >= engine_args.ENGINE_READY_TIMEOUT_SINCE:
        env["VLLM_ENGINE_READY_TIMEOUT_S"] = {"value": str(budget)}
    if plan_drain(server.drain, server.engine.version).middleware:
        env["LLMOPS_DRAIN_FILE"] = {"value": DRAIN_FILE}
        env["PYTHONPATH"] = {"value": FILES_PATH}
    if server.model.token is not None:
        env["HF_TOKEN"] = _env_value(server.model.token)
    if server.engine.api_key is not None:
        env["VLLM_API_KEY"] = _env_value(server.engine.api_key)
    if server.model.credentials_secret is not None:
        for name, key in (("AWS_ACCESS_KEY_ID", "access_key_id"), ("AWS_SECRET_ACCESS_KEY", "secret_access_key")):
            env[name] = _secret(server.model.credentials_secret, key)
        env["AWS_ENDPOINT_URL"] = _secret(server.model.credentials_secret, "endpoint_url", optional=True)
    return env


def _env(server: ModelServer) -> list[dict[str, Any]]:
    env = _computed_env(server)
    for name, value in server.engine.env:
        rendered = _env_value(value)
        if name == "PYTHONPATH" and name in env and "value" in rendered:
            rendered = {"value": f"{env[name]['value']}:{rendered['value']}"}
        # The user's order counts for $(VAR), which sees only what stands before it.
        env.pop(name, None)
        env[name] = rendered
    return [{"name": name, **value} for name, value in env.items()]


def _resources(server: ModelServer) -> dict[str, Any]:
    requests, limits = dict(server.resources.requests), dict(server.resources.limits)
    if server.resources.accelerator is not None:
        # Extended resources cannot be overcommitted: request and limit are equal.
        requests[server.resources.accelerator] = limits[server.resources.accelerator] = str(server.parallel.gpus)
    return {name: value for name, value in (("requests", requests), ("limits", limits)) if value}


def _lifecycle(server: ModelServer) -> dict[str, Any] | None:
    plan = plan_drain(server.drain, server.engine.version)
    if plan.middleware:
        command = ["sh", "-c", f"touch {DRAIN_FILE} && sleep {plan.pre_stop_seconds}"]
    elif plan.pre_stop_seconds > 0:
        command = ["sleep", str(plan.pre_stop_seconds)]
    else:
        return None
    return {"preStop": {"exec": {"command": command}}}


def render_engine(server: ModelServer, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the engine's container with the given volume mounts."""
    engine = server.engine
    container: dict[str, Any] = {
        "name": "engine",
        "image": f"{engine.image}@{engine.digest}" if engine.digest else engine.image,
        "imagePullPolicy": engine.pull_policy or "IfNotPresent",
        "command": list(engine.command),
        "args": [*_model_args(server), *_server_args(server), *engine_args.render_args(server)],
        "env": _env(server),
        "ports": [{"name": "http", "containerPort": engine.port, "protocol": "TCP"}],
        "resources": _resources(server),
        "securityContext": render_container_security(server),
        "volumeMounts": mounts,
        **render_probes(server),
    }
    if lifecycle := _lifecycle(server):
        container["lifecycle"] = lifecycle
    return container
