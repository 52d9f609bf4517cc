# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of ``_options.cluster()``."""

from __future__ import annotations


class ModuleDocFragment:
    """How to reach the cluster."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of a kubeconfig file, or its content as a dictionary. Without it and without O(host), the service account
        of the pod that the task runs in is used, else the user's kubeconfig.
      - Tokens, passwords and keys inside of a dictionary are masked in results and logs.
      - Environment variable E(K8S_AUTH_KUBECONFIG).
    type: raw
  context:
    description: Context of the kubeconfig. Environment variable E(K8S_AUTH_CONTEXT).
    type: str
  host:
    description: Address of the API server. Environment variable E(K8S_AUTH_HOST).
    type: str
  api_key:
    description: Bearer token. Environment variable E(K8S_AUTH_API_KEY).
    type: str
  username:
    description: User name for servers behind basic authentication. Environment variable E(K8S_AUTH_USERNAME).
    type: str
  password:
    description: Password for servers behind basic authentication. Environment variable E(K8S_AUTH_PASSWORD).
    type: str
  validate_certs:
    description: Whether the API server's certificate must be valid. Environment variable E(K8S_AUTH_VERIFY_SSL).
    type: bool
    aliases: [verify_ssl]
  ca_cert:
    description: File with the certificate authority of the API server. Environment variable E(K8S_AUTH_SSL_CA_CERT).
    type: path
    aliases: [ssl_ca_cert]
  client_cert:
    description: File with a client certificate. Environment variable E(K8S_AUTH_CERT_FILE).
    type: path
    aliases: [cert_file]
  client_key:
    description: File with the key of the client certificate. Environment variable E(K8S_AUTH_KEY_FILE).
    type: path
    aliases: [key_file]
  proxy:
    description: Address of an HTTP proxy. Environment variable E(K8S_AUTH_PROXY).
    type: str
  no_proxy:
    description: Hosts reached without the proxy, separated by commas. Environment variable E(K8S_AUTH_NO_PROXY).
    type: str
  impersonate_user:
    description: User to act as. Environment variable E(K8S_AUTH_IMPERSONATE_USER).
    type: str
  impersonate_groups:
    description: Groups to act as. Environment variable E(K8S_AUTH_IMPERSONATE_GROUPS).
    type: list
    elements: str
  connect_timeout_seconds:
    description: Seconds within which a connection to the API server must stand, above zero.
    type: float
    default: 5.0
  read_timeout_seconds:
    description: Seconds within which the API server must go on answering, above zero.
    type: float
    default: 30.0
  deadline_seconds:
    description: >-
      Seconds, above zero, after which no request is tried again, and within which each of them must have its answer.
    type: float
    default: 120.0
"""
