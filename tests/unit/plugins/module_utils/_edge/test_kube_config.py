# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every form of configuration ends in one address and one identity, or in words that say what is missing."""

from __future__ import annotations

import base64
import datetime as dt
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import kubernetes
import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge import kube_config
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.kube_config import connect
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError

from tests.support.tls import make_certificate

LIMITS = {"connect_timeout_seconds": 5.0, "read_timeout_seconds": 5.0, "deadline_seconds": 5.0}


def kubeconfig(server: str = "https://192.0.2.1:6443", **user: Any) -> dict[str, Any]:
    """Return a kubeconfig with two contexts, the second of which is another cluster."""
    contexts = [{"name": name, "context": {"cluster": name, "user": "someone"}} for name in ("production", "staging")]
    clusters = [
        {"name": "production", "cluster": {"server": server}},
        {"name": "staging", "cluster": {"server": "https://192.0.2.2:6443"}},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "production",
        "contexts": contexts,
        "clusters": clusters,
        "users": [{"name": "someone", "user": user or {"token": "from-the-file"}}],
    }


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let there be neither a kubeconfig of the user nor a service account, whatever machine this runs on."""
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "home" / "config"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a kubeconfig file."""
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(kubeconfig()), encoding="utf-8")
    return path


class Seen(ThreadingHTTPServer):
    """An API server that has nothing, and remembers the headers of what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.headers: list[Any] = []

        class Handler(BaseHTTPRequestHandler):
            server: Seen

            def do_GET(self) -> None:
                self.server.headers.append(self.headers)
                body = json.dumps({"kind": "Status", "message": "not found", "code": 404}).encode()
                self.send_response(404)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                """Keep the tests' output clean."""

        super().__init__(("127.0.0.1", 0), Handler)


@contextmanager
def serving() -> Iterator[Seen]:
    """Run an API server until the block ends."""
    server = Seen()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sent(options: dict[str, Any]) -> Any:
    """Return the headers that really reach an API server."""
    with serving() as server:
        client = open_cluster({**LIMITS, "host": f"http://127.0.0.1:{server.server_address[1]}", **options})
        assert client.get("Namespace", None, "llm") is None
        client._pool.clear()
    return server.headers[0]


# Where the API server is


def test_a_kubeconfig_file_gives_its_current_context(file):
    connection = connect({"kubeconfig": str(file)})
    assert connection.server == "https://192.0.2.1:6443"
    assert connection.origin == f"kubeconfig {file}"
    assert connection.authorization() == {"Authorization": "Bearer from-the-file"}


def test_another_context_can_be_named(file):
    connection = connect({"kubeconfig": str(file), "context": "staging"})
    assert connection.server == "https://192.0.2.2:6443"
    assert connection.origin == f"kubeconfig {file}, context staging"


def test_a_kubeconfig_may_be_given_as_a_dictionary_or_below_the_home_folder(file, monkeypatch):
    assert connect({"kubeconfig": kubeconfig()}).server == "https://192.0.2.1:6443"
    monkeypatch.setenv("HOME", str(file.parent))
    assert connect({"kubeconfig": "~/kubeconfig"}).server == "https://192.0.2.1:6443"


def test_the_users_kubeconfig_is_taken_where_nothing_is_named(file, monkeypatch):
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    connection = connect({})
    assert (connection.server, connection.origin) == ("https://192.0.2.1:6443", "kubeconfig of the user")
    assert connect({"context": "staging"}).server == "https://192.0.2.2:6443"


def test_in_a_pod_its_service_account_is_taken(tmp_path, monkeypatch):
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("of-the-pod", encoding="utf-8")
    authority.write_text("a certificate", encoding="utf-8")
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_CERT_FILENAME", str(authority))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.3")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    connection = connect({})
    assert (connection.server, connection.origin) == ("https://192.0.2.3:443", "the service account of this pod")
    assert connection.authorization() == {"Authorization": "bearer of-the-pod"}


def test_the_token_of_a_service_account_is_read_again_when_it_is_due(tmp_path, monkeypatch):
    token = tmp_path / "token"
    token.write_text("the-first", encoding="utf-8")
    (tmp_path / "ca.crt").write_text("a certificate", encoding="utf-8")
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.3")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    connection = connect({})
    token.write_text("the-second", encoding="utf-8")
    assert connection.authorization() == {"Authorization": "bearer the-first"}
    later = dt.datetime.now() + dt.timedelta(minutes=2)

    class Later(dt.datetime):
        @classmethod
        def now(cls, _zone: Any = None) -> dt.datetime:
            return later

    monkeypatch.setattr("kubernetes.config.incluster_config.datetime.datetime", Later)
    assert connection.authorization() == {"Authorization": "bearer the-second"}


