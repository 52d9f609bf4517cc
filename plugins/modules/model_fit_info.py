#!/usr/bin/python
# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: model_fit_info
short_description: Tell whether a model fits on a GPU, and what would make it fit
version_added: "0.1.0"
description:
  - >-
    Adds up what vLLM needs on each GPU, weights, the peak of the largest batch, libraries, CUDA graphs, and the
    key-value cache of one request of the full length, and compares it with the GPU's memory and the share of it that
    the engine takes.
  - >-
    Each part says whether it is computed from the model's and the engine's own rules, or estimated from published
    measurements, with its range and source. The verdict V(fits) holds at the bad end of every estimate,
    V(does_not_fit) at the good end; what lies between, and what is not known, is V(unknown), with the reason. Missing
    data never passes.
  - >-
    Looks also at what keeps a model from running whatever the memory, tensor parallelism that does not divide the
    model, quantization and number formats that the GPU cannot do, a driver that is too old for CUDA inside of the
    image, a context longer than the model's, and a missing chat template.
  - >-
    Needs no hub, no GPU, and no cluster unless O(gpu.node) names a node of it. The files of the model are read on
    the machine where the task runs; of the weights only the headers. For a model on the hub download
    C(config.json), C(model.safetensors.index.json) and C(tokenizer_config.json), some kilobytes each.
options:
  path:
    description:
      - >-
        Folder with the files of the model, C(config.json), and as far as they are there
        C(model.safetensors.index.json), C(*.safetensors), C(tokenizer_config.json) and C(chat_template.jinja).
      - What O(config), O(safetensors_index) and O(tokenizer_config) say goes before the files.
    type: path
  config:
    description: The content of the model's C(config.json).
    type: dict
  safetensors_index:
    description: The content of C(model.safetensors.index.json), which declares the size of the weights to the byte.
    type: dict
  tokenizer_config:
    description: The content of C(tokenizer_config.json), which holds the chat template of most models.
    type: dict
  weights_gib:
    description:
      - Size of the weights in GiB, above zero, where no file says it. It goes before everything else.
      - >-
        Without it and without files the size is computed from O(config), which is exact for unquantized models of the
        families that are known here.
    type: float
  gpu:
    description: >-
      The GPU. One of O(gpu.node), O(gpu.memory_mib), O(gpu.memory_gib), O(gpu.labels) with C(nvidia.com/gpu.memory),
      or an O(gpu.product) that is known here has to be given.
    type: dict
    required: true
    suboptions:
      product:
        description:
          - Name of the card as GPU Feature Discovery labels it, such as V(NVIDIA-H100-80GB-HBM3).
          - Memory and compute capability of common NVIDIA cards are known; what is written beside it goes before.
        type: str
      memory_mib:
        description: Memory in MiB as C(nvidia-smi) shows it.
        type: int
      memory_gib:
        description: Memory in GiB. Give one of both only.
        type: float
      compute_capability:
        description: Compute capability, such as V(8.9). Without it quantized models stay V(unknown).
        type: str
      driver_version:
        description: Version of the node's driver, such as V(550.54.15).
        type: str
      node:
        description: >-
          Name of a node of the cluster, whose labels are read. The options for the connection are used for that only.
        type: str
      labels:
        description: >-
          Labels of a node, from which memory, product, compute capability and driver are taken as far as they are not
          written beside it (C(nvidia.com/gpu.memory) and its neighbours). They go before those of O(gpu.node).
        type: dict
  model_server:
    description:
      - An item of the list C(model_servers) of the inventory, from which all options below are taken.
      - Options that are given beside it go before.
    type: dict
  model_server_defaults:
    description: What the item starts from, as in the inventory.
    type: dict
    default: {}
  engine_version:
    description: >-
      Version of vLLM, which decides about defaults, about quantizations that are there, and whether CUDA graphs are
      counted.
    type: str
  cuda_version:
    description:
      - Version of CUDA inside of the image, such as V(12.9), checked against the driver.
      - Taken from the image's tag where that ends as those of the vLLM project do (C(-cu129)).
    type: str
  tensor:
    description: GPUs over which each layer is split, above zero.
    type: int
  pipeline:
    description: Stages into which the layers are cut, above zero.
    type: int
  data:
    description: Engines that share the experts of one model, above zero.
    type: int
  expert:
    description: Whether experts are spread whole instead of each being split.
    type: bool
  max_model_len:
    description: >-
      Longest request in tokens, prompt and answer together, such as V(8192), V(32k) or V(auto). The model's own without
      it.
    type: str
  max_num_seqs:
    description: Requests in one batch, above zero. The engine's default for such a card without it.
    type: int
  max_num_batched_tokens:
    description: Tokens in one batch, above zero. The engine's default for such a card without it.
    type: int
  gpu_memory_utilization:
    description: >-
      Share of the card that the engine takes, above zero. Without it 0.92, and 0.9 before vLLM 0.20 and where
      O(engine_version) is not given.
    type: float
  kv_cache_dtype:
    description: Type of the values in the cache, such as V(fp8). The model's own without it.
    type: str
  quantization:
    description: What the engine makes of an unquantized model while it loads, such as V(fp8).
    type: str
  dtype:
    description: Number format of the weights.
    type: str
    choices: [auto, bfloat16, float, float16, float32, half]
  enforce_eager:
    description: Whether CUDA graphs are left out.
    type: bool
  chat:
    description: Whether the model has to answer chat requests, for which it needs a chat template.
    type: bool
    default: true
