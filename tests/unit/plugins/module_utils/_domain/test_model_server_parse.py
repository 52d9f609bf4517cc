# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of bad input gets an error that names the release, the path, the value, what is allowed and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server import (
    ConfigMapKey,
    EngineVersion,
    FieldRef,
    ModelSource,
    SecretKey,
)
from ansible_collections.llmops.kubernetes.plugins.module_utils._domain.model_server_parse import parse_model_servers
from ansible_collections.llmops.kubernetes.plugins.module_utils._errors import InputError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils._domain.releases import COMMIT, complaint, server, written


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"replcas": 2}, "model_servers[chat].replcas: unknown key; allowed: annotations, "),
        ({"replcas": 2}, "Did you mean replicas?"),
        ({"engine.imagee": "x"}, "model_servers[chat].engine.imagee: unknown key"),
        (
            {"name": "Chat_1"},
            "model_servers[Chat_1].name: is no name of a Service (got 'Chat_1'); allowed: up to 40 lower-case",
        ),
        ({"name": "x" * 41}, "is no name of a Service"),
        (
            {"name": "7b-chat"},
            "is no name of a Service (got '7b-chat'); allowed: up to 40 lower-case letters, digits and",
        ),
        ({"namespace": "LLM"}, "namespace: is no DNS label (got 'LLM'); allowed: up to 63 lower-case letters, digits"),
        ({"name": None}, "model_servers[0].name: is required. Name the release."),
        ({"namespace": None}, "model_servers[chat].namespace: is required"),
        ({"engine.image": "vllm/vllm-openai:latest"}, "engine.image: the tag latest is refused"),
        ({"engine.image": "registry:5000/vllm"}, "engine.image: the image has no tag that pins it"),
        (
            {"engine.digest": "abc"},
            "engine.digest: is no digest (got 'abc'); allowed: sha256: and 64 hexadecimal digits",
        ),
        ({"engine.version": None}, "engine.version: is required. Say which vLLM is inside of the image"),
        ({"engine.version": "newest"}, "engine.version: 'newest' is not a version of vLLM"),
        ({"engine.version": "0.6.0"}, "is older than what is known here (got '0.6.0'); allowed: 0.8.5 or newer"),
        ({"engine.args": {"swap_space": 4}}, "engine.args.swap_space: vLLM 0.18.0 does not know the argument"),
        ({"engine.args": {"port": 1}}, "engine.args.port: is set by the collection. Use engine.port"),
        ({"engine.args": {"kv_cache_dtype": "fp9"}}, "engine.args.kv_cache_dtype: vLLM 0.18.0 does not know"),
        ({"engine.args": {"trust_remote_code": True}}, "runs code of the model's repository, which is not pinned"),
        (
            {"engine.args": {"disable_log_stats": True}},
            "engine.args.disable_log_stats: takes away the counters that the health gate reads (got True). Leave it",
        ),
        (
            {"engine.args": {"prefill_context_parallel_size": 2}},
            "engine.args.prefill_context_parallel_size: more than 1 is not supported yet (got 2). GPUs of a pod are",
        ),
        ({"engine.args": {"runner": "pooling"}}, "engine.args.runner: pooling models are not supported yet (got 'pool"),
        ({"engine.args": {"convert": "embed"}}, "engine.args.convert: pooling models are not supported yet"),
        (
            {"engine.args": {"task": "embed"}, "engine.version": "0.11.0"},
            "engine.args.task: pooling models are not supported yet (got 'embed'). The gates ask for completions",
        ),
        (
            {"engine.args": {"max-model-len": 1, "max_model_len": 2}},
            "engine.args.max_model_len: is there twice, with dashes and with underscores. Keep one of them.",
        ),
        (
            {"engine.image": "x/v@junk"},
            "engine.image: what stands behind @ is no digest (got 'x/v@junk'); allowed: NAME:TAG@sha256: and 64",
        ),
        (
            {"engine.image": "x/v:1@sha256:" + "0" * 64, "engine.digest": "sha256:" + "0" * 64},
            "engine.image: has a digest, and so has engine.digest (got 'x/v:1@sha256:",
        ),
        ({"engine.args": {"seed": {1}}}, "engine.args.seed: has no form on a command line"),
        ({"engine.port": 0}, "engine.port: is out of range (got 0); allowed: 1 to 65535"),
        ({"engine.env": {"HF_TOKEN": "hf_x"}}, "engine.env.HF_TOKEN: is set by the collection. Use model.token."),
        (
            {"engine.env": {"MY_API_KEY": "x"}},
            "engine.env.MY_API_KEY: looks like a secret and must not stand in the inv",
        ),
        ({"engine.env": {"a b": "x"}}, "is no name of a variable"),
        ({"engine.env": {"A": True}}, "engine.env.A: expected a text (got True). Put quotes around it."),
        ({"engine.env": {"A": {"x": 1}}}, "engine.env.A: is no value of a variable"),
        ({"engine.env": {"VLLM_SERVER_DEV_MODE": "1"}}, "is unsafe. It opens the server to remote control."),
        ({"engine.env": {"VLLM_USE_V1": "1"}}, "engine.env.VLLM_USE_V1: vLLM 0.18.0 does not read the variable"),
        ({"engine.api_key": "sk-123"}, "engine.api_key: a secret's value must not stand in the inventory"),
        ({"engine.pull_policy": "Sometimes"}, "allowed: Always, IfNotPresent, Never"),
        ({"model.source": None}, "model.source: is required. Say where the weights are"),
        (
            {"model.source": "Qwen/Qwen2.5"},
            "model.source: is no model source (got 'Qwen/Qwen2.5'); allowed: hf://ORG/NAME",
        ),
        ({"model.source": "hf://a b"}, "model.source: is no repository of the hub"),
        ({"model.source": "oci://x/y"}, "model.source: oci:// is not supported yet"),
        ({"model.source": "file:///models"}, "Pod Security forbids host paths"),
        ({"model.source": "pvc://models/../x", "model.revision": None}, "model.source: must not leave its volume"),
        ({"model.source": "pvc://models/x"}, "model.revision: has no meaning for pvc://"),
        (
            {"model.source": "volume://weight/qwen", "model.revision": None},
            "model.source: there is no volume weight. Add it to volumes, with a mount.",
        ),
        (
            {
                "model.source": "volume://weight",
                "model.revision": None,
                "volumes": [{"name": "weights", "csi": {"driver": "x"}, "mount": "/w"}],
            },
            "model.source: there is no volume weight; allowed: weights. Did you mean weights?",
        ),
        ({"model.cache": "hub"}, "model.cache: expected a mapping (got 'hub')"),
        ({"model.cache": {"claim": "hub"}}, "model.cache.pvc: is required. Name the PersistentVolumeClaim."),
        (
            {"model.source": "pvc://m/x", "model.revision": None, "model.cache": {"pvc": "hub"}},
            "model.cache: has no meaning for pvc://: nothing is downloaded. Leave it out.",
        ),
        ({"model.revision": None}, "model.revision: is required for hf://"),
        ({"model.revision": "main"}, "model.revision: is a branch or a tag, not a commit (got 'main')"),
        ({"model.token": "hf_abc"}, "Refer to a Secret of the namespace: token: {secret: NAME, key: KEY}."),
        ({"model.chat_template": {"text": "a", "configmap": "b"}}, "chat_template: needs either text or configmap"),
        ({"model.quantization": "awk"}, "model.quantization: vLLM 0.18.0 does not know quantization awk"),
        ({"model.adapters": [{"name": "a"}]}, "model.adapters: adapters are not supported yet"),
        ({"model.size_gib": -1}, "model.size_gib: expected a number (got -1); allowed: more than 0 GiB"),
        (
            {"parallel.tensor": 2, "resources.gpus": 4},
            "resources.gpus: does not fit parallel: tensor 2 x pipeline 1 x data 1",
        ),
        ({"resources.accelerator": "none", "resources.gpus": 1}, "resources.gpus: no accelerator is asked for"),
        ({"parallel.nodes": 2}, "parallel.nodes: a replica that spans nodes is not supported yet"),
        ({"parallel.tensor": 0}, "parallel.tensor: is out of range (got 0); allowed: 1 or more"),
        ({"resources.accelerator": "gpu"}, "resources.accelerator: is no extended resource"),
        (
            {"resources.requests": {"cpu": "four"}},
            "resources.requests.cpu: is no quantity (got 'four'); allowed",
        ),
        ({"resources.limits": {"cpu": "0"}}, "resources.limits.cpu: must be more than zero"),
        ({"resources.limits": {"nvidia.com/gpu": 1}}, "resources.limits.nvidia.com/gpu: is computed from parallel"),
        ({"resources.shm": "lots"}, "resources.shm: 'lots' is not a Kubernetes quantity"),
        (
            {"resources.limits": {"memory": "4Gi"}, "parallel.tensor": 2},
            "is not larger than /dev/shm (4Gi), which counts",
        ),
        (
            {"placement.gpu_products": ["A100"], "resources.accelerator": "none"},
            "gpu_products: no accelerator is asked for",
        ),
        ({"placement.spread": "rack"}, "allowed: hostname, zone, none"),
        ({"placement.affinity": {"nodeAffinty": {}}}, "placement.affinity.nodeAffinty: unknown key"),
        ({"probes.readiness_period_seconds": 0}, "probes.readiness_period_seconds: is out of range (got 0)"),
        ({"probes.startup_seconds_max": -5}, "allowed: 1 to 86400 seconds"),
        ({"probes.path": "health"}, "probes.path: must start with /"),
        (
            {"probes.path": "/v1/models", "engine.api_key": {"secret": "s", "key": "k"}},
            "answers 401 without the API key",
        ),
        ({"drain.stream_seconds_max": -1}, "drain.stream_seconds_max: is out of range (got -1)"),
        ({"drain.grace_seconds": 20}, "drain.grace_seconds: 20 s are too short: endpoint_seconds 15 +"),
        ({"security": "privileged"}, "model_servers[chat].security: no such choice (got 'privileged')"),
        ({"security": {"run_as_user": 0}}, "security.run_as_user: is out of range"),
        ({"labels": {"app.kubernetes.io/name": "x"}}, "labels.app.kubernetes.io/name: is set by the collection"),
        ({"labels": {"-x": "x"}}, "labels.-x: is no name of a label"),
        ({"labels": {"x": "a b"}}, "labels.x: is no value of a label (got 'a b')"),
        ({"volumes": [{"name": "tmp", "pvc": "x", "mount": "/x"}]}, "volumes[0].name: is no free name of a volume"),
        ({"volumes": [{"name": "v", "pvc": "x", "mount": "x"}]}, "volumes[0].mount: must be an absolute path"),
        ({"volumes": [{"name": "v", "mount": "/x"}]}, "volumes[0]: a volume has exactly one source"),
        ({"volumes": [{"name": "v", "csi": "x", "mount": "/x"}]}, "volumes[0].csi: expected a mapping (got 'x')"),
        (
            {"volumes": [{"name": n, "pvc": "x", "mount": "/x"} for n in "ab"]},
            "volumes: two volumes have the same mount (got '/x')",
        ),
        ({"sidecars": [{"name": "engine", "image": "a:1"}]}, "sidecars[0].name: is no free name of a container"),
        ({"sidecars": [{"name": "x", "image": "a"}]}, "sidecars[0].image: the image has no tag that pins it"),
        (
            {"init": [{"name": "x", "image": "a:1", "securityContext": {"privileged": True}}]},
            "init[0].securityContext.privileged: is more than Pod Security restricted lets a container have. Leave",
        ),
        (
            {"sidecars": [{"name": "x", "image": "a:1", "env": [{"name": "API_TOKEN", "value": "planted"}]}]},
            "sidecars[0].env.API_TOKEN: looks like a secret and must not stand in the inventory",
        ),
        ({"rollout.strategy": "blue_green"}, "rollout.strategy: blue_green is not supported yet"),
        ({"rollout.strategy": "surg"}, "Did you mean surge?"),
        ({"canary": {"steps": [5]}}, "model_servers[chat].canary: canary is not supported yet"),
        ({"scaling": {"max_replicas": 3}}, "scaling is not supported yet"),
        ({"slo": {"ttft_p95_ms": 3}}, "model_servers[chat].slo.ttft_p95_ms: a limit ends with _max or _min"),
        ({"slo": {"ttft_p96_ms_max": 3}}, "model_servers[chat].slo.ttft_p96_ms_max: no such limit"),
        ({"slo": {"ttft_p95_ms_max": 0}}, "model_servers[chat].slo.ttft_p95_ms_max: "),
        ({"slo": {"goodput_ratio_min": 0.9}}, "Write benchmark.request_slo, which says what a good request is"),
        ({"slo": [3]}, "model_servers[chat].slo: expected a mapping"),
        ({"benchmark": {"phasse": []}}, "model_servers[chat].benchmark.phasse: unknown key"),
        ({"benchmark": {"targets": []}}, "model_servers[chat].benchmark.targets: unknown key"),
        (
            {"benchmark": {"phases": [{"load": {"kind": "poison"}, "stop": {"requests": 1}}]}},
            "model_servers[chat].benchmark.phases[0].load.kind: ",
        ),
        (
            {"benchmark": {"sweep": {"stop": {"requests": 9}}}},
            "model_servers[chat].slo: a sweep looks for the highest rate",
        ),
        ({"route": {"host": "x"}}, "route is not supported yet"),
        ({"warmup.requests": -1}, "warmup.requests: is out of range"),
        (
            {"patches": [{"op": "replace", "path": "/nope", "value": 1}]},
            "patches: patches[0] (replace /nope): there is no",
        ),
    ],
)
def test_bad_input_is_refused_with_path_value_and_next_step(change: Mapping[str, Any], text: str) -> None:
    assert text in complaint(change)


