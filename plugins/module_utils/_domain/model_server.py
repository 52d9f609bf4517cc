# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model server as data: what the user wrote, parsed and checked once.

The values here are complete and consistent: every default is filled in, every unit is in the name, and nothing
refers to a cluster. ``parse_model_servers`` (``model_server_parse.py``) is the only maker; the renderers
(``manifests.py`` and its parts) are the only readers that know Kubernetes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

__all__ = [
    "ChatTemplate",
    "ConfigMapKey",
    "Container",
    "Drain",
    "Engine",
    "EngineVersion",
    "EnvValue",
    "FieldRef",
    "Model",
    "ModelServer",
    "ModelSource",
    "NetworkAccess",
    "Parallel",
    "Placement",
    "Probes",
    "Resources",
    "SecretKey",
    "Security",
    "Volume",
]


@dataclass(frozen=True)
class SecretKey:
    """A key of a Secret in the release's namespace; the value itself never passes through here."""

    secret: str
    key: str
    optional: bool = False


@dataclass(frozen=True)
class ConfigMapKey:
    """A key of a ConfigMap in the release's namespace."""

    configmap: str
    key: str
    optional: bool = False


@dataclass(frozen=True)
class FieldRef:
    """A field of the pod by the downward API, such as ``status.podIP``."""

    field: str


EnvValue = Union[str, SecretKey, ConfigMapKey, FieldRef]


@dataclass(frozen=True, order=True)
class EngineVersion:
    """vLLM's version inside the image, comparable: ``0.18.0`` (a missing patch number is 0)."""

    major: int
    minor: int
    patch: int = 0

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True)
class ModelSource:
    """Where the weights are: scheme ``hf``, ``pvc``, ``s3`` or ``volume``, and what follows ``://``.

    ``root`` is the repository (``Qwen/Qwen2.5-7B-Instruct``), the name of the claim, of the bucket or of one of the
    release's ``volumes``; ``path`` is the folder inside of it, without a leading slash (empty for ``hf``).
    """

    scheme: str
    root: str
    path: str = ""


@dataclass(frozen=True)
class ChatTemplate:
    """A chat template: the text itself, or a key of a ConfigMap (exactly one of the two is set)."""

    text: str | None = None
    configmap: ConfigMapKey | None = None


@dataclass(frozen=True)
class Model:
    """The model: source, pinned revision, the names that clients ask for (the first is the one gates use).

    ``cache_claim`` names a PersistentVolumeClaim that keeps what is downloaded from the hub, for all pods.
    """

    source: ModelSource
    served_names: tuple[str, ...]
    revision: str | None = None
    token: SecretKey | None = None
    credentials_secret: str | None = None
    cache_claim: str | None = None
    chat_template: ChatTemplate | None = None
    quantization: str | None = None
    size_gib: float | None = None


@dataclass(frozen=True)
class Engine:
    """The engine's image and how it is called.

    ``args`` are pairs of a flag's long name with underscores and its value as the user wrote it (str, int, float, bool,
    mapping or list), in the user's order; ``engine_args.render_args`` makes the words of the command line.
    ``pull_policy`` is None for the computed default.
    """

    image: str
    version: EngineVersion
    digest: str | None = None
    command: tuple[str, ...] = ("vllm", "serve")
    args: tuple[tuple[str, Any], ...] = ()
    env: tuple[tuple[str, EnvValue], ...] = ()
    port: int = 8000
    api_key: SecretKey | None = None
    tls_secret: str | None = None
    pull_policy: str | None = None
    pull_secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parallel:
    """How one replica is spread over GPUs of one node: GPUs of a pod = tensor x pipeline x data."""

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    expert: bool = False

    @property
    def gpus(self) -> int:
        """GPUs that one pod needs."""
        return self.tensor * self.pipeline * self.data


@dataclass(frozen=True)
class Resources:
    """What a pod asks for; quantities as Kubernetes writes them, ``shm_bytes`` None for the computed size.

    ``accelerator`` is the extended resource's name (``nvidia.com/gpu``, ``amd.com/gpu``, ``nvidia.com/mig-1g.10gb``),
    None for CPU only. ``requests`` and ``limits`` hold cpu, memory, ephemeral-storage and further extended resources.
    """

    accelerator: str | None = "nvidia.com/gpu"
    requests: tuple[tuple[str, str], ...] = ()
    limits: tuple[tuple[str, str], ...] = ()
    shm_bytes: int | None = None