extends_documentation_fragment:
  - llmops.kubernetes.cluster
  - llmops.kubernetes.attributes
  - llmops.kubernetes.attributes.read_only
author:
  - The llmops.kubernetes contributors (@llmops)
seealso:
  - module: llmops.kubernetes.model_server
notes:
  - >-
    Models with state-space layers, linear attention or a C(model_type) that is not known here are V(unknown), never
    guessed.
  - The memory that images and sound take while they are read is not estimated, so multimodal models never pass.
  - >-
    The list of products holds NVIDIA cards. For other makers give O(gpu.memory_mib); the sums are the same, what
    O(gpu.compute_capability) stands for is not checked then.
"""

EXAMPLES = r"""
- name: Read which nodes have GPUs
  kubernetes.core.k8s_info:
    kind: Node
    label_selectors: [nvidia.com/gpu.present=true]
  register: gpu_nodes

- name: Ask before a release is rolled out, for each of them
  llmops.kubernetes.model_fit_info:
    path: /srv/models/qwen2.5-7b-instruct
    model_server: "{{ model_servers | selectattr('name', 'equalto', 'chat') | first }}"
    model_server_defaults: "{{ model_server_defaults | default({}) }}"
    gpu:
      labels: "{{ item.metadata.labels }}"
  loop: "{{ gpu_nodes.resources }}"
  loop_control:
    label: "{{ item.metadata.name }}"
  register: fits

- name: Stop where it is not certain on every node, with the reasons and with what would help
  ansible.builtin.assert:
    that: item.verdict == 'fits'
    fail_msg: "{{ item.problems + item.unknown }}; what would help: {{ item.suggestions }}"
  loop: "{{ fits.results }}"
  loop_control:
    label: "{{ item.item.metadata.name }}"

- name: Ask about one node, with the connection of module_defaults
  llmops.kubernetes.model_fit_info:
    path: /srv/models/qwen2.5-7b-instruct
    gpu: {node: gpu-1}
    tensor: 2
  register: fit

- name: Plan without a cluster and without files
  llmops.kubernetes.model_fit_info:
    config: "{{ lookup('ansible.builtin.file', 'config.json') | from_json }}"
    gpu: {product: NVIDIA-L40S, driver_version: 550.54.15}
    max_model_len: 16K
    engine_version: 0.32.0
    cuda_version: "12.9"
  register: fit

- name: Show how much context the card is good for, and how many requests of that length
  ansible.builtin.debug:
    msg: >-
      up to {{ fit.max_model_len_that_fits_min }} tokens, {{ fit.kv_cache.concurrency_min }} requests of
      {{ fit.max_model_len }} tokens at once
