# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the parts of a running cluster: processes, health endpoints, node lease, cluster DNS, pretend GPUs.

Looking is apart from judging: ``judge_*`` are pure and take what was seen.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import http.client
import json
import os
import socket
import ssl
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import host
from common import Trouble, find_node, run
from node import is_up

CLONE_NEWNET = 0x40000000
TIMEOUT_SECONDS = 2
GPU_RESOURCE = "nvidia.com/gpu"
# Daemons that answer for themselves, with the place where they do (inside the node).
ENDPOINTS = {
    "etcd": ("http", "127.0.0.1", 2379, "/health"),
    "kube-apiserver": ("https", "", 6443, "/readyz"),
    "kube-controller-manager": ("https", "127.0.0.1", 10257, "/healthz"),
    "kube-scheduler": ("https", "127.0.0.1", 10259, "/healthz"),
    "kubelet": ("http", "127.0.0.1", 10248, "/healthz"),
    "kube-proxy": ("http", "127.0.0.1", 10256, "/livez"),
}


@dataclass(frozen=True)
class Part:
    """One part of the cluster: is it well, what does it say, where is its log, which process is it."""

    name: str
    well: bool
    says: str
    log: str = ""
    process: str = ""


def judge_service(line: str) -> tuple[bool, str, str]:
    """Read one line of ``sv status``: does it run, in words, and its process number."""
    state = line.split(";")[0]
    if not state.startswith("run: "):
        return False, state or "not supervised", ""
    detail = state.split(": ", 2)[2]
    return True, detail, detail.split(")")[0].removeprefix("(pid ")


def judge_node(node: dict[str, Any], lease: dict[str, Any], since: float, now: float) -> tuple[bool, str]:
    """Judge the node: Ready counts only with a lease renewed after the start and not expired.

    Kept state says Ready from the last run until the controller manager notices, which takes 20 s.
    """
    renewed = dt.datetime.fromisoformat(lease["spec"]["renewTime"].replace("Z", "+00:00")).timestamp()
    if renewed < since:
        return False, "no lease since the start"
    if now - renewed > lease["spec"]["leaseDurationSeconds"]:
        return False, f"lease not renewed for {now - renewed:.0f} s"
    ready = next((c for c in node["status"].get("conditions", []) if c["type"] == "Ready"), None)
    if ready is None or ready["status"] != "True":
        return False, ready["message"] if ready else "no condition Ready yet"
    return True, f"Ready, {node['status']['nodeInfo']['kubeletVersion']}"


def judge_gpus(node: dict[str, Any], wanted: int) -> tuple[bool, str]:
    """Judge the pretend GPUs: the node must offer as many as were asked for."""
    offered = int(node["status"].get("allocatable", {}).get(GPU_RESOURCE, 0))
    return offered == wanted, f"{offered} of {wanted} {GPU_RESOURCE} allocatable"


def judge_deployment(deployment: dict[str, Any]) -> tuple[bool, str]:
    """Judge a deployment by its own observed generation, so that an old status does not count."""
    state, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    ready = (
        state.get("readyReplicas", 0) if state.get("observedGeneration") == deployment["metadata"]["generation"] else 0
    )
    return ready == wanted, f"{ready} of {wanted} pods ready"


def dns_query(name: str) -> bytes:
    """Write a DNS question for an address record."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", 0x4C4C, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)


def dns_answers(packet: bytes) -> bool:
    """Say whether a DNS reply is ours, without error and with an answer."""
    if len(packet) < 12:
        return False
    number, flags, _rest, answers, _rest, _rest = struct.unpack(">HHHHHH", packet[:12])
    return bool(number == 0x4C4C and flags & 0x000F == 0 and answers > 0)


def ask(endpoint: tuple[str, str, int, str], context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    """Send one GET; give status and body."""
    scheme, address, port, path = endpoint
    if scheme == "http":
        link = http.client.HTTPConnection(address, port, timeout=TIMEOUT_SECONDS)
    else:
        link = http.client.HTTPSConnection(address, port, timeout=TIMEOUT_SECONDS, context=context)
    try:
        link.request("GET", path)
        answer = link.getresponse()
        return answer.status, answer.read()
    finally:
        link.close()


def admin_context(folder: Path) -> ssl.SSLContext:
    """Give TLS settings that trust the cluster's authority and show the administrator's certificate."""
    context = ssl.create_default_context(cafile=str(folder / "pki" / "ca.crt"))
    context.load_cert_chain(folder / "pki" / "admin.crt", folder / "pki" / "admin.key")
    return context


def own_certificate_context() -> ssl.SSLContext:
    """Give TLS settings for daemons that make a certificate for their loopback address themselves."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def enter_network(pid: int) -> None:
    """Move this process into the node's network: most health endpoints listen on its loopback only."""
    descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
            raise Trouble(f"Cannot enter the network of node process {pid}: {os.strerror(ctypes.get_errno())}.")
    finally:
        os.close(descriptor)