@pytest.mark.parametrize(
    "change",
    [
        {"model.token": "hf_planted"},
        {"model.credentials": "hf_planted"},
        {"model.token": {"secret": "hf", "key": 1, "value": "hf_planted"}},
        {"engine.api_key": "hf_planted"},
        {"engine.env": {"X_PASSWORD": "hf_planted"}},
        {"engine.env": {"MY_TOKEN": {"value": "hf_planted"}}},
        {"engine.env": {"MY_TOKEN": ["hf_planted"]}},
        {"engine.env": {"MODE": {"token": "hf_planted"}}},
        {"engine.env": ["MY_TOKEN=hf_planted"]},
        {"engine.args": "--api-key hf_planted"},
        {"engine.args": {"hf_token": "hf_planted"}},
        {"sidecars": [{"name": "x", "image": "a:1", "env": [{"name": "A_TOKEN", "value": "hf_planted"}]}]},
        {"sidecars": {"password": "hf_planted"}},
        {"labels": {"api-key": ["hf_planted"]}},
        {"labels": {"api-key": True}},
    ],
)
def test_a_secret_in_the_inventory_is_never_repeated(change: Mapping[str, Any]) -> None:
    words = complaint(change)
    assert "hf_planted" not in words
    assert "True" not in words


def test_all_problems_of_all_releases_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parse_model_servers([written({"replicas": -1}), written({"name": "other", "engine.port": 0}), "text"])
    assert "5 problems in the input; nothing was changed" in caught.value.message or "problems" in caught.value.details
    paths = [problem.path for problem in caught.value.problems]
    assert "model_servers[chat].replicas" in paths
    assert "model_servers[other].engine.port" in paths
    assert "model_servers[2]" in paths