"""

RETURN = r"""
verdict:
  description: >-
    V(fits) where nothing keeps the model from running, V(does_not_fit) where something does, V(unknown) where that
    depends on something that is not known.
  returned: success
  type: str
  sample: fits
problems:
  description: What keeps the model from running, or from answering chat requests.
  returned: success
  type: list
  elements: str
  sample: ["tensor parallelism over 3 GPUs: 32 attention heads can not be split evenly"]
unknown:
  description: What is not known and decides.
  returned: success
  type: list
  elements: str
  sample: []
warnings_of_fit:
  description: What works otherwise than one might expect, and what was not checked.
  returned: success
  type: list
  elements: str
  sample: ["the driver was not checked: the version of the node's driver is not given"]
suggestions:
  description: Changes each of which alone makes the model fit for certain. Empty where it fits already.
  returned: success
  type: list
  elements: str
  sample: ["max_model_len: 22416 instead of 131072", "a GPU with 38 GiB or more"]
memory:
  description: >-
    The memory of the fullest GPU. Each part has C(gib) (the likely value), C(gib_min) and C(gib_max) (the range in
    which the true one is expected), C(how) (V(computed) or V(estimated)) and C(source).
  returned: success
  type: dict
  contains:
    gpu:
      description: What a process sees of the card.
      type: dict
      returned: always
    budget:
      description: The share of it that the engine takes.
      type: dict
      returned: always
    weights:
      description: The weights; null where their size is not known.
      type: dict
      returned: always
    peak:
      description: What the largest batch takes beside weights and cache.
      type: dict
      returned: always
    non_torch:
      description: What CUDA and the libraries for communication take.
      type: dict
      returned: always
    cuda_graphs:
      description: What recorded graphs take, as far as the engine takes it from its budget.
      type: dict
      returned: always
    kv_cache:
      description: What is left for the key-value cache; null where the weights are not known.
      type: dict
      returned: always
  sample:
    weights:
      gib: 14.958
      gib_min: 14.958
      gib_max: 14.958
      how: computed
      source: model.safetensors.index.json, metadata.total_size
kv_cache:
  description: The key-value cache. All numbers are null where the form of the model's cache is not known.
  returned: success
  type: dict
  contains:
    bytes_per_token:
      description: >-
        Bytes of one token on the fullest GPU, in all of its layers. Layers that look at a window only keep a token for
        as long as it is in sight.
      type: int
      returned: always
      sample: 131072
    request_gib:
      description: What one request of RV(max_model_len) tokens takes, in GiB.
      type: float
      returned: always
      sample: 1.0
    tokens:
      description: Tokens that fit, as vLLM prints it (C(GPU KV cache size)), at the likely size of the cache.
      type: int
      returned: always
      sample: 421440
    tokens_min:
      description: The same at the bad end of the estimates.
      type: int
      returned: always
      sample: 408928
    concurrency:
      description: Requests of RV(max_model_len) tokens that fit at once, as vLLM prints it (C(Maximum concurrency)).
      type: float
      returned: always
      sample: 26.34
    concurrency_min:
      description: The same at the bad end of the estimates.
      type: float
      returned: always
      sample: 25.56
    how:
      description: V(computed), as the rules are the engine's own.
      type: str
      returned: always
      sample: computed
    source:
      description: Where the rules come from.
      type: str
      returned: always
      sample: vLLM 0.32.0, v1/kv_cache_interface.py and v1/core/kv_cache_utils.py
max_model_len:
  description: The length in tokens that was judged; null where it is neither given nor known.
  returned: success
  type: int
  sample: 16384
max_model_len_that_fits:
  description: The longest request in tokens that fits at the likely size of the cache, at most the model's own context.
  returned: success
  type: int
  sample: 131072
max_model_len_that_fits_min:
  description: The same at the bad end of the estimates.
  returned: success
  type: int
  sample: 131072