class Looker:
    """Looks at one running cluster; every look is independent of the ones before."""

    def __init__(self, settings: dict[str, Any], pid: int) -> None:
        self.settings, self.pid = settings, pid
        self.folder = Path(settings["folder"])
        self.context = admin_context(self.folder)

    def log_of(self, service: str) -> str:
        """Give the log file of a daemon."""
        return str(self.folder / "log" / service / "current")

    def api(self, path: str) -> dict[str, Any]:
        """Read one object from the API server."""
        code, body = ask(("https", self.settings["node_ip"], 6443, path), self.context)
        if code != 200:
            raise ConnectionError(f"GET {path}: status {code}")
        loaded: dict[str, Any] = json.loads(body)
        return loaded

    def services(self) -> list[Part]:
        """Look at every supervised daemon: its process and, where it has one, its health endpoint."""
        names = self.settings["services"]
        lines = run(
            ["sv", "status", *(str(self.folder / "sv" / name) for name in names)], check=False
        ).stdout.splitlines()
        return [self.service(name, line) for name, line in zip(names, lines)]

    def service(self, name: str, line: str) -> Part:
        """Look at one daemon."""
        runs, says, process = judge_service(line)
        if runs and name in ENDPOINTS:
            scheme, address, port, path = ENDPOINTS[name]
            context = own_certificate_context() if address else self.context
            runs, answer = self.healthy((scheme, address or self.settings["node_ip"], port, path), context)
            says = f"{answer} {says}"
        elif runs and name == "containerd":
            runs, says = self.containerd(says)
        return Part(name, runs, says, self.log_of(name), process)

    def healthy(self, endpoint: tuple[str, str, int, str], context: ssl.SSLContext) -> tuple[bool, str]:
        """Ask a health endpoint."""
        try:
            code, body = ask(endpoint, context)
        except (OSError, http.client.HTTPException) as error:
            return False, f"does not answer on port {endpoint[2]} ({error})"
        return (
            code == 200,
            "healthy" if code == 200 else f"{endpoint[3]} says {code}: {body.decode(errors='replace')[-200:]}",
        )

    def containerd(self, says: str) -> tuple[bool, str]:
        """Open containerd's socket through the node's root folder."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(TIMEOUT_SECONDS)
            try:
                link.connect(f"/proc/{self.pid}/root/run/containerd/containerd.sock")
            except OSError as error:
                return False, f"does not answer on its socket ({error})"
        return True, f"answers {says}"

    def objects(self) -> list[Part]:
        """Look at what the API server knows about the node, its devices and CoreDNS."""
        name, kubelet, now = self.settings["name"], self.log_of("kubelet"), dt.datetime.now().timestamp()
        node = self.api(f"/api/v1/nodes/{name}")
        lease = self.api(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}")
        since = (self.folder / "run" / "generation").stat().st_mtime
        deployment = self.api("/apis/apps/v1/namespaces/kube-system/deployments/coredns")
        return [
            Part("node", *judge_node(node, lease, since, now), kubelet),
            Part(
                "gpus",
                *judge_gpus(node, self.settings["gpus"]),
                self.log_of("fakegpu") if self.settings["gpus"] else kubelet,
            ),
            Part("coredns", *judge_deployment(deployment), kubelet),
            Part("cluster-dns", *self.resolves("kubernetes.default.svc.cluster.local"), self.log_of("kube-proxy")),
        ]

    def resolves(self, name: str) -> tuple[bool, str]:
        """Ask the cluster's DNS through its Service address, which proves kube-proxy's rules as well."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.settimeout(TIMEOUT_SECONDS)
            try:
                link.sendto(dns_query(name), (self.settings["dns_ip"], 53))
                right = dns_answers(link.recv(512))
            except OSError as error:
                return False, f"{self.settings['dns_ip']} does not answer ({error})"
        return right, f"{self.settings['dns_ip']} {'resolves' if right else 'does not know'} {name}"

    def cable(self) -> Part:
        """Look at the host's side of the network."""
        lost = ([] if host.has_cable(self.settings) else ["cable"]) + host.missing_routes(self.settings)
        here = f"{self.settings['veth']}, {self.settings['net']}"
        return Part("network", not lost, f"the host has no {' and no '.join(lost)}" if lost else here)


def observe(settings: dict[str, Any], only: list[str] | None = None) -> list[Part]:
    """Look at all parts of the cluster; with ``only``, skip what needs the API when none of it is asked for."""
    folder = Path(settings["folder"])
    pid = find_node(folder)
    if pid is None or not is_up(pid):
        return [
            Part(
                "node-process",
                False,
                f"no process: the node of {folder} does not run",
                str(folder / "run" / "node.log"),
            )
        ]
    looker = Looker(settings, pid)
    parts = [Part("node-process", True, f"pid {pid}", str(folder / "run" / "node.log"))]
    in_host = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        parts.append(looker.cable())
        enter_network(pid)
        parts += looker.services()
        if not only or {"node", "gpus", "coredns", "cluster-dns"} & set(only):
            parts += observed_objects(looker)
    finally:
        ctypes.CDLL(None).setns(in_host, CLONE_NEWNET)
        os.close(in_host)
    return parts


def observed_objects(looker: Looker) -> list[Part]:
    """Look at the objects; when the API server does not give them, that is what the parts say."""
    try:
        return looker.objects()
    except (OSError, http.client.HTTPException, KeyError, ValueError) as error:
        return [Part(name, False, f"unknown: {error}") for name in ("node", "gpus", "coredns", "cluster-dns")]