def test_two_releases_of_one_name_in_one_namespace_are_refused() -> None:
    with pytest.raises(InputError, match="there are two releases of this name in namespace llm"):
        parse_model_servers([written(), written()])


def test_a_namespace_may_begin_with_a_digit_and_a_service_may_not() -> None:
    assert server({"namespace": "7b"}).namespace == "7b"
    assert "starting with a letter, without" in complaint({"name": "7b"})


def test_releases_of_one_name_may_live_in_two_namespaces() -> None:
    assert len(parse_model_servers([written(), written({"namespace": "other"})])) == 2


def test_only_narrows_the_list_and_refuses_unknown_names() -> None:
    releases = [written(), written({"name": "embed"})]
    assert [each.name for each in parse_model_servers(releases, only=["embed"])] == ["embed"]
    with pytest.raises(
        InputError, match=r"only: there is no such release \(got 'embd'\); allowed: chat, embed. Did you"
    ):
        parse_model_servers(releases, only=["embd"])
    with pytest.raises(InputError, match=r"allowed: chat, embed$"):
        parse_model_servers(releases, only=["zzzzzz"])


def test_the_smallest_release_has_complete_defaults() -> None:
    parsed = server()
    assert parsed.model.source == ModelSource("hf", "Qwen/Qwen2.5-7B-Instruct")
    assert parsed.model.served_names == ("chat",)
    assert parsed.engine.command == ("vllm", "serve")
    assert parsed.engine.version == EngineVersion(0, 18, 0)
    assert parsed.resources.accelerator == "nvidia.com/gpu"
    assert parsed.security.profile == "restricted"


