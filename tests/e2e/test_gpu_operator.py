# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's real chart, installed by real Helm on the real cluster, with a stand-in for the operator's program.

The tests go on from each other's end, as an installation does: installed, run again, cut off, upgraded, removed. All of
it is done by an account that may do what the role's own ClusterRole says, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import MakeNamespace
from tests.e2e.releases import Places, merged
from tests.faults.gpu_operator.standin_operator import DRIVER, STATE, Operator, run_operator
from tests.support.accounts import make_account
from tests.support.cluster import Cluster, ClusterRefusal
from tests.support.kwok import PRETENDED, PretendedNodes
from tests.support.playbooks import ROOT, PlayResult, Project, run_module
from tests.support.processes import find_program, wait_until

CHART = Path(os.environ.get("LLMOPS_TEST_GPU_OPERATOR_CHART", ROOT / "build" / "gpu-operator"))
PLAYBOOK, RELEASE, GPU = "playbooks/gpu_operator.yml", "gpu-operator", "nvidia.com/gpu"
CRD = "clusterpolicies.nvidia.com"
ANYWHERE: dict[str, Any] = {"tolerations": [{"operator": "Exists"}]}
WAIT_SECONDS_MAX = 60.0
NEWER = {"driver": {"version": "525.60.13"}}


@dataclass
class Stage:
    """An inventory whose cluster has pretended nodes with GPUs, and the operator's stand-in at work on them."""

    cluster: Cluster
    kubeconfig: Path
    folder: Path
    namespace: str
    nodes: list[str]
    operator: Operator
    helm: str
    values: dict[str, Any] = field(default_factory=dict)

    def run(
        self, *args: str, chart: Path = CHART, values: Mapping[str, Any] | None = None, **variables: Any
    ) -> PlayResult:
        """Run the playbook."""
        chosen = {
            "gpu_operator_chart": str(chart),
            "gpu_operator_namespace": self.namespace,
            "gpu_operator_values": merged(self.values, values or {}),
            "gpu_operator_nfd": "existing",
            "gpu_operator_helm": self.helm,
            "gpu_operator_nodes_min": len(self.nodes),
            "gpu_operator_stable_seconds": 1,
            "gpu_operator_timeout_seconds": WAIT_SECONDS_MAX,
            "gpu_operator_pending_seconds": 0,
            **variables,
        }
        return Project(self.folder / "inventory", self.kubeconfig, [], **chosen).run(PLAYBOOK, *args)

    def newer_chart(self) -> Path:
        """Return the same chart under another version."""
        folder = self.folder / "newer"
        shutil.copytree(CHART, folder, copy_function=shutil.copyfile, dirs_exist_ok=True)
        for each in (folder, *folder.rglob("*")):
            each.chmod(0o755)
        told = yaml.safe_load((folder / "Chart.yaml").read_text())
        (folder / "Chart.yaml").write_text(yaml.safe_dump({**told, "version": "v1.11.2", "appVersion": "v1.11.2"}))
        return folder

    def driver_image(self) -> str:
        """Return the image of the DaemonSet of drivers."""
        item = self.cluster.get("DaemonSet", self.namespace, DRIVER)
        assert item is not None
        return str(item["spec"]["template"]["spec"]["containers"][0]["image"])

    def upgrade_state(self, name: str) -> str:
        """Return the state of a node's driver upgrade."""
        node = self.cluster.get("Node", "", name)
        assert node is not None
        return str(node["metadata"]["labels"].get(STATE, ""))

    def generations(self) -> dict[str, int]:
        """Return the generation of every DaemonSet."""
        items = self.cluster.items("DaemonSet", self.namespace)
        return {item["metadata"]["name"]: item["metadata"]["generation"] for item in items}

    def release_states(self) -> list[str]:
        """Return the states of all revisions of the release, the oldest first."""
        secrets = self.cluster.items("Secret", self.namespace, "owner=helm")
        told = [item["metadata"]["labels"] for item in secrets]
        return [each["status"] for each in sorted(told, key=lambda each: int(each["version"]))]

    def hold_gpu(self, name: str, node: str) -> None:
        """Have a pod hold a GPU of a pretended node."""
        container = {"name": "main", "image": "llmops.local/none", "resources": {"limits": {GPU: "1"}}}
        spec = {"nodeName": node, "containers": [container], **ANYWHERE, "terminationGracePeriodSeconds": 0}
        meta = {"name": name, "namespace": self.namespace}
        self.cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})

    def cut_off(self, chart: Path) -> None:
        """Kill Helm in the middle of an upgrade that waits for a pod that no node takes."""
        file = self.folder / "values.yml"
        nowhere = {"operator": {"tolerations": [{"key": "nowhere", "operator": "Exists"}]}, "nfd": {"enabled": False}}
        file.write_text(yaml.safe_dump(merged(self.values, nowhere)))
        words = [self.helm, "upgrade", RELEASE, str(chart), "--namespace", self.namespace, "-f", str(file), "--wait"]
        with subprocess.Popen([*words, "--kubeconfig", str(self.kubeconfig)], stdout=subprocess.DEVNULL) as helm:
            wait_until(
                lambda: self.release_states()[-1] == "pending-upgrade", WAIT_SECONDS_MAX, "an upgrade that waits", 0.1
            )
            helm.send_signal(signal.SIGKILL)
        assert self.release_states()[-1] == "pending-upgrade"