def test_options_win_over_the_kubeconfig(file):
    options = {"host": "https://192.0.2.9", "api_key": "given", "validate_certs": False, "ca_cert": str(file)}
    connection = connect({"kubeconfig": str(file), **options, "proxy": "http://proxy:3128", "no_proxy": "a,b"})
    assert connection.server == "https://192.0.2.9"
    assert connection.authorization() == {"Authorization": "Bearer given"}
    configuration = connection.configuration
    assert (configuration.verify_ssl, configuration.ssl_ca_cert) == (False, str(file))
    assert (configuration.proxy, configuration.no_proxy) == ("http://proxy:3128", "a,b")


def test_retries_are_left_to_our_own_table(file):
    assert connect({"kubeconfig": str(file)}).configuration.retries is False


def test_a_connection_shows_no_secret_in_its_text(file):
    options = {"api_key": "planted-token", "username": "someone", "password": "planted-password"}
    assert "planted" not in repr(connect({"kubeconfig": str(file), **options}))


# What identity reaches it


def test_a_token_reaches_the_server():
    headers = sent({"api_key": "given"})
    assert headers["Authorization"] == "Bearer given"


def test_a_token_of_a_kubeconfig_reaches_the_server():
    headers = sent({"kubeconfig": kubeconfig(token="from-the-file")})
    assert headers["Authorization"] == "Bearer from-the-file"


def test_user_and_password_reach_the_server_and_win_over_a_token():
    headers = sent({"username": "someone", "password": "long-enough", "api_key": "given"})
    assert headers.get_all("Authorization") == ["Basic " + base64.b64encode(b"someone:long-enough").decode()]


def test_every_impersonated_group_is_a_header_of_its_own():
    headers = sent({"impersonate_user": "deployer", "impersonate_groups": ["team-a", "team-b", "system:masters"]})
    assert headers.get_all("Impersonate-User") == ["deployer"]
    assert headers.get_all("Impersonate-Group") == ["team-a", "team-b", "system:masters"]


def test_nobody_is_impersonated_unless_that_is_wanted():
    headers = sent({"api_key": "given"})
    assert headers.get_all("Impersonate-User") is None
    assert headers.get_all("Impersonate-Group") is None


def test_groups_reach_a_server_with_tls_whose_authority_is_given(tmp_path):
    certificate, key = make_certificate(tmp_path, "api")
    with serving() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        options = {**LIMITS, "host": f"https://127.0.0.1:{server.server_address[1]}", "ca_cert": str(certificate)}
        client = open_cluster({**options, "impersonate_user": "deployer", "impersonate_groups": ["a", "b"]})
        assert client.get("Namespace", None, "llm") is None
        client._pool.clear()
        (headers,) = server.headers
        assert headers.get_all("Impersonate-Group") == ["a", "b"]
        del options["ca_cert"]
        with pytest.raises(ClusterError, match=r"TLS with the API server .* failed: .*Check ca_cert"):
            open_cluster(options).get("Namespace", None, "llm")


# What is missing


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("a: [b", "while parsing a flow sequence"),
        ("just words", "does not support item assignment"),
        ("[]", "list indices must be integers"),
        ("{}", "Expected key current-context"),
        ("{current-context: a, contexts: 5, clusters: [], users: []}", "not iterable"),
        (json.dumps(kubeconfig("")), "it names no API server"),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_named_with_the_reason_and_the_next_step(tmp_path, text, reason):
    path = tmp_path / "kubeconfig"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ClusterError) as refused:
        connect({"kubeconfig": str(path)})
    assert refused.value.message.startswith(f"There is no usable connection to a cluster in kubeconfig {path}: ")
    assert reason in refused.value.message
    assert refused.value.message.endswith("K8S_AUTH_KUBECONFIG, K8S_AUTH_HOST and K8S_AUTH_API_KEY")
    assert refused.value.details == {"kubeconfig": str(path), "context": None}


def test_a_context_that_is_not_there_is_named(file):
    with pytest.raises(ClusterError, match=r"kubeconfig \S+, context testing: .*Expected object with name testing"):
        connect({"kubeconfig": str(file), "context": "testing"})


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({}, "the user's kubeconfig"),
        ({"kubeconfig": "/nowhere/config"}, "kubeconfig /nowhere/config"),
        ({"kubeconfig": {"apiVersion": "v1"}}, "the given kubeconfig"),
        ({"kubeconfig": 5}, "the given kubeconfig"),
    ],
)
def test_a_kubeconfig_that_is_not_there_is_named(options, place):
    with pytest.raises(ClusterError, match=f"no usable connection to a cluster in {place}: "):
        connect(options)


def test_the_client_library_that_sends_no_credentials_is_refused(file, monkeypatch):
    monkeypatch.setattr(kubernetes, "__version__", "36.0.0")
    with pytest.raises(ClusterError, match=r"kubernetes 36\.0\.0 sends requests without credentials; install another"):
        connect({"kubeconfig": str(file)})


def test_a_missing_client_library_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(kube_config, "_IMPORT_ERROR", ImportError("No module named 'kubernetes'"))
    with pytest.raises(ClusterError, match=r"No module named 'kubernetes'.*pip install 'kubernetes>=29"):
        connect({})