def test_defaults_lie_under_every_release() -> None:
    defaults = {"namespace": "shared", "labels": {"team": "a"}, "replicas": 3}
    (parsed,) = parse_model_servers([written({"namespace": None, "labels": {"app": "b"}})], defaults)
    assert (parsed.namespace, parsed.replicas) == ("shared", 3)
    assert parsed.labels == (("app", "b"), ("team", "a"))


def test_references_and_structures_are_read() -> None:
    parsed = server(
        {
            "model.token": {"secret": "hf", "key": "token", "optional": True},
            "model.served_name": ["a", "b"],
            "model.chat_template": {"configmap": "templates", "key": "chat"},
            "engine.api_key": {"secret": "s", "key": "k"},
            "engine.tls": {"secret": "tls"},
            "engine.args": {"trust_remote_code": True, "code_revision": COMMIT},
            "engine.env": {
                "PLAIN": 1,
                "SECRET_ONE": {"secret": "s", "key": "k"},
                "FROM_MAP": {"configmap": "c", "key": "k"},
                "POD_IP": {"field": "status.podIP"},
            },
            "security": {"profile": "openshift", "service_account": "own"},
            "resources.shm": "1Gi",
            "network": {"ingress_from": [{"namespaceSelector": {}}]},
        }
    )
    assert parsed.model.token == SecretKey("hf", "token", optional=True)
    assert parsed.model.served_names == ("a", "b")
    assert parsed.model.chat_template is not None
    assert parsed.model.chat_template.configmap == ConfigMapKey("templates", "chat")
    assert dict(parsed.engine.env) == {
        "PLAIN": "1",
        "SECRET_ONE": SecretKey("s", "k"),
        "FROM_MAP": ConfigMapKey("c", "k"),
        "POD_IP": FieldRef("status.podIP"),
    }
    assert parsed.resources.shm_bytes == 2**30


