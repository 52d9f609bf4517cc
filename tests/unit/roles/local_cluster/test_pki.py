# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates: written once, renewed for a reason, private keys private."""

from __future__ import annotations

import datetime as dt
import json
import stat

import pki
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
WANTED = pki.Wanted("kubelet", "ca", "system:node:n1", "system:nodes", ("n1", "198.18.0.2"))


@pytest.fixture
def settings(tmp_path):
    return {
        "name": "n1",
        "folder": str(tmp_path),
        "node_ip": "198.18.0.2",
        "service_ip": "198.18.8.1",
        "api": "https://198.18.0.2:6443",
    }


@pytest.fixture(scope="module")
def authority():
    key, certificate = pki.make_authority("ca", NOW)
    return serialization.load_pem_private_key(key, None), x509.load_pem_x509_certificate(certificate)


def make(authority, wanted=WANTED, now=NOW):
    return pki.make_certificate(wanted, authority[1], authority[0], now)[1]


def test_certificate_carries_group_user_and_alternative_names(authority):
    certificate = x509.load_pem_x509_certificate(make(authority))
    assert certificate.subject.rfc4514_string() == "CN=system:node:n1,O=system:nodes"
    assert pki.alternatives_in(certificate)[0].value == "n1"
    assert str(pki.alternatives_in(certificate)[1].value) == "198.18.0.2"


@pytest.mark.parametrize(
    ("wanted", "later_days", "reason"),
    [
        (WANTED, 0, ""),
        (pki.Wanted("kubelet", "ca", "system:node:n2", "system:nodes", ("n1", "198.18.0.2")), 0, "other subject"),
        (pki.Wanted("kubelet", "ca", "system:node:n1", "system:nodes", ("n1", "198.18.32.2")), 0, "other names"),
        (WANTED, pki.VALID_DAYS - pki.RENEW_DAYS - 1, ""),
        (WANTED, pki.VALID_DAYS - pki.RENEW_DAYS + 1, "ends soon"),
    ],
)
def test_certificate_is_renewed_for_a_reason_only(authority, wanted, later_days, reason):
    later = NOW + dt.timedelta(days=later_days)
    assert pki.reason_to_renew(make(authority), wanted, authority[1], later) == reason


def test_certificate_of_another_authority_is_renewed(authority):
    stranger = x509.load_pem_x509_certificate(pki.make_authority("ca", NOW)[1])
    assert pki.reason_to_renew(make(authority), WANTED, stranger, NOW) == "signed by another authority"


def test_missing_certificate_is_written(authority):
    assert pki.reason_to_renew(None, WANTED, authority[1], NOW) == "missing"


def test_second_write_changes_nothing(settings, tmp_path):
    assert pki.write(settings)["changed"]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert pki.write(settings) == {"changed": False, "written": {}}
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_write_with_another_address_renews_the_servers_and_no_client(settings):
    pki.write(settings)
    written = pki.write({**settings, "node_ip": "198.18.32.2"})["written"]
    assert {name: reason for name, reason in written.items() if "kubeconfig" not in name} == {
        "apiserver": "other names",
        "kubelet-server": "other names",
    }


def test_keys_and_kubeconfigs_are_readable_by_their_owner_only(settings, tmp_path):
    pki.write(settings)
    secrets = [*tmp_path.glob("pki/*.key"), *tmp_path.glob("etc/*.kubeconfig")]
    assert len(secrets) == 17
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}


def test_write_heals_a_pair_that_a_kill_left_without_its_certificate(settings, tmp_path):
    pki.write(settings)
    (tmp_path / "pki" / "scheduler.crt").unlink()
    assert pki.write(settings)["written"]["scheduler"] == "missing"


def test_kubeconfig_names_the_cluster_and_its_api(settings, tmp_path):
    pki.write(settings)
    content = json.loads((tmp_path / "etc" / "admin.kubeconfig").read_text())
    assert content["current-context"] == "n1"
    assert content["clusters"][0]["cluster"]["server"] == "https://198.18.0.2:6443"
