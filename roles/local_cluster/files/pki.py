# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, certificates and kubeconfigs of one cluster, written once and renewed only for a reason.

The certificates' names and addresses come from the settings. A certificate is written again when it is missing,
was signed by another authority, names other subjects or addresses, or ends within a month. Uses the library
``cryptography``, which ansible-core itself needs, so that no key passes through a command line.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import main, write_whole
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS = 3650
RENEW_DAYS = 30
KEY_MODE = 0o600


@dataclass(frozen=True)
class Wanted:
    """One leaf certificate: its file name, authority, subject and subject alternative names."""

    name: str
    authority: str
    common_name: str
    organization: str = ""
    names: tuple[str, ...] = ()


def wanted_certificates(settings: dict[str, Any]) -> list[Wanted]:
    """List the certificates that the cluster's parts need."""
    node = settings["name"]
    service_names = [f"kubernetes{suffix}" for suffix in ("", ".default", ".default.svc", ".default.svc.cluster.local")]
    server = (*service_names, "localhost", node, "127.0.0.1", settings["node_ip"], settings["service_ip"])
    return [
        Wanted("apiserver", "ca", "kube-apiserver", names=server),
        Wanted("kubelet-server", "ca", node, names=(node, settings["node_ip"])),
        Wanted("apiserver-kubelet-client", "ca", "kube-apiserver-kubelet-client", "llmops:kubelet-api"),
        Wanted("front-proxy-client", "front-proxy-ca", "front-proxy-client"),
        Wanted("admin", "ca", "admin", "system:masters"),
        Wanted("controller-manager", "ca", "system:kube-controller-manager"),
        Wanted("scheduler", "ca", "system:kube-scheduler"),
        Wanted("proxy", "ca", "system:kube-proxy"),
        Wanted("kubelet", "ca", f"system:node:{node}", "system:nodes"),
    ]


def alternative_names(names: tuple[str, ...]) -> list[x509.GeneralName]:
    """Turn host names and addresses into subject alternative names."""
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def subject_of(wanted: Wanted) -> x509.Name:
    """Give the subject: the organization is the group, the common name the user of Kubernetes' RBAC."""
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, wanted.organization)] if wanted.organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, wanted.common_name)])


def reason_to_renew(pem: bytes | None, wanted: Wanted, authority: x509.Certificate, now: dt.datetime) -> str:
    """Say why a certificate has to be written again; empty when it may stay."""
    if pem is None:
        return "missing"
    certificate = x509.load_pem_x509_certificate(pem)
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, TypeError, ValueError):
        return "signed by another authority"
    if certificate.subject != subject_of(wanted):
        return "other subject"
    if alternatives_in(certificate) != alternative_names(wanted.names):
        return "other names"
    if certificate.not_valid_after_utc - now < dt.timedelta(days=RENEW_DAYS):
        return "ends soon"
    return ""


def alternatives_in(certificate: x509.Certificate) -> list[x509.GeneralName]:
    """Give the subject alternative names of a certificate, none where it has none."""
    try:
        return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime
) -> x509.CertificateBuilder:
    """Start a certificate with what all of them have."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # An hour back, so that a clock that is set meanwhile does not make it a certificate of the future.
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=VALID_DAYS))
    )


def key_usage(sign_certificates: bool) -> x509.KeyUsage:
    """Give the key usage of an authority or of a leaf."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def make_authority(name: str, now: dt.datetime) -> tuple[bytes, bytes]:
    """Make a certificate authority; give key and certificate as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        builder(subject, subject, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(key_usage(True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return private_pem(key), made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def make_certificate(
    wanted: Wanted, authority: x509.Certificate, signer: ec.EllipticCurvePrivateKey, now: dt.datetime
) -> tuple[bytes, bytes]:
    """Make a leaf certificate; give key and certificate as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        builder(subject_of(wanted), authority.subject, key.public_key(), now)
        .add_extension(key_usage(False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if wanted.names:
        made = made.add_extension(x509.SubjectAlternativeName(alternative_names(wanted.names)), critical=False)
    return private_pem(key), made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """Write a private key as unencrypted PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def kubeconfig(settings: dict[str, Any], user: str, folder: Path) -> str:
    """Write a kubeconfig with everything inside (JSON is YAML)."""

    def text(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    name = settings["name"]
    cluster = {"server": settings["api"], "certificate-authority-data": text("ca.crt")}
    credentials = {"client-certificate-data": text(f"{user}.crt"), "client-key-data": text(f"{user}.key")}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": f"{name}-{user}", "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": f"{name}-{user}"}}],
        "current-context": name,
    }
    return json.dumps(content, indent=2) + "\n"


def write(settings: dict[str, Any]) -> dict[str, Any]:
    """Bring the cluster's keys, certificates and kubeconfigs up to date; name what was written and why."""
    folder = Path(settings["folder"], "pki")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    now = dt.datetime.now(dt.timezone.utc)
    written: dict[str, str] = {}

    def store(name: str, pair: tuple[bytes, bytes], reason: str) -> None:
        # The certificate comes last: it is what the next run looks at to see that the pair is whole.
        write_whole(folder / f"{name}.key", pair[0], KEY_MODE)
        write_whole(folder / f"{name}.crt", pair[1])
        written[name] = reason

    for name in ("ca", "front-proxy-ca"):
        if not (folder / f"{name}.crt").exists():
            store(name, make_authority(name, now), "missing")
    for wanted in wanted_certificates(settings):
        authority = x509.load_pem_x509_certificate((folder / f"{wanted.authority}.crt").read_bytes())
        path = folder / f"{wanted.name}.crt"
        reason = reason_to_renew(path.read_bytes() if path.exists() else None, wanted, authority, now)
        if reason:
            signer = serialization.load_pem_private_key((folder / f"{wanted.authority}.key").read_bytes(), None)
            store(wanted.name, make_certificate(wanted, authority, signer, now), reason)  # type: ignore[arg-type]
    if not (folder / "sa.key").exists():
        write_whole(folder / "sa.key", private_pem(rsa.generate_private_key(65537, 2048)), KEY_MODE)
        written["sa"] = "missing"
    for user in ("admin", "controller-manager", "scheduler", "proxy", "kubelet"):
        path = Path(settings["folder"], "etc", f"{user}.kubeconfig")
        if write_whole(path, kubeconfig(settings, user, folder), KEY_MODE):
            written.setdefault(path.name, "new content")
    return {"changed": bool(written), "written": written}


if __name__ == "__main__":
    main({"write": write})