def clear(cluster: Cluster) -> None:
    """Remove what of an installation belongs to no namespace."""
    for kind, name in (("CustomResourceDefinition", CRD), ("ClusterRole", RELEASE), ("ClusterRoleBinding", RELEASE)):
        with contextlib.suppress(ClusterRefusal):
            cluster.delete(kind, "", name)
    wait_until(
        lambda: cluster.get("CustomResourceDefinition", "", CRD) is None, WAIT_SECONDS_MAX, f"end of {CRD}", 0.25
    )


def make_installer(cluster: Cluster, namespace: str, file: Path) -> Path:
    """Make an account with the role's ClusterRole, which goes with the namespace; return its kubeconfig."""
    kubeconfig = make_account(cluster, namespace, "installer", file, seconds=3600)
    role = yaml.safe_load((ROOT / "roles/gpu_operator/files/rbac-gpu-operator.yml").read_text())
    meta = {"name": f"{namespace}-installer", "ownerReferences": [cluster.owner(namespace)]}
    cluster.create({**role, "metadata": meta})
    group = "rbac.authorization.k8s.io"
    cluster.create(
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": meta["name"]},
            "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": "installer"}],
        }
    )
    return kubeconfig


@pytest.fixture(name="stage", scope="module")
def _stage(
    cluster: Cluster,
    places: Places,
    make_namespace: MakeNamespace,
    pretended: PretendedNodes,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    """Return the stage, on which nothing is installed yet."""
    clear(cluster)
    folder = tmp_path_factory.mktemp("operator")
    namespace, mark = make_namespace("gpu-operator"), {"nvidia.com/gpu.present": "true"}
    kubeconfig = make_installer(cluster, namespace, folder / "kubeconfig")
    pairs = {**PRETENDED, **mark}.items()
    terms = [{"matchExpressions": [{"key": key, "operator": "In", "values": [value]} for key, value in pairs]}]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    values = {"operator": {**ANYWHERE, "affinity": affinity}, "daemonsets": ANYWHERE}
    helm = find_program("helm", places.kubeconfig)
    with pretended.make(2, labels=mark, gpus="8") as nodes:
        with run_operator(cluster, namespace, ",".join(f"{key}={value}" for key, value in pairs)) as operator:
            yield Stage(cluster, kubeconfig, folder, namespace, nodes, operator, helm, values)
        clear(cluster)


def test_a_fresh_installation_ends_with_usable_gpus_although_readiness_flutters(stage: Stage) -> None:
    stage.operator.flutters = 1
    done = stage.run().ok()
    assert f"4/4 DaemonSets ready, 2/2 nodes with {2 * 8} GPUs" in done.output
    assert stage.operator.flutters == 0
    assert stage.release_states() == ["deployed"]


def test_a_second_run_changes_nothing(stage: Stage) -> None:
    before = stage.generations()
    again = stage.run().ok()
    assert again.changed() == 0
    assert "no object of the release changes" in again.output
    assert stage.generations() == before
    assert stage.release_states() == ["deployed"]


def test_a_killed_helm_is_repaired_and_an_upgrade_with_held_drivers_evicts_nobody(stage: Stage) -> None:
    stage.hold_gpu("chat", stage.nodes[0])
    chart = stage.newer_chart()
    stage.cut_off(chart)
    done = stage.run(chart=chart, values=NEWER, gpu_operator_driver_upgrade="hold").ok()
    assert "rollback: release gpu-operator is in pending-upgrade" in " ".join(done.output.split())
    assert stage.release_states()[-1] == "deployed"
    assert stage.driver_image().endswith("/driver:525.60.13")
    assert stage.operator.evicted == []
    for name in stage.nodes:
        assert f"node {name} is held (upgrade-required)" in done.output


def test_waves_stop_at_a_node_that_fails_and_go_on_from_there(stage: Stage) -> None:
    options = {"kubeconfig": str(stage.kubeconfig), "namespace": stage.namespace, "timeout_seconds": WAIT_SECONDS_MAX}
    used, unused = stage.nodes
    stage.operator.stuck.add(unused)
    stopped = run_module("gpu_driver_upgrade", options)
    assert f"node {unused}: its driver upgrade is in upgrade-failed" in stopped["msg"]
    assert f"stay held: {used}" in stopped["msg"]
    assert stage.operator.evicted == []
    stage.operator.stuck.clear()
    wait_until(
        lambda: stage.upgrade_state(unused) != "upgrade-failed", WAIT_SECONDS_MAX, f"another try of {unused}", 0.1
    )
    done = run_module("gpu_driver_upgrade", options)
    assert not done.get("failed"), done
    assert [(each["name"], each["result"]) for each in done["nodes"]] == [(used, "upgraded")]
    assert [stage.upgrade_state(name) for name in stage.nodes] == ["upgrade-done", "upgrade-done"]
    assert stage.operator.evicted == ["chat"]
    assert run_module("gpu_driver_upgrade", options)["changed"] is False
    stage.hold_gpu("chat", used)


def test_removal_is_refused_while_pods_use_gpus_and_keeps_the_definitions_where_it_is_forced(stage: Stage) -> None:
    refused = stage.run(gpu_operator_state="absent").failed()
    assert f"these pods use GPUs: {stage.namespace}/chat" in " ".join(refused.output.split())
    assert stage.generations() != {}
    assert stage.run(gpu_operator_state="absent", gpu_operator_force=True).ok().changed() == 1
    assert stage.release_states() == []
    assert stage.cluster.get("CustomResourceDefinition", "", CRD) is not None
    wait_until(lambda: stage.generations() == {}, WAIT_SECONDS_MAX, "end of the DaemonSets", 0.25)