gpus:
  description: GPUs of one pod, tensor x pipeline x data.
  returned: success
  type: int
  sample: 1
tensor_sizes:
  description: >-
    Sizes of tensor parallelism that divide heads, vocabulary, layers and groups of quantization of this model, up to
    its number of heads.
  returned: success
  type: list
  elements: int
  sample: [1, 2, 4, 8, 16, 32]
gpu_memory_utilization:
  description: The share of the card that was counted with.
  returned: success
  type: float
  sample: 0.92
max_num_seqs:
  description: The requests in a batch that were counted with.
  returned: success
  type: int
  sample: 1024
max_num_batched_tokens:
  description: The tokens in a batch that were counted with.
  returned: success
  type: int
  sample: 8192
model:
  description: What was found out about the model.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the release, else what C(config.json) says.
      type: str
      returned: always
      sample: chat
    model_type:
      description: Its kind in C(config.json).
      type: str
      returned: always
      sample: qwen2
    parameters:
      description: Number of its parameters, computed; null for kinds whose sum is not known here.
      type: int
      returned: always
      sample: 7615616512
    dtype:
      description: Number format of the checkpoint.
      type: str
      returned: always
      sample: bfloat16
    quantization:
      description: How the checkpoint is quantized; null where it is not.
      type: str
      returned: always
      sample: fp8
    max_position_tokens:
      description: The longest context that the model is made for.
      type: int
      returned: always
      sample: 32768
    chat_template:
      description: Whether it has a chat template; null where that was not looked at.
      type: bool
      returned: always
      sample: true
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.connect import open_cluster
from ansible_collections.llmops.kubernetes.plugins.module_utils._edge.model_folders import LocalFolders
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.model_fit_info import describe_fit
from ansible_collections.llmops.kubernetes.plugins.module_utils._flows.ports import Outcome
from ansible_collections.llmops.kubernetes.plugins.module_utils._module import run
from ansible_collections.llmops.kubernetes.plugins.module_utils._options import Options, cluster

OPTIONS = Options(
    {
        "path": {"type": "path"},
        "config": {"type": "dict"},
        "safetensors_index": {"type": "dict"},
        "tokenizer_config": {"type": "dict", "no_log": False},
        "weights_gib": {"type": "float"},
        "gpu": {
            "type": "dict",
            "required": True,
            "options": {
                "product": {"type": "str"},
                "memory_mib": {"type": "int"},
                "memory_gib": {"type": "float"},
                "compute_capability": {"type": "str"},
                "driver_version": {"type": "str"},
                "node": {"type": "str"},
                "labels": {"type": "dict"},
            },
        },
        "model_server": {"type": "dict"},
        "model_server_defaults": {"type": "dict", "default": {}},
        "engine_version": {"type": "str"},
        "cuda_version": {"type": "str"},
        "tensor": {"type": "int"},
        "pipeline": {"type": "int"},
        "data": {"type": "int"},
        "expert": {"type": "bool"},
        "max_model_len": {"type": "str"},
        "max_num_seqs": {"type": "int"},
        "max_num_batched_tokens": {"type": "int", "no_log": False},
        "gpu_memory_utilization": {"type": "float"},
        "kv_cache_dtype": {"type": "str"},
        "quantization": {"type": "str"},
        "dtype": {"type": "str", "choices": ["auto", "bfloat16", "float", "float16", "float32", "half"]},
        "enforce_eager": {"type": "bool"},
        "chat": {"type": "bool", "default": True},
    },
    {"required_one_of": (("path", "config"),)},
    above_zero=(
        "weights_gib",
        "tensor",
        "pipeline",
        "data",
        "max_num_seqs",
        "max_num_batched_tokens",
        "gpu_memory_utilization",
    ),
).merge(cluster())


def flow(params: Mapping[str, Any], _check_mode: bool) -> Outcome:
    """Return what the sums say; check mode makes no difference."""
    return describe_fit(params, LocalFolders(), partial(open_cluster, params))


def main() -> None:
    """Run the module."""
    run(OPTIONS, flow)


if __name__ == "__main__":
    main()