def test_text_from_surveys_is_understood() -> None:
    parsed = server({"replicas": "3", "create_namespace": "true", "drain.endpoint_seconds": "5"})
    assert (parsed.replicas, parsed.create_namespace, parsed.drain.endpoint_seconds) == (3, True, 5)


def test_unsafe_settings_pass_with_consent() -> None:
    parsed = server(
        {
            "engine.allow_unsafe": True,
            "engine.env": {"VLLM_SERVER_DEV_MODE": "1"},
            "engine.args": {"trust_remote_code": True},
        }
    )
    assert dict(parsed.engine.env) == {"VLLM_SERVER_DEV_MODE": "1"}


def test_a_branch_passes_with_consent() -> None:
    assert server({"model.revision": "main", "model.allow_branch": True}).model.revision == "main"


def test_a_digest_pins_an_image_without_a_tag() -> None:
    digest = "sha256:" + "0" * 64
    assert server({"engine.image": "vllm", "engine.digest": digest}).engine.digest == digest
    assert server({"engine.image": f"vllm@{digest}"}).engine.image == f"vllm@{digest}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["engine", "model", "resources", "drain", "volumes", "sidecars", "placement", "security", "patches", "labels"]


def test_parse_takes_containers_of_any_shape_and_variables_from_secrets() -> None:
    source = {"name": "API_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}
    container = {"name": "x", "image": "a:1", "env": [source, "odd"]}
    odd = {**container, "name": "y", "env": 5}
    parsed = server({"sidecars": [container], "init": [odd]})
    assert [each.name for each in (*parsed.sidecars, *parsed.init)] == ["x", "y"]


def refused_in_words(raw: list[Any]) -> bool:
    """Whether a list is parsed, or refused with at least one problem; any other error is raised."""
    try:
        parse_model_servers(raw)
    except InputError as error:
        return bool(error.problems)
    return True


@given(st.lists(JSON, max_size=2))
def test_any_input_is_parsed_or_refused_in_words(raw: list[Any]) -> None:
    assert refused_in_words(raw)


@given(st.sampled_from(KEYS), JSON)
def test_any_section_is_parsed_or_refused_in_words(key: str, value: Any) -> None:
    assert refused_in_words([written({key: value})])


def test_how_a_release_is_measured_is_kept_as_written_and_has_a_load_in_any_case() -> None:
    plain = server()
    assert (plain.slo, plain.benchmark["phases"][0]["load"]) == ({}, {"kind": "closed", "concurrency": 8})
    phases = [{"load": {"kind": "poisson", "rate_per_second": 5}, "stop": {"requests": 100}}]
    section = {"phases": phases, "request_slo": {"ttft_ms_max": 500}, "workload": {"output": {"mean_tokens": 64}}}
    slo = {"ttft_p95_ms_max": 500, "goodput_ratio_min": 0.9}
    measured = server({"slo": slo, "benchmark": section})
    assert (measured.slo, measured.benchmark) == (slo, section)
    sweep = {"sweep": {"stop": {"requests": 100}}}
    assert server({"slo": {"ttft_p95_ms_max": 500}, "benchmark": sweep}).benchmark == sweep
