# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to reach and to convince an API server: the ``kubernetes`` client reads all forms of configuration.

Order, as in kubernetes.core: explicit options (with their ``K8S_AUTH_*`` variables), else the service account of the
pod that this runs in, else the default kubeconfig.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError

try:
    import kubernetes
    import yaml
    from kubernetes import config as kubernetes_config
except ImportError as error:
    _IMPORT_ERROR: ImportError | None = error
else:
    _IMPORT_ERROR = None

__all__ = ["Connection", "connect"]

# 36.0.0 sends no Authorization header at all.
_BROKEN_VERSIONS = ("36.0.0",)


@dataclass(frozen=True)
class Connection:
    """One API server and one identity; ``origin`` says in words where they come from.

    ``server`` is kept apart, because the client sets the configuration's own host anew whenever it renews a token.
    """

    configuration: Any = field(repr=False)
    server: str
    origin: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    # Each is a header of its own: the API server does not split one at commas.
    impersonated_groups: tuple[str, ...] = ()

    def authorization(self) -> dict[str, str]:
        """Return the headers that carry the identity; tokens are read again where they rotate."""
        headers = dict(self.headers)
        # The client's own table: the name under which it keeps the token has changed in 37.0.0.
        token = (self.configuration.auth_settings().get("BearerToken") or {}).get("value")
        if token and "Authorization" not in headers:
            headers["Authorization"] = token
        return headers


def connect(options: Mapping[str, Any]) -> Connection:
    """Return the connection that module options describe; ClusterError says what is missing."""
    if _IMPORT_ERROR is not None:
        raise ClusterError(
            f"The Python package kubernetes cannot be imported ({_IMPORT_ERROR}); install it where this task runs: "
            "pip install 'kubernetes>=29.0.0,!=36.0.0'"
        )
    if kubernetes.__version__ in _BROKEN_VERSIONS:
        raise ClusterError(
            f"The Python package kubernetes {kubernetes.__version__} sends requests without credentials; install "
            "another version: pip install 'kubernetes>=29.0.0,!=36.0.0'"
        )
    configuration = kubernetes.client.Configuration()
    # Our own client retries by its table; urllib3 must not do it behind its back.
    configuration.retries = False
    origin = _load(configuration, options)
    _override(configuration, options)
    if not configuration.host:
        raise _unusable("it names no API server (clusters[].cluster.server)", options)
    _check_files(configuration, origin)
    groups = tuple(str(group) for group in options.get("impersonate_groups") or ())
    return Connection(configuration, configuration.host.rstrip("/"), origin, _headers(options), groups)


def _load(configuration: Any, options: Mapping[str, Any]) -> str:
    kubeconfig, context, host = options.get("kubeconfig"), options.get("context"), options.get("host")
    try:
        if isinstance(kubeconfig, Mapping):
            kubernetes_config.load_kube_config_from_dict(
                dict(kubeconfig), context=context, client_configuration=configuration, persist_config=False
            )
            return "the given kubeconfig"
        if kubeconfig or context:
            _load_file(configuration, kubeconfig, context)
            return f"kubeconfig {kubeconfig or 'of the user'}" + (f", context {context}" if context else "")
        if host:
            configuration.host = host
            return "the option host"
        try:
            kubernetes_config.load_incluster_config(client_configuration=configuration)
        except kubernetes_config.ConfigException:
            _load_file(configuration, None, None)
            return "kubeconfig of the user"
        return "the service account of this pod"
    # What is no kubeconfig at all makes the loader stumble in one of the other ways.
    except (kubernetes_config.ConfigException, OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise _unusable(str(error).rstrip("."), options) from error


def _unusable(reason: str, options: Mapping[str, Any]) -> ClusterError:
    kubeconfig, context = options.get("kubeconfig"), options.get("context")
    file = kubeconfig if isinstance(kubeconfig, str) else None
    named = f"kubeconfig {file}" if file else "the given kubeconfig" if kubeconfig else "the user's kubeconfig"
    return ClusterError(
        f"There is no usable connection to a cluster in {named}{f', context {context}' if context else ''}: {reason}. "
        "Set kubeconfig (and context), or host and api_key, "
        "or the variables K8S_AUTH_KUBECONFIG, K8S_AUTH_HOST and K8S_AUTH_API_KEY",
        {"kubeconfig": file, "context": context},
    )


def _load_file(configuration: Any, path: str | None, context: str | None) -> None:
    kubernetes_config.load_kube_config(
        config_file=path, context=context, client_configuration=configuration, persist_config=False
    )


def _override(configuration: Any, options: Mapping[str, Any]) -> None:
    names = {
        "host": "host",
        "validate_certs": "verify_ssl",
        "ca_cert": "ssl_ca_cert",
        "client_cert": "cert_file",
        "client_key": "key_file",
        "proxy": "proxy",
        "no_proxy": "no_proxy",
    }
    for option, attribute in names.items():
        if options.get(option) is not None:
            setattr(configuration, attribute, options[option])
    if options.get("api_key"):
        configuration.api_key = {"authorization": f"Bearer {options['api_key']}"}
        configuration.api_key_prefix = {}
        configuration.refresh_api_key_hook = None


def _check_files(configuration: Any, origin: str) -> None:
    """Refuse files of certificates that cannot be read: while a connection is made that looks like a broken one."""
    names = {"ssl_ca_cert": "ca_cert", "cert_file": "client_cert", "key_file": "client_key"}
    for attribute, option in names.items():
        path = getattr(configuration, attribute)
        if path and configuration.host.startswith("https:"):
            try:
                with open(path, "rb"):
                    pass
            except OSError as error:
                raise ClusterError(
                    f"No connection can be made to the API server {configuration.host} ({origin}): {option} {path} "
                    f"cannot be read: {error.strerror}. Correct its path, or who may read it"
                ) from error


def _headers(options: Mapping[str, Any]) -> dict[str, str]:
    headers = {}
    if options.get("username") and options.get("password"):
        pair = f"{options['username']}:{options['password']}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
    if options.get("impersonate_user"):
        headers["Impersonate-User"] = str(options["impersonate_user"])
    return headers
