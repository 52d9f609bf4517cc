# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the client does when there is no answer, or one that passes by: repeat, renew, or say why it ended and where."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.kube_client import KubeClient
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import ClusterError

from tests.faults.proxy.proxy import Fault, FaultProxy, run_proxy
from tests.support.api_server import ApiServer, Asked, Reply, in_turn, json_reply, refusal, run_api_server
from tests.support.processes import free_port
from tests.support.tls import make_certificate

CONFIGMAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "chat", "namespace": "llm"}}
Open = Callable[..., KubeClient]


@pytest.fixture(name="open_client")
def _open_client() -> Iterator[Open]:
    """Return a function that opens a client of an address, with options of the modules."""
    clients = []

    def open_client(url: str, **options: Any) -> KubeClient:
        limits = {"connect_timeout_seconds": 5.0, "read_timeout_seconds": 5.0, "deadline_seconds": 20.0}
        clients.append(open_cluster({**limits, "host": url, **options}))
        return clients[-1]

    yield open_client
    for client in clients:
        client._pool.clear()


@pytest.fixture(name="api")
def _api() -> Iterator[ApiServer]:
    """Return a server that a test tells how to answer."""
    with run_api_server(in_turn()) as running:
        yield running


@pytest.fixture(name="proxy")
def _proxy(api: ApiServer) -> Iterator[FaultProxy]:
    """Return a proxy before the server that hurts chosen requests."""
    with run_proxy(("127.0.0.1", int(api.url.rsplit(":", 1)[1]))) as running:
        yield running


def read(client: KubeClient) -> Any:
    return client.get("ConfigMap", "llm", "chat")


def fails(call: Callable[[], Any], seconds_max: float = 2.0) -> ClusterError:
    """Return the error that a call ends with, soon."""
    begin = time.monotonic()
    with pytest.raises(ClusterError) as raised:
        call()
    assert time.monotonic() - begin < seconds_max
    return raised.value


# Answers that pass by


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_is_busy_or_restarting_is_asked_again(api, open_client, status):
    api.respond = in_turn(refusal(status, "later"), json_reply(CONFIGMAP))
    client = open_client(api.url)
    assert read(client) == CONFIGMAP
    assert (client.attempts, client.retried_on) == (2, [f"HTTP {status}"])


def test_a_server_that_names_its_wait_is_asked_after_it(api, open_client):
    api.respond = in_turn(refusal(429, "slowly", Retry_After="1"), json_reply(CONFIGMAP))
    begin = time.monotonic()
    assert read(open_client(api.url)) == CONFIGMAP
    assert 1 <= time.monotonic() - begin < 2


