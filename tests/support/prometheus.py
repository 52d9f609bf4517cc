# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Prometheus for the tests.

Debian's program has no discovery by the Kubernetes API, so pods are told to it, under the labels that discovery gives
them; from there on relabelling is as in production.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from tests.support.playbooks import ROOT
from tests.support.processes import free_port, request, wait_until

__all__ = ["PrometheusServer", "run_prometheus"]

# What the documentation of metrics_gate asks for, and what a PodMonitor with podTargetLabels does.
RELABELLING = [
    {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
    {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
    *(
        {"source_labels": [f"__meta_kubernetes_pod_label_{label}"], "target_label": label}
        for label in ("app_kubernetes_io_instance", "llmops_dev_slot", "llmops_dev_revision")
    ),
]


def discovered(pod: Mapping[str, Any], port: int = 8000) -> dict[str, Any]:
    """Return a pod as Prometheus' discovery shows it."""
    meta = pod["metadata"]
    labels = {re.sub(r"\W", "_", f"pod_label_{key}", flags=re.ASCII): text for key, text in meta["labels"].items()}
    known = {"namespace": meta["namespace"], "pod_name": meta["name"], **labels}
    return {
        "targets": [f"{pod['status']['podIP']}:{port}"],
        "labels": {f"__meta_kubernetes_{key}": text for key, text in known.items()},
    }


class PrometheusServer:
    """A Prometheus on this machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def query(self, text: str) -> list[dict[str, Any]]:
        """Return the result of an instant query."""
        answer = request("127.0.0.1", self.port, "/api/v1/query?" + urlencode({"query": text}))
        assert answer.status == 200, answer.body
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def is_ready(self) -> bool:
        """Tell whether it answers."""
        try:
            return request("127.0.0.1", self.port, "/-/ready").status == 200
        except OSError:
            return False


@contextmanager
def run_prometheus(folder: Path, pods: Sequence[Mapping[str, Any]]) -> Iterator[PrometheusServer]:
    """Run a Prometheus that scrapes the engines of pods every second, until the block ends."""
    program = subprocess.run([ROOT / "tools/prometheus.sh"], capture_output=True, text=True, check=True).stdout.strip()
    targets = [discovered(pod) for pod in pods]
    job = {"job_name": "engines", "static_configs": targets, "relabel_configs": RELABELLING}
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}))
    server = PrometheusServer(free_port())
    log = folder / "prometheus.log"
    words = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{server.port}",
    ]
    with log.open("w") as sink:
        process = subprocess.Popen(words, stdout=sink, stderr=subprocess.STDOUT)
    try:
        wait_until(server.is_ready, 30, f"Prometheus, see {log}")
        yield server
    finally:
        process.kill()
        process.wait()
