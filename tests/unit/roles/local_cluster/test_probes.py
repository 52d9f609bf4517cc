# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging what was seen of a cluster: old states do not count, sick parts say what ails them."""

from __future__ import annotations

import http.client
import socket
import struct
import threading

import health
import probes
import pytest

START = 1_700_000_000.0
LEASE = {"spec": {"renewTime": "2023-11-14T22:13:30.000000Z", "leaseDurationSeconds": 20}}  # START + 10
READY = {
    "status": {
        "conditions": [{"type": "Ready", "status": "True", "message": "kubelet is posting ready status"}],
        "nodeInfo": {"kubeletVersion": "v1.34.4"},
        "allocatable": {"nvidia.com/gpu": "2"},
    }
}


@pytest.mark.parametrize(
    ("line", "judged"),
    [
        ("run: /s/sv/etcd: (pid 63) 60s; run: log: (pid 50) 60s", (True, "(pid 63) 60s", "63")),
        ("down: /s/sv/etcd: 1s, normally up; run: log: (pid 50) 60s", (False, "down: /s/sv/etcd: 1s, normally up", "")),
        ("fail: /s/sv/etcd: runsv not running", (False, "fail: /s/sv/etcd: runsv not running", "")),
        ("", (False, "not supervised", "")),
    ],
)
def test_daemon_is_judged_by_what_its_supervisor_says(line, judged):
    assert probes.judge_service(line) == judged


def test_node_with_a_fresh_lease_is_ready():
    assert probes.judge_node(READY, LEASE, START, START + 15) == (True, "Ready, v1.34.4")


def test_ready_state_kept_from_the_last_run_does_not_count():
    assert probes.judge_node(READY, LEASE, START + 60, START + 61) == (False, "no lease since the start")


def test_node_whose_lease_ran_out_is_sick_although_its_state_says_ready():
    assert probes.judge_node(READY, LEASE, START, START + 45) == (False, "lease not renewed for 35 s")


def test_node_that_is_not_ready_says_why():
    condition = {"type": "Ready", "status": "False", "message": "cni plugin not initialized"}
    node = {"status": {**READY["status"], "conditions": [condition]}}
    assert probes.judge_node(node, LEASE, START, START + 15) == (False, "cni plugin not initialized")


@pytest.mark.parametrize(("wanted", "well"), [(2, True), (3, False), (0, False)])
def test_gpus_must_be_as_many_as_asked_for(wanted, well):
    assert probes.judge_gpus(READY, wanted)[0] is well


@pytest.mark.parametrize(("observed", "ready", "well"), [(2, 1, True), (1, 1, False), (2, 0, False)])
def test_deployment_counts_only_for_its_own_generation(observed, ready, well):
    deployment = {
        "metadata": {"generation": 2},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": observed, "readyReplicas": ready},
    }
    assert probes.judge_deployment(deployment)[0] is well


def test_dns_question_is_well_formed():
    assert probes.dns_query("a.bc")[12:] == b"\x01a\x02bc\x00\x00\x01\x00\x01"


@pytest.mark.parametrize(
    ("flags", "answers", "well"),
    [(0x8580, 1, True), (0x8583, 0, False), (0x8182, 0, False)],
    ids=["answer", "no such name", "server failure"],
)
def test_dns_reply_counts_with_an_answer_and_without_an_error(flags, answers, well):
    packet = struct.pack(">HHHHHH", 0x4C4C, flags, 1, answers, 0, 0)
    assert probes.dns_answers(packet) is well
    assert not probes.dns_answers(packet[:5])


def test_sick_part_is_shown_with_its_log_and_its_last_lines(tmp_path):
    log = tmp_path / "current"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    lines = health.render(probes.Part("etcd", False, "does not answer", str(log)))
    assert lines[0].startswith("SICK etcd")
    assert str(log) in lines[1]
    assert lines[-1].endswith("line 99")
    assert len(lines) == 14


def test_well_part_takes_one_line(tmp_path):
    assert len(health.render(probes.Part("etcd", True, "healthy", str(tmp_path / "current")))) == 1


def test_daemon_counts_as_dying_by_the_number_of_its_processes():
    assert health.deaths({"etcd": {"63"}}, "etcd") == 0
    assert health.deaths({"etcd": {"63", "70", "81"}}, "etcd") == 2
    assert health.deaths({}, "etcd") == 0


def test_cluster_that_does_not_run_is_one_sick_part_with_its_log(tmp_path):
    (part,) = probes.observe({"folder": str(tmp_path)})
    assert (part.name, part.well, part.log) == ("node-process", False, f"{tmp_path}/run/node.log")


def test_server_that_ends_in_the_middle_of_its_answer_is_sick_and_nothing_worse():
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=answer_half, args=(server,))
        answering.start()
        looker = object.__new__(probes.Looker)
        well, says = looker.healthy(("http", *server.getsockname(), "/healthz"), probes.own_certificate_context())
        answering.join(10)
    assert not well
    assert "does not answer on port" in says


def answer_half(server):
    link, _address = server.accept()
    with link:
        link.recv(1000)
        link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def test_objects_that_the_api_server_began_to_tell_are_unknown():
    class Half:
        def objects(self):
            raise http.client.IncompleteRead(b"half", 96)

    parts = probes.observed_objects(Half())
    assert {(part.well, part.says.split(":")[0]) for part in parts} == {(False, "unknown")}
    assert len(parts) == 4


def test_inputs_differ_when_a_setting_a_template_or_an_image_archive_changes(tmp_path):
    (tmp_path / "templates").mkdir()
    template, archive = tmp_path / "templates" / "a.j2", tmp_path / "image.tar"
    settings = {"role": str(tmp_path), "wanted": {"gpus": 2}, "extra_archives": [str(archive)]}
    digests = [health.inputs_digest(settings), health.inputs_digest({**settings, "wanted": {"gpus": 3}})]
    template.write_text("x")
    digests.append(health.inputs_digest(settings))
    archive.write_bytes(b"y")
    digests.append(health.inputs_digest(settings))
    assert len(set(digests)) == 4
    assert health.inputs_digest(settings) == digests[-1]