@dataclass(frozen=True)
class Placement:
    """Where pods may run; ``tolerations`` and ``affinity`` are Kubernetes' own structures, checked for shape only.

    ``preferred_*`` are wished for, the rest is required; ``dedicated`` tolerates the taint of ``node_pool``.
    ``spread`` is ``hostname``, ``zone`` or ``none``, over the release's own pods, hard if ``spread_is_required``.
    ``anti_affinity`` keeps its pods apart by ``anti_affinity_by``: ``none``, ``preferred`` or ``required``.
    """

    gpu_products: tuple[str, ...] = ()
    preferred_gpu_products: tuple[str, ...] = ()
    node_pool: str | None = None
    dedicated: bool = False
    node_selector: tuple[tuple[str, str], ...] = ()
    preferred_node_labels: tuple[tuple[str, str], ...] = ()
    affinity: dict[str, Any] | None = None
    tolerations: tuple[dict[str, Any], ...] = ()
    spread: str = "hostname"
    spread_is_required: bool = False
    anti_affinity: str = "none"
    anti_affinity_by: str = "hostname"
    priority_class: str | None = None
    runtime_class: str | None = None


@dataclass(frozen=True)
class Probes:
    """Times of the three probes, in seconds; ``startup_seconds_max`` None for the budget computed from the size."""

    path: str = "/health"
    startup_seconds_max: int | None = None
    startup_period_seconds: int = 5
    readiness_period_seconds: int = 5
    readiness_timeout_seconds: int = 5
    readiness_failures: int = 3
    liveness_period_seconds: int = 30
    liveness_timeout_seconds: int = 30
    liveness_failures: int = 6


@dataclass(frozen=True)
class Drain:
    """How a pod leaves, in seconds; ``drain.py`` does the sums.

    ``endpoint_seconds`` is how long the pod still serves while the data path learns that it leaves (preStop);
    ``stream_seconds_max`` the longest stream that must finish; ``grace_seconds`` None for the computed grace period.
    ``middleware`` None: on where the engine's version has what it needs.
    """

    stream_seconds_max: int = 120
    endpoint_seconds: int = 15
    grace_seconds: int | None = None
    middleware: bool | None = None


@dataclass(frozen=True)
class Security:
    """The pod's security profile: ``restricted``, ``restricted_rdma`` (adds IPC_LOCK) or ``openshift`` (no fixed UID).

    ``service_account`` None: the release's own, without a token.
    """

    profile: str = "restricted"
    run_as_user: int = 65532
    fs_group: int | None = None
    service_account: str | None = None


@dataclass(frozen=True)
class Volume:
    """A named extra volume and where the engine mounts it.

    ``kind`` is ``pvc``, ``configmap``, ``secret``, ``csi`` or ``empty_dir``; ``source`` the object's name, or
    Kubernetes' own structure for ``csi`` and ``empty_dir``.
    """

    name: str
    kind: str
    source: Any
    mount: str
    read_only: bool = True
    sub_path: str | None = None


@dataclass(frozen=True)
class Container:
    """A named extra container (init, native sidecar or sidecar), as Kubernetes writes it, with checked fields."""

    name: str
    spec: dict[str, Any]


@dataclass(frozen=True)
class NetworkAccess:
    """Who may reach the server's port: Kubernetes' own NetworkPolicyPeer structures; ``enabled`` False renders none.

    Pods of the same namespace may always; ``ingress_from`` adds gateways, Prometheus and the like.
    """

    enabled: bool = True
    ingress_from: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class ModelServer:
    """One release: everything that ``manifests.render_objects`` needs to know."""

    name: str
    namespace: str
    model: Model
    engine: Engine
    parallel: Parallel = Parallel()
    replicas: int = 1
    resources: Resources = Resources()
    placement: Placement = Placement()
    probes: Probes = Probes()
    drain: Drain = Drain()
    security: Security = Security()
    network: NetworkAccess = NetworkAccess()
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    volumes: tuple[Volume, ...] = ()
    sidecars: tuple[Container, ...] = ()
    init: tuple[Container, ...] = ()
    rollout_strategy: str = "auto"
    warmup_requests: int = 0
    create_namespace: bool = False
    patches: tuple[dict[str, Any], ...] = ()
    # Nothing of these two is in the cluster: they are for whoever measures the release.
    slo: Mapping[str, float] = field(default_factory=dict)
    benchmark: Mapping[str, Any] = field(default_factory=dict)
