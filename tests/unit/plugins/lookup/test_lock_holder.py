# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import multiprocessing
import os

from ansible.plugins.loader import lookup_loader


def look(**variables: object) -> str:
    (name,) = lookup_loader.get("llmops.kubernetes.lock_holder").run([], variables)
    return str(name)


def test_a_run_is_named_by_user_machine_and_process() -> None:
    user, _at, rest = look().partition("@")
    machine, _colon, number = rest.partition(":")
    assert user
    assert machine == os.uname().nodename
    parent = multiprocessing.parent_process()
    assert number == str(parent.pid if parent is not None else os.getpid())


def _tell(queue: multiprocessing.Queue[str]) -> None:
    queue.put(look())


def test_all_processes_of_a_run_have_the_name_of_the_one_that_was_started() -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    for _task in range(2):
        worker = context.Process(target=_tell, args=(queue,))
        worker.start()
        assert queue.get(timeout=30).endswith(f":{os.getpid()}")
        worker.join()


def test_a_job_of_awx_is_named_by_its_number() -> None:
    assert look(awx_job_id=7, tower_job_id=7) == "AWX job 7"
    assert look(tower_job_id="8") == "AWX job 8"
