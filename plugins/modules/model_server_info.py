#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: model_server_info
short_description: Tell which model servers run in a cluster, and in which revision
version_added: "0.1.0"
description:
  - Finds the releases of M(llmops.kubernetes.model_server) by their labels, without the inventory.
options:
  namespaces:
    description: Namespaces to look into. All of the cluster when empty, which needs the permission to list there.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
  - llmops.kubernetes.attributes.read_only
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.model_server
"""

EXAMPLES = r"""
- name: Read what runs
  llmops.kubernetes.model_server_info:
    namespaces: [llm]
  register: info

- name: Fail when a release has fewer ready replicas than it wants
  ansible.builtin.assert:
    that: info.model_servers | rejectattr('ready_replicas', '>=', item.replicas) | list == []
  loop: "{{ info.model_servers }}"
"""

RETURN = r"""
model_servers:
  description: One item per release and slot that has a Deployment, sorted by namespace, name and slot.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the release.
      type: str
      returned: always
      sample: chat
    namespace:
      description: Its namespace.
      type: str
      returned: always
      sample: llm
    slot:
      description: The slot of this Deployment.
      type: str
      returned: always
      sample: blue
    stable:
      description: Whether clients reach this slot.
      type: bool
      returned: always
      sample: true
    revision:
      description: Ten hexadecimal digits that name the content of the pod template.
      type: str
      returned: always
      sample: 3f9a2c1d7e
    number:
      description: Number of the record of what the slot was last seen to run; null where nothing was recorded yet.
      type: int
      returned: always
      sample: 4
    history:
      description: The records that are kept of the release, the oldest first.
      type: list
      elements: dict
      returned: always
      contains:
        number:
          description: Number of the record, for playbooks/rollback.yml.
          type: int
          returned: always
          sample: 4
        revision:
          description: The revision that was recorded.
          type: str
          returned: always
          sample: 3f9a2c1d7e
        recorded_at:
          description: When.
          type: str
          returned: always
          sample: "2026-01-31T12:00:00+00:00"
        recorded_by:
          description: By which run.
          type: str
          returned: always
          sample: AWX job 7
        image:
          description: The image as it was asked for.
          type: str
          returned: always
          sample: docker.io/vllm/vllm-openai:v0.18.0
        image_digest:
          description: Its digest as it ran; null where the node knows none to pull by.
          type: str
          returned: always
        copy_of:
          description: The record that a roll-back has brought back by this one, null for a deployment.
          type: int
          returned: always
        verdicts:
          description: The verdict of each gate.
          type: dict
          returned: always
          sample: {health: pass}
    restored_from:
      description: The record that the stable slot was last rolled back to; null after a deployment.
      type: int
      returned: always
    canary:
      description: The phase of a canary, null where there was none.
      type: str
      returned: always
    lock:
      description: C(holder), C(taken_at) and C(ends_at) of the lock; null where nobody holds it or it may not be read.
      type: dict
      returned: always
    replicas:
      description: Wanted replicas.
      type: int
      returned: always
      sample: 3
    updated_replicas:
      description: Replicas of this revision.
      type: int
      returned: always
      sample: 3
    ready_replicas:
      description: Replicas that serve, of any revision.
      type: int
      returned: always
      sample: 3
    image:
      description: The engine's image.
      type: str
      returned: always
      sample: docker.io/vllm/vllm-openai:v0.18.0
    engine_version:
      description: Version of vLLM.
      type: str
      returned: always
      sample: 0.18.0
    served_name:
      description: The model's name that clients ask for.
      type: str
      returned: always
      sample: chat
    service:
      description: Address of the clients' Service.
      type: str
      returned: always
      sample: chat.llm.svc:8000
    address:
      description: Cluster address and port of the clients' Service; null where Services may not be listed.
      type: str
      returned: always
      sample: 10.96.12.7:8000
    created:
      description: When the Deployment was made.
      type: str
      returned: always
      sample: "2026-01-31T12:00:00Z"
table:
  description: The same as lines of text, for people.
  returned: success
  type: list
  elements: str
cluster:
  description: Address of the API server.
  returned: success
  type: str
  sample: https://192.0.2.1:6443
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_server_info import inspect_releases
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster

OPTIONS = Options({"namespaces": {"type": "list", "elements": "str", "default": []}}).merge(cluster())


def flow(params: Mapping[str, Any], _check_mode: bool) -> Outcome:
    """Return what the module finds; check mode makes no difference."""
    return inspect_releases(params["namespaces"], open_cluster(params))


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
