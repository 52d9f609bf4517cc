# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rolling update of two replicas of real vLLM under load loses nothing; without the drain middleware it does.

Both in one test, as vLLM takes long to start: pods that drain by the usual recipe are rolled over to pods with the
middleware, which shows that losses are seen; then those are rolled over again. ``benchmarks/rolling_update.py`` is the
long form.
"""

from __future__ import annotations

from tests.e2e.conftest import MakeNamespace
from tests.e2e.releases import Places, merged, vllm
from tests.e2e.rolling import deploy_and_gate, roll
from tests.e2e.traffic import Load
from tests.support.cluster import Cluster

LOAD = Load(clients=8, rate_per_client=2.0, tokens=(20, 60))
REQUESTS_MIN = 300


def test_a_rolling_update_of_real_vllm_loses_nothing_and_by_the_usual_recipe_it_does(
    make_namespace: MakeNamespace, cluster: Cluster, places: Places
) -> None:
    release = vllm("chat", make_namespace("roll"), places.models, replicas=2, drain={"endpoint_seconds": 8})
    deploy_and_gate(cluster, merged(release, {"drain": {"middleware": False}}))

    usual = roll(cluster, release, LOAD)
    assert len(usual.records) >= REQUESTS_MIN, usual.text()
    lost = usual.dropped()
    assert lost, "the usual recipe is known to lose requests of kept connections, and none was seen"
    assert {record.kept for record in lost} == {True}, usual.text()

    ours = roll(cluster, merged(release, {"annotations": {"example.com/rolled": "yes"}}), LOAD)
    assert len(ours.records) >= REQUESTS_MIN, ours.text()
    assert ours.dropped() == [], ours.text()
    assert len(ours.count(lambda record: record.pod)) == 4, f"not both pods were replaced: {ours.text()}"
