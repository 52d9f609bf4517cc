# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connections to an API server: kept open, as many as there are requests at a time."""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import urlsplit

with contextlib.suppress(ImportError):  # it comes with the kubernetes package, whose absence `connect` reports first
    import urllib3
    from kubernetes.client.rest import should_bypass_proxies

__all__ = ["open_pool"]


def open_pool(configuration: Any, connections: int) -> Any:
    """Return a pool of so many connections with the certificates of a configuration; nothing is connected yet."""
    settings: dict[str, Any] = {"num_pools": 2, "maxsize": connections}
    if urlsplit(configuration.host).scheme == "https":
        settings["cert_reqs"] = "CERT_REQUIRED" if configuration.verify_ssl else "CERT_NONE"
        settings["ca_certs"] = configuration.ssl_ca_cert
        settings["cert_file"] = configuration.cert_file
        settings["key_file"] = configuration.key_file
        if getattr(configuration, "tls_server_name", None):
            settings["server_hostname"] = configuration.tls_server_name
        if not configuration.verify_ssl:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    if configuration.proxy and not should_bypass_proxies(configuration.host, no_proxy=configuration.no_proxy or ""):
        return urllib3.ProxyManager(configuration.proxy, **settings)
    return urllib3.PoolManager(**settings)