def test_a_wait_that_is_no_number_of_seconds_is_replaced_by_our_own(api, open_client):
    api.respond = in_turn(refusal(503, "later", Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"), json_reply(CONFIGMAP))
    begin = time.monotonic()
    assert read(open_client(api.url)) == CONFIGMAP
    assert time.monotonic() - begin < 1


def test_a_wait_beyond_the_deadline_is_not_begun_and_the_error_says_so(api, open_client):
    api.respond = lambda _asked: refusal(503, "etcd is away", Retry_After="30")
    error = fails(lambda: read(open_client(api.url, deadline_seconds=3.0)))
    assert (
        f"The API server {api.url} (the option host) did not answer while reading ConfigMap llm/chat" in error.message
    )
    assert "HTTP 503 etcd is away (still so when the 3 s of deadline_seconds were nearly over)" in error.message
    assert error.details == {"server": api.url, "attempts": 1, "failure": "HTTP 503"}


def test_an_error_of_the_server_that_stays_is_told_at_once(api, open_client):
    api.respond = in_turn(refusal(500, "a webhook has a fault"))
    assert "HTTP 500 a webhook has a fault" in fails(lambda: read(open_client(api.url))).message


def test_a_change_of_the_etcd_leader_is_waited_for(api, open_client):
    api.respond = in_turn(refusal(500, "etcdserver: leader changed"), json_reply(CONFIGMAP))
    assert read(open_client(api.url)) == CONFIGMAP


def test_a_create_that_the_server_may_have_done_is_not_sent_again(api, open_client):
    api.respond = in_turn(refusal(503, "half way"))
    error = fails(lambda: open_client(api.url).create(CONFIGMAP))
    assert "Failed creating ConfigMap llm/chat" in error.message
    assert "HTTP 503 half way" in error.message
    assert len(api.asked) == 1


def test_a_create_that_was_turned_away_for_load_is_sent_again(api, open_client):
    api.respond = in_turn(refusal(429, "later"), json_reply(CONFIGMAP, 201))
    assert open_client(api.url).create(CONFIGMAP) == CONFIGMAP


# Connections that end


def test_a_connection_that_is_reset_is_made_again(api, proxy, open_client):
    api.respond = in_turn(json_reply(CONFIGMAP))
    proxy.set(Fault("reset"))
    client = open_client(proxy.url)
    assert read(client) == CONFIGMAP
    assert client.retried_on == ["broken"]


def test_an_apply_whose_answer_is_lost_is_sent_again_and_a_create_is_not(api, proxy, open_client):
    api.respond = lambda _asked: json_reply(CONFIGMAP)
    client = open_client(proxy.url)
    proxy.set(Fault("reset_after"))
    assert client.apply(CONFIGMAP) == CONFIGMAP
    proxy.set(Fault("reset_after"))
    error = fails(lambda: client.create(CONFIGMAP))
    assert "did not answer while creating ConfigMap llm/chat" in error.message
    assert error.details["failure"] == "broken"
    assert [asked.method for asked in api.asked] == ["PATCH", "PATCH", "POST"]


def test_an_answer_that_is_cut_off_is_asked_for_again(api, proxy, open_client):
    api.respond = lambda _asked: json_reply(CONFIGMAP)
    proxy.set(Fault("cut"))
    assert read(open_client(proxy.url)) == CONFIGMAP


# Addresses that never answer


@pytest.mark.parametrize("calls", [1, 4])
def test_an_address_that_has_never_answered_is_told_at_once_however_many_requests_begin(open_client, calls):
    client = open_client(f"http://127.0.0.1:{free_port()}")
    error = fails(lambda: client.side_by_side([lambda: read(client)] * calls))
    assert "did not answer while reading ConfigMap llm/chat: [Errno 111] Connection refused" in error.message
    assert "connect_timeout_seconds is 5, read_timeout_seconds 5, deadline_seconds 20" in error.message
    assert "Check that the cluster runs and that this machine reaches it" in error.message
    assert error.details["failure"] == "not sent"


def test_a_server_that_has_answered_and_is_away_is_waited_for_until_the_deadline(open_client):
    with run_api_server(lambda _asked: Reply(b"{}", headers={"Connection": "close"})) as running:
        client = open_client(running.url, deadline_seconds=2.0)
        assert read(client) == {}
    begin = time.monotonic()
    error = fails(lambda: read(client), seconds_max=3)
    assert time.monotonic() - begin > 0.5
    assert error.details["attempts"] > 2
    assert set(client.retried_on) == {"not sent"}


@pytest.mark.parametrize("host", ["ftp://cluster.example", "https://", "https://a b:6443", f"https://{'a' * 70}"])
def test_what_is_no_address_is_told_at_once_with_the_form_of_one(open_client, host):
    error = fails(lambda: read(open_client(host)))
    assert "(the option host) is no address of an API server" in error.message
    assert "https://name:port" in error.message


def test_a_name_that_does_not_resolve_is_told_at_once(open_client):
    assert "https://cluster.invalid:6443" in fails(lambda: read(open_client("https://cluster.invalid:6443"))).message


# Credentials


def test_a_token_that_was_renewed_meanwhile_is_read_again_and_the_request_sent_again(api, open_client):
    client = open_client(api.url, api_key="old")
    configuration = client._connection.configuration

    def respond(asked: Asked) -> Reply:
        # A token in a file is renewed by somebody else between two requests.
        configuration.api_key = {"authorization": "Bearer new"}
        return json_reply(CONFIGMAP) if asked.header("authorization") == ["Bearer new"] else refusal(401, "expired")

    api.respond = respond
    assert read(client) == CONFIGMAP
    assert [asked.header("authorization") for asked in api.asked] == [["Bearer old"], ["Bearer new"]]


def test_credentials_that_stay_wrong_are_tried_twice(api, open_client):
    api.respond = lambda _asked: refusal(401, "Unauthorized")
    error = fails(lambda: read(open_client(api.url, api_key="wrong")))
    assert "HTTP 401 Unauthorized. The credentials are not accepted or have expired" in error.message
    assert "wrong" not in error.message
    assert len(api.asked) == 2


# TLS


@pytest.fixture(name="certificate")
def _certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Return a certificate for this machine and its key."""
    return make_certificate(tmp_path, "api")


def test_a_server_of_a_known_authority_is_believed_and_any_is_where_that_is_wanted(certificate, open_client):
    with run_api_server(lambda _asked: json_reply(CONFIGMAP), certificate) as running:
        assert read(open_client(running.url, ca_cert=str(certificate[0]))) == CONFIGMAP
        assert read(open_client(running.url, validate_certs=False)) == CONFIGMAP


def test_a_server_of_an_unknown_authority_is_refused_before_anything_is_sent(certificate, open_client):
    with run_api_server(lambda _asked: json_reply(CONFIGMAP), certificate) as running:
        error = fails(lambda: read(open_client(running.url, api_key="secret")))
        assert running.asked == []
    assert f"TLS with the API server {running.url} (the option host) failed" in error.message
    assert "self-signed certificate" in error.message
    assert "Check ca_cert, or the address: its certificate must name it" in error.message


def test_a_name_that_the_certificate_does_not_carry_is_refused(certificate, open_client):
    with run_api_server(lambda _asked: json_reply(CONFIGMAP), certificate) as running:
        url = running.url.replace("127.0.0.1", "localhost")
        error = fails(lambda: read(open_client(url, ca_cert=str(certificate[0]))))
    assert "certificate is not valid for 'localhost'" in error.message


def test_tls_with_a_server_that_has_none_is_told_at_once(api, open_client):
    error = fails(lambda: read(open_client(api.url.replace("http:", "https:"))))
    assert "TLS with the API server" in error.message


@pytest.mark.parametrize("options", [("ca_cert",), ("client_cert", "client_key")])
def test_files_of_certificates_that_are_not_there_are_told_at_once_by_their_path(certificate, open_client, options):
    with run_api_server(lambda _asked: json_reply(CONFIGMAP), certificate) as running:
        files = {"ca_cert": str(certificate[0]), **{option: f"/absent/{option}.pem" for option in options}}
        error = fails(lambda: read(open_client(running.url, **files)))
    assert f"{options[0]} /absent/{options[0]}.pem cannot be read: No such file or directory" in error.message


# Proxies


def test_requests_go_through_the_proxy_that_is_given(api, proxy, open_client):
    api.respond = lambda _asked: json_reply(CONFIGMAP)
    # What a proxy gets is the whole address; this one hands it on as it came.
    client = open_client("http://cluster.invalid:6443", proxy=proxy.url)
    assert read(client) == CONFIGMAP
    assert proxy.seen[0].path.startswith("http://cluster.invalid:6443/api/v1/")


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "example.com,127.0.0.0/8"])
def test_an_address_of_no_proxy_is_asked_without_the_proxy(api, open_client, no_proxy):
    api.respond = lambda _asked: json_reply(CONFIGMAP)
    nobody = f"http://127.0.0.1:{free_port()}"
    assert read(open_client(api.url, proxy=nobody, no_proxy=no_proxy)) == CONFIGMAP


def test_a_proxy_that_is_away_is_told_at_once(api, open_client):
    error = fails(lambda: read(open_client(api.url, proxy=f"http://127.0.0.1:{free_port()}")))
    assert "did not answer while reading ConfigMap llm/chat" in error.message
    assert api.asked == []
